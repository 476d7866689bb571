"""What a run leaves in Prefect and MLflow, who becomes champion, and what others can do with the models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from commands import Said, isoloir

from isoloir.configs.load import config_digest, load_territory
from isoloir.domain.errors import MissingInputError
from isoloir.pipelines import cli
from isoloir.pipelines.demo import write_demo
from isoloir.pipelines.flows.engine import engine
from isoloir.pipelines.score import _model
from isoloir.pipelines.tracking import Registered, tracking_uri

# Prefect's clients leave the closing of some sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

CONTESTS = ("2015_regi_t1", "2017_pres_t1", "2017_pres_t2", "2019_euro_t1", "2022_pres_t1", "2024_euro_t1")
"""Enough of the demo to forecast a coming target and, looking back, a past one."""

COMING, PAST = "2027_pres_t1", "2022_pres_t1"
JUDGED = {COMING: CONTESTS[1:], PAST: CONTESTS[1:4]}
"""The earlier targets of each: those before it that had a past."""

QUANTITIES = ("turnout", "swing")
BLOCS = ("red", "green", "blue", "gold", "grey")
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class House:
    """A home in which a coming target was run, then a past one; its server still answers."""

    path: Path
    run_ids: dict[str, str]
    commit: str

    def call(self, command: str, target: str, *more: str) -> Said:
        return isoloir(command, "demo", "--target", target, *more, "--home", self.path)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("steps")
    country, home = folder / "country", folder / "home"
    write_demo(folder / "whole", n_stations=300)
    country.mkdir()
    for name in ("general_results.parquet", "candidats_results.parquet"):
        table = pq.read_table(folder / "whole" / name)
        pq.write_table(table.filter(pc.is_in(table["id_election"], pa.array(CONTESTS))), country / name)
    with pytest.MonkeyPatch.context() as patch:
        # As a user has it: the history of runs lies in home.
        patch.delenv("PREFECT_HOME")
        with engine(home):
            house = House(home, {}, commit_of_the_code())
            for said in (
                isoloir("ingest", "demo", "--from", country, "--home", home, "--quiet"),
                house.call("run", COMING, "--scenario", "example", "--quiet"),
                house.call("run", PAST, "--quiet"),
            ):
                assert (said.status, said.err) == (0, "")
            for target in (COMING, PAST):
                house.run_ids[target] = version(home, "turnout", f"champion-{target}").run_id
            yield house


def commit_of_the_code() -> str:
    here = Path(cli.__file__).parent
    said = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"


def mlflow_client(home: Path) -> Any:
    import mlflow

    return mlflow.MlflowClient(tracking_uri=tracking_uri(home), registry_uri=tracking_uri(home))


def version(home: Path, quantity: str, alias: str) -> Any:
    return mlflow_client(home).get_model_version_by_alias(f"isoloir-demo-{quantity}", alias)


def flow_runs(name: str) -> list[Any]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

    with get_client(sync_client=True) as client:
        return list(client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[name]))))


def task_runs(flow_run: Any) -> list[Any]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    wanted = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id]))
    with get_client(sync_client=True) as client:
        return list(client.read_task_runs(flow_run_filter=wanted))


@pytest.mark.parametrize("target", [COMING, PAST])
def test_a_run_is_a_flow_and_its_stages_are_its_tasks(house: House, target: str) -> None:
    [run] = flow_runs(f"run demo {target}")
    assert run.state.name == "Completed"
    assert set(run.tags) == {"territory:demo", f"target:{target}"}
    assert run.parameters == {"territory": "demo", "target": target}
    tasks = sorted(task_runs(run), key=lambda task: task.start_time)
    assert [task.name for task in tasks] == ["build", "backtest", "train", "score", "publish"]
    assert {task.state.name for task in tasks} == {"Completed"}


def test_the_model_card_stands_beside_the_run(house: House) -> None:
    from prefect.artifacts import Artifact

    [run] = flow_runs(f"run demo {COMING}")
    release = (house.path / "releases" / "demo" / COMING / "current").resolve()
    shown = Artifact.get("card-demo-2027-pres-t1")
    assert shown.flow_run_id == run.id
    assert shown.data.startswith((release / "model_card.md").read_text(encoding="utf-8"))
    assert release.name in shown.data


def test_the_history_lies_in_home_and_no_result_is_kept(house: House) -> None:
    assert (house.path / "prefect" / "prefect.db").is_file()
    assert not (house.path / "prefect" / "storage").exists()


@pytest.mark.parametrize("target", [COMING, PAST])
def test_a_training_is_one_run_with_what_went_in_and_how_it_did(house: House, target: str) -> None:
    client, config = mlflow_client(house.path), load_territory("demo")
    experiment = client.get_experiment_by_name("isoloir-demo")
    [run] = [
        r for r in client.search_runs([experiment.experiment_id]) if r.info.run_id == house.run_ids[target]
    ]
    assert len(client.search_runs([experiment.experiment_id])) == 2
    assert (run.info.run_name, run.info.status) == (f"train demo {target}", "FINISHED")
    said = json.loads((house.path / "core" / "demo" / core_of(house) / "ingest.json").read_text("utf-8"))
    assert {
        "territory": "demo",
        "target": target,
        "as_of": config.calendar[target].held_on.isoformat(),
        "config_digest": config_digest(config),
        "git_commit": house.commit,
        **{f"input.{file['file']}": file["sha256"] for file in said["inputs"]},
    }.items() <= run.data.tags.items()
    assert {"champion.turnout", "champion.swing", "turnout.trees", "swing.seed"} <= set(run.data.params)
    for key in JUDGED[target]:
        for metric in ("turnout_mae_pp", "votes_misallocated"):
            for model in ("champion", "noise_floor", "boosted_turnout"):
                assert f"{key}.{metric}.{model}" in run.data.metrics
    assert {name.split(".")[0] for name in run.data.metrics} == set(JUDGED[target])


def core_of(house: House) -> str:
    return (house.path / "core" / "demo" / "current").read_text(encoding="utf-8").strip()


def test_the_scorecard_and_the_pictures_lie_beside_it(house: House, tmp_path: Path) -> None:
    client, run_id = mlflow_client(house.path), house.run_ids[COMING]
    names = {file.path for file in client.list_artifacts(run_id)}
    assert names == {
        "champion.json", "scorecard.parquet", "scorecard.csv", "errors.png", "coverage.png", "model_card.md",
    }  # fmt: skip
    folder = Path(client.download_artifacts(run_id, "", str(tmp_path)))
    card = pd.read_parquet(folder / "scorecard.parquet")
    assert list(card.columns) == ["territory", "target", "model", "level", "metric", "stratum", "value"]
    assert set(card["target"]) == set(JUDGED[COMING])
    run = client.get_run(run_id)
    for row in card.dropna(subset="value").itertuples():
        assert run.data.metrics[f"{row.target}.{row.metric}.{row.model}"] == row.value
    assert (folder / "errors.png").read_bytes().startswith(PNG)
    assert (folder / "coverage.png").read_bytes().startswith(PNG)
    chosen = json.loads((folder / "champion.json").read_text(encoding="utf-8"))
    assert run.data.params["champion.turnout"] == chosen["turnout"]
    assert set(chosen["judged_at"]) <= set(JUDGED[COMING])


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_backward_run_has_an_alias_of_its_own_and_takes_no_other(house: House, quantity: str) -> None:
    coming, past = (version(house.path, quantity, f"champion-{target}") for target in (COMING, PAST))
    assert version(house.path, quantity, "champion").version == coming.version
    assert (coming.run_id, past.run_id) == (house.run_ids[COMING], house.run_ids[PAST])
    assert int(past.version) == int(coming.version) + 1
    assert (past.tags["target"], past.tags["as_of"]) == (PAST, "2022-04-10")
    assert past.tags["newest_known_on"] < past.tags["as_of"]
    assert (coming.tags["target"], coming.tags["as_of"]) == (COMING, "2027-04-11")


def test_a_version_that_has_seen_the_target_is_refused_and_training_sets_it_right(house: House) -> None:
    client, name = mlflow_client(house.path), "isoloir-demo-swing"
    right = version(house.path, "swing", f"champion-{PAST}").version
    later = version(house.path, "swing", f"champion-{COMING}")
    assert house.call("score", PAST, "--json").status == 0
    client.set_registered_model_alias(name, f"champion-{PAST}", later.version)
    for command in ("score", "publish"):
        said = house.call(command, PAST)
        assert (said.status, said.out) == (6, "")
        assert f"became public on {later.tags['newest_known_on']}, and the cut is 2022-04-10" in said.err
        assert "Traceback" not in said.err
    assert house.call("train", PAST, "--json").status == 0
    assert version(house.path, "swing", f"champion-{PAST}").version == right
    assert version(house.path, "swing", "champion").version == later.version
    assert house.call("score", PAST, "--json").status == 0
    experiment = client.get_experiment_by_name("isoloir-demo")
    assert len(client.search_runs([experiment.experiment_id])) == 2


PLAIN = """
import json, sys
import mlflow, pandas as pd
frame = pd.read_parquet(sys.argv[1])
turnout = mlflow.pyfunc.load_model("models:/isoloir-demo-turnout@champion")
swing = mlflow.pyfunc.load_model("models:/isoloir-demo-swing@champion-2027_pres_t1")
stated = {"turnout": 0.61, "share_red": 0.3, "share_green": 0.3, "share_blue": 0.2, "share_gold": 0.2}
said = turnout.predict(frame).join(swing.predict(frame))
given = turnout.predict(frame, params={"turnout": 0.61}).join(swing.predict(frame, params=stated))
pd.concat({"carried": said, "given": given}, names=["level"]).to_csv(sys.stdout, index_label=["level", "row"])
"""


def test_a_plain_script_loads_the_champions_and_predicts_on_home_s_features(house: House) -> None:
    told = json.loads(house.call("build", COMING, "--json").out)
    frame = pd.read_parquet(told["target's"])
    call = [sys.executable, "-c", PLAIN, told["target's"]]
    env = os.environ | {"MLFLOW_TRACKING_URI": tracking_uri(house.path)}
    ran = subprocess.run(call, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    said = pd.read_csv(StringIO(ran.stdout), index_col=["level", "row"])
    shares = said[[f"share_{bloc}_pred" for bloc in BLOCS]]
    assert len(said) == 2 * len(frame) > 600
    assert said["turnout_pred"].between(0, 1, inclusive="neither").all()
    assert shares.sum(axis=1).between(1 - 1e-9, 1 + 1e-9).all()
    assert ((shares >= 0) & (shares <= 1)).all(axis=None)
    weight = (frame["registered"] / frame["registered"].sum()).to_numpy()
    assert said.loc["given", "turnout_pred"] @ weight == pytest.approx(0.61, abs=1e-6)
    assert said.loc["carried", "turnout_pred"] @ weight != pytest.approx(0.61, abs=0.02)
    assert said.loc["given", "turnout_pred"].nunique() > 100


def text_of(path: Path) -> str:
    """All text in a file; of a Parquet file, in its columns."""
    if path.suffix != ".parquet":
        return path.read_bytes().decode("utf-8", "replace")
    return pq.read_table(path).to_pandas().to_csv()


def test_neither_prefect_nor_mlflow_is_told_of_a_station(house: House) -> None:
    units = pd.read_parquet(house.path / "releases" / "demo" / COMING / "current" / "units.parquet")
    stations = set(units["station_id"])
    assert len(stations) > 300
    outside = [house.path / "mlflow.db", *(house.path / "artifacts").rglob("*")]
    outside += (house.path / "prefect").rglob("*")
    files = [path for path in outside if path.is_file()]
    kinds = {path.name for path in files}
    assert {"mlflow.db", "prefect.db", "scorecard.parquet", "MLmodel", "saved.json"} <= kinds
    [matrix] = list((house.path / "features" / "demo").rglob("matrix.parquet"))[:1]
    assert stations & set(text_of(matrix).replace("\n", ",").split(",")), "the search finds what is there"
    for path in files:
        text = text_of(path)
        assert not [station for station in stations if station in text], path.name


def test_a_version_that_says_something_else_is_told_without_a_traceback() -> None:
    tags = {"territory": "demo", "target": COMING}
    found = Registered("isoloir-demo-turnout", 3, "run", tags, {"saved.json": "{}"})
    with pytest.raises(MissingInputError, match="version 3 of isoloir-demo-turnout can't be read"):
        _model(found)
