"""The disclosure policy on one screen: which stations stand alone, which are merged or withheld.

No unit has fewer than ``min_registered`` electors on the roll or ``min_valid`` expected valid votes. A
station under either floor joins a sibling of its commune: the next one by code that is over the floors, else
the one before. Where a commune has no such station, its small ones join one another, and if that is not
enough the next unit by code in the department. What still can't be merged is withheld, and so is what is no
place to score. The target's own outcome decides nothing here: a backtest protects as a forecast does.

The partition is made with the valid votes that are usual there, which no scenario moves, so that it is the
same for every release of a target and roll; a scenario under which a unit expects too few joins whole units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .ledger import Counts, Mask
from .station import Stations, grouped

Index = NDArray[np.intp]
Floats = NDArray[np.float64]

PUBLISHED, MERGED, WITHHELD = "published", "merged", "withheld"
NO_PLACE = "no place to score"


@dataclass(frozen=True, slots=True)
class Floors:
    """The least that a unit holds: electors on the roll, and expected valid votes."""

    min_registered: int
    min_valid: float


@dataclass(frozen=True, slots=True)
class Units:
    """The unit of each station: ``head`` [S] is the row of the station naming its unit, -1 if withheld.

    ``size`` [S]: members of the unit. ``status`` [S] and ``reason`` [S] tell what became of it.
    """

    head: Index
    size: Index
    status: NDArray[np.str_]
    reason: NDArray[np.str_]


def partition(
    stations: Stations, registered: Counts, expected_valid: Floats, no_place: Mask, floors: Floors
) -> Units:
    """Every station in exactly one unit, or withheld. Stations must be in order of their ids."""
    weight = np.stack([registered / floors.min_registered, expected_valid / floors.min_valid], axis=1)
    small = (weight < 1).any(axis=1) & ~no_place
    _, commune = grouped(stations.commune_code)
    _, department = grouped(stations.department_code)
    order = np.lexsort((np.arange(len(stations)), commune, department))
    head = np.where(small | no_place, -1, np.arange(len(stations)))
    head = _join(head, small, commune, order)
    head = _together(head, small, commune, weight)
    # A commune's small stations move as one, so that no unit is split between two neighbours.
    head = _join(head, small, department, order)
    head = _together(head, small, department, weight)
    return _described(head, small, no_place)


def coarsened(
    units: Units, stations: Stations, registered: Counts, expected_valid: Floats, floors: Floors
) -> Units:
    """Units of whole ``units``: those that are under the floors for these ``expected_valid`` [S] are joined.

    A unit is never split, so that the figures of two releases of one partition differ by whole units of it.
    """
    rows = np.flatnonzero(units.head >= 0)
    heads, unit = np.unique(units.head[rows], return_inverse=True)
    electors = np.bincount(unit, registered[rows], len(heads)).astype(np.int32)
    valid = np.bincount(unit, expected_valid[rows], len(heads)).astype(np.float64)
    nowhere = np.zeros(len(heads), np.bool_)
    joined = partition(stations.take(heads), electors, valid, nowhere, floors).head[unit]
    head = np.full(len(stations), -1, dtype=np.intp)
    head[rows] = np.where(joined >= 0, heads[np.maximum(joined, 0)], -1)
    small = (registered < floors.min_registered) | (expected_valid < floors.min_valid)
    return _described(head, small, units.reason == NO_PLACE)


def _join(head: Index, small: Mask, area: Index, order: Index) -> Index:
    """Small stations without a unit join the next unit by code in their area, else the one before."""
    here, where = head[order], area[order]
    position = np.arange(len(order))
    has = here >= 0
    after = np.minimum.accumulate(np.where(has, position, len(order))[::-1])[::-1]
    before = np.maximum.accumulate(np.where(has, position, -1))
    ok_after = (after < len(order)) & (where[np.minimum(after, len(order) - 1)] == where)
    ok_before = (before >= 0) & (where[np.maximum(before, 0)] == where)
    chosen = np.where(ok_after, after, np.where(ok_before, before, -1))
    joined = np.where(small[order] & ~has & (chosen >= 0), here[np.maximum(chosen, 0)], here)
    out = head.copy()
    out[order] = joined
    return out


def _together(head: Index, small: Mask, area: Index, weight: Floats) -> Index:
    """Small stations without a unit become one unit per area, where together they pass the floors."""
    loose = small & (head < 0)
    groups = int(area.max(initial=-1)) + 1
    total = np.stack([np.bincount(area[loose], weight[loose, i], groups) for i in range(2)], axis=1)
    enough: Mask = np.all(total >= 1, axis=1)
    rows = np.flatnonzero(loose & enough[area])
    first = np.full(groups, len(head), dtype=np.intp)
    np.minimum.at(first, area[rows], rows)
    out = head.copy()
    out[rows] = first[area[rows]]
    return out


def _described(head: Index, small: Mask, no_place: Mask) -> Units:
    size = np.bincount(head[head >= 0], minlength=len(head))
    members = np.where(head >= 0, size[np.maximum(head, 0)], 0)
    status = np.select([head < 0, members > 1], [WITHHELD, MERGED], PUBLISHED)
    reason = np.select(
        [no_place, (head < 0), (members > 1) & small, members > 1],
        [
            NO_PLACE,
            "under the floors, nothing to merge with",
            "under the floors",
            "joined by a small one",
        ],
        "",
    )
    return Units(head, members, status, reason)
