"""`isoloir transfers`: what is written, what is printed, what is never told, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from commands import Said, isoloir

from isoloir.configs.load import load_territory
from isoloir.domain.errors import MissingInputError, UsageError
from isoloir.domain.ledger import Ledger
from isoloir.domain.privacy import Policy
from isoloir.domain.station import positions
from isoloir.pipelines.bench import Bench, open_bench
from isoloir.pipelines.demo import write_demo
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import ingest
from isoloir.pipelines.transfers import (
    ABSENT,
    BLANK,
    LABEL,
    MIN_STATIONS,
    TRANSFERS,
    WARNING,
    ballot_of,
    check_ballot,
    enough,
    make_transfers,
)

DEMO = load_territory("demo")
FIRST, SECOND = "2022_pres_t1", "2022_pres_t2"
ROUNDS = DEMO.calendar[FIRST], DEMO.calendar[SECOND]
POLICY = Policy(1)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    country, made = tmp_path_factory.mktemp("country"), Home(tmp_path_factory.mktemp("transfers") / "home")
    write_demo(country, n_stations=600)
    ingest(made, DEMO, country, lambda _: None)
    return made


@pytest.fixture(scope="module")
def said(home: Home) -> Said:
    said = isoloir("transfers", "demo", "--first", FIRST, "--second", SECOND, "--home", home.path, "--quiet")
    assert (said.status, said.err) == (0, "")
    return said


@pytest.fixture(scope="module")
def path(said: Said, home: Home) -> Path:
    return home.path / "transfers" / "demo" / SECOND / "transfers.parquet"


@pytest.fixture(scope="module")
def rows(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path)


@pytest.fixture
def bench(home: Home) -> Bench:
    return open_bench(home, DEMO, None, None)


def test_the_nation_s_table_is_printed_with_its_label_and_the_fallacy(said: Said, rows: pd.DataFrame) -> None:
    text = " ".join(said.out.split())
    assert said.out.startswith(LABEL) and WARNING in text and "not from what any person did" in text
    for _, row in rows[rows["area_level"] == "nation"].iterrows():
        assert f"{100 * row['share']:.1f}" in said.out
        assert f"{100 * row['lo90']:.1f}–{100 * row['hi90']:.1f}" in said.out
        assert f"{100 * row['bound_lo']:.1f}–{100 * row['bound_hi']:.1f}" in said.out
    assert all(len(line) <= 110 for line in said.out.splitlines() if not line.startswith("transfers:"))


def test_the_file_says_of_each_column_what_it_is(path: Path) -> None:
    schema = pq.read_schema(path)
    assert schema.names == list(TRANSFERS.names)
    assert all(field.metadata[b"description"] and field.metadata[b"unit"] for field in schema)
    told = {key.decode(): value.decode() for key, value in schema.metadata.items()}
    assert (told["first"], told["second"], told["label"]) == (FIRST, SECOND, LABEL)
    assert "not from what any person did" in told["warning"] and told["licence"]
    group = pq.read_metadata(path).row_group(0)
    assert {group.column(i).compression for i in range(group.num_columns)} == {"ZSTD"}


def test_no_area_is_smaller_than_a_constituency(rows: pd.DataFrame, bench: Bench) -> None:
    assert set(rows["area_level"]) == {"nation", "department", "constituency"}
    assert (rows["stations"] >= MIN_STATIONS).all() and (rows["label"] == LABEL).all()
    notice = bench.ledger.notice(ROUNDS[1])
    assert notice is not None
    known = {
        "nation": {"demo"},
        "department": {*notice.stations.department_code},
        "constituency": {*notice.stations.constituency_code},
    }
    for level, areas in rows.groupby("area_level")["area_id"]:
        assert set(areas) <= known[str(level)]


def test_rows_are_sorted_and_each_stands_once(rows: pd.DataFrame) -> None:
    level = rows["area_level"].map({"nation": 0, "department": 1, "constituency": 2})
    areas = list(dict.fromkeys(zip(level, rows["area_id"], strict=True)))
    assert areas == sorted(areas)
    assert not rows.duplicated(["area_level", "area_id", "from", "to"]).any()


def test_bounds_hold_intervals_and_intervals_hold_shares(rows: pd.DataFrame) -> None:
    order = rows[["bound_lo", "lo90", "share", "hi90", "bound_hi"]].to_numpy()
    assert (np.diff(order, axis=1) >= -1e-9).all() and order.min() >= 0 and order.max() <= 1
    whole = rows.groupby(["area_level", "area_id", "from"])["share"].sum()
    np.testing.assert_allclose(whole[whole > 0.999], 1.0, atol=1e-9)
    assert (whole > 0.999).mean() > 0.9


def test_nobody_is_lost_between_the_levels(rows: pd.DataFrame) -> None:
    """Every part of a larger area is large enough itself, so that subtraction tells of no smaller one."""
    total = rows.groupby(["area_level", "from", "to"])["votes"].sum().unstack("area_level")
    np.testing.assert_allclose(total["department"], total["nation"], rtol=1e-6)
    # The demo knows the constituency of every station.
    np.testing.assert_allclose(total["constituency"], total["nation"], rtol=1e-6)


def test_the_totals_are_those_of_the_returns(rows: pd.DataFrame, bench: Bench) -> None:
    ballot, stations = ballot_of(bench, *ROUNDS)
    kept = enough(ballot, POLICY)
    assert 0.9 * stations < kept.sum() < stations
    nation = rows[rows["area_level"] == "nation"]
    assert int(nation["stations"].iloc[0]) == kept.sum()
    for column, counts, names in (
        ("from", ballot.rounds.first, ballot.names[0]),
        ("to", ballot.rounds.second, ballot.names[1]),
    ):
        votes = nation.groupby(column)["votes"].sum()
        assert {BLANK, ABSENT} < set(votes.index)
        np.testing.assert_allclose(votes[list(names)], counts[kept].sum(axis=0), rtol=1e-6)


def test_an_area_too_small_is_in_no_larger_one(home: Home, said: Said, bench: Bench) -> None:
    told: dict[str, Any] = json.loads(
        (home.path / "transfers" / "demo" / SECOND / "transfers.json").read_text()
    )
    ballot, stations = ballot_of(bench, *ROUNDS)
    codes = pd.Series(list(zip(ballot.department, ballot.constituency, strict=True)))
    small = codes.map(codes.value_counts()) < MIN_STATIONS
    assert small.any()
    assert told["left_out"]["in_small"] == small.sum()
    assert told["left_out"]["small_areas"] == codes[small].nunique()
    assert told["left_out"]["unpaired"] == stations - len(codes)


def test_areas_under_the_floors_of_disclosure_are_left_out(bench: Bench) -> None:
    ballot, _ = ballot_of(bench, *ROUNDS)
    usual = enough(ballot, POLICY)
    least = pd.Series(ballot.registered[usual]).groupby(ballot.constituency[usual]).sum().min()
    assert enough(ballot, Policy(1, int(least), 30.0)).sum() == usual.sum()
    assert enough(ballot, Policy(1, int(least) + 1, 30.0)).sum() < usual.sum()
    valid = pd.Series(ballot.valid[usual]).groupby(ballot.constituency[usual]).sum().min()
    assert enough(ballot, Policy(1, 50, float(valid) + 1)).sum() < usual.sum()


def test_a_second_run_writes_the_same_bytes(home: Home, path: Path) -> None:
    before = path.read_bytes()
    call = ("--first", FIRST, "--second", SECOND, "--home", home.path, "--json")
    said = isoloir("transfers", "demo", *call)
    assert (said.status, said.err) == (0, "") and path.read_bytes() == before
    nation = json.loads(said.out)
    assert {row["area_level"] for row in nation} == {"nation"} and nation[0]["label"] == LABEL


def test_a_station_whose_roll_changed_or_that_is_of_one_round_is_left_out(bench: Bench) -> None:
    ballot, _ = ballot_of(bench, *ROUNDS)
    records = list(bench.ledger.records)
    at = next(i for i, r in enumerate(records) if r.contest.key == SECOND)
    before = next(r for r in records if r.contest.key == FIRST)
    row = positions(records[at].stations.station_id, before.stations.station_id)
    alike = np.flatnonzero((row >= 0) & (before.registered[row] == records[at].registered))
    registered, codes = records[at].registered.copy(), records[at].stations.station_id.copy()
    registered[alike[0]] *= 3
    codes[alike[-1]] = "gone"
    stations = dataclasses.replace(records[at].stations, station_id=codes)
    records[at] = dataclasses.replace(records[at], registered=registered, stations=stations)
    other = dataclasses.replace(bench, ledger=dataclasses.replace(bench.ledger, records=tuple(records)))
    assert len(ballot_of(other, *ROUNDS)[0].registered) == len(ballot.registered) - 2


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("2017_pres_t1", SECOND, "--first 2022_pres_t1"),
        (SECOND, FIRST, "name a second round"),
        ("2019_euro_t1", FIRST, "name a second round"),
        ("2022_pres_t9", SECOND, "did you mean"),
    ],
)
def test_what_are_not_two_rounds_of_an_election_is_refused(
    first: str, second: str, told: str, home: Home
) -> None:
    said = isoloir("transfers", "demo", "--first", first, "--second", second, "--home", home.path)
    assert (said.status, said.out) == (2, "") and told in said.err


def test_before_an_ingest_it_says_what_to_do(tmp_path: Path) -> None:
    said = isoloir("transfers", "demo", "--first", FIRST, "--second", SECOND, "--home", tmp_path / "home")
    assert (said.status, said.out) == (5, "") and "isoloir ingest demo" in said.err


def test_a_round_that_was_not_ingested_or_has_no_shares_is_missing(bench: Bench) -> None:
    def of(ledger: Ledger) -> Bench:
        return dataclasses.replace(bench, ledger=ledger)

    whole = bench.ledger
    without = dataclasses.replace(whole, records=tuple(r for r in whole.records if r.contest.key != SECOND))
    with pytest.raises(MissingInputError, match=SECOND):
        make_transfers(of(without), *ROUNDS, lambda _: None)
    silent = [
        dataclasses.replace(r, shares_known=np.zeros_like(r.shares_known)) if r.contest.key == SECOND else r
        for r in whole.records
    ]
    with pytest.raises(MissingInputError, match="no station has shares"):
        make_transfers(of(dataclasses.replace(whole, records=tuple(silent))), *ROUNDS, lambda _: None)


def test_a_territory_of_turnout_alone_has_no_transfers() -> None:
    communes = load_territory("fr_communes")
    with pytest.raises(UsageError, match="no shares"):
        check_ballot(communes, communes.calendar[FIRST], communes.calendar[SECOND])
