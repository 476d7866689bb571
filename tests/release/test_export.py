"""Other forms of a release: Parquet in parts, and units with their outlines."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from commands import isoloir

GEO = "scores.geo.parquet"


def outlines(home: Path) -> pd.DataFrame:
    (path,) = home.glob("core/demo/*/context/*.geo.parquet")
    return pq.read_table(path).to_pandas()


@pytest.fixture(scope="module")
def shapely() -> Any:
    return pytest.importorskip("shapely", reason="needs Shapely, the extra isoloir[geo]")


@pytest.fixture(scope="module")
def geo(demo_run: Any, shapely: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units of the demo's release with their outlines."""
    to = tmp_path_factory.mktemp("geo")
    asked = ("--format", "geoparquet", "--to", to, "--home", demo_run.home)
    said = isoloir("export", demo_run.release, *asked)
    assert said.status == 0 and said.out == f"{to / GEO}\n"
    assert "units have no outline" in said.err
    return to / GEO


def test_a_csv_has_its_table_schema_beside_it(demo_run: Any, tmp_path: Path) -> None:
    for name in ("scores", "aggregates"):
        assert isoloir("export", demo_run.release, "--table", name, "--to", tmp_path).status == 0
        said = json.loads((tmp_path / f"{name}.schema.json").read_text(encoding="utf-8"))
        schema = pq.read_schema(demo_run.release / f"{name}.parquet")
        fields = {field["name"]: field for field in said["fields"]}
        header = (tmp_path / f"{name}.csv").read_text(encoding="utf-8").split("\n")[0]
        assert list(fields) == schema.names == header.split(",")
        for field in schema:
            assert fields[field.name]["constraints"]["required"] is not field.nullable
            assert fields[field.name]["unit"] == field.metadata[b"unit"].decode()
        assert said.get("primaryKey") == (["unit_id"] if name == "scores" else None)
    assert {fields[n]["type"] for n in ("area_id", "value")} == {"string", "number"}
    assert fields["bloc"]["constraints"] == {"required": False}


def test_parts_by_department_hold_the_same_rows(demo_run: Any, tmp_path: Path) -> None:
    said = isoloir("export", demo_run.release, "--format", "parquet", "--by", "department", "--to", tmp_path)
    assert (said.status, said.out) == (0, f"{tmp_path / 'scores'}\n")
    whole = pd.read_parquet(demo_run.release / "scores.parquet")
    folders = {path.name for path in (tmp_path / "scores").iterdir()}
    assert folders == {f"department_code={code}" for code in whole["department_code"]}
    parted = ds.dataset(tmp_path / "scores", partitioning="hive").to_table().to_pandas()
    parted["department_code"] = parted["department_code"].astype("str")
    again = parted[whole.columns.tolist()].sort_values("unit_id", ignore_index=True)
    pd.testing.assert_frame_equal(again, whole)
    field = pq.read_schema(tmp_path / "scores" / "department_code=D1" / "part-0.parquet").field("registered")
    assert field.metadata[b"unit"] == b"count"
    glob = f"{tmp_path}/scores/*/*.parquet"
    query = f"select sum(registered) from read_parquet('{glob}') where department_code = 'D1'"
    assert duckdb.sql(query).fetchall() == [
        (whole.loc[whole["department_code"] == "D1", "registered"].sum(),)
    ]


def test_a_table_without_departments_is_in_no_parts(demo_run: Any, tmp_path: Path) -> None:
    said = isoloir("export", demo_run.release, "--table", "units", "--format", "parquet", "--to", tmp_path)
    assert said.status == 2 and "has no department_code" in said.err
    assert not list(tmp_path.iterdir())


def test_parts_are_not_written_over_others(demo_run: Any, tmp_path: Path) -> None:
    (tmp_path / "scores").mkdir()
    said = isoloir("export", demo_run.release, "--format", "parquet", "--to", tmp_path)
    assert said.status == 2 and "something already" in said.err
    assert not list((tmp_path / "scores").iterdir())


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--format", "parquet", "--by", "commune"), "can't be parted by 'commune'"),
        (("--format", "geoparquet", "--table", "units"), "the table units has no outlines"),
    ],
)
def test_what_cannot_be_exported_is_told(
    asked: tuple[str, ...], told: str, demo_run: Any, tmp_path: Path
) -> None:
    said = isoloir("export", demo_run.release, *asked, "--to", tmp_path)
    assert said.status == 2 and told in said.err and not list(tmp_path.iterdir())


