"""Home's core/: what is written of contests, communes and context comes back as it was."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from worlds import CALENDAR, CONTESTS, stations

from isoloir.domain.bloc import BlocMap, BlocRule
from isoloir.domain.facts import Belonging, Context, Facts, Movements
from isoloir.domain.scenario import Inheritance
from isoloir.pipelines.context import line, read_context, write_context
from isoloir.pipelines.core import COMMUNES, CONTEXT, INGESTED, read_ledger, write_counts, write_returns
from isoloir.pipelines.sources.communes import CommuneCounts
from isoloir.pipelines.sources.returns import Returns

BLOCS = BlocMap(
    "two",
    1,
    ("left", "right"),
    (BlocRule("left", frozenset({"SOC", "ECO"})), BlocRule("right", frozenset({"LR"}))),
)


def counts(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int32)


def returns(contest: str, **votes: tuple[int, ...]) -> Returns:
    """Two stations of 100 electors, of whom all vote for one of the labels."""
    cast = np.array(list(votes.values()), np.int32).T
    return Returns(
        contest=contest,
        stations=stations(["A-1-0", "B-1-0"]),
        registered=counts(100, 100),
        voters=cast.sum(axis=1).astype(np.int32),
        valid=cast.sum(axis=1).astype(np.int32),
        labels=tuple(votes),
        votes=cast,
        present=np.ones(cast.shape, np.bool_),
        row=np.array([1, 2]),
    )


@pytest.fixture
def core(tmp_path: Path) -> Path:
    (tmp_path / INGESTED).write_text(json.dumps({"partial": {}}), encoding="utf-8")
    return tmp_path


def test_labels_are_grouped_into_blocs(core: Path) -> None:
    write_returns(returns(CONTESTS[0].key, SOC=(20, 5), ECO=(10, 5), LR=(30, 40)), core)
    (record,) = read_ledger(core, CALENDAR, BLOCS).records
    assert record.votes.tolist() == [[30, 30], [10, 40]]
    assert record.shares_known.all()


def test_a_contest_whose_votes_all_went_to_one_bloc_tells_no_shares(core: Path) -> None:
    write_returns(returns(CONTESTS[0].key, SOC=(20, 5), ECO=(10, 5)), core)
    (record,) = read_ledger(core, CALENDAR, BLOCS).records
    assert not record.shares_known.any()
    assert record.voters.tolist() == [30, 10]


def test_heirs_take_over_the_votes_of_an_earlier_label(core: Path) -> None:
    write_returns(returns(CONTESTS[0].key, SOC=(20, 5), ECO=(10, 5), LR=(30, 40)), core)
    heirs = (
        Inheritance(
            "split-2027", (CONTESTS[0].key,), "ECO", (("left", 0.5), ("right", 0.5)), "a supposition"
        ),
    )
    (record,) = read_ledger(core, CALENDAR, BLOCS, heirs).records
    assert record.votes.sum(axis=1).tolist() == [60, 50]
    assert record.votes.tolist()[0] == [25, 35]
    (plain,) = read_ledger(core, CALENDAR, BLOCS).records
    assert plain.votes.tolist()[0] == [30, 30]


def test_a_contest_of_a_part_of_the_territory_is_not_in_the_ledger(core: Path) -> None:
    for contest in CONTESTS[:2]:
        write_returns(returns(contest.key, SOC=(20, 5), LR=(10, 5)), core)
    said = {"partial": {CONTESTS[1].key: "1 of 9 departments"}}
    (core / INGESTED).write_text(json.dumps(said), encoding="utf-8")
    assert [r.contest for r in read_ledger(core, CALENDAR, BLOCS).records] == [CONTESTS[0]]


def test_communes_speak_where_no_station_is_known(core: Path) -> None:
    (core / COMMUNES).mkdir()
    write_returns(returns(CONTESTS[0].key, SOC=(20, 5), LR=(10, 5)), core)
    for contest in CONTESTS[:2]:
        codes, departments = np.array(["A-1", "B-1"]), np.array(["A", "B"])
        rows = np.array([1, 2])
        one = CommuneCounts(contest.key, codes, departments, counts(100, 90), counts(60, 30), rows)
        write_counts(one, core / COMMUNES)
    ledger = read_ledger(core, CALENDAR, BLOCS)
    (coarse,) = ledger.communes
    assert coarse.contest == CONTESTS[1]
    assert coarse.known_on == CONTESTS[1].results_known_on
    assert (coarse.registered.tolist(), coarse.voters.tolist()) == ([100, 90], [60, 30])


def test_context_comes_back_as_it_was(core: Path) -> None:
    day, nan = date(2020, 5, 1), float("nan")
    facts = Facts(
        "census",
        "commune",
        "2016",
        day,
        np.array(["A-1", "B-1"]),
        ("owner_share", "median_income"),
        np.array([[0.5, nan], [nan, 20_000.0]]),
        np.array([[False, True], [False, False]]),
    )
    lying = Belonging(
        "cells", "cell", day, np.array(["A-1-0", "A-1-0"]), np.array(["x", "y"]), np.array([0.4, 0.6])
    )
    moved = Movements(
        "movements", day, np.array(["2016-01-01"], "datetime64[D]"), np.array(["A-9"]), np.array(["A-1"])
    )
    (core / CONTEXT).mkdir()
    write_context((facts, lying, moved), core / CONTEXT)
    found = read_context(core / CONTEXT)
    for ours, theirs in ((facts, found.facts[0]), (lying, found.belongings[0]), (moved, found.movements[0])):
        for field in fields(ours):
            assert np.array_equal(
                getattr(ours, field.name), getattr(theirs, field.name), equal_nan=field.name == "values"
            )
    assert read_context(core / "nowhere") == Context()
    assert (
        line(facts)
        == "census: 2 areas (commune), 2 figures, 1 with a figure withheld, public from 2020-05-01"
    )
