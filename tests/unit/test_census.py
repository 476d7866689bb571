"""Figures of the areas around a station: which one it is given, and which it is never given."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import TARGET, notice_of, random_ledger

from isoloir.configs.sources import ContextFile
from isoloir.domain.errors import SourceError
from isoloir.domain.facts import NOTHING, Belonging, Context, Facts, Movements
from isoloir.domain.ledger import Ledger
from isoloir.domain.station import Stations
from isoloir.features import census
from isoloir.features.catalogue import CONTEXTUAL
from isoloir.features.figures import COMMUNE, FINE, NOWHERE, centred, first_known, layers_of, leveled
from isoloir.features.mergers import parts_of
from isoloir.features.view import Place
from isoloir.pipelines.sources.census import read_census
from isoloir.pipelines.sources.tables import Opened

NAN = float("nan")
EARLY, LATE = date(2019, 1, 1), date(2021, 1, 1)
SECRET = -99.0
"""In the hand-made tables: a figure that the publisher withholds, whose true value must show nowhere."""


def table(
    rows: dict[str, Sequence[float]],
    columns: Sequence[str] = ("owner_share",),
    level: str = "commune",
    known_on: date = EARLY,
    describes: str = "2016",
) -> Facts:
    """One row per code; :data:`SECRET` is withheld, and left in the values, as no reader would leave it."""
    codes = sorted(rows)
    values = np.array([rows[c] for c in codes], np.float64).reshape(len(codes), len(columns))
    name = f"{level}-{describes}-{known_on}"
    return Facts(name, level, describes, known_on, np.array(codes), tuple(columns), values, values == SECRET)


def cells(rows: Sequence[tuple[str, str, float]], known_on: date = EARLY) -> Belonging:
    station, area, weight = zip(*rows, strict=True)
    return Belonging("cells", "cell", known_on, np.array(station), np.array(area), np.array(weight))


def moved(*rows: tuple[str, str, str], known_on: date = EARLY) -> Movements:
    days, old, new = zip(*rows, strict=True)
    return Movements("m", known_on, np.array(days, "datetime64[D]"), np.array(old), np.array(new))


def stations(*ids: str) -> Stations:
    """Stations called ``<commune>_<number>``."""
    communes = np.array([i.split("_")[0] for i in ids])
    return Stations(np.array(ids), communes, np.array(["d"] * len(ids)), np.array([""] * len(ids)))


def given_by(context: Context, roll: Stations, column: str = "owner_share") -> list[tuple[float, int]]:
    values, source = first_known(layers_of(context, roll, column), len(roll))
    return list(zip(values.tolist(), source.tolist(), strict=True))


def test_a_station_has_the_figure_of_its_commune() -> None:
    context = Context((table({"a": [0.4], "b": [0.6]}),))
    assert given_by(context, stations("b_1", "a_1", "a_2")) == [
        (0.6, COMMUNE),
        (0.4, COMMUNE),
        (0.4, COMMUNE),
    ]
    (missing,) = given_by(context, stations("c_1"))
    assert np.isnan(missing[0]) and missing[1] == NOWHERE


def test_the_newest_vintage_that_has_the_figure_counts() -> None:
    old = table({"a": [0.1], "b": [0.2], "c": [0.3]}, describes="2013", known_on=EARLY)
    new = table({"a": [0.5], "b": [SECRET], "c": [NAN]}, describes="2018", known_on=LATE)
    for order in ((old, new), (new, old)):
        assert [v for v, _ in given_by(Context(order), stations("a_1", "b_1", "c_1"))] == [0.5, 0.2, 0.3]


def test_of_two_vintages_of_one_day_the_one_that_describes_later_counts() -> None:
    tables = tuple(table({"a": [v]}, describes=d) for v, d in ((0.2, "2013"), (0.5, "2018"), (0.3, "2008")))
    assert given_by(Context(tables), stations("a_1")) == [(0.5, COMMUNE)]


def test_a_cell_counts_more_than_a_newer_commune() -> None:
    context = Context(
        (table({"a": [0.1]}, known_on=LATE), table({"x": [0.5], "y": [0.9]}, level="cell")),
        (cells([("a_1", "x", 0.75), ("a_1", "y", 0.25)]),),
    )
    found = given_by(context, stations("a_1", "a_2"))
    assert found == [(pytest.approx(0.6), FINE), (0.1, COMMUNE)]


@pytest.mark.parametrize(
    ("weight", "value", "source"), [(0.49, 0.1, COMMUNE), (0.5, 0.8, FINE), (0.51, 0.8, FINE)]
)
def test_cells_count_where_they_hold_half_of_the_people(weight: float, value: float, source: int) -> None:
    """The cell that is withheld is left out, not filled."""
    context = Context(
        (table({"a": [0.1]}), table({"x": [0.8], "y": [SECRET]}, level="cell")),
        (cells([("a_1", "x", weight), ("a_1", "y", 1 - weight)]),),
    )
    assert given_by(context, stations("a_1")) == [(pytest.approx(value), source)]


def test_a_withheld_figure_is_not_rebuilt_from_its_siblings() -> None:
    """All cells but one are public: the one left over stays unknown to its station."""
    context = Context(
        (table({"x": [0.2], "y": [SECRET]}, level="cell"),), (cells([("a_1", "x", 1.0), ("a_2", "y", 1.0)]),)
    )
    one, two = given_by(context, stations("a_1", "a_2"))
    assert one == (0.2, FINE)
    assert np.isnan(two[0]) and two[1] == NOWHERE


def test_of_two_tables_of_cells_the_newest_counts_where_it_has_the_station() -> None:
    fine = table({"x": [0.2], "y": [0.7]}, level="cell")
    old, new = cells([("a_1", "x", 1.0), ("a_2", "x", 1.0)]), cells([("a_1", "y", 1.0)], known_on=LATE)
    for order in ((old, new), (new, old)):
        assert given_by(Context((fine,), order), stations("a_1", "a_2")) == [(0.7, FINE), (0.2, FINE)]


def test_a_figure_of_the_station_itself_comes_first() -> None:
    context = Context(
        (table({"a_1": [0.3]}, level="station"), table({"x": [0.8]}, level="cell", known_on=LATE)),
        (cells([("a_1", "x", 1.0), ("a_2", "x", 1.0)]),),
    )
    assert given_by(context, stations("a_1", "a_2")) == [(0.3, FINE), (0.8, FINE)]


MERGER = moved(("2019-01-01", "b", "a"), ("2019-01-01", "c", "a"))
COLUMNS = ("population", "owner_share", "density")


def test_a_merged_commune_has_the_mean_of_its_parts_by_people_and_its_density_by_sums() -> None:
    old = table({"a": [100, 0.2, 50], "b": [300, 0.6, 100], "c": [100, 0.7, 20]}, COLUMNS)
    context = Context((old,), (), (MERGER,))
    assert given_by(context, stations("a_1")) == [(pytest.approx(0.2 * 0.2 + 0.6 * 0.6 + 0.2 * 0.7), COMMUNE)]
    # 500 people on 2 + 3 + 5 km².
    assert given_by(context, stations("a_1"), "density") == [(pytest.approx(50), COMMUNE)]


def test_a_part_without_a_public_figure_leaves_the_merged_commune_without_one() -> None:
    for left in ([300, SECRET, 100], [300, NAN, 100], [NAN, 0.5, 100]):
        old = table({"a": [100, 0.2, 50], "b": left}, COLUMNS)
        assert np.isnan(given_by(Context((old,), (), (MERGER,)), stations("a_1"))[0][0])


def test_a_commune_that_has_stations_is_no_part_of_the_one_it_will_merge_into() -> None:
    old = table({"a": [100, 0.2, 50], "b": [300, 0.6, 100]}, COLUMNS)
    found = given_by(Context((old,), (), (MERGER,)), stations("a_1", "b_1"))
    assert found == [(0.2, COMMUNE), (0.6, COMMUNE)]


def test_a_commune_that_is_no_more_has_the_figure_of_the_one_it_merged_into() -> None:
    new = table({"a": [500, 0.5, 50]}, COLUMNS)
    context = Context((new,), (), (MERGER,))
    assert given_by(context, stations("a_1", "b_1", "c_1")) == [(0.5, COMMUNE)] * 3
    assert np.isnan(given_by(Context((new,)), stations("b_1"))[0][0])


def pairs(wanted: str, known: str, *movements: Movements) -> list[str]:
    """Pairs of one-letter codes as ``wanted`` and ``known`` letter."""
    left, right = parts_of(np.array(list(wanted)), np.array(list(known)), movements)
    return [wanted[w] + known[k] for w, k in zip(left, right, strict=True)]


@pytest.mark.parametrize(
    ("wanted", "known", "rows", "expected"),
    [
        ("ab", "ab", [("2019-01-01", "b", "a")], ["aa", "bb"]),
        ("a", "abc", [("2019-01-01", "b", "a"), ("2019-01-01", "c", "a")], ["aa", "ab", "ac"]),
        ("c", "ab", [("2018-01-01", "a", "b"), ("2019-01-01", "b", "c")], ["ca", "cb"]),
        ("a", "c", [("2018-01-01", "a", "b"), ("2019-01-01", "b", "c")], ["ac"]),
        # Split off: the one that it came from, which has stations of its own.
        ("ab", "a", [("2024-01-01", "a", "b")], ["aa", "ba"]),
        # Split off, then merged into another: the other one.
        ("abc", "ac", [("2001-01-01", "a", "b"), ("2019-01-01", "b", "c")], ["aa", "bc", "cc"]),
        # Merged, then split again: neither is a part of the other.
        ("ab", "ab", [("1973-01-01", "b", "a"), ("1990-01-01", "a", "b")], ["aa", "bb"]),
        ("a", "ab", [("1973-01-01", "b", "a"), ("1990-01-01", "a", "b")], ["aa"]),
        # A ring of codes comes to an end.
        ("a", "d", [("2001-01-01", "a", "b"), ("2002-01-01", "b", "c"), ("2003-01-01", "c", "a")], []),
    ],
)
def test_areas_are_followed_through_mergers_and_splits(
    wanted: str, known: str, rows: list[tuple[str, str, str]], expected: list[str]
) -> None:
    assert pairs(wanted, known, moved(*rows)) == expected


def test_without_movements_only_equal_codes_agree_and_of_several_tables_the_newest_counts() -> None:
    assert pairs("ab", "ac") == ["aa"]
    wrong = moved(("2019-01-01", "c", "b"), known_on=EARLY)
    right = moved(("2019-01-01", "d", "b"), known_on=LATE)
    assert pairs("ab", "acd", wrong, right) == pairs("ab", "acd", right, wrong) == ["aa", "bd"]


def test_logs_of_vintages_are_brought_to_one_level() -> None:
    """A fine table of an older year and lower incomes: what counts is the place within the same vintage."""
    context = Context(
        (
            table({"a": [20_000], "b": [10_000]}, ("median_income",), known_on=LATE),
            table({"x": [10_000]}, ("median_income",), level="cell"),
        ),
        (cells([("a_1", "x", 1.0)]),),
    )
    roll, registered = stations("a_1", "a_2", "b_1"), np.array([100, 100, 200], np.int32)
    values, _ = first_known(leveled(layers_of(context, roll, "median_income"), registered), 3)
    logs = centred(values, registered)
    assert logs == pytest.approx([np.log(2) / 2, np.log(2) / 2, -np.log(2) / 2])
    assert np.isnan(centred(np.full(3, NAN), registered)).all()
    assert leveled((), registered) == ()


def view_of(ledger: Ledger, context: Context) -> np.ndarray:
    """Every feature of the census at the target [S × features]."""
    past = dataclasses.replace(ledger, context=context).as_of(TARGET.eve)
    place = Place(notice_of(ledger), past.context)
    return np.stack([f.make(place) for f in FEATURES], axis=1)


FEATURES = list(CONTEXTUAL.values())
ALL = (*census.COLUMNS, "population")


def random_context(seed: int, days: Sequence[int]) -> Context:
    """Tables at every level, some figures withheld or missing, public ``days`` after the target's eve."""
    rng = np.random.default_rng(seed)
    known_on = [TARGET.eve.day + timedelta(days=d) for d in days]

    def facts(level: str, codes: list[str], day: date) -> Facts:
        values = rng.uniform(0.01, 0.99, (len(codes), len(ALL)))
        values[rng.random(values.shape) < 0.2] = NAN
        withheld = rng.random(values.shape) < 0.2
        return Facts(f"{level}{day}", level, "2015", day, np.array(codes), ALL, values, withheld)

    communes = ["A-1", "A-2", "A-9", "B-1"]
    tables = [facts("commune", communes, day) for day in known_on]
    tables += [facts("cell", ["x", "y", "z"], day) for day in known_on]
    lying = [
        cells([(f"A-1-{n}", area, 0.5) for n in range(4) for area in rng.permutation(list("xyz"))[:2]], day)
        for day in known_on
    ]
    moves = [moved(("2019-01-01", "A-9", "B-2"), known_on=day) for day in known_on]
    return Context(tuple(tables), tuple(lying), tuple(moves))


