"""Contests, the calendar that orders them, and the day from which one looks."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from .errors import UsageError


@dataclass(frozen=True, slots=True)
class AsOf:
    """The day from which one looks back: only what became public strictly before it is seen."""

    day: date

    def sees(self, known_on: date) -> bool:
        """Whether a fact that became public on ``known_on`` may be used."""
        return known_on < self.day


@dataclass(frozen=True, slots=True)
class Contest:
    """A vote on one day in one territory, such as ``2022_legi_t1``.

    ``results_known_on`` is when its results became public; ``reference`` names the contest that
    swings are counted from (None: the last earlier one of the same kind and round).
    ``offer_published`` is False where rows are zero-filled, so that presence says nothing of who stood.
    ``multi_seat`` marks ballots whose votes are not one per voter: turnout holds, shares do not.
    """

    territory: str
    key: str
    kind: str
    round: int
    held_on: date
    results_after_days: int = 5
    reference: str | None = None
    offer_published: bool = True
    multi_seat: bool = False

    @property
    def results_known_on(self) -> date:
        """The day on which the results became public."""
        return self.held_on + timedelta(days=self.results_after_days)

    @property
    def eve(self) -> AsOf:
        """The cut of a forecast of this contest: all that was public before its day."""
        return AsOf(self.held_on)


@dataclass(frozen=True)
class Calendar:
    """All contests of a territory, in order of day, then key."""

    territory: str
    contests: tuple[Contest, ...]
    _by_key: dict[str, Contest] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.contests, key=lambda c: (c.held_on, c.key)))
        object.__setattr__(self, "contests", ordered)
        object.__setattr__(self, "_by_key", {c.key: c for c in ordered})

    def __iter__(self) -> Iterator[Contest]:
        return iter(self.contests)

    def __contains__(self, key: object) -> bool:
        return key in self._by_key

    def __getitem__(self, key: str) -> Contest:
        """The contest called ``key``; a :class:`UsageError` with the nearest names if there is none."""
        if key in self._by_key:
            return self._by_key[key]
        near = difflib.get_close_matches(key, self._by_key, n=3, cutoff=0.5)
        raise UsageError(
            f"{self.territory} has no contest called {key!r}",
            remedy=f"did you mean {' or '.join(near)}?" if near else "see the territory's elections.yaml",
        )

    def reference_of(self, contest: Contest) -> Contest | None:
        """The contest that swings of ``contest`` are counted from, or None for the first of its kind."""
        if contest.reference is not None:
            return self[contest.reference]
        earlier = [
            c
            for c in self.contests
            if c.kind == contest.kind and c.round == contest.round and c.held_on < contest.held_on
        ]
        return earlier[-1] if earlier else None

    def first_round_of(self, contest: Contest) -> Contest | None:
        """The first round of the ballot of which ``contest`` is a later round, or None.

        Within 120 days: in 2020 the pandemic kept two rounds 105 days apart.
        """
        return first_round_among(self.contests, contest)


def first_round_among(contests: Iterable[Contest], contest: Contest) -> Contest | None:
    """The first round, among ``contests``, of the ballot that ``contest`` ends; None if there is none."""
    if contest.round <= 1:
        return None
    window = timedelta(days=120)
    return next(
        (
            c
            for c in contests
            if c.kind == contest.kind
            and c.round == 1
            and timedelta(0) < contest.held_on - c.held_on <= window
        ),
        None,
    )
