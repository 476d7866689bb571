"""Half files: a download goes on where it left off, in the same call or in a later one, or begins anew."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from publisher import AGAIN, BODY, MODIFIED, ONCE, Shelf, fetched, published

from isoloir.domain.errors import IsoloirError, SourceError
from isoloir.pipelines.sources import partial
from isoloir.pipelines.sources.answer import Version
from isoloir.pipelines.sources.download import (
    Limits,
    Pace,
    Unchanged,
    UnreachableError,
    Wanted,
    download,
    download_if_changed,
    sweep,
)

HALF = len(BODY) // 2
DAY = 24 * 3600
OTHER = BODY[-2:0:-1]


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where half files lie."""
    monkeypatch.setenv("ISOLOIR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "downloads"


@pytest.fixture
def shelf(tmp_path: Path, downloads: Path) -> Iterator[Shelf]:
    with published(tmp_path / "published") as shelf:
        yield shelf


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


def ranges(shelf: Shelf) -> list[str | None]:
    """From where on each request asked."""
    return [asked.headers.get("Range") for asked in shelf.asked]


def change(shelf: Shelf) -> None:
    """Another file is published at the same address."""
    shelf.body, shelf.etag, shelf.modified = OTHER, '"two"', None


def broken_off(shelf: Shelf, folder: Path, turn: str = "cut") -> None:
    """A call that ends before the file does."""
    with pytest.raises(UnreachableError):
        fetched(shelf, folder, turn, limits=ONCE)
    shelf.asked.clear()


@pytest.mark.parametrize("turn", ["cut", "chunks cut", "stall"])
def test_what_breaks_off_is_gone_on_with(shelf: Shelf, turn: str, folder: Path, downloads: Path) -> None:
    got = fetched(shelf, folder, turn, limits=Limits(silence_seconds=0.3))
    assert got.path.read_bytes() == BODY and got.sha256 == hashlib.sha256(BODY).hexdigest()
    assert ranges(shelf) == [None, f"bytes={HALF}-"]
    assert shelf.asked[1].headers["If-Range"] == '"one"'
    assert sum(asked.sent for asked in shelf.asked) == len(BODY)
    assert list(downloads.iterdir()) == []


def test_redirects_are_followed_with_the_same_request(shelf: Shelf, folder: Path) -> None:
    assert fetched(shelf, folder, "on", "cut", "on").path.read_bytes() == BODY
    assert ranges(shelf) == [None, None, f"bytes={HALF}-", f"bytes={HALF}-"]


def test_without_a_strong_etag_the_date_of_the_file_will_do(shelf: Shelf, folder: Path) -> None:
    shelf.etag = None
    fetched(shelf, folder, "cut")
    assert shelf.asked[1].headers["If-Range"] == MODIFIED


@pytest.mark.parametrize("weak", ["etag", "date", "nothing"])
def test_where_the_version_is_not_certain_the_file_is_asked_for_anew(
    shelf: Shelf, weak: str, folder: Path, downloads: Path
) -> None:
    shelf.etag, shelf.modified = {
        "etag": ('W/"one"', MODIFIED),
        "date": (None, time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 5))),
        "nothing": (None, None),
    }[weak]
    assert fetched(shelf, folder, "cut").path.read_bytes() == BODY
    assert ranges(shelf) == [None, None]
    broken_off(shelf, folder)
    assert list(downloads.iterdir()) == []


def test_a_part_with_another_date_is_of_another_file(shelf: Shelf, folder: Path) -> None:
    shelf.body, shelf.etag = BODY[: len(OTHER)], None

    def change_date(_: float) -> None:
        shelf.body, shelf.modified = OTHER, MODIFIED.replace("2023", "2024")

    got = fetched(shelf, folder, "cut", "blind", pace=Pace(sleep=change_date))
    assert got.path.read_bytes() == OTHER


@pytest.mark.parametrize("turn", ["ok", "blind"])
def test_a_file_that_changed_meanwhile_comes_whole(shelf: Shelf, turn: str, folder: Path) -> None:
    got = fetched(shelf, folder, "cut", turn, pace=Pace(sleep=lambda _: change(shelf)))
    assert got.path.read_bytes() == OTHER
    assert got.etag == '"two"' and got.sha256 == hashlib.sha256(OTHER).hexdigest()


