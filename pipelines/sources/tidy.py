"""Tidy tables of any country: one row per station, contest and label, columns declared in YAML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from isoloir.configs.sources import TidyGeography, TidySource
from isoloir.domain.errors import SourceError
from isoloir.domain.station import Stations

from .returns import Returns
from .tables import Form, batches

COUNTS = ("registered", "voters", "valid", "votes")
AREAS = ("commune", "department", "constituency")


def read_returns(files: list[Path], source: TidySource, label_kind: Mapping[str, str]) -> list[Returns]:
    """The returns of every contest in the results file, areas from the geography where declared there."""
    rows = _rows(files[0], source)
    if source.geography is not None:
        rows = _with_areas(rows, files[1], source.geography)
    unknown = sorted(set(rows["contest"]) - set(label_kind))
    if unknown:
        raise SourceError(
            f"contests that are not declared: {', '.join(unknown[:5])}",
            where=str(files[0]),
            remedy="add them to the territory's elections.yaml, with date and source",
        )
    return [_returns(str(key), part, files[0]) for key, part in rows.groupby("contest", sort=True)]


def _frame(path: Path, columns: Mapping[str, str], counts: tuple[str, ...], delimiter: str) -> pd.DataFrame:
    types = {name: pa.int64() if name in counts else pa.string() for name in columns}
    form = Form({n: (c,) for n, c in columns.items()}, types, frozenset(columns))
    rows: pd.DataFrame = pa.concat_tables(batches(path, form, delimiter=delimiter)).to_pandas()
    return rows


def _rows(path: Path, source: TidySource) -> pd.DataFrame:
    said = source.results
    columns = {"station": said.station, "label": said.label}
    columns |= {name: getattr(said, name) for name in COUNTS}
    columns |= {area: getattr(said, area) for area in AREAS if getattr(said, area)}
    parts = said.contest_columns()
    columns |= {f"contest.{name}": name for name in parts}
    rows = _frame(path, columns, COUNTS, said.delimiter)
    # Grouping drops rows without a key, and a sum those without votes.
    unstated = rows[["station", "label", "votes"]].isna().any(axis=1).to_numpy()
    if unstated.any():
        raise SourceError(
            f"{int(unstated.sum())} row(s) state no station, label or votes",
            where=f"{path}, row {int(np.flatnonzero(unstated)[0]) + 1}",
            remedy="fill these rows, or remove them",
        )
    keyed = rows[[f"contest.{name}" for name in parts]].drop_duplicates()
    keyed["contest"] = [
        said.contest_key(dict(zip(parts, values, strict=True))) for values in keyed.to_numpy().tolist()
    ]
    merged = rows.merge(keyed, on=[f"contest.{name}" for name in parts], how="left")
    return merged.assign(row=np.arange(1, len(rows) + 1))


def _with_areas(rows: pd.DataFrame, path: Path, said: TidyGeography) -> pd.DataFrame:
    columns = {"station": said.station} | {a: getattr(said, a) for a in AREAS if getattr(said, a)}
    places = _frame(path, columns, (), said.delimiter).drop_duplicates("station")
    return rows.merge(places, on="station", how="left")


def _returns(key: str, part: pd.DataFrame, path: Path) -> Returns:
    first = part.drop_duplicates("station").sort_values("station")
    for name in ("registered", "voters", "valid"):
        several = part.groupby("station")[name].nunique()
        if (several > 1).any():
            station = several.idxmax()
            of_it = part[part["station"] == station]
            row = of_it.loc[of_it[name] != of_it[name].iloc[0], "row"].iloc[0]
            raise SourceError(
                f"station {station} of {key} states several figures of {name}",
                where=f"{path}, row {row}",
                remedy="keep one figure per station and contest",
            )
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
