"""MLflow on SQLite: what a training leaves there, who is champion, and what a plain script can do with it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest

from isoloir.domain.election import AsOf, Contest
from isoloir.domain.errors import IsoloirError, LeakageError, MissingInputError, PrivacyError
from isoloir.domain.forecast import National
from isoloir.models.baselines import Carried
from isoloir.models.boosting import Boosting
from isoloir.models.intervals import calibrate
from isoloir.models.registry import RULE_NAMES
from isoloir.models.saved import SavedModel, from_files, to_files
from isoloir.models.scorecard import CLASS_NAMES
from isoloir.models.turnout import BoostedTurnout
from isoloir.pipelines.plots import coverage_picture, errors_picture
from isoloir.pipelines.tracking import (
    Logged,
    ModelFiles,
    TrainingRun,
    champion,
    log_training,
    model_name,
    tracking_uri,
)

BLOCS = ("left", "right")
PAST = ("2022_legi_t1", date(2022, 6, 12))
FUTURE = ("2027_pres_t1", date(2027, 4, 11))
PNG = b"\x89PNG\r\n\x1a\n"


def saved_models() -> tuple[SavedModel, SavedModel]:
    """A model of turnout that has trees, and a naive one of swing."""
    rng = np.random.default_rng(7)
    X, y = rng.normal(size=(200, 1)), rng.normal(size=200)
    params = {"num_leaves": 4, "num_threads": 1, "verbosity": -1, "deterministic": True}
    trees = lightgbm.train(params, lightgbm.Dataset(X, y, params=params), 3).model_to_string()
    boosting = Boosting(("registered_log",), (), {}, 3, 200, (0.0, 1.0))
    target = Contest("demo", *PAST[:1], "legi", 1, PAST[1])
    national = National("2017_legi_t1", 0.5, np.array([0.4, 0.6]), 0.97)
    none = calibrate([], len(BLOCS))
    rest = (target, BLOCS, national, none, ("2017_legi_t1",), ())
    return (
        SavedModel("turnout", BoostedTurnout(boosting, trees, 0.5), *rest),
        SavedModel("swing", Carried("mean_deviation", ("mean_deviation",)), *rest),
    )


MODELS = saved_models()


def training(target: str, as_of: date, digest: str = "0123456789abcdef", note: str = "") -> TrainingRun:
    card = scorecard()
    return TrainingRun(
        territory="demo",
        target=target,
        as_of=as_of,
        grouping="research",
        params={f"p{i}": str(i) for i in range(130)},
        metrics={
            "2019_euro_t1.turnout_mae_pp.champion": 2.5,
            "2019_euro_t1.turnout_mae_pp.1200 and over": 1.0,
        },
        tags={
            "train_digest": f"{digest}{target}{as_of}",
            "newest_known_on": "2022-05-01",
            "config_digest": "c0ffee",
            "git_commit": "abc123",
            "input.results (1).parquet": "d" * 64,
        },
        texts={"note.md": note},
        tables={"scorecard": card},
        pictures={"errors.png": errors_picture(card)},
        models=tuple(ModelFiles(m.quantity, to_files(m), m.inputs, m.outputs) for m in MODELS),
    )


def scorecard() -> pd.DataFrame:
    rows = []
    for i, target in enumerate(("2017_pres_t1", "2017_legi_t1", "2019_euro_t1")):
        for k, model in enumerate(("champion", "noise_floor", *RULE_NAMES)):
            said = {"turnout_mae_pp": 1.0 + k / 10 + i, "votes_misallocated": 2.0 + k / 10 + i}
            rows += [("demo", target, model, "given", m, "all", v) for m, v in said.items()]
        for stratum in ("all", *CLASS_NAMES):
            rows.append(("demo", target, "champion", "given", "turnout_coverage90", stratum, 0.85 + i / 20))
    columns = ["territory", "target", "model", "level", "metric", "stratum", "value"]
    return pd.DataFrame(rows, columns=columns)


def frame(rows: int = 6) -> pd.DataFrame:
    """What training.parquet has: codes, registered as a 32-bit count, features as floats; and more."""
    rng = np.random.default_rng(3)
    columns = [c for m in MODELS for c in m.inputs if c != "registered"]
    table = pd.DataFrame({c: rng.normal(scale=0.2, size=rows) for c in columns})
    table[[f"standing_{b}" for b in BLOCS]] = 1.0
    registered = np.arange(300, 300 + rows, dtype=np.int32)
    return table.assign(registered=registered, station_id=[f"01001_{i:04}" for i in range(rows)])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all: a path with a space and an accent in it. Each test adds to it what it needs."""
    return tmp_path_factory.mktemp("tracking") / "home à moi"


