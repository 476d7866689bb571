"""The units: each station in one or withheld, none split by a later release, merged in the stated order."""

from __future__ import annotations

import inspect

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from isoloir.domain.privacy import FEW_ELECTORS, FEW_VOTES, JOINED, NEAR, NO_OTHER, NO_PLACE, Policy, Sizes
from isoloir.domain.station import Stations
from isoloir.domain.units import MERGED, PUBLISHED, WITHHELD, Units, coarsened, extended, partition, told

POLICY = Policy(1, min_registered=100, min_valid=30.0)
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


def stations_of(rows: list[Row], constituency: list[str] | None = None) -> Stations:
    communes = [f"0{d}-00{c}" for d, c, *_ in rows]
    return Stations(
        np.array([f"{commune}-{i:04}" for i, commune in enumerate(communes)], dtype=np.str_),
        np.array(communes, dtype=np.str_),
        np.array([f"0{row[0]}" for row in rows], dtype=np.str_),
        np.array(constituency or [""] * len(rows), dtype=np.str_),
    )


def divided(rows: list[Row]) -> tuple[Stations, np.ndarray, np.ndarray, np.ndarray, Units]:
    """The stations of ``rows`` (department, commune, registered, valid per elector, no place), divided."""
    rows = sorted(rows, key=lambda row: row[:2])
    stations = stations_of(rows)
    registered = np.array([row[2] for row in rows], dtype=np.int32)
    valid = registered * np.array([row[3] for row in rows], dtype=np.float64)
    no_place = np.array([row[4] for row in rows], dtype=np.bool_)
    unknown = np.full(len(rows), np.nan)
    sizes = Sizes(registered, valid, unknown, unknown)
    units = partition(stations, sizes.reasons(POLICY), sizes.weights(POLICY), no_place)
    return stations, registered, valid, no_place, units


def small(registered: np.ndarray, valid: np.ndarray) -> np.ndarray:
    return (registered < POLICY.min_registered) | (valid < POLICY.min_valid)


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
        assert registered[inside].sum() >= POLICY.min_registered
        assert valid[inside].sum() >= POLICY.min_valid - 1e-9


@given(ROWS)
def test_what_is_no_place_is_withheld_and_nothing_joins_it(rows: list[Row]) -> None:
    _, _, _, no_place, units = divided(rows)
    assert (units.status[no_place] == WITHHELD).all()
    assert (units.reason[no_place] == NO_PLACE).all()
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


def test_the_partition_is_given_no_outcome_and_no_scenario() -> None:
    names = list(inspect.signature(partition).parameters)
    assert names == ["stations", "reason", "weight", "no_place", "place"]
    assert list(Sizes.__dataclass_fields__) == ["registered", "valid", "registered_then", "valid_then"]


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
    assert units.reason[[0, 1, 2, 3, 7, 8]].tolist() == [
        "",
        FEW_ELECTORS,
        JOINED,
        FEW_VOTES,
        NO_PLACE,
        FEW_ELECTORS,
    ]


FAR: list[Row] = [(0, c, 20 if c == 2 else 500, 0.5, False) for c in range(5)]
"""Five communes of one station; that of the third is small."""
PLACES = np.array([[2.0, 47.0], [2.6, 47.0], [2.5, 47.0], [2.1, 47.0], [2.45, 47.0]])


def far(constituency: list[str], place: np.ndarray | None) -> int:
    """The station that the small one joins."""
    reason = np.array(["", "", FEW_ELECTORS, "", ""])
    weight = np.array([[2.0], [2.0], [0.2], [2.0], [2.0]])
    units = partition(stations_of(FAR, constituency), reason, weight, np.zeros(5, np.bool_), place)
    return int(units.head[2])


def test_a_lone_small_station_joins_the_nearest_of_its_constituency_else_of_its_department() -> None:
    assert far(["A", "B", "A", "A", "B"], PLACES) == 3
    assert far(["A", "B", "A", "C", "B"], PLACES) == 0
    assert far(["B", "B", "A", "B", "B"], PLACES) == 4
    assert far([""] * 5, PLACES) == 4


def test_a_sibling_in_another_constituency_is_none() -> None:
    """Others may stand there, and what is voted for those who stand at one member alone is that member's."""
    rows: list[Row] = [(0, 0, 500, 0.5, False), (0, 0, 20, 0.5, False), (0, 0, 500, 0.5, False)]
    reason, weight = np.array(["", FEW_ELECTORS, ""]), np.array([[2.0], [0.2], [2.0]])
    nobody = np.zeros(3, np.bool_)
    assert partition(stations_of(rows, ["A", "A", "B"]), reason, weight, nobody).head.tolist() == [0, 0, 2]
    assert partition(stations_of(rows, ["B", "A", "A"]), reason, weight, nobody).head.tolist() == [0, 2, 2]


def test_what_a_scenario_adds_is_not_told_station_by_station() -> None:
    fixed = Units(np.array([0, 1, 3, 3]), np.array(["", "", FEW_ELECTORS, JOINED]))
    now = Units(np.array([1, 1, -1, -1]), np.array([NEAR, JOINED, FEW_ELECTORS, NO_OTHER]))
    assert told(now, fixed).reason.tolist() == [JOINED, JOINED, FEW_ELECTORS, NO_OTHER]


