"""Load what people edit: territories, scenarios, offers, models, release. All problems are told at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from isoloir.domain.bloc import TURNOUT_ONLY
from isoloir.domain.election import Calendar
from isoloir.domain.errors import UsageError
from isoloir.domain.scenario import AreaTarget, Candidacy, OfferSpec, ScenarioSpec

from .digest import config_digest
from .offers import at_path, from_path, load_offer, named, offer_beside
from .schema import BlocsText, ElectionsText, ScenarioText, TerritoryText
from .settings import ModelConfig, ReleaseConfig
from .sources import SOURCES, Source
from .territory import (
    TerritoryConfig,
    check_blocs,
    check_elections,
    check_territory,
    contest_of,
    groupings_of,
    nearest,
)
from .text import Layers, Problems, parse, read, shown_key, shown_name, validate

__all__ = [
    "ModelConfigs",
    "TerritoryConfig",
    "available_territories",
    "config_digest",
    "load_models",
    "load_offer",
    "load_release",
    "load_scenario",
    "load_territory",
    "scenario_names",
]


def available_territories(overlay: Path | None = None) -> list[str]:
    """Keys of the territories in either layer, sorted."""
    layers = Layers.over_package(overlay)
    return [key for key in layers.names("territories") if layers.find(f"territories/{key}/territory.yaml")]


def load_territory(key: str, overlay: Path | None = None) -> TerritoryConfig:
    """The territory ``key``; UsageError if there is none, ConfigError with every problem of its files."""
    known = available_territories(overlay)
    if key not in known:
        raise UsageError(f"there is no territory called {key!r}", remedy=nearest(key, known))
    problems = Problems()
    config = _assembled(key, Layers.over_package(overlay), problems)
    problems.raise_if_any()
    assert config is not None
    return config


def _assembled(key: str, layers: Layers, problems: Problems) -> TerritoryConfig | None:
    root = f"territories/{key}"
    territory = read(layers, f"{root}/territory.yaml", TerritoryText, problems)
    calendar = _calendar_path(layers, root, territory, problems)
    elections = read(layers, calendar, ElectionsText, problems)
    source = _source(layers, f"{root}/sources.yaml", problems)
    blocs = _groupings(layers, root, elections, problems)
    if territory is not None:
        shown = shown_name(layers, f"{root}/territory.yaml")
        check_territory(territory, blocs, source, shown, problems)
    if elections is not None:
        check_elections(elections, shown_name(layers, calendar), problems)
    if territory is None or elections is None or source is None or problems.lines:
        return None
    after = territory.results_after_days
    said = elections.contests
    return TerritoryConfig(
        key=key,
        name=territory.name,
        calendar=Calendar(key, tuple(contest_of(key, name, c, after) for name, c in said.items())),
        unchecked=tuple(name for name, contest in said.items() if not contest.checked),
        default_grouping=territory.default_grouping or TURNOUT_ONLY.grouping,
        groupings=groupings_of(source, blocs),
        label_kind={name: contest.labels for name, contest in said.items()},
        not_scored=territory.not_scored,
        source=source,
        layers=layers,
    )


def _calendar_path(layers: Layers, root: str, said: TerritoryText | None, problems: Problems) -> str:
    """Where the contests stand: in the territory's own folder, or in that of another one."""
    own = f"{root}/elections.yaml"
    if said is None or said.elections_of is None:
        return own
    if layers.find(own) is not None:
        shown = shown_name(layers, f"{root}/territory.yaml")
        problems.add(shown, "elections_of", f"beside {shown_name(layers, own)}: only one of them")
    return f"territories/{said.elections_of}/elections.yaml"


def _groupings(
    layers: Layers, root: str, elections: ElectionsText | None, problems: Problems
) -> dict[str, BlocsText]:
    found = {}
    for stem in layers.stems(f"{root}/blocs"):
        path = f"{root}/blocs/{stem}.yaml"
        text = read(layers, path, BlocsText, problems)
        if text is not None:
            check_blocs(stem, text, elections, shown_name(layers, path), problems)
            found[stem] = text
    return found


def _source(layers: Layers, path: str, problems: Problems) -> Source | None:
    found = layers.find(path)
    if found is None:
        problems.add(f"configs/{path}", "", "is missing")
        return None
    said = parse(*found, problems)
    publisher = said.get("publisher") if isinstance(said, dict) else None
    form = SOURCES.get(publisher) if isinstance(publisher, str) else None
    if form is None:
        problems.add(found[1], "publisher", f"must be one of {', '.join(sorted(SOURCES))}")
        return None
    return validate(form, said, found[1], problems)


def scenario_names(config: TerritoryConfig) -> list[str]:
    """Names of the territory's scenarios, sorted."""
    return config.layers.stems(f"territories/{config.key}/scenarios")


