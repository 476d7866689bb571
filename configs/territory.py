"""A territory as its files describe it, made into the domain's nouns."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations

from isoloir.domain.bloc import EVERYTHING, TURNOUT_ONLY, BlocMap, BlocRule, Scope
from isoloir.domain.election import Calendar, Contest
from isoloir.domain.errors import UsageError

from .schema import BlocsText, ContestText, ElectionsText, LabelKind, RuleText, ScopeText, TerritoryText
from .sources import CommunesSource, Source
from .text import Layers, Problems


@dataclass(frozen=True)
class TerritoryConfig:
    """All that the files say of a territory, scenarios and offers apart.

    ``unchecked``: contests whose day was not found in a published source.
    ``label_kind``: what the labels of each contest are. ``not_scored``: stations that are no place to score.
    """

    key: str
    name: str
    calendar: Calendar
    unchecked: tuple[str, ...]
    default_grouping: str
    groupings: dict[str, BlocMap]
    label_kind: dict[str, LabelKind]
    not_scored: tuple[str, ...]
    source: Source
    layers: Layers = field(repr=False, compare=False)

    @property
    def turnout_only(self) -> bool:
        """Whether its results state no labels, so that it has no blocs and no shares."""
        return isinstance(self.source, CommunesSource)

    def grouping(self, name: str | None = None) -> BlocMap:
        """The grouping called ``name`` (None: the default); UsageError with the nearest names if none is."""
        name = self.default_grouping if name is None else name
        if name in self.groupings:
            return self.groupings[name]
        raise UsageError(
            f"{self.key} has no grouping called {name!r}", remedy=nearest(name, sorted(self.groupings))
        )


def nearest(said: str, known: list[str]) -> str:
    """A remedy: the known names like ``said``, or all of them."""
    near = difflib.get_close_matches(said, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"there is: {', '.join(known) or 'none'}"


def contest_of(territory: str, key: str, said: ContestText, results_after_days: int) -> Contest:
    """The contest ``key``, with the territory's delay of results unless it states its own."""
    _, kind, turn = key.split("_")
    return Contest(
        territory=territory,
        key=key,
        kind=kind,
        round=int(turn[1:]),
        held_on=said.held_on,
        results_after_days=said.results_after_days or results_after_days,
        reference=said.reference,
        offer_published=said.offer_published,
        multi_seat=said.multi_seat_possible,
    )


def bloc_map_of(said: BlocsText) -> BlocMap:
    """The grouping in force: panels first, then labels that say that none was given, then the rules."""
    panels = [
        BlocRule(bloc=bloc, labels=frozenset(positions), contests=frozenset({contest}))
        for contest, letters in said.panels.items()
        for bloc, positions in _positions(letters, said.panel_letters).items()
    ]
    unlabelled = [BlocRule(bloc=None, labels=frozenset(said.unlabelled))] if said.unlabelled else []
    rules = [_rule_of(rule) for rule in said.rules]
    every = (*panels, *unlabelled, *rules)
    return BlocMap(said.grouping, said.version, tuple(said.blocs), every, _scope_of(said.scope))


def _scope_of(said: ScopeText | None) -> Scope:
    if said is None:
        return EVERYTHING
    return Scope(said.since or date.min, frozenset(said.contests), frozenset(said.without))


