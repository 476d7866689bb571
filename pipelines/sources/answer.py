"""One request to a publisher: what is asked, and what the answer means.

With urllib: each step that must be able to refuse (a redirect, a range) is one method of it, it streams, and
it is there. httpx and requests, which Prefect and MLflow bring, go on with a broken download no more than it
does, and take three to five times as long to import.
"""

from __future__ import annotations

import http.client
import math
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.message import Message
from email.utils import parsedate_to_datetime

from isoloir.domain.errors import MissingInputError, SourceError

from .address import opener

CHUNK = 1 << 20
CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
PAGE_TYPES = ("text/html", "application/xhtml+xml")
PAGE_START = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+)?html\b", re.I | re.S
)


class UnreachableError(MissingInputError):
    """The publisher did not answer, or not to the end: the same call may work later.

    ``after_seconds``: for how long it is to be left alone; infinite where asking again soon is of no use.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "", after_seconds: float = 0.0) -> None:
        self.after_seconds = after_seconds
        super().__init__(what, where=where, remedy=remedy)


class StaleError(UnreachableError):
    """What came before can't be gone on with: the file is to be asked for from its first byte."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to fetch: its name in home, its address, and the sha256 it must have, if pinned.

    ``etag`` and ``modified``: of the version that was read before, as :class:`Original` said them.
    """

    name: str
    url: str
    sha256: str | None = None
    etag: str | None = None
    modified: str | None = None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The publisher still has the version that was read before: nothing was fetched from ``place``."""

    place: str
    etag: str | None
    modified: str | None


@dataclass(frozen=True, slots=True)
class Version:
    """Which bytes a publisher speaks of: ``etag`` and ``modified`` as it wrote them, ``total`` if it says so.

    ``validator``: what a request may name to go on within these bytes (If-Range, RFC 9110, 13.1.5): a strong
    ETag, else a Last-Modified that is at least a second older than the answer; None where neither is given.
    """

    etag: str | None
    modified: str | None
    validator: str | None
    total: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """Bytes of ``version`` from ``start`` on; ``length`` of them, where the publisher says how many."""

    wanted: Wanted
    start: int
    length: int | None
    version: Version
    stream: http.client.HTTPResponse

    def chunks(self) -> Iterator[bytes]:
        """The bytes as they come, 1 MB at most at a time; UnreachableError where they break off."""
        left = self.length
        while left is None or left > 0:
            # read1: what has come is not lost if the rest does not.
            try:
                chunk = self.stream.read1(CHUNK if left is None else min(CHUNK, left))
            except (OSError, http.client.HTTPException) as error:
                raise unreachable(self.wanted, f"the answer broke off ({_reason(error)})") from error
            if not chunk:
                return
            left = None if left is None else left - len(chunk)
            yield chunk


@contextmanager
def opened(
    wanted: Wanted, start: int, version: Version | None, silence_seconds: float, now: float
) -> Iterator[Answer | Unchanged]:
    """The publisher's answer to a request for the file, from byte ``start`` on if it still is ``version``.

    SourceError where it is no file, :class:`UnreachableError` where asking again may help. ``now``: seconds
    since 1970, for a Retry-After that names a time.
    """
    request = urllib.request.Request(wanted.url, headers=_headers(wanted, start, version))
    answer: http.client.HTTPResponse | Unchanged
    try:
        answer = opener(wanted.url).open(request, timeout=silence_seconds)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 304:
            raise _refusal(wanted, error.code, error.headers, now) from error
        answer = Unchanged(wanted.url, wanted.etag, wanted.modified)
    except (OSError, http.client.HTTPException) as error:
        hopeless = isinstance(getattr(error, "reason", error), ssl.SSLCertVerificationError)
        after = math.inf if hopeless else 0.0
        raise unreachable(wanted, f"no answer ({_reason(error)})", after) from error
    except ValueError as error:
        raise _moved(wanted, "the publisher sends us on to what is no address") from error
    if isinstance(answer, Unchanged):
        yield answer
        return
    with answer:
        yield _understood(wanted, start, version, answer)


def _headers(wanted: Wanted, start: int, version: Version | None) -> dict[str, str]:
    headers = {"User-Agent": "isoloir", "Accept-Encoding": "identity"}
    if wanted.etag is not None:
        headers["If-None-Match"] = wanted.etag
    elif wanted.modified is not None:
        headers["If-Modified-Since"] = wanted.modified
    if start and version is not None and version.validator is not None:
        headers |= {"Range": f"bytes={start}-", "If-Range": version.validator}
    return headers


