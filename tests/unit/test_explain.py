"""Explanations: contributions add up to what a model does, importance finds what matters."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.special import expit, logit
from worlds import (
    BLOCS,
    LAST,
    SETTINGS,
    TARGET,
    TREES,
    full_ledger,
    matrix_of,
    scenario,
    stations,
    training_set,
)

from isoloir.domain.election import Contest
from isoloir.domain.forecast import FeatureMatrix, Forecast, National
from isoloir.domain.ledger import Notice, Outcomes
from isoloir.models import swing, turnout
from isoloir.models.backtest import Fold, judged, level_given
from isoloir.models.baselines import Carried
from isoloir.models.boosting import Boosting, grow
from isoloir.models.explain import (
    ANCHOR,
    WARNING,
    columns_read,
    contributions,
    deviation,
    moving_columns,
    partial_effects,
    top_drivers,
)
from isoloir.models.importance import importance
from isoloir.models.protocol import Lesson, StationModel, TrainingSet
from isoloir.models.registry import candidates
from isoloir.models.scorecard import turnout_error_pp, votes_misallocated
from isoloir.models.swing import BoostedShares
from isoloir.models.transition import INPUTS, LAYERS, Transition
from isoloir.models.transport import Transported
from isoloir.models.turnout import BoostedTurnout

NATIONAL = scenario(0.55, [0.3, 0.4, 0.3])


def fitted_to(training: TrainingSet) -> tuple[StationModel, ...]:
    """Every candidate; the trees are kept by half, whatever they earned: there is something to explain."""
    made: list[StationModel] = []
    for model in candidates(SETTINGS, census=True):
        fitted = model.fit(training)
        if isinstance(fitted, BoostedTurnout):
            samples = [turnout._sample(m, fitted.settings) for m in training.lessons]
            fitted = dataclasses.replace(fitted, trees=grow(samples, fitted.settings), shrink=0.5)
        if isinstance(fitted, BoostedShares):
            samples = [swing._sample(m, fitted.settings) for m in training.lessons]
            fitted = dataclasses.replace(fitted, trees=grow(samples, fitted.settings), shrink=0.5)
        made.append(fitted)
    return tuple(made)


EVERY = fitted_to(training_set(full_ledger(8), LAST))
RAKED = [m for m in EVERY if not isinstance(m, Carried) or m.form == "raked"]


def names(models: Sequence[StationModel]) -> list[str]:
    return [m.name for m in models]


@pytest.mark.parametrize("model", EVERY, ids=names(EVERY))
@pytest.mark.parametrize("contest", [TARGET, LAST], ids=["second", "first"])
def test_contributions_add_up_to_the_deviation(model: StationModel, contest: Contest) -> None:
    """Those of trees as far as LightGBM's own sum goes, all others to the last digits."""
    matrix = matrix_of(full_ledger(8), contest)
    for bloc in (None, *BLOCS):
        found = contributions(model, matrix, NATIONAL, bloc)
        exact = 1e-6 if isinstance(model, BoostedTurnout | BoostedShares) else 1e-9
        assert found.deviation == pytest.approx(deviation(model, matrix, NATIONAL, bloc), abs=exact)
        assert found.values.shape == (len(matrix.values), len(found.names))
        assert len(set(found.names)) == len(found.names)


@pytest.mark.parametrize("model", RAKED, ids=names(RAKED))
def test_contributions_are_what_the_model_forecasts_but_for_the_national_level(model: StationModel) -> None:
    """Turnout is one shift away from them in logits, shares one level per bloc in logs of their ratio."""
    matrix = matrix_of(full_ledger(8), TARGET)
    forecast = model.predict(matrix, NATIONAL)
    voting = matrix.notice.registered > 0
    shift = logit(forecast.turnout) - contributions(model, matrix, NATIONAL).deviation
    assert np.ptp(shift[voting]) < 1e-6
    left, right = (contributions(model, matrix, NATIONAL, b).deviation for b in (BLOCS[0], BLOCS[2]))
    both = voting & matrix.notice.standing[:, 0] & matrix.notice.standing[:, 2]
    level = np.log(forecast.shares[:, 0] / forecast.shares[:, 2]) - (left - right)
    assert both.any() and np.ptp(level[both]) < 1e-6


