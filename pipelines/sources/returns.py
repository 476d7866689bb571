"""The returns of one contest as a publisher gave them, checked, before any grouping into blocs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.errors import SourceError
from isoloir.domain.ledger import Counts, Mask
from isoloir.domain.station import Stations, grouped

ROUNDING = 2
"""Votes by which a published sum may miss its total: six stations of 2024 are off by 1 or 2."""

TWO_BALLOTS = 3
"""Stations of one commune, at least, whose votes are all twice the valid ones: two ballots on one day."""

SUMMED = "two ballots were counted into one contest (votes are twice the valid ones)"

NOT_SHOWN = "(not shown: it may be a name)"

CODE = re.compile(r"[A-Za-z]{0,3}[_|./-]?[0-9][\w|./-]{0,40}")
"""Ids of stations that messages may show, of any publisher: a number comes first, and no space is in them."""


def shown(text: str, form: re.Pattern[str]) -> str:
    """``text`` as messages may show it: a shifted row may have a name where a code belongs."""
    return text if form.fullmatch(text) else NOT_SHOWN


@dataclass(frozen=True, slots=True)
class Returns:
    """Counts of one contest: [S] per station, ``votes`` and ``present`` [S × L] per label.

    ``present``: a row stood there, 0 votes included. ``row`` [S]: the row of the station in its file, from 1.
    ``abstentions`` and ``blank_null`` [S], -1 where not stated, serve the checks only. ``id_form``: ids of
    stations that findings may show.
    """

    contest: str
    stations: Stations
    registered: Counts
    voters: Counts
    valid: Counts
    labels: tuple[str, ...]
    votes: Counts
    present: Mask
    row: NDArray[np.int64]
    abstentions: Counts | None = None
    blank_null: Counts | None = None
    id_form: re.Pattern[str] = CODE


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found in one contest: how many stations, and the first of them if its id may be shown."""

    contest: str
    check: str
    stations: int
    first: str
    row: int
    refused: bool

    def line(self) -> str:
        """One line for a person."""
        return (
            f"{self.contest}: {self.check}: {self.stations} station(s), first {self.first} (row {self.row})"
        )


@dataclass(frozen=True, slots=True)
class Derivation:
    """How a contest came by the constituencies that its rows do not state.

    ``groups`` of stations with the same candidates gave ``constituencies``. Stations: ``published`` where the
    contest states its own, ``derived``, ``unknown``; ``compared`` those derived whose code an earlier contest
    states, ``agreed`` those where it is the same, both with their ``_registered`` electors.
    """

    contest: str
    groups: int
    constituencies: int
    published: int
    derived: int
    unknown: int
    compared: int
    compared_registered: int
    agreed: int
    agreed_registered: int

    @property
    def agreement(self) -> float:
        """The part of the compared registered electors whose code is the same; NaN if none was compared."""
        return self.agreed_registered / self.compared_registered if self.compared_registered else math.nan

    def line(self) -> str:
        """One line for a person."""
        said = f"{self.contest}: {self.groups} groups of stations with the same candidates: constituencies"
        said += f" derived for {self.derived} station(s), unknown for {self.unknown}"
        if not self.compared:
            return said
        return f"{said}; {self.agreed} of {self.compared} have the code of before ({self.agreement:.2%})"


@dataclass(frozen=True, slots=True)
class Read:
    """What a source gave: returns, and by contest the rows left out and the rows whose label was withheld.

    ``derivations``: one for each contest whose constituencies were derived. ``notes``: lines for a person.
    """

    returns: list[Returns]
    left_out: dict[str, int]
    withheld: dict[str, int]
    derivations: tuple[Derivation, ...] = ()
    notes: tuple[str, ...] = ()


def without(returns: Returns, station_ids: tuple[str, ...]) -> tuple[Returns, list[Finding]]:
    """The returns less the stations that are declared contradictory, and the finding that lists them."""
    left_out = np.isin(returns.stations.station_id, np.array(station_ids, dtype=np.str_))
    if not left_out.any():
        return returns, []
    name = "left out, as their published counts contradict each other (declared)"
    finding = list(_found(returns, [(name, left_out, False)]))
    kept = np.flatnonzero(~left_out)
    return replace(
        returns,
        stations=returns.stations.take(kept),
        registered=returns.registered[kept],
        voters=returns.voters[kept],
        valid=returns.valid[kept],
        votes=returns.votes[kept],
        present=returns.present[kept],
        row=returns.row[kept],
        abstentions=None if returns.abstentions is None else returns.abstentions[kept],
        blank_null=None if returns.blank_null is None else returns.blank_null[kept],
    ), finding


