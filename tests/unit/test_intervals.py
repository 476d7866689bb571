"""The conformal bound by hand, and the bands made of it."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import CONTESTS, TARGET, notice_of, random_ledger, scenario

from isoloir.domain.forecast import Forecast
from isoloir.domain.ledger import Outcomes
from isoloir.features.matrix import build
from isoloir.models.baselines import RULES
from isoloir.models.intervals import (
    CLASSES,
    Errors,
    band,
    bound,
    calibrate,
    contested,
    errors_of,
    of_areas,
    size_class,
)


@pytest.mark.parametrize(
    ("count", "rank"),
    # ⌈(n + 1) · 0.9⌉: 9 of 9, 18 of 19, 90 of 99; eight errors cannot bound 90 %.
    [(9, 9), (19, 18), (99, 90), (8, None)],
)
def test_the_bound_is_the_conformal_rank(count: int, rank: int | None) -> None:
    errors = np.random.default_rng(1).permutation(np.arange(1, count + 1)) / 1000
    assert bound([errors], 0.1) == (1.0 if rank is None else rank / 1000)


def test_contests_weigh_the_same_whatever_their_size() -> None:
    """900 small errors and 100 large ones: pooled, 90 % would be small; as contests, half are large."""
    small, large = np.full(900, 0.01), np.linspace(0.1, 0.2, 100)
    # 0.9 · (1 + 1/1000) of the weight is reached 0.8018 of the way through the larger contest.
    assert bound([small, large], 0.1) == large[80]


def test_nothing_to_calibrate_with_says_nothing() -> None:
    assert bound([], 0.1) == bound([np.array([])], 0.1) == 1.0
    forecast = Forecast(np.array([0.3, 0.9]), np.array([[0.2, 0.8], [1.0, 0.0]]), np.array([1.0, 1.0]))
    said = band(forecast, np.array([50, 5000], np.int32), calibrate([], 2))
    assert said.turnout_lo.tolist() == [0, 0] and said.turnout_hi.tolist() == [1, 1]
    assert said.shares_lo.tolist() == [[0, 0], [1, 0]]
    assert said.shares_hi.tolist() == [[1, 1], [1, 0]], "one that does not stand has 0, one alone all"


def test_size_classes_begin_at_their_bounds() -> None:
    registered = np.array([0, 99, 100, 299, 300, 1199, 1200, 9999], np.int32)
    assert size_class(registered).tolist() == [0, 0, 1, 1, 2, 4, 5, 5]


def test_a_class_is_calibrated_by_its_own_errors_alone() -> None:
    classes = np.repeat([0, 5], 20)
    errors = Errors(
        "x", np.repeat([0.3, 0.05], 20), classes, np.repeat([[0.2] * 2, [0.01] * 2], 20, axis=0), classes
    )
    forecast = Forecast(np.array([0.5, 0.5, 0.5]), np.full((3, 2), 0.5), np.ones(3))
    said = band(forecast, np.array([10, 2000, 400], np.int32), calibrate([errors], 2))
    assert said.turnout_lo == pytest.approx([0.2, 0.45, 0.0])
    assert said.turnout_hi == pytest.approx([0.8, 0.55, 1.0])
    assert said.shares_hi[:, 0] == pytest.approx([0.7, 0.51, 1.0])


def test_bands_cover_nine_in_ten_of_exchangeable_stations() -> None:
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(200):
        errors = [np.abs(rng.normal(0, 0.05, 200))]
        covered.append(np.mean(np.abs(rng.normal(0, 0.05, 200)) <= bound(errors, 0.1)))
    assert np.mean(covered) == pytest.approx(0.9, abs=0.01)


def test_errors_leave_out_what_is_not_known() -> None:
    ledger = random_ledger(9)
    target = CONTESTS[4]
    past = ledger.as_of(target.eve)
    notice = notice_of(ledger, TARGET)
    matrix = build(ledger.as_of(TARGET.eve), notice, None)
    forecast = RULES[-1].predict(matrix, scenario(0.5, [0.3, 0.4, 0.3]))
    outcomes = ledger.outcomes(TARGET, past.as_of)
    errors = errors_of(forecast, outcomes)
    known = outcomes.shares_known & (outcomes.valid > 0)
    assert len(errors.turnout) == (outcomes.registered > 0).sum()
    assert errors.shares.shape == (known.sum(), 3)
    first = int(np.flatnonzero(known)[0])
    share = outcomes.votes[first] / outcomes.valid[first]
    assert errors.shares[0] == pytest.approx(np.abs(forecast.shares[first] - share))
    assert errors.turnout_class.max() <= len(CLASSES)


def test_a_bloc_that_did_not_stand_is_no_error_of_none() -> None:
    """Found in review: zeros of second rounds, where three blocs of five are away, narrowed the bands."""
    outcomes = Outcomes(
        TARGET,
        np.array([500], np.int32),
        np.array([300], np.int32),
        np.array([300], np.int32),
        np.array([[180, 120, 0]], np.int32),
        np.array([[True, True, False]]),
        np.array([True]),
    )
    errors = errors_of(Forecast(np.array([0.5]), np.array([[0.5, 0.5, 0.0]]), np.array([1.0])), outcomes)
    assert errors.shares[0, :2] == pytest.approx([0.1, 0.1])
    assert np.isnan(errors.shares[0, 2])
    assert bound([np.array([0.1] * 20 + [np.nan] * 80)], 0.1) == 0.1
    assert calibrate([errors], 3).shares[0, 2, 2] == 1.0, "a bloc that never stood has no known width"


def test_an_area_errs_by_the_sum_of_its_stations() -> None:
    outcomes = Outcomes(
        TARGET,
        np.array([100, 300, 50], np.int32),
        np.array([60, 150, 25], np.int32),
        np.array([50, 150, 20], np.int32),
        np.array([[25, 25], [90, 60], [20, 0]], np.int32),
        np.ones((3, 2), np.bool_),
        np.array([True, True, False]),
    )
    forecast = Forecast(np.array([0.5, 0.6, 0.5]), np.array([[0.5, 0.5]] * 3), np.array([50.0, 150.0, 20.0]))
    said, was = of_areas(forecast, outcomes, np.array(["A", "A", "B"]))
    assert said.turnout == pytest.approx([(50 + 180) / 400, 0.5])
    assert was.voters.tolist() == [210, 25] and was.registered.tolist() == [400, 50]
    assert was.votes.tolist() == [[115, 85], [0, 0]], "shares that are not known are in no area"
    assert was.shares_known.tolist() == [True, False]
    assert said.shares[0] == pytest.approx([0.5, 0.5])


def test_a_bloc_that_stands_alone_has_its_share_for_sure() -> None:
    widths = calibrate([], 2)
    alone = Forecast(np.array([0.5, 0.5]), np.array([[1.0, 0.0], [0.6, 0.4]]), np.ones(2))
    said = band(alone, np.array([500, 500], np.int32), widths)
    assert said.shares_lo[0].tolist() == said.shares_hi[0].tolist() == [1, 0]
    assert said.shares_lo[1].tolist() == [0, 0] and said.shares_hi[1].tolist() == [1, 1]
    assert contested(np.array([[True, False], [True, True]])).tolist() == [[False, False], [True, True]]
