"""How units stand to one another by conjunctural abstention: ranks and tiers, and how sure these are.

    conjunctural = max(0, 1 − turnout − structural)

Structural abstention is what was seen at the best-attended earlier round of the kind; conjunctural is what a
forecast has beyond it. Units are put in order by the difference itself, so that those that have none of it
stand in order too. A rank is one more than the units with strictly more of it; joint draws of turnout, in
which units of an area err together, tell where it may lie.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Rows = NDArray[np.intp]
Ints = NDArray[np.int32]

TIERS = ("A", "B", "C", "D")
"""Quarters of the registered electors, from most conjunctural abstention to least."""

BEYOND = 0.05
"""Part of the draws, at most, that lies beyond each end of a rank."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """Ranks of units [U] in their area, 1 for most conjunctural abstention, and their ends; 0: no rank."""

    rank: Ints
    low: Ints
    high: Ints


@dataclass(frozen=True, slots=True)
class Tiers:
    """The tier of units [U] as a row of :data:`TIERS`, −1 for none; ``confidence`` [U], NaN for none."""

    tier: NDArray[np.int8]
    confidence: Floats


def conjunctural(turnout: Floats, structural: Floats) -> Floats:
    """Forecast abstention beyond the structural part, in [0, 1]; NaN where that is unknown."""
    return np.asarray(np.maximum(0.0, 1 - turnout - structural))


def ranked(turnout: Floats, drawn: Singles, structural: Floats, area: Rows) -> Ranks:
    """Ranks within each ``area`` [U], −1 for none, by the forecast ``turnout`` [U] and in each draw [N × U].

    Beyond each end lies :data:`BEYOND` of the draws; between them, the rank. None where the structural part
    is unknown.
    """
    rows = np.flatnonzero(~np.isnan(structural) & (area >= 0))
    said = Ranks(*(np.zeros(len(turnout), np.int32) for _ in range(3)))
    if not len(rows):
        return said
    areas, group = np.unique(area[rows], return_inverse=True)
    group = group.astype(np.min_scalar_type(len(areas)))
    rank = _places(1 - turnout[rows] - structural[rows], group)
    floor, ranks = structural[rows].astype(np.float32), np.empty((len(drawn), len(rows)), np.int32)
    for way, out in zip(drawn, ranks, strict=True):
        out[:] = _places(1 - way[rows] - floor, group)
    low, high = _ends(ranks)
    said.rank[rows], said.low[rows], said.high[rows] = rank, np.minimum(low, rank), np.maximum(high, rank)
    return said


def tiered(turnout: Floats, drawn: Singles, structural: Floats, registered: Ints) -> Tiers:
    """The tier of each unit, and the part of the draws that has it there: tiers are made anew in each.

    A unit is in the quarter in which the middle one of its electors is.
    """
    rows = np.flatnonzero(~np.isnan(structural))
    tier, confidence = np.full(len(turnout), -1, np.int8), np.full(len(turnout), np.nan)
    if not len(rows):
        return Tiers(tier, confidence)
    electors = registered[rows].astype(np.float64)
    tier[rows] = here = _quarters(1 - turnout[rows] - structural[rows], electors)
    floor, found = structural[rows].astype(np.float32), np.zeros(len(rows), np.int32)
    for way in drawn:
        found += _quarters(1 - way[rows] - floor, electors) == here
    confidence[rows] = found / max(1, len(drawn))
    return Tiers(tier, confidence)


def _places(index: Floats | Singles, group: NDArray[np.integer]) -> Ints:
    """One more than the number of strictly larger ``index`` [K] in the same group."""
    order = np.argsort(-index)
    # A stable sort of small whole numbers is done by counting: far faster than sorting by two keys.
    order = order[np.argsort(group[order], kind="stable")]
    sorted_group, sorted_index = group[order], index[order]
    place = np.arange(len(order), dtype=np.int32)
    starts = np.ones(len(order), np.bool_)
    starts[1:] = sorted_group[1:] != sorted_group[:-1]
    differs = starts.copy()
    differs[1:] |= sorted_index[1:] != sorted_index[:-1]
    first = np.maximum.accumulate(np.where(differs, place, 0))
    out = np.empty(len(order), np.int32)
    out[order] = first - np.maximum.accumulate(np.where(starts, place, 0)) + 1
    return out


def _ends(ranks: Ints) -> tuple[Ints, Ints]:
    """The ends [K] of drawn ranks [N × K], which are put in another order."""
    last = len(ranks) - 1
    low = int(BEYOND * last)
    ranks.partition([low, last - low], axis=0)
    return ranks[low].copy(), ranks[last - low].copy()


def _quarters(index: Floats | Singles, electors: Floats) -> NDArray[np.int8]:
    """The quarter of the electors [K], 0 to 3, in order of ``index``, the largest first."""
    order = np.argsort(-index, kind="stable")
    behind = np.cumsum(electors[order])
    middle = behind - electors[order] / 2
    out = np.empty(len(order), np.int8)
    out[order] = np.minimum(3, 4 * middle / max(behind[-1], 1e-9))
    return out
