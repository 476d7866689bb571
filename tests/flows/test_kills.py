"""A run that is killed anywhere leaves `current` sound, and the next run completes."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from isoloir.pipelines.demo import write_demo
from isoloir.pipelines.release.verify import verify

COMMAND = "from isoloir.pipelines.cli import main; main()"


def _isoloir(*words: str) -> list[str]:
    return [sys.executable, "-c", COMMAND, *words]


def _forecast(home: Path, scenario: str) -> list[str]:
    target = {"example": "2027_pres_t1", "example-t2": "2027_pres_t2"}[scenario]
    return _isoloir("run", "demo", "--target", target, "--scenario", scenario, "--home", str(home))


def _kill_some_runs(folder: Path, seed: int, kills: int) -> None:
    home, data = folder / "home", folder / "data"
    write_demo(data, n_stations=300)
    subprocess.run(_isoloir("ingest", "demo", "--from", str(data), "--home", str(home)), check=True)
    started = time.monotonic()
    subprocess.run(_forecast(home, "example"), check=True)
    length = time.monotonic() - started
    current = home / "releases" / "demo" / "2027_pres_t1" / "current"
    kept = (current / "scores.parquet").read_bytes()
    for moment in np.random.default_rng(seed).uniform(0.2, 1.0, kills) * length:
        # An older release is gone from disk, so that the run has all its work to do again.
        shutil.rmtree(home / "releases" / "demo" / "2027_pres_t2", ignore_errors=True)
        process = subprocess.Popen(_forecast(home, "example-t2"), stderr=subprocess.DEVNULL)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        second = home / "releases" / "demo" / "2027_pres_t2" / "current"
        if second.exists():
            verify(second)
        verify(current)
    subprocess.run(_forecast(home, "example-t2"), check=True)
    verify(home / "releases" / "demo" / "2027_pres_t2" / "current")
    subprocess.run(_forecast(home, "example"), check=True)
    assert (current / "scores.parquet").read_bytes() == kept


def test_a_run_killed_at_two_moments_leaves_current_sound_and_completes_next(tmp_path: Path) -> None:
    _kill_some_runs(tmp_path, seed=1, kills=2)


@pytest.mark.campaign
def test_a_run_killed_at_ten_moments_leaves_current_sound_and_completes_next(tmp_path: Path) -> None:
    _kill_some_runs(tmp_path, seed=2, kills=10)
