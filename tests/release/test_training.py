"""training.parquet: published units of every lesson and of the target, and docs/training.md refits on it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import DemoRun
from refits import SECOND_ROUNDS, SHARES, TURNOUT, put, ran

from isoloir.configs.load import load_scenario, load_territory
from isoloir.domain.election import AsOf
from isoloir.domain.forecast import FeatureMatrix
from isoloir.domain.units import Units
from isoloir.models.baselines import POOLED, PRIOR, RAKED, RULES
from isoloir.models.layered import LAYERED, LAYERED_KIND, LAYERED_MEAN
from isoloir.models.protocol import StationModel
from isoloir.models.transition import Transition
from isoloir.models.transport import Transported
from isoloir.pipelines.bench import Bench, Request, open_bench
from isoloir.pipelines.home import Home
from isoloir.pipelines.matrices import built
from isoloir.pipelines.release.training import Training, rows_of, training_set
from isoloir.pipelines.release.training_columns import STEP, feature_names, training_table
from isoloir.pipelines.release.training_matrices import United, united_lessons
from isoloir.pipelines.release.training_scores import Names, UnitScore, mean_of, told, unit_scores
from isoloir.pipelines.release.training_spec import shares_of, turnout_of
from isoloir.pipelines.score import Scored, scored
from isoloir.pipelines.train import Plan, plan_training
from isoloir.pipelines.units import made_units


@dataclasses.dataclass(frozen=True)
class Made:
    """A bench, the plan of a target, its lessons at units, and their rows."""

    bench: Bench
    plan: Plan
    lessons: tuple[United, ...]
    rows: pd.DataFrame

    def units_of(self, matrix: FeatureMatrix) -> Units:
        return made_units(self.bench, matrix)


def made(bench: Bench, target: str) -> Made:
    contest = bench.config.calendar[target]
    scenario = load_scenario(bench.config, "example") if target == "2027_pres_t1" else None
    plan = plan_training(bench, Request(contest, AsOf(contest.held_on), scenario, "research"))
    cut = plan.request.cut
    lessons = united_lessons(bench, plan.lessons, cut, lambda m: made_units(bench, m), lambda _: None)
    rows = pd.concat([rows_of(one, number) for number, one in enumerate(lessons, 1)], ignore_index=True)
    return Made(bench, plan, lessons, rows)


@pytest.fixture(scope="module")
def demo(demo_run: DemoRun) -> Made:
    return made(open_bench(Home(demo_run.home), load_territory("demo"), None, None), "2027_pres_t1")


@pytest.fixture(scope="module")
def target(demo: Made) -> Scored:
    return scored(demo.bench, demo.plan)


@pytest.fixture(scope="module")
def training(demo: Made, target: Scored) -> Training:
    units = demo.units_of(target.matrix)
    return training_set(demo.bench, demo.plan, target, units, demo.units_of, lambda _: None)


def as_champion(
    made: Made, turnout: StationModel, shares: StationModel
) -> tuple[dict[str, object], tuple[UnitScore, ...]]:
    """What a release would say if these had become its champions."""
    contest = made.plan.request.target
    scores = unit_scores(made.bench, contest, made.lessons, Names(turnout.name, shares.name))
    matrix = built(made.bench, made.plan.target, lambda _: None)
    spec = turnout_of(turnout, matrix), shares_of(shares)
    assert scores
    return Training(made.rows, *spec, scores).said(), scores


def test_the_ten_lines_of_the_docs_meet_the_score_of_published_units(
    repository: Path, training: Training, tmp_path: Path
) -> None:
    put(tmp_path, training.rows, training.said())
    assert training.turnout.form == RAKED
    run = ran(repository, TURNOUT, tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("stated") == len(training.scores) > 5


def test_they_do_so_in_the_folder_of_a_release(repository: Path, demo_run: DemoRun) -> None:
    run = ran(repository, TURNOUT, demo_run.release)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("stated") > 5


def test_they_fail_where_the_score_was_altered(repository: Path, training: Training, tmp_path: Path) -> None:
    known = next(i for i, s in enumerate(training.scores) if s.turnout_mae_pp is not None)
    one = training.scores[known]
    altered = dataclasses.replace(one, turnout_mae_pp=float(one.turnout_mae_pp or 0) - 0.03)
    scores = (*training.scores[:known], altered, *training.scores[known + 1 :])
    put(tmp_path, training.rows, dataclasses.replace(training, scores=scores).said())
    run = ran(repository, TURNOUT, tmp_path)
    assert run.returncode != 0 and "AssertionError" in run.stderr


NAIVE = [r for r in RULES if getattr(r, "form", RAKED) == RAKED and r.name != "pooled_references"]


@pytest.mark.parametrize(
    "model", [PRIOR, POOLED, LAYERED, LAYERED_MEAN, LAYERED_KIND, Transported(), *NAIVE], ids=lambda m: m.name
)
def test_they_meet_that_of_every_candidate_without_coefficients(
    repository: Path, demo: Made, tmp_path: Path, model: StationModel
) -> None:
    said, scores = as_champion(demo, model, PRIOR)
    put(tmp_path, demo.rows, said)
    run = ran(repository, TURNOUT, tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("stated") == len(scores)


def test_the_slopes_of_second_rounds_can_be_learnt_again(
    repository: Path, demo_run: DemoRun, tmp_path: Path
) -> None:
    bench = open_bench(Home(demo_run.home), load_territory("demo"), None, None)
    second = made(bench, "2024_legi_t2")
    said, scores = as_champion(second, Transition(), PRIOR)
    put(tmp_path, second.rows, said)
    run = ran(repository, SECOND_ROUNDS, tmp_path)
    assert run.returncode == 0, run.stderr
    known = [s for s in scores if s.turnout_mae_pp is not None]
    assert run.stdout.count("stated") == len(known) > 3
    # It learnt something: the layered prior of the same rounds is another forecast.
    plain = dict(zip((s.contest for s in scores), as_champion(second, LAYERED, PRIOR)[1], strict=True))
    assert any(
        abs(float(plain[s.contest].turnout_mae_pp or 0) - float(s.turnout_mae_pp or 0)) > 0.1 for s in known
    )


@pytest.mark.parametrize(
    "model",
    [PRIOR, Transported(), *(r for r in RULES if r.name in ("transport", "same_kind"))],
    ids=lambda m: m.name,
)
@pytest.mark.parametrize("contest", ["2027_pres_t1", "2024_legi_t2"])
def test_the_shares_of_the_docs_meet_the_score_of_published_units(
    repository: Path, demo: Made, tmp_path: Path, model: StationModel, contest: str
) -> None:
    one = demo if contest == "2027_pres_t1" else made(demo.bench, contest)
    said, scores = as_champion(one, PRIOR, model)
    put(tmp_path, one.rows, said)
    run = ran(repository, SHARES, tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("stated") == len(scores)
    worse = tuple(
        dataclasses.replace(s, votes_misallocated=float(s.votes_misallocated or 0) + 0.03) for s in scores
    )
    said["published_units"] = [dataclasses.asdict(s) for s in worse]
    put(tmp_path, one.rows, said)
    assert ran(repository, SHARES, tmp_path).returncode != 0


def test_rows_are_the_units_of_every_lesson_and_of_the_target(
    demo: Made, target: Scored, training: Training
) -> None:
    rows = training.rows
    assert list(dict.fromkeys(rows["contest"])) == [p.contest.key for p in demo.plan.lessons] + [
        "2027_pres_t1"
    ]
    assert set(target.turnout.contests) <= set(rows["contest"])
    assert not rows.duplicated(["contest", "unit_id"]).any()
    assert rows["fold"].is_monotonic_increasing
    for plan, (_, units) in zip(demo.plan.lessons, rows.groupby("fold"), strict=False):
        chosen = demo.units_of(built(demo.bench, plan, lambda _: None))
        ids = plan.notice.stations.station_id
        assert set(units["unit_id"]) == set(ids[np.unique(chosen.head[chosen.kept])])
        assert units["registered"].sum() == plan.notice.registered[chosen.kept].sum()
        assert units["n_members"].sum() == chosen.kept.sum()
    assert (rows["n_members"] > 1).any()
    assert int(rows["registered"].min()) >= 50


def test_labels_are_sums_of_members_and_the_target_has_none(demo: Made, training: Training) -> None:
    rows = training.rows
    labels = [c for c in rows if c.startswith("label_") and c != "label_available"]
    last = rows["contest"] == "2027_pres_t1"
    assert rows.loc[last, labels].isna().all(axis=None) and (rows["label_available"] == ~last).all()
    assert (rows.loc[last, "weight_shares"] > 0).all()
    one = next(m for m in demo.lessons if m.plan.contest.key == "2022_pres_t1")
    units = rows[rows["contest"] == "2022_pres_t1"]
    outcomes = demo.bench.ledger.outcomes(one.plan.contest, demo.plan.request.cut)
    ids = one.plan.notice.stations.station_id
    merged = units[units["n_members"] > 1].iloc[0]
    inside = one.members.unit == int(np.flatnonzero(ids[one.members.head] == merged["unit_id"])[0])
    voters, registered = outcomes.voters[inside].sum(), outcomes.registered[inside].sum()
    assert inside.sum() == merged["n_members"] and merged["registered"] == registered
    assert merged["label_turnout"] == pytest.approx(voters / registered, abs=1e-5)
    for b, bloc in enumerate(demo.bench.blocs.blocs):
        share = outcomes.votes[inside, b].sum() / outcomes.valid[inside].sum()
        assert merged[f"label_share_{bloc}"] == pytest.approx(share, abs=1e-5)
    level = units["level_turnout"].iloc[0]
    assert level == pytest.approx(np.average(units["label_turnout"], weights=units["registered"]), abs=1e-5)


def test_stations_alone_have_the_features_of_stations(demo: Made, training: Training) -> None:
    """But for what looks at all rows of the roll: the electors of the commune, the mean of incomes."""
    plan = demo.plan.lessons[-1]
    station = built(demo.bench, plan, lambda _: None)
    units = training.rows[training.rows["contest"] == plan.contest.key].set_index("unit_id")
    alone = units[units["n_members"] == 1]
    at = np.searchsorted(station.notice.stations.station_id, alone.index.to_numpy().astype(str))
    of_the_roll = {"commune_registered_log", "commune_stations", "census_median_income"}
    assert len(alone) > 200
    for name in set(feature_names(demo.bench.blocs.blocs)) - of_the_roll:
        gap = np.abs(alone[name].to_numpy() - station.column(name)[at])
        assert not (gap > 0.501 * STEP).any(), name
        assert (np.isnan(alone[name].to_numpy()) == np.isnan(station.column(name)[at])).all(), name


def test_no_row_rests_on_what_its_day_did_not_know(demo: Made, training: Training) -> None:
    rows = training.rows.drop_duplicates("contest").set_index("contest")
    for key, one in rows.iterrows():
        contest = demo.bench.config.calendar[str(key)]
        assert one["cut"] <= contest.held_on.isoformat() < one["results_known_on"]
        if key != "2027_pres_t1":
            assert one["results_known_on"] < demo.plan.request.cut.day.isoformat()


def test_columns_are_those_declared_in_their_ranges(demo: Made, training: Training) -> None:
    table = training_table(demo.bench.blocs.blocs)
    assert list(training.rows) == list(table.names)
    for c in table.columns:
        known = training.rows[c.name].dropna()
        assert c.nullable or len(known) == len(training.rows), c.name
        assert c.text and (c.low is None or (known >= c.low).all()), c.name
        assert c.high is None or (known <= c.high).all(), c.name


def test_a_second_time_no_matrix_is_built(demo: Made) -> None:
    said: list[str] = []
    again = united_lessons(demo.bench, demo.plan.lessons, demo.plan.request.cut, demo.units_of, said.append)
    assert said == []
    assert again[-1].matrix.values.tobytes() == demo.lessons[-1].matrix.values.tobytes()


def test_what_merging_costs_is_told_beside_the_score_of_stations(training: Training) -> None:
    mean, lines = mean_of(training.scores), told(training.scores)
    assert lines[-1].startswith("mean: at published units turnout") and "single stations" in lines[-1]
    assert mean.turnout_mae_pp is not None and mean.station_turnout_mae_pp is not None
    assert 0 < abs(mean.turnout_mae_pp - mean.station_turnout_mae_pp) < 0.3
    held = {m.contest: m for m in training.scores}
    assert list(held) == [c for c in held if c.endswith("_t1")]
