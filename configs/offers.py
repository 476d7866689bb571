"""Load who stands in a target: an offer file, the CSV table beside it, and what is said of heirs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path

from isoloir.domain.bloc import LABEL_CODE, UNLABELLED, BlocMap
from isoloir.domain.errors import UsageError
from isoloir.domain.scenario import Candidacy, Inheritance, OfferSpec

from .schema import AREA, HeirsText, OfferText
from .territory import TerritoryConfig, nearest
from .text import M, Problems, parse, read, shown_key, shown_name, validate

COLUMNS = ["label", "area_level", "area"]


def at_path(name: str | Path) -> Path | None:
    """The path itself if it leads to a YAML file; None for what must be a name."""
    path = Path(name)
    return path if path.suffix == ".yaml" and path.is_file() else None


def named(
    config: TerritoryConfig, folder: str, name: str, form: type[M], problems: Problems
) -> tuple[M, str]:
    """What the file called ``name`` in the territory's ``folder`` says, and the name to show for it."""
    stem = name.removesuffix(".yaml")
    known = config.layers.stems(f"territories/{config.key}/{folder}")
    if stem not in known:
        what = f"{config.key} has no {folder.removesuffix('s')} called {shown_key(stem)!r}"
        raise UsageError(what, remedy=f"{nearest(name, known)}; or give the path of a .yaml file")
    path = f"territories/{config.key}/{folder}/{stem}.yaml"
    text = read(config.layers, path, form, problems)
    problems.raise_if_any()
    assert text is not None
    return text, shown_name(config.layers, path)


def from_path(path: Path, form: type[M], problems: Problems) -> tuple[M, str]:
    """What the file at ``path`` says, and the name to show for it."""
    said = parse(path, str(path), problems)
    problems.raise_if_any()
    text = validate(form, said, str(path), problems)
    problems.raise_if_any()
    assert text is not None
    return text, str(path)


def load_offer(
    config: TerritoryConfig, name_or_path: str | Path, target: str, grouping: str | None = None
) -> OfferSpec:
    """Who stands in ``target``; UsageError if there is no such file, ConfigError with all it contradicts.

    Each label must have a bloc in ``grouping`` (None: the territory's default).
    """
    return _loaded(config, name_or_path, at_path(name_or_path), target, grouping)


def offer_beside(
    config: TerritoryConfig, file: str, target: str, grouping: str, beside: Path | None
) -> OfferSpec:
    """The offer ``file`` of a scenario: that ``beside`` it if there is one, else the territory's own.

    Never from the working directory: what a scenario means must not depend on where one stands.
    """
    path = beside if beside is not None and beside.is_file() else None
    return _loaded(config, file, path, target, grouping)


def _loaded(
    config: TerritoryConfig, name: str | Path, path: Path | None, target: str, grouping: str | None
) -> OfferSpec:
    problems, blocs = Problems(), config.grouping(grouping)
    if path is not None:
        said, shown = from_path(path, OfferText, problems)
    else:
        said, shown = named(config, "offers", str(name), OfferText, problems)
    if said.target != target:
        problems.add(shown, "target", f"is {said.target}, and the offer of {target} is wanted")
    elif target not in config.calendar:
        problems.add(shown, "target", f"{target} is no contest of {config.key}")
    problems.raise_if_any()
    rows = [(f"rows.{n}", _candidacy(row.label, row.area)) for n, row in enumerate(said.rows)]
    if said.table is not None:
        rows += _of_table(config, said.table, path, shown, problems)
    _check_rows(config, rows, target, blocs, shown, problems)
    labels = {row.label for _, row in rows}
    inheritances = tuple(_inheritances(config, said, labels, blocs, shown, problems))
    problems.raise_if_any()
    return OfferSpec(target, tuple(row for _, row in rows), inheritances)


def _candidacy(label: str, where: str) -> Candidacy:
    level, _, area = where.partition(":")
    return Candidacy(label, level, area)


