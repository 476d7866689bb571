"""data.gouv.fr's « Données des élections agrégées »: general_results and candidats_results, into returns."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from isoloir.domain.errors import SourceError
from isoloir.domain.station import Stations, Text

from .candidacies import WHO, Candidacies, named, with_names
from .datagouv_columns import CANDIDATES, FORMS, GENERAL, STATION_ID
from .door import Door
from .gate.cells import check_forms
from .gate.grain import refuse_finer
from .returns import Derivation, Read, Returns, shown
from .tables import Opened, batches

MOST_ROWS = 5.0
"""Rows per station and label, on average: candidates of one nuance are fewer (1.3 where there are most)."""

BY_CONSTITUENCY = re.compile(r"[0-9]{4}_legi_t[1-9]")
"""Rounds in which the candidates tell the constituency; elsewhere they tell a canton, or nothing."""

SENATE = re.compile(r"[0-9]{4}_sena_t[1-9]")

Tally = tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.bool_]]
"""The labels of a contest, and per station and label [S × L] its votes and whether a row stood there."""


def read_returns(general: Opened, candidates: Opened, door: Door) -> Read:
    """The returns of every contest in the two files.

    Senate rows have no station and are left out, counted; any other undeclared contest is refused.
    """
    tables, left_out = _by_contest(general, door.kind)
    stations = {key: _stations(key, table, general.where) for key, table in tables.items()}
    withheld: Counter[str] = Counter()
    candidacies = Candidacies.of({key: len(s) for key, (s, _) in stations.items() if _is_unplaced(key, s)})
    known = {key: s.station_id for key, (s, _) in stations.items()}
    tally = _tally(candidates, known, door, withheld, candidacies)
    made = [_returns(key, tables[key], stations[key], tally[key]) for key in sorted(stations)]
    placed, derivations = _placed(made, candidacies, door)
    return Read(placed, left_out, dict(withheld), derivations)


def _is_unplaced(key: str, stations: Stations) -> bool:
    return bool(BY_CONSTITUENCY.fullmatch(key)) and bool((stations.constituency_code == "").any())


def _placed(
    made: list[Returns], candidacies: Candidacies, door: Door
) -> tuple[list[Returns], tuple[Derivation, ...]]:
    """The returns with constituencies derived where their rows state none, called as earlier rounds do."""
    by_day = sorted(made, key=lambda r: (door.calendar[r.contest].held_on, r.contest))
    stated = [r for r in by_day if (r.stations.constituency_code != "").any()]
    found, derivations = {}, []
    for one in by_day:
        if one.contest in candidacies.sums:
            day = door.calendar[one.contest].held_on
            earlier = [r for r in stated if door.calendar[r.contest].held_on < day]
            groups = candidacies.groups(one.contest, one.stations.department_code)
            stations, derivation = named(one, groups, earlier)
            found[one.contest] = replace(one, stations=stations)
            derivations.append(derivation)
    return [found.get(r.contest, r) for r in made], tuple(derivations)


def _by_contest(general: Opened, kind: Mapping[str, str]) -> tuple[dict[str, pa.Table], dict[str, int]]:
    parts: dict[str, list[pa.Table]] = defaultdict(list)
    left_out: dict[str, int] = defaultdict(int)
    offset = 0
    for table in batches(general, GENERAL):
        table = _without_places(table, list(FORMS))
        check_forms(table, FORMS, general.where, offset)
        general.keep(table)
        numbered = _numbered(table, offset)
        offset += len(table)
        for key in pc.unique(numbered["contest"]).to_pylist():
            part = numbered.filter(pc.equal(numbered["contest"], key))
            if key in kind:
                parts[key].append(part)
            else:
                _leave_out(key, len(part), int(part["row"][0].as_py()), general.where, left_out, kind)
    return {key: pa.concat_tables(tables) for key, tables in parts.items()}, dict(left_out)


def _without_places(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """The batch without the texts ``names`` of rows that are left out: they are of no station."""
    contests = pc.unique(table["contest"]).drop_null().to_pylist()
    of_none = [key for key in contests if SENATE.fullmatch(key)]
    if not of_none:
        return table
    bare = pc.is_in(table["contest"], value_set=pa.array(of_none, pa.string()))
    for name in names:
        column = pc.if_else(bare, pa.scalar(None, pa.string()), table[name])
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def _numbered(table: pa.Table, offset: int) -> pa.Table:
    """The batch with the rows' numbers in the file; a contest not stated becomes "", which none declares."""
    contest = table["contest"].fill_null("")
    table = table.set_column(table.column_names.index("contest"), "contest", contest)
    return table.append_column("row", pa.array(np.arange(offset + 1, offset + 1 + len(table))))