def world(columns: dict[str, Sequence[float]], registered: Sequence[int]) -> FeatureMatrix:
    """A matrix of named columns."""
    count = len(registered)
    codes = stations([f"A-{i % 5}-{i}" for i in range(count)])
    notice = Notice(
        TARGET, BLOCS, codes, np.array(registered, np.int32), np.ones((count, 3), np.bool_), "file", "file"
    )
    values = np.array(list(columns.values()), np.float64).T
    return FeatureMatrix(
        notice, tuple(columns), values, National("xx/1", 0.5, np.array([0.3, 0.4, 0.3]), 0.97), ()
    )


def test_a_rule_that_carries_two_deviations_has_half_of_each() -> None:
    matrix = world({"turnout_same_kind": [0.4, -0.2], "turnout_last_round": [0.0, 0.6]}, [100, 300])
    found = contributions(Carried("two", ("same_kind", "last_round")), matrix, NATIONAL)
    assert (found.names, found.base) == (("same_kind", "last_round"), 0.0)
    assert found.values == pytest.approx(np.array([[0.2, 0.0], [-0.1, 0.3]]))


def test_a_deviation_that_is_carried_twice_weighs_twice() -> None:
    matrix = world({"turnout_layered": [0.3], "turnout_mean_deviation": [0.9]}, [100])
    found = contributions(Carried("x", ("layered", "layered", "mean_deviation")), matrix, NATIONAL)
    assert found.names == ("layered", "mean_deviation")
    assert found.values == pytest.approx(np.array([[0.2, 0.3]]))


def second_round(orphans: Sequence[float], registered: Sequence[int]) -> FeatureMatrix:
    """A second round whose first is known: layers of 0.1, 0.2 and 0.3 at every station."""
    count = len(registered)
    layers = {layer: [0.1 * (i + 1)] * count for i, layer in enumerate(LAYERS)}
    prior = {f"share_prior_{b}": [0.0] * count for b in BLOCS}
    rest = {"orphaned_share": orphans, "registered_log": np.log(registered), "turnout_layered": [9.0] * count}
    return world({**layers, **rest, **prior}, registered)


def test_a_second_round_moves_by_slopes_times_distances_from_the_mean_of_the_registered() -> None:
    matrix = second_round([0.2, 0.6], [100, 300])
    found = contributions(Transition((-0.5, 0.0, 0.0, -2.0, 0.0)), matrix, NATIONAL)
    assert found.names == INPUTS
    # The mean of the orphans over 400 registered is (0.2 · 100 + 0.6 · 300) / 400 = 0.5.
    assert found.values[:, INPUTS.index("orphaned_share")] == pytest.approx([0.6, -0.2])
    # What is the same everywhere moves nobody apart: its slope is in the base, the layer itself stays.
    assert found.values[:, :3] == pytest.approx(np.array([[0.1, 0.2, 0.3]] * 2))
    assert found.base == pytest.approx(-0.5 * 0.1 - 2.0 * 0.5)
    assert found.deviation == pytest.approx([0.6 - 0.05 - 0.4, 0.6 - 0.05 - 1.2])


def test_a_round_whose_first_is_not_known_is_the_layered_priors() -> None:
    matrix = second_round([np.nan, np.nan], [100, 300])
    found = contributions(Transition((-0.5, 0.0, 0.0, -2.0, 0.0)), matrix, NATIONAL)
    assert found.names == ("layered",) and found.deviation == pytest.approx([9.0, 9.0])


@given(
    arrays(np.float64, (7, 5), elements=st.floats(-3, 3)),
    arrays(np.float64, 5, elements=st.floats(-2, 2)),
    arrays(np.int32, 7, elements=st.integers(1, 3000)),
)
def test_a_second_rounds_contributions_add_up_whatever_the_slopes(
    inputs: NDArray[np.float64], slopes: NDArray[np.float64], registered: NDArray[np.int32]
) -> None:
    columns = {name: inputs[:, i].tolist() for i, name in enumerate(INPUTS)}
    extra = {"turnout_layered": [0.0] * 7, **{f"share_prior_{b}": [0.0] * 7 for b in BLOCS}}
    matrix, model = world({**columns, **extra}, registered.tolist()), Transition(tuple(slopes.tolist()))
    found = contributions(model, matrix, NATIONAL)
    shift = logit(model.predict(matrix, NATIONAL).turnout) - found.deviation
    assert np.ptp(shift) < 1e-9 * 50
    moved = found.values - np.where(np.arange(5) < 3, inputs, 0)
    # What moves stations apart has no mean of its own: that is the base's.
    assert registered @ moved == pytest.approx(np.zeros(5), abs=1e-9 * registered.sum())


