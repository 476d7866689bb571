"""The command line: step by step or all at once, told in few words; a mistake gets a message and a status."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from commands import MAIN, Said, isoloir

from isoloir.pipelines.demo import write_demo
from isoloir.pipelines.flows.engine import engine

# Prefect's clients leave the closing of some sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

CONTESTS = ("2017_pres_t1", "2017_pres_t2", "2019_euro_t1", "2022_pres_t1", "2022_pres_t2", "2024_euro_t1")
"""Enough of the demo for every step to have something to do."""

TARGET = "2027_pres_t1"
FORECAST = ("--target", TARGET, "--scenario", "example")
STEPS = {
    "build": ("build", "demo", "--target", TARGET),
    "backtest": ("backtest", "demo", "--targets", "2022_pres_t1,2024_euro_t1"),
    "train": ("train", "demo", "--target", TARGET),
    "score": ("score", "demo", *FORECAST),
    "publish": ("publish", "demo", *FORECAST),
}
COMMANDS = (
    ("demo",), ("ingest",), *((name,) for name in STEPS), ("run",), ("export",), ("verify",), ("releases",),
    ("experiments",), ("explain",), ("transfers",), ("config",), ("config", "check"), ("config", "init"),
)  # fmt: skip


def elsewhere(*arguments: object) -> Said:
    """The command in a process of its own, as a person calls it: Prefect has no settings and no server."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    call = [sys.executable, "-c", MAIN, *map(str, arguments)]
    done = subprocess.run(call, env=bare, capture_output=True, text=True, check=False)
    return Said(done.returncode, done.stdout, done.stderr)


def files_of(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*") if not path.is_dir()}


@dataclass(frozen=True)
class TooEarly:
    """A step called before the one that it needs: what it said, and the files in home before and after."""

    said: Said
    before: set[str]
    after: set[str]


@dataclass(frozen=True)
class StepByStep:
    """A home in which each step was called by itself, all with --json; what each said, early or in time."""

    home: Path
    said: dict[str, Said]
    early: dict[str, TooEarly]

    @property
    def release(self) -> Path:
        return Path(json.loads(self.said["publish"].out)["release"])


INGEST = ("contests", "station rows", "odd", "differences", "partial", "communes", "unread", "core", "again")
"""What an ingest says at its end, in order."""


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few contests of the demo."""
    whole, folder = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("country")
    write_demo(whole, n_stations=300)
    for name in ("general_results.parquet", "candidats_results.parquet"):
        table = pq.read_table(whole / name)
        pq.write_table(table.filter(pc.is_in(table["id_election"], pa.array(CONTESTS))), folder / name)
    return folder


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One Prefect server for all commands that are called in this process."""
    with engine(tmp_path_factory.mktemp("served") / "home"):
        yield


@pytest.fixture(scope="module")
def core(country: Path, served: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Makes a home of which nothing but the ingest was done."""
    ingested = tmp_path_factory.mktemp("core") / "home"
    assert isoloir("ingest", "demo", "--from", country, "--home", ingested).status == 0
    return lambda home: Path(shutil.copytree(ingested, home))


@pytest.fixture(scope="module")
def stepped(country: Path, served: None, tmp_path_factory: pytest.TempPathFactory) -> StepByStep:
    home = tmp_path_factory.mktemp("stepped") / "home"
    said, early = {}, {}

    def call(name: str, *arguments: object) -> None:
        said[name] = isoloir(*arguments, "--home", home, "--json")

    def too_early(name: str, when: str) -> None:
        before = files_of(home)
        early[f"{name} before {when}"] = TooEarly(
            isoloir(*STEPS[name], "--home", home), before, files_of(home)
        )

    call("ingest", "ingest", "demo", "--from", country)
    too_early("score", "train")
    too_early("publish", "train")
    for name, arguments in STEPS.items():
        if name == "score":
            too_early("publish", "score")
        call(name, *arguments)
    return StepByStep(home, said, early)


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped configuration, with groupings that speak of late rounds only, or of none that was held."""
    folder = tmp_path_factory.mktemp("overlay") / "configs"
    assert isoloir("config", "init", folder).status == 0
    blocs = folder / "territories" / "demo" / "blocs"
    shipped = yaml.safe_load((blocs / "research.yaml").read_text(encoding="utf-8"))
    for name, since in (("late", "2024-01-01"), ("never", "2027-01-01")):
        said = {key: value for key, value in shipped.items() if not key.startswith("panel")}
        said |= {"grouping": name, "scope": {"since": since}}
        (blocs / f"{name}.yaml").write_text(yaml.safe_dump(said, sort_keys=False), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("run", "dmo", "--target", TARGET), "did you mean demo"),
        (("run", "demo", "--target", "2027_pres_t9"), TARGET),
        (("backtest", "demo", "--targets", "2022_prse_t1"), "2022_pres_t1"),
        (("run", "demo", "--target", TARGET, "--scenario", "exampl"), "did you mean example"),
        (("train", "demo", "--target", TARGET, "--grouping", "reserch"), "did you mean research"),
    ],
)
def test_a_misspelt_key_is_told_with_what_was_meant(
    tmp_path: Path, arguments: tuple[str, ...], meant: str
) -> None:
    said = isoloir(*arguments, "--home", tmp_path / "home")
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("error: ") and "did you mean" in said.err and meant in said.err
    assert not (tmp_path / "home").exists()


