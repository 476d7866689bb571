"""One core of many parts: who wins, what others say otherwise, what follows; all counted by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from isoloir.configs.load import load_territory
from isoloir.domain.station import Stations
from isoloir.pipelines import core
from isoloir.pipelines.context import read_context
from isoloir.pipelines.merge import Difference, merge
from isoloir.pipelines.parts import Part
from isoloir.pipelines.sources.communes import CommuneCounts
from isoloir.pipelines.sources.contours import write_contours
from isoloir.pipelines.sources.returns import Finding, Returns
from isoloir.pipelines.sources.tables import Opened

FRANCE = load_territory("fr")
LEGI, PRES, EURO, SECOND = "2022_legi_t1", "2022_pres_t1", "2024_euro_t1", "2022_legi_t2"
Rows = Mapping[str, Sequence[int]]


def returns(contest: str, rows: Rows, labels: tuple[str, ...] = ("REM", "SOC")) -> Returns:
    """``rows``: by station id registered, voters, and the votes of each label."""
    ids = sorted(rows)
    counts = np.array([rows[i] for i in ids], np.int32).reshape(len(ids), 2 + len(labels))
    votes = counts[:, 2:]
    return Returns(
        contest=contest,
        stations=Stations(
            np.array(ids),
            np.array([i[:5] for i in ids]),
            np.array([i[:2] for i in ids]),
            np.full(len(ids), ""),
        ),
        registered=counts[:, 0],
        voters=counts[:, 1],
        valid=votes.sum(axis=1).astype(np.int32),
        labels=labels,
        votes=votes,
        present=np.ones(votes.shape, np.bool_),
        row=np.arange(1, len(ids) + 1),
    )


def part(
    folder: Path,
    role: str,
    *made: Returns,
    findings: tuple[Finding, ...] = (),
    left_out: dict[str, int] | None = None,
    withheld: dict[str, int] | None = None,
) -> Part:
    place = folder / role.replace("/", "-")
    place.mkdir()
    for one in made:
        core.write_returns(one, place)
    return Part(role, place, (), tuple(one.contest for one in made), findings, left_out or {}, withheld or {})


def merged(folder: Path, *parts: Part) -> tuple[dict[str, object], Path]:
    into = folder / "core"
    into.mkdir()
    return json.loads(json.dumps(merge(FRANCE, sorted(parts, key=lambda p: p.role), into))), into


def differences(said: dict[str, object]) -> list[Difference]:
    found = said["differences"]
    assert isinstance(found, list)
    return [Difference(**one) for one in found]


A, B, C = "34001_0001", "34001_0002", "34002_0001"
OURS = {A: (100, 60, 30, 20), B: (200, 150, 100, 40)}


def test_the_main_source_wins_then_the_first_name_of_the_ministry_s_files(tmp_path: Path) -> None:
    other, third = {A: (101, 60, 30, 20)}, {A: (102, 60, 30, 20)}
    said, into = merged(
        tmp_path,
        part(tmp_path, "ministry/a.txt", returns(LEGI, other), returns(PRES, other)),
        part(tmp_path, "ministry/b.txt", returns(PRES, third), returns(EURO, third)),
        part(tmp_path, "results", returns(LEGI, OURS)),
    )
    assert said["source_of"] == {LEGI: "results", PRES: "ministry/a.txt", EURO: "ministry/b.txt"}
    kept = {k: pq.read_table(into / f"{k}.parquet")["registered"].to_pylist() for k in (LEGI, PRES, EURO)}
    assert kept == {LEGI: [100, 200], PRES: [101], EURO: [102]}
    assert (said["contests"], said["stations"]) == ([LEGI, PRES, EURO], 4)
    told = [(d.contest, d.kept, d.other) for d in differences(said)]
    assert told == [(LEGI, "results", "ministry/a.txt"), (PRES, "ministry/a.txt", "ministry/b.txt")]


def test_a_difference_counts_each_station_once_and_each_count_apart(tmp_path: Path) -> None:
    # A has another roll and one vote more for SOC, B one more for SOC; C is not in the main source.
    theirs = {A: (101, 60, 30, 21), B: (200, 150, 100, 41), C: (50, 40, 20, 10)}
    said, _ = merged(
        tmp_path,
        part(tmp_path, "results", returns(LEGI, OURS)),
        part(tmp_path, "ministry/a.txt", returns(LEGI, theirs)),
    )
    (found,) = differences(said)
    assert (found.grain, found.compared, found.only_kept, found.only_other) == ("station", 2, 0, 1)
    assert (found.differing, found.first) == (2, A)
    assert found.counts == {"registered": 1, "valid": 2, "label:SOC": 2}
    assert not found.agrees
    assert found.line() == (
        f"{LEGI}: results is kept, ministry/a.txt set beside it: of 2 stations 2 differ, first {A} "
        "(valid: 2, SOC: 2, registered: 1), 1 more in ministry/a.txt"
    )


def test_labels_of_one_source_only_are_not_compared(tmp_path: Path) -> None:
    said, _ = merged(
        tmp_path,
        part(tmp_path, "results", returns(LEGI, OURS)),
        part(tmp_path, "ministry/a.txt", returns(LEGI, OURS, ("ENS", "SOC"))),
    )
    (found,) = differences(said)
    assert found.agrees and found.line().endswith("of 2 stations all agree")


def test_sources_that_share_no_station_do_not_agree(tmp_path: Path) -> None:
    said, _ = merged(
        tmp_path,
        part(tmp_path, "results", returns(LEGI, {A: (100, 60, 30, 20)})),
        part(tmp_path, "ministry/a.txt", returns(LEGI, {C: (100, 60, 30, 20)})),
    )
    (found,) = differences(said)
    assert not found.agrees
    assert "of 0 stations none stands in both, 1 more in results, 1 more in ministry/a.txt" in found.line()


def test_results_by_commune_are_set_beside_the_sums_of_stations(tmp_path: Path) -> None:
    counted = part(tmp_path, "communes")
    for key in (LEGI, PRES):
        # 34001 has 300 registered and 210 voters; one voter more is told of it in LEGI.
        counts = CommuneCounts(
            key,
            np.array(["34001", "34002"]),
            np.array(["34", "34"]),
            np.array([300, 50], np.int32),
            np.array([211, 40], np.int32),
            np.array([1, 2]),
        )
        core.write_counts(counts, counted.folder)
    told = Part("communes", counted.folder, (), (LEGI, PRES))
    said, into = merged(
        tmp_path, told, part(tmp_path, "results", returns(LEGI, OURS | {C: (50, 40, 20, 10)}))
    )
    (found,) = differences(said)
    assert (found.grain, found.compared, found.differing, found.first) == ("commune", 2, 1, "34001")
    assert found.counts == {"voters": 1}
    assert said["communes"] == [LEGI, PRES] and said["contests"] == [LEGI]
    assert sorted(p.stem for p in (into / "communes").iterdir()) == [LEGI, PRES]


def in_departments(*codes: str) -> Rows:
    return {f"{code}001_0001": (100, 60, 30, 20) for code in codes}


def test_a_contest_of_less_than_half_of_the_departments_is_partial(tmp_path: Path) -> None:
    said, _ = merged(
        tmp_path,
        part(
            tmp_path,
            "results",
            returns(LEGI, in_departments("11", "12", "13", "14")),
            returns(PRES, in_departments("11", "12")),
            returns(EURO, in_departments("34")),
        ),
    )
    # Of five: four and two are covered; 2 · 2 is less than 5.
    assert said["partial"] == {PRES: "2 of 5 departments", EURO: "1 of 5 departments"}


def test_half_of_the_departments_is_not_partial(tmp_path: Path) -> None:
    made = returns(LEGI, in_departments("11", "12")), returns(PRES, in_departments("11"))
    said, _ = merged(tmp_path, part(tmp_path, "results", *made))
    assert said["partial"] == {}


def test_only_what_was_found_in_the_source_that_wins_is_told(tmp_path: Path) -> None:
    odd = [Finding(LEGI, what, 1, A, 1, False) for what in ("ours", "theirs")]
    said, _ = merged(
        tmp_path,
        part(tmp_path, "results", returns(LEGI, OURS), findings=(odd[0],), left_out={"2023_sena_t1": 3}),
        part(
            tmp_path,
            "ministry/a.txt",
            returns(LEGI, OURS),
            returns(EURO, OURS),
            findings=(odd[1],),
            withheld={LEGI: 7, EURO: 2},
        ),
    )
    findings = said["findings"]
    assert isinstance(findings, list) and [f["check"] for f in findings] == ["ours"]
    assert said["withheld"] == {EURO: 2} and said["left_out"] == {"2023_sena_t1": 3}


PARIS = {"75056_0321": (100, 60, 30, 20), "75056_JUS1": (100, 60, 30, 20), "34001_0001": (100, 60, 30, 20)}


@pytest.mark.parametrize(
    ("entry", "made"), [("communes_2018", True), ("people_iris_2022", True), ("movements_2026", False)]
)
def test_stations_of_paris_lie_in_an_arrondissement_where_figures_of_such_were_read(
    entry: str, made: bool, tmp_path: Path
) -> None:
    said, into = merged(
        tmp_path,
        part(tmp_path, "results", returns(LEGI, PARIS), returns(PRES, {"69123_0901": (10, 6, 3, 2)})),
        part(tmp_path, f"context/{entry}"),
    )
    found = read_context(into / "context").belongings
    pairs = [(b.name, list(zip(b.station_id.tolist(), b.area.tolist(), strict=True))) for b in found]
    expected = [("arrondissements", [("69123_0901", "69389"), ("75056_0321", "75103")])]
    assert pairs == (expected if made else [])
    told = [note for note in said["notes"] if note.startswith("arrondissements: 2 stations")]
    assert len(told) == made


def test_without_such_a_city_nothing_follows(tmp_path: Path) -> None:
    said, into = merged(
        tmp_path, part(tmp_path, "results", returns(LEGI, OURS)), part(tmp_path, "context/communes_2018")
    )
    assert said["notes"] == [] and not list((into / "context").iterdir())


def outlined(folder: Path, name: str, *stations: str) -> Part:
    made = part(folder, f"context/{name}")
    square = [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]
    features = [
        {
            "type": "Feature",
            "properties": {"codeBureauVote": station},
            "geometry": {"type": "Polygon", "coordinates": square},
        }
        for station in stations
    ]
    path = folder / f"{name}.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    write_contours(Opened(path), made.folder / f"{name}.geo.parquet")
    return made


def test_contours_are_matched_with_the_newest_first_round_of_their_communes(tmp_path: Path) -> None:
    row = (100, 60, 30, 20)
    said, into = merged(
        tmp_path,
        part(
            tmp_path,
            "results",
            returns(PRES, {"29019_0001": row, "29019_0009": row, "34001_0001": row}),
            returns(LEGI, {"29019_0001": row, "29019_0002": row, "29019_0003": row, "34001_0001": row}),
            returns(SECOND, {"29019_0001": row}),
            returns(EURO, {"34001_0001": row}),
        ),
        outlined(tmp_path, "city", "29019_0001", "29019_0002", "29019_0009"),
        outlined(tmp_path, "elsewhere", "99001_0001"),
    )
    assert said["notes"] == [
        f"contours of city: 2 of 3 stations of the roll of {LEGI} have one; 1 contours match none",
        "contours of elsewhere: no first round was ingested of the communes they are of",
    ]
    assert sorted(p.name for p in (into / "context").iterdir()) == [
        "city.geo.parquet",
        "elsewhere.geo.parquet",
    ]
    assert read_context(into / "context").names == ()
