"""Downloads, from a real server on this machine: whole and as pinned, or not at all."""

from __future__ import annotations

import hashlib
import resource
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import HTTPServer
from pathlib import Path

import pytest
from publisher import BODY, MODIFIED, ONCE, Publisher, Shelf, at_once, fetched, published

from isoloir.domain.errors import IsoloirError, MissingInputError, SourceError, UsageError
from isoloir.pipelines.sources.download import (
    Limits,
    Pace,
    Unchanged,
    UnreachableError,
    Wanted,
    at_mirror,
    download,
    download_if_changed,
    incoming,
)
from isoloir.pipelines.sources.raw import Original

SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    monkeypatch.setenv("ISOLOIR_CACHE", str(tmp_path / "cache"))
    with published(tmp_path / "published") as shelf:
        yield shelf


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


def left_in(cache: Path) -> list[str]:
    """The names of what lies in the cache."""
    return [path.name for path in cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize("turn", ["ok", "moved", "chain", "unsized", "chunks"])
def test_a_file_comes_whole_with_its_version_and_the_address_that_was_asked(
    shelf: Shelf, turn: str, folder: Path, tmp_path: Path
) -> None:
    got = fetched(shelf, folder, turn, sha256=SHA256)
    assert got.path == folder / "file.csv" and got.path.read_bytes() == BODY
    assert (got.sha256, got.bytes, got.etag, got.modified) == (SHA256, len(BODY), '"one"', MODIFIED)
    assert got.place == f"{shelf.address}/next/file.csv"
    assert [p.name for p in folder.iterdir()] == ["file.csv"] and left_in(tmp_path / "cache") == []


@pytest.mark.parametrize(
    ("turn", "kind", "told"),
    [
        ("404", SourceError, "answers 404: it was moved or withdrawn"),
        ("410", SourceError, "answers 410: it was moved or withdrawn"),
        ("403", SourceError, "answers 403: it may have been moved"),
        ("page", SourceError, "answers with a web page: the file was moved"),
        ("hidden page", SourceError, "answers with a web page: the file was moved"),
        ("206", SourceError, "answers 206, which is no file"),
        ("204", SourceError, "answers 204, which is no file"),
        ("304", SourceError, "is unchanged, though it was not asked"),
        ("gzip", SourceError, "compressed on the way"),
        ("unsafe", SourceError, "without https: not followed"),
        ("disk", SourceError, "answers 302, and sends us on to nowhere or in a ring"),
        ("broken", SourceError, "to what is no address"),
        ("ring", SourceError, "answers 302, and sends us on to nowhere or in a ring"),
        ("500", UnreachableError, "answers 500"),
        ("429", UnreachableError, "answers 429"),
        ("cut", UnreachableError, f"ended after {len(BODY) // 2} of {len(BODY)} bytes"),
        ("chunks cut", UnreachableError, "broke off"),
    ],
)
def test_what_does_not_come_whole_is_told_with_its_remedy_and_leaves_nothing(
    shelf: Shelf, turn: str, kind: type[Exception], told: str, folder: Path
) -> None:
    with pytest.raises(kind, match=told) as caught:
        fetched(shelf, folder, *["ring"] * 20 if turn == "ring" else [turn], limits=ONCE)
    assert isinstance(caught.value, SourceError | MissingInputError)
    assert caught.value.where == f"{shelf.address}/next/file.csv"
    assert "sources.yaml" in caught.value.remedy or "--from" in caught.value.remedy
    assert list(folder.iterdir()) == []


def test_a_moved_file_is_told_with_both_ways_to_go_on_and_not_asked_for_again(
    shelf: Shelf, folder: Path
) -> None:
    for turn in ("404", "page"):
        shelf.asked.clear()
        with pytest.raises(SourceError) as caught:
            fetched(shelf, folder, turn)
        assert "url in sources.yaml" in caught.value.remedy and "--from DIR" in caught.value.remedy
        assert len(shelf.asked) == 1


def test_a_web_page_is_a_file_where_one_is_wanted(shelf: Shelf, folder: Path) -> None:
    wanted = Wanted("notice.html", f"{shelf.address}/page/notice.html")
    got = download(wanted, folder, lambda size, total: None, ONCE)
    assert got.path.read_bytes().endswith(b"</html>")


def test_text_that_speaks_of_html_is_no_web_page(shelf: Shelf, folder: Path) -> None:
    shelf.body = b"code;label\n1;<html>\n"
    assert fetched(shelf, folder, "ok").bytes == len(shelf.body)


def test_another_sha256_than_the_pinned_one_is_refused(shelf: Shelf, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=SHA256) as caught:
        fetched(shelf, folder, sha256="0" * 64)
    assert "pin the new sha256" in caught.value.remedy
    assert list(folder.iterdir()) == [] and left_in(tmp_path / "cache") == []


@pytest.mark.parametrize(("turn", "sent"), [("ok", 0), ("unsized", 1 << 20), ("chunks", 1 << 20)])
def test_a_file_beyond_the_limit_is_refused_as_soon_as_that_is_known(
    shelf: Shelf, turn: str, sent: int, folder: Path, tmp_path: Path
) -> None:
    told: list[int] = []
    wanted = Wanted("file.csv", f"{shelf.address}/{turn}/file.csv")
    with pytest.raises(SourceError, match="more than 1 MB"):
        download(wanted, folder, lambda size, total: told.append(size), Limits(5, 1 << 20))
    assert max(told, default=0) <= sent
    assert list(folder.iterdir()) == [] and left_in(tmp_path / "cache") == []


def test_a_publisher_that_says_nothing_is_given_up(shelf: Shelf, folder: Path) -> None:
    with pytest.raises(UnreachableError, match=r"timed out\) \(2 attempts in a row\)"):
        fetched(shelf, folder, "silent", "silent", limits=Limits(silence_seconds=0.2, attempts=2))


def test_without_a_network_the_remedy_is_to_fetch_it_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISOLOIR_CACHE", str(tmp_path / "cache"))
    nobody, waits = Wanted("file.csv", "http://127.0.0.1:9/file.csv"), list[float]()
    with pytest.raises(MissingInputError, match=r"no answer .*\(5 attempts in a row\)") as caught:
        download(nobody, tmp_path, lambda size, total: None, pace=at_once(waits))
    assert "--from DIR" in caught.value.remedy
    assert waits == [2, 4, 8, 16]


def test_progress_is_told_up_to_the_whole(shelf: Shelf, folder: Path) -> None:
    told: list[tuple[int, int | None]] = []
    wanted = Wanted("f", f"{shelf.address}/ok/f")
    download(wanted, folder, lambda size, total: told.append((size, total)))
    assert told[-1] == (len(BODY), len(BODY))
    assert [size for size, _ in told] == sorted({size for size, _ in told})


def test_waits_double_and_are_told_and_a_publisher_that_recovers_is_enough(
    shelf: Shelf, folder: Path
) -> None:
    waits, said = list[float](), list[str]()
    pace = Pace(sleep=waits.append, jitter=lambda: 0.5, told=said.append)
    assert fetched(shelf, folder, "500", "502", "503", pace=pace).sha256 == SHA256
    assert waits == [2 * 1.25, 4 * 1.25, 8 * 1.25]
    assert said[0] == "file.csv could not be fetched: the publisher answers 500; trying again in 2 s"


def test_no_wait_is_longer_than_the_longest(shelf: Shelf, folder: Path) -> None:
    waits: list[float] = []
    limits = Limits(5, attempts=5, first_wait_seconds=10, longest_wait_seconds=15)
    fetched(shelf, folder, *["500"] * 4, limits=limits, pace=at_once(waits))
    assert waits == [10, 15, 15, 15]


@pytest.mark.parametrize(
    ("said", "waited"),
    [
        ("7", 7),
        ("0", 2),
        ("Thu,_01_Jan_1970_00:00:30_GMT", 30),
        ("Mon,_01_Jan_1900_00:00:00_GMT", 2),
        ("soon", 2),
        ("-5", 2),
        ("²", 2),
    ],
)
def test_a_publisher_that_asks_to_be_left_alone_is(
    shelf: Shelf, said: str, waited: float, folder: Path
) -> None:
    waits: list[float] = []
    fetched(shelf, folder, f"503-{said}" if said.isascii() else "503", pace=at_once(waits))
    assert waits == [waited]


@pytest.mark.parametrize("said", ["3600", "9" * 400, "Thu,_01_Jan_2099_00:00:30_GMT"])
def test_one_that_asks_for_more_than_the_longest_wait_is_not_asked_again(
    shelf: Shelf, said: str, folder: Path
) -> None:
    with pytest.raises(UnreachableError, match="the publisher answers 429") as caught:
        fetched(shelf, folder, f"429-{said}")
    assert len(shelf.asked) == 1
    assert said != "3600" or "left alone for 3600 s" in caught.value.what


def test_attempts_are_counted_anew_after_each_megabyte(shelf: Shelf, folder: Path) -> None:
    shelf.body = BODY * 3
    turns = [f"first {1 << 20}"] * 5
    got = fetched(shelf, folder, *turns, limits=Limits(5, attempts=2))
    assert got.path.read_bytes() == shelf.body and len(shelf.asked) == 6


def test_little_by_little_is_no_progress(shelf: Shelf, folder: Path) -> None:
    with pytest.raises(UnreachableError, match="3 attempts in a row"):
        fetched(shelf, folder, *["first 1000"] * 9, limits=Limits(5, attempts=3))


def test_a_publisher_whose_certificate_is_not_trusted_is_not_asked_again(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISOLOIR_CACHE", str(tmp_path / "cache"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own_certificate(tmp_path))
    handler, waits = type("Here", (Publisher,), {"shelf": Shelf(tmp_path)}), list[float]()
    with Quiet(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        wanted = Wanted("f", f"https://127.0.0.1:{server.server_port}/ok/f")
        with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
            download(wanted, folder, lambda size, total: None, pace=at_once(waits))
        server.shutdown()
    assert waits == []


class Quiet(HTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """That the other side breaks off is expected."""


def own_certificate(folder: Path) -> Path:
    """A certificate that nobody signed, with its key."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    start = datetime.now(UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=9))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, plain)
        + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_a_full_disk_is_told_as_that_and_not_tried_again(shelf: Shelf, folder: Path, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(IsoloirError, match="can't be written") as caught:
            fetched(shelf, folder, "ok")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.where == str(tmp_path / "cache" / "downloads")
    assert "ISOLOIR_CACHE" in caught.value.remedy and len(shelf.asked) == 1
    assert list(folder.iterdir()) == []


def asked_if_changed(shelf: Shelf, folder: Path, etag: str | None, modified: str | None) -> object:
    wanted = Wanted("file.csv", f"{shelf.address}/next/file.csv", None, etag, modified)
    return download_if_changed(wanted, folder, lambda size, total: None, ONCE)


@pytest.mark.parametrize(("etag", "modified"), [('"one"', MODIFIED), ('W/"one"', None), (None, MODIFIED)])
def test_a_version_that_was_read_before_is_not_fetched_again(
    shelf: Shelf, etag: str | None, modified: str | None, folder: Path
) -> None:
    shelf.etag, shelf.modified = etag, modified
    got = asked_if_changed(shelf, folder, etag, modified)
    assert got == Unchanged(f"{shelf.address}/next/file.csv", etag, modified)
    assert list(folder.iterdir()) == [] and shelf.asked[0].sent == 0


def test_another_version_is_fetched(shelf: Shelf, folder: Path) -> None:
    got = asked_if_changed(shelf, folder, '"zero"', MODIFIED)
    assert isinstance(got, Original) and (got.etag, got.sha256) == ('"one"', SHA256)


def test_of_a_file_that_was_never_read_all_is_asked(shelf: Shelf, folder: Path) -> None:
    assert isinstance(asked_if_changed(shelf, folder, None, None), Original)
    assert not {"If-None-Match", "If-Modified-Since"} & shelf.asked[0].headers.keys()


def test_a_download_asks_for_the_file_whatever_was_read_before(shelf: Shelf, folder: Path) -> None:
    wanted = Wanted("file.csv", f"{shelf.address}/ok/file.csv", etag='"one"')
    assert download(wanted, folder, lambda size, total: None, ONCE).sha256 == SHA256


@pytest.mark.parametrize(
    "mirror",
    [
        "http://publisher.invalid/a",
        "ftp://127.0.0.1/a",
        "file:///a",
        "https://me:secret@host/a",
        "https://",
        "/a",
    ],
)
def test_a_mirror_is_a_plain_https_address_or_on_this_machine(mirror: str) -> None:
    with pytest.raises(UsageError) as caught:
        at_mirror(mirror, "file.parquet")
    assert "secret" not in str(caught.value)


def test_a_file_of_a_mirror_is_taken_by_its_name() -> None:
    assert at_mirror("https://host/folder/", "f.parquet") == "https://host/folder/f.parquet"
    assert at_mirror("http://localhost:80", "f.parquet") == "http://localhost:80/f.parquet"


def test_what_comes_in_is_gone_after_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(KeyError), incoming(tmp_path) as folder:
        (folder / "file").write_text("a name")
        raise KeyError
    assert list(tmp_path.iterdir()) == []