def test_a_mistake_shows_no_traceback_to_a_caller(tmp_path: Path) -> None:
    said = elsewhere("run", "dmo", "--target", TARGET, "--home", tmp_path)
    assert said.status == 2
    assert "did you mean demo" in said.err and "Traceback" not in said.err


@pytest.mark.parametrize("command", [*STEPS.values(), ("run", "demo", "--target", TARGET)], ids=" ".join)
def test_a_step_before_the_ingest_names_the_ingest(tmp_path: Path, command: tuple[str, ...]) -> None:
    said = isoloir(*command, "--home", tmp_path / "home")
    assert said.status == 5
    assert "nothing of demo was ingested" in said.err and "isoloir ingest demo --from" in said.err
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("day", ["2027-4-1", "yesterday", "2027-02-30"])
def test_a_day_that_is_none_is_refused(tmp_path: Path, day: str) -> None:
    said = isoloir("run", "demo", "--target", TARGET, "--as-of", day, "--home", tmp_path / "home")
    assert said.status == 2
    assert "is no day" in said.err


@pytest.mark.parametrize("ways", [(), ("--from", "somewhere", "--download")])
def test_the_files_come_from_a_folder_or_from_their_publisher(tmp_path: Path, ways: tuple[str, ...]) -> None:
    said = isoloir("ingest", "demo", *ways, "--home", tmp_path / "home")
    assert (said.status, said.out) == (2, "")
    assert "isoloir ingest demo --from DIR" in said.err and "isoloir ingest demo --download" in said.err
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("step", "keys"),
    [
        ("ingest", {*INGEST}),
        ("build", {"matrices", "target's", "again"}),
        ("backtest", {"scorecard", "predictions", "again"}),
        ("train", {"isoloir-demo-turnout", "isoloir-demo-swing", "champion", "training", "again"}),
        ("score", {"forecast", "again"}),
        (
            "publish",
            {"release", "again", "stations", "scenario", "level", "roll, offer", "champion"}
            | {"attacks", "merging"},
        ),
    ],
)
def test_json_prints_one_object_and_nothing_else(stepped: StepByStep, step: str, keys: set[str]) -> None:
    said = stepped.said[step]
    assert (said.status, said.err) == (0, "")
    assert said.out.count("\n") == 1
    told = json.loads(said.out)
    assert set(told) == keys
    paths = [Path(told[key]) for key in keys & {"core", "target's", "scorecard", "predictions", "forecast"}]
    assert all(path.exists() for path in paths)


def test_a_run_that_finds_its_release_prints_one_object_too(demo_run: Any) -> None:
    said = isoloir("run", "demo", *FORECAST, "--home", demo_run.home, "--json")
    assert (said.status, said.err) == (0, "")
    told = json.loads(said.out)
    assert told["release"] == str(demo_run.release) and told["again"] is True


@pytest.mark.slow
def test_a_run_gives_the_release_of_the_steps_one_after_the_other(
    stepped: StepByStep, core: Callable[[Path], Path], tmp_path: Path
) -> None:
    home = core(tmp_path / "home")
    ran = elsewhere("run", "demo", *FORECAST, "--home", home, "--json")
    assert (ran.status, ran.err, ran.out.count("\n")) == (0, "", 1)
    told, stepwise = json.loads(ran.out), json.loads(stepped.said["publish"].out)
    assert (told["again"], stepwise["again"]) == (False, False)
    release = Path(told.pop("release"))
    assert release.name == stepped.release.name
    assert told.items() <= stepwise.items()
    names = {path.name for path in release.iterdir()}
    assert names == {path.name for path in stepped.release.iterdir()}
    for name in names - {"manifest.json"}:
        assert (release / name).read_bytes() == (stepped.release / name).read_bytes(), name
    assert isoloir("verify", stepped.release.parent / "current").status == 0


