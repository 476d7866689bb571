"""Tidy tables of any country: one row per station, contest and label, columns declared in YAML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from isoloir.configs.sources import TidyGeography, TidyResults, TidySource
from isoloir.domain.errors import SourceError
from isoloir.domain.station import Stations

from .door import Door
from .gate.cells import check_free
from .gate.grain import refuse_finer
from .returns import CODE, Read, Returns, shown
from .tables import Form, Opened, batches

COUNTS = ("registered", "voters", "valid", "votes")
AREAS = ("commune", "department", "constituency")
MOST_ROWS = 2.0
"""Rows per station and label, on average: a label may stand for a few candidates."""


def results_form(said: TidyResults) -> Form:
    """The columns of the results that may be read."""
    columns = {"station": said.station, "label": said.label}
    columns |= {name: getattr(said, name) for name in COUNTS}
    columns |= {area: getattr(said, area) for area in AREAS if getattr(said, area)}
    return _form(columns | {f"contest.{name}": name for name in said.contest_columns()}, said)


def geography_form(said: TidyGeography) -> Form:
    """The columns of the geography that may be read."""
    return _form({"station": said.station} | {a: getattr(said, a) for a in AREAS if getattr(said, a)}, said)


def _form(columns: Mapping[str, str], said: TidyResults | TidyGeography) -> Form:
    types = {name: pa.int64() if name in COUNTS else pa.string() for name in columns}
    written = {str(name): form for name, form in said.forms.items()}
    forms = {n: re.compile(written.get(n, CODE.pattern)) for n in ("station", *AREAS) if n in columns}
    every = frozenset(columns)
    return Form({n: (c,) for n, c in columns.items()}, types, every, frozenset(said.left_out), forms)


def read_returns(files: Sequence[Opened], source: TidySource, door: Door) -> Read:
    """The returns of every contest in the results file, areas from the geography where declared there."""
    rows, withheld = _rows(files[0], source.results, door)
    if source.geography is not None:
        rows = _with_areas(rows, files[1], source.geography)
    made = [_returns(str(key), part, files[0].where) for key, part in rows.groupby("contest", sort=True)]
    return Read(made, {}, withheld)


def _rows(file: Opened, said: TidyResults, door: Door) -> tuple[pd.DataFrame, dict[str, int]]:
    form = results_form(said)
    table = pa.concat_tables(batches(file, form))
    check_free(table, form.forms, file.where)
    # Grouping drops rows without a key, and a sum those without votes.
    unstated = np.any([table[name].is_null().to_numpy() for name in ("station", "label", "votes")], axis=0)
    if unstated.any():
        raise SourceError(
            f"{int(unstated.sum())} row(s) state no station, label or votes",
            where=f"{file.where}, row {int(np.flatnonzero(unstated)[0]) + 1}",
            remedy="fill these rows, or remove them",
        )
    contest = _contests(table, said, door, file.where)
    label, withheld = door.labels(contest, table["label"], file.where, 0)
    table = table.set_column(table.column_names.index("label"), "label", label.fill_null(""))
    file.keep(table)
    rows: pd.DataFrame = table.append_column("contest", contest).to_pandas()
    return rows.assign(row=np.arange(1, len(rows) + 1)), dict(withheld)


def _contests(table: pa.Table, said: TidyResults, door: Door, where: str) -> pa.ChunkedArray:
    """The key of each row's contest."""
    parts = said.contest_columns()
    columns = [f"contest.{name}" for name in parts]
    rows: pd.DataFrame = table.select(columns).to_pandas()
    keyed = rows.drop_duplicates()
    keyed = keyed.assign(
        contest=[said.contest_key(dict(zip(parts, v, strict=True))) for v in keyed.to_numpy().tolist()]
    )
    merged = rows.merge(keyed, on=columns, how="left")
    unknown = sorted(set(keyed["contest"]) - set(door.kind))
    if unknown:
        raise SourceError(
            f"contests that are not declared: {', '.join(_shown_contests(unknown, door.kind)[:5])}",
            where=f"{where}, row {int(np.flatnonzero(merged['contest'].isin(unknown))[0]) + 1}",
            remedy="add them to the territory's elections.yaml, with date and source",
        )
    return pa.chunked_array([pa.array(merged["contest"], pa.string())])


def _shown_contests(keys: Iterable[str], declared: Iterable[str]) -> list[str]:
    """The keys as messages show them. The kind may be a name, too, unless a declared contest is of it."""
    kinds = "|".join({key.split("_")[1] for key in declared})
    known = re.compile(f"[0-9]{{4}}_(?:{kinds})_t[1-9]")
    return list(dict.fromkeys(shown(key, known) for key in keys))


def _with_areas(rows: pd.DataFrame, file: Opened, said: TidyGeography) -> pd.DataFrame:
    form = geography_form(said)
    table = pa.concat_tables(batches(file, form))
    check_free(table, form.forms, file.where)
    areas = table.to_pandas().drop_duplicates("station")
    refuse_finer(len(table), len(areas), 1.0, "stations", file.where)
    file.keep(table)
    return rows.merge(areas, on="station", how="left")


def _returns(key: str, part: pd.DataFrame, where: str) -> Returns:
    first = part.drop_duplicates("station").sort_values("station")
    for name in ("registered", "voters", "valid"):
        several = part.groupby("station")[name].nunique()
        if (several > 1).any():
            station = several.idxmax()
            of_it = part[part["station"] == station]
            row = of_it.loc[of_it[name] != of_it[name].iloc[0], "row"].iloc[0]
            raise SourceError(
                f"station {shown(str(station), CODE)} of {key} states several figures of {name}",
                where=f"{where}, row {row}",
                remedy="keep one figure per station and contest",
            )
    pairs = int((~part.duplicated(["station", "label"])).sum())
    refuse_finer(len(part), pairs, MOST_ROWS, f"stations and labels of {key}", where)
    votes = part.pivot_table(index="station", columns="label", values="votes", aggfunc="sum").sort_index()
    text = (
        first.reindex(columns=["station", "commune", "department", "constituency"])
        .astype("string")
        .fillna("")
    )
    return Returns(
        contest=key,
        stations=Stations(*(np.asarray(text[name].to_numpy(), dtype=np.str_) for name in text.columns)),
        registered=first["registered"].fillna(-1).to_numpy(np.int32),
        voters=first["voters"].fillna(-1).to_numpy(np.int32),
        valid=first["valid"].fillna(-1).to_numpy(np.int32),
        labels=tuple(str(name) for name in votes.columns),
        votes=votes.fillna(0).to_numpy(np.int32),
        present=votes.notna().to_numpy(),
        row=first["row"].to_numpy(np.int64),
    )