def _understood(
    wanted: Wanted, start: int, version: Version | None, answer: http.client.HTTPResponse
) -> Answer:
    headers = answer.headers
    if not is_page(wanted.name) and headers.get_content_type() in PAGE_TYPES:
        raise page(wanted)
    encoded = headers.get("Content-Encoding", "identity").strip().lower() != "identity"
    if encoded and not wanted.name.endswith(".gz"):
        raise SourceError(
            f"the publisher sends {wanted.name} compressed on the way, though it was asked not to",
            where=wanted.url,
            remedy="fetch the file yourself and name its folder with --from",
        )
    if answer.status == 200:
        said = Version(headers.get("ETag"), headers.get("Last-Modified"), _validator(headers), answer.length)
        return Answer(wanted, 0, answer.length, said, answer)
    if answer.status == 206 and start and version is not None:
        length, total = _range(wanted, start, version, headers)
        return Answer(wanted, start, length, replace(version, total=total), answer)
    raise _moved(wanted, f"the publisher answers {answer.status}, which is no file")


def _range(wanted: Wanted, start: int, version: Version, headers: Message) -> tuple[int, int | None]:
    """How many bytes a part of the file has, and the file; StaleError unless it goes on where we are."""
    said = CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if said is None or int(said[1]) != start or int(said[2]) < start:
        raise _stale(wanted, f"the publisher sends another part than that from byte {start} on")
    total = version.total if said[3] == "*" else int(said[3])
    if total is not None and int(said[2]) >= total:
        raise _stale(wanted, "the publisher sends a part that ends after the file")
    same = headers.get("ETag", version.etag) == version.etag
    same = same and headers.get("Last-Modified", version.modified) == version.modified
    if version.total not in (None, total) or not same:
        raise _stale(wanted, "the publisher changed the file meanwhile")
    return int(said[2]) - start + 1, total


def _validator(headers: Message) -> str | None:
    etag, modified = headers.get("ETag"), headers.get("Last-Modified")
    if etag is not None:
        return etag if etag.startswith('"') else None
    try:
        age = parsedate_to_datetime(headers["Date"]) - parsedate_to_datetime(headers["Last-Modified"])
    except (TypeError, ValueError):
        return None
    return modified if age.total_seconds() >= 1 else None


def is_page(name: str) -> bool:
    """Whether a file of that name is a web page, and may be one."""
    return name.lower().endswith((".html", ".htm"))


def page(wanted: Wanted) -> SourceError:
    """The error for a web page that came where a file should."""
    return _moved(wanted, "the publisher answers with a web page: the file was moved")


def _moved(wanted: Wanted, what: str) -> SourceError:
    return SourceError(
        f"{wanted.name} could not be fetched: {what}",
        where=wanted.url,
        remedy="find its new address and correct url in sources.yaml, or fetch it and use --from DIR",
    )


def unreachable(wanted: Wanted, what: str, after_seconds: float = 0.0) -> UnreachableError:
    """The error for a file that did not come, or not to its end."""
    return UnreachableError(
        f"{wanted.name} could not be fetched: {what}",
        where=wanted.url,
        remedy="look at the network and try again, or fetch the file yourself and use --from DIR",
        after_seconds=after_seconds,
    )


def _stale(wanted: Wanted, what: str) -> StaleError:
    return StaleError(
        f"{wanted.name} could not be fetched: {what}",
        where=wanted.url,
        remedy="try again, or fetch the file yourself and use --from DIR",
    )


def _reason(error: Exception) -> str:
    return str(error.reason if isinstance(error, urllib.error.URLError) else error) or type(error).__name__


def _refusal(wanted: Wanted, status: int, headers: Message, now: float) -> SourceError | UnreachableError:
    if status == 416:
        return _stale(wanted, "the publisher has no such part of the file")
    if status >= 500 or status in (408, 425, 429):
        return unreachable(wanted, f"the publisher answers {status}", _retry_after(headers, now))
    if 300 <= status < 400:
        return _moved(wanted, f"the publisher answers {status}, and sends us on to nowhere or in a ring")
    why = "it was moved or withdrawn" if status in (404, 410) else "it may have been moved"
    return _moved(wanted, f"the publisher answers {status}: {why}")


def _retry_after(headers: Message, now: float) -> float:
    said = headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return 0.0
