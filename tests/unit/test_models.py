"""What every model keeps, naive rules and boosted trees alike: the conformance suite of the protocol."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from worlds import (
    BLOCS,
    CENSUS,
    CONTESTS,
    LAST,
    SETTINGS,
    TARGET,
    bits,
    full_ledger,
    matrix_of,
    notice_of,
    random_ledger,
    scenario,
    stations,
    training_set,
)

from isoloir.domain.election import AsOf
from isoloir.domain.errors import LeakageError
from isoloir.domain.facts import NOTHING
from isoloir.domain.forecast import Forecast
from isoloir.domain.ledger import Notice
from isoloir.features.matrix import build, with_context
from isoloir.models.backtest import forecast_all, judged, level_given
from isoloir.models.boosting import grow, least, stride
from isoloir.models.layered import LAYERED
from isoloir.models.protocol import Lesson, StationModel, TrainingSet
from isoloir.models.registry import candidates
from isoloir.models.saved import inputs_of, model_from, model_texts
from isoloir.models.selection import CENSUS as WITH_CENSUS
from isoloir.models.selection import LEARNED, TREES
from isoloir.models.turnout import BoostedTurnout, _sample

NATIONAL = scenario(0.55, [0.3, 0.4, 0.3])
EVERY = candidates(SETTINGS, census=True)
NAMES = [model.name for model in EVERY]
FITTED = [name for name in NAMES if name in LEARNED]


def model(name: str) -> StationModel:
    return next(m for m in EVERY if m.name == name)


def test_the_candidates_with_the_census_are_the_others_and_two_more() -> None:
    plain = [m.name for m in candidates(SETTINGS, census=False)]
    assert len(set(NAMES)) == len(NAMES)
    assert [n for n in NAMES if n in plain] == plain
    assert sorted(set(NAMES) - set(plain)) == sorted(name + WITH_CENSUS for name in TREES)
    assert sorted(FITTED) == sorted(LEARNED)


def conforms(forecast: Forecast, notice: Notice) -> None:
    assert forecast.turnout.shape == forecast.expected_valid.shape == notice.registered.shape
    assert forecast.shares.shape == notice.standing.shape
    assert ((forecast.turnout >= 0) & (forecast.turnout <= 1)).all()
    assert ((forecast.shares >= 0) & (forecast.shares <= 1)).all()
    assert forecast.shares.sum(axis=1) == pytest.approx(1, abs=1e-9)
    assert (forecast.expected_valid >= 0).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_model_keeps_rows_and_bounds_and_a_refit_gives_the_same_bytes(name: str, seed: int) -> None:
    ledger = full_ledger(seed)
    training = training_set(ledger)
    first, again = (model(name).fit(training).predict(matrix_of(ledger, TARGET), NATIONAL) for _ in range(2))
    conforms(first, notice_of(ledger))
    assert bits(first) == bits(again)


@pytest.mark.parametrize("name", NAMES)
def test_a_fit_leaves_the_model_it_was_made_from_alone(name: str) -> None:
    ledger = full_ledger(2)
    fresh = model(name)
    before = fresh.predict(matrix_of(ledger, TARGET), NATIONAL)
    fresh.fit(training_set(ledger, LAST))
    assert bits(fresh.predict(matrix_of(ledger, TARGET), NATIONAL)) == bits(before)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_keeps_to_the_order_of_the_roll(name: str) -> None:
    """The rows of its matrix may come in any order (features follow stations by the order of their ids)."""
    ledger = full_ledger(7)
    matrix = matrix_of(ledger, TARGET)
    order = np.random.default_rng(7).permutation(len(matrix.values))
    notice = dataclasses.replace(
        matrix.notice,
        stations=matrix.notice.stations.take(order),
        registered=matrix.notice.registered[order],
        standing=matrix.notice.standing[order],
    )
    turned = dataclasses.replace(matrix, notice=notice, values=matrix.values[order])
    fitted = model(name).fit(training_set(ledger))
    one, other = (fitted.predict(m, NATIONAL) for m in (matrix, turned))
    assert other.turnout == pytest.approx(one.turnout[order], abs=1e-9)
    assert other.shares == pytest.approx(one.shares[order], abs=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_serves_stations_without_any_history(name: str) -> None:
    ledger = full_ledger(4)
    codes = ["A-1-0", "A-1-new", "A-new-0", "Z-1-0", "Z-1-1"]
    notice = Notice(
        TARGET,
        BLOCS,
        stations(codes),
        np.array([500, 400, 300, 200, 0], np.int32),
        np.ones((5, 3), np.bool_),
        "file",
        "file",
    )
    fitted = model(name).fit(training_set(ledger))
    conforms(fitted.predict(matrix_of(ledger, TARGET, notice), NATIONAL), notice)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_answers_from_a_single_contest(name: str) -> None:
    ledger = random_ledger(6)
    past = ledger.as_of(AsOf(CONTESTS[1].held_on))
    assert len(past.records) == 1
    notice = notice_of(ledger)
    unfitted = model(name).fit(TrainingSet(TARGET, TARGET.eve, ()))
    conforms(unfitted.predict(build(past, notice, None), NATIONAL), notice)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_was_written_as_text_says_the_same(name: str) -> None:
    ledger = full_ledger(8)
    fitted = model(name).fit(training_set(ledger, LAST))
    matrix = matrix_of(ledger, LAST)
    read = model_from(model_texts(fitted))
    assert read == fitted and read.name == name
    assert bits(read.predict(matrix, NATIONAL)) == bits(fitted.predict(matrix, NATIONAL))


@pytest.mark.parametrize("name", NAMES)
def test_a_model_reads_no_other_columns_than_it_says(name: str) -> None:
    """Every column that it does not name may be anything."""
    ledger = full_ledger(8)
    fitted, matrix = model(name).fit(training_set(ledger, LAST)), matrix_of(ledger, LAST)
    said = inputs_of(fitted, BLOCS)
    assert set(said) <= set(matrix.names)
    assert (set(CENSUS) <= set(said)) == name.endswith(WITH_CENSUS)
    other = np.where(np.isin(matrix.names, said), matrix.values, -7.0)
    changed = dataclasses.replace(matrix, values=other)
    assert bits(fitted.predict(changed, NATIONAL)) == bits(fitted.predict(matrix, NATIONAL))


def test_the_layered_rule_takes_its_shares_from_the_prior() -> None:
    ledger = full_ledger(8)
    matrix = matrix_of(ledger, TARGET)
    assert inputs_of(LAYERED, ("left",)) == ["turnout_layered", "share_prior_left"]
    layered, prior = (model(name).predict(matrix, NATIONAL) for name in ("layered", "prior"))
    assert not np.allclose(layered.turnout, prior.turnout, atol=1e-3)
    # Met over the electors who are expected to vote: all shares move alike, in logs of a ratio.
    score, of_prior = (np.log(f.shares[:, 1:] / f.shares[:, :1]) for f in (layered, prior))
    assert np.ptp(score - of_prior, axis=0) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", FITTED)
def test_trees_that_learned_something_are_among_those_tested(name: str) -> None:
    """Without this, trees that always fall back to nothing would pass all of the above."""
    fits = [model(name).fit(training_set(full_ledger(seed), LAST)) for seed in range(8)]
    assert any(getattr(fit, "trees", "") for fit in fits)


@pytest.mark.parametrize("name", TREES)
def test_trees_use_the_census_if_they_have_it_and_only_then(name: str) -> None:
    """Of some worlds they say something else under another census."""
    changed = {WITH_CENSUS: 0, "": 0}
    for seed in range(6):
        # Without an offer every bloc stands everywhere, so that the scenario can be met.
        ledger = dataclasses.replace(full_ledger(seed), offers=False)
        other = full_ledger(seed + 100).context
        for ending in changed:
            fitted = model(name + ending).fit(training_set(ledger, LAST))
            matrix = matrix_of(ledger, LAST)
            one, two = (fitted.predict(m, NATIONAL) for m in (matrix, with_context(matrix, other)))
            changed[ending] += bits(one) != bits(two)
    assert changed[WITH_CENSUS] > 0 and changed[""] == 0


def test_trees_with_a_census_that_knows_nothing_serve_every_station() -> None:
    ledger = full_ledger(8)
    blind = with_context(matrix_of(ledger, LAST), NOTHING)
    for name in FITTED:
        conforms(
            model(name).fit(training_set(ledger, LAST)).predict(blind, NATIONAL), notice_of(ledger, LAST)
        )


@pytest.mark.parametrize("census", [True, False])
def test_where_no_census_was_public_its_trees_are_judged_as_those_without(census: bool) -> None:
    ledger = full_ledger(5)
    cut = LAST.eve
    outcomes = ledger.outcomes(TARGET, cut)
    matrix = matrix_of(ledger, TARGET)
    fits = [m.fit(training_set(ledger)) for m in candidates(SETTINGS, census=census)]
    given = forecast_all(fits, matrix, level_given(outcomes))
    fold = judged(cut, matrix, outcomes, given)
    assert set(fold.given) == set(fold.judgement.turnout) == set(fold.judgement.shares) == set(NAMES)
    for name in TREES:
        copied = fold.given[name + WITH_CENSUS] is fold.given[name]
        assert copied == (not census)
        if copied:
            assert fold.judgement.turnout[name + WITH_CENSUS] == fold.judgement.turnout[name]
            assert fold.judgement.shares[name + WITH_CENSUS] == fold.judgement.shares[name]
    assert set(given) == {m.name for m in candidates(SETTINGS, census=census)}, "left as it was"


def test_the_trees_meet_the_scenario_as_the_anchor_does() -> None:
    ledger = random_ledger(8)
    fitted = BoostedTurnout(SETTINGS.turnout, shrink=1.0).fit(training_set(ledger, LAST))
    notice = notice_of(ledger)
    forecast = fitted.predict(matrix_of(ledger, TARGET), NATIONAL)
    mean = forecast.turnout @ notice.registered / notice.registered.sum()
    assert mean == pytest.approx(0.55, abs=1e-9)
    votes = forecast.expected_valid @ forecast.shares / forecast.expected_valid.sum()
    assert votes == pytest.approx([0.3, 0.4, 0.3], abs=1e-9)


def test_a_residual_that_the_trees_can_see_is_learned() -> None:
    """Large stations voted more than their past says: trees on the size of a station find it."""
    ledger = random_ledger(3)
    samples = [_sample(m, SETTINGS.turnout) for m in training_set(ledger, LAST).lessons]
    large = samples[0].X[:, 1] > np.median(samples[0].X[:, 1])
    told = [type(samples[0])(samples[0].X, np.where(large, 0.5, -0.5), samples[0].weight)]
    import lightgbm

    said = lightgbm.Booster(model_str=grow(told, SETTINGS.turnout)).predict(samples[0].X)
    assert said[large].mean() > said[~large].mean()


def test_lessons_that_were_not_public_are_refused() -> None:
    ledger = random_ledger(1)
    late = training_set(ledger, LAST).lessons
    assert late[-1].outcomes.contest == TARGET
    with pytest.raises(LeakageError, match=TARGET.key):
        TrainingSet(TARGET, TARGET.eve, late)


def test_a_lesson_is_of_one_contest() -> None:
    first, second = training_set(random_ledger(1), LAST).lessons[:2]
    with pytest.raises(ValueError, match="two contests"):
        Lesson(first.matrix, second.outcomes, TARGET.eve)


def test_the_part_that_is_kept_is_the_one_that_earned_most() -> None:
    assert least([]) == 0.0
    assert least([{0.0: 2.0, 0.5: 1.8, 1.0: 2.4}, {0.0: 1.0, 0.5: 0.95, 1.0: 0.7}]) == 0.5
    assert least([{0.0: 1.0, 0.5: 1.0}]) == 0.0, "of equals the smaller"


def test_thinning_takes_every_part_of_the_country_and_never_too_many() -> None:
    for length, rows in ((0, 5), (3, 5), (5, 5), (6, 5), (1000, 7)):
        taken = stride(length, rows)
        assert len(taken) <= rows and len(np.unique(taken)) == len(taken)
        assert len(taken) == length or len(taken) > rows // 2
