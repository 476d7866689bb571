"""Which station became which: by hand, against all paths written out, and against the truth of the demo."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import stations

from isoloir.configs.load import load_territory
from isoloir.domain.alignment import CHANCE, MOVES, OTHERS, Drift, Lists, align
from isoloir.domain.pairs import METHODS, Pairs, Roll
from isoloir.domain.succession import step
from isoloir.pipelines.core import read_ledger
from isoloir.pipelines.demo import write_demo
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import ingest

VILLAGES = [f"Z-{n}-1" for n in range(40)]
"""Communes with one station, whose electors tell how much a roll drifts."""

DRIFTED = [int(500 * (1 + 0.01 * (n % 5 - 2))) for n in range(40)]


def roll(**electors: Sequence[int] | dict[str, int]) -> Roll:
    """A roll: per commune its stations' electors, numbered 1, 2, … or by name; and the villages."""
    sizes: dict[str, int] = {}
    for commune, of_it in electors.items():
        named = of_it if isinstance(of_it, dict) else {str(n): e for n, e in enumerate(of_it, start=1)}
        sizes |= {f"A-{commune}-{name}": e for name, e in named.items()}
    return sorted_roll(sizes)


def sorted_roll(sizes: dict[str, int], villages: Sequence[int] | None = None) -> Roll:
    every = sizes | dict(zip(VILLAGES, villages or [500] * 40, strict=True))
    codes = sorted(every)
    return Roll(stations(codes), np.array([every[c] for c in codes], np.int32))


def drifted(**electors: Sequence[int] | dict[str, int]) -> Roll:
    """The same a few years later: the villages by up to 2 % larger or smaller."""
    now = roll(**electors)
    registered = now.registered.copy()
    registered[np.isin(now.stations.station_id, VILLAGES)] = DRIFTED
    return Roll(now.stations, registered)


def told(old: Roll, new: Roll, pairs: Pairs) -> dict[tuple[str, str], tuple[str, float]]:
    """Pairs outside the villages: method and weight by the names of old and new."""
    out = {}
    for o, n, weight, method in zip(pairs.old, pairs.new, pairs.weight, pairs.method, strict=True):
        names = (str(old.stations.station_id[o]), str(new.stations.station_id[n]))
        if not names[1].startswith("Z"):
            out[names[0][2:], names[1][2:]] = (METHODS[method], round(float(weight), 3))
    return out


TOWN = [810, 640, 1020, 905, 733, 1190, 560, 870]


def test_codes_that_kept_their_electors_are_exact() -> None:
    old, new = roll(a=TOWN), drifted(a=[e + 8 for e in TOWN])
    pairs = step(old, new)
    assert told(old, new, pairs) == {(f"a-{n}", f"a-{n}"): ("exact", 1.0) for n in range(1, 9)}
    assert pairs.confidence.min() > 0.9


def test_stations_with_new_numbers_are_found_by_their_order() -> None:
    old, new = roll(a=TOWN), drifted(a={str(n + 100): e - 5 for n, e in enumerate(TOWN, start=1)})
    expected = {(f"a-{n}", f"a-{n + 100}"): ("aligned", 1.0) for n in range(1, 9)}
    assert told(old, new, step(old, new)) == expected


def test_codes_that_mean_another_station_now_are_not_believed() -> None:
    # Every code is found again, and each has gone to the station before it.
    old, new = roll(a=TOWN), drifted(a=[*TOWN[1:], TOWN[0]])
    found = told(old, new, step(old, new))
    assert {(f"a-{n}", f"a-{n - 1}"): ("aligned", 1.0) for n in range(2, 9)}.items() <= found.items()
    assert ("a-1", "a-1") not in found


def test_blocks_that_changed_places_are_found_in_turn() -> None:
    other = [455, 1303, 977, 1111, 622, 799, 1420]
    names = {f"9{n}": e for n, e in enumerate([*other, *TOWN])}
    names = {f"{i:02d}": e for i, e in enumerate(names.values())}
    old = roll(a={f"{i + 50}": e for i, e in enumerate([*TOWN, *other])})
    new = drifted(a=names)
    found = told(old, new, step(old, new))
    right = {(f"a-{50 + i}", f"a-{len(other) + i:02d}") for i in range(len(TOWN))}
    right |= {(f"a-{50 + len(TOWN) + i}", f"a-{i:02d}") for i in range(len(other))}
    assert set(found) == right


