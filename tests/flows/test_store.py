"""A rerun makes only what depends on what changed; nothing that stands is touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from isoloir.configs.load import load_scenario, load_territory
from isoloir.configs.report import copy_out
from isoloir.domain.election import AsOf
from isoloir.pipelines import store
from isoloir.pipelines.bench import Request, open_bench
from isoloir.pipelines.demo import write_demo
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import ingest
from isoloir.pipelines.run import Ran, run
from isoloir.pipelines.store import code_digest, stamp

CONTESTS = ("2017_pres_t1", "2017_pres_t2", "2019_euro_t1", "2022_pres_t1", "2022_pres_t2", "2024_euro_t1")
"""Enough of the demo; all but the first have a past to be forecast from."""

LAST, TARGET = CONTESTS[-1], "2027_pres_t1"
DEMO = load_territory("demo")
LOGGING, SCORING = "logging the training", f"scoring {TARGET}"
WRITING, JUDGING = "writing and attacking the release", "judging the champion at published units"
OF_UNITS = "features of the units of "
Times = dict[str, int]


def features(contests: Sequence[str]) -> list[str]:
    return [f"features of {key}" for key in contests]


def judging(contests: Sequence[str]) -> list[str]:
    return [f"judging at {key}" for key in contests]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    write_demo(folder, n_stations=300)
    return folder


def some_of(whole: Path, folder: Path, contests: Sequence[str]) -> Path:
    """The results of ``contests``, as their publisher had them then."""
    folder.mkdir(parents=True)
    for name in ("general_results.parquet", "candidats_results.parquet"):
        table = pq.read_table(whole / name)
        pq.write_table(table.filter(pc.is_in(table["id_election"], pa.array(contests))), folder / name)
    return folder


def take_in(home: Path, country: Path) -> None:
    ingest(Home(home), DEMO, country, lambda _: None)


def ran(
    home: Path, scenario: str | Path | None = "example", overlay: Path | None = None
) -> tuple[Ran, list[str]]:
    """A run, and what it said that it makes (the champion's name, and what is of units, apart)."""
    done, said = heard(home, scenario, overlay)
    left_out = ("champion: ", OF_UNITS, JUDGING)
    return done, [line for line in said if not line.startswith(left_out)]


def heard(
    home: Path, scenario: str | Path | None = "example", overlay: Path | None = None
) -> tuple[Ran, list[str]]:
    """A run, and all that it said."""
    config, said = load_territory("demo", overlay), []
    contest = config.calendar[TARGET]
    spec = None if scenario is None else load_scenario(config, scenario)
    request = Request(contest, AsOf(contest.held_on), spec, "research")
    done = run(open_bench(Home(home), config, None, overlay), request, said.append)
    return done, said


def times(home: Path, *below: str) -> Times:
    """When each file was written; a pointer to the current one counts by what it says."""
    files = [path for path in home.joinpath(*below).rglob("*") if path.is_file() and not path.is_symlink()]
    return {str(path.relative_to(home)): path.stat().st_mtime_ns for path in files}


@pytest.fixture(scope="module")
def home(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which everything was done once. Each test adds to it, and checks that it changes nothing."""
    folder = tmp_path_factory.mktemp("store")
    take_in(folder / "home", some_of(whole, folder / "country", CONTESTS))
    done, said = ran(folder / "home")
    assert not done.again
    past = CONTESTS[1:]
    assert said[: len(past) + 1] == features([*past, TARGET])
    assert sorted(said[len(past) + 1 : -3]) == judging(past)
    assert said[-3:] == [LOGGING, SCORING, WRITING]
    return folder / "home"


RERUN = """
import json, sys
from isoloir.pipelines.cli import main
try:
    main()
except SystemExit as end:
    status = end.code or 0
print(json.dumps({"status": status, "imported": sorted({"prefect", "mlflow"} & set(sys.modules))}))
"""


def test_a_second_run_starts_no_prefect_imports_no_mlflow_and_writes_no_file(home: Path) -> None:
    before = times(home)
    current = home / "releases" / "demo" / TARGET / "current"
    leads_to = os.readlink(current)
    words = ["run", "demo", "--target", TARGET, "--scenario", "example", "--home", str(home), "--json"]
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-c", RERUN, *words], env=bare, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    told, how = map(json.loads, done.stdout.splitlines())
    assert told["again"] is True and Path(told["release"]).name == leads_to
    assert how == {"status": 0, "imported": []}
    assert times(home) == before and os.readlink(current) == leads_to
    assert not (home / "prefect").exists()


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the shipped configuration."""
    folder = tmp_path_factory.mktemp("shipped")
    copy_out(folder)
    return folder


def test_another_scenario_is_scored_and_published_and_nothing_else_is_done(
    home: Path, shipped: Path, tmp_path: Path
) -> None:
    before = times(home)
    example = shipped / "territories" / "demo" / "scenarios" / "example.yaml"
    other = yaml.safe_load(example.read_text(encoding="utf-8")) | {"name": "other", "turnout": 0.6}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(other), encoding="utf-8")
    done, said = ran(home, tmp_path / "other.yaml")
    assert said == [SCORING, WRITING] and not done.again
    new = times(home).items() - before.items()
    assert before.items() <= times(home).items()
    # Under another scenario other units may be joined: theirs are the only features that are new.
    made = {path for path, _ in new if not path.startswith("features/demo/units-")}
    assert {path.split("/")[0] for path in made} == {"forecasts", "releases"}
    # The first one is found again, and is the current one again.
    first, said = ran(home)
    assert (first.again, said) == (True, [])
    assert os.readlink(first.release.parent / "current") == first.release.name != done.release.name


def test_without_a_scenario_only_the_target_s_own_features_are_made_anew(home: Path) -> None:
    before = times(home)
    _, said = ran(home, None)
    # Without an offer file other blocs may stand.
    assert said == [*features([TARGET]), SCORING, WRITING]
    assert before.items() <= times(home).items()


def test_what_comes_later_leaves_what_was_made_of_earlier_contests(whole: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    take_in(home, some_of(whole, tmp_path / "then", CONTESTS[:-1]))
    earlier, _ = ran(home)
    before = times(home, "features") | times(home, "backtest") | times(home, "releases")
    take_in(home, some_of(whole, tmp_path / "now", CONTESTS))
    done, said = ran(home)
    assert said == [*features([LAST, TARGET]), *judging([LAST]), LOGGING, SCORING, WRITING]
    assert before.items() <= times(home).items()
    assert earlier.release.is_dir() and done.release.name != earlier.release.name


def test_a_home_that_grew_gives_the_bytes_of_one_that_had_it_all_at_once(
    home: Path, whole: Path, tmp_path: Path
) -> None:
    grown = tmp_path / "home"
    take_in(grown, some_of(whole, tmp_path / "then", CONTESTS[:-1]))
    ran(grown)
    take_in(grown, some_of(whole, tmp_path / "now", CONTESTS))
    [there, _], [here, _] = ran(home), ran(grown)
    assert here.release.name == there.release.name
    for name in ("scores.parquet", "units.parquet", "aggregates.parquet"):
        assert (here.release / name).read_bytes() == (there.release / name).read_bytes()


THREADS = """
import sys
from pathlib import Path
from threadpoolctl import threadpool_info
from isoloir.configs.load import load_territory
from isoloir.pipelines.bench import open_bench
from isoloir.pipelines.home import Home
import isoloir.pipelines.run
threads = lambda: [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]
before = threads()
open_bench(Home(Path(sys.argv[1])), load_territory("demo"), None, None)
print(set(before), set(threads()))
"""


def test_matrices_are_multiplied_on_one_thread_however_many_there_are(home: Path) -> None:
    """On two they round otherwise: real France's scorecard differed in its last digits."""
    many = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    ran = subprocess.run(
        [sys.executable, "-c", THREADS, str(home)], env=many, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split("\n")[0] == "{2} {1}"


def test_what_is_lost_is_made_again_and_nothing_else(home: Path) -> None:
    kept = times(home)
    [first, _] = ran(home)
    name = first.release.name
    bytes_before = (first.release / "scores.parquet").read_bytes()
    shutil.rmtree(first.release)
    [again, said] = heard(home)
    # The matrices of units were kept, too.
    assert said == [JUDGING, WRITING] and again.release.name == name
    assert (again.release / "scores.parquet").read_bytes() == bytes_before
    elsewhere = {path: when for path, when in kept.items() if name not in path}
    assert elsewhere.items() <= times(home).items()


@pytest.fixture(scope="module")
def overlay(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fewer trees for turnout, laid over the shipped configuration."""
    folder = tmp_path_factory.mktemp("overlay")
    path = folder / "models" / "turnout.yaml"
    path.parent.mkdir()
    said = yaml.safe_load((shipped / "models" / "turnout.yaml").read_text(encoding="utf-8"))
    said["lightgbm"]["n_estimators"] //= 2
    path.write_text(yaml.safe_dump(said), encoding="utf-8")
    return folder


def test_another_model_is_judged_anew_on_the_features_that_stand(home: Path, overlay: Path) -> None:
    before = times(home)
    done, said = ran(home, overlay=overlay)
    assert sorted(said) == sorted([*judging(CONTESTS[1:]), LOGGING, SCORING, WRITING])
    database = {"mlflow.db"}
    assert {path: when for path, when in before.items() if path not in database}.items() <= times(
        home
    ).items()
    assert not done.again
    assert ran(home, overlay=overlay) == (Ran(done.release, True), [])


def test_a_configuration_that_says_the_same_in_other_words_changes_nothing(
    home: Path, shipped: Path, tmp_path: Path
) -> None:
    path = tmp_path / "models" / "swing.yaml"
    path.parent.mkdir()
    model = yaml.safe_load((shipped / "models" / "swing.yaml").read_text(encoding="utf-8"))
    path.write_text("# Another order\n" + yaml.safe_dump(model, sort_keys=True), encoding="utf-8")
    done, said = ran(home, overlay=tmp_path)
    assert (done.again, said) == (True, [])


def test_parts_of_a_stamp_do_not_run_into_each_other() -> None:
    said = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc"), ("1:a", "b"), ("1", ":a", "b")]
    assert len({stamp(*parts) for parts in said}) == len(said)
    assert stamp("a", 1) == stamp("a", 1)
    assert len(stamp()) == 16


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the code, whose digests are taken in place of ours. See :func:`changed`."""
    root = Path(store.__file__).parent.parent
    for folder in ("domain", "features", "models", "configs", "pipelines"):
        shutil.copytree(root / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).parents[2] / "README.md", tmp_path / "README.md")
    monkeypatch.setattr(store, "ROOT", tmp_path)
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    """Sources are read once in a process."""
    for cached in (store.code_digest, store._imports, store._source):
        cached.cache_clear()


def changed(path: Path, *modules: str) -> bool:
    """Whether a line more in the file changes the digest of ``modules``; the file is as before afterwards."""
    forget()
    before, text = code_digest(*modules), path.read_text(encoding="utf-8")
    path.write_text(text + "\n# A line more\n", encoding="utf-8")
    forget()
    after = code_digest(*modules)
    path.write_text(text, encoding="utf-8")
    return before != after


STEPS = ("pipelines.matrices", "pipelines.folds", "pipelines.train", "pipelines.score", "pipelines.publish")


def test_a_change_anywhere_in_what_a_module_imports_changes_its_digest(tree: Path) -> None:
    deep = tree / "domain" / "station.py"
    assert all(changed(deep, step) for step in STEPS)
    assert changed(tree / "features" / "history.py", "pipelines.matrices")
    assert changed(tree / "models" / "intervals.py", "pipelines.train")
    assert changed(tree / "pipelines" / "release" / "scores.py", "pipelines.publish")


def test_what_a_step_does_not_use_does_not_touch_it(tree: Path) -> None:
    assert not any(changed(tree / "README.md", step) for step in STEPS)
    for name in ("cli_steps.py", "flows/run.py", "demo.py", "release/writer.py"):
        assert not any(changed(tree / "pipelines" / name, step) for step in STEPS[:-1]), name
    assert not changed(tree / "models" / "boosting.py", "features.matrix")
    assert not changed(tree / "pipelines" / "plots.py", "pipelines.matrices")


IMPORTED = """
import importlib, sys
importlib.import_module(f"isoloir.{sys.argv[1]}")
print(*(name.removeprefix("isoloir.") for name in sys.modules if name.startswith("isoloir.")))
"""


@pytest.mark.parametrize("step", ["pipelines.folds", "pipelines.publish"])
def test_every_module_of_ours_that_python_loads_for_a_step_is_in_its_digest(tree: Path, step: str) -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED, step], capture_output=True, text=True, check=True)
    files = [tree.joinpath(*name.split(".")) for name in done.stdout.split()]
    files = [path / "__init__.py" if path.is_dir() else path.with_suffix(".py") for path in files]
    code_digest(step)
    unseen = [str(path.relative_to(tree)) for path in files if not seen(path, step)]
    assert len(files) > 20
    # The packages that are imported on the way say nothing but what they are for.
    assert [name for name in unseen if not name.endswith("__init__.py")] == []
    for name in unseen:
        assert len((tree / name).read_text(encoding="utf-8").splitlines()) == 1


def seen(path: Path, step: str) -> bool:
    """As :func:`changed`, faster: a comment changes no import."""
    text = path.read_text(encoding="utf-8")
    store.code_digest.cache_clear()
    before = code_digest(step)
    path.write_text(text + "# A line more\n", encoding="utf-8")
    store.code_digest.cache_clear()
    store._source.cache_clear()
    after = code_digest(step)
    path.write_text(text, encoding="utf-8")
    store._source.cache_clear()
    return before != after


@pytest.mark.parametrize(
    "words",
    ["from .other import VALUE", "from . import other", "from isoloir.here.other import VALUE",
     "from isoloir.here import other", "def late():\n    from .other import VALUE"],
)  # fmt: skip
def test_each_way_to_write_an_import_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    package = tmp_path / "here"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "one.py").write_text(words + "\n", encoding="utf-8")
    (package / "other.py").write_text("VALUE = 1\n", encoding="utf-8")
    (package / "apart.py").write_text("VALUE = 1\n", encoding="utf-8")
    monkeypatch.setattr(store, "ROOT", tmp_path)
    assert changed(package / "other.py", "here.one")
    assert changed(package / "one.py", "here.one")
    assert not changed(package / "apart.py", "here.one")
    forget()
