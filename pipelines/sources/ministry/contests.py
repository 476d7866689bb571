"""Which contest a Ministry file is of, as few of them say: what is impossible goes, and one must remain.

A wrong contest would be wrong numbers. So what a file's content leaves open is decided by the lines before
its rows, then by its name, and if these do not, nobody guesses: the user says it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.election import Contest
from isoloir.domain.errors import SourceError
from isoloir.pipelines.sources.door import Door
from isoloir.pipelines.sources.tables import Opened

from .hints import hints_in
from .layouts import Layout

PARTIES = {
    "UMP": (date.min, date(2015, 5, 29)),
    "FN": (date.min, date(2018, 5, 31)),
    "LR": (date(2015, 5, 30), date.max),
    "FI": (date(2016, 2, 10), date.max),
    "REM": (date(2016, 4, 6), date(2022, 5, 4)),
    "RN": (date(2018, 6, 1), date.max),
    "HOR": (date(2021, 10, 9), date.max),
    "REC": (date(2021, 12, 5), date.max),
    "NUP": (date(2022, 5, 1), date(2024, 6, 9)),
    "ENS": (date(2022, 5, 5), date.max),
    "UXD": (date(2024, 6, 11), date.max),
}
"""Codes of parties and alliances that only existed between two days: those of their founding or renaming."""

_LIST, _CANDIDATE = re.compile("L[A-Z]{1,4}|NC"), re.compile("[A-Z]{2,4}")
NUANCES = {
    "pres": _CANDIDATE,
    "legi": _CANDIDATE,
    "cant": _CANDIDATE,
    "dpmt": re.compile("BC-[A-Z]{2,4}"),
    "euro": _LIST,
    "regi": _LIST,
    "muni": _LIST,
}
"""The form of nuances by kind: of a candidate (RN), a pair (BC-RN) or a list (LRN; NC: no label given)."""

MOST_IN_SECOND_ROUND = {"pres": 2, "legi": 8, "dpmt": 8, "cant": 10, "regi": 10}
"""Candidates whom the law lets into a second round: two; 12.5 % of the registered; 10 % of the valid."""

UNIFORM_LISTS = 8
"""As many lists, the same in all communes of a department, are of no municipal contest."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a file's content says of its contest.

    ``rounds``: those that the rows state. ``labels``: nuances. ``most``, ``fewest``: candidates in a station;
    ``panels``: numbers in all stations, and in one of them. ``uniform``: whether the stations of a department
    have the same lists; None if that can't be told.
    """

    rounds: frozenset[int]
    labels: frozenset[str]
    most: int
    fewest: int
    panels: frozenset[int]
    uniform: bool | None

    @property
    def parties(self) -> frozenset[str]:
        """The codes in PARTIES that stand in the labels, alone or as a list's or a pair's."""
        return frozenset(p for p in PARTIES if self.labels & {p, f"L{p}", f"BC-{p}"})


def could_be(layout: Layout, door: Door) -> list[Contest]:
    """The declared contests that were published in this layout, before the rows are read."""
    return [
        contest
        for contest in door.calendar
        if contest.kind in layout.kinds
        and layout.since <= contest.held_on <= layout.until
        and contest.key in door.kind
    ]


def contests_of(
    evidence: Evidence, layout: Layout, door: Door, file: Opened, contest_of: Mapping[str, str]
) -> dict[int, Contest]:
    """The contest of each round in the file (round 0: of all rows, where they state none).

    ``contest_of``: what the user says, by the file's name. SourceError, with the remedy, unless exactly one
    ballot is possible.
    """
    possible = [c for c in could_be(layout, door) if _is_possible(c, evidence, layout, door)]
    said = contest_of.get(file.path.name) or contest_of.get(Path(file.where).name)
    if said is not None:
        possible = _said(said, possible, evidence, file)
    elif not _one_ballot(possible, evidence):
        possible = _hinted(possible, layout, file)
    found = {c.round if evidence.rounds else 0: c for c in possible}
    unsure = said is None and layout.until == date.max and not _may_be_of(possible, file)
    if unsure or not _one_ballot(possible, evidence) or evidence.rounds - found.keys():
        raise _untold(possible, layout, file)
    return {number: found[number] for number in sorted(evidence.rounds or {0})}


def _is_possible(contest: Contest, evidence: Evidence, layout: Layout, door: Door) -> bool:
    if evidence.rounds and contest.round not in evidence.rounds:
        return False
    if any(not PARTIES[p][0] <= contest.held_on <= PARTIES[p][1] for p in evidence.parties):
        return False
    if door.kind[contest.key] == "nuance" and evidence.labels == {""}:
        return False
    if any(label.startswith("BC-") for label in evidence.labels) and contest.kind != "dpmt":
        return False
    if layout.long:
        return _suits(contest.kind, evidence.uniform)
    most = evidence.most
    if contest.round == 2 and most > MOST_IN_SECOND_ROUND.get(contest.kind, most):
        return False
    if contest.kind == "pres" and (contest.round == 2) != (most == 2):
        return False
    return door.kind[contest.key] != "panel" or _has_its_panels(contest, evidence, layout, door)


def _suits(kind: str, uniform: bool | None) -> bool:
    """Whether offers that are the same or not all over a department suit the kind of contest."""
    if uniform is None or kind == "refe":
        return True
    return uniform == (kind in ("euro", "pres", "regi"))


def _has_its_panels(contest: Contest, evidence: Evidence, layout: Layout, door: Door) -> bool:
    """Whether the candidates are as many as some grouping declares of the contest, if any does."""
    declared = [m for m in door.groupings if m.speaks_of(contest)]
    if not layout.block.numbers_panels or not declared:
        return True
    known = {n for n in range(1, 100) if any(m.code_of(contest, str(n)) is not None for m in declared)}
    return known == evidence.panels and evidence.most == evidence.fewest == len(known)


def _one_ballot(possible: list[Contest], evidence: Evidence) -> bool:
    """Whether the contests are the rounds of one ballot, each once."""
    ballots = {(c.kind, c.held_on.year) for c in possible}
    return len(ballots) == 1 and (bool(evidence.rounds) or len(possible) == 1)


def _said(key: str, possible: list[Contest], evidence: Evidence, file: Opened) -> list[Contest]:
    """The contests that the user's word leaves; one that the content excludes is refused."""
    named = [c for c in possible if c.key == key]
    if not named:
        raise SourceError(
            f"the file is said to be of {key}, which its content excludes or elections.yaml does not have",
            where=file.where,
            remedy="correct ministry.contests in sources.yaml, or fetch the file again",
        )
    year, kind = named[0].held_on.year, named[0].kind
    return [c for c in possible if (c.held_on.year, c.kind) == (year, kind)] if evidence.rounds else named


