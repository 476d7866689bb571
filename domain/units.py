"""The published units: each station stands alone, is merged with others, or is withheld.

A station that may not stand alone joins a sibling of its commune, and of its constituency: the next one by
code that may, else the one before. Where it has none the small stations of its commune move as one: together
they become a unit where that is enough, else they join the nearest unit of their constituency, else of their
department; where places are not known, the next one by code. What can't be merged then is withheld, and so is
what is no place to score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from .ledger import Mask
from .privacy import JOINED, NO_OTHER, NO_PLACE, Index, Reasons, is_protected
from .station import Stations, Text, grouped, positions

Floats = NDArray[np.float64]

PUBLISHED, MERGED, WITHHELD = "published", "merged", "withheld"
APART = 1000.0
"""Degrees between areas in the tree of places: no two places are so far from one another."""


@dataclass(frozen=True, slots=True)
class Units:
    """The unit of each station: ``head`` [S] is the row of the station naming its unit, −1 if withheld.

    ``reason`` [S]: why it is protected, that it was joined, or "".
    """

    head: Index
    reason: Reasons

    @property
    def kept(self) -> Mask:
        """Which stations are published, alone or in a unit [S]."""
        return np.asarray(self.head >= 0)

    @property
    def size(self) -> Index:
        """The members of each station's unit [S]; 0 if withheld."""
        count = np.bincount(self.head[self.kept], minlength=len(self.head))
        return np.where(self.kept, count[np.maximum(self.head, 0)], 0)

    @property
    def status(self) -> Reasons:
        """What became of each station [S]."""
        return np.select([~self.kept, self.size > 1], [WITHHELD, MERGED], PUBLISHED)


def partition(
    stations: Stations, reason: Reasons, weight: Floats, no_place: Mask, place: Floats | None = None
) -> Units:
    """Every station in one unit, or withheld; stations must be in order of their ids.

    ``reason`` [S] tells why a station may not stand alone, "" if it may; small ones make a unit where each
    column of ``weight`` [S × K] sums to 1 at least. ``place`` [S × 2]: longitude and latitude, NaN where
    unknown.
    """
    loose = (reason != "") & ~no_place
    head = np.where(loose | no_place, -1, np.arange(len(stations)))
    for level, area in enumerate(_areas(stations)):
        head = _join(head, loose, area, stations, place if level else None)
        head = _together(head, loose, area, weight)
    return _described(head, np.where(no_place, NO_PLACE, reason))


def coarsened(units: Units, stations: Stations, exposed: Mask, place: Floats | None = None) -> Units:
    """Units of whole ``units``: those whose stations are ``exposed`` [S] join others that are not.

    Where a department has no other they become one; the last one there is withheld. No unit is ever split:
    the figures of two releases of one partition differ by whole units of it.
    """
    rows = np.flatnonzero(units.kept)
    heads, unit = np.unique(units.head[rows], return_inverse=True)
    loose, named = exposed[heads], stations.take(heads)
    joined = np.where(loose, -1, np.arange(len(heads)))
    spots = None if place is None else place[heads]
    areas = _areas(named)
    for level, area in enumerate(areas):
        joined = _join(joined, loose, area, named, spots if level else None)
    alone = np.bincount(areas[-1][loose & (joined < 0)], minlength=len(heads)) == 1
    left = loose & (joined < 0) & ~alone[areas[-1]]
    joined = _together(joined, left, areas[-1], np.ones((len(heads), 1)))
    head = np.full(len(stations), -1, dtype=np.intp)
    head[rows] = np.where(joined[unit] >= 0, heads[np.maximum(joined[unit], 0)], -1)
    reason = np.where(units.reason == JOINED, "", units.reason)
    return _described(head, np.where((head < 0) & (reason == ""), NO_OTHER, reason))


def told(units: Units, fixed: Units) -> Units:
    """``units`` with the reasons of the partition that they are made of: those of a scenario are forecasts.

    A station that is joined or withheld for this scenario alone is told as one that was joined, or has no
    other to join.
    """
    reason = np.where(is_protected(fixed.reason), fixed.reason, "")
    return _described(units.head, np.where(~units.kept & (reason == ""), NO_OTHER, reason))


def extended(stations: Stations, known: Text, unit_of: Text, fresh: Units) -> Units:
    """``fresh`` units but for stations that stood in a partition before, which keep the unit they had.

    ``known`` [K] are the stations of before, ``unit_of`` [K] names their unit, "" if withheld. A new station
    that would join another joins the unit that this one is in.
    """
    ids = stations.station_id
    at = positions(ids, known)
    stood = at >= 0
    named = np.where(stood, unit_of[at], "") if len(known) else np.full(len(ids), "")
    _, first, group = np.unique(named, return_index=True, return_inverse=True)
    own = positions(named, ids)
    head = np.where(named == "", -1, np.where(own >= 0, own, first[group]))
    host = np.where(stood[fresh.head], head[fresh.head], fresh.head)
    head = np.where(stood, head, np.where(fresh.kept, host, -1))
    return _described(_settled(head), np.where(fresh.reason == JOINED, "", fresh.reason))


