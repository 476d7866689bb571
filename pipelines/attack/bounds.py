"""Between which numbers a station's forecast must lie, given sums over sets of stations: a linear program.

For stations s with r_s electors, voters x_s and votes v_sb of bloc b::

    0 ≤ x_s ≤ r_s,   v_sb ≥ 0,   Σ_b v_sb = valid_rate · x_s,
    Σ_{s in e} x_s = X_e   and   Σ_{s in e} v_sb = V_eb   for every published sum e.

Each quantity is minimised and maximised by HiGHS. Sums that share no station are independent, so that one
program serves one station of every connected part at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from isoloir.domain.errors import IsoloirError

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Sums:
    """Published sums: ``member`` [E × S] is 1 for the stations of each.

    NaN in ``voters`` [E] or ``votes`` [E × B] is not known.
    """

    member: sparse.csr_array
    voters: Floats
    votes: Floats

    def rows(self, chosen: Index) -> Sums:
        """Some of the sums."""
        return Sums(self.member[chosen], self.voters[chosen], self.votes[chosen])

    def joined(self, other: Sums) -> Sums:
        """The sums of both."""
        return Sums(
            sparse.csr_array(sparse.vstack([self.member, other.member])),
            np.concatenate([self.voters, other.voters]),
            np.concatenate([self.votes, other.votes]),
        )


@dataclass(frozen=True, slots=True)
class Intervals:
    """Lower and upper bound of ``station`` [P]: column 0 voters, then each bloc's votes [P × (1 + B)].

    ``contradicted`` [P]: no forecast at all meets the sums that the station is in; its bounds are NaN.
    """

    station: Index
    lo: Floats
    hi: Floats

    @property
    def contradicted(self) -> Mask:
        """Which stations have sums that contradict one another [P]."""
        return np.isnan(self.lo[:, 0])


def intervals(sums: Sums, registered: Floats, valid_rate: float, wanted: Mask) -> Intervals:
    """What follows of the stations ``wanted`` [S] from the sums, given who is on the roll of each [S]."""
    part = parts(sums.member)
    station = np.flatnonzero(wanted)
    lo = np.full((len(station), 1 + sums.votes.shape[1]), np.nan)
    hi = lo.copy()
    turn = _turn(part[station])
    for k in range(int(turn.max(initial=-1)) + 1):
        # Where the sums of one part contradict one another the others are looked at without it.
        halves = [np.flatnonzero(turn == k)]
        while halves:
            rows = halves.pop()
            program = _program(sums, registered, valid_rate, part, part[station[rows]])
            at = np.searchsorted(program.station, station[rows])
            if np.isnan(program.end(at, 0, 1.0)).any():
                halves += np.array_split(rows, 2) if len(rows) > 1 else []
                continue
            for quantity in range(lo.shape[1]):
                lo[rows, quantity] = program.end(at, quantity, 1.0)
                hi[rows, quantity] = program.end(at, quantity, -1.0)
    return Intervals(station, lo, hi)


def narrowest(found: Sequence[Intervals]) -> Intervals:
    """What several systems of sums tell of the same stations; one that contradicts itself tells nothing."""
    lo = np.fmax.reduce([one.lo for one in found])
    return Intervals(found[0].station, lo, np.fmin.reduce([one.hi for one in found]))


def parts(member: sparse.csr_array) -> Index:
    """The connected part of each station [S]: stations in one sum are in one part."""
    count, stations = member.shape
    graph = sparse.block_array([[None, member], [member.T, None]], format="csr")
    found = sparse.csgraph.connected_components(graph, directed=False)[1] if count else np.arange(stations)
    return np.asarray(found[count:], dtype=np.intp)


def _turn(part: Index) -> Index:
    """The how-many-th station of its part each one is [P]."""
    order = np.argsort(part, kind="stable")
    ordered = part[order]
    first = np.searchsorted(ordered, ordered)
    out = np.empty(len(part), dtype=np.intp)
    out[order] = np.arange(len(part)) - first
    return out


@dataclass(frozen=True, slots=True)
class Program:
    """The constraints of some parts: variables are voters [n], then the votes of each bloc [n] in turn."""

    station: Index
    equal: sparse.csr_array
    total: Floats
    most: Floats

    def end(self, at: Index, quantity: int, sign: float) -> Floats:
        """The least (``sign`` 1) or most (−1) that a quantity of stations ``at``, one a part, can be."""
        cost = np.zeros(self.equal.shape[1])
        chosen = quantity * len(self.station) + at
        cost[chosen] = sign
        zero = np.zeros(len(self.most))
        found = linprog(
            cost, A_eq=self.equal, b_eq=self.total, bounds=np.stack([zero, self.most], axis=1), method="highs"
        )
        if found.status == 2:
            return np.full(len(at), np.nan)
        if found.status != 0:
            raise IsoloirError(f"the linear program ended without an answer: {found.message}")
        return np.asarray(found.x[chosen])


def _program(sums: Sums, registered: Floats, valid_rate: float, part: Index, wanted: Index) -> Program:
    station = np.flatnonzero(np.isin(part, wanted))
    member = sums.member[:, station]
    rows = np.flatnonzero(np.asarray(member.sum(axis=1)).ravel() > 0)
    member, n, blocs = member[rows], len(station), sums.votes.shape[1]
    size = np.minimum(registered[station], 1e9)
    blocks, totals = [_placed(member, 0, blocs)], [sums.voters[rows]]
    for b in range(blocs):
        blocks.append(_placed(member, 1 + b, blocs))
        totals.append(sums.votes[rows, b])
    eye = sparse.eye_array(n, format="csr")
    blocks.append(sparse.hstack([-valid_rate * eye, *[eye] * blocs], format="csr"))
    totals.append(np.zeros(n))
    equal, total = sparse.csr_array(sparse.vstack(blocks, format="csr")), np.concatenate(totals)
    known = ~np.isnan(total)
    most = np.concatenate([size, *[size * valid_rate] * blocs])
    return Program(station, equal[np.flatnonzero(known)], total[known], most)


def _placed(member: sparse.csr_array, place: int, blocs: int) -> sparse.csr_array:
    """The sums of one quantity as rows over all variables."""
    nothing = sparse.csr_array(member.shape)
    return sparse.csr_array(
        sparse.hstack([member if i == place else nothing for i in range(1 + blocs)], format="csr")
    )