SEED = st.integers(0, 2**32 - 1)
DAYS = st.lists(st.sampled_from([-2, -1, 0, 1]), min_size=1, max_size=2)
PAST = st.lists(st.sampled_from([-2, -1]), min_size=1, max_size=2)


@given(seed=SEED, other=SEED, days=DAYS)
def test_what_was_public_on_the_cut_or_later_changes_no_bit(seed: int, other: int, days: list[int]) -> None:
    ledger, context = random_ledger(seed), random_context(seed, days)
    changed = random_context(other, days)
    seen = TARGET.eve.sees
    mixed = Context(
        tuple(b if not seen(a.known_on) else a for a, b in zip(context.facts, changed.facts, strict=True)),
        tuple(
            b if not seen(a.known_on) else a
            for a, b in zip(context.belongings, changed.belongings, strict=True)
        ),
        tuple(m for m in context.movements if seen(m.known_on)),
    )
    values = view_of(ledger, context)
    assert view_of(ledger, mixed).tobytes() == values.tobytes()
    assert view_of(ledger, context.before(TARGET.eve)).tobytes() == values.tobytes()
    if not any(seen(f.known_on) for f in context.facts):
        assert values.tobytes() == view_of(ledger, NOTHING).tobytes()


@given(seed=SEED, days=PAST)
def test_a_withheld_value_never_shows(seed: int, days: list[int]) -> None:
    """Whatever stands under a withheld cell, no feature changes."""
    ledger, context = random_ledger(seed), random_context(seed, days)
    hidden = tuple(
        dataclasses.replace(f, values=np.where(f.withheld, 12345.0, f.values)) for f in context.facts
    )
    shown = view_of(ledger, dataclasses.replace(context, facts=hidden))
    assert shown.tobytes() == view_of(ledger, context).tobytes()