def test_a_block_that_moved_behind_another_does_not_hide_those_that_stayed() -> None:
    """As in a city of the west in 2017: quarters 1, 2 and 3 became 1, 3 and 2, all under new numbers."""
    one = [1034, 914, 945, 928, 1148, 965, 1020, 1019, 1250, 1388, 1235, 1183]
    two = [1273, 1164, 980, 965, 1009, 912, 910, 966]
    three = [1093, 831, 767, 881, 1289, 1136, 1176, 1045, 986, 982, 1132, 1010, 1343, 838, 788]
    old = {
        f"{100 * q + n}": e for q, of_it in enumerate([one, two, three], 1) for n, e in enumerate(of_it, 1)
    }
    now = [e + 9 - n % 19 for n, e in enumerate([*one, *three, *two])]
    new = {f"{n:04d}": e for n, e in enumerate(now, 1)}
    before, after = roll(a=old), drifted(a=new)
    order = [*list(old)[:12], *list(old)[20:], *list(old)[12:20]]
    right = {(f"a-{o}", f"a-{n}") for o, n in zip(order, new, strict=True)}
    found = set(told(before, after, step(before, after)))
    assert found <= right
    assert len(found) >= 27


def test_a_station_that_was_split_gives_its_past_to_both() -> None:
    old = roll(a={"1": 810, "2": 1640, "3": 1020, "4": 905})
    new = drifted(a={"1": 812, "2": 900, "2b": 738, "3": 1016, "4": 907})
    found = told(old, new, step(old, new))
    assert found["a-2", "a-2"] == ("split", round(900 / 1638, 3))
    assert found["a-2", "a-2b"] == ("split", round(738 / 1638, 3))
    assert found["a-3", "a-3"] == ("exact", 1.0)


def test_two_stations_that_were_merged_come_together() -> None:
    old = roll(a={"1": 810, "2": 640, "3": 1020, "4": 905})
    new = drifted(a={"1": 812, "2": 1655, "4": 907})
    found = told(old, new, step(old, new))
    assert found["a-2", "a-2"] == ("merged", 1.0)
    assert found["a-3", "a-2"] == ("merged", 1.0)


def test_a_commune_with_one_station_is_that_station() -> None:
    old, new = roll(a={"7": 700}, b=[300, 250], c=[1100]), drifted(a={"1": 720}, b=[560], c=[600, 480])
    assert told(old, new, step(old, new)) == {
        ("a-7", "a-1"): ("whole", 1.0),
        ("b-1", "b-1"): ("whole", 1.0),
        ("b-2", "b-1"): ("whole", 1.0),
        ("c-1", "c-1"): ("whole", 0.556),
        ("c-1", "c-2"): ("whole", 0.444),
    }


def test_a_commune_that_took_in_another_is_no_split_of_itself() -> None:
    old, new = roll(a=[700]), drifted(a=[705, 512])
    assert told(old, new, step(old, new)) == {("a-1", "a-1"): ("exact", 1.0)}


def test_communes_that_merged_are_followed() -> None:
    old, new = roll(a=[705], b=[512]), drifted(a={"1": 701, "2": 515})
    became = (np.array(["A-b"]), np.array(["A-a"]))
    assert told(old, new, step(old, new, became)) == {
        ("a-1", "a-1"): ("exact", 1.0),
        ("b-1", "a-2"): ("aligned", 1.0),
    }


def test_a_code_with_just_its_electors_is_that_station_though_others_came_or_went() -> None:
    closed, opened = roll(a=[150, 600]), drifted(a={"2": 603})
    assert told(closed, opened, step(closed, opened)) == {("a-2", "a-2"): ("exact", 1.0)}
    old, new = roll(a={"2": 600}), drifted(a={"1": 150, "2": 603})
    assert told(old, new, step(old, new)) == {("a-2", "a-2"): ("exact", 1.0)}


def test_no_station_is_in_two_moves_that_are_equally_likely() -> None:
    rng = np.random.default_rng(7)
    for _ in range(200):
        old, new = (
            roll(a={f"{n:02d}": int(e) for n, e in enumerate(rng.integers(1, 4, rng.integers(2, 6)))})
            for _ in range(2)
        )
        pairs = step(old, new)
        assert np.bincount(pairs.old, weights=pairs.weight).max() <= 1 + 1e-9


