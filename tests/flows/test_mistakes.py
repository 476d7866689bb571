"""A mistake or a damaged disk ends with a message and a status; a defect of ours with its traceback."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from commands import MAIN, Said, isoloir

from isoloir.pipelines import cli, cli_releases, cli_steps
from isoloir.pipelines.flows.engine import engine
from isoloir.pipelines.release import verify as verifying

# Prefect's clients leave the closing of some sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

TARGET = ("--target", "2027_pres_t1")
FORECAST = (*TARGET, "--scenario", "example")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One Prefect server for all commands that are called in this process."""
    with engine(tmp_path_factory.mktemp("served") / "home"):
        yield


@pytest.fixture
def home(demo_run: Any, tmp_path: Path) -> Path:
    """All that a run left, less what MLflow knows by its full path, and the release."""
    left = shutil.ignore_patterns("mlflow.db", "artifacts", "releases")
    return Path(shutil.copytree(demo_run.home, tmp_path / "home", ignore=left))


def cut_short(home: Path, pattern: str) -> list[Path]:
    found = sorted(home.glob(pattern))
    for path in found:
        path.write_bytes(path.read_bytes()[:200])
    assert found
    return found


def told(said: Said, what: str) -> None:
    """The command said that much in one line, where and what to do, and nothing else."""
    assert (said.status, said.out) == (1, "")
    lines = [line for line in said.err.splitlines() if not line.startswith("· ")]
    assert lines[0].startswith("error: ") and what in lines[0]
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["where", "do"]