@given(seed=SEED, days=PAST)
def test_every_value_lies_in_its_range(seed: int, days: list[int]) -> None:
    values = view_of(random_ledger(seed), random_context(seed, days))
    for entry, column in zip(FEATURES, values.T, strict=True):
        known = column[~np.isnan(column)]
        assert not np.isinf(known).any(), entry.name
        assert entry.low is None or (known >= entry.low).all(), entry.name
        assert entry.high is None or (known <= entry.high + 1e-12).all(), entry.name


def made(context: Context, *ids: str) -> dict[str, list[float]]:
    """Every feature by name at ``ids``, each with 100 electors."""
    registered = np.full(len(ids), 100, np.int32)
    notice = dataclasses.replace(notice_of(random_ledger(0)), stations=stations(*ids), registered=registered)
    return {f.name: f.make(Place(notice, context)).tolist() for f in FEATURES}


def test_the_features_by_hand() -> None:
    columns = ("population", "owner_share", "unemployment_share", "density", "growth", "median_income")
    communes = table(
        {"a": [100, 0.5, 0.1, 99, 0.02, 10_000], "b": [100, 0.7, SECRET, 0, NAN, 40_000]}, columns
    )
    fine = table({"x": [0.9]}, level="cell")
    found = made(Context((communes, fine), (cells([("a_1", "x", 1.0)]),)), "a_1", "a_2", "b_1", "c_1")
    nan = pytest.approx(NAN, nan_ok=True)
    assert found["census_owner_share"] == [0.9, 0.5, 0.7, nan]
    assert found["census_unemployment"] == [0.1, 0.1, nan, nan]
    assert found["census_poverty"] == [nan] * 4
    assert found["census_density"] == [pytest.approx(np.log(100))] * 2 + [0, nan]
    assert found["census_growth"] == [pytest.approx(np.log(1.02))] * 2 + [nan, nan]
    mean = (2 * np.log(10_000) + np.log(40_000)) / 3
    assert found["census_median_income"][:3] == pytest.approx(
        [np.log(10_000) - mean] * 2 + [np.log(40_000) - mean]
    )
    assert found["census_withheld"] == [0, 0, 1, 0]
    assert found["census_fallback"] == [1, 1, 1, 2]


