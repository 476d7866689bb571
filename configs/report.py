"""What is configured, seen as a whole: the check of all territories, and the copy that a person edits."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from isoloir.domain.bloc import BlocMap
from isoloir.domain.election import Contest
from isoloir.domain.errors import IsoloirError, UsageError

from .experiment import load_experiments
from .load import (
    available_territories,
    load_models,
    load_offer,
    load_release,
    load_scenario,
    load_territory,
    scenario_names,
)
from .national import load_national
from .schema import LabelKind, OfferText
from .territory import TerritoryConfig
from .text import Problems, read, walk


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many labels (or panel positions, or beginnings of list names) a grouping knows in a contest."""

    grouping: str
    contest: str
    labels: int


@dataclass(frozen=True, slots=True)
class TerritoryCheck:
    """One territory: its contests, what is unchecked in them, what its groupings know, and what is wrong.

    ``figures``: national ones, of past votes, of which ``unchecked_figures`` were not found in their source.
    """

    key: str
    contests: int
    unchecked: tuple[str, ...]
    coverage: tuple[Coverage, ...]
    scenarios: tuple[str, ...]
    figures: int
    unchecked_figures: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All territories, and the problems of the files that belong to none."""

    territories: tuple[TerritoryCheck, ...]
    problems: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong anywhere."""
        return not self.problems and not any(territory.problems for territory in self.territories)

    def lines(self) -> list[str]:
        """The report as the screen shows it, one fact a line."""
        shown = []
        for territory in self.territories:
            shown.append(
                f"{territory.key}: {territory.contests} contests, {len(territory.unchecked)} unchecked"
            )
            if territory.unchecked:
                shown.append(f"  unchecked: {', '.join(territory.unchecked)}")
            for grouping in dict.fromkeys(c.grouping for c in territory.coverage):
                known = [c for c in territory.coverage if c.grouping == grouping]
                served = [f"{c.contest} ({c.labels})" for c in known if c.labels]
                shown.append(f"  {grouping}: rules for {len(served)} of {len(known)}: {', '.join(served)}")
            shown.append(f"  scenarios: {', '.join(territory.scenarios) or 'none'}")
            if territory.figures:
                unchecked = f"{territory.unchecked_figures} unchecked"
                shown.append(f"  national figures: {territory.figures}, {unchecked}")
            shown += [f"  problem: {problem}" for problem in territory.problems]
        return shown + [f"problem: {problem}" for problem in self.problems]


def check(overlay: Path | None = None) -> CheckReport:
    """Everything configured, shipped and laid over; problems are told in the report, not raised."""
    problems: list[str] = []
    for load in (load_models, load_release, load_experiments):
        try:
            load(overlay)
        except IsoloirError as error:
            problems += error.lines()
    checked = tuple(_checked(key, overlay) for key in available_territories(overlay))
    return CheckReport(checked, tuple(problems))


def _checked(key: str, overlay: Path | None) -> TerritoryCheck:
    try:
        config = load_territory(key, overlay)
    except IsoloirError as error:
        return TerritoryCheck(key, 0, (), (), (), 0, 0, tuple(error.lines()))
    names = scenario_names(config)
    wrong: list[str] = []
    for name in names:
        try:
            load_scenario(config, name)
        except IsoloirError as error:
            wrong += error.lines()
    wrong += _wrong_offers(config)
    try:
        figures = load_national(config)
    except IsoloirError as error:
        figures = ()
        wrong += error.lines()
    contests = tuple(config.calendar)
    coverage = tuple(
        Coverage(name, contest.key, _known(grouping, contest, config.label_kind[contest.key]))
        for name, grouping in config.groupings.items()
        if grouping.blocs
        for contest in contests
    )
    return TerritoryCheck(
        key=key,
        contests=len(contests),
        unchecked=config.unchecked,
        coverage=coverage,
        scenarios=tuple(names),
        figures=len(figures),
        unchecked_figures=sum(not one.checked for one in figures),
        problems=tuple(wrong),
    )


def _wrong_offers(config: TerritoryConfig) -> list[str]:
    wrong: list[str] = []
    for name in config.layers.stems(f"territories/{config.key}/offers"):
        kept = Problems()
        said = read(config.layers, f"territories/{config.key}/offers/{name}.yaml", OfferText, kept)
        wrong += kept.lines
        if said is None:
            continue
        try:
            load_offer(config, name, said.target)
        except IsoloirError as error:
            wrong += error.lines()
    return wrong


def _known(grouping: BlocMap, contest: Contest, kind: LabelKind) -> int:
    """Labels of that kind that some rule with a bloc speaks of; panels only where the contest is named."""
    if not grouping.speaks_of(contest):
        return 0
    found: set[str] = set()
    for rule in grouping.rules:
        named = contest.key in rule.contests
        reaches = not rule.contests or named
        if rule.bloc is None or not reaches or not rule.since <= contest.held_on <= rule.until:
            continue
        if kind in ("panel", "list") and not named:
            continue
        found |= rule.labels | set(rule.prefixes)
    return len(found)


def copy_out(directory: Path) -> tuple[Path, ...]:
    """Copy the shipped files into ``directory`` for a person to edit; returns what was written.

    UsageError, with nothing written, if one of them is there already.
    """
    shipped = list(walk(files("isoloir.configs"), (".yaml", ".csv")))
    present = [path for path, _ in shipped if (directory / path).exists()]
    if present:
        raise UsageError(
            f"{len(present)} file(s) are there already, the first: {present[0]}",
            where=str(directory),
            remedy="choose another directory, or delete what you no longer want",
        )
    written = []
    for path, file in shipped:
        goal = directory / path
        goal.parent.mkdir(parents=True, exist_ok=True)
        goal.write_bytes(file.read_bytes())
        written.append(goal)
    return tuple(written)
