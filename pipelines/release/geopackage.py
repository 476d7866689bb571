"""Outlines of units as a GeoPackage (OGC 12-128r18), which every GDAL and QGIS opens: one SQLite file.

https://www.geopackage.org/spec131/. Longitude before latitude, as WGS 84 has it there.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isoloir.pipelines.sources.wkb import HEADER, MULTIPOLYGON, POLYGON

from .geo import SIDES

WGS84 = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4326"]]'
)
SCHEMA = f"""
PRAGMA application_id = {int.from_bytes(b"GPKG", "big")};
PRAGMA user_version = 10300;
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY,
  organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL,
  description TEXT);
INSERT INTO gpkg_spatial_ref_sys VALUES ('Undefined cartesian', -1, 'NONE', -1, 'undefined', NULL),
  ('Undefined geographic', 0, 'NONE', 0, 'undefined', NULL),
  ('WGS 84', 4326, 'EPSG', 4326, '{WGS84}', NULL);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL,
  identifier TEXT UNIQUE, description TEXT DEFAULT '', last_change DATETIME NOT NULL, min_x DOUBLE,
  min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL UNIQUE REFERENCES gpkg_contents(table_name),
  column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL,
  srs_id INTEGER NOT NULL REFERENCES gpkg_spatial_ref_sys(srs_id), z TINYINT NOT NULL, m TINYINT NOT NULL,
  PRIMARY KEY (table_name, column_name));
INSERT INTO gpkg_geometry_columns VALUES ('scores', 'geom', 'MULTIPOLYGON', 4326, 0, 0);
"""
"""What every GeoPackage has, and of its one table of features which column is their shape."""

TYPES = {pa.string(): "TEXT", pa.int32(): "MEDIUMINT", pa.float64(): "DOUBLE", pa.bool_(): "BOOLEAN"}


def write_geopackage(table: pa.Table, day: str, path: Path) -> None:
    """Write scores with outlines, as geo.outlined makes them, in place by one rename.

    ``day`` (ISO) stands as that of the last change: no clock enters.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with closing(sqlite3.connect(aside)) as file:
            file.executescript(SCHEMA)
            _fill(file, table, day)
            file.commit()
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _fill(file: sqlite3.Connection, table: pa.Table, day: str) -> None:
    scores = table.drop(["geometry", "bbox"])
    columns = ", ".join(f'"{field.name}" {TYPES[field.type]}' for field in scores.schema)
    file.execute(f"CREATE TABLE scores (fid INTEGER PRIMARY KEY NOT NULL, geom MULTIPOLYGON, {columns})")
    holes = ", ".join("?" * (scores.num_columns + 1))
    names = ", ".join(f'"{name}"' for name in ("geom", *scores.column_names))
    values = [column.to_pylist() for column in scores.columns]
    file.executemany(
        f"INSERT INTO scores ({names}) VALUES ({holes})", zip(_shapes(table), *values, strict=True)
    )
    box = _around(table)
    file.execute(
        "INSERT INTO gpkg_contents VALUES ('scores', 'features', 'scores', ?, ?, ?, ?, ?, ?, 4326)",
        ("published units", f"{day}T00:00:00.000Z", *box),
    )


def _sides(table: pa.Table) -> NDArray[np.float64]:
    """West, south, east and north of each shape [U × 4]; NaN of what has none."""
    boxes = table["bbox"].combine_chunks()
    return np.stack([boxes.flatten()[k].to_numpy(zero_copy_only=False) for k in range(len(SIDES))], axis=1)


def _around(table: pa.Table) -> tuple[float | None, ...]:
    sides = _sides(table)
    known = sides[~np.isnan(sides[:, 0])]
    if not len(known):
        return (None,) * len(SIDES)
    return (*known[:, :2].min(axis=0).tolist(), *known[:, 2:].max(axis=0).tolist())


def _shapes(table: pa.Table) -> Iterator[bytes | None]:
    """Each outline as the standard's blob: header, box (west, east, south, north), WKB of polygons."""
    for wkb, (west, south, east, north) in zip(
        table["geometry"].to_pylist(), _sides(table).tolist(), strict=True
    ):
        if wkb is None:
            yield None
            continue
        head = struct.pack("<2sBBi4d", b"GP", 0, 0b11, 4326, west, east, south, north)
        one = HEADER.pack(1, MULTIPOLYGON, 1) if HEADER.unpack_from(wkb)[1] == POLYGON else b""
        yield head + one + wkb
