"""The naive rules by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logit
from worlds import CONTESTS, TARGET, notice_of, record, scenario

from isoloir.domain.forecast import FeatureMatrix, Forecast
from isoloir.domain.ledger import Ledger
from isoloir.features.matrix import build
from isoloir.models.baselines import RULES
from isoloir.models.transport import BLUR

FIRST, OTHER = CONTESTS[0], CONTESTS[1]
SCENARIO = scenario(0.6, [0.6, 0.4], 1.0)

# Two stations, two contests. At the first (the reference) the nation voted 50 %, and 55 : 45; at the second
# 40 %, and 50 : 50. Ten pseudo-electors at the national figure pull every station: 700 of 1000 → 705 of 1010.
LOCAL = np.array([705 / 1010, 305 / 1010])
LATER = np.array([304 / 1010, 504 / 1010])
SHARE = np.array([495.5 / 710, 65.5 / 310])
SHARE_LATER = np.array([65 / 310, 345 / 510])


@pytest.fixture(scope="module")
def matrix() -> FeatureMatrix:
    codes = ["A-1-0", "B-1-0"]
    ledger = Ledger(
        ("left", "right"),
        (
            record(FIRST, codes, [1000, 1000], [700, 300], [[490, 210], [60, 240]]),
            record(OTHER, codes, [1000, 1000], [300, 500], [[60, 240], [340, 160]]),
            record(TARGET, codes, [1000, 1000], [1, 1], [[1, 0], [1, 0]]),
        ),
    )
    return build(ledger.as_of(TARGET.eve), notice_of(ledger), FIRST.key)


BY_NAME = {rule.name: rule for rule in RULES}


def made(rule: str, matrix: FeatureMatrix) -> Forecast:
    return BY_NAME[rule].predict(matrix, SCENARIO)


def gap(p: np.ndarray) -> float:
    """How far the two stations lie apart on the scale where a raked forecast keeps its distances."""
    return float(logit(p[0]) - logit(p[1]))


def odds_gap(share: np.ndarray, national: float) -> float:
    """The same of the shares of two blocs, each as index to the nation's."""
    index = np.log(share / national) - np.log((1 - share) / (1 - national))
    return float(index[0] - index[1])


@pytest.mark.parametrize(
    ("rule", "turnout_gap", "shares_gap"),
    [
        ("same_kind", gap(LOCAL), odds_gap(SHARE, 0.55)),
        # 2016: the nation's share was 400 of 800.
        ("last_round", gap(LATER), odds_gap(SHARE_LATER, 0.5)),
        (
            "mean_deviation",
            (gap(LOCAL) + gap(LATER)) / 2,
            (odds_gap(SHARE, 0.55) + odds_gap(SHARE_LATER, 0.5)) / 2,
        ),
        # A department is its one station here, and departments are not smoothed.
        ("department_mean", gap(np.array([0.7, 0.3])), odds_gap(np.array([0.7, 0.2]), 0.55)),
    ],
)
def test_a_raked_rule_keeps_distances_and_meets_the_scenario(
    matrix: FeatureMatrix, rule: str, turnout_gap: float, shares_gap: float
) -> None:
    forecast = made(rule, matrix)
    assert gap(forecast.turnout) == pytest.approx(turnout_gap, abs=1e-9)
    assert odds_gap(forecast.shares[:, 0], 0.5) == pytest.approx(shares_gap, abs=1e-6)
    assert forecast.turnout.mean() == pytest.approx(0.6, abs=1e-9)
    weight = forecast.expected_valid / forecast.expected_valid.sum()
    assert weight @ forecast.shares == pytest.approx(SCENARIO.shares, abs=1e-9)


HIGH = 1 - (1 - LOCAL) * 0.4 / 0.5
SHARE_UP, OTHER_DOWN = 1 - (1 - SHARE) * 0.4 / 0.45, (1 - SHARE) * 0.4 / 0.45
LOGIT_UP = expit(logit(SHARE) + logit(0.6) - logit(0.55))


