"""Downloads, from a real server on this machine: whole and as pinned, or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from isoloir.configs.load import TerritoryConfig, load_territory
from isoloir.domain.errors import MissingInputError, SourceError, UsageError
from isoloir.pipelines import cli
from isoloir.pipelines.demo import write_demo
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import ingest, ingest_published
from isoloir.pipelines.sources.download import Limits, UnreachableError, Wanted, at_mirror, download, incoming
from isoloir.pipelines.sources.raw import Original

BODY = bytes(range(256)) * 8192
SHA256 = hashlib.sha256(BODY).hexdigest()


class Publisher(BaseHTTPRequestHandler):
    """Serves BODY, or the files of ``folder``; the first part of the path says what goes wrong."""

    folder: Path
    asked: list[str]
    address: str

    def do_GET(self) -> None:
        self.asked.append(self.path)
        turn, _, name = self.path.removeprefix("/").partition("/")
        if turn == "moved":
            self.go(302, f"/ok/{name}")
        elif turn == "unsafe":
            self.go(302, "http://publisher.invalid/file")
        elif turn == "ring":
            self.go(302, self.path)
        elif turn.isdigit():
            self.send_error(int(turn))
        elif turn == "files" and not (self.folder / name).is_file():
            self.send_error(404)
        elif turn == "silent":
            self.stop.wait(30)
        else:
            self.give(turn, (self.folder / name).read_bytes() if turn == "files" else BODY)

    def go(self, status: int, to: str) -> None:
        self.send_response(status)
        self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def give(self, turn: str, body: bytes) -> None:
        self.send_response(200)
        if turn != "unsized":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if turn == "cut" else body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests read what was asked."""

    stop = threading.Event()


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[type[Publisher]]:
    class Here(Publisher):
        folder = tmp_path / "published"
        asked: ClassVar[list[str]] = []
        stop = threading.Event()

    with ThreadingHTTPServer(("127.0.0.1", 0), Here) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        Here.address = f"http://127.0.0.1:{server.server_port}"
        yield Here
        Here.stop.set()
        server.shutdown()


def fetched(
    publisher: type[Publisher],
    turn: str,
    folder: Path,
    *,
    sha256: str | None = None,
    limits: Limits | None = None,
) -> Original:
    """What came of a file asked for under ``turn``."""
    wanted = Wanted("file.parquet", f"{publisher.address}/{turn}/file.parquet", sha256)
    return download(wanted, folder, lambda size, total: None, limits or Limits(silence_seconds=5))


@pytest.mark.parametrize("turn", ["ok", "moved", "unsized"])
def test_a_file_comes_whole_with_its_sha256_and_the_address_that_was_asked(
    publisher: type[Publisher], turn: str, tmp_path: Path
) -> None:
    got = fetched(publisher, turn, tmp_path, sha256=SHA256)
    assert got.path.read_bytes() == BODY
    assert (got.sha256, got.bytes) == (SHA256, len(BODY))
    assert got.place == f"{publisher.address}/{turn}/file.parquet"


@pytest.mark.parametrize(
    ("turn", "kind", "told"),
    [
        ("404", SourceError, "answers 404 for file.parquet: it was moved or withdrawn"),
        ("410", SourceError, "answers 410"),
        ("503", UnreachableError, "answers 503"),
        ("429", UnreachableError, "answers 429"),
        ("cut", UnreachableError, f"ended after {len(BODY) // 2} of {len(BODY)} bytes"),
        ("unsafe", SourceError, "without https: not followed"),
        ("ring", SourceError, "answers 302"),
    ],
)
def test_what_does_not_come_whole_is_told_with_its_remedy_and_leaves_nothing(
    publisher: type[Publisher], turn: str, kind: type[Exception], told: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=told) as caught:
        fetched(publisher, turn, tmp_path)
    assert isinstance(caught.value, SourceError | MissingInputError)
    assert caught.value.where == f"{publisher.address}/{turn}/file.parquet" and caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_another_sha256_than_the_pinned_one_is_refused(publisher: type[Publisher], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=SHA256) as caught:
        fetched(publisher, "ok", tmp_path, sha256="0" * 64)
    assert "pin the new sha256" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("turn", ["ok", "unsized"])
def test_a_file_beyond_the_limit_is_refused(publisher: type[Publisher], turn: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="more than 1 MB"):
        fetched(publisher, turn, tmp_path, limits=Limits(5, 1 << 20))
    assert list(tmp_path.iterdir()) == []


def test_a_publisher_that_says_nothing_is_given_up(publisher: type[Publisher], tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="timed out"):
        fetched(publisher, "silent", tmp_path, limits=Limits(silence_seconds=0.2))


def test_without_a_network_the_remedy_is_to_fetch_it_by_hand(tmp_path: Path) -> None:
    nobody = Wanted("file.parquet", "http://127.0.0.1:9/file.parquet")
    with pytest.raises(MissingInputError, match="no answer") as caught:
        download(nobody, tmp_path, lambda size, total: None)
    assert "--from DIR" in caught.value.remedy


