"""The models that learn nothing: naive rules that any model has to beat, the prior, and a pool of them.

Each carries deviations from the nation that stand in the matrix, and moves them to the scenario's figures in
one form of swing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from isoloir.domain.forecast import FeatureMatrix, Forecast, Scenario
from isoloir.domain.ledger import Notice

from .protocol import TrainingSet
from .reconcile import meet_turnout, reconciled
from .transport import closed, raked, transported

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Basis:
    """Deviations from the nation: ``turnout`` [S] in logits, ``shares`` [S × B] in logs of a ratio."""

    turnout: Floats
    shares: Floats


def basis_of(matrix: FeatureMatrix, carried: tuple[str, ...], of_shares: tuple[str, ...] = ()) -> Basis:
    """The plain mean of the deviations ``carried``: equal weights (Bates and Granger 1969)."""
    turnout = np.mean([matrix.column(f"turnout_{name}") for name in carried], axis=0)
    shares = np.mean([matrix.per_bloc(f"share_{name}") for name in of_shares or carried], axis=0)
    return Basis(np.asarray(turnout), np.asarray(shares))


def forecast_from(basis: Basis, notice: Notice, scenario: Scenario) -> Forecast:
    """Deviations reconciled to the scenario, with the offer of the notice respected."""
    return reconciled(basis.turnout, basis.shares, notice, scenario)


def _raked(basis: Basis, matrix: FeatureMatrix, scenario: Scenario) -> Forecast:
    return forecast_from(basis, matrix.notice, scenario)


def _closed(shares: Floats, notice: Notice) -> Floats:
    """Shares made to sum to 1 over the blocs that stand; equal parts where they are all 0."""
    offered = notice.standing | ~notice.standing.any(axis=1, keepdims=True)
    kept = np.where(offered, np.clip(shares, 0.0, 1.0), 0.0)
    total = kept.sum(axis=1, keepdims=True)
    equal = offered / offered.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > 0, kept / np.maximum(total, 1e-300), equal))


Move = Callable[[Floats, Floats, Floats], Floats]
"""``move(local then, nation then, nation now)``: where a station's figure goes."""


def _moved(move: Move, basis: Basis, matrix: FeatureMatrix, scenario: Scenario) -> Forecast:
    """The levels of the reference contest, moved with the nation; they need not meet its figures."""
    then = matrix.reference
    turnout = expit(basis.turnout + logit(np.clip(then.turnout, 1e-6, 1 - 1e-6)))
    moved = np.clip(move(turnout, np.array(then.turnout), np.array(scenario.turnout)), 0.0, 1.0)
    shares = move(np.exp(basis.shares) * then.shares, then.shares, scenario.shares)
    expected_valid = moved * matrix.notice.registered * scenario.valid_rate
    return Forecast(moved, _closed(shares, matrix.notice), expected_valid)


def _unmoved(local: Floats, then: Floats, now: Floats) -> Floats:
    return local


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


MOVES: Mapping[str, Move] = {
    "persistence": _unmoved,
    "uniform": _uniform,
    "proportional": _proportional,
    "piecewise": _piecewise,
    "logit": _logit_swing,
}
"""The forms that need not meet the scenario; ``raked`` shifts logits and log-ratios until it does."""

RAKED = "raked"


@dataclass(frozen=True, slots=True)
class Carried:
    """Carries the mean of the deviations ``carried`` in the ``form`` of swing; learns nothing.

    ``shares`` names those of the shares where they are others.
    """

    name: str
    carried: tuple[str, ...]
    form: str = RAKED
    shares: tuple[str, ...] = ()

    def fit(self, training: TrainingSet) -> Self:
        """Itself."""
        return self

    def predict(self, matrix: FeatureMatrix, scenario: Scenario) -> Forecast:
        """The deviations moved to the scenario; the raked form meets it exactly."""
        basis = basis_of(matrix, self.carried, self.shares)
        if self.form == RAKED:
            return _raked(basis, matrix, scenario)
        return _moved(MOVES[self.form], basis, matrix, scenario)


@dataclass(frozen=True, slots=True)
class PooledReferences:
    """The plain mean of raked forecasts, one of each of the deviations ``carried``; learns nothing.

    A mean of forecasts, not of deviations as in :class:`Carried`: a vote at either contest counts.
    """

    carried: tuple[str, ...] = ("same_kind", "last_round")
    name: str = "pooled_references"

    def fit(self, training: TrainingSet) -> Self:
        """Itself."""
        return self

    def predict(self, matrix: FeatureMatrix, scenario: Scenario) -> Forecast:
        """The mean, raked to the scenario, which it meets exactly."""
        each = [_raked(basis_of(matrix, (name,)), matrix, scenario) for name in self.carried]
        turnout = np.mean([f.turnout for f in each], axis=0)
        valid = turnout * matrix.notice.registered * scenario.valid_rate
        shares = raked(np.mean([f.shares for f in each], axis=0), valid, matrix.notice, scenario)
        return Forecast(turnout, shares, valid)


@dataclass(frozen=True, slots=True)
class Transport:
    """The shares of the reference contest moved by a plan of least cost (transport.py); learns nothing.

    Turnout is that contest's, raked.
    """

    name: str = "transport"

    def fit(self, training: TrainingSet) -> Self:
        """Itself."""
        return self

    def predict(self, matrix: FeatureMatrix, scenario: Scenario) -> Forecast:
        """The votes moved to the scenario, which it meets exactly."""
        basis, notice = basis_of(matrix, ("same_kind",)), matrix.notice
        turnout = meet_turnout(basis.turnout, notice.registered, scenario.turnout)
        valid = turnout * notice.registered * scenario.valid_rate
        if not len(notice.blocs):
            return Forecast(turnout, basis.shares, valid)
        past = closed(np.exp(basis.shares) * matrix.reference.shares, valid)
        return Forecast(turnout, transported(past, valid, notice, scenario), valid)


RULES: tuple[Carried | PooledReferences | Transport, ...] = (
    Carried("mean_deviation", ("mean_deviation",)),
    Carried("same_kind", ("same_kind",)),
    Carried("last_round", ("last_round",)),
    Carried("department_mean", ("department_mean",)),
    *(Carried(form, ("same_kind",), form) for form in MOVES),
    PooledReferences(),
    Transport(),
)
"""Every naive rule."""

SIMPLE = ("mean_deviation", "same_kind", "last_round")
"""The three simple rules of the reference figures."""

PRIOR = Carried("prior", ("prior",))
"""The Gaussian prior over contests, as it is."""

POOLED = Carried("pooled", ("pool",))
"""The prior pooled with naive rules, equal weights (Bates and Granger 1969)."""
