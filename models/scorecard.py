"""How far forecasts were from what happened."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isoloir.domain.forecast import Band, Forecast
from isoloir.domain.ledger import Mask, Outcomes

from .intervals import size_class

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


def coverage(forecast_band: Band, outcomes: Outcomes) -> tuple[float, float]:
    """Part of the stations with registered electors whose turnout is in its band; the mean width in pp."""
    held = outcomes.registered > 0
    actual = outcomes.voters[held] / outcomes.registered[held]
    low, high = forecast_band.turnout_lo[held], forecast_band.turnout_hi[held]
    inside = (low <= actual) & (actual <= high)
    return float(inside.mean()), float((high - low).mean() * 100)


def score(name: str, level: str, forecast: Forecast, outcomes: Outcomes) -> pd.DataFrame:
    """The long scorecard of one forecast: target, model, level, metric, stratum, value."""
    rows = [("all", None)]
    classes = size_class(outcomes.registered)
    rows += [(label, classes == k) for k, label in enumerate(CLASS_NAMES)]
    said = [
        (metric, stratum, value(forecast, outcomes, mask))
        for stratum, mask in rows
        for metric, value in (
            ("turnout_mae_pp", turnout_error_pp),
            ("votes_misallocated", votes_misallocated),
        )
    ]
    table = pd.DataFrame(said, columns=["metric", "stratum", "value"])
    return table.assign(target=outcomes.contest.key, model=name, level=level)


def _mean(values: Floats, weight: NDArray[np.int32]) -> float:
    total = weight.sum()
    return float((values * weight).sum() / total) if total > 0 else float("nan")
