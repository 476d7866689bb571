"""What a forecast means beside the unit's own past and beside other units: abstention, ranks, reserves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isoloir.models.profile import KINDS, kinds
from isoloir.models.standing import TIERS, Ranks, conjunctural, ranked, tiered

from .outlook import Outlook
from .scores import Published, reference_shares

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Members:
    """The stations that are published: their ``rows`` [M], the ``unit`` of each [M], ``count`` of units."""

    rows: Rows
    unit: Rows
    count: int

    def summed(self, values: Floats | NDArray[np.bool_]) -> Floats:
        """Sums [U] of ``values`` of all stations [S]."""
        return np.bincount(self.unit, values[self.rows], self.count).astype(np.float64)

    def mean(self, values: Floats, weight: Floats) -> Floats:
        """Weighted means [U] of ``values`` [S]; NaN where that of any member with weight is."""
        missing = self.summed(np.isnan(values) & (weight > 0)) > 0
        total = self.summed(np.nan_to_num(values) * weight) / np.maximum(self.summed(weight), 1e-9)
        return np.where(missing | (self.summed(weight) <= 0), np.nan, total)


def with_standing(s: Published, table: pd.DataFrame, ahead: Outlook) -> pd.DataFrame:
    """The ``table`` of scores with the columns that tell how its units stand; same rows."""
    members = members_of(s)
    electors = s.notice.registered.astype(np.float64)
    structural = members.mean(s.matrix.column("abstention_structural"), electors)
    beyond = conjunctural(table["turnout_pred"].to_numpy(), structural)
    votes = beyond * table["registered"].to_numpy() * s.scenario.valid_rate
    said = table.assign(
        abstention_structural_share=structural,
        abstention_conjunctural_share=beyond,
        volatility_share=members.mean(s.matrix.column("volatility_share"), electors),
        profile=KINDS[commonest(kinds(s.matrix), electors, members)],
    )
    return pd.concat([said, places(table, ahead, structural), reserves(s, table, members, votes)], axis=1)


def members_of(s: Published) -> Members:
    """The members of the units, in order of unit_id."""
    rows = np.flatnonzero(s.units.head >= 0)
    heads, unit = np.unique(s.units.head[rows], return_inverse=True)
    return Members(rows, unit, len(heads))


def commonest(kind: Rows, weight: Floats, members: Members) -> Rows:
    """The kind [U] of most of a unit's electors; the first of KINDS where two have as many."""
    found = np.bincount(
        members.unit * len(KINDS) + kind[members.rows], weight[members.rows], members.count * len(KINDS)
    )
    return np.asarray(found.reshape(members.count, -1).argmax(axis=1))


def reserves(s: Published, table: pd.DataFrame, members: Members, votes: Floats) -> pd.DataFrame:
    """What each bloc could find among the conjunctural abstainers' ``votes`` [U], and least and most of it.

    By three assumptions on how they would split: ``as_here``, as the unit's forecast shares; ``as_nation``,
    as the scenario's national shares over the blocs that stand; ``as_before``, as the unit's shares at the
    reference contest, the votes of blocs that are gone being nobody's. One that is unknown is not counted.
    """
    standing = s.notice.standing.T.astype(np.float64)
    stands = np.stack([members.summed(column) > 0 for column in standing], axis=1)
    here = table[[f"share_{b}_pred" for b in s.notice.blocs]].to_numpy()
    before = reference_shares(s, members.unit, members.rows, members.count)
    ways = np.stack([here, as_nation(s, members), before])
    # Where nobody is known to stand, everybody is taken to.
    stands |= here > 0
    low, high = (np.where(stands, ends.reduce(ways), 0.0) for ends in (np.fmin, np.fmax))
    out = {}
    for b, bloc in enumerate(s.notice.blocs):
        out[f"reserve_{bloc}_votes"] = votes * here[:, b]
        out[f"reserve_{bloc}_low_votes"] = votes * low[:, b]
        out[f"reserve_{bloc}_high_votes"] = votes * high[:, b]
    return pd.DataFrame(out, index=table.index)


def as_nation(s: Published, members: Members) -> Floats:
    """The scenario's shares over the blocs that stand [U × B], NaN where it gives none of them a vote."""
    open_to = np.where(s.notice.standing, s.scenario.shares, 0.0)
    total = open_to.sum(axis=1)
    weight = np.where(total > 0, s.notice.registered, 0).astype(np.float64)
    split = open_to / np.maximum(total, 1e-300)[:, None]
    return np.stack([members.mean(column, weight) for column in split.T], axis=1)


def places(table: pd.DataFrame, ahead: Outlook, structural: Floats) -> pd.DataFrame:
    """Ranks within both areas, tier and its confidence."""
    turnout, registered = table["turnout_pred"].to_numpy(), table["registered"].to_numpy(np.int32)
    parts = []
    for area in ("department", "constituency"):
        row = pd.factorize(table[f"{area}_code"])[0].astype(np.intp)
        parts.append(_ranks(f"rank_{area}", ranked(turnout, ahead.units, structural, row)))
    tiers = tiered(turnout, ahead.units, structural, registered)
    named = np.array([*TIERS, None], object)[tiers.tier]
    parts.append(pd.DataFrame({"tier": named, "tier_confidence": tiers.confidence}))
    return pd.concat(parts, axis=1).set_axis(table.index)


def _ranks(name: str, ranks: Ranks) -> pd.DataFrame:
    none = ranks.rank == 0
    parts = {"": ranks.rank, "_lo90": ranks.low, "_hi90": ranks.high}
    return pd.DataFrame({f"{name}{end}": pd.arrays.IntegerArray(each, none) for end, each in parts.items()})
