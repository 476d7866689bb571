"""The constituency of each station of a roll, and how it is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.facts import Belonging
from isoloir.domain.ledger import Notice, Past, Record
from isoloir.domain.lineage import WITNESS_GAP
from isoloir.domain.station import Text, positions

METHODS = ("unknown", "published", "table", "derived", "carried")
"""How a constituency is known; a :class:`Placement` holds positions in it."""

UNKNOWN, PUBLISHED, TABLE, DERIVED, CARRIED = range(len(METHODS))


@dataclass(frozen=True, slots=True)
class Placement:
    """Per station [S] its constituency ("" where unknown), the method, and the confidence in [0, 1].

    The confidence is 1 of what the contest's own rows state; of a table its weight; of what was derived the
    part of the compared electors whose code is that of before; of what was carried that of its source, times
    that of the link. It is 0 where unknown.
    """

    constituency_code: Text
    method: NDArray[np.int8]
    confidence: NDArray[np.float64]

    def counts(self) -> tuple[tuple[str, int], ...]:
        """How many stations are known by each method, those without any left out."""
        found = np.bincount(self.method, minlength=len(METHODS))
        return tuple((name, int(n)) for name, n in zip(METHODS, found, strict=True) if n)

    def put(self, notice: Notice) -> Notice:
        """The notice with these constituencies."""
        return replace(notice, stations=replace(notice.stations, constituency_code=self.constituency_code))


@dataclass(frozen=True, slots=True)
class Link:
    """Per station of a notice [S] the row of a record that is the same station (-1: none), how surely."""

    row: NDArray[np.intp]
    confidence: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source says of the stations [S]: codes ("" where nothing), by one method, and how surely."""

    constituency_code: Text
    method: int
    confidence: NDArray[np.float64]


Carry = Callable[[Record, Notice], Link]
"""Finds the stations of a notice in an earlier record."""


def by_code(record: Record, notice: Notice) -> Link:
    """The same station is the same code with as many electors; confidence 1 less their relative gap."""
    row = positions(notice.stations.station_id, record.stations.station_id)
    then = record.registered[row].astype(np.float64)
    gap = np.abs(then - notice.registered) / np.maximum(1.0, np.maximum(then, notice.registered))
    row[gap > WITNESS_GAP] = -1
    return Link(row, np.where(row >= 0, 1.0 - gap, 0.0))


def placement(
    notice: Notice,
    past: Past,
    derived: Mapping[str, float] | None = None,
    carry: Carry = by_code,
) -> Placement:
    """Where each station of the notice lies: by its own rows, by a table, derived, or carried; in this order.

    ``derived``: the contests whose constituencies no row states, with the confidence in them. Only what is
    in ``past`` is asked: a table that was not public yet says nothing.
    """
    told = dict(derived or {})
    own, key = notice.stations.constituency_code, notice.roll_from
    layers = _by_tables(past.context.belongings, notice.stations.station_id)
    stated = Layer(own, PUBLISHED, np.ones(len(own)))
    if key != notice.contest.key:
        layers.append(replace(stated, method=CARRIED, confidence=np.full(len(own), told.get(key, 1.0))))
    elif key in told:
        layers.append(replace(stated, method=DERIVED, confidence=np.full(len(own), told[key])))
    else:
        layers.insert(0, stated)
    for record in reversed(past.records):
        codes = record.stations.constituency_code
        if (codes != "").any():
            link = carry(record, notice)
            sure = link.confidence * told.get(record.contest.key, 1.0)
            layers.append(Layer(np.where(link.row >= 0, codes[link.row], ""), CARRIED, sure))
    return _first_of(layers, len(own))


def _first_of(layers: Sequence[Layer], size: int) -> Placement:
    codes, method, confidence = np.full(size, ""), np.zeros(size, np.int8), np.zeros(size)
    for layer in layers:
        new = (codes == "") & (layer.constituency_code != "")
        codes = np.where(new, layer.constituency_code, codes)
        method[new], confidence[new] = layer.method, layer.confidence[new]
    return Placement(codes, method, confidence)


def _by_tables(belongings: Sequence[Belonging], station_id: Text) -> list[Layer]:
    """Where tables place the stations, the latest first."""
    tables = sorted((b for b in belongings if b.level == "constituency"), key=lambda b: b.known_on)
    return [_by_table(table, station_id) for table in reversed(tables)]


def _by_table(table: Belonging, station_id: Text) -> Layer:
    """Where a table places the stations; of one in several constituencies, the area of most weight."""
    order = np.lexsort((-table.weight, table.station_id))
    known, first = np.unique(table.station_id[order], return_index=True)
    row = positions(station_id, known)
    at, has = order[first][row], row >= 0
    return Layer(np.where(has, table.area[at], ""), TABLE, table.weight[at])