def test_a_publisher_that_sends_no_parts_sends_all_anew(shelf: Shelf, folder: Path) -> None:
    shelf.ranges = False
    assert fetched(shelf, folder, "cut").path.read_bytes() == BODY
    assert ranges(shelf)[1] is not None and shelf.asked[1].sent == len(BODY)


@pytest.mark.parametrize(
    "wrong",
    [
        f"bytes {HALF - 1}-{len(BODY) - 1}/{len(BODY)}",
        f"bytes {HALF}-{len(BODY)}/{len(BODY)}",
        f"bytes {HALF}-{len(BODY) - 1}/{len(BODY) + 1}",
        f"bytes {HALF}-{HALF - 1}/{len(BODY)}",
        f"bytes */{len(BODY)}",
        "pieces",
        "",
    ],
)
def test_a_part_that_was_not_asked_for_is_never_added(shelf: Shelf, wrong: str, folder: Path) -> None:
    assert fetched(shelf, folder, "cut", f"range {wrong}").path.read_bytes() == BODY
    assert ranges(shelf) == [None, f"bytes={HALF}-", None]


def test_a_part_may_be_shorter_than_what_was_asked_and_the_whole_not_known(
    shelf: Shelf, folder: Path
) -> None:
    parts = (f"range bytes {HALF}-{HALF + 999}/*",)
    assert fetched(shelf, folder, "cut", *parts).path.read_bytes() == BODY
    assert ranges(shelf) == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]


def test_a_publisher_that_knows_no_such_part_is_asked_for_all(shelf: Shelf, folder: Path) -> None:
    assert fetched(shelf, folder, "cut", "416").path.read_bytes() == BODY
    assert ranges(shelf) == [None, f"bytes={HALF}-", None]


def test_parts_that_do_not_fit_the_pinned_sha256_are_not_blamed_on_the_publisher(
    shelf: Shelf, folder: Path
) -> None:
    def keep_its_name(_: float) -> None:
        shelf.body = OTHER

    shelf.body = BODY[: len(OTHER)]
    pinned = hashlib.sha256(OTHER).hexdigest()
    got = fetched(shelf, folder, "cut", sha256=pinned, pace=Pace(sleep=keep_its_name))
    assert got.path.read_bytes() == OTHER
    assert ranges(shelf) == [None, f"bytes={len(OTHER) // 2}-", None]


def test_a_later_call_goes_on_and_the_remedy_says_so(shelf: Shelf, folder: Path, downloads: Path) -> None:
    with pytest.raises(UnreachableError) as caught:
        fetched(shelf, folder, "cut", limits=ONCE)
    assert "goes on after the 1.0 MB that came" in caught.value.remedy
    assert list(folder.iterdir()) == []
    note = json.loads(next(downloads.glob("*.json")).read_text())
    assert (note["url"], note["etag"]) == (f"{shelf.address}/next/file.csv", '"one"')
    assert (note["last_modified"], note["total"], note["bytes"]) == (MODIFIED, len(BODY), HALF)
    got = fetched(shelf, folder)
    assert got.path.read_bytes() == BODY and got.sha256 == hashlib.sha256(BODY).hexdigest()
    assert ranges(shelf) == [None, f"bytes={HALF}-"]
    assert list(downloads.iterdir()) == []


def test_half_files_are_closed_to_others(shelf: Shelf, folder: Path, downloads: Path) -> None:
    downloads.mkdir(parents=True)
    downloads.chmod(0o755)
    broken_off(shelf, folder)
    assert downloads.stat().st_mode & 0o777 == 0o700
    assert next(downloads.glob("*.part")).stat().st_mode & 0o777 == 0o600


def test_a_later_call_sees_that_the_file_changed(shelf: Shelf, folder: Path) -> None:
    broken_off(shelf, folder)
    change(shelf)
    assert fetched(shelf, folder).path.read_bytes() == OTHER


def test_nothing_of_the_old_file_stays_after_a_shorter_one(shelf: Shelf, folder: Path) -> None:
    broken_off(shelf, folder)
    shelf.body, shelf.etag = OTHER[:1000], '"two"'
    assert fetched(shelf, folder).path.read_bytes() == OTHER[:1000]


