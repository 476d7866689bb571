"""The panel: earlier contests as dense arrays of counts at the geography of the target's stations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .election import Contest
from .ledger import Counts, Mask, Notice, Past, Record
from .station import Stations, Text, grouped, positions

WITNESS_GAP = 0.2
"""Largest relative gap in registered electors at which a code found again is taken for the same station.

Source: the reference matching on France suspects stations with a gap over 20 %.
"""


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
class Panel:
    """Counts of C earlier contests at the S stations of a notice, contests in order of day.

    ``linked`` [S × C]: the station's code is found in that contest (counts are 0 elsewhere: always mask).
    ``same`` [S × C]: found with registered electors, who agree with those of now within :data:`WITNESS_GAP`.
    ``commune_row, department_row`` [S] point into the totals ``communes`` and ``departments``.
    """

    stations: Stations
    contests: tuple[Contest, ...]
    blocs: tuple[str, ...]
    linked: Mask
    same: Mask
    registered: Counts
    voters: Counts
    valid: Counts
    votes: Counts
    standing: Mask
    shares_known: Mask
    communes: Totals
    departments: Totals
    nation: Totals
    commune_row: NDArray[np.intp]
    department_row: NDArray[np.intp]

    def position(self, contest: Contest) -> int:
        """The column of ``contest``; -1 where the past does not hold it."""
        return next((i for i, c in enumerate(self.contests) if c.key == contest.key), -1)


def build_panel(past: Past, notice: Notice) -> Panel:
    """Carry every record of ``past`` to the stations of ``notice`` by code, registered counts as witness."""
    stations = notice.stations
    found = [positions(stations.station_id, r.stations.station_id) for r in past.records]
    linked = np.stack([f >= 0 for f in found], axis=1) if found else np.zeros((len(stations), 0), np.bool_)
    carried = [_carry(r, f) for r, f in zip(past.records, found, strict=True)]
    registered = _stack([c[0] for c in carried], len(stations))
    now = notice.registered[:, None].astype(np.float64)
    gap = np.abs(registered - now) / np.maximum(1.0, np.maximum(registered, now))
    commune_codes, commune_row = grouped(stations.commune_code)
    department_codes, department_row = grouped(stations.department_code)
    shape = (len(stations), len(past.records), len(past.blocs))
    return Panel(
        stations=stations,
        contests=past.contests,
        blocs=past.blocs,
        linked=linked,
        same=linked & (gap <= WITNESS_GAP) & (registered > 0),
        registered=registered,
        voters=_stack([c[1] for c in carried], len(stations)),
        valid=_stack([c[2] for c in carried], len(stations)),
        votes=np.stack([c[3] for c in carried], axis=1) if carried else np.zeros(shape, np.int32),
        standing=np.stack([c[4] for c in carried], axis=1) if carried else np.zeros(shape, np.bool_),
        shares_known=np.stack([c[5] for c in carried], axis=1) if carried else np.zeros(shape[:2], np.bool_),
        communes=_totals(past, commune_codes, "commune_code"),
        departments=_totals(past, department_codes, "department_code"),
        nation=_totals(past, np.array([""]), None),
        commune_row=commune_row,
        department_row=department_row,
    )


def _stack(columns: list[Counts], length: int) -> Counts:
    return np.stack(columns, axis=1) if columns else np.zeros((length, 0), np.int32)


def _carry(record: Record, found: NDArray[np.intp]) -> tuple[Counts, Counts, Counts, Counts, Mask, Mask]:
    """The record's columns at the target's stations; 0 and False where the code is not found."""
    has = found >= 0

    def at(counts: Counts) -> Counts:
        return np.where(has, counts[found], 0).astype(np.int32)

    votes = np.where(has[:, None], record.votes[found], 0).astype(np.int32)
    standing, shares_known = record.standing[found] & has[:, None], record.shares_known[found] & has
    return at(record.registered), at(record.voters), at(record.valid), votes, standing, shares_known


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
