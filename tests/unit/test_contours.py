"""Outlines of stations from GeoJSON to GeoParquet: every layout is read, and what cannot be is refused."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoloir.domain.errors import SourceError
from isoloir.pipelines.sources import geojson
from isoloir.pipelines.sources.contours import (
    ContoursSummary,
    matched,
    station_ids,
    write_contours,
)
from isoloir.pipelines.sources.tables import Opened

Ring = list[list[float]]

SQUARE: Ring = [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]
CLOCKWISE: Ring = SQUARE[::-1]
HOLE: Ring = [[0.2, 0.2], [0.2, 0.4], [0.4, 0.4], [0.4, 0.2], [0.2, 0.2]]
FAR: Ring = [[5, 5], [7, 5], [7, 6], [5, 5]]


def feature(
    code: str | None = "29019_0001", rings: Any = None, kind: str = "Polygon", **more: object
) -> dict[str, Any]:
    """A feature of one square, unless said otherwise; ``more`` are further properties."""
    stated = {} if code is None else {"codeBureauVote": code}
    geometry = {"type": kind, "coordinates": [SQUARE] if rings is None else rings}
    return {"type": "Feature", "properties": {**stated, **more}, "geometry": geometry}


def collection(*features: dict[str, Any], **members: object) -> dict[str, Any]:
    return {"type": "FeatureCollection", **members, "features": list(features)}


def written(folder: Path, said: object) -> tuple[ContoursSummary, Path]:
    """What comes of a file that says ``said``: JSON, or text as it is."""
    source, path = folder / "contours.geojson", folder / "out" / "contours.parquet"
    source.write_text(said if isinstance(said, str) else json.dumps(said), encoding="utf-8")
    return write_contours(Opened(source), path), path


def complaint(folder: Path, said: object) -> str:
    with pytest.raises(SourceError) as caught:
        written(folder, said)
    assert not list((folder / "out").iterdir()), "nothing is left of a refused file"
    return str(caught.value)


def parsed(wkb: bytes) -> list[list[Ring]]:
    """The polygons of a WKB shape, each a list of rings: read on its own, by the standard."""
    stream = io.BytesIO(wkb)

    def whole(form: str) -> tuple[Any, ...]:
        return struct.unpack(form, stream.read(struct.calcsize(form)))

    def polygons() -> list[list[Ring]]:
        order, kind = whole("<BI")
        assert order == 1 and kind in (3, 6)
        (count,) = whole("<I")
        if kind == 6:
            return [polygon for _ in range(count) for polygon in polygons()]
        rings = []
        for _ in range(count):
            (points,) = whole("<I")
            rings.append([list(whole("<2d")) for _ in range(points)])
        return [rings]

    found = polygons()
    assert not stream.read(), "nothing follows the shape"
    return found


def shapes(path: Path) -> dict[str, list[list[Ring]]]:
    table = pq.read_table(path)
    return {row["station_id"]: parsed(row["geometry"]) for row in table.to_pylist()}


def geo(path: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(pq.ParquetFile(path).metadata.metadata[b"geo"])
    return said


def test_a_polygon_with_a_hole_comes_out_point_for_point(tmp_path: Path) -> None:
    summary, path = written(tmp_path, collection(feature(rings=[SQUARE, HOLE])))
    assert shapes(path) == {"29019_0001": [[SQUARE, HOLE]]}
    assert (summary.features, summary.stations, summary.turned) == (1, 1, 0)


def test_rings_that_run_the_other_way_are_turned_and_counted(tmp_path: Path) -> None:
    summary, path = written(tmp_path, collection(feature(rings=[CLOCKWISE, HOLE[::-1]])))
    assert shapes(path) == {"29019_0001": [[SQUARE, HOLE]]}
    assert summary.turned == 2


def test_small_rings_far_from_zero_are_not_turned_by_rounding(tmp_path: Path) -> None:
    # A square of a tenth of a millimetre at 48° north: in plain products its area drowns in rounding.
    side = 1e-9
    ring = [[-4.5 + side * x, 48.4 + side * y] for x, y in SQUARE]
    assert written(tmp_path, collection(feature(rings=[ring])))[0].turned == 0


def test_several_polygons_stay_several(tmp_path: Path) -> None:
    said = feature(rings=[[SQUARE, HOLE], [FAR]], kind="MultiPolygon")
    _, path = written(tmp_path, collection(said))
    assert shapes(path) == {"29019_0001": [[SQUARE, HOLE], [FAR]]}
    assert geo(path)["columns"]["geometry"]["geometry_types"] == ["MultiPolygon"]


def test_heights_are_dropped(tmp_path: Path) -> None:
    _, path = written(tmp_path, collection(feature(rings=[[[*point, 40.0] for point in SQUARE]])))
    assert shapes(path) == {"29019_0001": [[SQUARE]]}


def test_what_is_published_of_the_whole_has_what_geoparquet_requires(tmp_path: Path) -> None:
    _, path = written(tmp_path, collection(feature("29019_0001"), feature("29019_0002", [FAR])))
    said = geo(path)
    assert said.keys() == {"version", "primary_column", "columns"}
    assert said["version"] == "1.1.0"
    assert said["primary_column"] in said["columns"] and said["columns"].keys() == {"geometry"}
    column = said["columns"]["geometry"]
    assert {"encoding", "geometry_types"} <= column.keys()
    assert column["encoding"] == "WKB"
    assert column["geometry_types"] == ["Polygon"]
    # No crs: coordinates are OGC:CRS84, longitude first.
    assert "crs" not in column
    assert column["orientation"] == "counterclockwise"
    assert column["bbox"] == [0, 0, 7, 6]
    assert column["covering"] == {"bbox": {s: ["bbox", s] for s in ("xmin", "ymin", "xmax", "ymax")}}
    # BYTE_ARRAY at the root, and a root group of doubles: what the standard asks of the two columns.
    types = {c.path: c.physical_type for c in map(pq.ParquetFile(path).schema.column, range(7))}
    assert types["geometry"] == "BYTE_ARRAY"
    assert [types[f"bbox.{s}"] for s in ("xmin", "ymin", "xmax", "ymax")] == ["DOUBLE"] * 4


def test_each_row_has_the_box_of_its_own_shape(tmp_path: Path) -> None:
    both = feature("29019_0003", [[SQUARE], [FAR]], "MultiPolygon")
    _, path = written(tmp_path, collection(feature("29019_0001"), feature("29019_0002", [FAR]), both))
    boxes = {r["station_id"]: list(r["bbox"].values()) for r in pq.read_table(path).to_pylist()}
    assert boxes == {"29019_0001": [0, 0, 1, 1], "29019_0002": [5, 5, 7, 6], "29019_0003": [0, 0, 7, 6]}


@pytest.mark.parametrize(
    ("properties", "station", "commune"),
    [
        ({"codeBureauVote": "29019_1"}, "29019_0001", "29019"),
        ({"codeBureauVote": "29019_0001"}, "29019_0001", "29019"),
        ({"codeBureauVote": "1001_12"}, "01001_0012", "01001"),
        ({"codeBureauVote": "2A004_028B"}, "2A004_028B", "2A004"),
        ({"codeBureauVote": "75056_0321"}, "75056_0321", "75056"),
        ({"codeBureauVote": "D1001_3"}, "D1001_0003", "D1001"),
        ({"codeBureauVote": "34172_01.1"}, "34172_01.1", "34172"),
        ({"codeCommune": "29019", "numeroBureauVote": "7"}, "29019_0007", "29019"),
        ({"codeCommune": "29019", "numeroBureauVote": 7}, "29019_0007", "29019"),
    ],
)
def test_ids_are_spelled_as_in_the_results(
    tmp_path: Path, properties: dict[str, Any], station: str, commune: str
) -> None:
    _, path = written(tmp_path, collection(feature(None, **properties)))
    row = pq.read_table(path).to_pylist()[0]
    assert (row["station_id"], row["commune_code"]) == (station, commune)


def test_two_features_of_a_station_become_one_shape_and_are_counted(tmp_path: Path) -> None:
    said = collection(
        feature("29019_1"), feature("29019_0002"), feature("29019_0001", [FAR]), feature("29019_01", [HOLE])
    )
    summary, path = written(tmp_path, said)
    assert shapes(path) == {"29019_0001": [[SQUARE], [FAR], [HOLE[::-1]]], "29019_0002": [[SQUARE]]}
    assert (summary.features, summary.stations, summary.combined) == (4, 2, 1)
    assert summary.line() == "contours: 2 station(s) of 1 commune(s), 1 of them of several features, combined"
    assert geo(path)["columns"]["geometry"]["geometry_types"] == ["MultiPolygon", "Polygon"]
    assert geo(path)["columns"]["geometry"]["bbox"] == [0, 0, 7, 6]


def test_features_without_a_shape_or_a_station_are_left_out_and_counted(tmp_path: Path) -> None:
    empty = feature("29019_0009") | {"geometry": None}
    bare = feature("29019_0008") | {"properties": None}
    said = collection(feature(), empty, feature("GS KERINOU"), feature("PLANT_1"), bare)
    summary, path = written(tmp_path, said)
    assert list(shapes(path)) == ["29019_0001"]
    assert (summary.left_out, summary.first_left_out) == (4, 2)
    assert summary.line() == (
        "contours: 1 station(s) of 1 commune(s); "
        "4 feature(s) without shape or station left out, first feature 2"
    )


def test_names_of_places_and_other_members_do_not_come_in(tmp_path: Path) -> None:
    _, path = written(tmp_path, collection(feature(llieu="GS KERINOU", responsable="Camille Planted")))
    assert pq.read_schema(path).names == ["station_id", "commune_code", "geometry", "bbox"]
    assert b"KERINOU" not in path.read_bytes() and b"Planted" not in path.read_bytes()
    said = geojson.features(Opened(path.parent.parent / "contours.geojson"))
    assert next(said)["properties"] == {"codeBureauVote": "29019_0001"}


@pytest.mark.parametrize(
    ("rings", "kind", "told"),
    [
        ([SQUARE[:-1]], "Polygon", "a ring that does not end where it began"),
        ([[[0, 0], [1, 0], [0, 0]]], "Polygon", "a ring of fewer than four points"),
        ([SQUARE, HOLE[:3]], "Polygon", "a ring of fewer than four points"),
        ([[[0, 0], [200, 0], [1, 1], [0, 0]]], "Polygon", "no longitude and latitude"),
        ([[[0, 0], [1, 91], [1, 1], [0, 0]]], "Polygon", "no longitude and latitude"),
        ([[[0, 0], [1, None], [1, 1], [0, 0]]], "Polygon", "no longitude and latitude"),
        ([[[0, 0], [1], [1, 1], [0, 0]]], "Polygon", "no list of points"),
        ([[[0], [1], [1], [0]]], "Polygon", "no list of points"),
        ([["a", "b", "c", "d"]], "Polygon", "no list of points"),
        ([[[0, 0], [10**400, 0], [1, 1], [0, 0]]], "Polygon", "no list of points"),
        ([], "Polygon", "a polygon without a ring"),
        ([], "MultiPolygon", "has no polygon"),
        ({"a": 1}, "Polygon", "a polygon without a ring"),
        ([0, 0], "Point", "neither Polygon nor MultiPolygon"),
    ],
)
def test_shapes_that_cannot_be_are_refused_with_the_features_number(
    tmp_path: Path, rings: Any, kind: str, told: str
) -> None:
    complained = complaint(tmp_path, collection(feature("29019_0001"), feature("29019_2", rings, kind)))
    assert told in complained
    assert "contours.geojson, feature 2" in complained and "29019_0002" in complained


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("", "is broken off, or is no JSON"),
        ("[]", "is broken off, or is no JSON"),
        ('{"type": "FeatureCollection"}', "has no features"),
        ('{"type": "Topology", "features": []}', "is no FeatureCollection"),
        ('{"features": [], "type": "Topology"}', "is no FeatureCollection"),
        ('{"type": "FeatureCollection", "features": []}', "none of its 0 features"),
        ('{"type": "FeatureCollection", "features": {}}', "is broken off, or is no JSON"),
        ('{"type": "FeatureCollection", "features": [1]}', "holds what is no feature"),
        ('{"type": "FeatureCollection", "features": [', "is broken off, or is no JSON"),
        (json.dumps(collection(feature())) + "]", "goes on after its end"),
        (json.dumps(collection(feature()))[:-2], "is broken off, or is no JSON"),
        (json.dumps(collection(feature()))[:-30], "feature 1"),
        (json.dumps(collection(feature())).replace("[1, 1]", "[NaN, 1]"), "is broken off, or is no JSON"),
    ],
)
def test_what_is_no_collection_of_features_is_refused(tmp_path: Path, said: str, told: str) -> None:
    assert told in complaint(tmp_path, said)


def test_bytes_that_are_no_utf8_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "contours.geojson"
    path.write_bytes(json.dumps(collection(feature(llieu="ecole"))).encode().replace(b"ecole", b"\xe9cole"))
    with pytest.raises(SourceError, match="is no UTF-8"):
        write_contours(Opened(path), tmp_path / "out.parquet")


def test_metres_are_refused_before_any_shape_is_read(tmp_path: Path) -> None:
    def crs(name: str) -> dict[str, object]:
        return {"type": "name", "properties": {"name": name}}

    assert "another system" in complaint(
        tmp_path, collection(feature(), crs=crs("urn:ogc:def:crs:EPSG::2154"))
    )
    for name in ("urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326", "urn:ogc:def:crs:EPSG::4326"):
        assert written(tmp_path, collection(feature(), crs=crs(name)))[0].stations == 1


def test_a_file_that_is_there_stays_when_the_new_one_is_refused(tmp_path: Path) -> None:
    _, path = written(tmp_path, collection(feature()))
    before = path.read_bytes()
    with pytest.raises(SourceError):
        written(tmp_path, collection(feature(rings=[SQUARE[:-1]])))
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == [path.name]


LAYOUTS: list[Callable[[object], str]] = [
    json.dumps,
    lambda said: json.dumps(said, indent=2),
    lambda said: json.dumps(said, separators=(",", ":")),
    lambda said: json.dumps(said, indent="\t").replace("\n", "\r\n"),
    lambda said: "\ufeff" + json.dumps(said).replace('{"type": "Feature"', '\n{"type": "Feature"'),
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("chunk", [1, 7, 64, 1 << 20])
def test_neither_lines_nor_chunks_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Callable[[object], str], chunk: int
) -> None:
    monkeypatch.setattr(geojson, "CHUNK", chunk)
    said = collection(
        feature("29019_0001", llieu='École de l’Iroise, } ] " \\'),
        feature("29019_0002", [FAR]),
        name="x",
        bbox=[-12.25, 0, 1e3, 1],
    )
    summary, path = written(tmp_path, layout(said | {"after": {"features": [1, 2]}}))
    assert shapes(path) == {"29019_0001": [[SQUARE]], "29019_0002": [[FAR]]}
    assert summary.features == 2


degrees = st.tuples(
    st.floats(-180, 180, allow_nan=False, width=64), st.floats(-90, 90, allow_nan=False, width=64)
)
rings = st.lists(degrees, min_size=3, max_size=9).map(lambda p: [list(q) for q in [*p, p[0]]])


@given(st.lists(st.lists(rings, min_size=1, max_size=3), min_size=1, max_size=4))
def test_any_rings_come_out_with_the_same_points_and_the_right_direction(
    tmp_path_factory: pytest.TempPathFactory, polygons: list[list[Ring]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    summary, path = written(folder, collection(feature(rings=polygons, kind="MultiPolygon")))
    (found,) = shapes(path).values()
    turned = sum(f != p for a, b in zip(found, polygons, strict=True) for f, p in zip(a, b, strict=True))
    for kept, said in zip(found, polygons, strict=True):
        for ring, given_ring in zip(kept, said, strict=True):
            assert ring in (given_ring, given_ring[::-1])
    # A ring that reads the same both ways may have been turned without a trace.
    assert turned <= summary.turned
    west, south, east, north = summary.box
    outer = np.array([point for polygon in polygons for point in polygon[0]])
    assert (west, south, east, north) == (*outer.min(axis=0), *outer.max(axis=0))


def test_stations_of_one_side_only_are_told_apart() -> None:
    match = matched(np.array(["b_2", "a_1", "d_4"]), np.array(["a_1", "c_3", "b_2"]))
    assert match.matched.tolist() == ["a_1", "b_2"]
    assert match.only_in_contours.tolist() == ["d_4"]
    assert match.only_in_roll.tolist() == ["c_3"]


def test_the_ids_written_can_be_read_back(tmp_path: Path) -> None:
    _, path = written(tmp_path, collection(feature("29019_2"), feature("29019_1")))
    assert station_ids(path).tolist() == ["29019_0002", "29019_0001"]


WRITE = """
import resource, sys
from pathlib import Path
from isoloir.pipelines.sources.contours import write_contours
from isoloir.pipelines.sources.tables import Opened
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
summary = write_contours(Opened(Path(sys.argv[1])), Path(sys.argv[2]))
print(summary.stations, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def large(path: Path, megabytes: int) -> int:
    """Write a national layout of that size without line breaks, and say of how many stations."""
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    stations = 0
    with path.open("w", encoding="utf-8") as file:
        file.write('{"type":"FeatureCollection","features":[')
        while file.tell() < megabytes << 20:
            west, south = -4 + stations % 100 / 10, 43 + stations // 100 / 50
            circle = np.stack([west + 0.04 * np.cos(angles), south + 0.01 * np.sin(angles)], axis=1)
            ring = circle.round(12).tolist()
            code = f"{10001 + stations // 20}_{stations % 20 + 1}"
            said = feature(code, [[*ring, ring[0]]])
            file.write(("," if stations else "") + json.dumps(said, separators=(",", ":")))
            stations += 1
        file.write("]}")
    return stations


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss counts kilobytes on Linux")
@pytest.mark.slow
def test_a_large_file_is_written_in_little_memory(tmp_path: Path) -> None:
    source, path = tmp_path / "large.geojson", tmp_path / "large.parquet"
    stations = large(source, 60)
    command = [sys.executable, "-c", WRITE, str(source), str(path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert int(said[0]) == stations == pq.read_metadata(path).num_rows
    # 60 MB of text are over 300 MB as Python's lists and floats. Measured: 126 MB beyond the imports
    # (and 139 MB for 645 MB of text: a window and a batch, not the file).
    assert int(said[1]) < 200_000
