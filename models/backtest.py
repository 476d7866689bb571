"""Forecast past contests as they would have been forecast; choose each champion by what came before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isoloir.domain.election import Contest
from isoloir.domain.forecast import Band, Forecast, Scenario
from isoloir.domain.ledger import Notice, Outcomes, Past
from isoloir.domain.panel import Panel, build_panel

from .baselines import RULES, Basis, Situation, apply_rule, forecast_from, situation
from .history import build_history, national_shares, national_turnout
from .intervals import Errors, band, errors_of
from .prior import SHARES_KERNEL, TURNOUT_KERNEL, weighted_shares, weighted_turnout
from .scorecard import turnout_error_pp, votes_misallocated

SLACK = 0.005
"""Miss of a national share, in a backtest only, that is taken where the forecast turnout can't reach it."""

PRIOR = "prior"
POOLED = "pooled"
CANDIDATES = (PRIOR, POOLED, *RULES)
"""Every model that may become champion; a naive rule may win, and is then what gets published."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be forecast, and from what: the notice, the panel of its past, the rules' situation."""

    notice: Notice
    panel: Panel
    situation: Situation


def ask(past: Past, notice: Notice, reference_key: str | None) -> Question:
    """The question of a contest; the past must hold at least one."""
    panel = build_panel(past, notice)
    return Question(notice, panel, situation(panel, notice, reference_key))


def answer(name: str, question: Question, scenario: Scenario) -> Forecast:
    """The forecast of the candidate ``name``."""
    if name in RULES:
        return apply_rule(name, question.situation, scenario)
    basis = _prior(question)
    if name == POOLED:
        basis = pooled(
            [basis, *(RULES[rule][0](question.situation) for rule in ("mean_deviation", "same_kind"))]
        )
    return forecast_from(basis, question.notice, scenario)


def _prior(question: Question) -> Basis:
    panel, target = question.panel, question.notice.contest
    history = build_history(panel, witness=True)
    return Basis(
        weighted_turnout(TURNOUT_KERNEL, history.turnout, panel.contests, target),
        weighted_shares(SHARES_KERNEL, history.shares, panel.contests, target),
    )


def pooled(bases: list[Basis]) -> Basis:
    """The plain mean of several deviations: pooling forecasts with equal weights (Bates & Granger 1969)."""
    return Basis(
        np.mean([b.turnout for b in bases], axis=0),
        np.mean([b.shares for b in bases], axis=0),
    )


def level_given(outcomes: Outcomes) -> Scenario:
    """The scenario of a backtest that knows the national figures of the target, and nothing else of it."""
    rate = float(outcomes.valid.sum() / max(1, outcomes.voters.sum()))
    key = outcomes.contest.key
    return Scenario(f"{key} as it came", "given", key, outcomes.turnout(), outcomes.shares(), rate, SLACK)


def level_carried(question: Question) -> Scenario:
    """The figures of the reference contest, or of the last one where there is none.

    Votes of blocs that do not stand go to those that do, in each station in proportion to national shares.
    """
    panel, notice = question.panel, question.notice
    at = question.situation.reference
    shares = national_shares(panel)[at] * (notice.standing.any(axis=0))
    # A bloc that is new gets the least that keeps every station's shares defined.
    shares = np.where(notice.standing.any(axis=0), np.maximum(shares, 1e-3), 0.0)
    local = np.where(notice.standing, shares, 0.0)
    local /= np.maximum(local.sum(axis=1, keepdims=True), 1e-300)
    carried = notice.registered @ local
    rate = float(panel.nation.valid[0, at] / max(1, panel.nation.voters[0, at]))
    key = panel.contests[at].key
    turnout = float(national_turnout(panel)[at])
    return Scenario(f"carried from {key}", "carried", key, turnout, carried / carried.sum(), rate)


@dataclass(frozen=True, slots=True)
class Fold:
    """One past target forecast by every candidate with the level given, and the errors made."""

    question: Question
    outcomes: Outcomes
    given: dict[str, Forecast]
    turnout_error: dict[str, float]
    shares_error: dict[str, float]


def make_fold(question: Question, outcomes: Outcomes) -> Fold:
    """Every candidate's forecast of a past target, and its errors."""
    scenario = level_given(outcomes)
    given = {name: answer(name, question, scenario) for name in CANDIDATES}
    return Fold(
        question,
        outcomes,
        given,
        {name: turnout_error_pp(f, outcomes) for name, f in given.items()},
        {name: votes_misallocated(f, outcomes) for name, f in given.items()},
    )


@dataclass(frozen=True, slots=True)
class Champion:
    """The candidate chosen for turnout and for shares, and the earlier targets that it was judged at."""

    turnout: str
    shares: str
    judged_at: tuple[str, ...]


def choose(earlier: list[Fold], round_number: int) -> Champion:
    """The candidates of least mean regret at earlier targets; :data:`POOLED` before there is any.

    Regret = error / least error of any candidate − 1. Targets of the same round (first, or later) count
    alone where there are any: two rounds of one ballot are another problem than one ballot to the next.
    """
    alike = [f for f in earlier if (f.outcomes.contest.round > 1) == (round_number > 1)] or earlier
    keys = tuple(f.outcomes.contest.key for f in alike)
    return Champion(
        _least_regret([f.turnout_error for f in alike]), _least_regret([f.shares_error for f in alike]), keys
    )


def _least_regret(errors: list[dict[str, float]]) -> str:
    judged = [e for e in errors if np.isfinite(list(e.values())).all()]
    if not judged:
        return POOLED
    regret = {n: float(np.mean([e[n] / max(min(e.values()), 1e-9) for e in judged])) for n in CANDIDATES}
    return min(CANDIDATES, key=lambda name: regret[name])


def crown(champion: Champion, question: Question, scenario: Scenario) -> Forecast:
    """The champion's forecast: turnout of one candidate, shares of another, meeting the same scenario."""
    turnout = answer(champion.turnout, question, scenario)
    shares = turnout if champion.shares == champion.turnout else answer(champion.shares, question, scenario)
    return Forecast(turnout.turnout, shares.shares, turnout.expected_valid)


def crowned(champion: Champion, fold: Fold) -> Forecast:
    """The same from a fold's forecasts, level given."""
    turnout, shares = fold.given[champion.turnout], fold.given[champion.shares]
    return Forecast(turnout.turnout, shares.shares, turnout.expected_valid)


def known_before(folds: list[Fold], contest: Contest) -> list[Fold]:
    """The folds whose results were public on the eve of ``contest``."""
    return [f for f in folds if contest.eve.sees(f.outcomes.contest.results_known_on)]


def past_errors(folds: list[Fold]) -> list[Errors]:
    """Errors of each fold's champion, each chosen by the folds that were known before it alone."""
    out = []
    for fold in folds:
        contest = fold.outcomes.contest
        champion = choose(known_before(folds, contest), contest.round)
        out.append(errors_of(crowned(champion, fold), fold.outcomes))
    return out


def banded(forecast: Forecast, notice: Notice, errors: list[Errors]) -> Band:
    """90 % intervals of a forecast, calibrated on earlier targets."""
    return band(forecast, notice.registered, errors)
