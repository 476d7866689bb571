"""Areas as sums of whole units: nation, departments, constituencies, communes; bounds from joint draws."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isoloir.domain.forecast import Forecast
from isoloir.models.intervals import ALPHAS

from .columns import BOUNDS
from .outlook import Level, Outlook
from .scores import Published

Floats = NDArray[np.float64]


def aggregates(s: Published, table: pd.DataFrame, outlook: Outlook) -> pd.DataFrame:
    """The long table of areas, from the units of ``table``; shares are divided last, by expected valid votes.

    Bounds are those of joint draws: errors that stations of a department or a commune share do not cancel.
    """
    return pd.concat([_level(s, table, level) for level in outlook.levels], ignore_index=True)


def _level(s: Published, table: pd.DataFrame, level: Level) -> pd.DataFrame:
    nowhere = pd.Series("", index=table.index)
    said = nowhere if level.name == "nation" else table[f"{level.name}_code"].fillna("").astype(str)
    rows = np.isin(said.to_numpy(str), level.codes)
    used, row = table[rows], np.searchsorted(level.codes, said[rows].to_numpy(str))
    count, blocs = len(level.codes), s.notice.blocs

    def summed(values: Floats) -> Floats:
        return np.bincount(row, values, count).astype(np.float64)

    registered = summed(used["registered"].to_numpy(np.float64))
    weight = used["expected_voters"].to_numpy(np.float64)
    voters = summed(weight)
    votes = np.stack([summed(used[f"share_{b}_pred"].to_numpy() * weight) for b in blocs], axis=1)
    total = np.maximum(votes.sum(axis=1, keepdims=True), 1e-9)
    forecast = Forecast(voters / np.maximum(registered, 1), votes / total, voters * s.scenario.valid_rate)
    return _rows(level, registered, forecast, blocs)


def _rows(level: Level, registered: Floats, forecast: Forecast, blocs: tuple[str, ...]) -> pd.DataFrame:
    ends = {alpha: level.draws.ends(alpha) for alpha in ALPHAS}

    def of(quantity: str, bloc: str | None, value: Floats, bounds: dict[str, Floats]) -> pd.DataFrame:
        said = {"area_level": level.name, "area_id": level.codes, "quantity": quantity, "bloc": bloc}
        return pd.DataFrame(said | {"value": value} | bounds)

    def bounded(value: Floats, at: int, bloc: int | None, times: Floats) -> dict[str, Floats]:
        """The four ends, which hold the forecast: draws are of what errs about it."""
        out = {}
        for end, alpha, side in BOUNDS:
            found = ends[alpha][at + (side == "upper")]
            found = (found if bloc is None else found[:, bloc]) * times
            out[end] = np.minimum(found, value) if side == "lower" else np.maximum(found, value)
        return out

    missing = {end: np.full(len(registered), np.nan) for end, _, _ in BOUNDS}
    one, turnout = np.ones(len(registered)), forecast.turnout
    voters = turnout * registered
    parts = [
        of("registered", None, registered, missing),
        of("expected_voters", None, voters, bounded(voters, 0, None, registered)),
        of("turnout", None, turnout, bounded(turnout, 0, None, one)),
    ]
    for b, bloc in enumerate(blocs):
        share = forecast.shares[:, b]
        parts.append(of("share", bloc, share, bounded(share, 2, b, one)))
    return pd.concat(parts, ignore_index=True)