def test_progress_is_told_up_to_the_whole(publisher: type[Publisher], tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    wanted = Wanted("f", f"{publisher.address}/ok/f")
    download(wanted, tmp_path, lambda size, total: told.append((size, total)))
    assert told[-1] == (len(BODY), len(BODY))
    assert [size for size, _ in told] == sorted({size for size, _ in told})


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


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("country")
    write_demo(folder, n_stations=300)
    return folder


@pytest.fixture
def demo() -> TerritoryConfig:
    return load_territory("demo")


def said_in(path: Path) -> Any:
    """What a JSON file says."""
    return json.loads(path.read_text(encoding="utf-8"))


def files_of(home: Home) -> list[str]:
    return sorted(str(p.relative_to(home.path)) for p in home.path.rglob("*") if p.is_file())


def test_a_download_comes_to_what_reading_the_folder_does_and_keeps_no_original(
    publisher: type[Publisher], country: Path, demo: TerritoryConfig, tmp_path: Path
) -> None:
    publisher.folder = country
    mirror = f"{publisher.address}/files"
    said: list[str] = []
    home = Home(tmp_path / "home")
    got = ingest_published(home, demo, said.append, mirror)
    other = Home(tmp_path / "other")
    ingest(other, demo, country, lambda _: None)
    assert files_of(home) == files_of(other)
    assert not (home.path / "raw" / ".incoming").exists()
    assert any("fetching candidats_results.parquet" in line for line in said)
    places = {said_in(p)["from"] for p in home.path.glob("raw/demo/*/origin.json")}
    assert places == {f"{mirror}/{name}_results.parquet" for name in ("general", "candidats")}
    assert {i["path"] for i in said_in(got.folder / "ingest.json")["inputs"]} == places
    assert ingest_published(home, demo, said.append, mirror).again


@pytest.mark.parametrize("missing", ["general_results.parquet", "candidats_results.parquet"])
def test_a_file_that_is_not_there_leaves_nothing_of_the_other(
    publisher: type[Publisher], country: Path, demo: TerritoryConfig, missing: str, tmp_path: Path
) -> None:
    publisher.folder = tmp_path / "published"
    shutil.copytree(country, publisher.folder)
    (publisher.folder / missing).unlink()
    home = Home(tmp_path / "home")
    with pytest.raises(SourceError, match=f"404 for {missing}"):
        ingest_published(home, demo, lambda _: None, f"{publisher.address}/files")
    assert files_of(home) == []
    assert not (home.path / "raw" / ".incoming").exists()


def test_a_damaged_original_is_refused_by_its_address_and_deleted(
    publisher: type[Publisher], demo: TerritoryConfig, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    with pytest.raises(SourceError, match="no readable Parquet") as caught:
        ingest_published(home, demo, lambda _: None, f"{publisher.address}/ok")
    assert caught.value.where == f"{publisher.address}/ok/general_results.parquet"
    assert files_of(home) == []


def test_what_is_pinned_and_there_is_not_fetched_again(
    publisher: type[Publisher], country: Path, tmp_path: Path
) -> None:
    publisher.folder = country
    lines = ["publisher: datagouv", "licence: none", "attribution: nobody"]
    for part, name in (("general", "general_results"), ("candidates", "candidats_results")):
        sha256 = hashlib.sha256((country / f"{name}.parquet").read_bytes()).hexdigest()
        lines += [f"{part}:", f"  file: {name}.parquet", f"  sha256: {sha256}"]
    path = tmp_path / "configs" / "territories" / "demo" / "sources.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(lines), encoding="utf-8")
    pinned, home = load_territory("demo", tmp_path / "configs"), Home(tmp_path / "home")
    first = ingest_published(home, pinned, lambda _: None, f"{publisher.address}/files")
    asked = len(publisher.asked)
    second = ingest_published(home, pinned, lambda _: None, f"{publisher.address}/files")
    assert (second.folder, second.again, len(publisher.asked)) == (first.folder, True, asked)


def test_a_territory_without_addresses_is_to_be_read_from_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"dk declares no address for denmark\.parquet") as caught:
        ingest_published(Home(tmp_path / "home"), load_territory("dk"), lambda _: None)
    assert "isoloir ingest dk --from DIR" in caught.value.remedy


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["isoloir", "ingest", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


@pytest.mark.parametrize("arguments", [(), ("--from", "here", "--download")])
def test_exactly_one_of_from_and_download_is_given(
    arguments: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, "demo", *arguments, "--home", tmp_path / "home") == 2
    assert "isoloir ingest demo --from DIR" in capsys.readouterr().err
    assert not (tmp_path / "home").exists()


def test_the_command_downloads_from_the_mirror_of_the_environment(
    publisher: type[Publisher],
    country: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    publisher.folder = country
    monkeypatch.setenv("ISOLOIR_MIRROR", f"{publisher.address}/files")
    assert call(monkeypatch, "demo", "--download", "--json", "--home", tmp_path / "home") == 0
    assert json.loads(capsys.readouterr().out)["contests"] > 3
    assert sorted(publisher.asked) == ["/files/candidats_results.parquet", "/files/general_results.parquet"]
