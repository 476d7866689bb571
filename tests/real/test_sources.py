"""The published files of four publishers in one home: what each adds, and where two of them differ."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from isoloir.configs.load import load_territory
from isoloir.pipelines.context import read_context
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import Ingested, ingest, ingested_before
from isoloir.pipelines.inventory import Listed, inventory
from isoloir.pipelines.merge import Difference

pytestmark = pytest.mark.real

FOLDERS = ("france", "ministry", "insee", "contours")
HERAULT = {
    "2014_muni_t1": 860,
    "2014_muni_t2": 487,
    "2020_muni_t2": 388,
    "2021_dpmt_t1": 924,
    "2021_regi_t1": 924,
    "2024_euro_t1": 965,
    "2024_legi_t1": 965,
}
"""Stations of the rounds that only the Ministry's files have, of one department."""


@pytest.fixture(scope="module")
def folders(shared_data: Path) -> list[Path]:
    made = [shared_data / name for name in FOLDERS]
    if not all(folder.is_dir() for folder in made):
        pytest.skip(f"needs the folders {', '.join(FOLDERS)} of the published files")
    return made


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("four") / "home")


@pytest.fixture(scope="module")
def four(folders: list[Path], place: Home) -> Ingested:
    return ingest(place, load_territory("fr"), folders, lambda _: None, date(2026, 1, 2))


@pytest.fixture(scope="module")
def listed(four: Ingested, place: Home) -> dict[str, Listed]:
    return {one.name: one for one in inventory(place, load_territory("fr"), date(2026, 1, 2)).sources}


def test_rounds_of_one_department_are_kept_and_told_as_such(four: Ingested) -> None:
    assert len(four.contests) == 17 and len(four.communes) == 51
    assert four.partial == dict.fromkeys(HERAULT, "1 of 108 departments")
    assert four.stations == 692_437 + sum(HERAULT.values())
    for key, stations in HERAULT.items():
        assert four.source_of[key].startswith("ministry/")
        assert pq.read_metadata(four.folder / f"{key}.parquet").num_rows == stations
    assert {four.source_of[key] for key in four.contests if key not in HERAULT} == {"results"}


def of(four: Ingested, grain: str) -> dict[str, Difference]:
    return {d.contest: d for d in four.differences if d.grain == grain}


def test_the_ministry_s_stations_agree_with_the_aggregated_ones_but_in_2019(four: Ingested) -> None:
    found = of(four, "station")
    assert {key: (d.compared, d.differing) for key, d in found.items()} == {
        "2014_euro_t1": (860, 0),
        "2017_legi_t1": (912, 0),
        "2017_pres_t1": (912, 0),
        # The pack has the provisional count of that night.
        "2019_euro_t1": (913, 13),
        "2022_legi_t1": (943, 0),
        "2022_pres_t1": (943, 0),
    }
    assert all(d.kept == "results" and d.only_other == 0 for d in found.values())
    assert found["2019_euro_t1"].first == "34003_0017"
    assert found["2019_euro_t1"].counts["registered"] == 6


def test_sums_of_stations_are_the_turnout_by_commune_but_in_2019(four: Ingested) -> None:
    found = of(four, "commune")
    assert len(found) == 15
    assert {key: d.differing for key, d in found.items() if d.differing} == {"2019_euro_t1": 226}
    assert found["2022_pres_t1"].compared == 34_820


def test_impossible_counts_of_communes_and_stray_files_are_told(four: Ingested) -> None:
    assert [line.partition(":")[0] for line in four.dropped] == [
        "1999_euro_t1, commune 83069",
        "2004_regi_t1, commune 59512",
        "2004_regi_t2, commune 59005",
        "2004_regi_t2, commune 59230",
        "2004_regi_t2, commune 59526",
        "2008_muni_t1, commune 92019",
        "2015_regi_t1, commune 30201",
    ]
    assert four.unread == ("labels_seen.csv: no source of fr speaks of it",)


def test_every_station_of_brest_has_an_outline(four: Ingested) -> None:
    assert four.noted[-1] == (
        "contours of brest_contours: 122 of 122 stations of the roll of 2022_legi_t1 have one; "
        "0 contours match none"
    )
    assert (four.folder / "context" / "brest_contours.geo.parquet").is_file()


def test_the_arrondissements_of_stations_are_those_that_insee_has_figures_of(four: Ingested) -> None:
    context = read_context(four.folder / "context")
    (lies,) = (b for b in context.belongings if b.name == "arrondissements")
    (census,) = (f for f in context.facts if f.name == "census_2018_parts")
    assert np.unique(lies.area).tolist() == census.codes.tolist() and len(census.codes) == 45
    assert len(lies.station_id) == len(np.unique(lies.station_id)) == 1691


def test_each_source_reaches_its_part_of_the_electors(listed: dict[str, Listed]) -> None:
    reaches = {name: round(one.reaches, 3) for name, one in listed.items() if one.reaches is not None}
    assert reaches == {
        "results": 1.0,
        "ministry": 0.017,
        "communes": 0.93,
        "communes_2018": 0.959,
        "incomes_2021": 0.946,
        # No table in the pack says in which IRIS a station lies.
        "incomes_iris_2015": 0.0,
        "brest_contours": 0.002,
    }


def test_the_same_files_again_are_not_read_again(four: Ingested, folders: list[Path], place: Home) -> None:
    again = ingested_before(place, load_territory("fr"), folders)
    assert again is not None and again.again and again.folder == four.folder
