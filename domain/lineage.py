"""Lineage: how the stations of every earlier contest became those of a notice, step by step.

A chain runs through the complete rolls, from each to the next and from the last to the notice: registered
electors agree better over two years than over ten. A contest that not all of the stations hold hangs on the
complete roll nearest to its day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .facts import Movements
from .ledger import Notice, Past, Record
from .pairs import EXACT, Pairs, Roll
from .station import Text, positions
from .succession import step

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

COMPLETE = 0.9
"""A first round's roll is complete if it has this part of the largest roll before it."""


@dataclass(frozen=True, slots=True)
class Link:
    """How the R stations of one record became the S of a notice: ``weight`` [S × R].

    ``sure`` [S × R] is the weight times the confidence along the chain; ``exact`` [S × R] the weight that
    came by equal codes alone.
    """

    weight: csr_array
    sure: csr_array
    exact: csr_array

    def then(self, later: Link) -> Link:
        """This link followed by a later one."""
        return Link(later.weight @ self.weight, later.sure @ self.sure, later.exact @ self.exact)


@dataclass(frozen=True, slots=True)
class Step:
    """The pairs between two rolls that follow on one another: ``old`` and ``new`` name them."""

    old: str
    new: str
    old_roll: Roll
    new_roll: Roll
    pairs: Pairs


WITNESS_GAP = 0.2
"""Largest relative gap in registered electors at which a code found again is taken for the same station.

Source: the reference matching on France suspects stations with a gap over 20 %.
"""


def lineage(past: Past, notice: Notice) -> tuple[Link, ...]:
    """One link per record of ``past``, in that order; by equal codes alone where stations aren't followed.

    Of a united notice S are its units: what came to a unit is what came to its members.
    """
    links = _followed(past, notice) if past.follow else tuple(_by_code(r, notice) for r in past.records)
    if notice.members is None:
        return links
    united = Link(*[notice.members.matrix] * 3)
    return tuple(link.then(united) for link in links)


def roll_of(notice: Notice) -> Roll:
    """The roll of a notice, station by station; of a united one that of its members."""
    held = notice if notice.members is None else notice.members
    return Roll(held.stations, held.registered)


def _followed(past: Past, notice: Notice) -> tuple[Link, ...]:
    spine = _spine(past, notice)
    reach: dict[int, Link] = {}
    ahead, ahead_on = roll_of(notice), notice.contest.held_on
    link: Link | None = None
    for i in reversed(spine):
        record = past.records[i]
        one = _link(_paired(record, ahead, ahead_on, past.context.movements), record, len(ahead.stations))
        link = one if link is None else one.then(link)
        reach[i], ahead, ahead_on = link, _roll(record), record.contest.held_on
    for i, record in enumerate(past.records):
        if i not in reach:
            near = min(
                spine, key=lambda s: abs((past.records[s].contest.held_on - record.contest.held_on).days)
            )
            roll, day = _roll(past.records[near]), past.records[near].contest.held_on
            pairs = _paired(record, roll, day, past.context.movements)
            reach[i] = _link(pairs, record, len(roll.stations)).then(reach[near])
    return tuple(reach[i] for i in range(len(past.records)))


def _by_code(record: Record, notice: Notice) -> Link:
    """Codes found again with registered electors who agree within :data:`WITNESS_GAP`."""
    roll = roll_of(notice)
    found = positions(roll.stations.station_id, record.stations.station_id)
    then, now = record.registered[found].astype(np.float64), roll.registered.astype(np.float64)
    gap = np.abs(then - now) / np.maximum(1.0, np.maximum(then, now))
    new = np.flatnonzero((found >= 0) & (gap <= WITNESS_GAP) & (then > 0))
    pairs = Pairs(found[new], new, np.ones(len(new)), np.full(len(new), EXACT, np.int8), np.ones(len(new)))
    return _link(pairs, record, len(roll.stations))


def steps(past: Past, notice: Notice) -> tuple[Step, ...]:
    """The steps of the chain, in order of day, the last one to the notice."""
    spine, made = _spine(past, notice), []
    for i, following in zip(spine, [*spine[1:], -1], strict=True):
        record = past.records[i]
        new, name, day = roll_of(notice), notice.contest.key, notice.contest.held_on
        if following >= 0:
            after = past.records[following]
            new, name, day = _roll(after), after.contest.key, after.contest.held_on
        pairs = _paired(record, new, day, past.context.movements)
        made.append(Step(record.contest.key, name, _roll(record), new, pairs))
    return tuple(made)


