"""The files of a release: declared types and texts, sorted, and the same bytes whoever writes them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from isoloir.domain.errors import ReleaseError
from isoloir.domain.tables import Column, Table
from isoloir.pipelines.release.parquet import ROWS, is_in_order, write_table

PAIRS = Table(
    "pairs.parquet",
    "pair of stations",
    (
        Column("new", "text", "code", "the later one"),
        Column("old", "text", "code", "the earlier one; null if none is known", nullable=True),
        Column("registered", "count", "count", "électeurs on the roll", low=0),
        Column("weight", "number", "share", "part of the old one's electors", nullable=True, low=0, high=1),
        Column("known", "flag", "flag", "whether it is known"),
    ),
    ("new", "old"),
)
SAID = {"release_id": "0123456789ab", "licence": "Licence Ouverte 2.0", "attribution": "Ministère"}


def pairs(count: int = 4, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "new": [f"{n // 2:05d}_0001" for n in range(count)],
            "old": [None if n % 2 else f"{n:05d}" for n in range(count)],
            "registered": rng.integers(0, 2000, count),
            "weight": np.where(rng.random(count) < 0.3, np.nan, rng.random(count)),
            "known": rng.random(count) < 0.5,
        }
    )


def written(rows: pd.DataFrame, path: Path) -> bytes:
    write_table(rows, PAIRS, path, SAID)
    return path.read_bytes()


def test_neither_the_order_of_rows_or_columns_nor_the_threads_change_a_byte(tmp_path: Path) -> None:
    rows = pairs(50_000)
    first = written(rows, tmp_path / "first")
    assert written(rows, tmp_path / "again") == first
    mixed = rows.sample(frac=1, random_state=3)[["known", "weight", "registered", "old", "new"]]
    assert written(mixed.assign(more=1), tmp_path / "mixed") == first
    threads = pa.cpu_count()
    try:
        for number in (1, 5):
            pa.set_cpu_count(number)
            assert written(rows, tmp_path / f"threads{number}") == first
    finally:
        pa.set_cpu_count(threads)


def test_one_other_value_changes_the_bytes(tmp_path: Path) -> None:
    rows = pairs()
    other = rows.assign(registered=rows["registered"] + (rows.index == 2))
    assert written(rows, tmp_path / "a") != written(other, tmp_path / "b")


def test_rows_are_in_order_of_the_key_with_what_is_missing_first(tmp_path: Path) -> None:
    written(pairs().iloc[::-1], tmp_path / "a")
    table = pq.read_table(tmp_path / "a")
    assert table["new"].to_pylist() == ["00000_0001", "00000_0001", "00001_0001", "00001_0001"]
    assert table["old"].to_pylist() == [None, "00000", None, "00002"]
    assert is_in_order(table, PAIRS) and not is_in_order(table.take([1, 0, 2, 3]), PAIRS)


def test_units_texts_and_what_is_said_of_the_file_survive(tmp_path: Path) -> None:
    written(pairs(), tmp_path / "a")
    schema = pq.read_schema(tmp_path / "a")
    assert schema.field("weight").metadata[b"unit"] == b"share"
    assert schema.field("registered").metadata[b"description"].decode() == "électeurs on the roll"
    types = [pa.string(), pa.string(), pa.int32(), pa.float64(), pa.bool_()]
    assert [field.type for field in schema] == types
    assert [field.nullable for field in schema] == [False, True, False, True, False]
    said = {key.decode(): value.decode() for key, value in schema.metadata.items()}
    assert SAID.items() <= said.items()
    # For readers that show the file's metadata, and no field's.
    assert json.loads(said["columns"])["weight"] == {
        "unit": "share",
        "description": "part of the old one's electors",
    }


def test_groups_are_compressed_sorted_and_of_fixed_size_with_statistics(tmp_path: Path) -> None:
    written(pairs(2 * ROWS + 10), tmp_path / "a")
    file = pq.read_metadata(tmp_path / "a")
    assert [file.row_group(i).num_rows for i in range(file.num_row_groups)] == [ROWS, ROWS, 10]
    for i in range(file.num_row_groups):
        for k in range(file.num_columns):
            column = file.row_group(i).column(k)
            assert column.compression == "ZSTD" and column.has_column_index
            assert column.statistics is not None and column.statistics.has_min_max
        order = [column.column_index for column in file.row_group(i).sorting_columns]
        assert order == [0, 1]
    ends = [file.row_group(i).column(0).statistics for i in range(file.num_row_groups)]
    assert all(a.max <= b.min for a, b in pairwise(ends))


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    rows = pd.concat([pairs(), pairs().iloc[[1]]])
    with pytest.raises(ReleaseError, match=r"1 row\(s\) have the new, old of another"):
        written(rows, tmp_path / "a")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("column", "value"), [("new", None), ("registered", "many"), ("registered", 1.5), ("known", None)]
)
def test_what_is_not_as_declared_is_refused_and_not_shown(tmp_path: Path, column: str, value: object) -> None:
    rows = pairs().astype({column: float if value == 1.5 else object})
    rows.loc[2, column] = value
    with pytest.raises(ReleaseError, match="not as declared") as error:
        written(rows, tmp_path / "a")
    assert "many" not in str(error.value)


def test_a_key_of_columns_that_a_table_lacks_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="its key is of columns that it lacks"):
        Table("pairs.parquet", "pair of stations", PAIRS.columns, ("new", "older"))
