"""The panel: earlier contests as dense arrays of counts at the geography of the target's stations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .election import Contest
from .ledger import Counts, Mask, Notice, Past, Record
from .lineage import Link, lineage, roll_of
from .members import Members
from .station import Stations, Text, grouped, positions


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of counts over areas: ``registered, voters, valid`` [G × C], ``votes, valid_where`` [G × C × B].

    ``valid_where`` sums the valid votes of the stations where the bloc stood and shares are known: the
    electors that a bloc's share covers. All stations of a contest count, also those that the target
    no longer has.
    """

    codes: Text
    registered: NDArray[np.int64]
    voters: NDArray[np.int64]
    valid: NDArray[np.int64]
    votes: NDArray[np.int64]
    valid_where: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Traced:
    """Counts of C earlier contests brought to S stations; 0 where nothing is known: always mask.

    ``confidence`` [S × C] is the probability that these are the station's own electors; ``exact`` [S × C]:
    all of it came by equal codes. Counts of a station that was split are divided by registered electors, and
    rounded. A bloc stood where it stood in any of the stations that came together; shares are known where
    they are in all of these.
    """

    confidence: NDArray[np.float64]
    exact: Mask
    registered: Counts
    voters: Counts
    valid: Counts
    votes: Counts
    standing: Mask
    shares_known: Mask

    @property
    def known(self) -> Mask:
        """Where a station has a past with electors in it [S × C]."""
        return np.asarray(self.registered > 0)


@dataclass(frozen=True, slots=True)
class Coarse:
    """Turnout of D contests of which only communes are known: counts at the panel's communes [G × D].

    0 where a commune is not among them. ``nation`` [D] is the turnout of all that are.
    """

    contests: tuple[Contest, ...]
    registered: NDArray[np.int64]
    voters: NDArray[np.int64]
    nation: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Panel:
    """C earlier contests at the S stations of a notice, contests in order of day.

    ``by_code``: stations joined by equal codes, whoever is behind them; ``followed``: by succession.
    ``coarse``: contests known by commune only. ``commune_row, department_row`` [S] point into the totals
    ``communes`` and ``departments``, ``commune_department`` [G] from the ones into the others. Where the
    notice's rows are units, S are these, and a unit lies where the station does that names it.
    """

    stations: Stations
    contests: tuple[Contest, ...]
    blocs: tuple[str, ...]
    by_code: Traced
    followed: Traced
    coarse: Coarse
    communes: Totals
    departments: Totals
    nation: Totals
    commune_row: NDArray[np.intp]
    department_row: NDArray[np.intp]
    commune_department: NDArray[np.intp]

    def position(self, contest: Contest) -> int:
        """The column of ``contest``; -1 where the past does not hold it."""
        return next((i for i, c in enumerate(self.contests) if c.key == contest.key), -1)


def build_panel(past: Past, notice: Notice) -> Panel:
    """Bring every record of ``past`` to the stations of ``notice``, or its units: by code, by succession."""
    stations, members = roll_of(notice).stations, notice.members
    commune_codes, commune_row = grouped(stations.commune_code)
    department_codes, department_row = grouped(stations.department_code)
    commune_department = np.zeros(len(commune_codes), np.intp)
    commune_department[commune_row] = department_row
    rows = np.arange(len(stations)) if members is None else members.head
    shape = (len(rows), len(past.blocs))
    return Panel(
        stations=notice.stations,
        contests=past.contests,
        blocs=past.blocs,
        by_code=_stacked([_united(_by_code(r, stations), members) for r in past.records], shape),
        followed=_stacked(
            [_handed_on(link, r) for link, r in zip(lineage(past, notice), past.records, strict=True)], shape
        ),
        coarse=_coarse(past, commune_codes),
        communes=_totals(past, commune_codes, "commune_code"),
        departments=_totals(past, department_codes, "department_code"),
        nation=_totals(past, np.array([""]), None),
        commune_row=commune_row[rows],
        department_row=department_row[rows],
        commune_department=commune_department,
    )


def _by_code(record: Record, stations: Stations) -> Traced:
    """One record's columns at stations of equal codes, without the axis of contests."""
    found = positions(stations.station_id, record.stations.station_id)
    has = found >= 0

    def at(counts: Counts) -> Counts:
        return np.where(has, counts[found], 0).astype(np.int32)

    return Traced(
        confidence=has.astype(np.float64),
        exact=has,
        registered=at(record.registered),
        voters=at(record.voters),
        valid=at(record.valid),
        votes=np.where(has[:, None], record.votes[found], 0).astype(np.int32),
        standing=record.standing[found] & has[:, None],
        shares_known=record.shares_known[found] & has,
    )