def check(returns: Returns, *, multi_seat: bool) -> list[Finding]:
    """What is wrong (refused) or odd (kept and listed) in ``returns``; nothing found, nothing returned."""
    votes = returns.votes.sum(axis=1, dtype=np.int64)
    off = np.abs(votes - returns.valid)
    two_ballots = _two_ballots(returns, votes)
    # Where voters may choose several names, the votes may sum to several times the valid ones.
    comparable = votes <= returns.valid if multi_seat else np.ones(len(votes), np.bool_)
    negative = (returns.registered < 0) | (returns.voters < 0) | (returns.valid < 0)
    negative |= (returns.votes < 0).any(axis=1)
    tests: list[tuple[str, Mask, bool]] = [
        ("a negative count", negative, True),
        ("more voters than registered", returns.voters > returns.registered, True),
        ("more valid votes than voters", returns.valid > returns.voters, True),
        (f"{SUMMED}: declare two contests and never sum them", two_ballots, True),
        *_sum_tests("votes miss the valid ones", off * (comparable & ~two_ballots)),
        *_sum_tests(
            "voters and abstentions miss the registered",
            _gap(returns.registered, returns.voters, returns.abstentions),
        ),
        *_sum_tests(
            "blank, null and valid votes miss the voters",
            _gap(returns.voters, returns.valid, returns.blank_null),
        ),
        ("nobody registered", returns.registered == 0, False),
    ]
    if returns.labels:
        tests.append(("no valid vote", (returns.valid == 0) & (returns.registered > 0), False))
    if multi_seat:
        tests.append(("several votes per voter: turnout kept, shares missing", votes > returns.valid, False))
    return list(_found(returns, tests))


def _two_ballots(returns: Returns, votes: NDArray[np.int64]) -> Mask:
    """Where every station of a commune has twice as many votes as valid ones.

    In Paris, Lyon and Marseille the council and the sectors are elected by two ballots since 2026.
    """
    counted = returns.valid > 0
    twice = counted & (np.abs(votes - 2 * returns.valid.astype(np.int64)) <= 2 * ROUNDING)
    communes, commune = grouped(returns.stations.commune_code)
    some = np.bincount(commune, weights=counted, minlength=len(communes))
    every = np.bincount(commune, weights=twice, minlength=len(communes))
    # Some stations, as one of a small multi-seat commune may have just two names on each ballot.
    return np.asarray(counted & ((every == some) & (every >= TWO_BALLOTS))[commune])


def _gap(total: Counts, part: Counts, rest: Counts | None) -> NDArray[np.int64]:
    """By how much the parts miss their total; 0 where the rest is not stated: nothing to compare."""
    if rest is None:
        return np.zeros(len(total), np.int64)
    gap = np.abs(total.astype(np.int64) - part - rest)
    return np.where(rest < 0, 0, gap)


def _sum_tests(name: str, off: NDArray[np.int64]) -> list[tuple[str, Mask, bool]]:
    return [
        (f"{name} by more than {ROUNDING}", off > ROUNDING, True),
        (f"{name} by at most {ROUNDING}", (off > 0) & (off <= ROUNDING), False),
    ]


def _found(returns: Returns, tests: list[tuple[str, Mask, bool]]) -> Iterator[Finding]:
    for name, bad, refused in tests:
        count = int(bad.sum())
        if count:
            first = int(np.flatnonzero(bad)[0])
            station = shown(str(returns.stations.station_id[first]), returns.id_form)
            yield Finding(returns.contest, name, count, station, int(returns.row[first]), refused)


def refuse(findings: list[Finding], *, where: str) -> None:
    """Raise :class:`SourceError` with every finding that cannot be true; return if there is none."""
    wrong = [f for f in findings if f.refused]
    if wrong:
        raise SourceError(
            "; ".join(f.line() for f in wrong[:10]),
            where=where,
            remedy="correct these rows, or fetch the file again from its publisher",
        )