def load_scenario(config: TerritoryConfig, name_or_path: str | Path) -> ScenarioSpec:
    """The scenario of that name or path; UsageError if there is none, ConfigError with all it contradicts.

    Its offer file is looked for beside it, if it was given by path, then among the territory's offers.
    """
    problems, path = Problems(), at_path(name_or_path)
    if path is not None:
        said, shown = from_path(path, ScenarioText, problems)
    else:
        said, shown = named(config, "scenarios", str(name_or_path), ScenarioText, problems)
    _check_scenario(config, said, shown, problems)
    problems.raise_if_any()
    if said.offer_file is not None:
        beside = path.parent / said.offer_file if path is not None else None
        offer = offer_beside(config, said.offer_file, said.target, said.grouping, beside)
        _check_offered(config, said, offer, shown, problems)
    blocs = config.grouping(said.grouping).blocs
    values = said.model_dump()
    values["shares"] = _in_order(said.shares, blocs)
    values["areas"] = tuple(
        AreaTarget(*one.place, one.turnout, _in_order(one.shares, blocs)) for one in said.areas
    )
    return ScenarioSpec(**values)


def _in_order(shares: dict[str, float], blocs: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    """The stated shares in the grouping's order, their sum, which rounding leaves near 1, made 1."""
    total = sum(shares.values())
    return tuple((bloc, shares[bloc] / total) for bloc in blocs if bloc in shares)


def _check_scenario(config: TerritoryConfig, said: ScenarioText, shown: str, problems: Problems) -> None:
    if said.target not in config.calendar:
        problems.add(shown, "target", f"{said.target} is no contest of {config.key}")
    if said.grouping not in config.groupings:
        problems.add(shown, "grouping", f"{config.key} has no grouping called {said.grouping!r}")
        return
    blocs = config.grouping(said.grouping).blocs
    for where, shares in _stated(said):
        for bloc in shares:
            if bloc not in blocs:
                problems.add(
                    shown, f"{where}.{shown_key(bloc)}", f"is no bloc of {said.grouping}: {', '.join(blocs)}"
                )
    # Of a part of the country another part may differ; only the roll tells which area is in which.
    for where, shares in _stated(said)[1:] if not said.scope else []:
        for bloc, share in shares.items():
            if share > 0 and not said.shares.get(bloc, 0.0):
                problems.add(
                    shown, f"{where}.{bloc}", "above 0, and the nation's is 0: raise that, or lower it"
                )


def _stated(said: ScenarioText) -> list[tuple[str, dict[str, float]]]:
    """The field and the shares of the nation, then of each area."""
    return [("shares", said.shares), *((f"areas.{n}.shares", one.shares) for n, one in enumerate(said.areas))]


def _check_offered(
    config: TerritoryConfig, said: ScenarioText, offer: OfferSpec, shown: str, problems: Problems
) -> None:
    grouping, contest = config.grouping(said.grouping), config.calendar[said.target]
    codes = {label: grouping.code_of(contest, label) for label in offer.labels}
    rows = [(codes[row.label], row) for row in offer.rows]
    for (where, shares), area in zip(_stated(said), (None, *said.areas), strict=True):
        reaching = {code for code, row in rows if area is None or _may_reach(row, *area.place)}
        stand = {grouping.blocs[code] for code in reaching if code is not None and code >= 0}
        there = "" if area is None else f" in {' '.join(area.place)}"
        for bloc, share in shares.items():
            if share > 0 and bloc not in stand:
                what = f"above 0, and {said.offer_file} has nobody of that bloc{there}"
                problems.add(shown, f"{where}.{bloc}", what)
    problems.raise_if_any()


def _may_reach(row: Candidacy, level: str, area: str) -> bool:
    """Whether somebody may stand in an area; which constituency is in which department the roll tells."""
    return row.level != level or row.area == area


@dataclass(frozen=True, slots=True)
class ModelConfigs:
    """The learned models: turnout, and the shares of blocs."""

    turnout: ModelConfig
    swing: ModelConfig


def load_models(overlay: Path | None = None) -> ModelConfigs:
    """The models' settings; ConfigError with every problem of both files."""
    layers, problems = Layers.over_package(overlay), Problems()
    turnout = read(layers, "models/turnout.yaml", ModelConfig, problems)
    swing = read(layers, "models/swing.yaml", ModelConfig, problems)
    problems.raise_if_any()
    assert turnout is not None and swing is not None
    return ModelConfigs(turnout, swing)


def load_release(overlay: Path | None = None) -> ReleaseConfig:
    """The release's settings; ConfigError with every problem of the file."""
    layers, problems = Layers.over_package(overlay), Problems()
    release = read(layers, "release.yaml", ReleaseConfig, problems)
    problems.raise_if_any()
    assert release is not None
    return release
