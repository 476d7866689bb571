"""The linear program of the attack: bounds by hand, by enumeration, and by a formula where there is one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from isoloir.pipelines.attack.bounds import Intervals, Sums, intervals, parts


def sums_of(members: list[list[int]], voters: list[float], votes: list[list[float]]) -> Sums:
    return Sums(
        sparse.csr_array(np.array(members, dtype=np.float64)), np.array(voters), np.array(votes, np.float64)
    )


def bounds_of(sums: Sums, registered: list[float], rate: float = 1.0) -> Intervals:
    size = np.array(registered, dtype=np.float64)
    return intervals(sums, size, rate, np.ones(len(size), np.bool_))


def test_a_station_alone_in_a_sum_is_known_exactly() -> None:
    found = bounds_of(sums_of([[1]], [30], [[12, 18]]), [50])
    np.testing.assert_allclose(found.lo, [[30, 12, 18]])
    np.testing.assert_allclose(found.hi, [[30, 12, 18]])


def test_two_stations_of_a_unit_hide_one_another_as_far_as_their_rolls_go() -> None:
    # 60 voters of 100 and 20 electors: the second has none to all; the first has 40 to 60.
    found = bounds_of(sums_of([[1, 1]], [60], [[50, 10]]), [100, 20])
    np.testing.assert_allclose(found.lo, [[40, 30, 0], [0, 0, 0]], atol=1e-7)
    np.testing.assert_allclose(found.hi, [[60, 50, 10], [20, 20, 10]], atol=1e-7)


def test_an_area_that_cuts_a_unit_tells_what_is_left() -> None:
    found = bounds_of(sums_of([[1, 1], [1, 0]], [60, 52], [[50, 10], [45, 7]]), [100, 20])
    np.testing.assert_allclose(found.hi, [[52, 45, 7], [8, 5, 3]], atol=1e-6)
    np.testing.assert_allclose(found.lo, found.hi, atol=1e-6)


def test_what_is_not_known_binds_nothing() -> None:
    found = bounds_of(sums_of([[1, 1], [1, 0]], [60, np.nan], [[50, 10], [np.nan, 7]]), [100, 20])
    np.testing.assert_allclose(found.hi[:, 2], [7, 3], atol=1e-6)
    assert found.hi[1, 0] == pytest.approx(20)


def test_sums_that_contradict_one_another_spoil_no_other() -> None:
    members = [[1, 0, 0], [1, 0, 0], [0, 1, 1]]
    found = bounds_of(sums_of(members, [30, 31, 60], [[30], [31], [60]]), [50, 100, 20])
    assert found.contradicted.tolist() == [True, False, False]
    np.testing.assert_allclose(found.hi[1:, 0], [60, 20])


def test_parts_are_those_that_share_a_station() -> None:
    part = parts(sparse.csr_array(np.array([[1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 0]])))
    assert part[0] == part[1] == part[2]
    assert len({part[0], part[3], part[4]}) == 3


UNIT = st.lists(
    st.tuples(st.integers(1, 90), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=4
)


@settings(max_examples=60)
@given(st.lists(UNIT, min_size=1, max_size=3), st.floats(0.5, 1))
def test_bounds_of_units_are_those_of_the_formula(
    units: list[list[tuple[int, float, float, float]]], rate: float
) -> None:
    """``max(0, total − what the others can hold)`` to ``min(own, total)``, for voters and for each bloc."""
    rows = [(u, *one) for u, unit in enumerate(units) for one in unit]
    unit = np.array([row[0] for row in rows])
    size = np.array([row[1] for row in rows], dtype=np.float64)
    voters = size * np.array([row[2] for row in rows])
    first = np.array([row[3] for row in rows])
    second = (1 - first) * np.array([row[4] for row in rows])
    shares = np.stack([first, second, 1 - first - second], axis=1)
    votes = shares * (voters * rate)[:, None]
    member = (unit == np.arange(len(units))[:, None]).astype(np.float64)
    sums = Sums(sparse.csr_array(member), member @ voters, member @ votes)
    found = intervals(sums, size, rate, np.ones(len(size), np.bool_))
    held = np.stack([size, *[size * rate] * 3], axis=1)
    total = np.column_stack([sums.voters, sums.votes])[unit]
    others = (member.T @ (member @ held)) - held
    np.testing.assert_allclose(found.lo, np.maximum(0, total - others), atol=1e-5)
    np.testing.assert_allclose(found.hi, np.minimum(held, total), atol=1e-5)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=3),
)
def test_bounds_of_overlapping_sums_are_those_of_all_cases(
    stations: list[tuple[int, int]], spans: list[tuple[int, int]]
) -> None:
    """Sums over neighbours have whole extremes, so that trying every whole number of voters finds them."""
    size = [max(a, b) for a, b in stations]
    truth = np.array([min(a, b) for a, b in stations])
    n = len(size)
    members = np.array([[1 if lo <= i < lo + wide else 0 for i in range(n)] for lo, wide in spans])
    members = members[members.any(axis=1)]
    if not len(members):
        return
    total = members @ truth
    cases = np.array(list(product(*(range(r + 1) for r in size))))
    left = cases[(cases @ members.T == total).all(axis=1)]
    sums = Sums(
        sparse.csr_array(members.astype(np.float64)), total.astype(float), total[:, None].astype(float)
    )
    found = bounds_of(sums, [float(r) for r in size])
    np.testing.assert_allclose(found.lo[:, 0], left.min(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.hi[:, 0], left.max(axis=0), atol=1e-6)
    # With one bloc and no blank vote its votes are the voters.
    np.testing.assert_allclose(found.hi[:, 1], found.hi[:, 0], atol=1e-6)
