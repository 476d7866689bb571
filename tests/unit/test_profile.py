"""The profile of a place: limits that never move, and words for what is not known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import TARGET, stations

from isoloir.domain.forecast import FeatureMatrix, National
from isoloir.domain.ledger import Notice
from isoloir.models.profile import AXES, KINDS, kinds, profiles

NAMES = (
    "census_density",
    "census_median_income",
    "turnout_mean_deviation",
    "turnout_spread",
    "history_source",
)


def matrix(*rows: tuple[float, ...], registered: int = 10_000, past: int = 3) -> FeatureMatrix:
    """Inhabitants per km², log of income over the mean, deviation, spread, source of the past."""
    values = np.array(rows, np.float64).reshape(-1, len(NAMES))
    values[:, 0] = np.log1p(values[:, 0])
    codes = [f"A-1-{i}" for i in range(len(values))]
    notice = Notice(
        *(TARGET, (), stations(codes), np.full(len(codes), registered, np.int32)),
        *(np.zeros((len(codes), 0), np.bool_), "", ""),
    )
    then = National("before", 0.5, np.zeros(0), 0.97)
    return FeatureMatrix(notice, NAMES, values, then, tuple(f"contest {i}" for i in range(past)))


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ((20_000, 0.3, 0.2, 0.05, 0), "city well-off steady"),
        ((1500.001, -0.2, -0.4, 0.4, 1), "city modest seldom"),
        ((1499, 0.0, 0.1, 0.4, 0), "town middling occasional"),
        ((301, 0.05, -0.24, 0.14, 2), "town middling steady"),
        ((299, -0.0999, 0.0, 0.0, 0), "countryside middling steady"),
        ((0, 0.11, -0.251, 0.0, 0), "countryside well-off seldom"),
        ((np.nan, -0.11, 0.0, 0.2, 0), "unknown modest occasional"),
        ((np.nan, np.nan, -1.0, 0.0, 3), "unknown unknown unknown"),
        ((50, np.nan, 0.0, 0.0, 4), "countryside unknown unknown"),
    ],
)
def test_a_profile_by_hand(row: tuple[float, ...], name: str) -> None:
    assert profiles(matrix(row)).tolist() == [name]


def test_what_counting_alone_may_do_does_not_make_a_small_place_occasional() -> None:
    """4 / 200 of variance is a spread of .14: one of .20 is .14 beyond it, one of .21 is .155."""
    rows = [(10, 0, 0, 0.20, 0), (10, 0, 0, 0.21, 0)]
    assert [p.split()[2] for p in profiles(matrix(*rows, registered=200))] == ["steady", "occasional"]
    assert [p.split()[2] for p in profiles(matrix(*rows, registered=10_000))] == ["occasional"] * 2


def test_one_contest_tells_nothing_of_how_steady_turnout_is() -> None:
    assert profiles(matrix((10, 0, 0, 0, 0), past=1)).tolist() == ["countryside middling unknown"]


def test_every_kind_has_a_name_of_its_own() -> None:
    assert len(set(KINDS.tolist())) == len(KINDS) == np.prod([len(axis) for axis in AXES])
    assert all(name.split() == name.split(" ") and len(name.split()) == 3 for name in KINDS.tolist())


VALUE = st.one_of(st.floats(-3, 3), st.just(np.nan))
ROW = st.tuples(
    st.one_of(st.floats(0, 30_000), st.just(np.nan)),
    VALUE,
    st.floats(-3, 3),
    st.floats(0, 2),
    st.integers(0, 4),
)


@given(rows=st.lists(ROW, min_size=2, max_size=8))
def test_a_place_has_the_same_profile_whoever_else_is_in_the_release(rows: list[tuple[float, ...]]) -> None:
    together = profiles(matrix(*rows))
    alone = [profiles(matrix(row))[0] for row in rows]
    assert together.tolist() == alone
    assert KINDS[kinds(matrix(*rows))].tolist() == alone