@pytest.mark.parametrize(
    ("rule", "turnout", "share"),
    [
        ("persistence", LOCAL, SHARE),
        ("uniform", LOCAL + 0.1, SHARE + 0.05),
        ("proportional", LOCAL * 1.2, SHARE * 0.6 / 0.55 / (SHARE * 0.6 / 0.55 + OTHER_DOWN)),
        ("piecewise", HIGH, SHARE_UP / (SHARE_UP + OTHER_DOWN)),
        ("logit", expit(logit(LOCAL) + logit(0.6)), LOGIT_UP),
    ],
)
def test_a_swing_rule_gives_its_formula(
    matrix: FeatureMatrix, rule: str, turnout: np.ndarray, share: np.ndarray
) -> None:
    forecast = made(rule, matrix)
    assert forecast.turnout == pytest.approx(turnout, abs=1e-9)
    assert forecast.shares[:, 0] == pytest.approx(share, abs=1e-9)
    assert forecast.expected_valid == pytest.approx(turnout * 1000, abs=1e-6)


def test_pooled_references_are_the_mean_of_two_forecasts_raked(matrix: FeatureMatrix) -> None:
    forecast, parts = (
        made("pooled_references", matrix),
        (made("same_kind", matrix), made("last_round", matrix)),
    )
    assert forecast.turnout == pytest.approx((parts[0].turnout + parts[1].turnout) / 2, abs=1e-9)
    mean = (parts[0].shares[:, 0] + parts[1].shares[:, 0]) / 2
    assert gap(forecast.shares[:, 0]) == pytest.approx(gap(mean), abs=1e-6)
    # No mean of deviations: that would keep the mean of both gaps.
    assert abs(gap(mean) - (gap(parts[0].shares[:, 0]) + gap(parts[1].shares[:, 0])) / 2) > 1e-3
    weight = forecast.expected_valid / forecast.expected_valid.sum()
    assert weight @ forecast.shares == pytest.approx(SCENARIO.shares, abs=1e-9)


def test_transport_moves_the_votes_of_the_reference(matrix: FeatureMatrix) -> None:
    """Each voter stays by odds of e^(1/BLUR), and one level d tips all towards one bloc."""
    forecast, same = made("transport", matrix), made("same_kind", matrix)
    then = np.stack([SHARE, 1 - SHARE], axis=1)
    weight = forecast.expected_valid / forecast.expected_valid.sum()

    def moved(d: float) -> np.ndarray:
        return then[:, 0] * expit(1 / BLUR + d) + then[:, 1] * expit(-1 / BLUR + d)

    level = brentq(lambda d: weight @ moved(d) - 0.6, -20, 20)
    assert forecast.turnout == pytest.approx(same.turnout, abs=1e-9)
    assert forecast.shares[:, 0] == pytest.approx(moved(level), abs=1e-8)


def test_every_naive_rule_is_in_the_tests_above() -> None:
    assert set(BY_NAME) == {
        *("same_kind", "last_round", "mean_deviation", "department_mean"),
        *("persistence", "uniform", "proportional", "piecewise", "logit"),
        *("pooled_references", "transport"),
    }


def test_a_department_without_a_past_is_given_the_nation_s_turnout_and_no_share_of_its_own() -> None:
    """Found by the oracle: such a department was taken to have voted at 0.01 %."""
    codes = ["A-1-0", "B-1-0"]
    patchy = [[True, True], [False, True]]
    first = record(FIRST, codes, [1000, 1000], [500, 500], [[250, 250], [0, 500]], patchy)
    third = record(TARGET, [*codes, "Z-1-0"], [1000, 1000, 500], [1, 1, 1], [[1, 0], [1, 0], [1, 0]])
    ledger = Ledger(("left", "right"), (first, third))
    matrix = build(ledger.as_of(TARGET.eve), notice_of(ledger), FIRST.key)
    assert matrix.column("turnout_department_mean")[2] == 0
    assert matrix.column("history_source").tolist() == [0, 0, 4]
    assert matrix.column("share_department_mean_left")[1] == matrix.column("share_same_kind_left")[1] == 0


def test_a_code_found_again_without_electors_is_no_past() -> None:
    codes = ["A-1-0", "A-1-1"]
    first = record(FIRST, codes, [0, 1000], [0, 500], [[0, 0], [250, 250]])
    third = record(TARGET, codes, [0, 1000], [0, 1], [[0, 0], [1, 0]])
    ledger = Ledger(("left", "right"), (first, third))
    matrix = build(ledger.as_of(TARGET.eve), notice_of(ledger), FIRST.key)
    assert matrix.column("history_depth").tolist() == [0, 1]
    assert matrix.column("history_source").tolist() == [2, 0]
