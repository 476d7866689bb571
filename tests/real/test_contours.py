"""The published outlines of Brest: every station of the roll has one, where the city lies."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from isoloir.domain.station import Text
from isoloir.pipelines.sources.contours import ContoursSummary, matched, station_ids, write_contours
from isoloir.pipelines.sources.tables import Opened

pytestmark = pytest.mark.real

KM_PER_DEGREE = 111.2


@pytest.fixture(scope="module")
def brest(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ContoursSummary, Path]:
    path = tmp_path_factory.mktemp("contours") / "contours.parquet"
    return write_contours(Opened(shared_data / "contours" / "brest_contours.geojson"), path), path


def roll(shared_data: Path, communes: list[str]) -> Text:
    """Ids of the stations of ``communes`` in the first round of April 2022."""
    table = pq.read_table(
        shared_data / "france" / "general_results.parquet",
        columns=["id_election", "code_commune", "id_brut_miom"],
        filters=(pc.field("id_election") == "2022_pres_t1") & pc.field("code_commune").isin(communes),
    )
    return np.asarray(table["id_brut_miom"].to_numpy(), dtype=np.str_)


def test_every_feature_is_a_station(brest: tuple[ContoursSummary, Path]) -> None:
    summary, path = brest
    assert (summary.features, summary.stations, summary.communes) == (122, 122, 3)
    assert (summary.combined, summary.left_out) == (0, 0)
    assert pq.read_metadata(path).num_rows == 122


def test_every_station_of_the_roll_of_2022_has_its_contour(
    brest: tuple[ContoursSummary, Path], shared_data: Path
) -> None:
    ids = station_ids(brest[1])
    # The file goes beyond the city: Guilers (29061) and Le Relecq-Kerhuon (29189) stand in it too.
    assert sorted({station[:5] for station in ids.tolist()}) == ["29019", "29061", "29189"]
    city = matched(ids[np.char.startswith(ids, "29019_")], roll(shared_data, ["29019"]))
    assert (len(city.matched), city.only_in_contours.tolist(), city.only_in_roll.tolist()) == (104, [], [])


def test_so_have_those_of_the_two_communes_beside_it(
    brest: tuple[ContoursSummary, Path], shared_data: Path
) -> None:
    ids = station_ids(brest[1])
    others = matched(ids[~np.char.startswith(ids, "29019_")], roll(shared_data, ["29061", "29189"]))
    assert (len(others.matched), len(others.only_in_contours), len(others.only_in_roll)) == (18, 0, 0)


def test_the_outlines_lie_where_brest_lies_and_cover_its_area(brest: tuple[ContoursSummary, Path]) -> None:
    summary, path = brest
    assert -4.62 < summary.box.xmin < summary.box.xmax < -4.28
    assert 48.29 < summary.box.ymin < summary.box.ymax < 48.50
    table = pq.read_table(path)
    city = table.filter(pc.equal(table["commune_code"], "29019"))
    # INSEE has 49.5 km² for the commune.
    assert 45 < sum(square_km(shape) for shape in city["geometry"].to_pylist()) < 55


def square_km(wkb: bytes) -> float:
    """The area of a polygon, read by the standard, as if the earth were flat there; holes count against."""
    order, kind, count = struct.unpack_from("<BII", wkb)
    assert (order, kind) == (1, 3)
    at, area = 9, 0.0
    for _ in range(count):
        (points,) = struct.unpack_from("<I", wkb, at)
        ring = np.frombuffer(wkb, "<f8", 2 * points, at + 4).reshape(points, 2)
        at += 4 + 16 * points
        x, y = (ring - ring[0]).T * KM_PER_DEGREE
        x = x * np.cos(np.radians(ring[:, 1].mean()))
        area += float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])) / 2
    assert at == len(wkb)
    return area
