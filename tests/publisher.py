"""A publisher on this machine, a real HTTP server, that does what publishers and networks do wrong."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from isoloir.pipelines.sources.download import Limits, Pace, Wanted, download
from isoloir.pipelines.sources.raw import Original

BODY = bytes(range(256)) * 8192
PAGE = b"<!-- moved -->\n<!DOCTYPE html>\n<html><body>Cette page a disparu</body></html>"
MODIFIED = formatdate(1_700_000_000, usegmt=True)


@dataclass
class Asked:
    """A request: its path and headers, and how many bytes of a body it was given."""

    path: str
    headers: dict[str, str]
    sent: int = 0


@dataclass
class Shelf:
    """What is published, and what goes wrong with each request for ``/next/…``; afterwards nothing does."""

    folder: Path
    address: str = ""
    body: bytes = BODY
    etag: str | None = '"one"'
    modified: str | None = MODIFIED
    ranges: bool = True
    turns: list[str] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


class Publisher(BaseHTTPRequestHandler):
    """Serves the body of its shelf, or a file of its folder; the first part of the path says how."""

    shelf: Shelf
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.close_connection = True
        self.asked = Asked(self.path, dict(self.headers.items()))
        self.shelf.asked.append(self.asked)
        turn, _, name = self.path.removeprefix("/").partition("/")
        if turn == "next":
            turn = self.shelf.turns.pop(0) if self.shelf.turns else "ok"
        if turn in GOES:
            self.go(GOES[turn].format(name=name, path=self.path))
        elif status := re.fullmatch(r"(\d{3})(?:-(.*))?", turn):
            self.refuse(int(status[1]), status[2])
        elif turn == "silent":
            self.shelf.over.wait(30)
        elif turn == "files":
            self.give_file(self.shelf.folder / name)
        elif self.known():
            self.refuse(304, None)
        else:
            self.give(turn)

    def known(self) -> bool:
        """Whether the version that is published is the one that the other side has."""
        same = self.headers.get("If-None-Match") == self.shelf.etag is not None
        return same or self.headers.get("If-Modified-Since") == self.shelf.modified is not None

    def go(self, to: str) -> None:
        self.send_response(302)
        self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def refuse(self, status: int, retry_after: str | None) -> None:
        self.send_response(status)
        if retry_after:
            self.send_header("Retry-After", retry_after.replace("_", " "))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def give_file(self, path: Path) -> None:
        if not path.is_file():
            self.refuse(404, None)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()
        self.wfile.write(path.read_bytes())

    def give(self, turn: str) -> None:
        body, start = PAGE if "page" in turn else self.shelf.body, self.start(turn)
        self.send_response(206 if start or turn == "part" else 200)
        for name, value in self.said(turn, start, len(body)).items():
            self.send_header(name, value)
        self.end_headers()
        rest = body[start:]
        if turn in ("cut", "chunks cut", "stall"):
            rest = rest[: len(rest) // 2]
        elif turn.startswith("first "):
            rest = rest[: int(turn.removeprefix("first "))]
        self.write(rest, turn)
        if turn == "stall":
            self.shelf.over.wait(30)

    def start(self, turn: str) -> int:
        """Where the answer begins: what was asked for, if this publisher can do that."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (self.shelf.etag, self.shelf.modified) or turn == "blind"
        return int(asked[1]) if asked and self.shelf.ranges and same and "page" not in turn else 0

    def said(self, turn: str, start: int, total: int) -> dict[str, str]:
        headers = {"Content-Type": "text/html" if turn == "page" else "text/csv"}
        if self.shelf.etag is not None:
            headers["ETag"] = self.shelf.etag
        if self.shelf.modified is not None:
            headers["Last-Modified"] = self.shelf.modified
        if turn == "gzip":
            headers["Content-Encoding"] = "gzip"
        if turn.startswith("range "):
            headers["Content-Range"] = turn.removeprefix("range ")
        elif start:
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        if turn.startswith("chunks"):
            headers["Transfer-Encoding"] = "chunked"
        elif turn != "unsized":
            headers["Content-Length"] = str(total - start)
        return headers

    def write(self, rest: bytes, turn: str) -> None:
        for i in range(0, len(rest), 1 << 16):
            piece = rest[i : i + (1 << 16)]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if turn.startswith("chunks") else piece)
            self.asked.sent += len(piece)
        if turn == "chunks":
            self.wfile.write(b"0\r\n\r\n")

    def handle_one_request(self) -> None:
        # Whoever gives up an answer closes its connection.
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests read what was asked."""


GOES = {
    "moved": "/ok/{name}",
    "chain": "/chain2/{name}",
    "chain2": "/chain3/{name}",
    "chain3": "/moved/{name}",
    "on": "/next/{name}",
    "unsafe": "http://publisher.invalid/file",
    "ring": "{path}",
    "broken": "https://[publisher/file",
    "disk": "file:///etc/hostname",
}
"""Where one is sent on to."""


@contextmanager
def published(folder: Path) -> Iterator[Shelf]:
    """A publisher, for the block."""
    shelf = Shelf(folder)
    handler = type("Here", (Publisher,), {"shelf": shelf})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        shelf.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield shelf
        finally:
            shelf.over.set()
            server.shutdown()


ONCE = Limits(silence_seconds=5, attempts=1)
AGAIN = Limits(silence_seconds=5)


def at_once(waits: list[float] | None = None) -> Pace:
    """Waits without waiting; notes how long it should have been."""
    noted: list[float] = [] if waits is None else waits
    return Pace(sleep=noted.append, jitter=lambda: 0.0, now=lambda: 0.0)


def fetched(
    shelf: Shelf,
    folder: Path,
    *turns: str,
    sha256: str | None = None,
    limits: Limits = AGAIN,
    pace: Pace | None = None,
) -> Original:
    """What came of a file asked for as often as there are turns, and then once more."""
    shelf.turns[:] = turns
    wanted = Wanted("file.csv", f"{shelf.address}/next/file.csv", sha256)
    return download(wanted, folder, lambda size, total: None, limits, pace or at_once())
