"""Whether the files of a release have the columns that are declared, here and in its own contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from isoloir.domain.errors import ReleaseError
from isoloir.domain.tables import Column, Table

from .columns import SCHEMA, schema_of, tables_of
from .contract import FILE, Contract, read_contract
from .parquet import is_in_order
from .training_columns import NAME, feature_names

CONTRACTED = 2
"""The first minor version whose releases have a contract."""

PAGES = {"model_card.md": 0, "audit.json": 0, "audit.html": 2, FILE: CONTRACTED}
"""The files beside the tables, and the minor version that brought each."""


def schemas(release: Path, manifest: dict[str, Any], minor: int) -> list[str]:
    """What is wrong with the columns of a release of that minor version of the schema.

    One of an earlier minor has the columns of then; one of a later has all that are known here, and others
    that its contract says.
    """
    missing = [name for name, since in PAGES.items() if since <= minor and name not in manifest["files"]]
    if missing:
        return [f"{name} is missing" for name in missing]
    blocs = tuple(str(bloc) for bloc in manifest["blocs"])
    known = tables_of(blocs, min(minor, SCHEMA[1]))
    if FILE not in manifest["files"]:
        return [line for table in known for line in _unlike(release, table, told=False)]
    try:
        said = read_contract((release / FILE).read_text(encoding="utf-8"))
    except ReleaseError as error:
        return [error.what]
    named = (said.version, said.target, said.release_id)
    if named != tuple(manifest[name] for name in ("schema_version", "target", "release_id")):
        return [f"{FILE} is that of another release"]
    wrong = breaches(said, known, set(feature_names(blocs)), exact=minor <= SCHEMA[1])
    return wrong or [line for table in said.tables for line in _unlike(release, table, told=True)]


def breaches(said: Contract, known: tuple[Table, ...], features: set[str], exact: bool) -> list[str]:
    """Where a contract takes back what an earlier one, ``known``, promised; or adds to it, if ``exact``.

    Features of the training set may come and go.
    """
    tables, wrong = {table.name: table for table in said.tables}, []
    for one in known:
        other = tables.get(one.name)
        if other is None:
            wrong.append(f"{FILE} does not declare {one.name}")
            continue
        free = features if one.name == NAME else set()
        promised = {c.name: _shape(c) for c in one.columns if c.name not in free}
        found = {c.name: _shape(c) for c in other.columns}
        wrong += [
            f"{FILE} declares {one.name}: {name} other than it is"
            for name, shape in promised.items()
            if found.get(name) != shape
        ]
        if one.key != other.key or one.grain != other.grain:
            wrong.append(f"{FILE} declares the rows of {one.name} other than they are")
        if exact and one.name != NAME and set(found) != set(promised):
            wrong.append(f"{FILE} declares columns of {one.name} that are not known")
    if exact and set(tables) != {one.name for one in known}:
        wrong.append(f"{FILE} declares tables that are not known")
    return wrong


def _shape(column: Column) -> Column:
    """What a reader relies on: not the text, nor since when."""
    return replace(column, text="", since=0)


def _unlike(release: Path, declared: Table, told: bool) -> Iterator[str]:
    """How a file differs from its declaration; ``told``: fields say unit and text, and rows are in order."""
    if not (release / declared.name).is_file():
        yield f"{declared.name} is missing"
        return
    with pq.ParquetFile(release / declared.name) as file:
        wanted = schema_of(declared)
        if not file.schema_arrow.equals(wanted, check_metadata=False):
            yield f"{declared.name} has other columns than declared"
            return
        if told and not all(a.equals(b, True) for a, b in zip(file.schema_arrow, wanted, strict=True)):
            yield f"{declared.name} says other units or texts of its columns than declared"
        if told and not is_in_order(file.read(columns=list(declared.key)), declared):
            yield f"{declared.name} is not in order of {', '.join(declared.key)}, or one stands twice"
        for column in declared.columns:
            if not _in_range(file.read(columns=[column.name])[column.name], column):
                limits = f"[{column.low}, {column.high}]"
                yield f"{declared.name}: {column.name} holds what is not in {limits}, or is null"


def _in_range(values: pa.ChunkedArray, column: Column) -> bool:
    missing = values.null_count > 0
    if column.dtype == "number":
        missing |= bool(pc.any(pc.is_nan(values)).as_py())
    if missing and not column.nullable:
        return False
    if column.dtype in ("text", "flag") or values.null_count == len(values):
        return True
    ends = pc.min_max(values).as_py()
    return (column.low is None or ends["min"] >= column.low) and (
        column.high is None or ends["max"] <= column.high
    )