def _positions(letters: str, meaning: dict[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for position, letter in enumerate(letters, start=1):
        found.setdefault(meaning[letter], []).append(str(position))
    return found


def _rule_of(said: RuleText) -> BlocRule:
    return BlocRule(
        bloc=said.bloc,
        labels=frozenset(said.labels),
        prefixes=said.prefixes,
        contests=frozenset(said.contests),
        since=said.since or date.min,
        until=said.until or date.max,
    )


def groupings_of(source: Source, blocs: dict[str, BlocsText]) -> dict[str, BlocMap]:
    """The groupings by name: the one without blocs where the publisher states no labels."""
    if isinstance(source, CommunesSource):
        return {TURNOUT_ONLY.grouping: TURNOUT_ONLY}
    return {stem: bloc_map_of(text) for stem, text in blocs.items()}


def check_territory(
    said: TerritoryText, blocs: dict[str, BlocsText], source: Source | None, shown: str, problems: Problems
) -> None:
    """Keep what ``territory.yaml`` says that its groupings or its source contradict."""
    if isinstance(source, CommunesSource):
        if said.default_grouping is not None or blocs:
            what = f"the publisher {source.publisher} states no labels: leave it out, and blocs/ with it"
            problems.add(shown, "default_grouping", what)
    elif said.default_grouping is None:
        problems.add(shown, "default_grouping", "Field required")
    elif said.default_grouping not in blocs:
        problems.add(shown, "default_grouping", f"no file blocs/{said.default_grouping}.yaml")


def check_elections(said: ElectionsText, shown: str, problems: Problems) -> None:
    """Keep references to contests that are unknown or not earlier."""
    for key, contest in said.contests.items():
        if contest.reference is None:
            continue
        other = said.contests.get(contest.reference)
        if other is None or other.held_on >= contest.held_on:
            what = "is no contest" if other is None else "is not earlier"
            problems.add(shown, f"contests.{key}.reference", f"{contest.reference} {what}")


def check_blocs(
    stem: str, said: BlocsText, elections: ElectionsText | None, shown: str, problems: Problems
) -> None:
    """Keep what a grouping says of blocs, contests or panels that do not exist, and what it says twice."""
    if said.grouping != stem:
        problems.add(shown, "grouping", f"is {said.grouping!r}, the file is called {stem}.yaml")
    for letter, bloc in said.panel_letters.items():
        if bloc not in said.blocs:
            problems.add(shown, f"panel_letters.{letter}", f"{bloc} is no bloc of this grouping")
    for contest, letters in said.panels.items():
        unknown = sorted(set(letters) - set(said.panel_letters))
        if unknown:
            problems.add(shown, f"panels.{contest}", f"letters without a bloc: {', '.join(unknown)}")
    for number, rule in enumerate(said.rules):
        if rule.bloc not in said.blocs:
            problems.add(shown, f"rules.{number}.bloc", f"{rule.bloc} is no bloc of this grouping")
    if elections is not None:
        _check_contests_named(said, elections, shown, problems)
    _check_said_once(said, shown, problems)


def _check_contests_named(said: BlocsText, elections: ElectionsText, shown: str, problems: Problems) -> None:
    scope = _scope_of(said.scope)
    named = [("scope.contests", contest) for contest in sorted(scope.contests)]
    named += [("scope.except", contest) for contest in sorted(scope.without)]
    named += [(f"panels.{contest}", contest) for contest in said.panels]
    named += [
        (f"rules.{n}.contests", contest) for n, rule in enumerate(said.rules) for contest in rule.contests
    ]
    for where, contest in named:
        known = elections.contests.get(contest)
        if known is None:
            problems.add(shown, where, f"{contest} is no contest of elections.yaml")
        elif where.startswith("panels") and known.labels != "panel":
            problems.add(shown, where, "goes by labels, not by panel, in elections.yaml")
        elif not where.startswith("scope") and not scope.reaches(contest, known.held_on):
            problems.add(shown, where, f"{contest} is beyond the scope, so this would never hold")


def _check_said_once(said: BlocsText, shown: str, problems: Problems) -> None:
    # Two rules of one reach that share a label: the second would never hold, which nobody means.
    for (first, a), (second, b) in combinations(enumerate(said.rules), 2):
        reach_a = (set(a.contests), a.since, a.until)
        twice = set(a.labels) & set(b.labels)
        if twice and reach_a == (set(b.contests), b.since, b.until):
            problems.add(shown, f"rules.{second}.labels", f"{len(twice)} of them stand in rules.{first} too")
    for number, rule in enumerate(said.rules):
        if len(set(rule.labels)) < len(rule.labels):
            problems.add(shown, f"rules.{number}.labels", "one stands twice")