@pytest.mark.parametrize("turn", ["page", "404", "503"])
def test_a_publisher_out_of_order_does_not_cost_what_came(shelf: Shelf, turn: str, folder: Path) -> None:
    broken_off(shelf, folder)
    with pytest.raises((SourceError, UnreachableError)):
        fetched(shelf, folder, turn, limits=ONCE)
    fetched(shelf, folder)
    assert ranges(shelf)[-1] == f"bytes={HALF}-"


def flip(part: Path, note: Path) -> None:
    said = bytearray(part.read_bytes())
    said[1000] ^= 1
    part.write_bytes(said)


def shorten(part: Path, note: Path) -> None:
    os.truncate(part, 1000)


def lose_note(part: Path, note: Path) -> None:
    note.unlink()


def of_another(part: Path, note: Path) -> None:
    note.write_text(note.read_text().replace("file.csv", "other.csv"))


def spoil(part: Path, note: Path) -> None:
    note.write_text('{"bytes": "many"}')


def cut_note(part: Path, note: Path) -> None:
    note.write_text(note.read_text()[:20])


@pytest.mark.parametrize("harm", [flip, shorten, lose_note, of_another, spoil, cut_note])
def test_a_half_file_that_was_harmed_is_not_gone_on_with(
    shelf: Shelf, harm: Callable[[Path, Path], None], folder: Path, downloads: Path
) -> None:
    broken_off(shelf, folder)
    harm(next(downloads.glob("*.part")), next(downloads.glob("*.json")))
    assert fetched(shelf, folder).path.read_bytes() == BODY
    assert ranges(shelf) == [None]


def test_bytes_that_came_after_the_note_are_asked_for_again(
    shelf: Shelf, folder: Path, downloads: Path
) -> None:
    broken_off(shelf, folder)
    with next(downloads.glob("*.part")).open("ab") as half:
        half.write(bytes(HALF + 9))
    assert fetched(shelf, folder).path.read_bytes() == BODY
    assert ranges(shelf) == [f"bytes={HALF}-"]


CODE = """
import sys
from pathlib import Path
from isoloir.pipelines.sources.download import Wanted, download
download(Wanted("file.csv", sys.argv[1]), Path(sys.argv[2]), lambda size, total: print(size, flush=True))
"""


def test_a_killed_process_leaves_what_the_next_one_goes_on_with(
    shelf: Shelf, folder: Path, downloads: Path
) -> None:
    shelf.body, shelf.turns[:] = BODY * 2, ["stall"]
    call = [sys.executable, "-c", CODE, f"{shelf.address}/next/file.csv", str(folder)]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any(int(line) >= len(BODY) for line in process.stdout)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert list(folder.iterdir()) == [] and len(list(downloads.iterdir())) == 2
    done = subprocess.run(call, check=True, capture_output=True, text=True)
    assert int(done.stdout.splitlines()[-1]) == len(shelf.body)
    assert (folder / "file.csv").read_bytes() == shelf.body
    start = int((ranges(shelf)[1] or "").removeprefix("bytes=").removesuffix("-"))
    # The note is written once a megabyte.
    assert len(BODY) - (1 << 20) <= start <= len(BODY)
    assert sum(asked.sent for asked in shelf.asked) <= len(shelf.body) + (1 << 20)
    assert list(downloads.iterdir()) == []


