"""Fetch a publisher's file over the network: whole and as pinned, or not at all.

What breaks off is gone on with: after a growing wait in this call, and by a later one where it left off
(:mod:`.partial` says where half files lie, and that no two processes share one).
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from isoloir.domain.errors import SourceError
from isoloir.pipelines.home import alive
from isoloir.pipelines.progress import Say, silent

from . import partial
from .address import at_mirror
from .answer import (
    CHUNK,
    PAGE_START,
    StaleError,
    Unchanged,
    UnreachableError,
    Version,
    Wanted,
    is_page,
    opened,
    page,
    unreachable,
)
from .partial import Half, held
from .raw import Original

__all__ = [
    "Fetch",
    "FetchIfChanged",
    "Limits",
    "Pace",
    "Progress",
    "Unchanged",
    "UnreachableError",
    "Wanted",
    "at_mirror",
    "download",
    "download_if_changed",
    "incoming",
    "sweep",
]

INCOMING = ".incoming"
HEAD = 512
Progress = Callable[[int, int | None], None]
"""Told as bytes come: how many so far, and of how many, if the publisher says so."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the network may be silent, and how large a file may be: the largest known has 2.2 GB.

    Given up after ``attempts`` in a row that each brought less than a new megabyte. The first wait is
    ``first_wait_seconds``, each further one twice as long, up to ``longest_wait_seconds``; a publisher that
    asks for more than that is left alone.
    """

    silence_seconds: float = 60.0
    bytes: int = 8 << 30
    attempts: int = 5
    first_wait_seconds: float = 2.0
    longest_wait_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How to wait: ``jitter`` in [0, 1) lengthens a wait by up to a half, ``now`` is in seconds since 1970.

    ``told`` of each wait, and why.
    """

    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    now: Callable[[], float] = time.time
    told: Say = silent


LIMITS, PACE = Limits(), Pace()


class Fetch(Protocol):
    """Fetches one file into a folder: :func:`download`, or a task of it."""

    def __call__(self, wanted: Wanted, folder: Path, progress: Progress, *, pace: Pace = PACE) -> Original:
        """The file, whole and as pinned."""
        ...


class FetchIfChanged(Protocol):
    """Fetches one file if it changed: :func:`download_if_changed`, or a task of it."""

    def __call__(
        self, wanted: Wanted, folder: Path, progress: Progress, *, pace: Pace = PACE
    ) -> Original | Unchanged:
        """The file, whole and as pinned, or word that it is as it was."""
        ...


def download(
    wanted: Wanted, folder: Path, progress: Progress, limits: Limits = LIMITS, pace: Pace = PACE
) -> Original:
    """Fetch the file into ``folder``, where it appears when it is whole and as pinned.

    SourceError where the publisher's answer is wrong, :class:`UnreachableError` where trying again may help.
    """
    got = _fetched(replace(wanted, etag=None, modified=None), folder, progress, limits, pace)
    if isinstance(got, Unchanged):
        raise SourceError(
            f"the publisher answers that {wanted.name} is unchanged, though it was not asked",
            where=wanted.url,
            remedy="fetch the file yourself and name its folder with --from",
        )
    return got


def download_if_changed(
    wanted: Wanted, folder: Path, progress: Progress, limits: Limits = LIMITS, pace: Pace = PACE
) -> Original | Unchanged:
    """As :func:`download`; :class:`Unchanged` where the version that ``wanted`` names is still published."""
    if wanted.etag is None and wanted.modified is None:
        return download(wanted, folder, progress, limits, pace)
    return _fetched(wanted, folder, progress, limits, pace)


def _fetched(
    wanted: Wanted, folder: Path, progress: Progress, limits: Limits, pace: Pace
) -> Original | Unchanged:
    with held(wanted.url, folder, wanted.name) as half:
        got = _tried(half, wanted, progress, limits, pace)
        if isinstance(got, Unchanged):
            half.begin(None)
            return got
        _check(half, wanted)
        half.become(folder / wanted.name)
        return Original(folder / wanted.name, wanted.url, half.sha256, half.size, got.etag, got.modified)


