"""``national.yaml``: the published national figures of past votes, calendar or not, as the domain's nouns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Annotated

from pydantic import Field, model_validator

from isoloir.domain.election import Contest
from isoloir.domain.national import NationalFigure, NationalShares, Scope

from .schema import ContestKey, Day, Name, NonEmpty, Share, Text
from .territory import TerritoryConfig
from .text import Problems, read, shown_name

ROUNDING = 0.0005
"""By how much a stated turnout may miss that of the counts: half a tenth of a point, as published."""

Count = Annotated[int, Field(ge=1)]


class FigureText(Text):
    """One round; its kind and number are in its key.

    ``turnout`` may be left out where ``registered`` and ``voters`` are stated. ``known_on``: if not the day
    that the calendar gives, or ``known_after_days`` after the vote. ``shares``: by grouping, of each bloc.
    """

    held_on: Day
    scope: Scope
    source: NonEmpty
    checked: bool
    turnout: Annotated[float, Field(gt=0, lt=1)] | None = None
    registered: Count | None = None
    voters: Count | None = None
    valid: Count | None = None
    known_on: Day | None = None
    shares: dict[Name, dict[Name, Share]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be_true(self) -> FigureText:
        wrong = list(self._faults())
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def _faults(self) -> Iterator[str]:
        if self.turnout is None and (self.registered is None or self.voters is None):
            yield "states neither turnout nor both registered and voters"
        if self.registered is not None and self.voters is not None:
            if self.voters > self.registered:
                yield "more voters than registered"
            elif self.turnout is not None and abs(self.turnout - self.voters / self.registered) > ROUNDING:
                yield f"turnout: is not voters / registered, which is {self.voters / self.registered:.4f}"
        if self.valid is not None and self.voters is not None and self.valid > self.voters:
            yield "more valid votes than voters"
        if self.known_on is not None and self.known_on <= self.held_on:
            yield "known_on: is not after the vote"
        for grouping, shares in self.shares.items():
            if abs(sum(shares.values()) - 1) > 1e-6:
                yield f"shares.{grouping}: sum to {sum(shares.values()):.6f}, not to 1"


class NationalText(Text):
    """``national.yaml``: figures by the key of their contest, which ``elections.yaml`` need not have.

    ``known_after_days``: days from a vote until its national figures are public.
    """

    known_after_days: int = Field(default=5, ge=1, le=365)
    figures: dict[ContestKey, FigureText] = Field(min_length=1)

    @model_validator(mode="after")
    def _keys_agree_with_days(self) -> NationalText:
        wrong = [key for key, said in self.figures.items() if int(key[:4]) != said.held_on.year]
        if wrong:
            raise ValueError(f"held in another year than the key says: {', '.join(wrong)}")
        return self


def load_national(config: TerritoryConfig) -> tuple[NationalFigure, ...]:
    """The national figures of the territory in order of day; none if it has no ``national.yaml``.

    ConfigError with every problem: counts or shares that cannot be, days that the calendar contradicts,
    groupings and blocs that do not exist.
    """
    path = f"territories/{config.key}/national.yaml"
    if config.layers.find(path) is None:
        return ()
    problems = Problems()
    said = read(config.layers, path, NationalText, problems)
    if said is not None:
        _check(config, said, shown_name(config.layers, path), problems)
    problems.raise_if_any()
    assert said is not None
    figures = [
        _figure(config, key, figure, _known_on(config, key, figure, said.known_after_days))
        for key, figure in said.figures.items()
    ]
    return tuple(sorted(figures, key=lambda f: (f.held_on, f.key)))


def _check(config: TerritoryConfig, said: NationalText, shown: str, problems: Problems) -> None:
    for key, figure in said.figures.items():
        where = f"figures.{key}"
        if key in config.calendar:
            _check_days(config.calendar[key], figure, where, shown, problems)
        for grouping, shares in figure.shares.items():
            if grouping not in config.groupings:
                problems.add(shown, f"{where}.shares.{grouping}", f"is no grouping of {config.key}")
                continue
            blocs = config.grouping(grouping).blocs
            for bloc in shares:
                if bloc not in blocs:
                    what = f"is no bloc of {grouping}: {', '.join(blocs)}"
                    problems.add(shown, f"{where}.shares.{grouping}.{bloc}", what)


def _check_days(contest: Contest, said: FigureText, where: str, shown: str, problems: Problems) -> None:
    if said.held_on != contest.held_on:
        what = f"is {said.held_on}, and elections.yaml says {contest.held_on}"
        problems.add(shown, f"{where}.held_on", what)
    # Before that day the ledger has no results of it either: one cut must not see half of a contest.
    if said.known_on is not None and said.known_on < contest.results_known_on:
        what = f"is before {contest.results_known_on}, when elections.yaml has its results public"
        problems.add(shown, f"{where}.known_on", what)


def _known_on(config: TerritoryConfig, key: str, said: FigureText, after_days: int) -> date:
    if said.known_on is not None:
        return said.known_on
    if key in config.calendar:
        return config.calendar[key].results_known_on
    return said.held_on + timedelta(days=after_days)


def _figure(config: TerritoryConfig, key: str, said: FigureText, known_on: date) -> NationalFigure:
    _, kind, turn = key.split("_")
    if said.registered is not None and said.voters is not None:
        turnout = said.voters / said.registered
    else:
        assert said.turnout is not None
        turnout = said.turnout
    return NationalFigure(
        key=key,
        kind=kind,
        round=int(turn[1:]),
        held_on=said.held_on,
        known_on=known_on,
        turnout=turnout,
        registered=said.registered,
        voters=said.voters,
        valid=said.valid,
        shares=tuple(_shares(config, name, shares) for name, shares in said.shares.items()),
        scope=said.scope,
        source=said.source,
        checked=said.checked,
    )


def _shares(config: TerritoryConfig, grouping: str, said: dict[str, float]) -> NationalShares:
    """In the grouping's order; a bloc that is left out has 0."""
    blocs = config.grouping(grouping).blocs
    return NationalShares(grouping, tuple((bloc, said.get(bloc, 0.0)) for bloc in blocs))
