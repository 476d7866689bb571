"""Where releases are delivered to: a folder, an object store, any filesystem of pyarrow or fsspec."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pyarrow as pa
from pyarrow.fs import (
    FileInfo,
    FileSelector,
    FileSystem,
    FileType,
    FSSpecHandler,
    LocalFileSystem,
    PyFileSystem,
)

from isoloir.domain.errors import UsageError

STORES = ("s3", "gcs", "abfs")
"""Pyarrow's object stores: an object appears there whole, when its upload ends."""

PIECE = 1 << 16
ASIDE = ".aside."

HEADERS = {
    ".json": {"Content-Type": "application/json", "Cache-Control": "no-cache"},
    ".html": {"Content-Type": "text/html; charset=utf-8"},
    ".md": {"Content-Type": "text/markdown; charset=utf-8"},
}
"""What an object store tells a browser of a file."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder on some filesystem; ``shown`` is its address without what may be secret in it."""

    filesystem: FileSystem
    root: str
    shown: str

    @property
    def local(self) -> Path | None:
        """Its path on this machine, None if it is elsewhere."""
        return Path(self.root) if isinstance(self.filesystem, LocalFileSystem) else None

    def below(self, *parts: str) -> Place:
        """The folder ``parts`` in it; nothing is made."""
        return Place(self.filesystem, "/".join((self.root, *parts)), "/".join((self.shown, *parts)))

    def made(self) -> Place:
        """Itself, there now; object stores have no folders."""
        if self.filesystem.type_name not in STORES:
            self.filesystem.create_dir(self.root, recursive=True)
        return self

    def files(self) -> list[FileInfo]:
        """The files in it, not those in its folders; none if it is not there."""
        found = self.filesystem.get_file_info(FileSelector(self.root, allow_not_found=True))
        return [info for info in found if info.type == FileType.File]

    def has(self, name: str) -> bool:
        """Whether that file is in it."""
        return bool(self.filesystem.get_file_info(f"{self.root}/{name}").type == FileType.File)

    def read(self, name: str) -> bytes:
        """The whole of a file."""
        with self.filesystem.open_input_stream(f"{self.root}/{name}") as stream:
            return bytes(stream.read())

    def digest(self, name: str) -> str:
        """The SHA-256 of a file as it stands there; "" if it does not."""
        if not self.has(name):
            return ""
        digest = hashlib.sha256()
        with self.filesystem.open_input_stream(f"{self.root}/{name}") as stream:
            while piece := stream.read(1 << 20):
                digest.update(piece)
        return digest.hexdigest()

    def put(self, name: str, content: bytes) -> None:
        """Put a file there at once; a reader sees the one that was there or this one, whole."""
        if self.filesystem.type_name in STORES:
            # In a thread of its own, as only the first one is interrupted: a stream that is dropped half-way
            # would leave what it has as the object, and one that is dropped when Python ends never returns.
            with ThreadPoolExecutor(1) as pool:
                pool.submit(self._upload, name, content).result()
            return
        aside = f"{self.root}/{ASIDE}{uuid4().hex[:8]}"
        try:
            if self.local:
                _write_through(Path(aside), content)
            else:
                with self.filesystem.open_output_stream(aside) as stream:
                    stream.write(content)
            self.filesystem.move(aside, f"{self.root}/{name}")
        except BaseException:
            with suppress(OSError):
                self.filesystem.delete_file(aside)
            raise

    def _upload(self, name: str, content: bytes) -> None:
        """Nothing here fails but the upload itself, and of one that failed closing makes no object."""
        headers = HEADERS.get(Path(name).suffix)
        stream = self.filesystem.open_output_stream(f"{self.root}/{name}", metadata=headers)
        try:
            stream.write(content)
        finally:
            stream.close()

    def remove(self, name: str) -> None:
        """Remove a file that is there."""
        self.filesystem.delete_file(f"{self.root}/{name}")


def _write_through(path: Path, content: bytes) -> None:
    """Write a file and wait until it is on the disk: renamed before, it might be empty after a power cut."""
    view = memoryview(content)
    with path.open("wb") as file:
        for start in range(0, len(view), PIECE):
            file.write(view[start : start + PIECE])
        file.flush()
        os.fsync(file.fileno())


def place_of(address: str) -> Place:
    """The place that ``address`` names: a path, or a URL of pyarrow's or, where it knows none, of fsspec's.

    UsageError if it names none.
    """
    scheme = address.partition("://")[0] if "://" in address else ""
    if not scheme:
        path = Path(address).absolute()
        return Place(LocalFileSystem(), str(path), str(path))
    shown = without_secrets(address).rstrip("/")
    if scheme == "s3":
        _ask_no_neighbour(address)
    try:
        filesystem, root = FileSystem.from_uri(address)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        filesystem, root = _of_fsspec(address, scheme, shown, error)
    if not root.strip("/"):
        raise UsageError(
            "this address names no bucket or folder", where=shown, remedy="write it as s3://bucket/folder"
        )
    return Place(filesystem, root.rstrip("/"), shown)


def _ask_no_neighbour(address: str) -> None:
    """Where a key is given, keep Amazon's library from asking the network who this machine is.

    It would for the region, even where one is given (apache/arrow#46214), and may wait long for an answer.
    """
    if "@" in urlsplit(address).netloc or "AWS_ACCESS_KEY_ID" in os.environ:
        os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")


def _of_fsspec(address: str, scheme: str, shown: str, known: Exception) -> tuple[FileSystem, str]:
    if scheme in ("file", *STORES, "gs"):
        raise UsageError(
            f"this address is not one of {scheme}'s", where=shown, remedy="write it as s3://bucket/folder"
        ) from known
    try:
        from fsspec.core import url_to_fs

        filesystem, root = url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise UsageError(
            f"nothing that is installed can write to {scheme}://",
            where=shown,
            remedy="give a folder or s3://bucket/folder, or install fsspec's package for it",
        ) from error
    return PyFileSystem(FSSpecHandler(filesystem)), str(root)


def without_secrets(address: str) -> str:
    """The address without user, password and options."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