@pytest.fixture(scope="module")
def past(home: Path) -> Logged:
    """A training for a past target, the first in its home."""
    return log_training(home, training(*PAST))


@pytest.fixture(scope="module")
def future(home: Path, past: Logged) -> Logged:
    """A training for a coming target, after the other."""
    return log_training(home, training(*FUTURE))


def client(home: Path) -> Any:
    import mlflow

    return mlflow.MlflowClient(tracking_uri=tracking_uri(home), registry_uri=tracking_uri(home))


def holder(home: Path, quantity: str, alias: str) -> int:
    return int(client(home).get_model_version_by_alias(model_name("demo", quantity), alias).version)


def plain_script(code: str, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MLFLOW_TRACKING_URI": tracking_uri(home), **env},
        cwd=home.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_run_holds_what_was_told_of_the_training(home: Path, past: Logged) -> None:
    run = client(home).get_run(past.run_id)
    assert run.info.run_name == "train demo 2022_legi_t1"
    assert run.info.status == "FINISHED"
    assert run.data.metrics["2019_euro_t1.turnout_mae_pp.champion"] == 2.5
    assert len(run.data.params) == 130
    said = {"target": "2022_legi_t1", "as_of": "2022-06-12", "config_digest": "c0ffee", "territory": "demo"}
    assert said.items() <= run.data.tags.items()
    assert run.data.tags["input.results _1_.parquet"] == "d" * 64
    assert run.data.tags["mlflow.source.git.commit"] == "abc123"
    names = {f.path for f in client(home).list_artifacts(past.run_id)}
    assert names == {"note.md", "scorecard.parquet", "scorecard.csv", "errors.png"}


def test_nothing_tells_of_the_machine_or_its_user(home: Path, past: Logged) -> None:
    run = client(home).get_run(past.run_id)
    told = [f"{k}={v}" for k, v in run.data.tags.items()]
    models = (home / "artifacts" / "demo" / "models").rglob("*")
    told += [p.read_text(encoding="utf-8") for p in models if p.is_file()]
    assert len(told) > 10
    assert not [
        t for t in told if str(Path.home()) in t or os.fspath(home) in t or sys.prefix in t or "/tmp" in t
    ]


def test_versions_carry_the_tags_and_the_files(home: Path, past: Logged) -> None:
    for model in MODELS:
        found = champion(home, "demo", model.quantity, PAST[0], AsOf(PAST[1]))
        assert found.name == f"isoloir-demo-{model.quantity}"
        assert (found.version, found.run_id) == (past.versions[model.quantity], past.run_id)
        assert {
            "target": PAST[0],
            "as_of": "2022-06-12",
            "grouping": "research",
        }.items() <= found.tags.items()
        assert found.files == to_files(model)


def test_no_model_is_pickled(home: Path, past: Logged) -> None:
    files = {p.name for p in (home / "artifacts").rglob("*") if p.is_file()}
    assert {"model.json", "trees.txt", "saved.json", "pyfunc_model.py", "MLmodel"} <= files
    assert not {n for n in files if n.endswith((".pkl", ".pickle", ".joblib", ".skops"))}


def test_home_is_closed_to_others_and_nothing_lies_beside_it(home: Path, past: Logged) -> None:
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "artifacts").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "mlflow.db").stat().st_mode) == 0o600
    assert {p.name for p in home.iterdir()} == {"mlflow.db", "artifacts"}
    assert {p.name for p in (home / "artifacts").iterdir()} == {"demo"}
    assert [p.name for p in home.parent.iterdir()] == [home.name]
    assert not Path("mlruns").exists() and not Path("mlflow.db").exists()


def test_the_environment_keeps_no_address(home: Path, past: Logged) -> None:
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_the_newest_day_has_the_champion_and_each_target_its_own(
    home: Path, future: Logged, past: Logged
) -> None:
    for quantity in ("turnout", "swing"):
        assert holder(home, quantity, "champion") == future.versions[quantity]
        assert holder(home, quantity, "champion-2022_legi_t1") == past.versions[quantity]
    older = log_training(home, training("2017_legi_t1", date(2017, 6, 11)))
    assert holder(home, "turnout", "champion-2017_legi_t1") == older.versions["turnout"]
    assert holder(home, "turnout", "champion") == future.versions["turnout"]


