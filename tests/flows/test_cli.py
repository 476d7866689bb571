"""The command line: a mistake gets a message and a status, never a traceback."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from isoloir.pipelines import cli


@pytest.fixture
def isoloir(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Calls the command; its status, what it printed, and what it said of mistakes."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["isoloir", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("run", "dmo", "--target", "2027_pres_t1"), "did you mean demo"),
        (("run", "demo", "--target", "2027_pres_t9"), "2027_pres_t1"),
        (("backtest", "demo", "--targets", "2022_prse_t1"), "2022_pres_t1"),
        (("run", "demo", "--target", "2027_pres_t1", "--scenario", "exampl"), "did you mean example"),
    ],
)
def test_a_misspelt_key_is_told_with_what_was_meant(
    isoloir: Any, tmp_path: Path, arguments: tuple[str, ...], meant: str
) -> None:
    status, out, err = isoloir(*arguments, "--home", tmp_path / "home")
    assert (status, out) == (2, "")
    assert err.startswith("error: ") and "did you mean" in err and meant in err


def test_a_mistake_shows_no_traceback_to_a_caller(tmp_path: Path) -> None:
    code = "from isoloir.pipelines.cli import main; main()"
    call = [sys.executable, "-c", code, "run", "dmo", "--target", "2027_pres_t1", "--home", str(tmp_path)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "did you mean demo" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("run", "demo", "--target", "2027_pres_t1"), ("backtest", "demo")])
def test_a_step_before_the_ingest_names_the_ingest(
    isoloir: Any, tmp_path: Path, command: tuple[str, ...]
) -> None:
    status, _, err = isoloir(*command, "--home", tmp_path / "home")
    assert status == 5
    assert "nothing of demo was ingested" in err and "isoloir ingest demo --from" in err


@pytest.mark.parametrize("day", ["2027-4-1", "yesterday", "2027-02-30"])
def test_a_day_that_is_none_is_refused(isoloir: Any, tmp_path: Path, day: str) -> None:
    status, _, err = isoloir(
        "run", "demo", "--target", "2027_pres_t1", "--as-of", day, "--home", tmp_path / "home"
    )
    assert status == 2
    assert "is no day" in err


def test_verify_tells_of_a_sound_release(isoloir: Any, demo_run: Any) -> None:
    status, out, _ = isoloir("verify", demo_run.release.parent / "current")
    assert status == 0
    assert all(line.startswith("ok: ") for line in out.splitlines())


def test_verify_ends_with_8_on_a_damaged_release(isoloir: Any, demo_run: Any, tmp_path: Path) -> None:
    copied = shutil.copytree(demo_run.release, tmp_path / "copied")
    (copied / "audit.json").write_text("{}", encoding="utf-8")
    status, _, err = isoloir("verify", copied)
    assert status == 8
    assert "audit.json was changed" in err


def test_json_prints_one_object_and_nothing_else(isoloir: Any, demo_run: Any) -> None:
    arguments = ("--target", "2027_pres_t1", "--scenario", "example", "--home", demo_run.home, "--json")
    status, out, err = isoloir("run", "demo", *arguments)
    assert (status, err) == (0, "")
    told = json.loads(out)
    assert told["release"] == str(demo_run.release) and told["again"] is True


def test_an_exported_csv_keeps_the_zeros_of_codes(isoloir: Any, demo_run: Any, tmp_path: Path) -> None:
    status, out, _ = isoloir("export", demo_run.release, "--to", tmp_path)
    assert status == 0
    path = Path(out.strip())
    text = path.read_text(encoding="utf-8")
    assert "_0001," in text and "\n2A" in text
    table = pd.read_csv(path, dtype={"unit_id": str})
    assert (
        table["unit_id"].tolist() == pd.read_parquet(demo_run.release / "scores.parquet")["unit_id"].tolist()
    )


def test_an_unknown_format_is_refused(isoloir: Any, demo_run: Any, tmp_path: Path) -> None:
    status, _, err = isoloir("export", demo_run.release, "--format", "ods", "--to", tmp_path)
    assert status == 2
    assert "csv or xlsx" in err