def test_a_secret_tells_only_where_no_other_figure_is_public() -> None:
    lying = cells([("a_1", "x", 1.0), ("a_2", "y", 1.0), ("b_1", "x", 1.0)])
    fine = table({"x": [SECRET], "y": [0.5]}, level="cell")
    older = table({"b": [0.3], "c": [0.4]}, describes="2013")
    newer = table({"c": [SECRET], "d": [SECRET]}, known_on=LATE)
    found = made(Context((fine, older, newer), (lying,)), "a_1", "a_2", "b_1", "c_1", "d_1", "e_1")
    assert found["census_withheld"] == [1, 0, 0, 0, 1, 0]


def test_where_all_comes_from_the_cells_nothing_fell_back() -> None:
    context = Context((table({"x": [0.9]}, level="cell"),), (cells([("a_1", "x", 1.0)]),))
    assert made(context, "a_1", "a_2")["census_fallback"] == [0, 2]


def test_without_context_every_figure_is_missing() -> None:
    found = made(NOTHING, "a_1")
    assert found.pop("census_fallback") == [2] and found.pop("census_withheld") == [0]
    assert np.isnan(list(found.values())).all()


ENTRY = ContextFile(
    file="c.csv", reader="census", licence="l", attribution="a", describes="d", known_on=date(2025, 6, 30)
)
HEAD = "commune_code,describes,known_on,population,median_income,owner_share,comment\n"


