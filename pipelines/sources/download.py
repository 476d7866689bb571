"""Fetch a publisher's file over the network: whole and as pinned, or not at all."""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import urlsplit

from isoloir.domain.errors import MissingInputError, SourceError, UsageError
from isoloir.pipelines.home import alive

from .raw import Original

CHUNK = 1 << 20
INCOMING = ".incoming"
Progress = Callable[[int, int | None], None]
"""Told after each chunk: bytes so far, and of how many, if the publisher says so."""


class UnreachableError(MissingInputError):
    """The publisher did not answer, or not to the end: the same call may work later."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to fetch: its name in home, its address, and the sha256 it must have, if pinned."""

    name: str
    url: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the network may be silent, and how large a file may be: the largest known has 2.2 GB."""

    silence_seconds: float = 60.0
    bytes: int = 8 << 30


LIMITS = Limits()


class Fetch(Protocol):
    """Fetches one file into a folder: :func:`download`, or a task that retries it."""

    def __call__(self, wanted: Wanted, folder: Path, progress: Progress) -> Original:
        """The file, whole and as pinned."""
        ...


def download(wanted: Wanted, folder: Path, progress: Progress, limits: Limits = LIMITS) -> Original:
    """Stream the file into ``folder``; what is not whole or not as pinned is deleted before the error.

    SourceError where the publisher's answer is wrong, :class:`UnreachableError` where trying again may help.
    """
    path, said = folder / wanted.name, hashlib.sha256()
    try:
        with _opened(wanted, limits) as answer, path.open("wb") as file:
            size = _streamed(answer, file, said.update, wanted, progress, limits)
        if wanted.sha256 not in (None, said.hexdigest()):
            raise SourceError(
                f"{wanted.name} has sha256 {said.hexdigest()}, and {wanted.sha256} is pinned",
                where=wanted.url,
                remedy="if the publisher changed the file on purpose, pin the new sha256 in sources.yaml",
            )
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Original(path, wanted.url, said.hexdigest(), size)


def _streamed(
    answer: http.client.HTTPResponse,
    file: IO[bytes],
    digest: Callable[[bytes], None],
    wanted: Wanted,
    progress: Progress,
    limits: Limits,
) -> int:
    length = answer.headers.get("Content-Length")
    total = int(length) if length is not None and length.isdigit() else None
    size = 0
    _refuse_large(total or 0, wanted, limits)
    while chunk := _next_chunk(answer, wanted):
        size += len(chunk)
        _refuse_large(size, wanted, limits)
        file.write(chunk)
        digest(chunk)
        progress(size, total)
    if total is not None and size != total:
        raise _unreachable(wanted, f"the answer ended after {size} of {total} bytes")
    return size


def _next_chunk(answer: http.client.HTTPResponse, wanted: Wanted) -> bytes:
    # Only reading is guarded here: a full disk is no fault of the network.
    try:
        return answer.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(wanted, f"the answer broke off ({type(error).__name__})") from error


def _refuse_large(size: int, wanted: Wanted, limits: Limits) -> None:
    if size > limits.bytes:
        raise SourceError(
            f"{wanted.name} has more than {limits.bytes >> 20} MB: not fetched",
            where=wanted.url,
            remedy="see what lies at that address; fetch the file yourself and name its folder with --from",
        )


@contextmanager
def _opened(wanted: Wanted, limits: Limits) -> Iterator[http.client.HTTPResponse]:
    request = urllib.request.Request(wanted.url, headers={"User-Agent": "isoloir"})
    handlers: list[urllib.request.BaseHandler] = [_SafeRedirects()]
    if _is_loopback(wanted.url):
        handlers.append(urllib.request.ProxyHandler({}))
    try:
        answer = urllib.request.build_opener(*handlers).open(request, timeout=limits.silence_seconds)
    except urllib.error.HTTPError as error:
        error.close()
        raise _refusal(wanted, error.code) from error
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(wanted, f"no answer ({_reason(error)})") from error
    with answer:
        yield answer


def _reason(error: Exception) -> str:
    return str(error.reason if isinstance(error, urllib.error.URLError) else error) or type(error).__name__


def _refusal(wanted: Wanted, status: int) -> SourceError | UnreachableError:
    if status >= 500 or status in (408, 425, 429):
        return _unreachable(wanted, f"the publisher answers {status}")
    return SourceError(
        f"the publisher answers {status} for {wanted.name}: it was moved or withdrawn",
        where=wanted.url,
        remedy="find its new address and correct url in sources.yaml, or fetch it and use --from DIR",
    )


def _unreachable(wanted: Wanted, what: str) -> UnreachableError:
    return UnreachableError(
        f"{wanted.name} could not be fetched: {what}",
        where=wanted.url,
        remedy="look at the network and try again, or fetch the file yourself and use --from DIR",
    )


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to https only, or from loopback to loopback."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The request to follow; SourceError where it would leave the protected way."""
        within = _is_loopback(req.full_url) and _is_loopback(newurl)
        if urlsplit(newurl).scheme != "https" and not within:
            fp.close()
            raise SourceError(
                "the publisher sends us on to an address without https: not followed",
                where=req.full_url,
                remedy="find the file's https address and correct url in sources.yaml",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def at_mirror(mirror: str, name: str) -> str:
    """The address of the file ``name`` at a mirror; UsageError unless https, or http to this machine."""
    parts = urlsplit(mirror)
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(mirror)):
        raise UsageError("a mirror must be https://…, or http:// on this machine", remedy="correct --mirror")
    if not parts.hostname or parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            "a mirror is a plain address, without password or query", remedy="give https://host/folder"
        )
    return f"{mirror.rstrip('/')}/{name}"


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
    """Remove the originals that killed processes left below ``raw``: they hold names."""
    root = raw / INCOMING
    for left in root.iterdir() if root.is_dir() else ():
        if not left.name.isdigit() or int(left.name) == os.getpid() or not alive(int(left.name)):
            shutil.rmtree(left, ignore_errors=True)
    # It stays while another process has a folder in it.
    with suppress(OSError):
        root.rmdir()