def _of_table(
    config: TerritoryConfig, table: str, offer: Path | None, shown: str, problems: Problems
) -> list[tuple[str, Candidacy]]:
    """The rows of the CSV beside an offer, each with its line; none, and a problem kept, if it fails."""
    found: tuple[Traversable, str] | None
    if offer is None:
        found = config.layers.find(f"territories/{config.key}/offers/{table}")
    else:
        path = offer.parent / table
        found = (path, str(path)) if path.is_file() else None
    if found is None:
        problems.add(shown, "table", f"{table} is not beside this file")
        return []
    file, its = found
    try:
        lines = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error):
        problems.add(its, "", "is no CSV in UTF-8")
        return []
    if not lines or lines[0] != COLUMNS:
        problems.add(its, "line 1", f"must read {','.join(COLUMNS)}")
        return []
    return list(_lines(lines[1:], its, problems))


def _lines(lines: list[list[str]], shown: str, problems: Problems) -> Iterator[tuple[str, Candidacy]]:
    # Values are not repeated: what is no code may be a person's name.
    for number, line in enumerate(lines, start=2):
        where = f"line {number}"
        if len(line) != len(COLUMNS):
            problems.add(shown, where, f"has {len(line)} fields, not {len(COLUMNS)}")
            continue
        label, level, area = line
        if not LABEL_CODE.match(label) or "\n" in label:
            problems.add(shown, where, "label is no code (1 to 5 capitals, or a panel number); not shown")
        elif not re.match(AREA, f"{level}:{area}" if area else level):
            problems.add(shown, where, "area_level is country (and area empty), department or constituency")
        else:
            yield f"{shown} {where}", Candidacy(label, level, area)


def _check_rows(
    config: TerritoryConfig,
    rows: list[tuple[str, Candidacy]],
    target: str,
    blocs: BlocMap,
    shown: str,
    problems: Problems,
) -> None:
    seen: set[Candidacy] = set()
    strange: set[str] = set()
    for where, row in rows:
        if row in seen:
            problems.add(shown, where, f"{row.label} stands twice in {row.where}")
        seen.add(row)
        if row.label not in strange and blocs.code_of(config.calendar[target], row.label) is None:
            strange.add(row.label)
            problems.add(shown, f"{where}.label", f"{row.label} has no bloc in grouping {blocs.grouping!r}")


def _inheritances(
    config: TerritoryConfig,
    said: OfferText,
    labels: set[str],
    blocs: BlocMap,
    shown: str,
    problems: Problems,
) -> Iterator[Inheritance]:
    for number, one in enumerate(said.heirs_of):
        where = f"heirs_of.{number}"
        before = len(problems.lines)
        _check_earlier(config, one, said.target, blocs, shown, where, problems)
        weights: dict[str, float] = {}
        total = sum(one.heirs.values())
        for heir, weight in one.heirs.items():
            bloc = _bloc_of(config, heir, said.target, labels, blocs)
            if bloc is None:
                what = f"is no label of this offer and no bloc of {blocs.grouping}: {', '.join(blocs.blocs)}"
                problems.add(shown, f"{where}.heirs", f"number {len(weights) + 1} {what}")
                break
            weights[bloc] = weights.get(bloc, 0.0) + weight / total
        if len(problems.lines) == before:
            heirs = tuple((bloc, weights[bloc]) for bloc in blocs.blocs if bloc in weights)
            yield Inheritance(one.assumption, one.contests, one.label, heirs, one.source)


def _bloc_of(config: TerritoryConfig, heir: str, target: str, labels: set[str], blocs: BlocMap) -> str | None:
    """The bloc of an heir, which is a label of the offer or a bloc itself."""
    if heir in labels:
        code = blocs.code_of(config.calendar[target], heir)
        return None if code is None or code == UNLABELLED else blocs.blocs[code]
    return heir if heir in blocs.blocs else None


def _check_earlier(
    config: TerritoryConfig,
    one: HeirsText,
    target: str,
    blocs: BlocMap,
    shown: str,
    where: str,
    problems: Problems,
) -> None:
    """Keep what is said of a contest that is unknown or not earlier, or of a label that it cannot have."""
    for key in one.contests:
        if key not in config.calendar:
            problems.add(shown, f"{where}.contests", f"{key} is no contest of {config.key}")
        elif config.calendar[key].held_on >= config.calendar[target].held_on:
            problems.add(shown, f"{where}.contests", f"{key} is not earlier than {target}")
        elif blocs.code_of(config.calendar[key], one.label) in (None, UNLABELLED):
            problems.add(shown, f"{where}.label", f"has no bloc in {key} under grouping {blocs.grouping!r}")