def test_two_at_once_do_not_write_into_the_same_file(shelf: Shelf, tmp_path: Path, downloads: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    waiting, go_on = threading.Event(), threading.Event()

    def meanwhile(_: float) -> None:
        waiting.set()
        assert go_on.wait(10)

    got = []
    slow = threading.Thread(
        target=lambda: got.append(fetched(shelf, first, "cut", pace=Pace(sleep=meanwhile)))
    )
    slow.start()
    assert waiting.wait(10)
    assert fetched(shelf, second, "cut").path.read_bytes() == BODY
    assert [path.name for path in second.iterdir()] == ["file.csv"]
    go_on.set()
    slow.join(10)
    assert got[0].path.read_bytes() == BODY
    assert ranges(shelf) == [None, None, f"bytes={HALF}-", f"bytes={HALF}-"]
    assert list(downloads.iterdir()) == []


def test_a_half_file_that_was_moved_while_it_was_opened_is_not_taken(downloads: Path) -> None:
    """The lock is on the file: that its name still leads to it must be seen after it is had."""
    downloads.mkdir(parents=True)
    path = downloads / "one.part"
    opened = os.open
    with pytest.MonkeyPatch.context() as patch:

        def late(where: Path, flags: int, mode: int) -> int:
            number = opened(where, flags, mode)
            path.rename(downloads / "whole")
            return number

        patch.setattr(os, "open", late)
        assert partial._claimed(path) is None
    assert (downloads / "whole").read_bytes() == b""


def aged(path: Path, days: float) -> Path:
    at = time.time() - days * DAY
    os.utime(path, (at, at))
    return path


def test_half_files_are_removed_after_seven_days(
    shelf: Shelf, folder: Path, downloads: Path, tmp_path: Path
) -> None:
    broken_off(shelf, folder)
    part, note = next(downloads.glob("*.part")), next(downloads.glob("*.json"))
    aged(part, 6.9)
    aged(note, 8)
    sweep(tmp_path)
    assert part.exists() and note.exists()
    aged(part, 7.1)
    sweep(tmp_path)
    assert list(downloads.iterdir()) == []


@pytest.mark.parametrize("name", [f"{'0a' * 16}.json", f".{'0a' * 16}.json.4711"])
def test_a_note_without_its_file_is_removed_too(downloads: Path, name: str) -> None:
    downloads.mkdir(parents=True)
    (downloads / name).write_text("{}")
    partial.sweep(time.time())
    assert (downloads / name).exists()
    partial.sweep(time.time() + 8 * DAY)
    assert list(downloads.iterdir()) == []


def test_what_else_lies_in_the_folder_of_half_files_stays(downloads: Path) -> None:
    downloads.mkdir(parents=True)
    for name in ("report.json", "film.part", "report.pdf", f"{'0a' * 16}.pdf"):
        (downloads / name).touch()
    partial.sweep(time.time() + 8 * DAY)
    assert len(list(downloads.iterdir())) == 4


def test_a_half_file_that_is_being_fetched_is_not_removed(folder: Path, downloads: Path) -> None:
    with partial.held("https://host/file", folder, "file") as half:
        half.begin(Version('"one"', None, '"one"', 100))
        half.append(b"so far")
        partial.sweep(time.time() + 8 * DAY)
        assert len(list(downloads.glob("*.part"))) == 1


@pytest.mark.parametrize(
    ("own", "xdg", "there"),
    [
        ("/own", "/xdg", "/own/downloads"),
        (None, "/xdg", "/xdg/isoloir/downloads"),
        (None, "relative", "/me/.cache/isoloir/downloads"),
        (None, None, "/me/.cache/isoloir/downloads"),
        ("~/own", None, "/me/own/downloads"),
    ],
)
def test_the_cache_is_where_the_user_keeps_caches(
    own: str | None, xdg: str | None, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/me")
    for name, value in (("ISOLOIR_CACHE", own), ("XDG_CACHE_HOME", xdg)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert partial.cache() == Path(there)


def test_without_a_cache_a_download_goes_on_within_its_call_only(
    shelf: Shelf, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ISOLOIR_CACHE", str(tmp_path / "file"))
    assert fetched(shelf, folder, "cut").path.read_bytes() == BODY
    assert ranges(shelf) == [None, f"bytes={HALF}-"]
    broken_off(shelf, folder)
    sweep(tmp_path)
    assert [path.name for path in folder.iterdir()] == ["file.csv"]


@pytest.fixture
def far(tmp_path: Path, downloads: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache on another file system, whose files can't be renamed into a home."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    cache = memory / f"isoloir-test-{os.getpid()}"
    monkeypatch.setenv("ISOLOIR_CACHE", str(cache))
    yield cache / "downloads"
    shutil.rmtree(cache)


def test_a_cache_on_another_disk_serves_as_well(shelf: Shelf, folder: Path, far: Path) -> None:
    assert fetched(shelf, folder, "cut").path.read_bytes() == BODY
    assert list(far.iterdir()) == []


def test_a_file_that_does_not_fit_where_it_belongs_is_not_left_there_in_part(
    shelf: Shelf, folder: Path, far: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill_up(size: int, total: int | None) -> None:
        if size == total:
            resource.setrlimit(resource.RLIMIT_FSIZE, (HALF, hard))

    try:
        with pytest.raises(IsoloirError, match="can't be written") as caught:
            download(Wanted("file.csv", f"{shelf.address}/ok/file.csv"), folder, fill_up)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.where == str(folder) and list(folder.iterdir()) == []
    assert len(list(far.iterdir())) == 2


def test_a_half_file_is_of_no_use_once_the_version_that_was_read_is_back(
    shelf: Shelf, folder: Path, downloads: Path
) -> None:
    broken_off(shelf, folder)
    change(shelf)
    wanted = Wanted("file.csv", f"{shelf.address}/next/file.csv", etag='"two"')
    got = download_if_changed(wanted, folder, lambda size, total: None)
    assert isinstance(got, Unchanged) and list(downloads.iterdir()) == []


@pytest.mark.parametrize(("size", "kept"), [(len(BODY), True), (1000, False)])
def test_a_whole_file_that_finds_no_place_is_told_and_what_can_be_is_gone_on_with(
    shelf: Shelf, folder: Path, downloads: Path, size: int, kept: bool
) -> None:
    shelf.body = BODY[:size]
    wanted = Wanted("file.csv", f"{shelf.address}/next/file.csv")

    def lose_it(size: int, total: int | None) -> None:
        if folder.exists():
            folder.rmdir()

    with pytest.raises(IsoloirError, match="can't be written: No such file") as caught:
        download(wanted, folder, lose_it)
    assert caught.value.where == str(folder)
    assert len(list(downloads.iterdir())) == (2 if kept else 0)
    folder.mkdir()
    assert fetched(shelf, folder).path.read_bytes() == shelf.body
    assert (ranges(shelf)[1] is not None) == kept and shelf.asked[1].sent <= 1 << 20


TURNS = ["ok", "cut", "chunks", "chunks cut", "unsized", "blind", "500", "416", "first 7", "moved", "on"]
WRONG = ["range bytes 1-2/3", "page", "404", "206", "hidden page"]


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with published(tmp_path_factory.mktemp("published")) as shelf:
        yield shelf


@given(
    turns=st.lists(st.sampled_from([*TURNS, *WRONG, "change"]), max_size=8),
    tags=st.sampled_from([('"one"', MODIFIED), ('W/"one"', None), (None, MODIFIED), (None, None)]),
    calls=st.integers(1, 3),
)
def test_whatever_goes_wrong_a_file_is_one_that_was_published_or_there_is_none(
    lasting: Shelf,
    tmp_path_factory: pytest.TempPathFactory,
    turns: list[str],
    tags: tuple[str | None, str | None],
    calls: int,
) -> None:
    place = tmp_path_factory.mktemp("place")
    folder, bodies = place / "incoming", [BODY[:5000], OTHER[:4999]]
    folder.mkdir()
    lasting.body, (lasting.etag, lasting.modified) = bodies[0], tags
    lasting.turns[:] = [turn for turn in turns if turn != "change"]

    def meanwhile(_: float) -> None:
        if "change" in turns and lasting.body == bodies[0]:
            lasting.body, lasting.etag = bodies[1], '"two"' if tags[0] else None
            lasting.modified = None

    wanted = Wanted("file.csv", f"{lasting.address}/next/file.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISOLOIR_CACHE", str(place / "cache"))
        for _ in range(calls):
            try:
                got = download(wanted, folder, lambda size, total: None, AGAIN, Pace(sleep=meanwhile))
            except (SourceError, UnreachableError):
                assert list(folder.iterdir()) == []
            else:
                assert got.path.read_bytes() in bodies
                assert got.sha256 == hashlib.sha256(got.path.read_bytes()).hexdigest()
                got.path.unlink()
                assert [p for p in (place / "cache").rglob("*") if p.is_file()] == []