DAMAGES = {
    "matrix": ("features/demo/*/matrix.parquet", ("build", "demo", *TARGET), "Parquet"),
    "fold": ("backtest/demo/folds/*/forecasts.parquet", ("run", "demo", *FORECAST), "Parquet"),
    "core file": ("core/demo/*/2022_pres_t1.parquet", ("build", "demo", *TARGET), "Parquet"),
    "ingest.json": ("core/demo/*/ingest.json", ("ingest", "demo", "--from"), "JSON"),
    "origin.json": ("raw/demo/*/origin.json", ("ingest", "demo", "--from"), "JSON"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_file_in_home_is_named(what: str, home: Path, demo_run: Any, served: None) -> None:
    pattern, command, kind = DAMAGES[what]
    damaged = cut_short(home, pattern)
    source = [demo_run.country] if command[-1] == "--from" else []
    said = isoloir(*command, *source, "--home", home)
    told(said, f"this {kind} file is damaged")
    assert any(f"where: {path}\n" in said.err for path in damaged)
    assert any(f"remove the folder {path.parent}" in said.err for path in damaged)


def test_what_the_message_says_to_do_helps(home: Path, demo_run: Any, served: None) -> None:
    build = ("build", "demo", *TARGET, "--home", home)
    ingest = ("ingest", "demo", "--from", demo_run.country, "--home", home)
    (core,) = cut_short(home, "core/demo/*/2022_pres_t1.parquet")
    assert f"remove the folder {core.parent}, then: isoloir ingest demo --from DIR\n" in isoloir(*build).err
    shutil.rmtree(core.parent)
    assert isoloir(*ingest).status == 0 and core.is_file()
    one = min((home / "features" / "demo").iterdir())
    (matrix,) = cut_short(home, f"features/demo/{one.name}/matrix.parquet")
    assert f"remove the folder {one} and run again" in isoloir(*build).err
    shutil.rmtree(one)
    assert isoloir(*build).status == 0 and matrix.is_file()


@pytest.mark.parametrize("named", [False, True], ids=["home's", "named"])
def test_a_database_that_is_none_is_told(named: bool, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home / ("other.db" if named else "mlflow.db")
    path.write_text("no database", encoding="utf-8")
    if named:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
    said = isoloir("publish", "demo", *FORECAST, "--home", home)
    told(said, "MLflow's database can't be used: file is not a database")
    assert f"{path}\n" in said.err
    assert ("where MLFLOW_TRACKING_URI leads" if named else "move both away and train again") in said.err


def test_a_damaged_model_is_told_with_its_file(demo_run: Any, served: None) -> None:
    # MLflow knows its files by their full paths: here no copy of home would do.
    models = sorted(demo_run.home.glob("artifacts/demo/models/*/artifacts/artifacts/saved.json"))
    sound = {path: path.read_bytes() for path in models}
    try:
        cut_short(demo_run.home, "artifacts/demo/models/*/artifacts/artifacts/saved.json")
        said = isoloir("score", "demo", *FORECAST, "--home", demo_run.home)
    finally:
        for path, content in sound.items():
            path.write_bytes(content)
    told(said, "this JSON file is damaged")
    assert any(f"where: {path}\n" in said.err for path in models)
    assert "move both away and train again" in said.err


@pytest.mark.parametrize("command", ["config init", "demo --home", "ingest demo --from COUNTRY --home"])
@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_path_that_can_be_no_folder_is_told(
    command: str, place: str, demo_run: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    words = command.replace("COUNTRY", str(demo_run.country)).split()
    said = isoloir(*words, tmp_path / place)
    assert (said.status, said.out) == (1, "")
    assert re.match(r"error: (File exists|Not a directory)\n  where: .*file", said.err)
    assert "  do:    correct the path" in said.err


def test_a_folder_to_export_to_that_is_not_there_is_told(demo_run: Any, tmp_path: Path) -> None:
    said = isoloir("export", demo_run.release, "--to", tmp_path / "missing")
    assert (said.status, said.out) == (2, "")
    assert str(tmp_path / "missing") in said.err and "  do:    " in said.err


def failing(error: BaseException) -> Callable[[Path], list[str]]:
    def verify(_: Path) -> list[str]:
        raise error

    return verify


@pytest.mark.parametrize(
    ("code", "remedy"),
    [(errno.ENOSPC, "free some space"), (errno.EACCES, "that you may write to"), (errno.EIO, "")],
)
def test_what_the_system_refuses_is_told(code: int, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "verify", failing(OSError(code, os.strerror(code), "some/file")))
    said = isoloir("verify", "release")
    told(said, os.strerror(code))
    assert "where: some/file" in said.err and remedy in said.err


DEFECTS = [TypeError("t"), KeyError("k"), AssertionError("a"), ValueError("v"), pa.ArrowInvalid("i")]


@pytest.mark.parametrize("error", DEFECTS, ids=lambda error: type(error).__name__)
def test_a_defect_of_ours_has_its_traceback(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "verify", failing(error))
    monkeypatch.setattr(sys, "argv", ["isoloir", "verify", "release"])
    with pytest.raises(type(error)) as caught:
        cli.main()
    assert caught.value is error


def test_an_interrupt_ends_with_130_and_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "verify", failing(KeyboardInterrupt()))
    assert isoloir("verify", "release") == Said(130, "", "")


def printing_to(stdout: Any, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command that prints, in a process of its own that holds back what it prints, as is usual."""
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    call = [sys.executable, "-c", MAIN, "config", "init", str(folder)]
    return subprocess.run(call, env=usual, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)


def test_a_reader_that_is_gone_is_no_error_to_tell(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = printing_to(write, tmp_path / "configs")
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_output_that_finds_no_room_is_told_once(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = printing_to(full, tmp_path / "configs")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {os.strerror(errno.ENOSPC)}\n") and "Exception" not in done.stderr


@pytest.mark.parametrize("stations", [299, 2001])
def test_a_country_too_small_or_too_large_is_refused(stations: int, tmp_path: Path) -> None:
    said = isoloir("demo", "--stations", stations, "--home", tmp_path / "home")
    assert (said.status, said.out) == (2, "")
    assert "--stations" in said.err and not (tmp_path / "home").exists()


def test_verify_and_releases_print_json_and_nothing_else(demo_run: Any) -> None:
    verified = isoloir("verify", demo_run.release, "--json")
    assert (verified.status, verified.err) == (0, "")
    ok = json.loads(verified.out)
    assert ok["release"] == str(demo_run.release) and len(ok["ok"]) == 6
    listed = isoloir("releases", "--home", demo_run.home, "--json")
    assert (listed.status, listed.err) == (0, "")
    assert json.loads(listed.out) == [{"release": str(demo_run.release), "current": True}]


def test_where_there_is_no_release_the_list_is_empty(tmp_path: Path) -> None:
    assert isoloir("releases", "--home", tmp_path, "--json") == Said(0, "[]\n", "")


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize("table", ["scores", "units", "aggregates"])
def test_every_table_of_a_release_can_be_exported(
    table: str, form: str, demo_run: Any, tmp_path: Path
) -> None:
    asked = ("--table", table, "--format", form, "--to", tmp_path)
    said = isoloir("export", demo_run.release, *asked, "--json")
    assert (said.status, said.err) == (0, "")
    rows = pd.read_parquet(demo_run.release / f"{table}.parquet")
    path = tmp_path / f"{table}.{form}"
    assert json.loads(said.out) == {"path": str(path), "rows": len(rows), "columns": len(rows.columns)}
    text = [name for name in rows.columns if isinstance(rows[name].dtype, pd.StringDtype)]
    read = pd.read_csv if form == "csv" else pd.read_excel
    again = read(path, dtype=dict.fromkeys(text, "string"))
    assert again.columns.tolist() == rows.columns.tolist()
    for name in text:
        assert again[name].fillna("").tolist() == rows[name].fillna("").tolist(), name


def test_a_table_that_is_none_is_refused(demo_run: Any, tmp_path: Path) -> None:
    said = isoloir("export", demo_run.release, "--table", "score", "--to", tmp_path)
    assert (said.status, said.out) == (2, "")
    assert "scores, units, aggregates, succession" in said.err and not list(tmp_path.iterdir())


def test_a_large_table_takes_a_while_in_excel_and_that_is_said(
    demo_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_releases, "SLOW_ROWS", 10)
    asked = ("export", demo_run.release, "--table", "units", "--to", tmp_path, "--format")
    assert "takes a while" in isoloir(*asked, "xlsx").err
    assert isoloir(*asked, "csv").err == ""
    assert isoloir(*asked, "xlsx", "--json").err == ""


def test_the_demo_hands_its_options_to_each_step(
    served: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, dict[str, object]] = {}
    for name in ("ingest", "backtest", "run"):
        real = getattr(cli_steps, name)
        names = real.__code__.co_varnames[: real.__code__.co_argcount]

        def step(*given: object, _name: str = name, _names: tuple[str, ...] = names, **named: object) -> None:
            seen[_name] = dict(zip(_names, given, strict=False)) | named
            print(json.dumps(_name))

        monkeypatch.setattr(cli_steps, name, step)
    asked = ("demo", "--home", tmp_path / "home", "--configs", tmp_path, "--stations", 300)
    assert isoloir(*asked, "--quiet", "--json") == Said(0, '"run"\n', "")
    for said in seen.values():
        assert said.items() >= {"home": tmp_path / "home", "configs": tmp_path, "quiet": True}.items()
        assert said["as_json"] is True


@pytest.mark.slow
def test_the_demo_prints_one_object(served: None, tmp_path: Path) -> None:
    said = isoloir("demo", "--home", tmp_path / "home", "--stations", 300, "--json")
    assert (said.status, said.err, said.out.count("\n")) == (0, "", 1)
    release = Path(json.loads(said.out)["release"])
    assert isoloir("verify", release).status == 0
