"""Every source of a territory: what it is, whether home has it, whom it reaches, how old it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from isoloir.configs.load import TerritoryConfig
from isoloir.configs.sources import ContextFile, SourceFile
from isoloir.domain.errors import SourceError
from isoloir.domain.facts import Context

from .context import read_context
from .core import COMMUNES, CONTEXT
from .coverage import Roll, reached_by_communes, reached_by_contests, reached_by_tables, roll_of
from .fetch import fetchable, is_replaced
from .home import Home
from .ingest import row_counts
from .parts import Input, Part, parts_of
from .pieces import CONTEXT as OF_CONTEXT
from .pieces import MINISTRY, RESULTS, UNSTATED
from .progress import Say
from .sources.answer import UnreachableError
from .sources.download import Wanted

NOBODY = "reaches nobody: its codes are of other places, or no table in home puts stations into its areas"

OLD_YEARS = 5
"""A source that became public longer ago is worth a look for a newer one."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One source: what its entry says, and what home has of it.

    ``known_on``: None of results, which are public some days after each vote, and where no entry says it.
    ``inputs``: the files that were read, none if it is not in home. ``reach``: part of the electors that it
    reaches, by table or contest; ``reaches`` by all of them together, None where nothing tells. ``remarks``:
    why to look again.
    """

    name: str
    what: str
    files: tuple[SourceFile, ...]
    licence: str
    attribution: str
    declared: bool = True
    known_on: date | None = None
    checked: bool = True
    tried: bool = True
    large: bool = False
    reader: str = ""
    inputs: tuple[Input, ...] = ()
    read_on: date | None = None
    reach: tuple[tuple[str, float], ...] = ()
    reaches: float | None = None
    remarks: tuple[str, ...] = ()

    @property
    def has_url(self) -> bool:
        """Whether it can be downloaded."""
        return bool(self.files) and all(file.url for file in self.files)


@dataclass(frozen=True, slots=True)
class Held:
    """A contest in home: its source, stations, and which part of the electors live where it speaks of."""

    contest: str
    source: str
    stations: int
    reaches: float


@dataclass(frozen=True, slots=True)
class Inventory:
    """All sources, the roll that shares are of, contests with stations, ``coarse`` those by commune only."""

    sources: tuple[Listed, ...]
    roll: Roll | None = None
    contests: tuple[Held, ...] = ()
    coarse: tuple[tuple[str, float], ...] = ()


def inventory(home: Home, config: TerritoryConfig, today: date) -> Inventory:
    """Every source of the territory; without an ingest, what is declared of them."""
    parts = parts_of(home, config, [])
    sources = [_with_parts(one, parts) for one in (*_declared(config), *_undeclared(config, parts))]
    core = home.current_core(config.key) if parts else None
    roll = roll_of(core, config.calendar) if core else None
    made = Inventory(tuple(_with_age(one, sources, today) for one in sources))
    if core is None or roll is None:
        return made
    whole = read_context(core / CONTEXT)
    contests = _contests(core, parts, roll)
    by_commune = sorted(p.stem for p in (core / COMMUNES).glob("*.parquet"))
    coarse = reached_by_contests(core / COMMUNES, by_commune, roll)
    reached = tuple(_reached(one, core, parts, whole, roll, contests, coarse) for one in made.sources)
    held = {one.contest for one in contests}
    return Inventory(reached, roll, contests, tuple((k, s) for k, s in coarse.items() if k not in held))


def _declared(config: TerritoryConfig) -> list[Listed]:
    source, files = config.source, fetchable(config)
    made = [Listed(RESULTS, "results by station", tuple(files[RESULTS]), source.licence, source.attribution)]
    if source.ministry:
        what = "results of single rounds by station, recognised by what is in them"
        made.append(Listed(MINISTRY, what, (), source.ministry.licence, source.ministry.attribution))
    if source.communes:
        what, said = "turnout by commune", source.communes
        made.append(Listed(COMMUNES, what, (said,), said.licence, said.attribution))
    return made + [_entry(name, said) for name, said in source.context.items()]


def _entry(name: str, said: ContextFile) -> Listed:
    return Listed(
        name, said.describes, (said,), said.licence, said.attribution, True, said.known_on,
        said.checked, said.tried, said.large, said.reader,
    )  # fmt: skip


def _undeclared(config: TerritoryConfig, parts: Sequence[Part]) -> list[Listed]:
    names = [p.role.partition("/")[2] for p in parts if p.kind == OF_CONTEXT]
    what, terms = "outlines of stations, of a file that no entry declares", UNSTATED
    return [
        Listed(name, what, (), terms.licence, terms.attribution, declared=False)
        for name in names
        if name not in config.source.context
    ]


def _parts_of(one: Listed, parts: Sequence[Part]) -> list[Part]:
    roles = {one.name, f"{OF_CONTEXT}/{one.name}"}
    return [p for p in parts if p.role in roles or (one.name == MINISTRY and p.kind == MINISTRY)]


def _with_parts(one: Listed, parts: Sequence[Part]) -> Listed:
    own = _parts_of(one, parts)
    days = [p.read_on for p in own if p.read_on is not None]
    return replace(one, inputs=tuple(i for p in own for i in p.inputs), read_on=max(days, default=None))


def _with_age(one: Listed, sources: Sequence[Listed], today: date) -> Listed:
    """The source with a remark where it is old, or a newer one of its kind is declared and not in home."""
    if not one.inputs or one.known_on is None:
        return one
    newer = [
        other.name
        for other in sources
        if other.reader == one.reader and not other.inputs and (other.known_on or one.known_on) > one.known_on
    ]
    remarks = [f"a newer one of its kind is declared: {', '.join(newer)}"] if newer else []
    years = (today - one.known_on).days / 365.25
    if years > OLD_YEARS:
        remarks.append(f"public for {int(years)} years: look for a newer one")
    return replace(one, remarks=tuple(remarks))


def _contests(core: Path, parts: Sequence[Part], roll: Roll) -> tuple[Held, ...]:
    stations = row_counts(core)
    ranked = sorted((p for p in parts if p.kind in (RESULTS, MINISTRY)), key=lambda p: p.kind == MINISTRY)
    source: dict[str, str] = {}
    for part in ranked:
        for key in part.contests:
            source.setdefault(key, part.role)
    reached = reached_by_contests(core, sorted(stations), roll)
    return tuple(Held(key, source[key], stations[key], share) for key, share in reached.items())


def _reached(
    one: Listed,
    core: Path,
    parts: Sequence[Part],
    whole: Context,
    roll: Roll,
    contests: Sequence[Held],
    coarse: dict[str, float],
) -> Listed:
    own = _parts_of(one, parts)
    if not own:
        return one
    if one.name in (RESULTS, MINISTRY):
        by_contest = tuple((c.contest, c.reaches) for c in contests if c.source in {p.role for p in own})
        return replace(one, reach=by_contest, reaches=max((s for _, s in by_contest), default=0.0))
    if one.name == COMMUNES:
        return replace(one, reach=tuple(coarse.items()), reaches=reached_by_communes(core, roll))
    tables = {k: r for p in own for k, r in reached_by_tables(p.folder, whole, roll).items()}
    if not tables:
        return one
    together = roll.share(np.maximum.reduce(list(tables.values())))
    shares = tuple((name, roll.share(reach)) for name, reach in tables.items())
    remarks = one.remarks if together else (NOBODY, *one.remarks)
    return replace(one, reach=shares, reaches=together, remarks=remarks)


def looked_up(found: Inventory, say: Say) -> Inventory:
    """The inventory with a remark on each source in home whose publisher has another version by now."""
    return replace(found, sources=tuple(_looked_up(one, say) for one in found.sources))


def _looked_up(one: Listed, say: Say) -> Listed:
    remarks = []
    for file, read in zip(one.files, one.inputs, strict=False):
        if file.url is None:
            continue
        say(f"asking for {file.file}")
        same = read.path == file.url
        wanted = Wanted(
            file.file, file.url, None, read.etag if same else None, read.modified if same else None
        )
        try:
            changed = is_replaced(wanted, read.bytes)
        except (SourceError, UnreachableError) as error:
            remarks.append(error.what)
            continue
        if changed is not False:
            said = "has another version by now" if changed else "does not tell whether it changed"
            remarks.append(f"the publisher of {file.file} {said}")
    return replace(one, remarks=(*one.remarks, *remarks))
