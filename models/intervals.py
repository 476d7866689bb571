"""Intervals: split-conformal on standardised errors, by size class, from earlier contests only.

An error is divided by its scale (spread.py); the bound of a class is the ⌈(n + 1)(1 − α)⌉-th smallest of
these in it, each earlier contest weighing the same (Vovk et al. 2005; Lei et al. 2018, locally weighted). The
errors are measured with the national level given: the band is local. Doubt of the level is added in squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from isoloir.domain.forecast import Band, FeatureMatrix, Forecast, Scenario

from .spread import (
    Errors,
    Sample,
    contested,
    deviation,
    fit_components,
    fit_scale,
    logit_slope,
    mixed,
    share_parts,
    turnout_parts,
)

Floats = NDArray[np.float64]

CLASSES = np.array([100, 300, 600, 900, 1200])
"""Registered electors, or valid votes, at which a size class begins; below the first is the smallest."""

ALPHAS = (0.5, 0.1)
"""The intervals that are published miss by at most this: 50 % and 90 %."""


def size_class(counted: NDArray[np.number]) -> NDArray[np.intp]:
    """The size class of each station, from 0 for the smallest."""
    return np.asarray(np.searchsorted(CLASSES, counted, side="right"))


def bound(errors: Sequence[Floats], alpha: float) -> float:
    """The conformal bound from several contests' errors, each weighing the same; infinite where it is none.

    NaN is no error: it is left out.
    """
    used = [known for e in errors if len(known := e[~np.isnan(e)])]
    if not used:
        return float("inf")
    values = np.concatenate(used)
    weight = np.concatenate([np.full(len(e), 1 / len(e)) for e in used]) / len(used)
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    wanted = (1 - alpha) * (1 + 1 / len(values))
    at = int(np.searchsorted(reached, wanted - 1e-12))
    return float(values[order[at]]) if at < len(values) else float("inf")


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The intervals of a quantity: ``scale`` [P] of its variance, ``bounds`` [A × K] in standard deviations.

    In order of :data:`ALPHAS` and of the size classes; infinite where there was no error to learn from.
    ``components``: the parts of its shared variance that are a department's, a commune's, a station's.
    """

    scale: Floats
    bounds: Floats
    components: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Calibration:
    """The intervals of turnout and of each bloc's share, learnt from the errors at ``contests``."""

    contests: tuple[str, ...]
    turnout: Calibrated
    shares: tuple[Calibrated, ...]


def calibrate(earlier: Sequence[Errors], blocs: int) -> Calibration:
    """The intervals from the errors at earlier contests."""
    return Calibration(
        tuple(e.contest for e in earlier),
        calibrated([e.turnout for e in earlier]),
        tuple(calibrated([e.shares[b] for e in earlier]) for b in range(blocs)),
    )


def calibrated(samples: Sequence[Sample]) -> Calibrated:
    """The intervals of one quantity. A class without an error takes the bound of all classes together."""
    scale = fit_scale(samples)
    errors = [
        np.abs(s.actual - s.forecast) / deviation(s.forecast, s.counted, s.parts, scale) for s in samples
    ]
    of_class = [size_class(s.counted) for s in samples]
    bounds = np.empty((len(ALPHAS), len(CLASSES) + 1))
    for a, alpha in enumerate(ALPHAS):
        everywhere = bound(errors, alpha)
        for k in range(bounds.shape[1]):
            own = bound([e[c == k] for e, c in zip(errors, of_class, strict=True)], alpha)
            bounds[a, k] = own if np.isfinite(own) else everywhere
    return Calibrated(scale, bounds, fit_components(samples, scale))


def half_width(
    learnt: Calibrated,
    forecast: Floats,
    counted: Floats,
    parts: Floats,
    alpha: float,
    doubt: Floats | float = 0.0,
) -> Floats:
    """Half the width of intervals of nominal coverage ``1 − alpha`` [N], at most 1.

    ``doubt``: half the width of what the national level's own interval makes of it, on the logit scale.
    """
    bounds = learnt.bounds[ALPHAS.index(alpha), size_class(counted)]
    local = bounds * deviation(forecast, counted, parts, learnt.scale)
    return np.asarray(np.minimum(np.hypot(local, logit_slope(forecast) * doubt), 1.0))


def doubt_of(sd: float, df: float | None, alpha: float) -> float:
    """Half the width of the interval of a national figure, on the logit scale: Student's t, or normal."""
    return float(sd * (norm.ppf(1 - alpha / 2) if df is None else t.ppf(1 - alpha / 2, df)))


@dataclass(frozen=True, slots=True)
class Parts:
    """What the variances are made of at S places: turnout [S × P] and each bloc's share [B] of [S × P]."""

    turnout: Floats
    shares: tuple[Floats, ...]


def parts_of(matrix: FeatureMatrix) -> Parts:
    """The parts at the stations of a matrix."""
    blocs = range(len(matrix.notice.blocs))
    return Parts(turnout_parts(matrix), tuple(share_parts(matrix, b) for b in blocs))


def band(
    forecast: Forecast,
    registered: NDArray[np.int32],
    parts: Parts,
    learnt: Calibration,
    alpha: float,
    scenario: Scenario,
) -> Band:
    """Intervals of nominal coverage ``1 − alpha`` around ``forecast``; ``alpha`` is one of :data:`ALPHAS`.

    Under what the ``scenario`` says of its own doubt. A bloc that stands alone, or not at all, has no doubt.
    """
    of_turnout = doubt_of(scenario.turnout_sd, scenario.df, alpha)
    of_shares = doubt_of(scenario.shares_sd, scenario.df, alpha)
    # What is doubted is the log of each bloc's strength: of two blocs both move a share.
    doubted = of_shares * np.sqrt(mixed(forecast.shares, np.ones(forecast.shares.shape)))
    counted = registered.astype(np.float64)
    turnout = half_width(learnt.turnout, forecast.turnout, counted, parts.turnout, alpha, of_turnout)
    shares = np.zeros(forecast.shares.shape)
    for b, one in enumerate(learnt.shares):
        said, doubt = forecast.shares[:, b], doubted[:, b]
        shares[:, b] = half_width(one, said, forecast.expected_valid, parts.shares[b], alpha, doubt)
    open_to = contested(forecast.shares > 0)
    return Band(
        np.clip(forecast.turnout - turnout, 0, 1),
        np.clip(forecast.turnout + turnout, 0, 1),
        np.where(open_to, np.clip(forecast.shares - shares, 0, 1), forecast.shares),
        np.where(open_to, np.clip(forecast.shares + shares, 0, 1), forecast.shares),
    )


def plain_bounds(earlier: Sequence[Sample], counted: Floats, alpha: float) -> Floats:
    """Half-widths [N] by plain split conformal by size class: the same width for all stations of a class.

    What ours are judged against; 1 where a class has no error to learn from.
    """
    errors = [np.abs(s.actual - s.forecast) for s in earlier]
    of_class = [size_class(s.counted) for s in earlier]
    each = [
        bound([e[c == k] for e, c in zip(errors, of_class, strict=True)], alpha)
        for k in range(len(CLASSES) + 1)
    ]
    return np.asarray(np.minimum(np.array(each), 1.0)[size_class(counted)])