def test_where_places_are_not_known_it_joins_the_next_by_code() -> None:
    assert far(["A", "B", "A", "A", "B"], None) == 3
    assert far(["A", "B", "A", "B", "B"], None) == 0
    assert far([""] * 5, None) == 3
    own_unknown = PLACES.copy()
    own_unknown[2] = np.nan
    assert far([""] * 5, own_unknown) == 3
    others_unknown = np.full((5, 2), np.nan)
    others_unknown[[0, 2]] = PLACES[[0, 2]]
    assert far([""] * 5, others_unknown) == 0, "the only one whose place is known"


def test_a_degree_of_longitude_is_shorter_than_one_of_latitude() -> None:
    # At 47° north 0.13 degrees to the east are 0.09 to the north.
    place = np.array([[2.5, 47.1], [9.0, 47.0], [2.5, 47.0], [9.0, 47.0], [2.63, 47.0]])
    assert far([""] * 5, place) == 4


@given(rows=ROWS, exposed=st.lists(st.booleans(), min_size=25, max_size=25))
def test_coarser_units_are_whole_ones_and_what_is_exposed_is_in_a_larger_one(
    rows: list[Row], exposed: list[bool]
) -> None:
    stations, *_, units = divided(rows)
    whole = np.array(exposed[: len(rows)], np.bool_)[np.maximum(units.head, 0)] & units.kept
    reason = np.where(whole & (units.reason == ""), NEAR, units.reason)
    joined = coarsened(Units(units.head, reason), stations, whole)
    assert ((joined.head < 0) >= (units.head < 0)).all(), "what is withheld stays so"
    for head in np.unique(units.head[units.kept]):
        members = units.head == head
        left = joined.head[members]
        assert len(set(left)) == 1, "a unit was split"
        if whole[head]:
            assert left[0] == -1 or (joined.head == left[0]).sum() > members.sum()
        else:
            assert left[0] >= 0
    np.testing.assert_array_equal(joined.head[joined.head[joined.kept]], joined.head[joined.kept])


@given(rows=ROWS)
def test_where_nothing_is_exposed_the_units_stay_as_they_are(rows: list[Row]) -> None:
    stations, *_, units = divided(rows)
    same = coarsened(units, stations, np.zeros(len(rows), np.bool_))
    assert (same.head == units.head).all() and (same.reason == units.reason).all()


def test_the_last_unit_of_a_department_is_withheld_whole() -> None:
    """Found by an attack: were its small stations alone, a release that merged them would tell of them."""
    *_, units = divided([(0, 0, 500, 0.5, False), (0, 0, 50, 0.5, False)])
    assert units.head.tolist() == [0, 0]
    stations = stations_of([(0, 0, 500, 0.5, False), (0, 0, 50, 0.5, False)])
    left = coarsened(units, stations, np.ones(2, np.bool_))
    assert left.head.tolist() == [-1, -1]
    assert left.status.tolist() == [WITHHELD, WITHHELD]
    assert left.reason.tolist() == [NO_OTHER, FEW_ELECTORS]


@given(rows=ROWS, gone=st.sets(st.integers(0, 24)))
def test_a_later_roll_keeps_the_units_that_were_fixed(rows: list[Row], gone: set[int]) -> None:
    stations, _, _, _, units = divided(rows)
    named = np.where(units.kept, stations.station_id[np.maximum(units.head, 0)], "")
    left = np.array([i for i in range(len(rows)) if i not in gone], dtype=np.intp)
    later = stations.take(left)
    fresh = Units(np.arange(len(left)), np.full(len(left), ""))
    again = extended(later, stations.station_id, named, fresh)
    for i, row in enumerate(left):
        same = np.flatnonzero(again.head == again.head[i]) if again.kept[i] else np.array([], np.intp)
        assert again.kept[i] == units.kept[row]
        assert set(left[same]) == (
            set(np.flatnonzero(units.head == units.head[row])) & set(left) if len(same) else set()
        )
    # Nothing is known of a roll: it is as it would be anew.
    none = np.array([], dtype=np.str_)
    assert (extended(stations, none, none, units).head == units.head).all()


def test_a_new_station_joins_the_unit_that_its_host_is_in_by_now() -> None:
    stations = stations_of([(0, 0, 500, 0.5, False)] * 4)
    ids = stations.station_id
    # The first two were one unit before; the third is new and small, the fourth new and large.
    fresh = Units(np.array([0, 1, 1, 3]), np.array(["", "", FEW_ELECTORS, ""]))
    units = extended(stations, ids[:2], ids[[0, 0]], fresh)
    assert units.head.tolist() == [0, 0, 0, 3]
    assert units.reason.tolist() == [JOINED, JOINED, FEW_ELECTORS, ""]
    # One that was withheld stays so, and takes the newcomer with it.
    units = extended(stations, ids[:2], np.array([str(ids[0]), ""]), fresh)
    assert units.head.tolist() == [0, -1, -1, 3]


def test_a_unit_whose_naming_station_is_gone_is_named_by_its_first() -> None:
    stations = stations_of([(0, 0, 500, 0.5, False)] * 3)
    ids = stations.station_id
    fresh = Units(np.arange(2), np.array(["", ""]))
    assert extended(stations.take(np.array([0, 2])), ids, ids[[1, 1, 1]], fresh).head.tolist() == [0, 0]
    assert extended(stations.take(np.array([1, 2])), ids, ids[[1, 1, 1]], fresh).head.tolist() == [0, 0]
