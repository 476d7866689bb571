"""Those who read releases, with their own tools: each finds the same, and the docs' examples run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from commands import isoloir
from forging import rows
from reading import RUN, Example, examples, printed

TABLES = ("scores", "units", "aggregates", "succession", "training")
PAGE = examples()
RUNNABLE = [one for one in PAGE if one.language in RUN]


def in_r(package: str) -> bool:
    """Whether R is here, with that package if one is named."""
    if shutil.which("Rscript") is None:
        return False
    test = f"quit(status = !requireNamespace('{package}', quietly = TRUE))"
    return not package or subprocess.run(["Rscript", "-e", test], check=False).returncode == 0


def gdal_reads_parquet() -> bool:
    if shutil.which("ogrinfo") is None:
        return False
    formats = subprocess.run(["ogrinfo", "--formats"], capture_output=True, text=True, check=True).stdout
    return "Parquet -vector-" in formats


def r_example(with_csv: bool) -> Example:
    (found,) = [one for one in PAGE if one.language == "r" and ("read.csv" in one.code) is with_csv]
    return found


@pytest.fixture(scope="module")
def as_csv(demo_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("csv")
    assert isoloir("export", demo_run.release, "--to", to).status == 0
    return to


def test_the_page_has_an_example_for_every_reader() -> None:
    said = " ".join(one.code for one in PAGE)
    readers = "pandas polars pyarrow.dataset open_release nanoparquet read.csv scores.gpkg scores.geo.parquet"
    for reader in readers.split():
        assert reader in said
    assert sum(one.language == "sql" for one in RUNNABLE) >= 6
    assert all(one.stated for one in RUNNABLE)


@pytest.mark.parametrize("example", RUNNABLE, ids=[f"{n}-{one.language}" for n, one in enumerate(RUNNABLE)])
def test_an_example_prints_what_the_page_says(example: Example, demo_run: Any) -> None:
    """After a change of the demo: python tests/reading.py RELEASE."""
    assert printed(example, demo_run.release) == example.stated


@pytest.mark.parametrize("name", TABLES)
def test_every_reader_finds_the_same_rows(name: str, demo_run: Any) -> None:
    path = demo_run.release / f"{name}.parquet"
    by_arrow = ds.dataset(path).to_table()
    assert by_arrow.equals(pq.read_table(path))
    by_polars = pl.read_parquet(path).to_arrow().cast(by_arrow.schema)
    assert by_polars.equals(by_arrow)
    with duckdb.connect() as connection:
        found = connection.sql(f"select * from '{path}'").to_arrow_table()
    assert found.cast(by_arrow.schema).equals(by_arrow)
    by_pandas = pd.read_parquet(path)
    assert pa.Table.from_pandas(by_pandas, by_arrow.schema, False).equals(by_arrow)


def test_every_reader_takes_codes_for_text_and_counts_for_whole_numbers(demo_run: Any) -> None:
    path = demo_run.release / "scores.parquet"
    polars = pl.read_parquet_schema(path)
    assert (polars["unit_id"], polars["registered"]) == (pl.String, pl.Int32)
    kinds = {row[0]: row[1] for row in rows(demo_run.release, "describe select * from 'scores.parquet'")}
    assert (kinds["unit_id"], kinds["registered"], kinds["turnout_pred"]) == ("VARCHAR", "INTEGER", "DOUBLE")
    pandas = pd.read_parquet(path)
    assert isinstance(pandas["unit_id"].dtype, pd.StringDtype) and pandas["registered"].dtype == "int32"


def test_a_filter_leaves_out_what_statistics_tell(demo_run: Any) -> None:
    path = demo_run.release / "scores.parquet"
    dataset = ds.dataset(path)
    last = pq.read_table(path, columns=["unit_id"])["unit_id"][-1].as_py()
    fragment = next(iter(dataset.get_fragments()))
    assert fragment.subset(ds.field("unit_id") > last).row_groups == []
    assert fragment.subset(ds.field("unit_id") == last).row_groups != []


def test_parts_are_read_by_polars_and_duckdb(demo_run: Any, tmp_path: Path) -> None:
    isoloir("export", demo_run.release, "--format", "parquet", "--to", tmp_path)
    wanted = pl.read_parquet(demo_run.release / "scores.parquet")["registered"].sum()
    parted = pl.scan_parquet(tmp_path / "scores", hive_partitioning=True).collect()
    assert parted["registered"].sum() == wanted and "2A" in parted["department_code"].to_list()
    query = "from read_parquet('scores/*/*.parquet', hive_types = {'department_code': VARCHAR})"
    assert rows(tmp_path, f"select sum(registered) {query}") == [(wanted,)]


@pytest.mark.skipif(not in_r(""), reason="needs R (Debian: r-base-core)")
def test_r_reads_the_csv(as_csv: Path) -> None:
    example = r_example(with_csv=True)
    assert printed(example, as_csv) == example.stated


@pytest.mark.skipif(not in_r("nanoparquet"), reason="needs R's package nanoparquet, which Debian lacks")
def test_r_reads_the_parquet_by_nanoparquet(demo_run: Any) -> None:
    assert printed(r_example(with_csv=False), demo_run.release) == r_example(with_csv=True).stated


@pytest.mark.skipif(not in_r("arrow"), reason="needs R's package arrow, which Debian lacks")
def test_r_reads_the_parquet_by_arrow(demo_run: Any) -> None:
    code = r_example(with_csv=False).code.replace("nanoparquet::", "arrow::")
    assert printed(Example("r", code, None), demo_run.release) == r_example(with_csv=True).stated


@pytest.fixture(scope="module")
def maps(demo_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both maps of the demo's release."""
    pytest.importorskip("shapely", reason="needs Shapely, the extra isoloir[geo]")
    to = tmp_path_factory.mktemp("maps")
    for form in ("gpkg", "geoparquet"):
        asked = ("--format", form, "--home", demo_run.home, "--to", to)
        assert isoloir("export", demo_run.release, *asked).status == 0
    return to


