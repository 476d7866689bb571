"""From a forecast per station to tables of published units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isoloir.domain.forecast import FeatureMatrix, Forecast, Scenario
from isoloir.domain.ledger import Notice
from isoloir.domain.lineage import Step
from isoloir.domain.privacy import Reasons
from isoloir.domain.units import Units
from isoloir.features.history import REPAIRED
from isoloir.models.intervals import ALPHAS, Calibration, Parts, band, parts_of

from .columns import BOUNDS

Floats = NDArray[np.float64]
HISTORY = np.array(["exact", "repaired", "commune", "department", "none"])


@dataclass(frozen=True, slots=True)
class Published:
    """All that a release is made of: the target's matrix, the forecast and what it rests on, the units.

    ``why`` [S]: for the audit's counts, why each station is protected under this scenario, which is no reason
    of ``units``: that a station is near-unanimous would be a forecast of it.
    """

    matrix: FeatureMatrix
    forecast: Forecast
    scenario: Scenario
    learnt: Calibration
    units: Units
    grouping: str
    model_version: str
    steps: tuple[Step, ...]
    why: Reasons | None = None

    @property
    def notice(self) -> Notice:
        """The notice of the target."""
        return self.matrix.notice


def scores(s: Published) -> pd.DataFrame:
    """One row per published unit, in order of unit_id, columns as declared in columns.py."""
    rows = np.flatnonzero(s.units.head >= 0)
    heads, unit = np.unique(s.units.head[rows], return_inverse=True)
    count = len(heads)

    def summed(values: NDArray[np.float64] | NDArray[np.int32]) -> Floats:
        return np.bincount(unit, np.asarray(values[rows], np.float64), count).astype(np.float64)

    registered = summed(s.notice.registered)
    voters = summed(s.forecast.turnout * s.notice.registered)
    valid = summed(s.forecast.expected_valid)
    blocs = range(len(s.notice.blocs))
    votes = np.stack([summed(s.forecast.shares[:, b] * s.forecast.expected_valid) for b in blocs], axis=1)
    merged = Forecast(voters / np.maximum(registered, 1), votes / np.maximum(valid, 1e-9)[:, None], valid)
    said, flags = _facts(s, rows, heads, unit), _flags(s, rows, unit)
    said["registered"] = registered.astype(np.int32)
    said["turnout_pred"] = merged.turnout
    said["turnout_deviation_pp"] = (merged.turnout - s.scenario.turnout) * 100
    said["expected_voters"] = voters
    then = reference_shares(s, unit, rows, count)
    said["flags"] = [f"{a}{b}".strip() for a, b in zip(flags, _new(s, merged, then), strict=True)]
    parts = unit_parts(s, unit, rows, count)
    return pd.DataFrame(said | _bounds(s, merged, said["registered"], then, parts))


def unit_parts(s: Published, unit: NDArray[np.intp], rows: NDArray[np.intp], count: int) -> Parts:
    """What the variances of units are made of: the means of their members', weighted by registered."""
    weight = s.notice.registered[rows].astype(np.float64)
    total = np.maximum(np.bincount(unit, weight, count), 1e-9)

    def mean(parts: Floats) -> Floats:
        columns = [np.bincount(unit, parts[rows, p] * weight, count) / total for p in range(parts.shape[1])]
        return np.stack(columns, axis=1)

    every = parts_of(s.matrix)
    return Parts(mean(every.turnout), tuple(mean(one) for one in every.shares))


def _source(s: Published, rows: NDArray[np.intp], unit: NDArray[np.intp]) -> NDArray[np.intp]:
    """The weakest source of the past of a unit's stations [U]."""
    source = np.zeros(int(unit.max(initial=-1)) + 1, np.intp)
    np.maximum.at(source, unit, s.matrix.column("history_source")[rows].astype(np.intp))
    return source


def _flags(s: Published, rows: NDArray[np.intp], unit: NDArray[np.intp]) -> NDArray[np.object_]:
    """What to be careful of [U], each word with a space after it."""
    stand = np.zeros(int(unit.max(initial=-1)) + 1, np.intp)
    np.maximum.at(stand, unit, s.notice.standing.sum(axis=1)[rows])
    around = np.bincount(unit, s.matrix.column("reference_own")[rows] == 0) > 0
    flags = np.where(np.bincount(unit) > 1, "merged ", "").astype(object)
    flags += np.where(stand == 1, "one_bloc_stands ", "") + np.where(around, "swing_from_commune ", "")
    return np.asarray(flags + np.where(_source(s, rows, unit) > REPAIRED, "no_own_history ", ""))