def weakest(chain: Sequence[Step]) -> NDArray[np.int8]:
    """The weakest method by which each station of the last roll [S] is followed back to the first.

    A position in :data:`.pairs.METHODS`, the later the weaker; −1 where the chain breaks. Where several old
    stations came together, the way of the largest is told.
    """
    last = chain[-1].new_roll
    at, worst = np.arange(len(last.registered)), np.zeros(len(last.registered), np.int8)
    for one in reversed(chain):
        pairs = one.pairs
        carried = pairs.weight * one.old_roll.registered[pairs.old]
        order = np.lexsort((carried, pairs.new))
        old = np.full(len(one.new_roll.registered), -1, np.intp)
        method = np.full(len(old), -1, np.int8)
        old[pairs.new[order]], method[pairs.new[order]] = pairs.old[order], pairs.method[order]
        known = at >= 0
        here = np.where(known, method[at], -1)
        worst = np.where((here < 0) | (worst < 0), -1, np.maximum(worst, here)).astype(np.int8)
        at = np.where(known, old[at], -1)
    return worst


def _spine(past: Past, notice: Notice) -> list[int]:
    """The positions of the complete rolls, in order; the largest alone where there is none.

    A roll is complete if it holds electors enough and every department that most first rounds hold: electors
    abroad have no part in local contests, and a chain through such a one would break there. Where the notice
    carries the roll of an earlier contest, the chain ends with that one.
    """
    records = past.records
    firsts = [i for i, r in enumerate(records) if r.contest.round == 1]
    held = {i: set(np.unique(records[i].stations.department_code).tolist()) for i in firsts}
    every = set().union(*held.values()) if held else set()
    usual = {d for d in every if 2 * sum(d in some for some in held.values()) >= len(firsts)}
    found, largest = [], 0
    for i in firsts:
        size = int(records[i].registered.sum())
        if size >= COMPLETE * largest and usual <= held[i]:
            found.append(i)
        largest = max(largest, size)
    sizes = [int(r.registered.sum()) for r in records]
    found = found or ([int(np.argmax(sizes))] if sizes else [])
    carried = [i for i, r in enumerate(records) if r.contest.key == notice.roll_from]
    return sorted({*(i for i in found if i < carried[0]), *carried}) if carried else found


def _roll(record: Record) -> Roll:
    return Roll(record.stations, record.registered)


def _link(pairs: Pairs, record: Record, stations: int) -> Link:
    at, shape = (pairs.new, pairs.old), (stations, len(record.stations))
    exact = np.where(pairs.method == EXACT, pairs.weight, 0.0)
    parts = (pairs.weight, pairs.weight * pairs.confidence, exact)
    return Link(*(csr_array((part, at), shape=shape) for part in parts))


def _paired(record: Record, roll: Roll, day: date, movements: tuple[Movements, ...]) -> Pairs:
    became = _became(movements, record.contest.held_on, day)
    return _step(_Known.of(_roll(record)), _Known.of(roll), became)


@dataclass(frozen=True, slots=True)
class _Became:
    """Codes of communes and what they became."""

    pairs: tuple[tuple[str, str], ...]

    def arrays(self) -> tuple[Text, Text] | None:
        if not self.pairs:
            return None
        old, new = zip(*self.pairs, strict=True)
        return np.array(old), np.array(new)


def _became(movements: tuple[Movements, ...], since: date, until: date) -> _Became:
    """Communes that became one other between two days; one that was split into several is left out."""
    found: dict[str, set[str]] = {}
    for one in movements:
        within = (one.held_on > np.datetime64(since)) & (one.held_on <= np.datetime64(until))
        for old, new in zip(one.old[within].tolist(), one.new[within].tolist(), strict=True):
            found.setdefault(old, set()).add(new)
    return _Became(tuple(sorted((old, new.pop()) for old, new in found.items() if len(new) == 1)))


class _Known:
    """A roll known by its content."""

    __slots__ = ("digest", "roll")

    def __init__(self, roll: Roll, digest: bytes) -> None:
        self.roll, self.digest = roll, digest

    @classmethod
    def of(cls, roll: Roll) -> _Known:
        said = hashlib.blake2b(digest_size=16)
        for part in (roll.stations.station_id, roll.stations.commune_code, roll.registered):
            said.update(f"{part.dtype}{part.shape}".encode())
            said.update(np.ascontiguousarray(part).tobytes())
        return cls(roll, said.digest())

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and self.digest == other.digest


@lru_cache(maxsize=64)
def _step(old: _Known, new: _Known, became: _Became) -> Pairs:
    """One step is asked for by many contests: it is made once."""
    return step(old.roll, new.roll, became.arrays())