def _tried(half: Half, wanted: Wanted, progress: Progress, limits: Limits, pace: Pace) -> Version | Unchanged:
    """The version that is there, whole, after as many attempts as may be."""
    failed, furthest = 0, half.size
    while True:
        try:
            return _attempt(half, wanted, progress, limits, pace.now())
        except UnreachableError as error:
            if isinstance(error, StaleError):
                half.begin(None)
            if half.size >= furthest + CHUNK:
                failed, furthest = 0, half.size
            failed += 1
            if failed >= limits.attempts or error.after_seconds > limits.longest_wait_seconds:
                raise _given_up(error, failed, half) from error
            own = min(limits.first_wait_seconds * 2 ** (failed - 1), limits.longest_wait_seconds)
            wait = max(own * (1 + pace.jitter() / 2), error.after_seconds)
            pace.told(f"{error.what}; trying again in {wait:.0f} s")
            pace.sleep(wait)


def _attempt(
    half: Half, wanted: Wanted, progress: Progress, limits: Limits, now: float
) -> Version | Unchanged:
    """One request, from where the half file ends if the publisher can be asked for that."""
    start = half.size if half.version is not None and half.version.validator is not None else 0
    with opened(wanted, start, half.version, limits.silence_seconds, now) as answer:
        if isinstance(answer, Unchanged):
            return answer
        if answer.start == 0:
            half.begin(answer.version)
        half.version, total = answer.version, answer.version.total
        _refuse_large(total or 0, half, wanted, limits)
        for chunk in answer.chunks():
            _refuse_large(half.size + len(chunk), half, wanted, limits)
            half.append(chunk)
            progress(half.size, total)
    if total is not None and half.size != total:
        raise unreachable(wanted, f"the answer ended after {half.size} of {total} bytes")
    if answer.start and wanted.sha256 not in (None, half.sha256):
        # Before the publisher is said to have changed the file, it is to come in one piece.
        raise StaleError(f"{wanted.name} could not be fetched: its parts do not fit", where=wanted.url)
    return answer.version


def _given_up(error: UnreachableError, failed: int, half: Half) -> UnreachableError:
    said, remedy = [error.what], error.remedy
    if failed > 1:
        said.append(f"({failed} attempts in a row)")
    if 0 < error.after_seconds < float("inf"):
        said.append(f"and asks to be left alone for {error.after_seconds:.0f} s")
    if half.resumable:
        remedy += f"; trying again goes on after the {half.size / 1e6:.1f} MB that came"
    return UnreachableError(
        " ".join(said), where=error.where, remedy=remedy, after_seconds=error.after_seconds
    )


def _check(half: Half, wanted: Wanted) -> None:
    """SourceError unless the whole file may be what is wanted; it is then forgotten."""
    if not is_page(wanted.name) and PAGE_START.match(half.head(HEAD)):
        half.begin(None)
        raise page(wanted)
    if wanted.sha256 not in (None, sha256 := half.sha256):
        half.begin(None)
        raise SourceError(
            f"{wanted.name} has sha256 {sha256}, and {wanted.sha256} is pinned",
            where=wanted.url,
            remedy="if the publisher changed the file on purpose, pin the new sha256 in sources.yaml",
        )


def _refuse_large(size: int, half: Half, wanted: Wanted, limits: Limits) -> None:
    if size > limits.bytes:
        half.begin(None)
        raise SourceError(
            f"{wanted.name} has more than {limits.bytes >> 20} MB: not fetched",
            where=wanted.url,
            remedy="see what lies at that address; fetch the file yourself and name its folder with --from",
        )


@contextmanager
def incoming(raw: Path) -> Iterator[Path]:
    """A folder for originals below ``raw``: gone, with all in it, when the block ends."""
    sweep(raw)
    folder = raw / INCOMING / str(os.getpid())
    folder.parent.mkdir(exist_ok=True, mode=0o700)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        sweep(raw)


def sweep(raw: Path) -> None:
    """Remove the originals that killed processes left below ``raw``, and old half files: they hold names."""
    partial.sweep(time.time())
    root = raw / INCOMING
    for left in root.iterdir() if root.is_dir() else ():
        if not left.name.isdigit() or int(left.name) == os.getpid() or not alive(int(left.name)):
            shutil.rmtree(left, ignore_errors=True)
    # It stays while another process has a folder in it.
    with suppress(OSError):
        root.rmdir()