def read(tmp_path: Path, text: str) -> tuple[Facts, ...]:
    path = tmp_path / "c.csv"
    path.write_text(text, encoding="utf-8")
    return read_census(Opened(path, ",", shown="c.csv"), ENTRY)


def test_a_tidy_census_is_one_table_per_vintage_with_its_own_day(tmp_path: Path) -> None:
    rows = "D2,2010-01-01,2013-06-30,200,s,0.5,n\nD1,2006-01-01,2009-06-30,100,20000,0.4,n\n"
    rows += "D1,2010-01-01,2013-06-30,110,,0.6,n\n"
    old, new = read(tmp_path, HEAD + rows)
    assert (old.name, old.known_on, old.codes.tolist()) == ("census_2006-01-01", date(2009, 6, 30), ["D1"])
    assert (new.describes, new.known_on, new.level) == ("2010-01-01", date(2013, 6, 30), "commune")
    assert new.codes.tolist() == ["D1", "D2"]
    assert new.columns == ("population", "median_income", "owner_share")
    assert new.values[:, 0].tolist() == [110, 200]
    assert np.isnan(new.values[:, 1]).all() and new.withheld[:, 1].tolist() == [False, True]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("D1,2006-01-01,2009-06-30,100,20000,0.4,n", "repeat a commune and vintage, first D1"),
        ("D2,2006-01-01,2009-06-30,100,20000,40,n", "hold a owner_share that cannot be"),
        ("D2,2006-01-01,2009-06-30,100,-1,0.4,n", "hold a median_income that cannot be"),
        ("D2,2006-01-01,2009-06-31,100,20000,0.4,n", "a day that is in no calendar"),
        ("D2,2006-01-01,soon,100,20000,0.4,n", "state no day of publication"),
        ("D2,2006-01-01,2010-06-30,100,20000,0.4,n", "another day of publication than their vintage"),
        ("D2,../x,2009-06-30,100,20000,0.4,n", "describe no day"),
        (",2006-01-01,2009-06-30,100,20000,0.4,n", "state no code"),
    ],
)
def test_a_tidy_census_that_cannot_be_is_refused_with_its_row(tmp_path: Path, row: str, what: str) -> None:
    with pytest.raises(SourceError, match=what) as caught:
        read(tmp_path, HEAD + "D1,2006-01-01,2009-06-30,100,20000,0.4,n\n" + row + "\n")
    assert caught.value.where == "c.csv, row 2" and caught.value.remedy
