"""Experiments on the demo: what MLflow keeps of them, what they never move, what a search may see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from commands import MAIN, Said, isoloir

from isoloir.configs.experiment import Experiment, as_it_stands, load_experiment
from isoloir.configs.load import load_models, load_territory
from isoloir.domain.election import AsOf
from isoloir.domain.errors import UsageError
from isoloir.pipelines.bench import Bench, Request, open_bench
from isoloir.pipelines.demo import write_demo
from isoloir.pipelines.experiments import train_experiment, under
from isoloir.pipelines.folds import Lessons, folds_of, learned
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import ingest
from isoloir.pipelines.progress import silent
from isoloir.pipelines.score import scored as forecast_kept
from isoloir.pipelines.search import Earlier, Found, search
from isoloir.pipelines.tracking import tracking_uri
from isoloir.pipelines.train import Plan, plan_training

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

CONTESTS = ("2015_regi_t1", "2017_pres_t1", "2017_legi_t1", "2019_euro_t1", "2022_pres_t1", "2024_euro_t1")
TARGET, COMING = "2024_euro_t1", "2027_pres_t1"
EARLIER = CONTESTS[1:5]
QUANTITIES = ("turnout", "swing")

SMALL = """
name: small-search
about: Two trials of each model
search:
  trials: 2
  seed: 5
  turnout: {num_leaves: [2, 4], n_estimators: [10, 40]}
  swing: {n_estimators: [10, 40]}
