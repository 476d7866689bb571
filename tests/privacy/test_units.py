"""The disclosure policy: each station in one unit or withheld, and no unit that is too small."""

from __future__ import annotations

import inspect

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from isoloir.domain.privacy import MERGED, PUBLISHED, WITHHELD, Floors, Units, coarsened, partition
from isoloir.domain.station import Stations

FLOORS = Floors(min_registered=100, min_valid=30.0)
Row = tuple[int, int, int, float, bool]
ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 3),
        st.one_of(st.integers(0, 120), st.integers(100, 1500)),
        st.floats(0, 1),
        st.sampled_from([False, False, False, True]),
    ),
    max_size=25,
)


def divided(rows: list[Row]) -> tuple[Stations, np.ndarray, np.ndarray, np.ndarray, Units]:
    """The stations of ``rows`` (department, commune, registered, valid per elector, no place), divided."""
    rows = sorted(rows, key=lambda row: row[:2])
    communes = [f"0{d}-00{c}" for d, c, *_ in rows]
    stations = Stations(
        np.array([f"{commune}-{i:04}" for i, commune in enumerate(communes)], dtype=np.str_),
        np.array(communes, dtype=np.str_),
        np.array([f"0{row[0]}" for row in rows], dtype=np.str_),
        np.array([""] * len(rows), dtype=np.str_),
    )
    registered = np.array([row[2] for row in rows], dtype=np.int32)
    valid = registered * np.array([row[3] for row in rows], dtype=np.float64)
    no_place = np.array([row[4] for row in rows], dtype=np.bool_)
    return stations, registered, valid, no_place, partition(stations, registered, valid, no_place, FLOORS)


def small(registered: np.ndarray, valid: np.ndarray) -> np.ndarray:
    return (registered < FLOORS.min_registered) | (valid < FLOORS.min_valid)


@given(ROWS)
def test_every_station_is_in_exactly_one_unit_or_withheld(rows: list[Row]) -> None:
    stations, _, _, _, units = divided(rows)
    placed = units.head >= 0
    assert len(units.head) == len(stations)
    assert (units.head[placed] < len(stations)).all()
    np.testing.assert_array_equal(units.status == WITHHELD, ~placed)
    heads, members = np.unique(units.head[placed], return_counts=True)
    # A unit is named by a station of its own.
    np.testing.assert_array_equal(units.head[heads], heads)
    for head, count in zip(heads, members, strict=True):
        inside = units.head == head
        assert (units.size[inside] == count).all()
        assert set(units.status[inside]) == {MERGED if count > 1 else PUBLISHED}
        assert len(set(stations.department_code[inside])) == 1
    assert (units.size[~placed] == 0).all()


@given(ROWS)
def test_no_unit_is_under_the_floors(rows: list[Row]) -> None:
    _, registered, valid, _, units = divided(rows)
    for head in np.unique(units.head[units.head >= 0]):
        inside = units.head == head
        assert registered[inside].sum() >= FLOORS.min_registered
        assert valid[inside].sum() >= FLOORS.min_valid - 1e-9


@given(ROWS)
def test_what_is_no_place_is_withheld_and_nothing_joins_it(rows: list[Row]) -> None:
    _, _, _, no_place, units = divided(rows)
    assert (units.status[no_place] == WITHHELD).all()
    assert (units.reason[no_place] == "no place to score").all()
    assert not np.isin(np.flatnonzero(no_place), units.head).any()


@given(ROWS)
def test_a_small_station_stays_in_its_commune_where_a_sibling_is_over_the_floors(rows: list[Row]) -> None:
    stations, registered, valid, no_place, units = divided(rows)
    over = ~small(registered, valid) & ~no_place
    for row in np.flatnonzero(small(registered, valid) & ~no_place):
        siblings = over & (stations.commune_code == stations.commune_code[row])
        if siblings.any():
            assert siblings[units.head[row]]


@given(ROWS)
def test_a_station_over_the_floors_is_never_withheld_and_names_its_own_unit(rows: list[Row]) -> None:
    _, registered, valid, no_place, units = divided(rows)
    over = np.flatnonzero(~small(registered, valid) & ~no_place)
    np.testing.assert_array_equal(units.head[over], over)


@given(ROWS)
def test_a_small_station_is_withheld_only_where_its_department_has_no_unit(rows: list[Row]) -> None:
    stations, _, _, no_place, units = divided(rows)
    lost = (units.head < 0) & ~no_place
    for department in np.unique(stations.department_code[lost]):
        assert (units.head[stations.department_code == department] < 0).all()


def test_the_partition_is_given_no_outcome() -> None:
    assert list(inspect.signature(partition).parameters) == [
        "stations",
        "registered",
        "expected_valid",
        "no_place",
        "floors",
    ]


def test_a_small_territory_by_hand() -> None:
    rows: list[Row] = [
        (0, 0, 500, 0.5, False),  # 0
        (0, 0, 50, 0.5, False),  # 1: joins 2, the next sibling, and not 0
        (0, 0, 400, 0.5, False),  # 2
        (0, 0, 400, 0.01, False),  # 3: too few votes; no next sibling, so joins 2
        (0, 1, 60, 0.5, False),  # 4 and 5: one unit together
        (0, 1, 70, 0.5, False),  # 5
        (0, 2, 20, 0.5, False),  # 6: alone in its commune, none after it: joins 4's unit
        (0, 2, 900, 0.5, True),  # 7: no place
        (1, 0, 90, 0.9, False),  # 8: nothing to merge with
    ]
    *_, units = divided(rows)
    assert units.head.tolist() == [0, 2, 2, 2, 4, 4, 4, -1, -1]
    assert units.status.tolist() == [PUBLISHED, *[MERGED] * 6, WITHHELD, WITHHELD]
    assert units.reason[[0, 1, 2, 7, 8]].tolist() == [
        "",
        "under the floors",
        "joined by a small one",
        "no place to score",
        "under the floors, nothing to merge with",
    ]


@given(rows=ROWS, factor=st.floats(0.05, 1.0))
def test_a_poorer_scenario_joins_whole_units_and_splits_none(rows: list[Row], factor: float) -> None:
    stations, registered, valid, _, units = divided(rows)
    joined = coarsened(units, stations, registered, valid * factor, FLOORS)
    for head in np.unique(units.head[units.head >= 0]):
        assert len(set(joined.head[units.head == head])) == 1, "a unit was split"
    assert ((joined.head < 0) >= (units.head < 0)).all(), "what is withheld stays so"
    for head in np.unique(joined.head[joined.head >= 0]):
        members = joined.head == head
        assert registered[members].sum() >= FLOORS.min_registered
        assert (valid * factor)[members].sum() >= FLOORS.min_valid - 1e-9


@given(rows=ROWS)
def test_the_same_figures_leave_the_units_as_they_are(rows: list[Row]) -> None:
    stations, registered, valid, _, units = divided(rows)
    assert (coarsened(units, stations, registered, valid, FLOORS).head == units.head).all()
