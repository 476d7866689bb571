"""Outlines of published units, from those of their stations: GeoParquet 1.1, longitude before latitude.

https://geoparquet.org/releases/v1.1.0/. A station that was merged is seen in no outline: those of a unit are
dissolved into one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isoloir.domain.errors import UsageError
from isoloir.domain.station import Text, positions

Shapes = NDArray[np.object_]
SIDES = ("xmin", "ymin", "xmax", "ymax")


def outlined(scores: pa.Table, units: pd.DataFrame, outlines: Sequence[Path]) -> tuple[pa.Table, int]:
    """``scores`` with the columns geometry (WKB) and bbox, and how many units have none.

    A unit has an outline where each of its stations has one. UsageError where Shapely is not installed.
    """
    shapely = _shapely()
    stations, wkb = _read(outlines)
    members = units.dropna(subset="unit_id")
    at = positions(members["station_id"].to_numpy(np.str_), stations)
    unit = positions(members["unit_id"].to_numpy(np.str_), scores["unit_id"].to_numpy().astype(np.str_))
    known = np.bincount(unit, at < 0, scores.num_rows) == 0
    shapes = np.full(scores.num_rows, None, dtype=object)
    order = np.argsort(unit, kind="stable")
    starts = np.searchsorted(unit[order], np.arange(scores.num_rows + 1))
    count = np.diff(starts)
    alone = known & (count == 1)
    shapes[alone] = shapely.from_wkb(wkb[at[order[starts[:-1][alone]]]])
    for row in np.flatnonzero(known & (count > 1)):
        shapes[row] = _dissolved(shapely.from_wkb(wkb[at[order[starts[row] : starts[row + 1]]]]))
    shapes = shapely.orient_polygons(shapes, exterior_cw=False)
    bounds = shapely.bounds(shapes)
    geometry = pa.array(shapely.to_wkb(shapes, byte_order=1, flavor="iso"), pa.binary())
    table = scores.append_column("geometry", geometry).append_column("bbox", _boxes(bounds))
    kinds = sorted({str(shape.geom_type) for shape in shapes if shape is not None})
    said = dict(scores.schema.metadata or {}) | {b"geo": json.dumps(_geo(kinds, bounds)).encode()}
    return table.replace_schema_metadata(said), int((~known).sum())


def write_geo(table: pa.Table, path: Path) -> None:
    """Write the table; in place by one rename."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        pq.write_table(table, aside, compression="zstd", row_group_size=1 << 13)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _shapely() -> ModuleType:
    """Shapely, an extra: dissolving needs a geometry engine, and nothing else here does."""
    try:
        return import_module("shapely")
    except ImportError as error:
        raise UsageError(
            "outlines of units can't be dissolved: Shapely is not installed",
            remedy="pip install 'isoloir[geo]'",
        ) from error


def _read(outlines: Sequence[Path]) -> tuple[Text, NDArray[np.object_]]:
    """Stations in order and their outlines; of one that stands in several files, the first's."""
    read = [pq.read_table(path, columns=["station_id", "geometry"]) for path in outlines]
    table = pa.concat_tables(read)
    stations, first = np.unique(table["station_id"].to_numpy().astype(np.str_), return_index=True)
    return stations, table["geometry"].take(first).to_numpy()


def _dissolved(shapes: Shapes) -> object:
    """One shape without the borders between its parts; what is no area, as a shared corner, is left out."""
    shapely = _shapely()
    whole = shapely.union_all(shapely.make_valid(shapes))
    polygons = [part for part in shapely.get_parts(whole) if part.geom_type == "Polygon"]
    return polygons[0] if len(polygons) == 1 else shapely.multipolygons(polygons)


def _boxes(bounds: NDArray[np.float64]) -> pa.StructArray:
    """The box of each shape [N × 4], null of what has none."""
    fields = [pa.field(side, pa.float64()) for side in SIDES]
    columns = [pa.array(bounds[:, k]) for k in range(len(SIDES))]
    return pa.StructArray.from_arrays(columns, fields=fields, mask=pa.array(np.isnan(bounds[:, 0])))


def _geo(kinds: list[str], bounds: NDArray[np.float64]) -> dict[str, object]:
    """The ``geo`` metadata; without ``crs`` coordinates are OGC:CRS84, longitude before latitude."""
    known = bounds[~np.isnan(bounds[:, 0])]
    column: dict[str, object] = {
        "encoding": "WKB",
        "geometry_types": kinds,
        "orientation": "counterclockwise",
        "covering": {"bbox": {side: ["bbox", side] for side in SIDES}},
    }
    if len(known):
        column["bbox"] = [*known[:, :2].min(axis=0).tolist(), *known[:, 2:].max(axis=0).tolist()]
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
