"""Half files: what has come of a file that is being fetched, until it is whole.

A published file holds names of candidates, so none may stay in home. A half file lies in the user's cache, in
a folder closed to others: ``$ISOLOIR_CACHE/downloads``, else ``$XDG_CACHE_HOME/isoloir/downloads``, else
``~/.cache/isoloir/downloads``. It is called by the sha256 of its address; a note beside it says of which
version it is. It is gone as soon as it is whole; one that nobody came back for is removed after seven days.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from isoloir.domain.errors import IsoloirError
from isoloir.pipelines.home import read_json, write_json

from .answer import CHUNK, Version

KEPT_SECONDS = 7 * 24 * 3600.0
PART, NOTE = ".part", ".json"
OURS = re.compile(r"[0-9a-f]{32}\.(?:part|json)|\.[0-9a-f]{32}\.json\.[0-9]+")
"""Half files, their notes, and notes that were being written when their process was killed."""


def cache() -> Path:
    """Where half files are kept; RuntimeError for a user without a home folder."""
    if own := os.environ.get("ISOLOIR_CACHE"):
        return Path(own).expanduser() / "downloads"
    # A relative one is to be ignored (XDG Base Directory Specification).
    given = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(given) if os.path.isabs(given) else Path.home() / ".cache"
    return root / "isoloir" / "downloads"


class Half:
    """The first ``size`` bytes of ``version`` of a file; this process alone adds to them.

    With a ``note`` they can be gone on with later. It is written once a megabyte and holds their sha256, so
    that what is gone on with is what came, whatever happened to the process or to the disk in between.
    """

    def __init__(self, path: Path, file: FileIO, url: str, note: Path | None) -> None:
        self.size = 0
        self.version: Version | None = None
        self._path, self._file, self._url, self._note = path, file, url, note
        self._said = hashlib.sha256()
        self._noted = 0
        if note is not None:
            self._recall(note)

    @property
    def sha256(self) -> str:
        """Of the bytes so far, in hex."""
        return self._said.hexdigest()

    def begin(self, version: Version | None) -> None:
        """Forget all bytes; those to come are of ``version``."""
        if self._note is not None:
            self._note.unlink(missing_ok=True)
        self._file.seek(0)
        self._file.truncate()
        self.size = self._noted = 0
        self.version, self._said = version, hashlib.sha256()

    def append(self, chunk: bytes) -> None:
        """Add bytes; IsoloirError where the disk takes no more."""
        rest = memoryview(chunk)
        try:
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
            self._said.update(chunk)
            self.size += len(chunk)
            if self.size >= self._noted + CHUNK:
                self._remember()
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def head(self, size: int) -> bytes:
        """The first ``size`` bytes, or as many as there are."""
        return os.pread(self._file.fileno(), size, 0)

    def become(self, final: Path) -> None:
        """Move the file, which is whole, to ``final``: all of it, or IsoloirError."""
        try:
            shutil.move(self._path, final)
        except BaseException as error:
            final.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise _unwritable(final, error) from error
            raise
        self.version = None

    @property
    def resumable(self) -> bool:
        """Whether a later call can go on from here."""
        known = self.version is not None and self.version.validator is not None
        return self._note is not None and self.size > 0 and known

    def close(self) -> None:
        """Keep what a later call can go on with, and nothing else."""
        if self.resumable:
            with suppress(OSError):
                self._remember()
        if not self.resumable or not self._noted:
            self._forget()
        self._file.close()

    def _forget(self) -> None:
        if self._note is not None:
            self._note.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)

    def _remember(self) -> None:
        version = self.version
        # Of a whole file there is no rest to ask for.
        if self._note is None or version is None or not self.resumable or self.size == version.total:
            return
        said = {"url": self._url, "bytes": self.size, "sha256": self.sha256, "total": version.total}
        tags = {"etag": version.etag, "last_modified": version.modified, "validator": version.validator}
        write_json(self._note, said | tags)
        self._noted = self.size

    def _recall(self, note: Path) -> None:
        try:
            said = read_json(note)
            version = Version(said["etag"], said["last_modified"], said["validator"], said["total"])
            while chunk := self._file.read(min(CHUNK, said["bytes"] - self.size)):
                self._said.update(chunk)
                self.size += len(chunk)
            if (said["url"], said["bytes"], said["sha256"]) != (self._url, self.size, self.sha256):
                raise ValueError("these are other bytes")
        except (OSError, ValueError, KeyError, TypeError):
            self.begin(None)
        else:
            self._file.truncate()
            self.version, self._noted = version, self.size


@contextmanager
def held(url: str, folder: Path, name: str) -> Iterator[Half]:
    """The half file of ``url``, for the block alone; afterwards it is kept for the next call.

    Where another process has it, or there can be no cache, a new one in ``folder``, gone after the block.
    """
    half = _from_cache(url) or _anew(url, folder / f".{name}{PART}")
    try:
        yield half
    finally:
        half.close()


def _from_cache(url: str) -> Half | None:
    try:
        root = cache()
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        root.chmod(0o700)
        path = root / (hashlib.sha256(url.encode()).hexdigest()[:32] + PART)
        file = _claimed(path)
    except (OSError, RuntimeError):
        return None
    return None if file is None else Half(path, file, url, path.with_suffix(NOTE))


def _anew(url: str, path: Path) -> Half:
    return Half(path, _open(path, os.O_TRUNC), url, None)


def _open(path: Path, flags: int = 0) -> FileIO:
    return FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o600), "r+")


def _claimed(path: Path) -> FileIO | None:
    """The file, made if it is missing and locked until it is closed; None if another has the lock."""
    file = _open(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had the lock before may have moved the file away since it was opened here.
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    except OSError:
        pass
    file.close()
    return None


def sweep(now: float) -> None:
    """Remove the half files that nobody came back for within seven days; ``now``: seconds since 1970."""
    with suppress(OSError, RuntimeError):
        for path in sorted(cache().iterdir()):
            with suppress(OSError):
                # The folder may hold what is not ours.
                if OURS.fullmatch(path.name) and now - path.stat().st_mtime > KEPT_SECONDS:
                    _remove(path)


def _remove(path: Path) -> None:
    part = path.with_suffix(PART)
    if path.suffix != PART and not (path.suffix == NOTE and part.exists()):
        path.unlink()
    elif path.suffix == PART and (file := _claimed(part)) is not None:
        part.with_suffix(NOTE).unlink(missing_ok=True)
        part.unlink(missing_ok=True)
        file.close()


def _unwritable(path: Path, error: OSError) -> IsoloirError:
    return IsoloirError(
        f"what is fetched can't be written: {error.strerror or type(error).__name__}",
        where=str(path.parent),
        remedy="make room there; half files are kept elsewhere with ISOLOIR_CACHE=DIR",
    )
