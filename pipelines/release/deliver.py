"""Deliver a release that stands in home to where others read it; no reader is ever led to a part of one."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from isoloir.domain.errors import IsoloirError, MissingInputError, ReleaseError
from isoloir.pipelines.progress import Say
from isoloir.pipelines.sources.tables import sha256_of

from .place import ASIDE, Place
from .shared_units import share_units
from .turn import Claim, turn
from .verify import verify

MANIFEST, LATEST, CURRENT = "manifest.json", "latest.json", "current"
PLAIN_NAME, PLAIN_FILE = re.compile(r"[\w-]+"), re.compile(r"\w[\w.-]*")


@dataclass(frozen=True, slots=True)
class Parcel:
    """A verified release: its folder, what names it, and the SHA-256 of its files but for the manifest."""

    folder: Path
    manifest: bytes
    territory: str
    target: str
    release_id: str
    schema_version: str
    files: tuple[tuple[str, str], ...]
    units: Path | None

    @property
    def claim(self) -> Claim:
        """What delivering it writes."""
        return Claim(self.release_id, _digest(self.manifest), sha256_of(self.units) if self.units else "")

    @property
    def latest(self) -> bytes:
        """The text of ``latest.json`` when this is the latest; no time nor person is in it."""
        said = {
            "territory": self.territory,
            "target": self.target,
            "release_id": self.release_id,
            "schema_version": self.schema_version,
            "manifest_sha256": _digest(self.manifest),
        }
        return (json.dumps(said, indent=1, sort_keys=True) + "\n").encode()


@dataclass(frozen=True, slots=True)
class Delivered:
    """The addresses of a release and of the file that leads to it; whether it stood there before."""

    release: str
    latest: str
    again: bool


def deliver(release: Path, place: Place, say: Say) -> Delivered:
    """Copy a release below a place, as territory/target/release_id, and make it the latest there.

    The manifest arrives last of its files and ``latest.json`` after it, each of them at once; ``current``
    leads to it too on a local disk. One that is there stays: ReleaseError if it has other bytes or lost any.
    PrivacyError if its units are not those of the releases there. What a killed publisher left is completed.
    """
    parcel = parcel_of(release)
    target = place.below(parcel.territory, parcel.target)
    there = target.below(parcel.release_id)
    with _told(place):
        target.made()
        with turn(target, parcel.claim, say) as renew:
            again = stands(parcel, there)
            if parcel.units is not None:
                share_units(parcel.units, target)
            elif _partition(parcel.manifest) in {info.base_name for info in target.files()}:
                raise _without_units(parcel.folder)
            if not again:
                there.made()
                for name, digest in parcel.files:
                    say(f"delivering {name}")
                    renew()
                    _send(parcel.folder / name, digest, there)
                _clear(parcel, there)
                there.put(MANIFEST, parcel.manifest)
            _point(parcel, target)
    return Delivered(there.shown, f"{target.shown}/{LATEST}", again)


def parcel_of(release: Path) -> Parcel:
    """A release of home, verified anew; ReleaseError if it is none, or is not sound."""
    folder = release.resolve()
    verify(folder)
    manifest = (folder / MANIFEST).read_bytes()
    said = json.loads(manifest)
    names = [str(said[key]) for key in ("territory", "target", "release_id")]
    files = tuple(sorted((name, one["sha256"]) for name, one in said["files"].items()))
    odd = [name for name in names if not PLAIN_NAME.fullmatch(name)]
    odd += [name for name in dict(files) if not PLAIN_FILE.fullmatch(name)]
    if odd:
        raise ReleaseError(f"this can't be the name of a folder or file: {odd[0]!r}", where=str(folder))
    beside = folder.parent / _partition(manifest)
    if not beside.is_file() and "units_digest" in said:
        raise _without_units(folder)
    # One that was made before releases shared their units has none.
    units = beside if beside.is_file() else None
    return Parcel(folder, manifest, names[0], names[1], names[2], str(said["schema_version"]), files, units)


def stands(parcel: Parcel, there: Place) -> bool:
    """Whether the release is there, whole: each file is read again. ReleaseError if it has other bytes."""
    if not there.has(MANIFEST):
        return False
    wrong = [name for name, digest in parcel.files if there.digest(name) != digest]
    wrong += [MANIFEST] if there.read(MANIFEST) != parcel.manifest else []
    if wrong:
        raise ReleaseError(
            f"a release of this id is there with other bytes: {', '.join(wrong)}",
            where=there.shown,
            remedy="nothing was changed there. If it was damaged, remove that folder and push again; else "
            "keep it: another home made it of the same inputs",
        )
    return True


def _send(path: Path, digest: str, there: Place) -> None:
    """Put a file there unless it is there; it is judged as it is sent, whatever happened to it since."""
    if there.digest(path.name) == digest:
        return
    content = path.read_bytes()
    if _digest(content) != digest:
        raise ReleaseError(f"{path.name} was changed", where=str(path.parent))
    there.put(path.name, content)


def _clear(parcel: Parcel, there: Place) -> None:
    """Remove files that are none of the release's: those of one that never became complete."""
    kept = {MANIFEST, *dict(parcel.files)}
    for info in there.files():
        if info.base_name not in kept:
            there.remove(info.base_name)


def _point(parcel: Parcel, target: Place) -> None:
    """Make the release the latest: ``current`` where there are links, ``latest.json`` last."""
    if target.local:
        current, aside = target.local / CURRENT, target.local / f"{ASIDE}{uuid4().hex[:8]}"
        if not current.is_symlink() or os.readlink(current) != parcel.release_id:
            aside.symlink_to(parcel.release_id)
            os.replace(aside, current)
    if not target.has(LATEST) or target.read(LATEST) != parcel.latest:
        target.put(LATEST, parcel.latest)


def _partition(manifest: bytes) -> str:
    """The name of the file that holds the partition which a release is made of."""
    return f"units-policy{json.loads(manifest)['policy']['version']}.parquet"


def _without_units(folder: Path) -> MissingInputError:
    return MissingInputError(
        "the partition of units that releases of this target share is not beside this one",
        where=str(folder.parent),
        remedy="push it from the home that it was published in",
    )


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


@contextmanager
def _told(place: Place) -> Iterator[None]:
    """What a filesystem refuses, told with what to do about it."""
    try:
        yield
    except OSError as error:
        said = error.strerror or (str(error).splitlines() or [type(error).__name__])[0]
        raise IsoloirError(said, where=str(error.filename or place.shown), remedy=_remedy(error)) from error


def _remedy(error: OSError) -> str:
    kept = "what arrived is kept, and no reader is led to it"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"free some space there and push again: {kept}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) or "ACCESS_DENIED" in str(error):
        return "give a place that you may write to, or have its permissions changed"
    if isinstance(error, FileNotFoundError) or "NO_SUCH_BUCKET" in str(error):
        return "make that bucket or folder, or correct the address"
    return f"see that the address is right and answers, and push again: {kept}"
