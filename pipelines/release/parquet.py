"""Tables of a release as Parquet: declared types, sorted, the same bytes whoever writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isoloir.domain.errors import ReleaseError
from isoloir.domain.tables import Table

from .columns import schema_of

ROWS = 1 << 15
"""Of a group: small enough for statistics to leave out whole departments, large enough to compress well."""

PAGE = 1 << 20
"""Bytes of a page, before compression."""

LEVEL = 3
"""Of ZSTD: 15 takes eight times as long and saves a hundredth."""

OURS = "this is a fault of Isoloir: please report it"

COLUMNS = "columns"
"""Under this key of the file's metadata units and texts stand once more: few readers show a field's."""


def write_table(rows: pd.DataFrame, declared: Table, path: Path, said: Mapping[str, str]) -> None:
    """Write the declared columns of ``rows``, in order of the table's key, and what is ``said`` of the file.

    The bytes depend on the rows, the declaration and the version of pyarrow: not on the order of rows or
    columns, nor on the number of threads. ReleaseError where a key stands twice, or where a value is missing
    or is none of its column's type.
    """
    schema = schema_of(declared).with_metadata(metadata_of(declared, said))
    order = _in_order(rows, declared)
    ascending = [(name, "ascending") for name in declared.key]
    with pq.ParquetWriter(
        path,
        schema,
        version="2.6",
        data_page_version="1.0",
        data_page_size=PAGE,
        compression="zstd",
        compression_level=LEVEL,
        # Features are rounded so that few values recur: a dictionary packs them.
        use_dictionary=[
            c.name for c in declared.columns if c.dtype != "number" or declared.grain == "unit × contest"
        ],
        write_statistics=True,
        write_page_index=True,
        sorting_columns=pq.SortingColumn.from_ordering(schema, ascending, "at_start"),
    ) as writer:
        # A group at a time: a training set is a gigabyte as 64-bit numbers.
        for start in range(0, max(1, len(order)), ROWS):
            group = rows.iloc[order[start : start + ROWS]]
            writer.write_table(_arrow(group, declared, declared.names).cast(schema), row_group_size=ROWS)


def _arrow(rows: pd.DataFrame, declared: Table, names: Sequence[str]) -> pa.Table:
    """Some columns as declared; ReleaseError where a value is missing, or none of its column's type."""
    schema = schema_of(declared)
    wanted = pa.schema([schema.field(name) for name in names])
    try:
        return pa.Table.from_pandas(rows[list(names)], schema=wanted, preserve_index=False, nthreads=1)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError) as error:
        raise ReleaseError("a column is not as declared", where=declared.name, remedy=OURS) from error


def _in_order(rows: pd.DataFrame, declared: Table) -> NDArray[np.intp]:
    """The rows in order of the table's key, missing values first; ReleaseError where a key stands twice."""
    if not declared.key:
        return np.arange(len(rows))
    keys = _arrow(rows, declared, declared.key)
    twice = keys.num_rows - _different(keys, declared)
    if twice:
        raise ReleaseError(
            f"{twice} row(s) have the {', '.join(declared.key)} of another", where=declared.name, remedy=OURS
        )
    return np.asarray(_order(keys, declared).to_numpy(), np.intp)


def is_in_order(arrow: pa.Table, declared: Table) -> bool:
    """Whether the rows are in order of the table's key, and no key stands twice."""
    if not declared.key:
        return True
    place = _order(arrow, declared).to_numpy()
    return _different(arrow, declared) == arrow.num_rows and bool((place[1:] > place[:-1]).all())


def _different(arrow: pa.Table, declared: Table) -> int:
    return int(arrow.select(list(declared.key)).group_by(list(declared.key)).aggregate([]).num_rows)


def _order(arrow: pa.Table, declared: Table) -> pa.Array:
    return pc.sort_indices(arrow, sort_keys=[(name, "ascending", "at_start") for name in declared.key])


def metadata_of(declared: Table, said: Mapping[str, str]) -> dict[str, str]:
    """The metadata of a file: what is ``said``, and of each column its unit and what it holds."""
    columns = {c.name: {"unit": c.unit, "description": c.text} for c in declared.columns}
    return dict(sorted(said.items())) | {COLUMNS: json.dumps(columns, ensure_ascii=False)}
