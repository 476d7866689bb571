"""Areas as sums of whole published units: nation, departments, and the communes that are a union of units."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isoloir.domain.forecast import Forecast
from isoloir.models.intervals import ALPHAS, Calibration, band

from .columns import BOUNDS
from .scores import Published

Floats = NDArray[np.float64]
ENDS = tuple(end for end, _, _ in BOUNDS)


def aggregates(s: Published, table: pd.DataFrame) -> pd.DataFrame:
    """The long table of areas, from the units of ``table``; shares are divided last, by expected valid votes.

    A commune of which any station is withheld, or in a unit with stations of another, is left out. Bounds are
    of areas of that size at earlier contests, the nation's figures given; the nation itself has none.
    """
    department, commune = (table[f"{level}_code"].to_numpy() for level in ("department", "commune"))
    whole = np.isin(commune.astype(str), whole_communes(s))
    everything = np.ones(len(table), np.bool_)
    nowhere = np.full(len(table), "", dtype=object)
    parts = [
        _level("nation", nowhere, everything, s, table, None),
        _level("department", department, everything, s, table, s.widths.department),
        _level("commune", commune, whole, s, table, s.widths.commune),
    ]
    return pd.concat(parts, ignore_index=True)


def whole_communes(s: Published) -> NDArray[np.str_]:
    """The communes all of whose stations are in units of that commune alone."""
    own, head = s.notice.stations.commune_code, s.units.head
    astray = (head < 0) | (own != own[np.maximum(head, 0)])
    # A unit that took in a stranger is no part of its own commune either.
    mixed = np.isin(head, head[astray & (head >= 0)])
    return np.setdiff1d(own, own[astray | mixed])


def _level(
    level: str,
    codes: NDArray[np.object_],
    rows: NDArray[np.bool_],
    s: Published,
    table: pd.DataFrame,
    widths: Calibration | None,
) -> pd.DataFrame:
    used = table[rows]
    area, row = np.unique(codes[rows].astype(str), return_inverse=True)
    blocs = s.notice.blocs

    def summed(values: Floats) -> Floats:
        return np.bincount(row, values, len(area)).astype(np.float64)

    registered = summed(used["registered"].to_numpy(np.float64))
    voters = summed(used["expected_voters"].to_numpy(np.float64))
    weight = used["expected_voters"].to_numpy(np.float64)
    votes = np.stack([summed(used[f"share_{b}_pred"].to_numpy() * weight) for b in blocs], axis=1)
    total = np.maximum(votes.sum(axis=1, keepdims=True), 1e-9)
    forecast = Forecast(voters / np.maximum(registered, 1), votes / total, voters * s.scenario.valid_rate)
    bounds = _bounds(forecast, registered, widths)
    rate = forecast.turnout
    parts = [
        _rows(level, area, "registered", None, registered, {}),
        _rows(
            level, area, "expected_voters", None, voters, {e: b[0] * registered for e, b in bounds.items()}
        ),
        _rows(level, area, "turnout", None, rate, {e: b[0] for e, b in bounds.items()}),
    ]
    parts += [
        _rows(level, area, "share", bloc, forecast.shares[:, i], {e: b[1][:, i] for e, b in bounds.items()})
        for i, bloc in enumerate(blocs)
    ]
    return pd.concat(parts, ignore_index=True)


def _bounds(
    forecast: Forecast, registered: Floats, widths: Calibration | None
) -> dict[str, tuple[Floats, Floats]]:
    """Turnout [A] and shares [A × B] at each end of the intervals; none where there are no widths."""
    if widths is None:
        return {}
    bands = {alpha: band(forecast, registered.astype(np.int32), widths, alpha) for alpha in ALPHAS}
    return {
        end: (bands[alpha].turnout_lo, bands[alpha].shares_lo)
        if side == "lower"
        else (bands[alpha].turnout_hi, bands[alpha].shares_hi)
        for end, alpha, side in BOUNDS
    }


def _rows(
    level: str,
    area: NDArray[np.str_],
    quantity: str,
    bloc: str | None,
    value: Floats,
    bounds: dict[str, Floats],
) -> pd.DataFrame:
    said = {"area_level": level, "area_id": area, "quantity": quantity, "bloc": bloc, "value": value}
    missing = np.full(len(area), np.nan)
    return pd.DataFrame(said | {end: bounds.get(end, missing) for end in ENDS})