def test_a_step_that_was_done_says_so_and_changes_nothing(stepped: StepByStep) -> None:
    before = {name: (stepped.home / name).stat().st_mtime_ns for name in files_of(stepped.home)}
    for step in ("train", "publish"):
        said = isoloir(*STEPS[step], "--home", stepped.home, "--json")
        assert json.loads(said.out) == json.loads(stepped.said[step].out) | {"again": True}
    ran = isoloir("run", "demo", *FORECAST, "--home", stepped.home, "--json")
    assert json.loads(ran.out) == json.loads(stepped.said["publish"].out) | {"again": True}
    after = {name: (stepped.home / name).stat().st_mtime_ns for name in files_of(stepped.home)}
    assert before == after


@pytest.mark.parametrize(
    ("order", "command"),
    [
        ("score before train", f"isoloir train demo --target {TARGET}"),
        ("publish before train", f"isoloir train demo --target {TARGET}"),
        ("publish before score", f"isoloir score demo --target {TARGET}"),
    ],
)
def test_a_step_before_the_one_it_needs_names_it_and_leaves_nothing(
    stepped: StepByStep, order: str, command: str
) -> None:
    early = stepped.early[order]
    assert (early.said.status, early.said.out) == (5, "")
    assert early.said.err.startswith("error: ") and command in early.said.err
    assert early.after == early.before


@pytest.mark.parametrize("command", ["run", "score", "publish"])
@pytest.mark.parametrize(
    ("other", "told"),
    [
        (("--target", "2027_pres_t2"), ("target", TARGET, "2027_pres_t2")),
        (("--target", TARGET, "--grouping", "late"), ("grouping", "research", "late")),
    ],
    ids=["target", "grouping"],
)
def test_a_scenario_of_another_target_or_grouping_is_refused(
    overlay: Path, tmp_path: Path, command: str, other: tuple[str, ...], told: tuple[str, ...]
) -> None:
    shared = ("--scenario", "example", "--configs", overlay, "--home", tmp_path / "home")
    said = isoloir(command, "demo", *other, *shared)
    assert (said.status, said.out) == (2, "")
    assert "scenario example is for" in said.err and all(word in said.err for word in told)
    assert not (tmp_path / "home").exists()


def test_quiet_says_only_what_came_out(country: Path, served: None, tmp_path: Path) -> None:
    plain = isoloir("ingest", "demo", "--from", country, "--home", tmp_path / "plain")
    quiet = isoloir("ingest", "demo", "--from", country, "--home", tmp_path / "quiet", "--quiet")
    assert plain.err.startswith("· reading general_results.parquet")
    assert "odd, kept:" in plain.out
    assert (quiet.status, quiet.err) == (0, "")
    assert [line.split(":")[0] for line in quiet.out.splitlines()] == [*INGEST]
    assert quiet.out.splitlines()[:7] == plain.out.splitlines()[-9:-2]


HELP = """
import sys
from isoloir.pipelines.cli import main
for words in COMMANDS:
    sys.argv = ["isoloir", *words, "--help"]
    try:
        main()
    except SystemExit as end:
        assert not end.code, words
heavy = {"prefect", "mlflow", "pandas", "lightgbm"} & set(sys.modules)
print("imported:", *sorted(heavy))
"""