"""
RULES = "name: rules\nabout: Rules alone\ncandidates: [same_kind, persistence]\nwithout: [census]\n"


@dataclass(frozen=True)
class House:
    """A home where the demo was trained for one target, and a folder of configs with experiments of ours."""

    home: Path
    configs: Path
    country: Path

    def call(self, command: str, *more: str) -> Said:
        return isoloir(command, "demo", *more, "--home", self.home, "--configs", self.configs)

    def train(self, experiment: str, *more: str) -> Said:
        return self.call("train", "--target", TARGET, "--experiment", experiment, *more)

    def client(self) -> Any:
        import mlflow

        return mlflow.MlflowClient(tracking_uri=tracking_uri(self.home), registry_uri=tracking_uri(self.home))

    def runs(self) -> list[Any]:
        client = self.client()
        return list(client.search_runs([client.get_experiment_by_name("isoloir-demo").experiment_id]))

    def registered(self) -> dict[str, tuple[dict[str, int], int]]:
        """The aliases and the number of versions of each registered model."""
        client, out = self.client(), {}
        for quantity in QUANTITIES:
            name = f"isoloir-demo-{quantity}"
            count = len(client.search_model_versions(f"name = '{name}'"))
            aliases = client.get_registered_model(name).aliases
            out[name] = ({alias: int(number) for alias, number in aliases.items()}, count)
        return out


def bench_of(home: Path, target: str, overlay: Path | None) -> tuple[Bench, Plan]:
    config = load_territory("demo", overlay)
    contest = config.calendar[target]
    bench = open_bench(Home(home), config, None, overlay)
    return bench, plan_training(bench, Request(contest, AsOf(contest.held_on), None, "research"))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    folder = tmp_path_factory.mktemp("experiments")
    house = House(folder / "home", folder / "configs", folder / "country")
    write_demo(folder / "whole", n_stations=300)
    for made in (house.country, house.configs / "experiments"):
        made.mkdir(parents=True)
    for name in ("general_results.parquet", "candidats_results.parquet"):
        table = pq.read_table(folder / "whole" / name)
        pq.write_table(table.filter(pc.is_in(table["id_election"], pa.array(CONTESTS))), house.country / name)
    (house.country / "census.csv").write_bytes((folder / "whole" / "census.csv").read_bytes())
    for name, text in (("small-search", SMALL), ("rules", RULES)):
        (house.configs / "experiments" / f"{name}.yaml").write_text(text, encoding="utf-8")
    ingest(Home(house.home), load_territory("demo"), house.country, silent)
    said = house.train("default", "--quiet")
    assert (said.status, said.err) == (0, "")
    assert "isoloir-demo-turnout: version 1" in said.out
    return house


@pytest.fixture(scope="module")
def searched(house: House) -> dict[str, Any]:
    """What the command told of the search."""
    before, log = house.registered(), house.train("small-search")
    assert log.status == 0, log.err
    assert house.registered() == before
    # Each trial of each model is told while it runs, and the settings as they stand before them.
    assert [line[2:].split(":")[0] for line in log.err.splitlines() if "mean regret" in line] == [
        "turnout, as it stands", "turnout, trial 1", "turnout, trial 2",
        "swing, as it stands", "swing, trial 1", "swing, trial 2",
    ]  # fmt: skip
    assert "registered:   no" in log.out
    again = json.loads(house.train("small-search", "--json").out)
    assert again["again"] is True and again["run"] in log.out
    return again


def test_an_experiment_is_a_run_and_nothing_is_registered(house: House, searched: dict[str, Any]) -> None:
    aliases = {"champion": 1, f"champion-{TARGET}": 1}
    assert house.registered() == {f"isoloir-demo-{q}": (aliases, 1) for q in QUANTITIES}
    run = house.client().get_run(searched["run"])
    experiment = load_experiment("small-search", house.configs)
    assert {
        "experiment": "small-search",
        "experiment_digest": experiment.digest,
        "target": TARGET,
        "train_digest": searched["training"],
    }.items() <= run.data.tags.items()
    assert float(run.data.tags["mean_regret.turnout"]) >= 0
    for key in EARLIER:
        assert f"{key}.turnout_mae_pp.champion" in run.data.metrics
        assert f"{key}.votes_misallocated.boosted_shares" in run.data.metrics


def test_what_is_published_is_trained_by_the_settings_as_they_stand(
    house: House, searched: dict[str, Any]
) -> None:
    said = json.loads(house.call("train", "--target", TARGET, "--json").out)
    assert said["again"] is True and said["training"] != searched["training"]
    default = next(run for run in house.runs() if run.data.tags["train_digest"] == said["training"])
    assert default.data.tags["experiment"] == "default"
    assert default.data.tags["experiment_digest"] == as_it_stands(house.configs).digest
    scored = json.loads(house.call("score", "--target", TARGET, "--json").out)
    bench, plan = bench_of(house.home, TARGET, house.configs)
    kept = forecast_kept(bench, plan)
    assert Path(scored["forecast"]).name == kept.digest and scored["again"] is False
    assert kept.registered["train_digest"] == said["training"]


def test_the_settings_found_and_the_trials_lie_beside_the_run(
    house: House, searched: dict[str, Any], tmp_path: Path
) -> None:
    folder = Path(house.client().download_artifacts(searched["run"], "", str(tmp_path)))
    (tmp_path / "mine" / "models").mkdir(parents=True)
    for quantity in QUANTITIES:
        text = (folder / f"{quantity}.yaml").read_text(encoding="utf-8")
        (tmp_path / "mine" / "models" / f"{quantity}.yaml").write_text(text, encoding="utf-8")
    models, stands = load_models(tmp_path / "mine"), load_models()
    trials = pd.read_parquet(folder / "trials.parquet")
    assert trials.groupby("quantity")["trial"].apply(list).to_dict() == {q: [0, 1, 2] for q in QUANTITIES}
    for quantity in QUANTITIES:
        found, stood = getattr(models, quantity), getattr(stands, quantity)
        # What is not searched stays as it stands.
        assert found.features == stood.features and found.lightgbm.seed == stood.lightgbm.seed
        rows = trials[trials["quantity"] == quantity].set_index("trial")
        best = rows.loc[rows["mean_regret"].idxmin()]
        if best.name == 0:
            assert found == stood
        else:
            assert found.lightgbm.n_estimators == best["n_estimators"]
    card = (folder / "model_card.md").read_text(encoding="utf-8")
    assert "Experiment: small-search (Two trials of each model)" in card
    assert all(card.count(f"| {key} |") == 2 for key in EARLIER)


def test_the_leaderboard_shows_what_was_tried_the_least_regret_first(
    house: House, searched: dict[str, Any]
) -> None:
    bench, plan = under(*bench_of(house.home, TARGET, house.configs), load_experiment("rules", house.configs))
    train_experiment(bench, plan, load_experiment("rules", house.configs), silent)
    said = house.call("experiments", "--json")
    rows = pd.DataFrame(json.loads(said.out))
    assert sorted(rows["experiment"]) == ["default", "rules", "small-search"]
    assert set(rows["target"]) == {TARGET} and set(rows["earlier_targets"]) == {len(EARLIER)}
    both = (rows["turnout_regret"] + rows["votes_regret"]).tolist()
    assert both == sorted(both)
    # Judged beside all candidates, rules alone earn no regret of 0 by being alone.
    rules = rows.set_index("experiment").loc["rules"]
    assert rules["turnout_regret"] > 0.02
    assert set(rules["champion"].split("+")) <= {"same_kind", "persistence"}
    run = house.client().get_run(rules["run_id"])
    own = [run.data.metrics[f"{key}.turnout_mae_pp.champion"] for key in EARLIER]
    assert rules["turnout_mae_pp"] == pytest.approx(sum(own) / len(own), abs=1e-5)
    read = house.call("experiments", "--target", TARGET)
    assert f"{TARGET}, as of 2024-06-09" in read.out and "not tried: larger-trees, search-trees" in read.err
    assert [line.split()[0] for line in read.out.splitlines()[2:5]] == rows["experiment"].tolist()


def test_a_target_that_was_not_trained_for_and_an_empty_home_are_told(house: House, tmp_path: Path) -> None:
    said = house.call("experiments", "--target", COMING)
    assert said.status != 0 and f"no training of demo for {COMING} was tracked" in said.err
    said = isoloir("experiments", "demo", "--home", tmp_path / "home")
    assert said.status != 0 and "isoloir train demo" in said.err and not (tmp_path / "home").exists()


def test_the_leaderboard_starts_no_prefect(house: House) -> None:
    code = f"import sys\ntry:\n    {MAIN}\nfinally:\n    print('prefect' in sys.modules)"
    words = [sys.executable, "-c", code, "experiments", "demo", "--home", os.fspath(house.home)]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, "False")


@pytest.mark.parametrize(
    ("candidates", "told"),
    [
        (("same_kind", "oracle"), "1 of its candidates do not exist here, the first: oracle"),
        (("layered",), "turnout alone"),
    ],
)
def test_candidates_that_can_not_be_are_refused_with_the_list(
    house: House, candidates: tuple[str, ...], told: str
) -> None:
    asked = replace(as_it_stands(), name="mine", candidates=candidates)
    with pytest.raises(UsageError, match=told) as caught:
        under(*bench_of(house.home, TARGET, None), asked)
    assert "same_kind" in "\n".join(caught.value.lines())


def test_features_that_do_not_exist_are_refused(house: House) -> None:
    stands = as_it_stands()
    turnout = stands.models.turnout.model_copy(update={"features": ("turnout_anchor", "star_sign")})
    asked = replace(stands, name="mine", models=replace(stands.models, turnout=turnout))
    with pytest.raises(UsageError, match="turnout can't use 1 of its features, the first: star_sign"):
        under(*bench_of(house.home, TARGET, None), asked)


def found_in(home: Path, target: str, experiment: Experiment) -> tuple[Found, Plan]:
    bench, plan = under(*bench_of(home, target, None), experiment)
    past = learned(bench, plan.lessons, plan.request.cut, silent)
    earlier = Earlier(bench, past, folds_of(bench, past, silent), Lessons(past, bench.ledger.context))
    assert experiment.search is not None
    return search(earlier, experiment.models, experiment.search, silent), plan


def corrupted(country: Path, since: str, folder: Path) -> Path:
    """The country where from ``since`` on the votes of each station are given to its labels in reverse."""
    folder.mkdir()
    for path in country.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    votes = pd.read_parquet(folder / "candidats_results.parquet")
    later = votes["id_election"] >= since
    by_station = votes[later].groupby(["id_election", "id_brut_miom"])["voix"]
    votes.loc[later, "voix"] = by_station.transform(lambda v: v.to_numpy()[::-1])
    votes.to_parquet(folder / "candidats_results.parquet", index=False)
    totals = pd.read_parquet(folder / "general_results.parquet")
    later = totals["id_election"] >= since
    stayed = totals.loc[later, "abstentions"] // 2
    for column, sign in (("votants", 1), ("nuls", 1), ("abstentions", -1)):
        totals.loc[later, column] += sign * stayed
    totals.to_parquet(folder / "general_results.parquet", index=False)
    return folder


def test_a_search_is_the_same_each_time_and_never_sees_its_target(house: House, tmp_path: Path) -> None:
    experiment = load_experiment("small-search", house.configs)
    found, plan = found_in(house.home, TARGET, experiment)
    request = plan.request
    ingest(Home(tmp_path / "true"), load_territory("demo"), house.country, silent)
    wrong = corrupted(house.country, TARGET, tmp_path / "wrong-country")
    ingest(Home(tmp_path / "wrong"), load_territory("demo"), wrong, silent)
    for home in ("true", "wrong"):
        other, _ = found_in(tmp_path / home, TARGET, experiment)
        assert (other.turnout, other.swing) == (found.turnout, found.swing)
        assert other.best(request.target, request.cut) == found.best(request.target, request.cut)
    # The corruption is real: a later target is judged by it.
    later = [found_in(tmp_path / home, COMING, experiment)[0] for home in ("true", "wrong")]
    assert later[0].turnout[1].errors != later[1].turnout[1].errors


def test_an_earlier_target_is_forecast_under_settings_chosen_before_it(house: House) -> None:
    found, _ = found_in(house.home, TARGET, load_experiment("small-search", house.configs))
    folds = found.earlier.folds
    last = folds[-1].outcomes.contest.key
    # At the last earlier target the last trial is a miracle: no choice before it may know.
    miracle = found.turnout[-1]
    errors = {name: {**said, last: 1e-6} for name, said in miracle.errors.items()}
    told = replace(found, turnout=(*found.turnout[:-1], replace(miracle, errors=errors)))
    for fold in folds:
        assert told.best(fold.outcomes.contest, fold.cut) == found.best(fold.outcomes.contest, fold.cut)
    after = AsOf(folds[-1].outcomes.contest.results_known_on.replace(year=2023))
    assert told.best(folds[-1].outcomes.contest, after).turnout == miracle.model


def test_trees_chosen_anew_replace_trees_alone(house: House) -> None:
    found, _ = found_in(house.home, TARGET, load_experiment("small-search", house.configs))
    # Judged so, the first trial is chosen wherever a target is known before.
    best = replace(
        found.turnout[1], errors={n: dict.fromkeys(e, 1e-6) for n, e in found.turnout[0].errors.items()}
    )
    folds = replace(found, turnout=(found.turnout[0], best)).folds(silent)
    assert folds[0] is found.earlier.folds[0]
    for new, old in zip(folds[1:], found.earlier.folds[1:], strict=True):
        assert set(new.given) == set(old.given)
        assert new.judgement.turnout["prior"] == old.judgement.turnout["prior"]
    key = folds[-1].outcomes.contest.key
    trees = {name: folds[-1].judgement.turnout[name] for name in found.turnout[1].errors}
    assert trees == {name: pytest.approx(errors[key]) for name, errors in found.turnout[1].errors.items()}
