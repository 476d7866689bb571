"""A release that is pushed to others: where it lies, what is refused, and what stays when something fails."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from commands import MAIN, isoloir
from deliveries import TARGET, files_of, seen_in
from fsspec.implementations.local import LocalFileSystem
from pyarrow.fs import FSSpecHandler, PyFileSystem

from isoloir.domain.errors import IsoloirError, ReleaseError
from isoloir.pipelines.release.deliver import deliver
from isoloir.pipelines.release.place import Place, place_of
from isoloir.pipelines.release.verify import verify


def quiet(_: str) -> None:
    """Progress that nobody reads."""


def with_card(release: Path, text: str) -> Path:
    """The release with another card, and a manifest that says so: other bytes of the same id."""
    card = release / "model_card.md"
    card.write_text(text, encoding="utf-8")
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["model_card.md"]["sha256"] = hashlib.sha256(card.read_bytes()).hexdigest()
    (release / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    verify(release)
    return release


def test_a_pushed_release_is_whole_and_latest_leads_to_it(two_releases: Any, tmp_path: Path) -> None:
    said = isoloir(
        "releases", "push", two_releases.new.parent / "current", "--to", tmp_path / "out", "--json"
    )
    there = tmp_path / "out" / TARGET
    latest, name = there / "latest.json", two_releases.new.name
    assert json.loads(said.out) == {"release": str(there / name), "latest": str(latest), "again": False}
    manifest = (two_releases.new / "manifest.json").read_bytes()
    assert json.loads(latest.read_bytes()) == {
        "territory": "demo",
        "target": "2027_pres_t1",
        "release_id": name,
        "schema_version": json.loads(manifest)["schema_version"],
        "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
    }
    assert files_of(there / name) == files_of(two_releases.new) and verify(there / "current")
    assert {p.name for p in there.iterdir()} == {name, "current", "latest.json", two_releases.units.name}
    assert (there / two_releases.units.name).read_bytes() == two_releases.units.read_bytes()


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_release_pushed_again_is_checked_and_left(scheme: str, two_releases: Any, tmp_path: Path) -> None:
    place = place_of(f"{scheme}{tmp_path}")
    assert not deliver(two_releases.old, place, quiet).again
    before, times = files_of(tmp_path), [p.stat().st_mtime_ns for p in sorted(tmp_path.rglob("*"))]
    assert deliver(two_releases.old, place, quiet).again
    assert files_of(tmp_path) == before
    assert [p.stat().st_mtime_ns for p in sorted(tmp_path.rglob("*"))] == times


def test_an_older_release_pushed_again_is_the_latest_and_loses_nothing(
    two_releases: Any, tmp_path: Path
) -> None:
    place = place_of(str(tmp_path))
    for release in (two_releases.old, two_releases.new, two_releases.old):
        deliver(release, place, quiet)
        seen = seen_in(tmp_path)
        assert (seen.led_to, seen.wrong) == ([release.name], [])
    for release in (two_releases.old, two_releases.new):
        assert files_of(tmp_path / TARGET / release.name) == files_of(release)


def test_a_release_of_other_bytes_is_refused_and_nothing_is_changed(house: Path, tmp_path: Path) -> None:
    place, release = place_of(str(tmp_path / "out")), (house / "current").resolve()
    deliver(release, place, quiet)
    before = files_of(tmp_path / "out")
    with_card(release, "# Another card\n")
    with pytest.raises(ReleaseError, match=r"other bytes: model_card\.md, manifest\.json"):
        deliver(release, place, quiet)
    assert files_of(tmp_path / "out") == before


def test_a_release_that_was_damaged_there_is_told(two_releases: Any, tmp_path: Path) -> None:
    place = place_of(str(tmp_path))
    there = Path(deliver(two_releases.old, place, quiet).release)
    (there / "scores.parquet").write_bytes(b"PAR1")
    with pytest.raises(ReleaseError, match=r"other bytes: scores\.parquet\n.*\n.*remove that folder"):
        deliver(two_releases.old, place, quiet)
    shutil.rmtree(there)
    deliver(two_releases.old, place, quiet)
    assert seen_in(tmp_path).wrong == []


def test_a_damaged_release_is_never_pushed(house: Path, tmp_path: Path) -> None:
    release = (house / "current").resolve()
    (release / "units.parquet").write_bytes(b"PAR1")
    with pytest.raises(ReleaseError, match=r"units\.parquet was changed"):
        deliver(release, place_of(str(tmp_path / "out")), quiet)
    assert not (tmp_path / "out").exists()


def test_a_release_that_changes_while_it_is_pushed_is_not_published(house: Path, tmp_path: Path) -> None:
    release, out = (house / "current").resolve(), tmp_path / "out"

    def meanwhile(said: str) -> None:
        if said == "delivering units.parquet":
            (release / "units.parquet").write_bytes(b"PAR1")

    with pytest.raises(ReleaseError, match=r"units\.parquet was changed"):
        deliver(release, place_of(str(out)), meanwhile)
    assert not (out / TARGET / "latest.json").exists()
    assert not (out / TARGET / release.name / "manifest.json").exists()


def test_what_a_publisher_of_other_bytes_left_half_done_is_replaced(
    two_releases: Any, tmp_path: Path
) -> None:
    half = tmp_path / TARGET / two_releases.old.name
    half.mkdir(parents=True)
    (half / "scores.parquet").write_bytes(b"PAR1")
    (half / "stations.parquet").write_bytes(b"PAR1")
    (half.parent / ".aside.0123abcd").write_bytes(b"PAR1")
    deliver(two_releases.old, place_of(str(tmp_path)), quiet)
    assert files_of(half) == files_of(two_releases.old)
    assert not (half.parent / ".aside.0123abcd").exists() and seen_in(tmp_path).wrong == []


def test_two_publishers_at_once_wait_for_one_another(two_releases: Any, tmp_path: Path) -> None:
    def started(release: Path) -> subprocess.Popen[str]:
        call = [sys.executable, "-c", MAIN, "releases", "push", str(release), "--to", str(tmp_path), "-q"]
        return subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    both = [started(release) for release in (two_releases.old, two_releases.new, two_releases.new)]
    ended = [(process.communicate()[1], process.returncode) for process in both]
    assert ended == [("", 0)] * 3
    seen = seen_in(tmp_path)
    assert seen.wrong == [] and len(seen.led_to) == 1
    for release in (two_releases.old, two_releases.new):
        assert files_of(tmp_path / TARGET / release.name) == files_of(release)


@dataclass
class Room:
    """How many bytes still fit on a disk."""

    left: int


class Small(LocalFileSystem):
    """A filesystem that is full from some byte on, seen through fsspec: no locks and no links."""

    cachable = False
    room = Room(0)

    def open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        file = super().open(path, mode, **options)
        if "w" in mode:
            write = file.write

            def bounded(content: Any) -> int:
                self.room.left -= len(content)
                if self.room.left < 0:
                    write(bytes(content)[: len(content) // 2])
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return int(write(content))

            file.write = bounded
        return file


def small(root: Path, room: int) -> Place:
    filesystem = Small(auto_mkdir=False)
    filesystem.room = Room(room)
    return Place(PyFileSystem(FSSpecHandler(filesystem)), str(root), str(root))


@pytest.mark.parametrize("room", [0, 1_000, 10_000, 50_000, 300_000])
def test_any_filesystem_that_fills_up_leads_nobody_to_a_part(
    room: int, two_releases: Any, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    deliver(two_releases.old, small(tmp_path / "out", 10**9), quiet)
    (tmp_path / "out" / TARGET / "current").symlink_to(two_releases.old.name)
    with pytest.raises(IsoloirError, match="free some space there and push again"):
        deliver(two_releases.new, small(tmp_path / "out", room), quiet)
    seen = seen_in(tmp_path / "out")
    assert (seen.led_to, seen.wrong) == ([two_releases.old.name], [])
    assert [p.name for p in (tmp_path / "out" / TARGET).iterdir() if p.name.startswith(".")] == []
    deliver(two_releases.new, small(tmp_path / "out", 10**9), quiet)
    assert files_of(tmp_path / "out" / TARGET / two_releases.new.name) == files_of(two_releases.new)
    assert json.loads((tmp_path / "out" / TARGET / "latest.json").read_bytes())["release_id"] == (
        two_releases.new.name
    )
