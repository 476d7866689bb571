"""Unpack a publisher's zip: the members that are wanted, within limits, and nothing outside of its folder.

Nothing that a zip says of itself is believed. Bytes are counted as they come out, and held against the size
of the zip as it lies on the disk, so that members which share their bytes (D. Fifield, "A better zip bomb",
WOOT 2019) are counted as often as they are read. A zip within a zip is a file like any other.
"""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from io import BufferedReader, RawIOBase
from pathlib import Path
from shutil import copyfileobj
from typing import IO, TYPE_CHECKING

from isoloir.domain.errors import IsoloirError, SourceError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK = 1 << 20
SMALL = 1 << 20
"""So many bytes may come out of any zip, whatever its ratio."""

METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""Those that publishers use; Python's readers of the others give more bytes at once than were asked for."""

ENCRYPTED = 0x1 | 0x40 | 0x2000
ELSEWHERE = re.compile(r"[/\\]|[A-Za-z]:|.*[\x00-\x1f\x7f]|(?:.*[/\\])?\.\.(?:[/\\]|$)", re.S)
"""Names that are absolute, on a drive, out of their folder, or that no file should have."""

DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    NotImplementedError,
)
"""What reading a damaged zip raises."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a zip may hold: its members, the bytes of those that are read, and these over its own bytes.

    INSEE's tables come out 2 to 14 times as large, zeros 1000 times.
    """

    members: int = 1000
    bytes: int = 8 << 30
    ratio: int = 100


LIMITS = Limits()


def unpacked(path: Path, folder: Path, wanted: str, limits: Limits = LIMITS) -> tuple[Path, ...]:
    """Write the members that ``wanted`` matches, whatever their case, into ``folder``; their paths, sorted.

    A pattern with a ``/`` is of a member's whole name, another one of its last part; the last part alone is
    the name of the file. SourceError where the zip is damaged, encrypted or beyond its limits, where a name
    leads elsewhere or is taken, or where nothing matches; then nothing is left behind.
    """
    written: list[Path] = []
    with _opened(path) as archive:
        budget = _Budget(path, limits)
        try:
            for member in _chosen(archive, path, wanted, limits):
                with _reader(archive, member, path, budget) as source:
                    _write(source, folder / _last_part(member), path, written)
        except BaseException:
            for one in written:
                one.unlink(missing_ok=True)
            raise
    return tuple(sorted(written))


@contextmanager
def opened_member(path: Path, wanted: str, limits: Limits = LIMITS) -> Iterator[IO[bytes]]:
    """The bytes of the one member that ``wanted`` matches, unpacked as they are read; errors as above.

    Damage may show only at the end of the bytes: what was read before it is to be thrown away.
    """
    with _opened(path) as archive:
        members = _chosen(archive, path, wanted, limits)
        if len(members) > 1:
            raise _refused(path, f"{len(members)} of its files are called like {wanted!r}, and one is wanted")
        with _reader(archive, members[0], path, _Budget(path, limits)) as source:
            yield source


class _Budget:
    """How many bytes may still come out of a zip."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._left = self._most = min(limits.bytes, max(SMALL, limits.ratio * path.stat().st_size))

    def spend(self, size: int) -> None:
        """SourceError where that is too much."""
        self._left -= size
        if self._left < 0:
            of = f"{self._path.stat().st_size / 1e6:.1f} MB"
            raise _refused(self._path, f"more than {self._most / 1e6:.1f} MB come out of its {of}")


class _Counted(RawIOBase):
    """A member's bytes, within a budget."""

    def __init__(self, member: IO[bytes], path: Path, budget: _Budget) -> None:
        self._member, self._path, self._budget = member, path, budget

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer; how many bytes it got, 0 at the end."""
        room = memoryview(buffer).cast("B")
        with _damage_told(self._path):
            chunk = self._member.read(len(room))
        self._budget.spend(len(chunk))
        room[: len(chunk)] = chunk
        return len(chunk)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    with _damage_told(path):
        archive = zipfile.ZipFile(path)
    with archive:
        yield archive


@contextmanager
def _reader(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, budget: _Budget
) -> Iterator[IO[bytes]]:
    with _damage_told(path):
        source = archive.open(member)
    with source, BufferedReader(_Counted(source, path, budget), CHUNK) as counted:
        yield counted


def _write(source: IO[bytes], target: Path, path: Path, written: list[Path]) -> None:
    try:
        with target.open("xb") as file:
            written.append(target)
            copyfileobj(source, file, CHUNK)
    except FileExistsError as error:
        raise _refused(path, "a file of the name of one of its own is there already") from error
    except OSError as error:
        raise IsoloirError(
            f"what is unpacked can't be written: {error.strerror}",
            where=str(target.parent),
            remedy="make room there, and try again",
        ) from error


def _chosen(archive: zipfile.ZipFile, path: Path, wanted: str, limits: Limits) -> list[zipfile.ZipInfo]:
    """The wanted members, each checked; SourceError where there is none."""
    members = archive.infolist()
    if len(members) > limits.members:
        raise _refused(path, f"it has {len(members)} files, and {limits.members} are allowed")
    chosen = [member for member in members if _last_part(member) and _matches(member, wanted)]
    if not chosen:
        raise SourceError(
            f"none of the {len(members)} file(s) in it is called like {wanted!r}",
            where=str(path),
            remedy="look into the zip, and correct the name of its file in sources.yaml",
        )
    for member in chosen:
        _check(member, path)
    if len({_last_part(member).casefold() for member in chosen}) < len(chosen):
        raise _refused(path, "two of its files have the same name")
    return chosen


def _matches(member: zipfile.ZipInfo, wanted: str) -> bool:
    name = member.orig_filename if "/" in wanted else _last_part(member)
    return fnmatchcase(name.casefold(), wanted.casefold())


def _last_part(member: zipfile.ZipInfo) -> str:
    """Of its name; empty for a folder."""
    return re.split(r"[/\\]", member.orig_filename)[-1]


def _check(member: zipfile.ZipInfo, path: Path) -> None:
    # A name is not shown: it may be anything.
    if ELSEWHERE.match(member.orig_filename):
        raise _refused(path, "the name of one of its files leads out of the folder")
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        raise _refused(path, "one of its files is a link or a device")
    if member.flag_bits & ENCRYPTED:
        raise _refused(path, "one of its files is encrypted")
    if member.compress_type not in METHODS:
        raise _refused(
            path, f"one of its files is compressed by method {member.compress_type}, not by deflate"
        )


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        raise SourceError(
            "this is no readable zip, or a damaged one", where=str(path), remedy="fetch it again"
        ) from error


def _refused(path: Path, why: str) -> SourceError:
    return SourceError(
        f"this zip is not unpacked: {why}",
        where=str(path),
        remedy="look at where it comes from; unpack it yourself and name its folder with --from",
    )
