"""Remove old releases from home, each at once, and never the current one."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from isoloir.pipelines.home import Home, alive

CURRENT = "current"
ASIDE = re.compile(r"\.\w+\.(\d+)")
"""A folder aside, and the process that it belongs to."""


def releases_in(home: Home, territory: str | None = None, target: str | None = None) -> list[Path]:
    """The folders of the releases in home, of one territory or target if named; in order of their names."""
    found = (path.parent for path in home.planned("releases").glob("*/*/*/manifest.json"))
    whole = (path for path in found if not path.is_symlink() and not path.name.startswith("."))
    return sorted(
        path for path in whole if territory in (None, path.parts[-3]) and target in (None, path.parts[-2])
    )


def is_current(release: Path) -> bool:
    """Whether ``current`` beside a release leads to it."""
    current = release.with_name(CURRENT)
    return current.is_symlink() and Path(os.readlink(current)).name == release.name


def outdated(releases: list[Path], keep: int) -> list[Path]:
    """The releases of each target but its ``keep`` newest and its current one.

    The newest is the one whose manifest was written last: a release itself holds no time.
    """
    old: list[Path] = []
    for target in sorted({path.parent for path in releases}):
        ours = [path for path in releases if path.parent == target]
        ours.sort(key=lambda path: ((path / "manifest.json").stat().st_mtime_ns, path.name), reverse=True)
        old += [path for path in ours[keep:] if not is_current(path)]
    return old


def remove(release: Path) -> bool:
    """Remove a release, unless it is the current one; whether it is gone.

    It vanishes by one rename, before any of it is deleted: who opens it finds all of it or nothing.
    """
    aside = release.with_name(f".{release.name}.{os.getpid()}")
    if is_current(release):
        return False
    os.rename(release, aside)
    if is_current(release):
        # A publisher found it and made it the current one, just now.
        os.rename(aside, release)
        return False
    shutil.rmtree(aside)
    return True


def sweep(target: Path) -> None:
    """Delete what a killed process left aside in the folder of a target."""
    for left in target.iterdir():
        found = ASIDE.fullmatch(left.name)
        if found and left.is_dir() and not left.is_symlink() and not alive(int(found[1])):
            shutil.rmtree(left)
