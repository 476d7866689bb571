"""Outlines of polling stations: published GeoJSON in, feature by feature, GeoParquet 1.1 out.

https://datatracker.ietf.org/doc/html/rfc7946 and https://geoparquet.org/releases/v1.1.0/. Shapes are checked
to be polygons of closed, finite rings on the globe, not that their edges never cross.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from isoloir.domain.errors import SourceError
from isoloir.domain.station import Text

from .gate.grain import refuse_finer
from .geojson import features
from .tables import Opened
from .wkb import Box, Shape, joined, shape_of

ROWS, BYTES = 1024, 1 << 24
"""A batch is written once it holds so many stations, or so many bytes of shapes."""

STATION = re.compile(r"(?=[A-Z]{0,4}[0-9])[0-9A-Z]{5}_(?=[A-Za-z.-]{0,5}[0-9])[0-9A-Za-z.-]{1,6}")
"""A commune's code and the station's number in the commune: each has a figure, else it may be a name."""

MOST_FEATURES = 5.0
"""Features per station, on average: a station may be of several parts, and not of one per address."""

BOX = pa.struct([(side, pa.float64()) for side in Box._fields])
COLUMNS = pa.schema(
    [
        pa.field("station_id", pa.string(), nullable=False),
        pa.field("commune_code", pa.string(), nullable=False),
        pa.field("geometry", pa.binary(), nullable=False),
        pa.field("bbox", BOX, nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class ContoursSummary:
    """What was written: ``stations`` of ``communes``, out of ``features``, within ``box`` (degrees).

    ``combined`` stations had more than one feature: their shapes became one. ``left_out`` features have no
    shape or no code of a station; ``first_left_out`` is the number of the first, from 1, 0 if there is none.
    ``turned`` rings ran the other way than the standard has it.
    """

    features: int
    stations: int
    communes: int
    combined: int
    left_out: int
    first_left_out: int
    turned: int
    box: Box

    def line(self) -> str:
        """One line for a person; what did not occur is not said."""
        said = f"contours: {self.stations} station(s) of {self.communes} commune(s)"
        if self.combined:
            said += f", {self.combined} of them of several features, combined"
        if self.left_out:
            first = f"first feature {self.first_left_out}"
            said += f"; {self.left_out} feature(s) without shape or station left out, {first}"
        return said


@dataclass(frozen=True, slots=True)
class Match:
    """Ids of stations that have a contour and are on a roll, and those of one side only; each sorted."""

    matched: Text
    only_in_contours: Text
    only_in_roll: Text


def write_contours(opened: Opened, path: Path) -> ContoursSummary:
    """Read GeoJSON and write it to ``path`` as GeoParquet 1.1, station ids as results spell them.

    Columns station_id, commune_code, geometry (WKB, longitude and latitude, outer rings counterclockwise) and
    its bbox. In place by one rename. SourceError, with the file and the feature's number, for what is no
    GeoJSON in degrees or holds a shape that cannot be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    spool, aside = (path.with_name(f".{path.name}.{part}.{os.getpid()}") for part in ("spool", "new"))
    try:
        seen = _Seen()
        _spool(opened, spool, seen)
        _finish(spool, aside, seen)
        os.replace(aside, path)
    finally:
        spool.unlink(missing_ok=True)
        aside.unlink(missing_ok=True)
    return seen.summary()


def station_ids(path: Path) -> Text:
    """The ids of the stations that :func:`write_contours` wrote to ``path``."""
    return np.asarray(pq.read_table(path, columns=["station_id"])["station_id"].to_numpy(), dtype=np.str_)


def matched(contours: Text, roll: Text) -> Match:
    """Which stations with a contour are on the ``roll``, and which are on one side only."""
    return Match(np.intersect1d(contours, roll), np.setdiff1d(contours, roll), np.setdiff1d(roll, contours))


@dataclass(slots=True)
class _Seen:
    """What was met so far. ``later``: shapes of stations that stood before, to be joined to the first."""

    first: dict[str, int] = field(default_factory=dict)
    later: dict[str, list[Shape]] = field(default_factory=dict)
    features: int = 0
    left_out: int = 0
    first_left_out: int = 0
    turned: int = 0
    kinds: set[str] = field(default_factory=set)
    box: Box | None = None

    def summary(self) -> ContoursSummary:
        """The counts; a file without any station was refused before."""
        assert self.box is not None
        communes = {station.partition("_")[0] for station in self.first}
        return ContoursSummary(
            features=self.features,
            stations=len(self.first),
            communes=len(communes),
            combined=len(self.later),
            left_out=self.left_out,
            first_left_out=self.first_left_out,
            turned=self.turned,
            box=self.box,
        )


