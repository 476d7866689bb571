"""A publisher that ends at a chosen line of its work and a reader that looks on, each in its own process."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

PUSHING = {f"release/{name}.py" for name in ("deliver", "place", "shared_units", "turn")}
PUBLISHING = {"pipelines/publish.py", "pipelines/home.py", "pipelines/units.py", "release/writer.py"}
"""Modules whose lines are the moments at which a publisher may end: to others, and in home."""

TARGET = "demo/2027_pres_t1"
Fetch = Callable[[str], bytes]


@dataclass
class Seen:
    """What a reader saw: how often it looked, which releases it was led to, and all that was not right."""

    looks: int = 0
    led_to: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def fetcher(root: str) -> Fetch:
    """Reads a file below a folder or a URL; FileNotFoundError without it."""
    if not root.startswith("http"):
        return lambda name: (Path(root) / name).read_bytes()

    def fetch(name: str) -> bytes:
        try:
            with urllib.request.urlopen(f"{root}/{name}", timeout=60) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise FileNotFoundError(name) from error

    return fetch


def wrong_in(fetch: Fetch, folder: str, manifest_sha256: str | None = None) -> list[str]:
    """What is not right with the release in a folder, from its bytes alone."""
    try:
        manifest = fetch(f"{folder}/manifest.json")
    except FileNotFoundError:
        return [f"{folder}: no manifest"]
    wrong = []
    if manifest_sha256 not in (None, digest(manifest)):
        wrong.append(f"{folder}: another manifest")
    for name, said in json.loads(manifest)["files"].items():
        try:
            if digest(fetch(f"{folder}/{name}")) != said["sha256"]:
                wrong.append(f"{folder}/{name}: other bytes")
        except FileNotFoundError:
            wrong.append(f"{folder}/{name}: missing")
    return wrong


def look(root: str, seen: Seen) -> None:
    """Check all that ``latest.json`` and ``current`` lead to; a home and a store have one of them only."""
    fetch = fetcher(root)
    seen.looks += 1
    led: list[tuple[str, str | None]] = []
    at_home = (Path(root) / "mlflow.db").exists()
    if at_home:
        root, fetch = f"{root}/releases", fetcher(f"{root}/releases")
    else:
        latest = json.loads(fetch(f"{TARGET}/latest.json"))
        led.append((latest["release_id"], latest["manifest_sha256"]))
    if not root.startswith("http"):
        led.append((os.readlink(Path(root) / TARGET / "current"), None))
    for release_id, manifest in led:
        seen.wrong += wrong_in(fetch, f"{TARGET}/{release_id}", manifest)
        seen.led_to += [release_id] if release_id not in seen.led_to else []


def seen_in(root: Path) -> Seen:
    """What a reader of a folder finds now."""
    seen = Seen()
    look(str(root), seen)
    return seen


def files_of(folder: Path) -> dict[str, str]:
    """Every file and link below a folder, by what it holds."""
    return {
        str(path.relative_to(folder)): os.readlink(path)
        if path.is_symlink()
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def read_on(root: str) -> None:
    """Look on until stdin ends; then say what was seen."""
    import threading

    over, seen = threading.Event(), Seen()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    print("looking", flush=True)
    while not over.is_set():
        try:
            look(root, seen)
        except (OSError, ValueError, KeyError) as error:
            seen.wrong.append(repr(error))
    look(root, seen)
    print(json.dumps(vars(seen)))


@contextmanager
def reader(root: str) -> Iterator[Seen]:
    """A reader that polls all the while the block runs, in a process of its own; after it, what it saw."""
    call, seen = [sys.executable, __file__, "read", root], Seen()
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "looking\n"
        yield seen
        out, _ = process.communicate("")
    assert process.returncode == 0
    vars(seen).update(json.loads(out))


def publisher(at: int, how: str, release: Path | None, to: str) -> subprocess.Popen[str]:
    """A publisher that ends at the ``at``-th line of its work: how is kill, full, interrupt or count.

    It pushes ``release`` to a place; without one, it publishes the demo's example in the home ``to``.
    """
    call = [sys.executable, __file__, str(at), how, to, *([str(release)] if release else [])]
    return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lines_of(release: Path | None, to: str) -> int:
    """How many lines a publisher's work has when nothing stops it."""
    process = publisher(-1, "count", release, to)
    out, err = process.communicate()
    assert process.returncode == 0, err
    return int(out)


def pushing(release: Path, to: str) -> Callable[[], object]:
    """The work of pushing a release."""
    from isoloir.pipelines.release.deliver import deliver
    from isoloir.pipelines.release.place import place_of

    place = place_of(to)
    return lambda: deliver(release, place, lambda _: None)


def publishing(home: Path) -> Callable[[], object]:
    """The work of publishing, in home, what was scored before."""
    from isoloir.configs.load import load_scenario, load_territory
    from isoloir.domain.election import AsOf
    from isoloir.pipelines.bench import Request, open_bench
    from isoloir.pipelines.home import Home
    from isoloir.pipelines.publish import publish
    from isoloir.pipelines.score import scored
    from isoloir.pipelines.train import plan_training

    demo = load_territory("demo")
    contest = demo.calendar[TARGET.split("/")[1]]
    request = Request(contest, AsOf(contest.held_on), load_scenario(demo, "example"), "research")
    bench = open_bench(Home(home), demo, None, None)
    plan = plan_training(bench, request)
    kept = scored(bench, plan)
    return lambda: publish(bench, plan, kept, lambda _: None)


def end_at(at: int, how: str, work: Callable[[], object], modules: set[str]) -> None:
    """The real thing, ended from outside: killed, interrupted or by a full disk, at a line of its modules."""
    count = 0

    def end() -> None:
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "interrupt":
            raise KeyboardInterrupt
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def line(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        if event == "line":
            count += 1
            if count == at:
                end()
        return line

    def call(frame: FrameType, _event: str, _argument: Any) -> Any:
        return line if "/".join(frame.f_code.co_filename.split("/")[-2:]) in modules else None

    sys.settrace(call)
    try:
        work()
    finally:
        sys.settrace(None)
    print(count)


if __name__ == "__main__":
    if sys.argv[1] == "read":
        read_on(sys.argv[2])
    elif len(sys.argv) == 5:
        end_at(int(sys.argv[1]), sys.argv[2], pushing(Path(sys.argv[4]), sys.argv[3]), PUSHING)
    else:
        end_at(int(sys.argv[1]), sys.argv[2], publishing(Path(sys.argv[3])), PUBLISHING)
