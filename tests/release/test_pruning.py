"""Old releases go from home, the newest and the current ones stay, and no reader finds a part of one."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import Said, isoloir

from isoloir.pipelines.home import Home
from isoloir.pipelines.release import prune
from isoloir.pipelines.release.prune import outdated, releases_in, remove

UNITS = "units-policy2.parquet"


def made(home: Path, target: str, name: str, age: int) -> Path:
    """A folder that stands for a release, written so many seconds ago; `current` leads to the first one."""
    release = home / "releases" / "demo" / target / name
    release.mkdir(parents=True)
    for file in ("manifest.json", "scores.parquet"):
        (release / file).write_text("{}", encoding="utf-8")
        os.utime(release / file, (1_800_000_000 - age,) * 2)
    (release.parent / UNITS).write_bytes(b"PAR1")
    if not (release.parent / "current").is_symlink():
        (release.parent / "current").symlink_to(name)
    return release


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Four releases of one target, of which the last but one is current, and two of another."""
    for name, age in (("c3", 30), ("a1", 10), ("d4", 40), ("b2", 20)):
        made(tmp_path, "2027_pres_t1", name, age)
    for name, age in (("f2", 2), ("e1", 1)):
        made(tmp_path, "2022_pres_t1", name, age)
    return tmp_path


def standing(home: Path) -> list[str]:
    return [path.name for path in releases_in(Home(home))]


def test_the_newest_of_each_target_stay_and_the_current_one(home: Path) -> None:
    said = isoloir("releases", "prune", "--keep", 1, "--home", home, "--json")
    gone = [str(home / "releases" / "demo" / "2027_pres_t1" / name) for name in ("b2", "d4")]
    assert json.loads(said.out) == {"removed": gone, "kept": 4, "dry_run": False}
    # f2 and c3 are not the newest: they are current.
    assert standing(home) == ["e1", "f2", "a1", "c3"]
    assert [p.name for p in sorted((home / "releases" / "demo" / "2027_pres_t1").iterdir())] == [
        "a1",
        "c3",
        "current",
        UNITS,
    ]
    assert (
        json.loads(isoloir("releases", "prune", "--keep", 1, "--home", home, "--json").out)["removed"] == []
    )


def test_what_would_go_is_told_and_stays(home: Path) -> None:
    said = isoloir("releases", "prune", "--keep", 3, "--home", home, "--dry-run")
    assert (
        said.out
        == f"would remove: {home / 'releases' / 'demo' / '2027_pres_t1' / 'd4'}\nkept: 5 release(s)\n"
    )
    assert len(standing(home)) == 6


def test_only_what_is_named_is_pruned(home: Path) -> None:
    for asked in (("--target", "2022_pres_t1"), ("--territory", "fr"), ("--target", "../2027_pres_t1")):
        isoloir("releases", "prune", "--keep", 1, "--home", home, *asked)
    assert standing(home) == ["e1", "f2", "a1", "b2", "c3", "d4"]


@pytest.mark.parametrize("keep", [0, -1])
def test_none_to_keep_is_refused(keep: int, home: Path) -> None:
    assert isoloir("releases", "prune", "--keep", keep, "--home", home).status == 2
    assert len(standing(home)) == 6


def test_a_home_without_releases_has_nothing_to_prune(tmp_path: Path) -> None:
    said = isoloir("releases", "prune", "--keep", 1, "--home", tmp_path)
    assert said == Said(0, "kept: 0 release(s)\n", "")


def test_no_reader_finds_a_release_half_removed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way there is gone before the first file is."""
    release = home / "releases" / "demo" / "2027_pres_t1" / "d4"
    seen: list[tuple[bool, list[str]]] = []

    def looked(path: Path) -> None:
        seen.append((release.exists(), sorted(os.listdir(path))))
        real(path)

    real = shutil.rmtree
    monkeypatch.setattr(prune.shutil, "rmtree", looked)
    assert remove(release)
    assert seen == [(False, ["manifest.json", "scores.parquet"])]


def test_a_release_that_becomes_current_meanwhile_is_put_back(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = home / "releases" / "demo" / "2027_pres_t1" / "d4"
    real = os.rename

    def renamed(old: Path, new: Path) -> None:
        if Path(old) == release:
            (release.parent / "current").unlink()
            (release.parent / "current").symlink_to("d4")
        real(old, new)

    monkeypatch.setattr(prune.os, "rename", renamed)
    assert not remove(release)
    assert sorted(os.listdir(release)) == ["manifest.json", "scores.parquet"]
    assert not remove(release)


def test_what_a_killed_prune_left_is_deleted_by_the_next(home: Path) -> None:
    folder = home / "releases" / "demo" / "2027_pres_t1"
    dead, ours = 2**22 + 1, os.getppid()
    for process in (dead, ours):
        shutil.copytree(folder / "d4", folder / f".d4.{process}")
    isoloir("releases", "prune", "--keep", 4, "--home", home)
    assert not (folder / f".d4.{dead}").exists() and (folder / f".d4.{ours}").exists()
    assert len(standing(home)) == 6


def test_a_list_of_releases_leaves_out_what_is_aside(home: Path) -> None:
    folder = home / "releases" / "demo" / "2027_pres_t1"
    shutil.copytree(folder / "d4", folder / f".d4.{os.getppid()}")
    said = isoloir("releases", "--home", home, "--json")
    told = json.loads(said.out)
    assert [Path(one["release"]).name for one in told] == ["e1", "f2", "a1", "b2", "c3", "d4"]
    assert [Path(one["release"]).name for one in told if one["current"]] == ["f2", "c3"]


def test_the_newest_is_the_one_written_last_whatever_its_name(home: Path) -> None:
    found = releases_in(Home(home), "demo", "2027_pres_t1")
    assert [path.name for path in outdated(found, 2)] == ["d4"]


def test_options_of_push_and_prune_stand_after_them(home: Path) -> None:
    said = isoloir("releases", "--home", home, "prune", "--keep", 1)
    assert (said.status, said.out) == (2, "")
    assert "isoloir releases prune --help" in said.err and len(standing(home)) == 6


def test_a_demo_release_is_listed_and_kept(demo_run: Any) -> None:
    said = isoloir("releases", "prune", "--keep", 1, "--home", demo_run.home, "--dry-run", "--json")
    assert said.status == 0 and json.loads(said.out)["dry_run"] is True