def test_the_same_training_is_logged_once(home: Path, future: Logged) -> None:
    said = training(*FUTURE, digest="twice", note="first")
    first = log_training(home, said)
    again = log_training(home, dataclasses.replace(said, texts={"note.md": "second"}))
    assert (first.again, again.again) == (False, True)
    assert (again.run_id, again.versions) == (first.run_id, first.versions)
    other = log_training(home, training(*FUTURE, digest="other"))
    assert other.versions["turnout"] == first.versions["turnout"] + 1
    # Of two with the same day the champion is the one that was asked for last, though it was there before.
    assert log_training(home, said).versions == first.versions
    assert holder(home, "swing", "champion") == holder(home, "swing", "champion-2027_pres_t1")
    assert holder(home, "swing", "champion") == first.versions["swing"]


@pytest.mark.parametrize(
    "steps", [["log_outputs", "set_terminated"], ["create_model_version"], ["set_registered_model_alias"]]
)
def test_a_training_that_was_cut_short_is_taken_up(
    home: Path, past: Logged, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    said = training("2020_muni_t1", date(2020, 3, 15), digest=steps[0])

    def cut_short(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        for step in steps:
            patch.setattr(mlflow.MlflowClient, step, cut_short)
        log_training(home, said)
    done = log_training(home, said)
    for model in MODELS:
        found = champion(home, "demo", model.quantity, said.target, AsOf(date(2022, 6, 12)))
        assert (found.version, found.files) == (done.versions[model.quantity], to_files(model))
        versions = client(home).search_model_versions(f"name = '{found.name}'")
        assert [v.run_id for v in versions if v.tags["train_digest"] == said.tags["train_digest"]] == [
            done.run_id
        ]
    experiment = client(home).get_experiment_by_name("isoloir-demo").experiment_id
    assert not client(home).search_runs([experiment], "attributes.status = 'RUNNING'")


def test_files_that_were_removed_are_logged_anew(home: Path, past: Logged) -> None:
    said = training("2014_euro_t1", date(2014, 5, 25))
    first = log_training(home, said)
    for model in _models(home, first):
        shutil.rmtree(home / "artifacts" / "demo" / "models" / model.model_id)
    with pytest.raises(MissingInputError, match="isoloir train demo --target 2014_euro_t1"):
        champion(home, "demo", "turnout", said.target, AsOf(PAST[1]))
    second = log_training(home, said)
    assert second.run_id != first.run_id
    assert champion(home, "demo", "turnout", said.target, AsOf(PAST[1])).run_id == second.run_id


def _models(home: Path, logged: Logged) -> list[Any]:
    outputs = client(home).get_run(logged.run_id).outputs.model_outputs
    return [client(home).get_logged_model(o.model_id) for o in outputs]


def test_models_that_were_deleted_are_logged_anew(home: Path, past: Logged) -> None:
    said = training("2014_muni_t1", date(2014, 3, 23))
    first = log_training(home, said)
    client(home).delete_logged_model(_models(home, first)[0].model_id)
    second = log_training(home, said)
    assert second.run_id != first.run_id and not second.again


def test_a_version_that_knew_the_day_of_the_cut_or_later_is_refused(home: Path, past: Logged) -> None:
    assert champion(home, "demo", "turnout", PAST[0], AsOf(date(2022, 5, 2)))
    for day in (date(2022, 5, 1), date(2022, 4, 30)):
        with pytest.raises(LeakageError, match="2022-05-01"):
            champion(home, "demo", "turnout", PAST[0], AsOf(day))


def test_a_version_that_does_not_say_what_it_knew_is_refused(home: Path, past: Logged) -> None:
    version = str(past.versions["swing"])
    store, name = client(home), model_name("demo", "swing")
    store.delete_model_version_tag(name, version, "newest_known_on")
    try:
        with pytest.raises(LeakageError, match="does not say"):
            champion(home, "demo", "swing", PAST[0], AsOf(PAST[1]))
    finally:
        store.set_model_version_tag(name, version, "newest_known_on", "2022-05-01")


def test_a_target_that_was_not_trained_for_names_the_command(
    home: Path, past: Logged, tmp_path: Path
) -> None:
    for where in (home, tmp_path / "nothing"):
        with pytest.raises(MissingInputError, match="isoloir train demo --target 2030_x_t1"):
            champion(where, "demo", "turnout", "2030_x_t1", AsOf(PAST[1]))
    with pytest.raises(MissingInputError, match="isoloir train fr"):
        champion(home, "fr", "turnout", PAST[0], AsOf(PAST[1]))
    assert not (tmp_path / "nothing").exists()


def test_a_table_of_stations_is_refused() -> None:
    said = training(*PAST)
    with pytest.raises(PrivacyError, match="station"):
        dataclasses.replace(said, tables={"rows": frame()})


PLAIN = """
import json, sys
import mlflow, pandas as pd
table = pd.read_parquet("training.parquet")
told = {}
for quantity in ("turnout", "swing"):
    for alias in ("champion", "champion-2022_legi_t1"):
        model = mlflow.pyfunc.load_model(f"models:/isoloir-demo-{quantity}@{alias}")
        told[f"{quantity}@{alias}"] = model.predict(table).to_dict("list")
    stated = {"turnout": 0.8, "share_left": 0.3, "share_right": 0.7}
    told[quantity] = model.predict(table, params=stated).to_dict("list")
json.dump(told, sys.stdout)
"""


def test_a_plain_script_loads_either_alias_and_predicts(home: Path, future: Logged, tmp_path: Path) -> None:
    table = frame()
    table.to_parquet(home.parent / "training.parquet")
    ran = plain_script(PLAIN, home)
    (home.parent / "training.parquet").unlink()
    assert ran.returncode == 0, ran.stderr
    told = {k: pd.DataFrame(v) for k, v in json.loads(ran.stdout).items()}
    for model in MODELS:
        expected = model.predict_frame(table, {})
        for alias in ("champion", "champion-2022_legi_t1"):
            pd.testing.assert_frame_equal(told[f"{model.quantity}@{alias}"], expected)
    weight = table["registered"] / table["registered"].sum()
    assert float((told["turnout"]["turnout_pred"] * weight).sum()) == pytest.approx(0.8)
    assert told["swing"]["share_left_pred"].mean() == pytest.approx(0.3, abs=0.02)


def test_a_model_says_what_it_takes_and_gives(home: Path, past: Logged) -> None:
    from mlflow.models import Model

    ids = {m.name: m.model_id for m in _models(home, past)}
    for model in MODELS:
        folder = home / "artifacts" / "demo" / "models" / ids[model.quantity] / "artifacts"
        signature = Model.load(folder).signature
        assert tuple(signature.inputs.input_names()) == model.inputs
        assert tuple(signature.outputs.input_names()) == model.outputs
        assert [p.name for p in signature.params] == ["turnout", "share_left", "share_right"]


def test_another_store_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/elsewhere.db")
    logged = log_training(tmp_path / "home", training(*PAST))
    assert champion(tmp_path / "home", "demo", "swing", PAST[0], AsOf(PAST[1])).run_id == logged.run_id
    assert (tmp_path / "elsewhere.db").is_file() and not (tmp_path / "home").exists()


def test_a_store_that_does_not_answer_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "mlruns"))
    with pytest.raises(IsoloirError, match="MLFLOW_TRACKING_URI") as told:
        log_training(tmp_path, training(*PAST))
    assert len(told.value.lines()) == 2