def _united(traced: Traced, members: Members | None) -> Traced:
    """One record's columns at units, the counts of their members summed."""
    if members is None:
        return traced
    found = members.summed(traced.confidence)
    return Traced(
        confidence=found / members.count,
        exact=members.any(traced.exact),
        registered=members.summed(traced.registered),
        voters=members.summed(traced.voters),
        valid=members.summed(traced.valid),
        votes=members.summed(traced.votes),
        standing=members.any(traced.standing),
        shares_known=(found > 0) & ~members.any(traced.exact & ~traced.shares_known),
    )


def _coarse(past: Past, codes: Text) -> Coarse:
    shape = (len(codes), len(past.communes))
    registered, voters = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for i, record in enumerate(past.communes):
        at = positions(codes, record.commune_code)
        registered[:, i] = np.where(at >= 0, record.registered[at], 0)
        voters[:, i] = np.where(at >= 0, record.voters[at], 0)
    nation = [r.voters.sum() / max(1, r.registered.sum()) for r in past.communes]
    return Coarse(tuple(r.contest for r in past.communes), registered, voters, np.array(nation, np.float64))


def _stacked(pieces: list[Traced], shape: tuple[int, int]) -> Traced:
    """The columns of all contests [S × C (× B)]; ``shape`` is [S × B], for where there are none."""
    if not pieces:
        flat, deep = (shape[0], 0), (shape[0], 0, shape[1])
        counts, masks = np.zeros(flat, np.int32), np.zeros(flat, np.bool_)
        votes, standing = np.zeros(deep, np.int32), np.zeros(deep, np.bool_)
        return Traced(np.zeros(flat), masks, counts, counts, counts, votes, standing, masks)
    return Traced(
        confidence=np.stack([p.confidence for p in pieces], axis=1),
        exact=np.stack([p.exact for p in pieces], axis=1),
        registered=np.stack([p.registered for p in pieces], axis=1),
        voters=np.stack([p.voters for p in pieces], axis=1),
        valid=np.stack([p.valid for p in pieces], axis=1),
        votes=np.stack([p.votes for p in pieces], axis=1),
        standing=np.stack([p.standing for p in pieces], axis=1),
        shares_known=np.stack([p.shares_known for p in pieces], axis=1),
    )


def _handed_on(link: Link, record: Record) -> Traced:
    """One record's columns at the notice's stations, without the axis of contests."""

    def at(counts: Counts) -> Counts:
        return np.asarray(np.rint(link.weight @ counts.astype(np.float64)), dtype=np.int32)

    registered = record.registered.astype(np.float64)
    carried = np.maximum(1e-9, link.weight @ registered)
    comes_from = link.weight.astype(np.bool_).astype(np.float64)
    unknown = comes_from @ (~record.shares_known).astype(np.float64)
    return Traced(
        confidence=np.clip((link.sure @ registered) / carried, 0.0, 1.0),
        exact=(link.exact @ registered) >= 0.999 * carried,
        registered=at(record.registered),
        voters=at(record.voters),
        valid=at(record.valid),
        votes=at(record.votes),
        standing=comes_from @ record.standing.astype(np.float64) > 0,
        shares_known=(unknown == 0) & (comes_from.sum(axis=1) > 0),
    )


def _totals(past: Past, codes: Text, level: str | None) -> Totals:
    """Sums over the areas ``codes`` of every record; an area without stations in a contest sums to 0."""
    groups, contests, blocs = len(codes), len(past.records), len(past.blocs)
    flat = {name: np.zeros((groups, contests), np.int64) for name in ("registered", "voters", "valid")}
    votes = np.zeros((groups, contests, blocs), np.int64)
    valid_where = np.zeros_like(votes)
    for i, record in enumerate(past.records):
        if level is None:
            area = np.zeros(len(record.stations), np.intp)
        else:
            area = positions(getattr(record.stations, level), codes)
        inside = area >= 0
        for name, sums in flat.items():
            sums[:, i] = _sum_by(area[inside], getattr(record, name)[inside], groups)
        for b in range(blocs):
            votes[:, i, b] = _sum_by(
                area[inside], np.where(record.shares_known, record.votes[:, b], 0)[inside], groups
            )
            covered = record.standing[:, b] & record.shares_known
            valid_where[:, i, b] = _sum_by(area[inside], np.where(covered, record.valid, 0)[inside], groups)
    return Totals(codes, flat["registered"], flat["voters"], flat["valid"], votes, valid_where)


def _sum_by(area: NDArray[np.intp], counts: NDArray[np.int32], groups: int) -> NDArray[np.int64]:
    return np.bincount(area, weights=counts, minlength=groups).astype(np.int64)