def test_rolls_of_nobody_have_no_pairs() -> None:
    one = roll(a=[500])
    nobody = Roll(one.stations.take(np.zeros(0, np.intp)), np.zeros(0, np.int32))
    assert len(step(nobody, one).old) == len(step(one, nobody).old) == 0


def test_stations_drawn_anew_have_no_partner_that_is_sure() -> None:
    old = roll(a={f"{n}": e for n, e in enumerate([810, 640, 1020, 905, 733, 1190], start=10)})
    new = drifted(a={f"{n}": e for n, e in enumerate([1301, 422, 777, 1490, 512, 690], start=50)})
    assert told(old, new, step(old, new)) == {}


SIZES = st.lists(st.integers(20, 2000), min_size=1, max_size=7)


@given(old=st.tuples(SIZES, SIZES), new=st.tuples(SIZES, SIZES), shift=st.integers(0, 3))
def test_what_holds_of_all_pairs(
    old: tuple[list[int], list[int]], new: tuple[list[int], list[int]], shift: int
) -> None:
    before = roll(a=old[0], b=old[1])
    after = drifted(a={str(n + shift): e for n, e in enumerate(new[0], start=1)}, b=new[1])
    pairs = step(before, after)
    keys = list(zip(pairs.old.tolist(), pairs.new.tolist(), strict=True))
    assert len(set(keys)) == len(keys)
    given_away = np.bincount(pairs.old, weights=pairs.weight, minlength=len(before.registered))
    assert (given_away <= 1 + 1e-9).all(), "no station gives more than all its electors"
    assert ((pairs.confidence > 0) & (pairs.confidence <= 1)).all()
    communes = before.stations.commune_code[pairs.old], after.stations.commune_code[pairs.new]
    assert (communes[0] == communes[1]).all()


@given(sizes=st.lists(SIZES, min_size=1, max_size=3))
def test_a_roll_becomes_itself(sizes: list[list[int]]) -> None:
    same = roll(**{f"c{i}": of_it for i, of_it in enumerate(sizes)})
    pairs = step(same, same)
    assert sorted(pairs.new.tolist()) == list(range(len(same.registered)))
    assert (pairs.old == pairs.new).all()
    assert (pairs.method == METHODS.index("exact")).all()


def paths(n: int, m: int) -> Iterator[tuple[tuple[int, int, int], ...]]:
    """Every way to use up n old and m new members: (move, i, j) at the end of each move."""

    def onward(i: int, j: int) -> Iterator[tuple[tuple[int, int, int], ...]]:
        if (i, j) == (n, m):
            yield ()
        for move, (a, b) in enumerate(MOVES):
            if i + a <= n and j + b <= m:
                for rest in onward(i + a, j + b):
                    yield ((move, i + a, j + b), *rest)

    return onward(0, 0)


def test_the_sum_over_paths_is_that_of_all_paths_written_out() -> None:
    old, new, growth = [6.1, 6.9, 6.4], [6.2, 6.3, 6.5, 7.0], 0.05
    same = np.zeros((3, 4), np.bool_)
    same[0, 0] = same[2, 3] = True
    drift, recoded = Drift(0.04, 0.3), 0.02

    def odds(before: float, after: float) -> float:
        true = np.exp(-abs(after - before - growth) / 0.04) / 0.08
        chance = np.exp(-(((after - before) / 0.3) ** 2) / 2) / (0.3 * np.sqrt(2 * np.pi))
        return float(true / chance)

    def gain(move: int, i: int, j: int) -> float:
        a, b = MOVES[move]
        if a == 0 or b == 0:
            return CHANCE[move]
        olds, news = range(i - a, i), range(j - b, j)
        both = odds(
            float(np.log(sum(np.exp(old[x]) for x in olds))), float(np.log(sum(np.exp(new[y]) for y in news)))
        )
        if any(same[x, y] for x, y in itertools.product(olds, news)):
            return CHANCE[move] * ((1 - OTHERS) * both + OTHERS)
        return CHANCE[move] * both * recoded

    total, through = 0.0, np.zeros((3, 4, 5))
    for path in paths(3, 4):
        likely = float(np.prod([gain(*one) for one in path]))
        total += likely
        for move, i, j in path:
            if move < 3:
                through[move, i, j] += likely
    # Beside a shorter list, so that padding is tried too.
    lists = Lists(
        np.array([old, [6.0, 6.6, 0.0]]),
        np.array([new, [6.6, 0.0, 0.0, 0.0]]),
        np.array([3, 2]),
        np.array([4, 1]),
        np.stack([same, np.zeros((3, 4), np.bool_)]),
        np.array([growth, 0.0]),
    )
    found = align(lists, drift, recoded)
    assert found.odds[0] == pytest.approx(np.log(total))
    assert np.allclose(found.moves[:, 0], through / total)
    alone = align(Lists(*(getattr(lists, n)[1:] for n in Lists.__slots__)), drift, recoded)
    assert alone.odds[0] == found.odds[1]


