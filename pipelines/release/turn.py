"""Take turns at a place, so that two publishers never write what can't stand side by side."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from isoloir.domain.errors import ReleaseError
from isoloir.pipelines.progress import Say

from .place import ASIDE, Place

ABANDONED = timedelta(hours=1)
"""A claim that was not renewed for so long is a killed publisher's; one is renewed before each file."""

PREFIX = ".publisher."


@dataclass(frozen=True, slots=True)
class Claim:
    """What a publisher is about to write: a release with its manifest's bytes, and a partition of units."""

    release_id: str
    manifest: str
    units: str

    @property
    def name(self) -> str:
        """The name of the file that claims it, but for the publisher's own last part."""
        return f"{PREFIX}{self.release_id}.{self.manifest[:12]}.{self.units[:12] or 'none'}"

    def bars(self, name: str) -> bool:
        """Whether the claim of that name is one for the same release or units with other bytes."""
        theirs, ours = name.removeprefix(PREFIX).split("."), self.name.removeprefix(PREFIX).split(".")
        if len(theirs) != 4:
            return False
        return theirs[2] != ours[2] or (theirs[0] == ours[0] and theirs[1] != ours[1])


@contextmanager
def turn(place: Place, claim: Claim, say: Say) -> Iterator[Callable[[], None]]:
    """Our turn at a folder: what the block writes, no other publisher contradicts meanwhile.

    On a local disk publishers wait for one another, by a lock that ends with its process. Elsewhere there are
    no locks: each writes its claim and then looks for others', so that of two at least one sees the other's;
    ReleaseError if one bars ours. What is yielded renews the claim.
    """
    if place.local:
        with _locked(place.local, say):
            for left in place.local.glob(f"{ASIDE}*"):
                left.unlink(missing_ok=True)
            yield lambda: None
        return
    ours = f"{claim.name}.{uuid4().hex[:8]}"
    place.put(ours, b"")
    try:
        _look(place, claim, ours)
        yield lambda: place.put(ours, b"")
    finally:
        with suppress(OSError):
            place.remove(ours)


def _look(place: Place, claim: Claim, ours: str) -> None:
    """ReleaseError where another's claim bars ours; old ones go, by the place's own clock."""
    found = {info.base_name: info for info in place.files() if info.base_name.startswith(PREFIX)}
    now = found[ours].mtime if ours in found else None
    for name, info in sorted(found.items()):
        if now is not None and info.mtime is not None and now - info.mtime > ABANDONED:
            with suppress(OSError):
                place.remove(name)
        elif claim.bars(name):
            raise ReleaseError(
                "another publisher is at work there, on other units or other bytes of this release",
                where=f"{place.shown}/{name}",
                remedy="push again when it is done; if it was killed: in an hour, or remove that file",
            )


@contextmanager
def _locked(folder: Path, say: Say) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another publisher is at work there: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