def test_trees_have_the_prior_as_it_is_and_their_corrections_by_theme() -> None:
    matrix = matrix_of(full_ledger(8), TARGET)
    model = next(m for m in EVERY if m.name == "boosted_turnout_census")
    found = contributions(model, matrix, NATIONAL)
    assert found.names == (ANCHOR, "prior_corrected", "territory", "census")
    assert found.values[:, 0].tolist() == matrix.column("turnout_anchor").tolist()
    assert np.ptp(found.values[:, 1:], axis=0).max() > 0
    # What trees say of all stations alike is in the base.
    assert matrix.notice.registered @ found.values[:, 1:] == pytest.approx([0.0] * 3, abs=1e-9)
    assert found.base != 0
    bare = contributions(dataclasses.replace(model, trees="", shrink=0.0), matrix, NATIONAL)
    assert (bare.names, bare.base) == ((ANCHOR,), 0.0)


def test_a_model_of_turnout_has_the_anchors_shares_and_one_of_shares_the_anchors_turnout() -> None:
    matrix = matrix_of(full_ledger(8), TARGET)
    turnout, shares = (next(m for m in EVERY if m.name == n) for n in ("boosted_turnout", "boosted_shares"))
    assert moving_columns(turnout, matrix, "left") == ("share_anchor_left",)
    assert moving_columns(shares, matrix) == ("turnout_anchor",)
    assert "standing_right" in moving_columns(shares, matrix, "left")
    assert contributions(shares, matrix, NATIONAL, "left").names == (
        ANCHOR,
        "bloc",
        "prior_corrected",
        "territory",
        "offer",
    )


def test_a_model_whose_forecast_is_no_sum_is_one_driver_and_moves_by_no_feature() -> None:
    matrix = matrix_of(full_ledger(8), TARGET)
    forecast = Transported().predict(matrix, NATIONAL)
    found = contributions(Transported(), matrix, NATIONAL, "right")
    assert (found.names, found.base) == (("transported",), 0.0)
    assert found.deviation == pytest.approx(np.log(forecast.shares[:, 2] / 0.3))
    assert moving_columns(Transported(), matrix, "right") == ()
    assert "share_prior_right" in columns_read(Transported(), matrix, "right")


def test_top_drivers_are_those_of_most_effect_in_points_at_the_stations_own_level() -> None:
    matrix = world({"turnout_a": [0.4, 0.0], "turnout_b": [-0.8, 0.2], "turnout_c": [0.1, 0.0]}, [100, 100])
    found = contributions(Carried("x", ("a", "b", "c")), matrix, NATIONAL)
    found = dataclasses.replace(found, values=found.values * 3)
    table = top_drivers(found, np.array([0.5, 0.8]), k=2)
    assert table.columns.tolist() == ["driver_1", "effect_1_pp", "driver_2", "effect_2_pp"]
    # 0.5 · 0.5 = 0.25 and 0.8 · 0.2 = 0.16 of a logit.
    assert table.iloc[0].tolist() == ["b", pytest.approx(-20.0), "a", pytest.approx(10.0)]
    assert table.iloc[1, :2].tolist() == ["b", pytest.approx(3.2)]
    assert table.iloc[1, 2:].isna().all()
    one = top_drivers(contributions(Carried("x", ("a",)), matrix, NATIONAL), np.array([0.5, 0.5]), k=2)
    assert one["driver_2"].isna().all() and one["effect_2_pp"].isna().all()


# A planted world: the feature of one theme makes the turnout, that of another is noise.

STATIONS = 400
TEACHING = Boosting(
    ("census_density", "registered_growth"), (), TREES | {"min_child_samples": 20}, 40, 1000, (0.0, 1.0)
)