@given(
    scale=st.floats(0.005, 0.3),
    spread=st.floats(0.05, 0.5),
    apart=st.lists(st.floats(0, 9), min_size=2, max_size=9).map(sorted),
)
def test_sizes_further_apart_are_never_likelier_a_pair(
    scale: float, spread: float, apart: list[float]
) -> None:
    odds = Drift(scale, spread).odds(np.array(6.0), 6.0 + np.array(apart), np.array(0.0))
    assert (np.diff(odds) <= 1e-9).all()


def test_two_large_stations_are_not_one_tiny_one() -> None:
    old, new = roll(a=[1312, 1419, 700]), drifted(a=[1300, 1425, 705, 12])
    assert told(old, new, step(old, new)) == {(f"a-{n}", f"a-{n}"): ("exact", 1.0) for n in (1, 2, 3)}


@pytest.fixture(scope="module")
def against_truth(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Pairs found and true between each two contests of the demo: ``_merge`` tells which; kind of event."""
    folder = tmp_path_factory.mktemp("country")
    truth = write_demo(folder, seed=3, n_stations=1000)
    config = load_territory("demo")
    core = ingest(Home(folder / "home"), config, folder, lambda _: None).folder
    records = read_ledger(core, config.calendar, config.grouping()).records
    true = pq.read_table(folder / "truth" / "succession.parquet").to_pandas()
    parts = []
    for before, after in itertools.pairwise(records):
        pairs = step(Roll(before.stations, before.registered), Roll(after.stations, after.registered))
        found = pd.DataFrame(
            {
                "old_station_id": before.stations.station_id[pairs.old],
                "new_station_id": after.stations.station_id[pairs.new],
                "method": [METHODS[m] for m in pairs.method],
            }
        )
        keys = (true["from_contest"] == before.contest.key) & (true["to_contest"] == after.contest.key)
        both = found.merge(true[keys], on=["old_station_id", "new_station_id"], how="outer", indicator=True)
        held = both["old_station_id"].isin(before.stations.station_id)
        held &= both["new_station_id"].isin(after.stations.station_id)
        parts.append(both[held].assign(step=before.contest.key))
    every = pd.concat(parts, ignore_index=True)
    every["commune"] = every["old_station_id"].str[:5]
    of_event = {e.commune_code: e.kind for e in truth.events}
    moved = every[(every["_merge"] != "left_only") & (every["old_station_id"] != every["new_station_id"])]
    changed = set(zip(moved["step"], moved["commune"], strict=True))
    kinds = zip(every["step"], every["commune"], strict=True)
    return every.assign(event=[of_event.get(c, "none") if (s, c) in changed else "none" for s, c in kinds])


def rates(pairs: pd.DataFrame) -> tuple[float, float]:
    """Precision and recall."""
    right = (pairs["_merge"] == "both").sum()
    return right / (pairs["_merge"] != "right_only").sum(), right / (pairs["_merge"] != "left_only").sum()


def test_the_truth_of_the_demo_is_found(against_truth: pd.DataFrame) -> None:
    precision, recall = rates(against_truth)
    assert precision > 0.999
    assert recall > 0.985


@pytest.mark.parametrize(
    ("event", "least"), [("renumbered", 0.8), ("shifted", 0.8), ("merged", 0.9), ("split", 0.7)]
)
def test_what_happened_to_a_commune_is_found(against_truth: pd.DataFrame, event: str, least: float) -> None:
    precision, recall = rates(against_truth[against_truth["event"] == event])
    assert precision > 0.95
    assert recall > least


def test_a_redrawn_commune_is_left_alone_rather_than_guessed(against_truth: pd.DataFrame) -> None:
    precision, _ = rates(against_truth[against_truth["event"] == "redrawn"])
    assert precision > 0.9


def test_the_demo_is_read_from_its_files_only(tmp_path: Path) -> None:
    write_demo(tmp_path, n_stations=300)
    assert not (tmp_path / "succession.parquet").exists(), "the truth lies apart, where no step reads it"
