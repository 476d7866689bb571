"""A publisher is killed, fails, or is one of two, at any line of its work: no reader is led to a part."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from socket import socket
from typing import Any

import numpy as np
import pytest
from deliveries import TARGET, Seen, fetcher, lines_of, look, publisher, reader, wrong_in

from isoloir.pipelines.release.deliver import deliver
from isoloir.pipelines.release.place import place_of

needs_moto = pytest.mark.skipif(find_spec("moto") is None, reason="needs moto, of the extra dev")
ENDS = ("kill", "full", "interrupt", "kill beside another", "full beside another", "interrupt beside another")
HOW = {
    "kill": ("", -signal.SIGKILL),
    "full": (os.strerror(errno.ENOSPC), 1),
    "interrupt": ("KeyboardInterrupt", -signal.SIGINT),
    "count": ("", 0),
}
"""What a publisher says that ended so, and its status."""


@dataclass(frozen=True)
class Root:
    """Where releases are pushed to, and the address at which it is read."""

    to: str
    read: str


@dataclass(frozen=True)
class Store:
    """A server of objects on this machine."""

    address: str

    def root(self, name: str) -> Root:
        options = f"endpoint_override={self.address}&scheme=http&region=us-east-1"
        return Root(f"s3://bucket/{name}?{options}", f"http://{self.address}/bucket/{name}")


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """Moto's S3, with a bucket in it."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    call = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        made = urllib.request.Request(f"http://127.0.0.1:{port}/bucket", method="PUT")
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(made, timeout=60).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < until, "moto does not answer"
                time.sleep(0.1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", "nobody")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
            yield Store(f"127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()


def quiet(_: str) -> None:
    """Progress that nobody reads."""


def ended(new: Path, beside: Path | None, root: Root, at: int, how: str) -> bool:
    """Whether the publisher was ended at that line; another one pushes ``beside`` meanwhile and ends well."""
    first = publisher(at, how, new, root.to)
    second = publisher(-1, "count", beside, root.to) if beside else None
    hit = judged(first, how)
    if second:
        judged(second, "count")
    return hit


def judged(process: subprocess.Popen[str], how: str) -> bool:
    """Whether a publisher was ended, as it should be if it was."""
    try:
        _, err = process.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    said, status = HOW[how]
    assert process.returncode == 0 or (process.returncode == status and said in err), err
    return process.returncode != 0


def end_some(two: Any, roots: Iterator[Root], seed: int, ends: int, kinds: tuple[str, ...] = ENDS) -> int:
    """Publishers that end all over their work, one in each root where an older release stands; how many did.

    A reader looks on from before the first to after the one that completes it.
    """
    rng, hits = np.random.default_rng(seed), 0
    root = next(roots)
    deliver(two.old, place_of(root.to), quiet)
    lines = lines_of(two.new, root.to)
    for n in range(ends):
        root = next(roots)
        deliver(two.old, place_of(root.to), quiet)
        kind = kinds[n % len(kinds)]
        beside = (two.old, two.new)[int(rng.integers(2))] if "beside" in kind else None
        with reader(root.read) as seen:
            at = 1 + int((n + rng.uniform()) / ends * lines)
            hits += ended(two.new, beside, root, at, kind.split()[0])
            at_rest = Seen()
            look(root.read, at_rest)
            assert at_rest.wrong == []
            assert not wrong_in(fetcher(root.read), f"{TARGET}/{two.old.name}")
            deliver(two.new, place_of(root.to), quiet)
        assert seen.wrong == [], (n, kind, at)
        assert seen.looks >= 2 and set(seen.led_to) <= {two.old.name, two.new.name}
        completed(two, root)
    return hits


def completed(two: Any, root: Root) -> None:
    """The new release is the latest, the old one stands, and nothing else is left there."""
    last = Seen()
    look(root.read, last)
    assert (last.led_to, last.wrong) == ([two.new.name], [])
    assert not wrong_in(fetcher(root.read), f"{TARGET}/{two.old.name}")
    place = place_of(root.to).below(*TARGET.split("/"))
    # Where there are no locks, the claim of a publisher that was killed stays for an hour.
    left = {info.base_name for info in place.files() if not info.base_name.startswith(".publisher.")}
    assert left == {"latest.json", two.units.name}
    assert all(
        {i.base_name for i in place.below(r.name).files()} == set(os.listdir(r)) for r in (two.old, two.new)
    )


def folders(below: Path) -> Iterator[Root]:
    """Folders, each gone when the next is asked for."""
    n = 0
    while True:
        folder = below / f"root{n}"
        yield Root(str(folder), str(folder))
        shutil.rmtree(folder)
        n += 1


def prefixes(store: Store) -> Iterator[Root]:
    n = 0
    while True:
        yield store.root(f"root{n}")
        n += 1


def end_some_at_home(two: Any, folder: Path, seed: int, ends: int) -> int:
    """The same of publishers that make the old release anew, each in a home where the new one stands."""
    rng, hits, before = np.random.default_rng(seed), 0, folder / "before"
    shutil.copytree(two.home, before, symlinks=True)
    shutil.rmtree(before / "releases" / TARGET / two.old.name)
    lines = lines_of(None, str(shutil.copytree(before, folder / "counted", symlinks=True)))
    for n in range(ends):
        home = Path(shutil.copytree(before, folder / f"home{n}", symlinks=True))
        kind, there = ENDS[n % len(ENDS)], home / "releases" / TARGET
        with reader(str(home)) as seen:
            at = 1 + int((n + rng.uniform()) / ends * lines)
            first = publisher(at, kind.split()[0], None, str(home))
            second = publisher(-1, "count", None, str(home)) if "beside" in kind else None
            hits += judged(first, kind.split()[0])
            if second:
                judged(second, "count")
            look(str(home), at_rest := Seen())
            assert at_rest.wrong == []
            judged(publisher(-1, "count", None, str(home)), "count")
        look(str(home), last := Seen())
        assert seen.wrong == [] and set(seen.led_to) <= {two.old.name, two.new.name}, (n, kind, at)
        assert (last.led_to, last.wrong) == ([two.old.name], [])
        assert not wrong_in(fetcher(str(there.parent.parent)), f"{TARGET}/{two.new.name}")
        assert {p.name for p in there.iterdir()} == {two.old.name, two.new.name, "current", two.units.name}
        shutil.rmtree(home)
    return hits


@pytest.mark.slow
def test_a_publisher_that_ends_at_any_of_eight_lines_leads_no_reader_astray(
    two_releases: Any, tmp_path: Path
) -> None:
    assert end_some(two_releases, folders(tmp_path), seed=5, ends=8) >= 4


@pytest.mark.slow
@needs_moto
def test_a_publisher_to_s3_that_ends_anywhere_leads_no_reader_astray(two_releases: Any, store: Store) -> None:
    assert end_some(two_releases, prefixes(store), seed=6, ends=2, kinds=("kill", "interrupt")) == 2


@pytest.mark.campaign
def test_a_publisher_that_ends_at_any_of_fifty_lines_leads_no_reader_astray(
    two_releases: Any, tmp_path: Path
) -> None:
    # One that finds the release brought by the other meanwhile has fewer lines, and may end well.
    assert end_some(two_releases, folders(tmp_path), seed=7, ends=50) >= 30


@pytest.mark.campaign
@needs_moto
def test_a_publisher_to_s3_that_ends_at_any_of_fifty_lines_leads_no_reader_astray(
    two_releases: Any, store: Store
) -> None:
    assert end_some(two_releases, prefixes(store), seed=8, ends=50) >= 30


@pytest.mark.campaign
def test_a_release_whose_making_ends_at_any_of_twenty_lines_leads_no_reader_astray(
    two_releases: Any, tmp_path: Path
) -> None:
    assert end_some_at_home(two_releases, tmp_path, seed=9, ends=20) >= 12
