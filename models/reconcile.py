"""Shift forecasts so that they meet national figures exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit

from isoloir.domain.errors import ConfigError
from isoloir.domain.forecast import Forecast, Scenario
from isoloir.domain.ledger import Mask, Notice

Floats = NDArray[np.float64]

STEPS = 500
TOLERANCE = 1e-10
"""Largest difference between a reconciled national share and its target."""


def combined(turnout: Floats, shares: Floats, notice: Notice, scenario: Scenario) -> Forecast:
    """One forecast that meets ``scenario`` from the turnout [S] of a model and the shares [S × B] of another.

    Turnout is shifted on the logit scale, shares on the log scale, so that what already meets it stays.
    """
    deviation = logit(np.clip(turnout, 1e-6, 1 - 1e-6))
    met = meet_turnout(deviation, notice.registered, scenario.turnout)
    expected_valid = met * notice.registered * scenario.valid_rate
    score = np.log(np.maximum(shares, 1e-9))
    return Forecast(
        met,
        meet_shares(score, expected_valid, scenario.shares, notice.standing, scenario.slack),
        expected_valid,
    )


def meet_turnout(deviation: Floats, registered: NDArray[np.int32], turnout: float) -> Floats:
    """Turnout [S] in (0, 1): ``expit(deviation + shift)``, the shift chosen so that the total is met.

    The registered-weighted mean of the result is ``turnout``; the shift is found by Brent's method.
    """
    weight = registered / max(1, registered.sum())

    def miss(shift: float) -> float:
        return float(weight @ expit(deviation + shift) - turnout)

    shift = brentq(miss, -40.0, 40.0, xtol=1e-14)
    return np.asarray(expit(deviation + shift))


def meet_shares(score: Floats, weight: Floats, shares: Floats, standing: Mask, slack: float = 0.0) -> Floats:
    """Shares [S × B] whose rows sum to 1 and whose ``weight``-ed means are ``shares`` [B].

    ``score`` is a log-strength. The result is ``exp(score + a_b) / row sum`` where the bloc stands and 0
    elsewhere: the member of that family that meets the totals (iterative proportional fitting, Deming and
    Stephan 1940, sped up by Newton steps). A station where nobody stands is taken to offer every bloc.
    ConfigError where no such shares exist, as when a bloc's target passes the votes of the stations where it
    stands; a miss of up to ``slack`` is taken then.
    """
    if not len(shares):
        return np.zeros(score.shape)
    offered = standing | ~standing.any(axis=1, keepdims=True)
    wanted = shares > 0
    if not (offered[:, wanted].any(axis=1) | (weight <= 0)).all():
        raise ConfigError(
            "in some stations only blocs stand to which the scenario gives no vote",
            remedy="give every bloc that stands a share above 0",
        )
    top = np.where(offered, score, -np.inf).max(axis=1, keepdims=True)
    strength = np.where(offered & wanted, np.exp(np.clip(score - top, -60, 0)), 0.0)
    mass = weight / weight.sum()
    level = np.zeros(len(shares))
    for step in range(STEPS):
        rows = _rows(strength, level)
        miss = np.where(wanted, shares - mass @ rows, 0.0)
        if np.abs(miss).max() < (TOLERANCE if step < STEPS // 5 else max(TOLERANCE, slack)):
            return rows
        level = _better(strength, level, mass, shares, wanted, rows, miss)
    raise ConfigError(
        f"no station shares meet the scenario's (a bloc is off by {np.abs(miss).max():.2g})",
        remedy="lower the shares of blocs that stand in few stations, or correct the offer",
    )


def _rows(strength: Floats, level: Floats) -> Floats:
    rows = strength * np.exp(level - level.max())
    return np.asarray(rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-300))


def _better(
    strength: Floats, level: Floats, mass: Floats, shares: Floats, wanted: Mask, rows: Floats, miss: Floats
) -> Floats:
    """The next level: a Newton step of the convex dual where that halves the miss, else one of fitting.

    Fitting alone takes thousands of steps where most stations offer two blocs; Newton alone may overshoot.
    """
    curvature = np.diag(mass @ rows) - (rows * mass[:, None]).T @ rows
    step = np.linalg.lstsq(curvature, miss, rcond=1e-12)[0]
    newton = level + np.clip(step, -5, 5)
    left = np.where(wanted, shares - mass @ _rows(strength, newton), 0.0)
    if np.abs(left).max() < np.abs(miss).max() / 2:
        return np.asarray(newton)
    ratio = np.where(wanted, shares, 1.0) / np.maximum(np.where(wanted, mass @ rows, 1.0), 1e-300)
    return np.asarray(level + np.log(ratio))
