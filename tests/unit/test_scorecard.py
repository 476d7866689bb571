"""Scores by hand, and the noise floor against a simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm
from worlds import TARGET, stations

from isoloir.domain.forecast import Band, Forecast
from isoloir.domain.ledger import Outcomes
from isoloir.models.scorecard import (
    CLASS_NAMES,
    carried_roll,
    coverage,
    judge_interval,
    noise_floor,
    score,
    score_areas,
    turnout_error_pp,
    votes_misallocated,
)


def outcomes_of(
    registered: list[int], voters: list[int], votes: list[list[int]], known: list[bool]
) -> Outcomes:
    counted = np.array(votes, np.int32)
    return Outcomes(
        TARGET,
        np.array(registered, np.int32),
        np.array(voters, np.int32),
        counted.sum(axis=1).astype(np.int32),
        counted,
        np.ones(counted.shape, np.bool_),
        np.array(known),
    )


OUTCOMES = outcomes_of([90, 310, 0], [45, 155, 0], [[30, 10], [60, 60], [0, 0]], [True, True, True])
FORECAST = Forecast(
    np.array([0.6, 0.5, 0.9]), np.array([[0.5, 0.5], [0.6, 0.4], [1.0, 0.0]]), np.array([1.0, 1.0, 1.0])
)


def test_turnout_error_by_hand() -> None:
    # 10 pp at 90 of 400 registered electors, right at the others; the empty station weighs nothing.
    assert turnout_error_pp(FORECAST, OUTCOMES) == pytest.approx(10 * 90 / 400)


def test_votes_misallocated_by_hand() -> None:
    # Of 40 votes a quarter is on the wrong side, of 120 a tenth.
    assert votes_misallocated(FORECAST, OUTCOMES) == pytest.approx((25 * 40 + 10 * 120) / 160)


def test_stations_whose_shares_are_not_known_are_not_judged_by_shares() -> None:
    hidden = outcomes_of([90, 310], [45, 155], [[30, 10], [60, 60]], [True, False])
    two = Forecast(FORECAST.turnout[:2], FORECAST.shares[:2], FORECAST.expected_valid[:2])
    assert votes_misallocated(two, hidden) == pytest.approx(25)


def test_the_scorecard_says_each_class_and_nan_where_it_is_empty() -> None:
    table = score("rule", "given", FORECAST, OUTCOMES).set_index(["metric", "stratum"])["value"]
    assert len(table) == 2 * (1 + len(CLASS_NAMES))
    assert table["turnout_mae_pp", "under 100"] == pytest.approx(10)
    assert table["turnout_mae_pp", "300-599"] == pytest.approx(0)
    assert table["votes_misallocated", "300-599"] == pytest.approx(10)
    assert math.isnan(table["turnout_mae_pp", "1200 and over"])


def test_coverage_counts_bounds_as_inside() -> None:
    low, high = np.array([0.5, 0.6, 0.0]), np.array([0.7, 0.8, 1.0])
    said = Band(low, high, np.full((3, 2), 0.5), np.full((3, 2), 0.9))
    table = coverage("rule", "given", 0.1, said, OUTCOMES).set_index(["metric", "stratum"])["value"]
    assert table["turnout_coverage90", "all"] == pytest.approx(0.5)
    assert table["turnout_width90_pp", "all"] == pytest.approx(20.0)
    assert table["turnout_coverage90", "under 100"] == 1 and table["turnout_coverage90", "300-599"] == 0
    # Of the four shares 0.75, 0.25, 0.5 and 0.5 three lie in [0.5, 0.9].
    assert table["share_coverage90", "all"] == pytest.approx(0.75)


def test_an_interval_is_charged_its_width_and_what_it_missed_by() -> None:
    """Of [0.4, 0.6] at 90 %: 0.5 costs the width, 0.65 twenty times 0.05 more, 0.3 twenty times 0.1."""
    low, high = np.full(3, 0.4), np.full(3, 0.6)
    said = judge_interval(low, high, np.array([0.5, 0.65, 0.3]), 0.1)
    assert said.coverage == pytest.approx(1 / 3) and said.width == pytest.approx(0.2)
    assert said.interval_score == pytest.approx(0.2 + (1.0 + 2.0) / 3)
    # Half as sure, each miss costs four times its size.
    half = judge_interval(low, high, np.array([0.5, 0.65, 0.3]), 0.5)
    assert half.interval_score == pytest.approx(0.2 + (0.2 + 0.4) / 3)


@given(st.floats(-0.3, 0.3), st.floats(0.01, 0.5), st.sampled_from([0.1, 0.5]))
def test_the_crps_is_the_integral_of_the_squared_distance_of_laws(
    away: float, width: float, alpha: float
) -> None:
    sd = width / 2 / norm.ppf(1 - alpha / 2)
    below = quad(lambda x: norm.cdf(x / sd) ** 2, -12 * sd, away, limit=200)[0]
    above = quad(lambda x: norm.sf(x / sd) ** 2, away, max(away, 0) + 12 * sd, limit=200)[0]
    if away < -12 * sd:
        below = 0.0
    said = judge_interval(np.array([-width / 2]), np.array([width / 2]), np.array([away]), alpha)
    assert said.crps == pytest.approx(below + above, abs=1e-6)


def test_a_certain_interval_is_charged_its_distance() -> None:
    """The CRPS of a point is the absolute error."""
    sure = np.array([0.5])
    assert judge_interval(sure, sure, np.array([0.8]), 0.1).crps == pytest.approx(0.3, abs=1e-5)
    assert judge_interval(sure, sure, sure, 0.1).crps == pytest.approx(0, abs=1e-6)


def test_no_figure_is_no_judgement() -> None:
    none = np.zeros(0)
    said = judge_interval(none, none, none, 0.1)
    assert all(math.isnan(v) for v in (said.coverage, said.width, said.interval_score, said.crps))


def test_the_scores_of_intervals_are_in_pp() -> None:
    low, high = np.array([0.5, 0.6, 0.0]), np.array([0.7, 0.8, 1.0])
    said = Band(low, high, np.full((3, 2), 0.5), np.full((3, 2), 0.9))
    for alpha, percent in ((0.1, 90), (0.5, 50)):
        table = coverage("rule", "given", alpha, said, OUTCOMES).set_index(["metric", "stratum"])["value"]
        # Turnout was half at both: at the first's end, 10 pp below the second's.
        assert table[f"turnout_interval_score{percent}_pp", "all"] == pytest.approx(20 + 2 / alpha * 10 / 2)
        assert table[f"turnout_interval_score{percent}_pp", "under 100"] == pytest.approx(20)
        expected = judge_interval(low[:2], high[:2], np.array([0.5, 0.5]), alpha).crps * 100
        assert table[f"turnout_crps{percent}_pp", "all"] == pytest.approx(expected)
        # 0.25 lies 25 pp below [0.5, 0.9], the other three shares within.
        assert table[f"share_interval_score{percent}_pp", "all"] == pytest.approx(40 + 2 / alpha * 25 / 4)


def test_fifths_of_size_begin_with_the_smallest_and_leave_out_who_has_no_electors() -> None:
    """Ten stations of 100 to 1000: two each; every other is held, but of the largest fifth none."""
    registered = [*range(100, 1001, 100), 0]
    counts = outcomes_of(registered, [r // 2 for r in registered], [[1, 0]] * 11, [True] * 11)
    inside = np.array([True, False] * 4 + [False] * 2 + [True])
    low = np.where(inside, 0.45, 0.8)
    said = Band(low, low + 0.1, np.zeros((11, 2)), np.ones((11, 2)))
    table = coverage("rule", "given", 0.1, said, counts).set_index(["metric", "stratum"])["value"]
    held = [table["turnout_coverage90", f"fifth {k}"] for k in range(1, 6)]
    assert held == pytest.approx([0.5, 0.5, 0.5, 0.5, 0.0])
    assert table["turnout_coverage90", "all"] == pytest.approx(0.4)
    assert ("turnout_coverage90", "fifth 6") not in table.index


def test_nobody_registered_has_no_fifths() -> None:
    empty = outcomes_of([0, 0], [0, 0], [[0, 0]] * 2, [True] * 2)
    zeros = np.zeros(2)
    said = Band(zeros, zeros, np.zeros((2, 2)), np.zeros((2, 2)))
    table = coverage("rule", "given", 0.1, said, empty)
    assert not table["stratum"].str.startswith("fifth").any() and table["value"].isna().all()


def test_errors_by_department_weigh_what_is_in_it() -> None:
    table = score_areas("rule", "given", FORECAST, OUTCOMES, np.array(["01", "2A", "2A"]))
    said = table.set_index(["metric", "stratum"])["value"]
    assert said["turnout_mae_pp", "department 01"] == pytest.approx(10)
    assert said["turnout_mae_pp", "department 2A"] == pytest.approx(0)
    assert said["votes_misallocated", "department 2A"] == pytest.approx(10)


def test_a_carried_roll_is_judged_where_its_codes_are_found() -> None:
    now, roll = stations(["A-1-0", "A-1-1", "A-1-2"]), stations(["A-1-0", "A-1-2"])
    two = Forecast(FORECAST.turnout[[0, 2]], FORECAST.shares[[0, 2]], FORECAST.expected_valid[[0, 2]])
    said = carried_roll("rule", two, roll, OUTCOMES, now).set_index("metric")["value"]
    assert said["turnout_mae_pp_carried_roll"] == pytest.approx(10)
    assert said["carried_roll_matched"] == pytest.approx(90 / 400)


def test_the_noise_floor_is_what_counting_alone_costs() -> None:
    rng = np.random.default_rng(11)
    stations = 20000
    registered = rng.integers(400, 1500, stations)
    turnout = rng.uniform(0.4, 0.8, stations)
    share = rng.dirichlet([5, 5, 3], stations)
    voters = rng.binomial(registered, turnout)
    votes = rng.multinomial(voters, share)
    outcomes = outcomes_of(registered.tolist(), voters.tolist(), votes.tolist(), [True] * stations)
    knowing = Forecast(turnout, share, voters.astype(np.float64))
    turnout_floor, shares_floor = noise_floor(outcomes)
    assert turnout_floor == pytest.approx(turnout_error_pp(knowing, outcomes), rel=0.02)
    assert shares_floor == pytest.approx(votes_misallocated(knowing, outcomes), rel=0.02)
