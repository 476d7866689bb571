"""What every model keeps, naive rules and boosted trees alike: the conformance suite of the protocol."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import (
    BLOCS,
    CALENDAR,
    CONTESTS,
    LAST,
    SETTINGS,
    TARGET,
    bits,
    notice_of,
    random_ledger,
    scenario,
    stations,
    training_set,
)

from isoloir.domain.election import AsOf
from isoloir.domain.errors import LeakageError
from isoloir.domain.forecast import FeatureMatrix, Forecast
from isoloir.domain.ledger import Ledger, Notice
from isoloir.features.matrix import build
from isoloir.models.boosting import grow, least, stride
from isoloir.models.protocol import Lesson, StationModel, TrainingSet
from isoloir.models.registry import candidates
from isoloir.models.saved import model_from, model_texts
from isoloir.models.turnout import BoostedTurnout, _sample

NATIONAL = scenario(0.55, [0.3, 0.4, 0.3])
NAMES = [model.name for model in candidates(SETTINGS)]


def model(name: str) -> StationModel:
    return next(m for m in candidates(SETTINGS) if m.name == name)


def matrix_of(ledger: Ledger, notice: Notice | None = None) -> FeatureMatrix:
    notice = notice or notice_of(ledger)
    reference = CALENDAR.reference_of(notice.contest)
    return build(ledger.as_of(notice.contest.eve), notice, reference.key if reference else None)


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
    ledger = random_ledger(seed)
    training = training_set(ledger)
    first, again = (model(name).fit(training).predict(matrix_of(ledger), NATIONAL) for _ in range(2))
    conforms(first, notice_of(ledger))
    assert bits(first) == bits(again)


@pytest.mark.parametrize("name", NAMES)
def test_a_fit_leaves_the_model_it_was_made_from_alone(name: str) -> None:
    ledger = random_ledger(2)
    fresh = model(name)
    before = fresh.predict(matrix_of(ledger), NATIONAL)
    fresh.fit(training_set(ledger, LAST))
    assert bits(fresh.predict(matrix_of(ledger), NATIONAL)) == bits(before)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_keeps_to_the_order_of_the_roll(name: str) -> None:
    ledger = random_ledger(7)
    notice = notice_of(ledger)
    order = np.arange(len(notice.registered))[::-1]
    turned = Notice(
        notice.contest,
        notice.blocs,
        notice.stations.take(order),
        notice.registered[order],
        notice.standing[order],
        notice.roll_from,
        notice.offer_from,
    )
    fitted = model(name).fit(training_set(ledger))
    one, other = (fitted.predict(matrix_of(ledger, n), NATIONAL) for n in (notice, turned))
    assert other.turnout == pytest.approx(one.turnout[order], abs=1e-9)
    assert other.shares == pytest.approx(one.shares[order], abs=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_serves_stations_without_any_history(name: str) -> None:
    ledger = random_ledger(4)
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
    conforms(fitted.predict(matrix_of(ledger, notice), NATIONAL), notice)


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
    ledger = random_ledger(8)
    fitted = model(name).fit(training_set(ledger, LAST))
    matrix = matrix_of(ledger, notice_of(ledger, LAST))
    read = model_from(model_texts(fitted))
    assert bits(read.predict(matrix, NATIONAL)) == bits(fitted.predict(matrix, NATIONAL))


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("boosted")])
def test_trees_that_learned_something_are_among_those_tested(name: str) -> None:
    """Without this, trees that always fall back to nothing would pass all of the above."""
    fits = [model(name).fit(training_set(random_ledger(seed), LAST)) for seed in range(8)]
    assert any(getattr(fit, "trees", "") for fit in fits)


def test_the_trees_meet_the_scenario_as_the_anchor_does() -> None:
    ledger = random_ledger(8)
    fitted = BoostedTurnout(SETTINGS.turnout, shrink=1.0).fit(training_set(ledger, LAST))
    notice = notice_of(ledger)
    forecast = fitted.predict(matrix_of(ledger), NATIONAL)
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