def test_help_is_given_for_every_command_and_imports_nothing_heavy() -> None:
    code = HELP.replace("COMMANDS", repr(((), *COMMANDS)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Usage: isoloir") == 1 + len(COMMANDS)
    listed = done.stdout.split("Usage: isoloir")[1]
    assert all(words[0] in listed for words in COMMANDS)
    assert done.stdout.endswith("\nimported:\n")


@pytest.mark.slow
def test_rounds_that_a_grouping_does_not_speak_of_are_told_and_their_turnout_is_used(
    core: Callable[[Path], Path], overlay: Path, tmp_path: Path
) -> None:
    home = core(tmp_path / "home")
    asked = ("--target", TARGET, "--grouping", "late", "--configs", overlay, "--home", home)
    said = isoloir("run", "demo", *asked)
    beyond = [key for key in CONTESTS if key < "2024"]
    assert said.status == 0
    assert said.err.startswith(f"grouping late does not speak of {len(beyond)} ingested contest(s)")
    assert ", ".join(beyond) in said.err.splitlines()[0]
    current = home / "releases" / "demo" / TARGET / "current"
    assert isoloir("verify", current).status == 0
    manifest = json.loads((current / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["no_bloc_in"] == beyond
    assert manifest["past"] == list(CONTESTS)
    assert manifest["grouping"] == "late@1"
    quiet = isoloir("run", "demo", *asked, "--quiet")
    assert (quiet.status, quiet.err) == (0, "")


def test_a_grouping_that_knows_no_share_is_refused_and_leaves_nothing(
    core: Callable[[Path], Path], overlay: Path, tmp_path: Path
) -> None:
    home = core(tmp_path / "home")
    before = files_of(home)
    for command in ("run", "build", "train", "score", "publish"):
        asked = ("--target", TARGET, "--grouping", "never", "--configs", overlay, "--home", home)
        said = isoloir(command, "demo", *asked)
        assert (said.status, said.out) == (5, "")
        assert "grouping never knows no share" in said.err and "another --grouping" in said.err
    assert files_of(home) == before


def with_last(path: Path, column: str, value: object) -> None:
    """The file with another value in its last row."""
    table = pq.read_table(path)
    values = table[column].to_pylist()
    values[-1] = value
    at = table.schema.get_field_index(column)
    pq.write_table(table.set_column(at, column, pa.array(values, table.schema.field(at).type)), path)


@pytest.mark.parametrize(
    ("file", "column", "value", "told"),
    [
        ("candidats_results.parquet", "nuance", "LE ROUX", "not shown"),
        ("general_results.parquet", "id_election", "2024_euro_t9", "2024_euro_t9"),
        ("general_results.parquet", "votants", 1_000_000, "more voters than registered"),
        ("general_results.parquet", "exprimes", -1, "row"),
    ],
    ids=["name", "contest", "voters", "negative"],
)
def test_what_can_not_be_true_is_refused_and_leaves_nothing(
    country: Path, served: None, tmp_path: Path, file: str, column: str, value: object, told: str
) -> None:
    damaged = Path(shutil.copytree(country, tmp_path / "damaged"))
    with_last(damaged / file, column, value)
    said = isoloir("ingest", "demo", "--from", damaged, "--home", tmp_path / "home")
    assert (said.status, said.out) == (4, "")
    assert told in said.err and "do: " in said.err and "ROUX" not in said.err
    assert "Traceback" not in said.err
    assert not files_of(tmp_path / "home")


def test_a_nuance_that_nobody_declared_is_refused_at_the_door(
    country: Path, served: None, tmp_path: Path
) -> None:
    """It may be a short name: it is not shown, and nothing of the file is kept."""
    damaged, home = Path(shutil.copytree(country, tmp_path / "damaged")), tmp_path / "home"
    with_last(damaged / "candidats_results.parquet", "nuance", "ZZZ")
    said = isoloir("ingest", "demo", "--from", damaged, "--home", home, "--quiet")
    assert (said.status, said.out) == (4, "")
    assert "declare the label in configs/territories/demo/blocs" in said.err and "ZZZ" not in said.err
    assert not list(home.rglob("*.parquet"))


def test_verify_tells_of_a_sound_release(demo_run: Any) -> None:
    said = isoloir("verify", demo_run.release.parent / "current")
    assert said.status == 0
    assert all(line.startswith("ok: ") for line in said.out.splitlines())


def test_verify_ends_with_8_on_a_damaged_release(demo_run: Any, tmp_path: Path) -> None:
    copied = shutil.copytree(demo_run.release, tmp_path / "copied")
    (copied / "audit.json").write_text("{}", encoding="utf-8")
    said = isoloir("verify", copied)
    assert said.status == 8
    assert "audit.json was changed" in said.err


def test_the_current_release_is_marked_in_the_list(demo_run: Any) -> None:
    said = isoloir("releases", "--home", demo_run.home)
    assert (said.status, said.out) == (0, f"{demo_run.release}  <- current\n")


def test_an_exported_csv_keeps_the_zeros_of_codes(demo_run: Any, tmp_path: Path) -> None:
    said = isoloir("export", demo_run.release, "--to", tmp_path)
    assert said.status == 0
    path = Path(said.out.strip())
    text = path.read_text(encoding="utf-8")
    assert "_0001," in text and "\n2A" in text
    table = pd.read_csv(path, dtype={"unit_id": str})
    assert (
        table["unit_id"].tolist() == pd.read_parquet(demo_run.release / "scores.parquet")["unit_id"].tolist()
    )


def test_an_unknown_format_is_refused(demo_run: Any, tmp_path: Path) -> None:
    said = isoloir("export", demo_run.release, "--format", "ods", "--to", tmp_path)
    assert said.status == 2
    assert "csv or xlsx" in said.err


def test_the_configuration_is_not_copied_over_what_is_there(overlay: Path) -> None:
    said = isoloir("config", "init", overlay)
    assert said.status == 2
    assert "are there already" in said.err