def summary(maps: Path, file: str) -> str:
    """What the page's call of ogrinfo tells of a map."""
    (example,) = [one for one in PAGE if one.language == "sh" and f" {file} " in one.code]
    call = example.code.split()
    return subprocess.run(call, cwd=maps, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(shutil.which("ogrinfo") is None, reason="needs ogrinfo (Debian: gdal-bin)")
def test_gdal_reads_the_geopackage(maps: Path, demo_run: Any) -> None:
    table = pq.read_table(demo_run.release / "scores.parquet")
    said = summary(maps, "scores.gpkg")
    assert f"Feature Count: {table.num_rows}\n" in said and "Geometry: Multi Polygon" in said
    assert "WGS 84" in said and "turnout_pred: Real" in said and "registered: Integer" in said
    query = (
        "select sum(registered) as electors, sum(geom is not null) as outlined, "
        "sum(geom is not null and not ST_IsValid(geom)) as broken from scores"
    )
    call = ["ogrinfo", "scores.gpkg", "-dialect", "sqlite", "-sql", query]
    found = subprocess.run(call, cwd=maps, capture_output=True, text=True, check=True).stdout
    geometry = pq.read_table(maps / "scores.geo.parquet", columns=["geometry"])["geometry"]
    assert f"electors (Integer) = {sum(table['registered'].to_pylist())}" in found
    assert f"outlined (Integer) = {len(geometry) - geometry.null_count}" in found
    assert "broken (Integer) = 0" in found


@pytest.mark.skipif(
    not gdal_reads_parquet(), reason="needs ogrinfo with GDAL's driver Parquet, which Debian's GDAL lacks"
)
def test_gdal_reads_the_geoparquet(maps: Path, demo_run: Any) -> None:
    said = summary(maps, "scores.geo.parquet")
    count = pq.read_metadata(demo_run.release / "scores.parquet").num_rows
    assert f"Feature Count: {count}" in said
    assert "Polygon" in said and "WGS 84" in said and "turnout_pred: Real" in said


def test_polars_and_duckdb_read_the_scores_beside_the_outlines(demo_run: Any, maps: Path) -> None:
    wanted = pl.read_parquet(demo_run.release / "scores.parquet")
    found = pl.read_parquet(maps / "scores.geo.parquet")
    assert found.drop("geometry", "bbox").equals(wanted)
    query = "select count(geometry), min(bbox.xmin) from 'scores.geo.parquet'"
    assert rows(maps, query) == [
        (found["geometry"].count(), found["bbox"].struct.field("xmin").min()),
    ]