def test_a_home_that_was_moved_says_so(home: Path, past: Logged, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    with sqlite3.connect(home / "mlflow.db") as old, sqlite3.connect(moved / "mlflow.db") as new:
        old.backup(new)
    with pytest.raises(MissingInputError, match="moved"):
        log_training(moved, training(*PAST))


LOGGING = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_tracking import FUTURE, log_training, training
log_training(Path(sys.argv[2]), training(*FUTURE, digest="killed"))
"""


def test_a_store_that_was_killed_half_made_is_made_anew(tmp_path: Path) -> None:
    home = tmp_path / "home"
    words = [sys.executable, "-c", LOGGING, os.fspath(Path(__file__).parent), os.fspath(home)]
    for wait in (0.2, 0.6):
        process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        while not list(home.glob(f".artifacts.{process.pid}/*")) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = log_training(home, training(*FUTURE, digest="killed"))
    assert holder(home, "turnout", "champion") == done.versions["turnout"]
    assert {p.name for p in home.iterdir()} == {"mlflow.db", "artifacts"}


def test_what_is_printed_is_ours(tmp_path: Path, home: Path, past: Logged) -> None:
    code = LOGGING.replace("killed", "quiet")
    words = [sys.executable, "-c", code, os.fspath(Path(__file__).parent), os.fspath(tmp_path / "home")]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_the_pictures_are_png_and_the_same_each_time() -> None:
    card = scorecard()
    for picture in (errors_picture, coverage_picture):
        assert picture(card).startswith(PNG)
        assert picture(card) == picture(card)
        assert picture(card.iloc[:0]).startswith(PNG)


def test_files_make_the_model_that_they_came_from() -> None:
    for model in MODELS:
        said = from_files(to_files(model)).predict_frame(frame(), {})
        pd.testing.assert_frame_equal(said, model.predict_frame(frame(), {}))