def _leave_out(
    key: str, rows: int, first: int, where: str, left_out: dict[str, int], declared: Iterable[str]
) -> None:
    if SENATE.fullmatch(key):
        left_out[key] += rows
        return
    raise SourceError(
        f"{rows} row(s) are of a contest that is not declared: {_contest(key, declared)}",
        where=f"{where}, row {first}",
        remedy="add it to the territory's elections.yaml, with its date and source",
    )


def _contest(key: str, declared: Iterable[str]) -> str:
    """The contest as messages show it. The kind may be a name, too, unless a declared contest is of it."""
    kinds = "|".join(sorted({one.split("_")[1] for one in declared}))
    return shown(key, re.compile(f"[0-9]{{4}}_(?:{kinds})_t[1-9]")) if key else "(not stated)"


def _text(table: pa.Table, name: str) -> Text:
    return np.asarray(table[name].fill_null("").to_numpy(), dtype=np.str_)


def _stations(key: str, table: pa.Table, where: str) -> tuple[Stations, NDArray[np.intp]]:
    """The contest's stations in order of their codes, and the rows of ``table`` that they are at."""
    ids = _text(table, "station_id")
    order = np.argsort(ids, kind="stable")
    repeated = np.flatnonzero(ids[order][1:] == ids[order][:-1])
    if len(repeated):
        refuse_finer(len(ids), len(ids) - len(repeated), 2.0, f"stations of {key}", where)
        row = table["row"].to_numpy()[order[repeated[0] + 1]]
        first = shown(str(ids[order][repeated[0]]), STATION_ID)
        raise SourceError(
            f"{len(repeated)} station(s) of {key} stand twice, first {first}",
            where=f"{where}, row {row}",
            remedy="keep one row per station and round; if they are of two ballots (Paris, Lyon, Marseille "
            "since 2026), declare two contests: never sum them",
        )
    names = ("station_id", "commune_code", "department_code", "constituency_code")
    return Stations(*(_text(table, name)[order] for name in names)), order


def _candidates(
    candidates: Opened, door: Door, withheld: Counter[str], candidacies: Candidacies
) -> Iterator[pa.Table]:
    """The rows, numbered, with the column of labels that their contest goes by and no other text."""
    offset = 0
    for table in batches(candidates, with_names(CANDIDATES) if candidacies else CANDIDATES):
        if candidacies:
            table = candidacies.digested(table)
        table = _without_places(table, ["station_id"])
        for name in ("nuance", "list"):
            column = pc.if_else(
                door.of_kind(table["contest"], name), table[name], pa.scalar(None, pa.string())
            )
            column, out = door.labels(table["contest"], column, candidates.where, offset)
            withheld.update(out)
            table = table.set_column(table.column_names.index(name), name, column)
        candidates.keep(table)
        yield _numbered(table, offset)
        offset += len(table)


