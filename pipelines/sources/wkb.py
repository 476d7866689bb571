"""Polygons of GeoJSON, checked, as well-known binary (OGC 06-103r4, §8.2): little endian, two dimensions."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

POLYGON, MULTIPOLYGON = 3, 6
HEADER = struct.Struct("<BII")
"""Byte order (1: little endian), kind of shape, and of how many rings or polygons."""


class Box(NamedTuple):
    """The smallest box around a shape, in degrees: west, south, east, north."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    @staticmethod
    def around(boxes: Sequence[Box]) -> Box:
        """The smallest box around all of ``boxes``, of which there is at least one."""
        sides = np.array(boxes, dtype=np.float64)
        low, high = sides[:, :2].min(axis=0), sides[:, 2:].max(axis=0)
        return Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))


@dataclass(frozen=True, slots=True)
class Shape:
    """One polygon or several, as WKB; ``turned``: rings of it that were turned around."""

    wkb: bytes
    box: Box
    turned: int = 0

    @property
    def kind(self) -> str:
        """Polygon, or MultiPolygon for several."""
        return "Polygon" if HEADER.unpack_from(self.wkb)[1] == POLYGON else "MultiPolygon"


def shape_of(geometry: Any) -> Shape:
    """The shape of a GeoJSON geometry: outer rings counterclockwise, holes clockwise.

    ValueError, whose text ends the sentence "the shape of …", for what is no polygon: another kind, a
    ring that is open or has fewer than four points, a coordinate that is no finite degree.
    """
    said = geometry if isinstance(geometry, dict) else {}
    kind, coordinates = said.get("type"), said.get("coordinates")
    if kind not in ("Polygon", "MultiPolygon"):
        raise ValueError("is neither Polygon nor MultiPolygon")
    polygons = [coordinates] if kind == "Polygon" else coordinates
    if not isinstance(polygons, list) or not polygons:
        raise ValueError("has no polygon")
    return joined([_polygon(rings) for rings in polygons])


def joined(shapes: Sequence[Shape]) -> Shape:
    """All polygons of ``shapes`` as one shape; the shape itself if it is the only one."""
    if len(shapes) == 1:
        return shapes[0]
    parts: list[bytes] = []
    count = 0
    for shape in shapes:
        _, kind, members = HEADER.unpack_from(shape.wkb)
        count += members if kind == MULTIPOLYGON else 1
        parts.append(shape.wkb[HEADER.size :] if kind == MULTIPOLYGON else shape.wkb)
    wkb = HEADER.pack(1, MULTIPOLYGON, count) + b"".join(parts)
    return Shape(wkb, Box.around([shape.box for shape in shapes]), sum(shape.turned for shape in shapes))


def _polygon(rings: Any) -> Shape:
    if not isinstance(rings, list) or not rings:
        raise ValueError("has a polygon without a ring")
    parts, turned = [], 0
    outer = _ring(rings[0])
    for index, said in enumerate(rings):
        ring = outer if index == 0 else _ring(said)
        # The sign tells the direction; a ring without area has none.
        if _doubled_area(ring) * (1 if index == 0 else -1) < 0:
            ring, turned = ring[::-1], turned + 1
        parts.append(struct.pack("<I", len(ring)) + ring.tobytes())
    low, high = outer.min(axis=0), outer.max(axis=0)
    box = Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    return Shape(HEADER.pack(1, POLYGON, len(parts)) + b"".join(parts), box, turned)


def _ring(said: Any) -> NDArray[np.float64]:
    """Longitude and latitude [P × 2]; a height, if stated, is dropped."""
    try:
        ring = np.array(said, dtype="<f8")
    except (TypeError, ValueError, OverflowError):
        raise ValueError("has a ring that is no list of points") from None
    if ring.ndim != 2 or ring.shape[1] not in (2, 3):
        raise ValueError("has a ring that is no list of points")
    if len(ring) < 4:
        raise ValueError("has a ring of fewer than four points")
    ring = np.ascontiguousarray(ring[:, :2])
    if not np.isfinite(ring).all() or (np.abs(ring) > (180, 90)).any():
        raise ValueError("has coordinates that are no longitude and latitude in degrees")
    if (ring[0] != ring[-1]).any():
        raise ValueError("has a ring that does not end where it began")
    return ring


def _doubled_area(ring: NDArray[np.float64]) -> float:
    """Twice the signed area (shoelace formula), in square degrees; above 0 if counterclockwise."""
    # From the first point: the products of far-off coordinates would drown a small area in rounding.
    x, y = (ring - ring[0]).T
    return float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1]))
