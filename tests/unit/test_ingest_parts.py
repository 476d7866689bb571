"""Ingesting source after source: what was read stays, until its own source is read anew."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from ministry_files import FORMS, stations_of

from isoloir.configs.load import load_territory
from isoloir.domain.errors import MissingInputError, SourceError
from isoloir.pipelines.flows.ingest import by_contest
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import Ingested, ingest, ingested_before

FRANCE = load_territory("fr")
DAY = date(2026, 1, 2)
RESULTS, MINISTRY = "2022_legi_t1", "2017_legi_t1"


def results(folder: Path, registered: int = 100, contest: str = RESULTS) -> Path:
    """One station of Montpellier, 40 votes for each of two labels."""
    folder.mkdir(exist_ok=True)
    place = {"id_election": [contest], "id_brut_miom": ["34172_0001"]}
    general = pd.DataFrame({**place, "code_departement": "34", "code_commune": "34172"})
    general = general.assign(inscrits=registered, votants=90, exprimes=80)
    general.to_csv(folder / "general_results.csv", sep=";", index=False)
    candidates = pd.DataFrame({k: v * 2 for k, v in place.items()})
    candidates.assign(nuance=["NUP", "ENS"], voix=40).to_csv(
        folder / "candidats_results.csv", sep=";", index=False
    )
    return folder


def of_the_ministry(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "a.txt").write_bytes(FORMS["legi"].written(stations_of("legi")))
    return folder


def outlines(folder: Path, *stations: str) -> Path:
    folder.mkdir(exist_ok=True)
    square = [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]
    shape = {"type": "Polygon", "coordinates": square}
    made = [{"type": "Feature", "properties": {"codeBureauVote": s}, "geometry": shape} for s in stations]
    text = json.dumps({"type": "FeatureCollection", "features": made})
    (folder / "city.geojson").write_text(text, encoding="utf-8")
    return folder


def take(home: Home, *folders: Path, today: date = DAY) -> Ingested:
    return ingest(home, FRANCE, folders, lambda _: None, today)


def said_in(path: Path) -> Any:
    """What a JSON file says."""
    return json.loads(path.read_text(encoding="utf-8"))


def files_of(home: Home) -> dict[Path, tuple[int, bytes]]:
    """When each file was written, and what is in it."""
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in home.path.rglob("*") if p.is_file()}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return results(tmp_path / "first")


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return outlines(of_the_ministry(tmp_path / "second"), "34172_0001", "34172_0002")


def test_a_source_that_is_ingested_later_leaves_what_was_there(home: Home, first: Path, second: Path) -> None:
    assert take(home, first).contests == (RESULTS,)
    done = take(home, second)
    assert done.contests == (MINISTRY, RESULTS) and not done.again
    assert done.source_of == {MINISTRY: "ministry/a.txt", RESULTS: "results"}
    assert done.stations == 8
    assert set(said_in(done.folder / "ingest.json")["parts"]) == {"results", "ministry/a.txt", "context/city"}
    assert done.noted[-1] == (
        f"contours of city: 1 of 1 stations of the roll of {RESULTS} have one; 1 contours match none"
    )


def test_one_after_the_other_comes_to_what_both_at_once_do(
    home: Home, first: Path, second: Path, tmp_path: Path
) -> None:
    take(home, first)
    done = take(home, second)
    for number, order in enumerate([(first, second), (second, first)]):
        once = take(Home(tmp_path / f"other{number}"), *order)
        assert once.folder.name == done.folder.name
        files = sorted(p for p in once.folder.rglob("*") if p.is_file())
        assert [p.relative_to(once.folder) for p in files] == sorted(
            p.relative_to(done.folder) for p in done.folder.rglob("*") if p.is_file()
        )
        for path in files:
            assert path.read_bytes() == (done.folder / path.relative_to(once.folder)).read_bytes(), path


def test_reading_one_source_anew_replaces_that_one_only(home: Home, first: Path, second: Path) -> None:
    before = take(home, first, second)
    results(first, registered=123)
    done = take(home, first)
    assert done.contests == before.contests and done.folder != before.folder
    assert pq.read_table(done.folder / f"{RESULTS}.parquet")["registered"].to_pylist() == [123]
    old, new = (said_in(one.folder / "ingest.json")["parts"] for one in (before, done))
    assert {role for role in new if new[role] != old[role]} == {"results"}
    assert home.current_core("fr") == done.folder


def test_a_round_that_its_source_no_longer_has_is_gone(home: Home, first: Path, second: Path) -> None:
    take(home, first, second)
    results(first, contest="2022_legi_t2")
    assert take(home, first).contests == (MINISTRY, "2022_legi_t2")


def test_the_same_bytes_again_change_no_file(home: Home, first: Path, second: Path) -> None:
    done = take(home, first, second)
    before = files_of(home)
    for again in (take(home, first), take(home, second), take(home, second, first)):
        assert again.again and again.folder == done.folder
    assert ingested_before(home, FRANCE, [first]) is not None
    assert files_of(home) == before


def test_going_back_to_an_earlier_file_reads_nothing_and_makes_it_current(
    home: Home, first: Path, second: Path
) -> None:
    done = take(home, first, second)
    results(first, registered=123)
    assert take(home, first).folder != done.folder
    results(first)
    back = ingested_before(home, FRANCE, [first])
    assert back is not None and back.again and back.folder == done.folder == home.current_core("fr")


def test_what_is_refused_leaves_what_was_there(home: Home, first: Path, second: Path) -> None:
    take(home, first)
    before = files_of(home)
    (second / "city.geojson").write_text('{"type": "FeatureCollection"', encoding="utf-8")
    (second / "a.txt").write_bytes((second / "a.txt").read_bytes()[:-30])
    with pytest.raises(SourceError):
        take(home, second)
    assert {p: t for p, t in files_of(home).items() if p in before} == before
    assert home.current_core("fr").name == before[home.path / "core" / "fr" / "current"][1].decode()


def forgotten(home: Home, how: str) -> None:
    """A home as an earlier version left it, or one whose core somebody removed."""
    core = home.current_core("fr")
    if how == "removed":
        shutil.rmtree(core)
        return
    path = core / "ingest.json"
    said = said_in(path)
    del said["parts"]
    path.write_text(json.dumps(said), encoding="utf-8")


@pytest.mark.parametrize("how", ["earlier version", "removed"])
def test_where_home_does_not_tell_what_it_has_the_results_are_to_be_ingested_again(
    how: str, home: Home, first: Path, second: Path
) -> None:
    take(home, first)
    forgotten(home, how)
    with pytest.raises(MissingInputError, match="does not tell what was ingested") as caught:
        take(home, second)
    assert "isoloir ingest fr --from DIR" in caught.value.remedy
    assert take(home, first, second).contests == (MINISTRY, RESULTS)


def test_a_part_that_is_gone_is_to_be_ingested_again(home: Home, first: Path, second: Path) -> None:
    done = take(home, second)
    gone = home.path / "parts" / "fr" / said_in(done.folder / "ingest.json")["parts"]["ministry/a.txt"]
    shutil.rmtree(gone)
    with pytest.raises(MissingInputError, match="is gone") as caught:
        take(home, first)
    assert caught.value.where == str(gone)
    assert take(home, first, second).contests == (MINISTRY, RESULTS)


def test_the_day_of_reading_is_told_and_no_core_depends_on_it(
    home: Home, first: Path, second: Path, tmp_path: Path
) -> None:
    other = Home(tmp_path / "other")
    days = {home: DAY, other: date(2026, 3, 4)}
    one, two = (take(place, first, second, today=day) for place, day in days.items())
    assert one.folder.name == two.folder.name
    assert (one.folder / "ingest.json").read_bytes() == (two.folder / "ingest.json").read_bytes()
    for place, day in days.items():
        told = {said_in(path)["read_on"] for path in place.path.glob("parts/fr/*/part.json")}
        assert told == {day.isoformat()}


def test_the_table_of_contests_names_the_source_of_each(home: Home, first: Path, second: Path) -> None:
    table = by_contest(take(home, first, second))
    assert table[["contest", "source", "stations"]].to_numpy().tolist() == [
        [MINISTRY, "ministry/a.txt", 7],
        [RESULTS, "results", 1],
    ]
