"""How far forecasts were from what happened."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from isoloir.domain.forecast import Band, Forecast
from isoloir.domain.ledger import Mask, Outcomes
from isoloir.domain.station import Stations, Text, grouped, positions

from .intervals import size_class
from .spread import contested

Floats = NDArray[np.float64]

CLASS_NAMES = ("under 100", "100-299", "300-599", "600-899", "900-1199", "1200 and over")


def turnout_error_pp(forecast: Forecast, outcomes: Outcomes, rows: Mask | None = None) -> float:
    """Mean absolute error of turnout, weighted by registered, in percentage points."""
    weight = outcomes.registered if rows is None else np.where(rows, outcomes.registered, 0)
    actual = outcomes.voters / np.maximum(1, outcomes.registered)
    return _mean(np.abs(forecast.turnout - actual), weight) * 100


def votes_misallocated(forecast: Forecast, outcomes: Outcomes, rows: Mask | None = None) -> float:
    """½ Σ_b |error of share|, weighted by valid votes where shares are known, per 100 votes."""
    known = outcomes.shares_known if rows is None else outcomes.shares_known & rows
    actual = outcomes.votes / np.maximum(1, outcomes.valid)[:, None]
    return _mean(np.abs(forecast.shares - actual).sum(axis=1) / 2, np.where(known, outcomes.valid, 0)) * 100


def noise_floor(outcomes: Outcomes) -> tuple[float, float]:
    """The error that a forecaster who knows every station's true propensity still makes: counting noise.

    Turnout in pp and votes misallocated per 100, by the normal mean absolute deviation √(2pq / πn), with the
    observed figures for p.
    """
    turnout = outcomes.voters / np.maximum(1, outcomes.registered)
    spread = np.sqrt(2 * turnout * (1 - turnout) / np.pi / np.maximum(1, outcomes.registered))
    share = outcomes.votes / np.maximum(1, outcomes.valid)[:, None]
    loss = np.sqrt(2 * share * (1 - share) / np.pi / np.maximum(1, outcomes.valid)[:, None]).sum(axis=1) / 2
    return (
        _mean(spread, outcomes.registered) * 100,
        _mean(loss, np.where(outcomes.shares_known, outcomes.valid, 0)) * 100,
    )


def score_floor(outcomes: Outcomes) -> pd.DataFrame:
    """The noise floor of each metric over all stations, long, as :func:`score`."""
    rows = [(metric, "all", floor) for (metric, _), floor in zip(METRICS, noise_floor(outcomes), strict=True)]
    return long_table(rows, "noise_floor", "given", outcomes)


def coverage(name: str, level: str, alpha: float, bounds: Band, outcomes: Outcomes) -> pd.DataFrame:
    """What intervals of ``1 − alpha`` held, long, as :func:`score`: over all, by size class and by fifth.

    ``coverage``: the part of the figures inside. ``width``: the mean width, in pp. ``interval_score``: the
    mean width plus 2 / alpha times the miss, in pp (Gneiting & Raftery 2007, eq. 43). ``crps``: the mean
    continuous ranked probability score in pp, of a normal law with these bounds (same, eq. 21). Turnout where
    anybody is registered; shares where they are known, over the blocs that stood, not alone. A swing is a
    share less what is known, so that what is said of shares holds of swings.
    """
    percent = f"{1 - alpha:.0%}".rstrip("%")
    held, known = outcomes.registered > 0, outcomes.shares_known & (outcomes.valid > 0)
    turnout = outcomes.voters / np.maximum(1, outcomes.registered)
    shares = outcomes.votes / np.maximum(1, outcomes.valid)[:, None]
    stood = contested(outcomes.standing) & known[:, None]
    rows = []
    for stratum, mask in (*_strata(outcomes), *fifths(outcomes)):
        for what, low, high, actual, counted in (
            ("turnout", bounds.turnout_lo, bounds.turnout_hi, turnout, held & mask),
            ("share", bounds.shares_lo, bounds.shares_hi, shares, stood & mask[:, None]),
        ):
            said = judge_interval(low[counted], high[counted], actual[counted], alpha)
            rows.append((f"{what}_coverage{percent}", stratum, said.coverage))
            rows.append((f"{what}_width{percent}_pp", stratum, said.width * 100))
            rows.append((f"{what}_interval_score{percent}_pp", stratum, said.interval_score * 100))
            rows.append((f"{what}_crps{percent}_pp", stratum, said.crps * 100))
    return long_table(rows, name, level, outcomes)


@dataclass(frozen=True, slots=True)
class Judged:
    """What intervals were worth: means over the figures, NaN where there are none."""

    coverage: float
    width: float
    interval_score: float
    crps: float


def judge_interval(low: Floats, high: Floats, actual: Floats, alpha: float) -> Judged:
    """Intervals of ``1 − alpha`` from ``low`` to ``high`` set beside what happened, all [N]."""
    if not actual.size:
        return Judged(*[float("nan")] * 4)
    missed = np.maximum(low - actual, 0) + np.maximum(actual - high, 0)
    width = high - low
    middle, sd = (low + high) / 2, np.maximum(width / 2 / norm.ppf(1 - alpha / 2), 1e-6)
    apart = (actual - middle) / sd
    crps = sd * (apart * (2 * norm.cdf(apart) - 1) + 2 * norm.pdf(apart) - 1 / np.sqrt(np.pi))
    return Judged(
        float((missed == 0).mean()),
        float(width.mean()),
        float((width + 2 / alpha * missed).mean()),
        float(crps.mean()),
    )


def fifths(outcomes: Outcomes) -> list[tuple[str, Mask]]:
    """The stations by fifths of size, smallest first; those without electors are in none."""
    held = outcomes.registered > 0
    if not held.any():
        return []
    edges = np.quantile(outcomes.registered[held], [0.2, 0.4, 0.6, 0.8])
    fifth = np.searchsorted(edges, outcomes.registered)
    return [(f"fifth {k + 1}", held & (fifth == k)) for k in range(5)]


def _strata(outcomes: Outcomes) -> list[tuple[str, Mask]]:
    """All stations, then each size class."""
    classes = size_class(outcomes.registered)
    everything = np.ones(len(classes), np.bool_)
    return [("all", everything), *((label, classes == k) for k, label in enumerate(CLASS_NAMES))]


def score(name: str, level: str, forecast: Forecast, outcomes: Outcomes) -> pd.DataFrame:
    """The long scorecard of one forecast: target, model, level, metric, stratum, value."""
    rows = [
        (metric, stratum, value(forecast, outcomes, mask))
        for stratum, mask in _strata(outcomes)
        for metric, value in METRICS
    ]
    return long_table(rows, name, level, outcomes)


def score_areas(name: str, level: str, forecast: Forecast, outcomes: Outcomes, area: Text) -> pd.DataFrame:
    """The same by ``area`` [S], the stratum being ``department <code>``."""
    codes, row = grouped(area)
    actual = outcomes.voters / np.maximum(1, outcomes.registered)
    shares = outcomes.votes / np.maximum(1, outcomes.valid)[:, None]
    valid = np.where(outcomes.shares_known, outcomes.valid, 0)
    rows = []
    for metric, error, weight in (
        (METRICS[0][0], np.abs(forecast.turnout - actual), outcomes.registered),
        (METRICS[1][0], np.abs(forecast.shares - shares).sum(axis=1) / 2, valid),
    ):
        total = np.bincount(row, weight, len(codes))
        value = np.bincount(row, error * weight, len(codes)) / np.where(total > 0, total, np.nan) * 100
        rows += [(metric, f"department {code}", float(v)) for code, v in zip(codes, value, strict=True)]
    return long_table(rows, name, level, outcomes)


def carried_roll(
    name: str, forecast: Forecast, roll: Stations, outcomes: Outcomes, now: Stations
) -> pd.DataFrame:
    """Every metric of a forecast that was made for the stations of an earlier ``roll``, level given.

    Judged at the stations of ``now`` whose code the roll has; ``carried_roll_matched`` is the part of the
    registered electors that these hold.
    """
    at = positions(now.station_id, roll.station_id)
    found = at >= 0
    there = Forecast(forecast.turnout[at], forecast.shares[at], forecast.expected_valid[at])
    rows = [(f"{metric}_carried_roll", "all", value(there, outcomes, found)) for metric, value in METRICS]
    matched = outcomes.registered[found].sum() / max(1, outcomes.registered.sum())
    return long_table([*rows, ("carried_roll_matched", "all", float(matched))], name, "given", outcomes)


METRICS = (("turnout_mae_pp", turnout_error_pp), ("votes_misallocated", votes_misallocated))
"""The metrics by name."""


OF_SHARES = ("votes_misallocated", "share_")
"""How the names of metrics of shares begin."""


def long_table(rows: list[tuple[str, str, float]], name: str, level: str, outcomes: Outcomes) -> pd.DataFrame:
    """Rows of metric, stratum and value as a table, with target, model and level beside them."""
    # Where there are no blocs there is no share: no row says so, rather than a figure of nothing.
    if not outcomes.votes.shape[1]:
        rows = [row for row in rows if not row[0].startswith(OF_SHARES)]
    table = pd.DataFrame(rows, columns=["metric", "stratum", "value"])
    return table.assign(target=outcomes.contest.key, model=name, level=level)


def _mean(values: Floats, weight: NDArray[np.int32]) -> float:
    total = weight.sum()
    return float((values * weight).sum() / total) if total > 0 else float("nan")