def _hinted(possible: list[Contest], layout: Layout, file: Opened) -> list[Contest]:
    """The contests that the lines before the rows and the file's name leave, if they leave any."""
    for hints in (layout.hints, hints_in(file.path.stem)):
        left = [c for c in possible if hints.allows(c.held_on.year, c.kind, c.round)]
        possible = left or possible
    return possible


def _may_be_of(possible: list[Contest], file: Opened) -> bool:
    """Whether the file's name speaks of no other year: its layout is still in use, for contests to come."""
    years = hints_in(file.path.stem).years
    return not years or any(c.held_on.year in years for c in possible)


def _untold(possible: list[Contest], layout: Layout, file: Opened) -> SourceError:
    if not possible:
        return SourceError(
            f"no declared contest fits this file ({' or '.join(sorted(layout.kinds))}, {layout.name})",
            where=file.where,
            remedy="add the contest to the territory's elections.yaml, its panels to the groupings, or fetch "
            "the file again",
        )
    keys = sorted(c.key for c in possible)
    return SourceError(
        f"the file does not say which contest it is of: it may be {' or '.join(keys)}",
        where=file.where,
        remedy=f"say it in sources.yaml, as: ministry: {{contests: {{{Path(file.where).name}: {keys[0]}}}}}",
    )


def uniform_offers(
    department: NDArray[np.str_], offer: NDArray[np.int64], lists: NDArray[np.int64], communes: int
) -> bool | None:
    """Whether stations [S] of one department have the same ``offer`` (by number), None if it can't be told.

    Nine in ten and of many lists say yes, fewer than half and several offers say no; a damaged row or two
    decide nothing.
    """
    if communes < 2:
        return None
    _, inverse = np.unique(department, return_inverse=True)
    pairs, counts = np.unique(np.stack([inverse, offer]), axis=1, return_counts=True)
    most = np.zeros(int(inverse.max()) + 1, np.int64)
    np.maximum.at(most, pairs[0], counts)
    share = most.sum() / len(offer)
    if share >= 0.9 and np.median(lists) >= UNIFORM_LISTS:
        return True
    return False if share < 0.5 and pairs.shape[1] >= 4 else None
