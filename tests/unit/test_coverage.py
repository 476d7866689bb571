"""Which part of the electors a source reaches: ten stations or fewer, each share counted by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from isoloir.configs.load import load_territory
from isoloir.domain.facts import Belonging, Context, Facts, Movements
from isoloir.domain.station import Stations
from isoloir.pipelines import core
from isoloir.pipelines.context import read_context, write_context
from isoloir.pipelines.coverage import Roll, reached_by_contests, reached_by_tables, roll_of
from isoloir.pipelines.sources.contours import write_contours
from isoloir.pipelines.sources.returns import Returns
from isoloir.pipelines.sources.tables import Opened

CALENDAR = load_territory("fr").calendar
DAY = date(2020, 1, 1)
REGISTERED = {"01001_0001": 100, "01001_0002": 200, "01002_0001": 300, "02001_0001": 400}
"""A thousand electors."""


def returns(contest: str, registered: Mapping[str, int]) -> Returns:
    ids = np.array(sorted(registered))
    counts = np.array([registered[i] for i in ids.tolist()], np.int32)
    communes, departments = (np.array([i[:n] for i in ids.tolist()]) for n in (5, 2))
    return Returns(
        contest=contest,
        stations=Stations(ids, communes, departments, np.full(len(ids), "")),
        registered=counts,
        voters=counts // 2,
        valid=counts // 2,
        labels=(),
        votes=np.zeros((len(ids), 0), np.int32),
        present=np.zeros((len(ids), 0), np.bool_),
        row=np.arange(1, len(ids) + 1),
    )


def core_of(folder: Path, contests: Mapping[str, Mapping[str, int]], partial: tuple[str, ...] = ()) -> Path:
    folder.mkdir(exist_ok=True)
    for key, registered in contests.items():
        core.write_returns(returns(key, registered), folder)
    said = {"partial": dict.fromkeys(partial, "1 of 9 departments")}
    (folder / "ingest.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


@pytest.fixture
def roll(tmp_path: Path) -> Roll:
    found = roll_of(core_of(tmp_path / "core", {"2022_legi_t1": REGISTERED}), CALENDAR)
    assert found is not None
    return found


def facts(name: str, level: str, figures: Mapping[str, float], secret: tuple[str, ...] = ()) -> Facts:
    codes = sorted(figures)
    return Facts(
        name,
        level,
        "2018",
        DAY,
        np.array(codes),
        ("owner_share",),
        np.array([[figures[c]] for c in codes]),
        np.array([[c in secret] for c in codes]),
    )


def belonging(name: str, level: str, *rows: tuple[str, str, float]) -> Belonging:
    station, area, weight = zip(*rows, strict=True)
    return Belonging(name, level, DAY, np.array(station), np.array(area), np.array(weight))


def shares(
    folder: Path, roll: Roll, *tables: Facts | Belonging | Movements, beside: Context | None = None
) -> dict[str, float]:
    place = folder / "tables"
    place.mkdir(exist_ok=True)
    write_context(tables, place)
    whole = beside or read_context(place)
    return {name: round(roll.share(r), 6) for name, r in reached_by_tables(place, whole, roll).items()}


def test_the_roll_is_the_latest_complete_first_round(tmp_path: Path) -> None:
    less = {k: n for k, n in REGISTERED.items() if k.startswith("01001")}
    whole = ("2017_pres_t1", "2022_pres_t1", "2022_pres_t2", "2024_euro_t1")
    contests = dict.fromkeys(whole, REGISTERED) | {"2022_legi_t1": less}
    folder = core_of(tmp_path, contests, partial=("2024_euro_t1",))
    found = roll_of(folder, CALENDAR)
    assert found is not None
    # That of June 2022 lacks most electors, that of 2024 is partial, and a second round is no roll.
    assert (found.contest, int(found.registered.sum())) == ("2022_pres_t1", 1000)
    assert roll_of(core_of(tmp_path / "other", {"2022_pres_t2": REGISTERED}), CALENDAR) is None


def test_a_contest_reaches_the_electors_of_the_communes_it_speaks_of(tmp_path: Path, roll: Roll) -> None:
    folder = core_of(
        tmp_path / "core", {"2014_muni_t1": {"01001_0009": 5}, "2014_muni_t2": {"99001_0001": 5}}
    )
    told = reached_by_contests(folder, ["2014_muni_t1", "2014_muni_t2", "2022_legi_t1"], roll)
    assert told == {"2014_muni_t1": 0.3, "2014_muni_t2": 0.0, "2022_legi_t1": 1.0}


def test_figures_of_communes_reach_where_they_are_public(tmp_path: Path, roll: Roll) -> None:
    nan = float("nan")
    made = facts("census", "commune", {"01001": 0.5, "01002": nan, "02001": nan, "9": 0.1}, secret=("02001",))
    assert shares(tmp_path, roll, made) == {"census": 0.3}


def test_a_withheld_figure_reaches_nobody_whatever_stands_there(tmp_path: Path, roll: Roll) -> None:
    made = facts("census", "commune", {"01001": 0.5, "02001": 0.5}, secret=("02001",))
    assert shares(tmp_path, roll, made) == {"census": 0.3}


def test_a_commune_that_took_in_another_is_reached_by_the_figures_of_that_one(
    tmp_path: Path, roll: Roll
) -> None:
    moved = Movements(
        "moved", DAY, np.array(["2019-01-01"], "datetime64[D]"), *map(np.array, (["5"], ["02001"]))
    )
    made = facts("census", "commune", {"5": 0.5})
    assert shares(tmp_path, roll, made) == {"census": 0.0}
    assert shares(tmp_path, roll, made, moved) == {"census": 0.4}


def test_figures_of_cells_reach_by_the_weight_of_the_cells(tmp_path: Path, roll: Roll) -> None:
    # A quarter of 02001_0001 (400) and all of 01001_0001 (100) lie in cells with a figure.
    lies = belonging(
        "lies", "cell", ("02001_0001", "c1", 0.25), ("02001_0001", "c2", 0.75), ("01001_0001", "c1", 1.0)
    )
    made = facts("cells", "cell", {"c1": 0.5, "c2": float("nan")})
    assert shares(tmp_path, roll, made, lies) == {"cells": 0.2, "lies": 0.5}


def test_cells_in_which_no_station_lies_reach_nobody(tmp_path: Path, roll: Roll) -> None:
    assert shares(tmp_path, roll, facts("cells", "cell", {"c1": 0.5})) == {"cells": 0.0}
    lies = belonging("lies", "constituency", ("02001_0001", "c1", 1.0))
    assert shares(tmp_path, roll, lies)["cells"] == 0.0


def test_of_two_tables_that_place_a_station_the_better_counts(tmp_path: Path, roll: Roll) -> None:
    old = belonging("old", "cell", ("02001_0001", "c1", 0.5), ("02001_0001", "gone", 0.5))
    new = belonging("new", "cell", ("02001_0001", "c1", 1.0))
    assert shares(tmp_path, roll, facts("cells", "cell", {"c1": 0.5}), old, new)["cells"] == 0.4


def test_what_is_placed_and_what_is_outlined_is_reached(tmp_path: Path, roll: Roll) -> None:
    place = belonging("place", "constituency", ("02001_0001", "0201", 1.0), ("99001_0001", "9901", 1.0))
    square = [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]
    feature = {
        "type": "Feature",
        "properties": {"codeBureauVote": "01002_0001"},
        "geometry": {"type": "Polygon", "coordinates": square},
    }
    path = tmp_path / "city.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), encoding="utf-8")
    write_contours(Opened(path), tmp_path / "tables" / "city.geo.parquet")
    assert shares(tmp_path, roll, place) == {"place": 0.4, "city": 0.3}


def test_movements_alone_reach_nobody_and_are_not_listed(tmp_path: Path, roll: Roll) -> None:
    moved = Movements("moved", DAY, np.array(["2019-01-01"], "datetime64[D]"), *map(np.array, (["5"], ["6"])))
    assert shares(tmp_path, roll, moved) == {}


def test_figures_of_stations_reach_these_stations(tmp_path: Path, roll: Roll) -> None:
    assert shares(tmp_path, roll, facts("own", "station", {"01001_0002": 0.5})) == {"own": 0.2}