def _new(s: Published, merged: Forecast, then: Floats) -> NDArray[np.object_]:
    """Why a swing is missing though the bloc stands [U], each word with a space after it.

    ``new_<bloc>``: it did not stand at the reference contest. ``no_reference``: no share is known there.
    """
    stands, stood = merged.shares > 0, s.matrix.reference.shares > 0
    missing = stands & np.isnan(then)
    # Where nobody had a vote in the whole nation then, it is the bloc that is new, not the place.
    none = (missing == stands).all(axis=1) & (missing & stood).any(axis=1)
    out = np.where(none, "no_reference ", "").astype(object)
    for b, bloc in enumerate(s.notice.blocs):
        out += np.where(missing[:, b] & ~none, f"new_{bloc} ", "")
    return np.asarray(out)


def _facts(
    s: Published, rows: NDArray[np.intp], heads: NDArray[np.intp], unit: NDArray[np.intp]
) -> dict[str, object]:
    stations = s.notice.stations
    members = np.bincount(unit)

    def one(codes: NDArray[np.str_]) -> NDArray[np.object_]:
        """The code of the unit's members, None where they differ or it is unknown."""
        differs = np.bincount(unit, codes[rows] != codes[heads][unit]) > 0
        shown = codes[heads].astype(object)
        shown[differs | (codes[heads] == "")] = None
        return shown

    source = _source(s, rows, unit)
    return {
        "unit_id": stations.station_id[heads],
        "unit_level": np.where(members > 1, "merged", "station"),
        "n_members": members.astype(np.int32),
        "territory": s.notice.contest.territory,
        "target": s.notice.contest.key,
        "department_code": stations.department_code[heads],
        "commune_code": one(stations.commune_code),
        "constituency_code": one(stations.constituency_code),
        "scenario": s.scenario.name,
        "level": s.scenario.level,
        "grouping": s.grouping,
        "reference_contest": s.matrix.reference.contest,
        "history": HISTORY[source],
        "model_version": s.model_version,
    }


def reference_shares(s: Published, unit: NDArray[np.intp], rows: NDArray[np.intp], count: int) -> Floats:
    """Each bloc's share at the reference contest [U × B] where it stood in all of the unit, else NaN.

    The mean of the members' shares, weighted by registered. Their shares then are public: were they weighted
    by forecast votes, the mean would tell the forecast of each.
    """
    share = s.matrix.per_bloc("reference_share")
    stood = ~np.isnan(share)
    weight = s.notice.registered[rows].astype(np.float64)
    total = np.maximum(np.bincount(unit, weight, count), 1e-9)
    out = np.full((count, share.shape[1]), np.nan)
    for b in range(share.shape[1]):
        missing = np.bincount(unit, ~stood[rows, b], count) > 0
        mean = np.bincount(unit, np.nan_to_num(share[rows, b]) * weight, count) / total
        out[:, b] = np.where(missing, np.nan, mean)
    return out


def _bounds(
    s: Published, merged: Forecast, registered: object, then: Floats, parts: Parts
) -> dict[str, Floats]:
    out = {}
    counts = np.asarray(registered, dtype=np.int32)
    bands = {alpha: band(merged, counts, parts, s.learnt, alpha, s.scenario) for alpha in ALPHAS}
    for end, alpha, side in BOUNDS:
        out[f"turnout_{end}"] = bands[alpha].turnout_lo if side == "lower" else bands[alpha].turnout_hi
    for b, bloc in enumerate(s.notice.blocs):
        out[f"share_{bloc}_pred"] = merged.shares[:, b]
        out[f"swing_{bloc}_pp"] = (merged.shares[:, b] - then[:, b]) * 100
        for end, alpha, side in BOUNDS:
            both = bands[alpha].shares_lo if side == "lower" else bands[alpha].shares_hi
            out[f"share_{bloc}_{end}"] = both[:, b]
            out[f"swing_{bloc}_{end}_pp"] = (both[:, b] - then[:, b]) * 100
    return out


def unit_table(s: Published) -> pd.DataFrame:
    """Every station of the roll, and the unit that it is published in."""
    ids = s.notice.stations.station_id
    named = ids[np.maximum(s.units.head, 0)].astype(object)
    named[s.units.head < 0] = None
    return pd.DataFrame(
        {"station_id": ids, "unit_id": named, "status": s.units.status, "reason": s.units.reason}
    )