def _spool(opened: Opened, spool: Path, seen: _Seen) -> None:
    """Write the first shape of every station; a later one of the same waits in ``seen``."""
    batch: dict[str, Shape] = {}
    size = 0
    # One feature at a time: JSON can only be read so, and the whole country does not fit in memory at once.
    with pq.ParquetWriter(spool, COLUMNS, compression="zstd") as writer:
        for station, shape in _shapes(opened, seen):
            if station in seen.first:
                seen.later.setdefault(station, []).append(shape)
                continue
            seen.first[station] = seen.features
            batch[station] = shape
            size += len(shape.wkb)
            if len(batch) >= ROWS or size >= BYTES:
                writer.write_table(_table(batch))
                batch, size = {}, 0
        writer.write_table(_table(batch))
    features_of = seen.features - seen.left_out
    refuse_finer(features_of, len(seen.first), MOST_FEATURES, "stations", opened.where)
    if not seen.first:
        raise SourceError(
            f"none of its {seen.features} features has both a shape and a station's code",
            where=opened.where,
            remedy="fetch the contours of polling stations, with codeBureauVote",
        )


def _shapes(opened: Opened, seen: _Seen) -> Iterator[tuple[str, Shape]]:
    for number, feature in enumerate(features(opened), start=1):
        seen.features = number
        station = _station(feature.get("properties"))
        geometry = feature.get("geometry")
        if station is None or geometry is None:
            seen.left_out += 1
            seen.first_left_out = seen.first_left_out or number
            continue
        try:
            shape = shape_of(geometry)
        except ValueError as error:
            raise SourceError(
                f"the shape of station {station} {error}",
                where=f"{opened.where}, feature {number}",
                remedy="correct or take out that feature, or fetch the file again",
            ) from None
        seen.turned += shape.turned
        yield station, shape


def _station(properties: Any) -> str | None:
    """The id as results spell it: 29019_1 is 29019_0001. None if there is none, or no code of a station."""
    said = properties if isinstance(properties, dict) else {}
    code = said.get("codeBureauVote")
    if code is None:
        code = f"{said.get('codeCommune')}_{said.get('numeroBureauVote')}"
    commune, _, number = str(code).strip().partition("_")
    if number.isdigit():
        number = number.zfill(4)
    station = f"{commune.zfill(5)}_{number}"
    return station if STATION.fullmatch(station) else None


def _table(batch: dict[str, Shape]) -> pa.Table:
    stations = pa.array(list(batch), pa.string())
    shapes = list(batch.values())
    boxes = np.array([shape.box for shape in shapes], dtype=np.float64).reshape(len(shapes), 4)
    columns = [
        stations,
        pc.list_element(pc.split_pattern(stations, "_"), 0),
        pa.array([shape.wkb for shape in shapes], pa.binary()),
        pa.StructArray.from_arrays([pa.array(boxes[:, i]) for i in range(4)], fields=list(BOX)),
    ]
    return pa.Table.from_arrays(columns, schema=COLUMNS)


def _finish(spool: Path, aside: Path, seen: _Seen) -> None:
    """The spooled rows with what was found later joined on, and what GeoParquet says of the whole."""
    with pq.ParquetFile(spool) as file, pq.ParquetWriter(aside, COLUMNS, compression="zstd") as writer:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            if table.num_rows:
                rows = {
                    row["station_id"]: Shape(row["geometry"], Box(**row["bbox"])) for row in table.to_pylist()
                }
                whole = {name: joined([shape, *seen.later.get(name, [])]) for name, shape in rows.items()}
                seen.kinds |= {shape.kind for shape in whole.values()}
                boxes = [shape.box for shape in whole.values()]
                seen.box = Box.around(boxes if seen.box is None else [seen.box, *boxes])
                writer.write_table(_table(whole))
        assert seen.box is not None
        writer.add_key_value_metadata({"geo": json.dumps(_geo(sorted(seen.kinds), seen.box))})


def _geo(kinds: list[str], box: Box) -> dict[str, object]:
    """The ``geo`` metadata; without ``crs`` coordinates are OGC:CRS84, longitude before latitude."""
    column = {
        "encoding": "WKB",
        "geometry_types": kinds,
        "orientation": "counterclockwise",
        "bbox": list(box),
        "covering": {"bbox": {side: ["bbox", side] for side in Box._fields}},
    }
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