def test_without_outlines_in_home_it_is_told(demo_run: Any, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(demo_run.home / "core", home / "core")
    for path in home.glob("core/demo/*/context/*.geo.parquet"):
        path.unlink()
    asked = ("--format", "geoparquet", "--to", tmp_path, "--home", home)
    said = isoloir("export", demo_run.release, *asked)
    assert said.status == 2 and "no outlines of polling stations were ingested of demo" in said.err


def test_an_outline_is_that_of_its_stations_dissolved(geo: Path, demo_run: Any, shapely: Any) -> None:
    table, units = pq.read_table(geo).to_pandas(), pd.read_parquet(demo_run.release / "units.parquet")
    of_station = outlines(demo_run.home).set_index("station_id")["geometry"]
    area = pd.Series(shapely.area(shapely.from_wkb(of_station.to_numpy())), of_station.index)
    merged = touching = 0
    for _, row in table.iterrows():
        members = units.loc[units["unit_id"] == row["unit_id"], "station_id"]
        if row["geometry"] is None:
            assert not members.isin(area.index).all()
            continue
        shape = shapely.from_wkb(row["geometry"])
        assert shape.is_valid and shape.area == pytest.approx(area[members].sum(), rel=1e-9)
        assert tuple(row["bbox"].values()) == pytest.approx(shape.bounds)
        if len(members) > 1:
            merged += 1
            # The border between neighbours is gone: what each was can't be seen.
            ones = shapely.from_wkb(of_station[members].to_numpy())
            neighbours = len(shapely.get_parts(shape)) < len(ones)
            assert bool(shape.length < shapely.length(ones).sum() * (1 - 1e-9)) is neighbours
            touching += neighbours
    assert merged > 3 and touching > 1


def test_the_rows_are_the_published_units_and_withheld_stations_are_in_none(
    geo: Path, demo_run: Any, shapely: Any
) -> None:
    table = pq.read_table(geo)
    scores = pq.read_table(demo_run.release / "scores.parquet")
    assert table.drop(["geometry", "bbox"]).equals(scores)
    assert table.schema.field("turnout_pred").metadata[b"unit"] == b"share"
    units = pd.read_parquet(demo_run.release / "units.parquet")
    withheld = units.loc[units["status"] == "withheld", "station_id"]
    shown = shapely.union_all([s for s in shapely.from_wkb(table["geometry"].to_numpy()) if s is not None])
    of_station = outlines(demo_run.home).set_index("station_id")["geometry"]
    for one in shapely.from_wkb(of_station[of_station.index.isin(withheld)].to_numpy()):
        assert shown.intersection(one).area == pytest.approx(0, abs=1e-9)


def test_the_metadata_is_that_of_geoparquet(geo: Path, shapely: Any) -> None:
    said = json.loads(pq.read_schema(geo).metadata[b"geo"])
    assert (said["version"], said["primary_column"]) == ("1.1.0", "geometry")
    column = said["columns"]["geometry"]
    shapes = [s for s in shapely.from_wkb(pq.read_table(geo)["geometry"].to_numpy()) if s is not None]
    assert column["encoding"] == "WKB"
    assert set(column["geometry_types"]) == {shape.geom_type for shape in shapes}
    assert column["bbox"] == pytest.approx(list(shapely.total_bounds(shapes)))
    assert all(shapely.is_ccw(shapely.get_exterior_ring(p)) for s in shapes for p in shapely.get_parts(s))
    assert np.abs(column["bbox"]).max() <= 180


def test_the_file_passes_the_abstract_tests_of_geoparquet(geo: Path) -> None:
    validator = pytest.importorskip("geoparquet_validator", reason="needs geoparquet-validator")
    told = validator.check(str(geo))
    assert {one["status"] for one in told["outcomes"]} == {"pass", "skip"}
    assert told["version"] == "1.1.0" and sum(one["status"] == "pass" for one in told["outcomes"]) >= 15


def test_a_geopackage_has_the_scores_and_the_outlines_of_the_geoparquet(
    geo: Path, demo_run: Any, shapely: Any, tmp_path: Path
) -> None:
    asked = ("--format", "gpkg", "--to", tmp_path, "--home", demo_run.home)
    assert isoloir("export", demo_run.release, *asked).out == f"{tmp_path / 'scores.gpkg'}\n"
    with closing(sqlite3.connect(tmp_path / "scores.gpkg")) as file:
        table = pd.read_sql("select * from scores order by fid", file)
        (box,) = file.execute("select min_x, min_y, max_x, max_y from gpkg_contents").fetchall()
    wanted = pq.read_table(geo).to_pandas()
    blobs = [blob for blob in table.pop("geom") if blob is not None]
    shapes = [s for s in shapely.from_wkb(wanted.pop("geometry").to_numpy()) if s is not None]
    assert len(blobs) == len(shapes)
    for blob, shape in zip(blobs, shapes, strict=True):
        assert blob[:2] == b"GP"
        west, east, south, north = np.frombuffer(blob[8:40], "<f8")
        assert (west, south, east, north) == shape.bounds
        # Behind a header of 40 bytes.
        one = shapely.from_wkb(blob[40:])
        assert one.geom_type == "MultiPolygon" and one.equals(shape)
    assert box == pytest.approx(tuple(shapely.total_bounds(shapes)))
    wanted = wanted.drop(columns="bbox")
    pd.testing.assert_frame_equal(table.drop(columns="fid"), wanted, check_dtype=False)
    before = (tmp_path / "scores.gpkg").read_bytes()
    isoloir("export", demo_run.release, *asked)
    assert (tmp_path / "scores.gpkg").read_bytes() == before