def planted(year: int) -> Lesson:
    """A contest where turnout is the anchor's, and half a logit less where density is above its median."""
    rng = np.random.default_rng(year)
    contest = Contest("xx", f"{year}_legi_t1", "legi", 1, date(year, 3, 1))
    columns = {
        "turnout_anchor": rng.normal(0, 0.3, STATIONS),
        "census_density": rng.uniform(0, 1, STATIONS),
        "registered_growth": rng.normal(0, 1, STATIONS),
        **{f"share_anchor_{b}": np.zeros(STATIONS) for b in BLOCS},
    }
    matrix = world({n: v.tolist() for n, v in columns.items()}, [2000] * STATIONS)
    matrix = dataclasses.replace(matrix, notice=dataclasses.replace(matrix.notice, contest=contest))
    turnout = expit(columns["turnout_anchor"] - 0.5 * (columns["census_density"] > 0.5))
    voters = np.round(2000 * turnout).astype(np.int32)
    votes = np.stack([voters // 3] * 3, axis=1).astype(np.int32)
    outcomes = Outcomes(
        contest, matrix.notice.registered, voters, votes.sum(axis=1).astype(np.int32), votes,
        np.ones((STATIONS, 3), np.bool_), np.ones(STATIONS, np.bool_),
    )  # fmt: skip
    return Lesson(matrix, outcomes, contest.eve)


def fold_of(lesson: Lesson, model: StationModel) -> Fold:
    forecast = model.predict(lesson.matrix, level_given(lesson.outcomes))
    return judged(lesson.cut, lesson.matrix, lesson.outcomes, {model.name: forecast})


@pytest.fixture(scope="module")
def taught() -> tuple[list[StationModel], list[Fold]]:
    """Trees fitted before each of two held-out contests."""
    lessons = [planted(year) for year in range(2010, 2017)]
    models, folds = [], []
    for held_out in lessons[-2:]:
        known = tuple(m for m in lessons if m.outcomes.contest.held_on < held_out.outcomes.contest.held_on)
        training = TrainingSet(held_out.outcomes.contest, held_out.cut, known)
        model = BoostedTurnout(TEACHING).fit(training)
        assert model.shrink == 1.0
        models.append(model)
        folds.append(fold_of(held_out, model))
    return models, folds


def test_importance_finds_what_matters_and_not_what_does_not(
    taught: tuple[list[StationModel], list[Fold]],
) -> None:
    models, folds = taught
    table = importance(models, folds, "turnout", seed=1).set_index("theme")
    assert set(table.index) == {"prior", "census", "territory"}
    errors = [turnout_error_pp(f.given[m.name], f.outcomes) for m, f in zip(models, folds, strict=True)]
    assert table["error"].tolist() == pytest.approx([np.mean(errors)] * 3)
    # Half of the stations get the other half's correction: half a logit at p (1 − p) ≈ 0.24, about 6 pp.
    assert 4 < table.loc["census", "increase"] < 7
    assert table.loc["prior", "increase"] > 4
    assert abs(table.loc["territory", "increase"]) < 0.1
    assert (table["contests"] == 2).all()
    assert ((table["least"] <= table["increase"]) & (table["increase"] <= table["most"])).all()
    assert table["spread"].to_numpy() == pytest.approx(
        ((table["most"] - table["least"]) / np.sqrt(2)).to_numpy()
    )


def test_importance_is_the_same_for_a_seed_and_another_for_another(
    taught: tuple[list[StationModel], list[Fold]],
) -> None:
    models, folds = taught
    one, again, other = (importance(models[:1], folds[:1], "turnout", seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, again)
    assert one["increase"].tolist() != other["increase"].tolist()
    assert one["spread"].isna().all()
    # A contest's own order of stations does not hang on what else is judged.
    both = importance(models, folds, "turnout", 1).set_index("theme")
    ends = both[["least", "most"]].to_numpy()
    alone = one.set_index("theme").loc[both.index, "increase"].to_numpy()
    assert (ends == alone[:, None]).any(axis=1).all()


def test_the_columns_of_a_theme_are_permuted_together() -> None:
    """A rule that carries the difference of two columns of a theme, which is 0 everywhere, loses nothing."""
    lesson = planted(2012)
    model = Transition((1.0, 0.0, 0.0, 0.0, 0.0))
    rng = np.random.default_rng(3)
    one = rng.normal(0, 1, STATIONS)
    nought = np.zeros(STATIONS)
    columns = {
        **dict(zip(INPUTS, (one / 2, -one, nought, nought, nought), strict=True)),
        **dict.fromkeys(("turnout_layered", *(f"share_prior_{b}" for b in BLOCS)), nought),
    }
    matrix = dataclasses.replace(
        lesson.matrix, names=tuple(columns), values=np.stack(list(columns.values()), axis=1)
    )
    fold = fold_of(Lesson(matrix, lesson.outcomes, lesson.cut), model)
    table = importance([model], [fold], "turnout", 1).set_index("theme")
    assert table.loc["layered", "increase"] == pytest.approx(0.0, abs=1e-9)


def test_importance_of_shares_is_in_votes_misallocated() -> None:
    ledger = full_ledger(8)
    shares = next(m for m in EVERY if m.name == "boosted_shares")
    matrix, outcomes = matrix_of(ledger, TARGET), ledger.outcomes(TARGET, LAST.eve)
    forecast = shares.predict(matrix, level_given(outcomes))
    fold = judged(TARGET.eve, matrix, outcomes, {shares.name: forecast})
    table = importance([shares], [fold], "swing", 1).set_index("theme")
    assert set(table.index) == {"prior", "territory", "offer"}
    assert table["error"].tolist() == pytest.approx([votes_misallocated(forecast, outcomes)] * 3)
    assert table.loc["prior", "increase"] != 0


def test_importance_of_nothing_is_no_row() -> None:
    assert importance([], [], "turnout", 1).empty


def test_a_partial_effect_of_a_linear_model_is_linear() -> None:
    matrix = second_round(np.linspace(0.0, 0.8, 9).tolist(), [400] * 9)
    model = Transition((0.0, 0.0, 0.0, -2.0, 0.0))
    forecast = model.predict(matrix, NATIONAL)
    grid = (0.0, 0.25, 0.5, 0.75, 1.0)
    table = partial_effects(model, matrix, forecast, "orphaned_share", grid)
    assert table["at"].tolist() == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8])
    # The mean is 0.4: at it nothing moves on average.
    assert table["effect"].tolist() == pytest.approx([0.8, 0.4, 0.0, -0.4, -0.8])
    means = [
        expit(logit(forecast.turnout) - 2 * (at - matrix.column("orphaned_share"))) for at in table["at"]
    ]
    wanted = [(m.mean() - forecast.turnout.mean()) * 100 for m in means]
    assert table["effect_pp"].tolist() == pytest.approx(wanted)
    other = partial_effects(model, matrix, forecast, "registered_log", grid)
    assert other["effect_pp"].tolist() == pytest.approx([0.0] * 5, abs=1e-9)


def test_a_partial_effect_weighs_stations_by_their_electors() -> None:
    matrix = second_round([0.0, 1.0], [100, 300])
    model = Transition((0.0, 0.0, 0.0, -2.0, 0.0))
    table = partial_effects(model, matrix, model.predict(matrix, NATIONAL), "orphaned_share", (0.0, 1.0))
    assert table["effect"].tolist() == pytest.approx([2 * 0.75, -2 * 0.25])


def test_a_partial_effect_of_trees_is_the_step_that_was_planted(
    taught: tuple[list[StationModel], list[Fold]],
) -> None:
    models, folds = taught
    model, matrix = models[-1], folds[-1].matrix
    forecast = folds[-1].given[model.name]
    density = partial_effects(model, matrix, forecast, "census_density").set_index("quantile")
    step = density.loc[0.05, "effect"] - density.loc[0.95, "effect"]
    assert step == pytest.approx(0.5, abs=0.05)
    assert density.loc[0.05, "effect_pp"] - density.loc[0.95, "effect_pp"] == pytest.approx(12, abs=1.5)
    growth = partial_effects(model, matrix, forecast, "registered_growth")
    assert growth["effect"].abs().max() < 0.03


def test_a_partial_effect_on_a_share_holds_the_other_blocs() -> None:
    none = [0.0, 0.0]
    columns = {f"share_same_kind_{b}": none for b in BLOCS} | {"share_same_kind_left": [0.0, 1.0]}
    matrix = world(columns, [100, 100])
    model = Carried("x", ("same_kind",))
    shares = np.array([[0.5, 0.25, 0.25], [0.0, 0.5, 0.5]])
    forecast = Forecast(np.array([0.5, 0.5]), shares, np.array([10.0, 10.0]))
    table = partial_effects(model, matrix, forecast, "share_same_kind_left", (1.0,), "left")
    # The first station's strength is multiplied by e: 0.5 e / (0.5 + 0.5 e); who does not stand gets nothing.
    wanted = (np.e / (1 + np.e) - 0.5) / 2 * 100
    assert table["effect_pp"].tolist() == pytest.approx([wanted])


def test_a_feature_that_is_missing_everywhere_has_no_effects() -> None:
    matrix = world({"turnout_same_kind": [0.1], "turnout_lag2": [np.nan]}, [100])
    forecast = Forecast(np.array([0.5]), np.ones((1, 3)) / 3, np.array([50.0]))
    table = partial_effects(Carried("x", ("same_kind",)), matrix, forecast, "turnout_lag2")
    assert table.empty and table.columns.tolist() == ["feature", "quantile", "at", "effect", "effect_pp"]


def test_the_warning_speaks_of_places_and_not_of_persons() -> None:
    assert WARNING.startswith("These are effects of places, not of persons (ecological fallacy)")
