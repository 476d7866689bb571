"""What a person states about a vote to come: the national figures, and who stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal


@dataclass(frozen=True, slots=True)
class AreaTarget:
    """The figures that a scenario states of one area: of which ``level``, and its code.

    ``turnout`` and ``shares`` as in :class:`ScenarioSpec`; None and () leave them to the national figures.
    """

    level: Literal["department", "constituency"]
    area: str
    turnout: float | None
    shares: tuple[tuple[str, float], ...]

    def share_of(self, bloc: str) -> float:
        """The stated share of ``bloc`` in [0, 1]; 0 for one that is left out."""
        return dict(self.shares).get(bloc, 0.0)


@dataclass(frozen=True, slots=True)
class ScenarioSpec:
    """The national figures that a forecast of ``target`` is conditional on, and where they come from.

    ``turnout`` (voters / registered) and ``shares`` (of valid votes, in the grouping's order, summing to 1)
    are in [0, 1]; None and () leave the figure to the reference contest. A bloc that ``shares`` leaves out
    has 0. ``turnout_sd`` is a standard deviation of the logit of turnout: near 75 %, 0.1 is about 1.9 pp.
    ``shares_sd`` is that of the logarithm of each bloc's share before they are brought back to a sum of 1:
    for a share of 30 %, 0.1 is about 2 pp once it is. ``blank_null_rate`` is (blank + null) / voters.
    ``offer_file`` names the file of who stands.

    ``scope`` holds the codes of the departments that the stated national figures are of, () the whole
    country: polls often leave out those overseas and abroad, which then move as the others do. ``areas`` are
    met beside the nation: a turnout or shares only of what the nation's are stated of too.
    """

    name: str
    target: str
    source: str
    dated: date
    grouping: str
    turnout: float | None
    shares: tuple[tuple[str, float], ...]
    turnout_sd: float
    shares_sd: float
    blank_null_rate: float | None = None
    offer_file: str | None = None
    scope: tuple[str, ...] = ()
    areas: tuple[AreaTarget, ...] = ()

    def share_of(self, bloc: str) -> float:
        """The stated share of ``bloc`` in [0, 1]; 0 for one that is left out."""
        return dict(self.shares).get(bloc, 0.0)


@dataclass(frozen=True, slots=True)
class Candidacy:
    """One label that stands in an area: ``level`` is country, department or constituency, ``area`` its code.

    The country has no code.
    """

    label: str
    level: str = "country"
    area: str = ""

    @property
    def where(self) -> str:
        """The area as a file names it."""
        return f"{self.level}:{self.area}" if self.area else self.level


@dataclass(frozen=True, slots=True)
class Inheritance:
    """A stated assumption: the votes of an earlier ``label`` are, for a target, those of blocs by weight.

    ``contests`` are those that it is said of. ``heirs`` are blocs with weights that sum to 1. ``assumption``
    names it in the release, ``source`` says what it rests on.
    """

    assumption: str
    contests: tuple[str, ...]
    label: str
    heirs: tuple[tuple[str, float], ...]
    source: str


@dataclass(frozen=True, slots=True)
class OfferSpec:
    """Who stands in ``target``, and where; codes, never a person's name; and what they inherit."""

    target: str
    rows: tuple[Candidacy, ...]
    inheritances: tuple[Inheritance, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that stand somewhere, each once."""
        return tuple(dict.fromkeys(row.label for row in self.rows))

    @property
    def assumptions(self) -> tuple[str, ...]:
        """The ids of the assumptions, sorted: a release prints them."""
        return tuple(sorted({one.assumption for one in self.inheritances}))
