"""Home: where everything that Isoloir keeps lies, closed to other users."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoloir.domain.errors import MissingInputError


@dataclass(frozen=True, slots=True)
class Home:
    """The folders of one home. *Inside*: raw, core, backtest hold every station. *Outside*: releases."""

    path: Path

    def folder(self, *parts: str) -> Path:
        """The folder ``parts`` below home, made if missing, readable by its owner only."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o700)
        folder = self.path
        for part in parts:
            folder = folder / part
            folder.mkdir(exist_ok=True, mode=0o700)
        return folder

    def planned(self, *parts: str) -> Path:
        """Where the folder ``parts`` lies or will; nothing is made."""
        return self.path.joinpath(*parts)

    def current_core(self, territory: str) -> Path:
        """The folder of the returns ingested last; MissingInputError before the first ingest."""
        pointer = self.path / "core" / territory / "current"
        if not pointer.is_file():
            raise MissingInputError(
                f"nothing of {territory} was ingested into {self.path}",
                remedy=f"isoloir ingest {territory} --from DIR --home {self.path}",
            )
        return pointer.parent / pointer.read_text(encoding="utf-8").strip()


def write_text(path: Path, text: str) -> None:
    """Replace the file at once: a reader sees the old text or the new one, never a part."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)


def write_json(path: Path, said: object) -> None:
    """Replace the file with ``said`` as JSON, keys sorted."""
    write_text(path, json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """What :func:`write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def _sweep(final: Path) -> None:
    """Remove what killed processes left aside of ``final``."""
    for left in final.parent.glob(f".{final.name}.*"):
        owner = left.name.rsplit(".", 1)[-1]
        if owner.isdigit() and (int(owner) == os.getpid() or not alive(int(owner))):
            shutil.rmtree(left, ignore_errors=True)


def alive(process: int) -> bool:
    """Whether a process of that number is running, ours or another user's."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def set_in_place(final: Path, marker: str | None = None) -> Iterator[Path]:
    """A folder to write into: becomes ``final`` by one rename when the block ends well, else vanishes.

    A ``final`` that is there stays, unless it lacks its ``marker``: then it was damaged, and is replaced.
    """
    _sweep(final)
    aside = final.with_name(f".{final.name}.{os.getpid()}")
    final.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside.mkdir(mode=0o700)
    try:
        yield aside
        if marker is not None and final.exists() and not (final / marker).is_file():
            shutil.rmtree(final)
        if not final.exists():
            os.rename(aside, final)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def replaced(final: Path) -> Iterator[Path]:
    """As :func:`set_in_place`, for a folder of results that a later run replaces."""
    fresh = final.with_name(f".{final.name}.fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    with set_in_place(fresh) as aside:
        yield aside
    shutil.rmtree(final, ignore_errors=True)
    os.rename(fresh, final)
