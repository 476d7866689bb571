"""How far forecasts were from what happened."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isoloir.domain.forecast import Band, Forecast
from isoloir.domain.ledger import Mask, Outcomes
from isoloir.domain.station import Stations, Text, grouped, positions

from .intervals import contested, size_class

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
    return _long(rows, "noise_floor", "given", outcomes)


def coverage(name: str, level: str, alpha: float, bounds: Band, outcomes: Outcomes) -> pd.DataFrame:
    """Part of the stations whose figure is in its band, and the mean width in pp: long, as :func:`score`.

    Turnout where anybody is registered; shares where they are known, over the blocs that stood, not alone.
    """
    percent = f"{1 - alpha:.0%}".rstrip("%")
    held, known = outcomes.registered > 0, outcomes.shares_known & (outcomes.valid > 0)
    turnout = outcomes.voters / np.maximum(1, outcomes.registered)
    shares = outcomes.votes / np.maximum(1, outcomes.valid)[:, None]
    stood = contested(outcomes.standing) & known[:, None]
    rows = []
    for stratum, mask in _strata(outcomes):
        for what, low, high, actual, counted in (
            ("turnout", bounds.turnout_lo, bounds.turnout_hi, turnout, held & mask),
            ("share", bounds.shares_lo, bounds.shares_hi, shares, stood & mask[:, None]),
        ):
            inside = ((low <= actual) & (actual <= high))[counted]
            part = float(inside.mean()) if inside.size else float("nan")
            width = float((high - low)[counted].mean() * 100) if inside.size else float("nan")
            rows.append((f"{what}_coverage{percent}", stratum, part))
            rows.append((f"{what}_width{percent}_pp", stratum, width))
    return _long(rows, name, level, outcomes)


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
    return _long(rows, name, level, outcomes)


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
    return _long(rows, name, level, outcomes)


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
    return _long([*rows, ("carried_roll_matched", "all", float(matched))], name, "given", outcomes)


METRICS = (("turnout_mae_pp", turnout_error_pp), ("votes_misallocated", votes_misallocated))
"""The metrics by name."""


OF_SHARES = ("votes_misallocated", "share_")
"""How the names of metrics of shares begin."""


def _long(rows: list[tuple[str, str, float]], name: str, level: str, outcomes: Outcomes) -> pd.DataFrame:
    # Where there are no blocs there is no share: no row says so, rather than a figure of nothing.
    if not outcomes.votes.shape[1]:
        rows = [row for row in rows if not row[0].startswith(OF_SHARES)]
    table = pd.DataFrame(rows, columns=["metric", "stratum", "value"])
    return table.assign(target=outcomes.contest.key, model=name, level=level)


def _mean(values: Floats, weight: NDArray[np.int32]) -> float:
    total = weight.sum()
    return float((values * weight).sum() / total) if total > 0 else float("nan")
