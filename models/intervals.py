"""Split-conformal intervals by size class, calibrated on the out-of-sample errors of earlier contests.

The bound of a class is the ⌈(n + 1)(1 − α)⌉-th smallest absolute error in it (Vovk et al. 2005; Lei et al.
2018), each earlier contest weighing the same. The errors are measured with the national level given: the band
is local.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.forecast import Band, Forecast
from isoloir.domain.ledger import Counts, Mask, Outcomes
from isoloir.domain.station import Text, grouped

Floats = NDArray[np.float64]

CLASSES = np.array([100, 300, 600, 900, 1200])
"""Registered electors at which a size class begins; below the first lies the smallest class."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Absolute errors at one earlier contest: turnout [N], shares [M × B], and the stations' size classes.

    Stations with nobody registered, or whose shares are not known, are not in it.
    """

    contest: str
    turnout: Floats
    turnout_class: NDArray[np.intp]
    shares: Floats
    shares_class: NDArray[np.intp]


def size_class(registered: Counts) -> NDArray[np.intp]:
    """The size class of each station, from 0 for the smallest."""
    return np.asarray(np.searchsorted(CLASSES, registered, side="right"))


def errors_of(forecast: Forecast, outcomes: Outcomes) -> Errors:
    """The absolute errors of ``forecast`` at a past contest; NaN where a bloc did not stand, or alone."""
    held, known = outcomes.registered > 0, outcomes.shares_known & (outcomes.valid > 0)
    classes = size_class(outcomes.registered)
    turnout = np.abs(forecast.turnout[held] - outcomes.voters[held] / outcomes.registered[held])
    actual = outcomes.votes[known] / outcomes.valid[known, None]
    shares = np.where(contested(outcomes.standing)[known], np.abs(forecast.shares[known] - actual), np.nan)
    return Errors(outcomes.contest.key, turnout, classes[held], shares, classes[known])


def contested(standing: Mask) -> Mask:
    """Where a bloc stands [S × B] and another does, too: alone it has all votes, and nothing is forecast."""
    return np.asarray(standing & (standing.sum(axis=1, keepdims=True) > 1))


def bound(errors: list[Floats], alpha: float) -> float:
    """The conformal bound from several contests' errors, each weighing the same; 1 where there are none.

    NaN is no error: it is left out.
    """
    used = [known for e in errors if len(known := e[~np.isnan(e)])]
    if not used:
        return 1.0
    values = np.concatenate(used)
    weight = np.concatenate([np.full(len(e), 1 / len(e)) for e in used]) / len(used)
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    wanted = (1 - alpha) * (1 + 1 / len(values))
    at = int(np.searchsorted(reached, wanted - 1e-12))
    return float(values[order[at]]) if at < len(values) else 1.0


ALPHAS = (0.5, 0.1)
"""The intervals that are published miss by at most this: 50 % and 90 %."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Half-widths of intervals by size class, from the errors at ``contests``.

    ``turnout`` [A × K] and ``shares`` [A × K × B], in order of :data:`ALPHAS` and of the size classes; 1
    where there was no error to learn from.
    """

    contests: tuple[str, ...]
    turnout: Floats
    shares: Floats


def calibrate(earlier: Sequence[Errors], blocs: int) -> Calibration:
    """The conformal half-widths from the errors at earlier contests."""
    classes = range(len(CLASSES) + 1)
    turnout = np.ones((len(ALPHAS), len(classes)))
    shares = np.ones((len(ALPHAS), len(classes), blocs))
    for k in classes:
        of_turnout = [e.turnout[e.turnout_class == k] for e in earlier]
        of_shares = [e.shares[e.shares_class == k] for e in earlier]
        for a, alpha in enumerate(ALPHAS):
            turnout[a, k] = bound(of_turnout, alpha)
            shares[a, k] = [bound([e[:, b] for e in of_shares], alpha) for b in range(blocs)]
    return Calibration(tuple(e.contest for e in earlier), turnout, shares)


@dataclass(frozen=True, slots=True)
class Widths:
    """Half-widths of stations, communes and departments: errors of an area are no sum of its stations'."""

    station: Calibration
    commune: Calibration
    department: Calibration


def of_areas(forecast: Forecast, outcomes: Outcomes, area: Text) -> tuple[Forecast, Outcomes]:
    """A forecast and what happened, summed over the areas [S]; shares are divided last."""
    codes, row = grouped(area)

    def summed(values: NDArray[Any]) -> Floats:
        return np.bincount(row, np.asarray(values, np.float64), len(codes)).astype(np.float64)

    def counted(values: NDArray[Any]) -> Counts:
        return summed(values).astype(np.int32)

    def per_bloc(values: NDArray[Any]) -> Floats:
        sums = np.zeros((len(codes), values.shape[1]))
        for b in range(values.shape[1]):
            sums[:, b] = summed(values[:, b])
        return sums

    known = outcomes.shares_known
    weight = np.where(known, forecast.expected_valid, 0.0)
    votes = per_bloc(forecast.shares * weight[:, None])
    expected = summed(weight)
    held = summed(forecast.turnout * outcomes.registered) / np.maximum(1.0, summed(outcomes.registered))
    return Forecast(held, votes / np.maximum(expected, 1e-9)[:, None], expected), Outcomes(
        outcomes.contest,
        counted(outcomes.registered),
        counted(outcomes.voters),
        counted(np.where(known, outcomes.valid, 0)),
        per_bloc(np.where(known[:, None], outcomes.votes, 0)).astype(np.int32),
        per_bloc(outcomes.standing & known[:, None]) > 0,
        summed(known) > 0,
    )


def band(forecast: Forecast, registered: Counts, calibration: Calibration, alpha: float = 0.1) -> Band:
    """Intervals of nominal coverage ``1 − alpha`` around ``forecast``; ``alpha`` is one of :data:`ALPHAS`."""
    at, classes = ALPHAS.index(alpha), size_class(registered)
    turnout, shares = calibration.turnout[at, classes], calibration.shares[at, classes]
    open_to = contested(forecast.shares > 0)
    return Band(
        np.clip(forecast.turnout - turnout, 0, 1),
        np.clip(forecast.turnout + turnout, 0, 1),
        np.where(open_to, np.clip(forecast.shares - shares, 0, 1), forecast.shares),
        np.where(open_to, np.clip(forecast.shares + shares, 0, 1), forecast.shares),
    )
