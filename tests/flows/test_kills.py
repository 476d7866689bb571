"""A run that is killed anywhere leaves `current` sound and no server, and the next run completes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from isoloir.configs.load import load_territory
from isoloir.domain.election import AsOf
from isoloir.pipelines.bench import Request, open_bench
from isoloir.pipelines.demo import write_demo
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import ingest
from isoloir.pipelines.release.verify import verify
from isoloir.pipelines.run import run

COMMAND = "from isoloir.pipelines.cli import main; main()"
TARGET = "2027_pres_t1"
FEW = (
    "2015_regi_t1", "2017_pres_t1", "2017_pres_t2", "2019_euro_t1", "2021_regi_t1", "2022_pres_t1",
    "2022_pres_t2", "2024_euro_t1",
)  # fmt: skip
WORK = ("features", "backtest", "forecasts", "artifacts", "mlflow.db")


@dataclass(frozen=True)
class Moment:
    """Some time after the run told its n-th line: the same work is under way on a fast and a slow machine."""

    lines: int
    seconds: float


@dataclass(frozen=True)
class Whole:
    """A run that nobody killed: its home before, when it told each line, its end, and what it published."""

    before: Path
    told: tuple[float, ...]
    end: float
    release: str
    scores: bytes

    def moment(self, part: float) -> Moment:
        """The moment at which that part of the time had gone by."""
        at = part * self.end
        lines = sum(when <= at for when in self.told)
        return Moment(lines, at - (self.told[lines - 1] if lines else 0.0))


def start(home: Path) -> subprocess.Popen[str]:
    """The command as a person calls it: Prefect has no settings, and the history lies in home."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    words = ["run", "demo", "--target", TARGET, "--scenario", "example", "--home", str(home)]
    call = [sys.executable, "-c", COMMAND, *words]
    return subprocess.Popen(call, env=bare, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def current(home: Path) -> Path:
    return home / "releases" / "demo" / TARGET / "current"


def with_results_only(folder: Path, contests: Sequence[str]) -> Path:
    """A home with results and a release without a scenario, and nothing of what the release was made from."""
    data, home = folder / "data", folder / "home"
    write_demo(data, n_stations=300)
    for name in ("general_results.parquet", "candidats_results.parquet") if contests else ():
        table = pq.read_table(data / name)
        pq.write_table(table.filter(pc.is_in(table["id_election"], pa.array(contests))), data / name)
    config = load_territory("demo")
    ingest(Home(home), config, data, lambda _: None)
    target = config.calendar[TARGET]
    request = Request(target, AsOf(target.held_on), None, "research")
    run(open_bench(Home(home), config, None, None), request, lambda _: None)
    for name in WORK:
        path = home / name
        path.unlink() if path.is_file() else shutil.rmtree(path)
    return home


def whole_run(folder: Path, before: Path) -> Whole:
    home = Path(shutil.copytree(before, folder / "whole", symlinks=True))
    began, told = time.monotonic(), []
    with start(home) as process:
        assert process.stderr is not None
        for line in process.stderr:
            assert line.startswith("· "), line
            told.append(time.monotonic() - began)
    assert process.returncode == 0
    end = time.monotonic() - began
    verify(current(home))
    release = current(home).resolve()
    return Whole(before, tuple(told), end, release.name, (release / "scores.parquet").read_bytes())


def killed(home: Path, moment: Moment) -> tuple[bool, int]:
    """Whether the run was still at work at that moment, when it is killed, and how many lines it had told."""
    process, lines = start(home), 0
    assert process.stderr is not None
    while lines < moment.lines and process.stderr.readline():
        lines += 1
    try:
        process.wait(moment.seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode in (0, -signal.SIGKILL)
    assert no_server_of(process.pid)
    verify(current(home))
    return process.returncode != 0, lines


def no_server_of(pid: int, seconds: float = 20) -> bool:
    """Whether the server that a process started is gone, at once or soon."""
    until = time.monotonic() + seconds
    while True:
        said = subprocess.run(["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True)
        if f"serve({pid}, " not in said.stdout:
            return True
        if time.monotonic() > until:
            return False
        time.sleep(0.2)


def completes(home: Path, whole: Whole) -> None:
    """The next run ends well, publishes what a run publishes that was never killed, and clears up."""
    process = start(home)
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert no_server_of(process.pid)
    verify(current(home))
    release = current(home).resolve()
    assert (release.name, (release / "scores.parquet").read_bytes()) == (whole.release, whole.scores)
    aside = [p for p in home.rglob(".*") if p.relative_to(home).parts[0] not in ("prefect", "artifacts")]
    assert not aside


def kill_some(folder: Path, whole: Whole, seed: int, homes: int) -> int:
    """Two kills in each of some homes, the first ones all over the run, then a run to the end; how many hit.

    The second one of a home comes at any moment of what the first one left to do.
    """
    rng, hits = np.random.default_rng(seed), 0
    for n in range(homes):
        home = Path(shutil.copytree(whole.before, folder / f"killed{n}", symlinks=True))
        first = whole.moment((n + rng.uniform()) / homes)
        hit, told = killed(home, first)
        left = len(whole.told) - told
        again, _ = killed(home, Moment(int(rng.integers(0, left + 1)), float(rng.uniform(0.05, 1))))
        hits += hit + again
        completes(home, whole)
        shutil.rmtree(home)
    return hits


@pytest.mark.slow
def test_a_run_killed_twice_leaves_current_sound_and_completes_next(tmp_path: Path) -> None:
    whole = whole_run(tmp_path, with_results_only(tmp_path, FEW))
    # The first comes half-way; the second may find the run ended, as what is left is short.
    assert kill_some(tmp_path, whole, seed=1, homes=1) >= 1


@pytest.mark.campaign
def test_runs_killed_at_ten_moments_leave_current_sound_and_complete_next(tmp_path: Path) -> None:
    whole = whole_run(tmp_path, with_results_only(tmp_path, ()))
    # The last moments of a run may have gone by before the kill.
    assert kill_some(tmp_path, whole, seed=2, homes=5) >= 8
