"""The naive rules by hand, and what every candidate must keep."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from worlds import BLOCS, CONTESTS, DAY, TARGET, bits, notice_of, random_ledger, record, scenario, stations

from isoloir.domain.election import AsOf
from isoloir.domain.forecast import Forecast
from isoloir.domain.ledger import Ledger, Notice
from isoloir.models.backtest import CANDIDATES, Question, answer, ask
from isoloir.models.baselines import RULES, apply_rule

FIRST, OTHER = CONTESTS[0], CONTESTS[1]
SCENARIO = scenario(0.6, [0.6, 0.4], 1.0)

# Two stations, two contests. At the first (the reference) the nation voted 50 %, and 55 : 45; at the second
# 40 %, and 50 : 50. Ten pseudo-electors at the national figure pull every station: 700 of 1000 → 705 of 1010.
LOCAL = np.array([705 / 1010, 305 / 1010])
LATER = np.array([304 / 1010, 504 / 1010])
SHARE = np.array([495.5 / 710, 65.5 / 310])
SHARE_LATER = np.array([65 / 310, 345 / 510])


@pytest.fixture(scope="module")
def question() -> Question:
    codes = ["A-1-0", "B-1-0"]
    ledger = Ledger(
        ("left", "right"),
        (
            record(FIRST, codes, [1000, 1000], [700, 300], [[490, 210], [60, 240]]),
            record(OTHER, codes, [1000, 1000], [300, 500], [[60, 240], [340, 160]]),
            record(TARGET, codes, [1000, 1000], [1, 1], [[1, 0], [1, 0]]),
        ),
    )
    return ask(ledger.as_of(TARGET.eve), notice_of(ledger), FIRST.key)


def made(rule: str, question: Question) -> Forecast:
    return apply_rule(rule, question.situation, SCENARIO)


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
    question: Question, rule: str, turnout_gap: float, shares_gap: float
) -> None:
    forecast = made(rule, question)
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
    question: Question, rule: str, turnout: np.ndarray, share: np.ndarray
) -> None:
    forecast = made(rule, question)
    assert forecast.turnout == pytest.approx(turnout, abs=1e-9)
    assert forecast.shares[:, 0] == pytest.approx(share, abs=1e-9)
    assert forecast.expected_valid == pytest.approx(turnout * 1000, abs=1e-6)


def test_every_naive_rule_is_in_the_tests_above() -> None:
    assert set(RULES) == {
        *("same_kind", "last_round", "mean_deviation", "department_mean"),
        *("persistence", "uniform", "proportional", "piecewise", "logit"),
    }


NATIONAL = scenario(0.55, [0.3, 0.4, 0.3])


def conforms(forecast: Forecast, notice: Notice) -> None:
    assert forecast.turnout.shape == forecast.expected_valid.shape == notice.registered.shape
    assert forecast.shares.shape == notice.standing.shape
    assert ((forecast.turnout >= 0) & (forecast.turnout <= 1)).all()
    assert ((forecast.shares >= 0) & (forecast.shares <= 1)).all()
    assert forecast.shares.sum(axis=1) == pytest.approx(1, abs=1e-9)
    assert (forecast.expected_valid >= 0).all()


@pytest.mark.parametrize("name", CANDIDATES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_candidate_keeps_rows_bounds_and_bytes(name: str, seed: int) -> None:
    ledger = random_ledger(seed)
    notice = notice_of(ledger)
    first, again = (
        answer(name, ask(ledger.as_of(TARGET.eve), notice, CONTESTS[2].key), NATIONAL) for _ in range(2)
    )
    conforms(first, notice)
    assert bits(first) == bits(again)


@pytest.mark.parametrize("name", CANDIDATES)
def test_a_candidate_keeps_to_the_order_of_the_roll(name: str) -> None:
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
    past = ledger.as_of(TARGET.eve)
    one, other = (answer(name, ask(past, n, CONTESTS[2].key), NATIONAL) for n in (notice, turned))
    assert other.turnout == pytest.approx(one.turnout[order], abs=1e-9)
    assert other.shares == pytest.approx(one.shares[order], abs=1e-7)


@pytest.mark.parametrize("name", CANDIDATES)
def test_a_candidate_serves_stations_without_any_history(name: str) -> None:
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
    question = ask(ledger.as_of(TARGET.eve), notice, CONTESTS[2].key)
    conforms(answer(name, question, NATIONAL), notice)


@pytest.mark.parametrize("name", CANDIDATES)
def test_a_candidate_answers_from_a_single_contest(name: str) -> None:
    ledger = random_ledger(6)
    past = ledger.as_of(AsOf(CONTESTS[1].held_on))
    assert len(past.records) == 1 and past.as_of.day < DAY
    notice = notice_of(ledger)
    conforms(answer(name, ask(past, notice, None), NATIONAL), notice)