def _settled(head: Index) -> Index:
    """The same units, each named by one of its own: by its first where the one that named it is gone."""
    kept = head >= 0
    _, first, group = np.unique(head[kept], return_index=True, return_inverse=True)
    out = head.copy()
    out[kept] = np.where(head[head[kept]] == head[kept], head[kept], np.flatnonzero(kept)[first][group])
    return out


def _areas(stations: Stations) -> tuple[Index, Index, Index]:
    """Commune within its constituency, constituency and department of each, as numbers; −1 if not known."""
    commune, department = (grouped(c)[1] for c in (stations.commune_code, stations.department_code))
    within = np.char.add(np.char.add(stations.department_code, " "), stations.constituency_code)
    constituency = np.where(stations.constituency_code == "", -1, grouped(within)[1])
    # Who stands differs between constituencies: siblings are of one.
    siblings = np.unique(np.stack([commune, constituency], axis=1), axis=0, return_inverse=True)[1].reshape(
        -1
    )
    return siblings, constituency, department


def _join(head: Index, loose: Mask, area: Index, stations: Stations, place: Floats | None) -> Index:
    """Loose stations without a unit join one of their area: the nearest, the next by code, or that before."""
    chosen = _next(head, area, stations)
    if place is not None:
        near = _nearest(head, loose, area, stations, place)
        chosen = np.where(near >= 0, near, chosen)
    return np.where(loose & (head < 0) & (area >= 0) & (chosen >= 0), chosen, head)


def _next(head: Index, area: Index, stations: Stations) -> Index:
    """For each station the unit of the next one by code in its area that has one, else of the one before."""
    commune, department = _areas(stations)[::2]
    order = np.lexsort((np.arange(len(head)), commune, np.maximum(area, -1), department))
    here, where = head[order], area[order]
    position = np.arange(len(order))
    has = here >= 0
    after = np.minimum.accumulate(np.where(has, position, len(order))[::-1])[::-1]
    before = np.maximum.accumulate(np.where(has, position, -1))
    ok_after = (after < len(order)) & (where[np.minimum(after, len(order) - 1)] == where)
    ok_before = (before >= 0) & (where[np.maximum(before, 0)] == where)
    row = np.where(ok_after, after, np.where(ok_before, before, -1))
    out = np.full(len(head), -1, np.intp)
    out[order] = np.where(row >= 0, here[np.maximum(row, 0)], -1)
    return out


def _nearest(head: Index, loose: Mask, area: Index, stations: Stations, place: Floats) -> Index:
    """The unit in its area whose naming station lies nearest; −1 where no place is known.

    The loose stations of a commune have one place, the mean of theirs, as they move as one.
    """
    out = np.full(len(head), -1, np.intp)
    known = ~np.isnan(place).any(axis=1) & (area >= 0)
    hosts = np.flatnonzero((head == np.arange(len(head))) & known)
    moving = np.flatnonzero(loose & (head < 0) & known)
    if not len(hosts) or not len(moving):
        return out
    group = np.unique(np.stack([_areas(stations)[0], area], axis=1)[moving], axis=0, return_inverse=True)[
        1
    ].reshape(-1)
    sums = np.stack([np.bincount(group, place[moving, i]) for i in range(2)], axis=1)
    middle = (sums / np.bincount(group)[:, None])[group]
    tree = KDTree(_spread(place[hosts], area[hosts]))
    found = hosts[tree.query(_spread(middle, area[moving]))[1]]
    out[moving] = np.where(area[found] == area[moving], found, -1)
    return out


def _spread(place: Floats, area: Index) -> Floats:
    """Places with areas far apart; a degree of longitude is as long as one of latitude."""
    east = place[:, 0] * np.cos(np.radians(place[:, 1]))
    return np.stack([east, place[:, 1], area * APART], axis=1)


def _together(head: Index, loose: Mask, area: Index, weight: Floats) -> Index:
    """Loose stations without a unit become one unit per area, where together they weigh enough."""
    rows = np.flatnonzero(loose & (head < 0) & (area >= 0))
    groups = int(area.max(initial=-1)) + 1
    total = np.stack([np.bincount(area[rows], column, groups) for column in weight[rows].T], axis=1)
    enough: Mask = np.all(total >= 1, axis=1)
    rows = rows[enough[area[rows]]]
    first = np.full(groups, len(head), dtype=np.intp)
    np.minimum.at(first, area[rows], rows)
    out = head.copy()
    out[rows] = first[area[rows]]
    return out


def _described(head: Index, reason: Reasons) -> Units:
    units = Units(head, reason)
    hosts = units.kept & (units.size > 1) & ~is_protected(reason)
    return Units(head, np.where(hosts, JOINED, reason).astype(np.str_))