def _tally(
    candidates: Opened,
    known: Mapping[str, Text],
    door: Door,
    withheld: Counter[str],
    candidacies: Candidacies,
) -> dict[str, Tally]:
    """Votes and presence [S × L] per contest, summed over rows of one station and label in one pass."""
    read: Counter[str] = Counter()
    sums: dict[str, dict[str, NDArray[np.int64]]] = {key: {} for key in known}
    rows: dict[str, dict[str, NDArray[np.bool_]]] = {key: {} for key in known}
    index = {key: pd.Index(ids) for key, ids in known.items()}
    where = candidates.where
    for numbered in _candidates(candidates, door, withheld, candidacies):
        for key in pc.unique(numbered["contest"]).to_pylist():
            part = numbered.filter(pc.equal(numbered["contest"], key))
            if key in known:
                at = index[key].get_indexer(pd.Index(_text(part, "station_id")))
                _refuse_rows(part, at < 0, f"of {key} are of no station of the other file", where)
                # Here, as a sum over the rows of one label would hide it.
                uncounted = pc.less(part["votes"].fill_null(-1), 0).to_numpy()
                _refuse_rows(part, uncounted, f"of {key} state no votes, or a negative count", where)
                label = _label(part, key, door.kind[key], where)
                _add(label, part["votes"], at, sums[key], rows[key], len(index[key]))
                read[key] += len(part)
                if key in candidacies.sums:
                    candidacies.add(key, at, part[WHO].to_numpy())
            elif not SENATE.fullmatch(key):
                every = np.ones(len(part), np.bool_)
                _refuse_rows(
                    part,
                    every,
                    f"are of contest {_contest(key, door.kind)}, which the other file lacks",
                    where,
                )
    tally = {key: _stacked(sums[key], rows[key], len(ids)) for key, ids in known.items()}
    for key, (_, _, present) in tally.items():
        refuse_finer(read[key], int(present.sum()), MOST_ROWS, f"stations and labels of {key}", where)
    return tally


def _stacked(sums: dict[str, NDArray[np.int64]], rows: dict[str, NDArray[np.bool_]], length: int) -> Tally:
    labels = tuple(sorted(sums))
    if not labels:
        return labels, np.zeros((length, 0), np.int64), np.zeros((length, 0), np.bool_)
    return labels, np.stack([sums[n] for n in labels], axis=1), np.stack([rows[n] for n in labels], axis=1)


def _refuse_rows(part: pa.Table, bad: NDArray[np.bool_], what: str, where: str) -> None:
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        station = shown(str(_text(part, "station_id")[first]), STATION_ID)
        raise SourceError(
            f"{int(bad.sum())} row(s) {what}, first that of station {station}",
            where=f"{where}, row {part['row'][first]}",
            remedy="take both files from the same day, or correct the row",
        )


def _label(part: pa.Table, key: str, kind: str, where: str) -> pa.ChunkedArray:
    if kind not in ("panel", "nuance", "list"):
        raise SourceError(
            f"the labels of {key} are declared as {kind}, which these files do not have",
            where=where,
            remedy=f"say panel, nuance or list at {key} in elections.yaml",
        )
    return part["panel"].cast(pa.string()) if kind == "panel" else part[kind]


def _add(
    column: pa.ChunkedArray,
    votes_of: pa.ChunkedArray,
    at: NDArray[np.intp],
    sums: dict[str, NDArray[np.int64]],
    rows: dict[str, NDArray[np.bool_]],
    length: int,
) -> None:
    labels = column.fill_null("").combine_chunks().dictionary_encode()
    number, names = labels.indices.to_numpy(), labels.dictionary.to_pylist()
    flat = number.astype(np.int64) * length + at
    votes = np.bincount(flat, weights=votes_of.to_numpy(), minlength=len(names) * length)
    seen = np.bincount(flat, minlength=len(names) * length) > 0
    for i, name in enumerate(names):
        piece = slice(i * length, (i + 1) * length)
        sums[name] = sums.get(name, 0) + votes[piece].astype(np.int64)
        rows[name] = rows.get(name, np.zeros(length, np.bool_)) | seen[piece]


def _returns(
    key: str,
    table: pa.Table,
    placed: tuple[Stations, NDArray[np.intp]],
    tally: Tally,
) -> Returns:
    stations, order = placed
    labels, votes, present = tally

    def count(name: str) -> NDArray[np.int32]:
        return np.asarray(table[name].fill_null(-1).to_numpy()[order], dtype=np.int32)

    blank, null = count("blank"), count("null")
    return Returns(
        contest=key,
        stations=stations,
        registered=count("registered"),
        voters=count("voters"),
        valid=count("valid"),
        labels=labels,
        votes=votes.astype(np.int32),
        present=present,
        row=np.asarray(table["row"].to_numpy()[order], dtype=np.int64),
        abstentions=count("abstentions"),
        blank_null=np.where((blank < 0) | (null < 0), np.int32(-1), blank + null),
        id_form=STATION_ID,
    )
