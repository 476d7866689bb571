"""The naive rules: what anyone would forecast from earlier results, and what a model has to beat.

Stations are joined by plain code equality here, gaps filled from the commune, then the department: naive
rules do not look at the registered count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from isoloir.domain.forecast import Forecast, Scenario
from isoloir.domain.ledger import Notice
from isoloir.domain.panel import Panel

from .history import History, build_history, national_shares, national_turnout
from .reconcile import meet_shares, meet_turnout

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a rule may look at: the panel of the past, the notice, the history, the reference contest."""

    panel: Panel
    notice: Notice
    history: History
    reference: int


@dataclass(frozen=True, slots=True)
class Basis:
    """What a rule carries: deviations [S] and [S × B] from the nation, as in :class:`History`."""

    turnout: Floats
    shares: Floats


def situation(panel: Panel, notice: Notice, reference_key: str | None) -> Situation:
    """The situation of a naive rule; ``reference_key`` names the contest that swings are counted from."""
    keys = [c.key for c in panel.contests]
    reference = keys.index(reference_key) if reference_key in keys else -1
    return Situation(panel, notice, build_history(panel, witness=False), reference)


def _mean_deviation(s: Situation) -> Basis:
    return Basis(s.history.turnout.mean(axis=1), _mean_known(s.history.shares))


def _mean_known(shares: Floats) -> Floats:
    """The mean over contests [S × B] of what is known; 0 where nothing is."""
    known = ~np.isnan(shares)
    return np.asarray(np.where(known, shares, 0.0).sum(axis=1) / np.maximum(1, known.sum(axis=1)))


def _at(s: Situation, turnout_from: int, shares_from: int) -> Basis:
    shares = s.history.shares[:, shares_from]
    return Basis(
        s.history.turnout[:, turnout_from], np.where(np.isnan(shares), _mean_known(s.history.shares), shares)
    )


def _same_kind(s: Situation) -> Basis:
    return _at(s, s.reference, s.reference)


def _last_round(s: Situation) -> Basis:
    """The round before; for shares, the last one in which every bloc that stands now stood."""
    wanted = s.notice.standing.any(axis=0)
    complete = [c for c in range(len(s.panel.contests)) if s.history.stood[c][wanted].all()]
    return _at(s, len(s.panel.contests) - 1, complete[-1] if complete else -1)


def _department_mean(s: Situation) -> Basis:
    """The mean deviation of the department at the reference contest."""
    row, totals, at = s.panel.department_row, s.panel.departments, s.reference
    turnout = np.clip(totals.voters[:, at] / np.maximum(1, totals.registered[:, at]), 1e-4, 1 - 1e-4)
    shares = totals.votes[:, at] / np.maximum(1, totals.valid_where[:, at])
    national = np.maximum(national_shares(s.panel)[at], 1e-9)
    return Basis(
        (logit(turnout) - logit(national_turnout(s.panel)[at]))[row],
        np.log(np.maximum(shares, 1e-6) / national)[row],
    )


def _raked(basis: Basis, s: Situation, scenario: Scenario) -> Forecast:
    """The logit shift of turnout and the proportional scaling of shares that meet the scenario exactly."""
    return forecast_from(basis, s.notice, scenario)


def forecast_from(basis: Basis, notice: Notice, scenario: Scenario) -> Forecast:
    """Deviations reconciled to the scenario, with the offer of the notice respected."""
    turnout = meet_turnout(basis.turnout, notice.registered, scenario.turnout)
    expected_valid = turnout * notice.registered * scenario.valid_rate
    shares = meet_shares(basis.shares, expected_valid, scenario.shares, notice.standing, scenario.slack)
    return Forecast(turnout, shares, expected_valid)


def _levels(basis: Basis, s: Situation) -> tuple[Floats, Floats, float, Floats]:
    """Turnout [S] and shares [S × B] as they were at the reference contest, and the nation's then."""
    then = float(national_turnout(s.panel)[s.reference])
    shares_then = national_shares(s.panel)[s.reference]
    return expit(basis.turnout + logit(then)), np.exp(basis.shares) * shares_then, then, shares_then


def _closed(shares: Floats, notice: Notice) -> Floats:
    """Shares made to sum to 1 over the blocs that stand; equal parts where they are all 0."""
    offered = notice.standing | ~notice.standing.any(axis=1, keepdims=True)
    kept = np.where(offered, np.clip(shares, 0.0, 1.0), 0.0)
    total = kept.sum(axis=1, keepdims=True)
    equal = offered / offered.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > 0, kept / np.maximum(total, 1e-300), equal))


def _moved(
    move: Callable[[Floats, Floats, Floats], Floats],
) -> Callable[[Basis, Situation, Scenario], Forecast]:
    """The form of swing that applies ``move(local then, nation then, nation now)`` to turnout and shares."""

    def form(basis: Basis, s: Situation, scenario: Scenario) -> Forecast:
        turnout, shares, then, shares_then = _levels(basis, s)
        moved = np.clip(move(turnout, np.array(then), np.array(scenario.turnout)), 0.0, 1.0)
        closed = _closed(move(shares, shares_then, scenario.shares), s.notice)
        return Forecast(moved, closed, moved * s.notice.registered * scenario.valid_rate)

    return form


def _uniform(local: Floats, then: Floats, now: Floats) -> Floats:
    return local + (now - then)


def _proportional(local: Floats, then: Floats, now: Floats) -> Floats:
    return local * now / np.maximum(then, 1e-9)


def _piecewise(local: Floats, then: Floats, now: Floats) -> Floats:
    """Bounded: below the nation scaled from 0, above it scaled towards 1, so that it never leaves [0, 1]."""
    low = local * now / np.maximum(then, 1e-9)
    high = 1 - (1 - local) * (1 - now) / np.maximum(1 - then, 1e-9)
    return np.where(now <= then, low, high)


def _logit_swing(local: Floats, then: Floats, now: Floats) -> Floats:
    def bounded(p: Floats) -> Floats:
        return np.asarray(logit(np.clip(p, 1e-4, 1 - 1e-4)))

    return np.where(now > 0, expit(bounded(local) + bounded(now) - bounded(then)), 0.0)


def _unmoved(local: Floats, then: Floats, now: Floats) -> Floats:
    return local


Rule = tuple[Callable[[Situation], Basis], Callable[[Basis, Situation, Scenario], Forecast]]

RULES: Mapping[str, Rule] = {
    "mean_deviation": (_mean_deviation, _raked),
    "same_kind": (_same_kind, _raked),
    "last_round": (_last_round, _raked),
    "department_mean": (_department_mean, _raked),
    "persistence": (_same_kind, _moved(_unmoved)),
    "uniform": (_same_kind, _moved(_uniform)),
    "proportional": (_same_kind, _moved(_proportional)),
    "piecewise": (_same_kind, _moved(_piecewise)),
    "logit": (_same_kind, _moved(_logit_swing)),
}
"""Every naive rule: what it carries, and the form in which it meets the scenario."""

SIMPLE = ("mean_deviation", "same_kind", "last_round")
"""The three simple rules of the reference figures."""


def apply_rule(name: str, s: Situation, scenario: Scenario) -> Forecast:
    """The forecast of the rule ``name``. The past must hold at least one contest."""
    basis, form = RULES[name]
    return form(basis(s), s, scenario)
