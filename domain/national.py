"""The national figures of past votes, published long before results were given by polling station.

A series of turnouts per kind of vote, each stamped with the day it became public. ``NationalSeries.known``
gives a :class:`NationalPast`, which physically lacks what was not public yet: as with the ledger, only that
type is for models.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from .election import AsOf
from .errors import LeakageError

Scope = Literal["country", "mainland", "unstated"]
"""Whose turnout it is: of all who could vote, overseas and abroad included; of the mainland; or unsaid."""


@dataclass(frozen=True, slots=True)
class NationalShares:
    """Shares of valid votes of each bloc of ``grouping``, in its order, in [0, 1], summing to 1."""

    grouping: str
    shares: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class NationalFigure:
    """What one round came to in the whole country, public from ``known_on``.

    ``key`` is that of a contest, which need not be in the calendar. ``turnout`` is voters / registered, in
    [0, 1]: of the counts where both are stated, else as published. ``registered``, ``voters`` and ``valid``
    are counts, None where no source states them; in a later round, of the places that voted in it.
    ``checked``: whether the figure was found in ``source``; from memory otherwise.
    """

    key: str
    kind: str
    round: int
    held_on: date
    known_on: date
    turnout: float
    registered: int | None
    voters: int | None
    valid: int | None
    shares: tuple[NationalShares, ...]
    scope: Scope
    source: str
    checked: bool

    def shares_under(self, grouping: str) -> tuple[tuple[str, float], ...] | None:
        """The shares of the blocs of ``grouping``; None where none are stated."""
        return next((s.shares for s in self.shares if s.grouping == grouping), None)


@dataclass(frozen=True, slots=True)
class NationalPast:
    """The figures that were public at ``as_of``, in order of day; nothing later is in it."""

    as_of: AsOf
    figures: tuple[NationalFigure, ...]

    def __post_init__(self) -> None:
        late = [f.key for f in self.figures if not self.as_of.sees(f.known_on)]
        if late:
            raise LeakageError(f"the figures of {', '.join(late)} were not public before {self.as_of.day}")

    def of(self, kind: str, turn: int) -> tuple[NationalFigure, ...]:
        """The figures of one kind of vote and number of round, in order of day."""
        return tuple(f for f in self.figures if (f.kind, f.round) == (kind, turn))

    def checked(self) -> NationalPast:
        """The same past without the figures from memory."""
        return NationalPast(self.as_of, tuple(f for f in self.figures if f.checked))


@dataclass(frozen=True, slots=True)
class NationalSeries:
    """All published national figures of a territory."""

    figures: tuple[NationalFigure, ...]

    def known(self, as_of: AsOf) -> NationalPast:
        """What was public before ``as_of``, and nothing else."""
        seen = [f for f in self.figures if as_of.sees(f.known_on)]
        return NationalPast(as_of, tuple(sorted(seen, key=lambda f: (f.held_on, f.key))))
