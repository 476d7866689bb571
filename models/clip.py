"""Forecasts that leave room: no share or turnout so near to 0 or 1 that it speaks of everyone or nobody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.forecast import Forecast, Scenario
from isoloir.domain.ledger import Notice

from .reconcile import combined

Floats = NDArray[np.float64]

STEPS = 100
SLACK = 1e-4
"""How far below the least share one may stay, as a part of it: what meets the scenario moves all a little."""


def clipped(forecast: Forecast, notice: Notice, scenario: Scenario, least: float) -> Forecast:
    """The forecast with turnout and shares in [``least``, 1 − ``least``], which still meets the scenario.

    Clipped and moved to the scenario's figures in turns (projections onto convex sets, Bregman 1967). What
    the offer fixes stays: 0 where a bloc does not stand, 1 where it stands alone. A bloc whose own figure is
    under twice ``least``, in the nation or in an area, keeps half of that.
    """
    low = least_shares(scenario, least)
    for _ in range(STEPS):
        turnout = np.clip(forecast.turnout, least, 1 - least)
        shares = _within(forecast.shares, notice.standing, low, 1 - least)
        if _near(turnout, forecast.turnout, least) and _near(shares, forecast.shares, low):
            return forecast
        forecast = combined(turnout, shares, notice, scenario)
    return forecast


def least_shares(scenario: Scenario, least: float) -> Floats:
    """The least share of each bloc [B] where it stands beside others."""
    figures = [scenario.shares, *(np.array(a.shares) for a in scenario.areas if a.shares is not None)]
    positive = np.array([np.where(f > 0, f, np.inf) for f in figures]).min(axis=0)
    return np.where(scenario.shares > 0, np.minimum(least, positive / 2), 0.0)


def _near(wanted: Floats, found: Floats, least: Floats | float) -> bool:
    return bool((np.abs(wanted - found) <= SLACK * np.asarray(least)).all())


def _within(shares: Floats, standing: NDArray[np.bool_], low: Floats, most: float) -> Floats:
    """Shares [S × B] from ``low`` [B] to ``most``, the others of a row scaled to a sum of 1."""
    free = standing & (standing.sum(axis=1, keepdims=True) > 1)
    low = np.where(free, low, 0.0)
    out = np.where(free, np.minimum(shares, most), shares)
    for _ in range(shares.shape[1]):
        fixed = free & (out <= low)
        held = np.where(fixed, low, 0.0)
        rest = np.where(fixed, 0.0, out)
        out = held + rest * ((1 - held.sum(axis=1)) / np.maximum(rest.sum(axis=1), 1e-12))[:, None]
    return out
