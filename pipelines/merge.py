"""Make one core of all the parts: each contest from the first source that has it, what others say beside."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from isoloir.configs.load import TerritoryConfig
from isoloir.configs.national import load_national
from isoloir.domain.station import CODES, Stations, Text, positions

from .context import GEO, line, write_context
from .core import COMMUNES, CONTEXT, COUNTS, LABEL
from .nation import beside_official
from .parts import Part
from .pieces import COMMUNES as BY_COMMUNE
from .pieces import CONTEXT as OF_CONTEXT
from .pieces import MINISTRY, RESULTS
from .sources import contours
from .sources.numbering import belongings_of

COVERED = 0.95
"""A roll is that of some communes if it has this part of those that the widest roll has."""

ORDER = (RESULTS, MINISTRY)
"""Where the stations of a contest stand in several sources, the first of these wins; then order of name."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What another source says otherwise of a contest: ``kept`` wins, ``other`` is compared with it.

    ``compared`` places stand in both, ``only_kept`` and ``only_other`` in one. ``differing`` of them have
    some other count, the first of them ``first``; ``counts``: how many, by the name of the count.
    """

    contest: str
    kept: str
    other: str
    grain: str
    compared: int
    only_kept: int
    only_other: int
    differing: int
    first: str
    counts: dict[str, int]

    @property
    def agrees(self) -> bool:
        """Whether something was compared and nothing of it differs."""
        return self.compared > 0 and self.differing == 0

    def line(self) -> str:
        """One line for a person."""
        told = "all agree" if self.agrees else "none stands in both"
        if self.differing:
            most = sorted(self.counts.items(), key=lambda c: -c[1])[:4]
            told = f"{self.differing} differ, first {self.first} ("
            told += ", ".join(f"{name.removeprefix(LABEL)}: {n}" for name, n in most) + ")"
        apart = f", {self.only_kept} more in {self.kept}" if self.only_kept else ""
        apart += f", {self.only_other} more in {self.other}" if self.only_other else ""
        beside = f"{self.contest}: {self.kept} is kept, {self.other} set beside it"
        return f"{beside}: of {self.compared} {self.grain}s {told}{apart}"


def merge(config: TerritoryConfig, parts: Sequence[Part], folder: Path) -> dict[str, object]:
    """Write the core of ``parts`` into ``folder``; what is to be said of it, for ``ingest.json``."""
    ranked = sorted((p for p in parts if p.kind in ORDER), key=lambda p: (ORDER.index(p.kind), p.role))
    differences: list[Difference] = []
    source: dict[str, Part] = {}
    for part in ranked:
        for key in part.contests:
            if key in source:
                differences.append(_compared(key, source[key], part))
            else:
                source[key] = part
                shutil.copy(part.folder / f"{key}.parquet", folder)
    coarse = _communes([p for p in parts if p.kind == BY_COMMUNE], source, folder, differences)
    won = [(key, source[key]) for key in sorted(source)]
    keys = [key for key, _ in won]
    partial = _partial(folder, keys)
    official = beside_official(folder, tuple(partial), load_national(config))
    met = _context(config, [p for p in parts if p.kind == OF_CONTEXT], folder, keys)
    findings = [f for part in ranked for f in part.findings if source[f.contest] is part]
    return {
        "territory": config.key,
        "parts": {p.role: p.folder.name for p in parts},
        "inputs": [asdict(i) for p in parts for i in p.inputs],
        "contests": keys,
        "source_of": {key: part.role for key, part in won},
        "stations": sum(pq.read_metadata(folder / f"{key}.parquet").num_rows for key in keys),
        "communes": coarse,
        "partial": partial,
        "findings": [asdict(f) for f in findings],
        "left_out": {k: n for p in ranked for k, n in p.left_out.items() if source.get(k, p) is p},
        "withheld": {k: n for p in ranked for k, n in p.withheld.items() if source.get(k, p) is p},
        "differences": [asdict(d) for d in differences],
        "derived": {key: part.derived[key] for key, part in won if key in part.derived},
        "notes": [*(note for p in parts for note in p.notes), *met],
        "official": official,
        "dropped": [line for p in parts for line in p.dropped],
    }


def _communes(
    parts: Sequence[Part], source: dict[str, Part], folder: Path, differences: list[Difference]
) -> list[str]:
    """Copy what is known by commune; where stations are known too, only set it beside them."""
    keys = []
    for part in parts:
        (folder / COMMUNES).mkdir(exist_ok=True)
        for key in part.contests:
            shutil.copy(part.folder / f"{key}.parquet", folder / COMMUNES)
            keys.append(key)
            if key in source:
                differences.append(_by_commune(key, source[key], part))
    return sorted(keys)


def _context(
    config: TerritoryConfig, parts: Sequence[Part], folder: Path, contests: Sequence[str]
) -> list[str]:
    """Copy the tables of context and make what follows from them and the stations; lines for a person."""
    into = folder / CONTEXT
    for part in parts:
        into.mkdir(exist_ok=True)
        for path in sorted(part.folder.glob("*.parquet")):
            shutil.copy(path, into)
    entries = (config.source.context.get(part.role.partition("/")[2]) for part in parts)
    made = belongings_of((said.reader for said in entries if said), _stations(folder, contests))
    write_context(made, into)
    shapes = sorted(into.glob(f"*{GEO}"))
    return [*map(line, made), *(_met(config, path, folder, contests) for path in shapes)]


def _stations(folder: Path, contests: Sequence[str]) -> Stations:
    """Every station that stands in some contest, once, in order."""
    names = CODES[:3]
    empty = pa.table({name: pa.array([], pa.string()) for name in names})
    read = [pq.read_table(folder / f"{key}.parquet", columns=list(names)) for key in contests]
    ids, communes, departments = (np.concatenate([_text(t, n) for t in (*read, empty)]) for n in names)
    _, first = np.unique(ids, return_index=True)
    return Stations(ids[first], communes[first], departments[first], np.full(len(first), ""))


def _met(config: TerritoryConfig, shapes: Path, folder: Path, contests: Sequence[str]) -> str:
    """How many stations of the newest roll of the communes of ``shapes`` have one."""
    name, outlined = shapes.name.removesuffix(GEO), contours.station_ids(shapes)
    communes = np.unique(_text(pq.read_table(shapes, columns=["commune_code"]), "commune_code"))
    firsts = [c for c in config.calendar if c.round == 1 and c.key in contests]
    rolls = {c.key: pq.read_table(folder / f"{c.key}.parquet", columns=list(CODES[:2])) for c in firsts}
    inside = {key: np.isin(_text(roll, "commune_code"), communes) for key, roll in rolls.items()}
    covered = {k: len(np.unique(_text(rolls[k], "commune_code")[inside[k]])) for k in rolls}
    most = max(covered.values(), default=0)
    if not most:
        return f"contours of {name}: no first round was ingested of the communes they are of"
    # Not every first round is held in every commune, nor every source a whole territory's.
    newest = [key for key, some in covered.items() if some >= COVERED * most][-1]
    met = contours.matched(outlined, _text(rolls[newest], "station_id")[inside[newest]])
    on_roll = len(met.matched) + len(met.only_in_roll)
    found = f"{len(met.matched)} of {on_roll} stations of the roll of {newest} have one"
    return f"contours of {name}: {found}; {len(met.only_in_contours)} contours match none"


def _text(table: pa.Table, name: str) -> Text:
    return np.asarray(table[name].to_numpy(), dtype=np.str_)


def _partial(folder: Path, keys: Sequence[str]) -> dict[str, str]:
    """Contests that cover less than half of the departments that all contests together cover."""
    covered = {key: _departments(folder / f"{key}.parquet") for key in keys}
    every = frozenset[str]().union(*covered.values()) if covered else frozenset()
    return {
        key: f"{len(some)} of {len(every)} departments"
        for key, some in covered.items()
        if 2 * len(some) < len(every)
    }


def _departments(path: Path) -> frozenset[str]:
    return frozenset(pq.read_table(path, columns=["department_code"])["department_code"].unique().to_pylist())


def _compared(key: str, kept: Part, other: Part) -> Difference:
    """What two sources say of the stations of one contest, count by count."""
    ours, theirs = (pq.read_table(p.folder / f"{key}.parquet") for p in (kept, other))
    labels = [n for n in ours.column_names if n.startswith(LABEL) and n in theirs.column_names]
    return _difference(key, kept, other, "station", ours, theirs, (*COUNTS, *labels))


def _by_commune(key: str, kept: Part, other: Part) -> Difference:
    """What the communes' own file says of a contest whose stations are known, summed up."""
    counts = ("registered", "voters")
    stations = pq.read_table(kept.folder / f"{key}.parquet", columns=["commune_code", *counts])
    sums = stations.group_by("commune_code").aggregate([(name, "sum") for name in counts])
    ours = sums.sort_by("commune_code").rename_columns(["commune_code", *counts])
    theirs = pq.read_table(other.folder / f"{key}.parquet")
    return _difference(key, kept, other, "commune", ours, theirs, counts)


def _difference(
    key: str, kept: Part, other: Part, grain: str, ours: pa.Table, theirs: pa.Table, counts: Sequence[str]
) -> Difference:
    code = "station_id" if grain == "station" else "commune_code"
    ids, others = (_text(t, code) for t in (ours, theirs))
    at = positions(ids, others)
    both = at >= 0
    differ, found = np.zeros(int(both.sum()), np.bool_), {}
    for name in counts:
        apart = ours[name].fill_null(0).to_numpy()[both] != theirs[name].fill_null(0).to_numpy()[at[both]]
        if apart.any():
            found[name] = int(apart.sum())
            differ |= apart
    first = str(ids[both][int(np.flatnonzero(differ)[0])]) if differ.any() else ""
    compared = int(both.sum())
    return Difference(
        key, kept.role, other.role, grain, compared, len(ids) - compared, len(others) - compared,
        int(differ.sum()), first, found,
    )  # fmt: skip
