"""The policy's numbers, one by one: each rule has a case that it alone decides."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from isoloir.domain.privacy import (
    FEW_ELECTORS,
    FEW_VOTES,
    JOINED,
    NEAR,
    NO_PLACE,
    SMALL_THEN,
    Policy,
    Sizes,
    Sums,
    is_protected,
)

POLICY = Policy(1)


@pytest.mark.parametrize(
    ("registered", "valid", "registered_then", "valid_then", "why"),
    [
        (50, 30.0, 50.0, 30.0, ""),
        (49, 30.0, 50.0, 30.0, FEW_ELECTORS),
        (50, 29.9, 50.0, 30.0, FEW_VOTES),
        (50, 30.0, 49.0, 30.0, SMALL_THEN),
        (50, 30.0, 50.0, 29.0, SMALL_THEN),
        (50, 30.0, np.nan, np.nan, ""),
        (49, 30.0, np.nan, np.nan, FEW_ELECTORS),
    ],
)
def test_a_station_is_small_by_its_electors_or_its_votes_now_or_then(
    registered: int, valid: float, registered_then: float, valid_then: float, why: str
) -> None:
    sizes = Sizes(*(np.array([v]) for v in (registered, valid, registered_then, valid_then)))
    assert sizes.reasons(POLICY).tolist() == [why]


def unit(registered: float, voters: float, *votes: float, choice: bool = True) -> Sums:
    everywhere = np.full((1, len(votes)), registered)
    return Sums(np.array([registered]), np.array([voters]), np.array([votes]), np.array([choice]), everywhere)


@pytest.mark.parametrize(
    ("sums", "why"),
    [
        (unit(100, 60, 30, 20), ""),
        (unit(49, 40, 20, 20), FEW_ELECTORS),
        (unit(100, 30, 14.9, 15), FEW_VOTES),
        (unit(100, 60, 57, 3), NEAR),
        (unit(100, 60, 56.9, 3.1), ""),
        # One bloc stands: its share says nothing of anybody, that nearly all voted does.
        (unit(100, 60, 60, choice=False), ""),
        (unit(100, 99, 99, choice=False), NEAR),
        (unit(100, 98.9, 60, 38), ""),
        (unit(100, 99, 60, 39), NEAR),
    ],
)
def test_a_unit_s_figures_are_exposed_where_it_is_small_or_near_unanimous(sums: Sums, why: str) -> None:
    assert sums.why_exposed(POLICY).tolist() == [why]


@pytest.mark.parametrize(
    ("sums", "registered", "hidden"),
    [
        # 20 of 900: the others can be all 600 voters, or leave 20 to it; each bloc has 5 votes at least.
        (unit(900, 600, 590, 10), 20, True),
        (unit(900, 600, 595.1, 4.9), 20, False),
        # 597 of 600 others vote at least, so that 2 to 5 do here: closer than 5 persons.
        (unit(620, 617, 300, 317), 20, False),
        (unit(620, 614, 300, 314), 20, True),
        # A tenth of 300 electors is 30: 29 votes of a bloc tell too much of so large a station.
        (unit(3000, 2000, 1971, 29), 300, False),
        (unit(3000, 2000, 1969, 31), 300, True),
        # A bloc without a vote did not stand; of 4 electors the roll itself leaves no more open.
        (unit(900, 600, 600, 0), 20, True),
        (unit(900, 600, 595.5, 4.5), 4, True),
    ],
)
def test_a_unit_hides_a_station_if_persons_enough_are_left_open(
    sums: Sums, registered: int, hidden: bool
) -> None:
    stands = np.ones((1, sums.votes.shape[1]), np.bool_)
    found = sums.hides(np.array([0]), np.array([registered], np.int32), stands, POLICY)
    assert found.tolist() == [hidden]


def test_votes_of_a_bloc_that_stands_at_one_member_alone_are_that_member_s() -> None:
    """Found in review: a sibling in another constituency, where others stand, hides nothing of them."""
    sums = unit(900, 600, 300, 250, 50)
    one = dataclasses.replace(sums, open_to=np.array([[900.0, 900.0, 85.0]]))
    who, size = np.array([0]), np.array([85], np.int32)
    assert not one.hides(who, size, np.array([[True, True, True]]), POLICY).any()
    assert one.hides(who, size, np.array([[True, True, False]]), POLICY).all()
    assert sums.hides(who, size, np.array([[True, True, True]]), POLICY).all()


@given(
    sizes=st.lists(st.integers(1, 60), min_size=2, max_size=4),
    turnout=st.floats(0.05, 0.98),
    parts=st.lists(st.floats(0.02, 1), min_size=1, max_size=3),
    rate=st.floats(0.5, 1),
)
def test_what_is_left_open_is_what_a_linear_program_finds(
    sizes: list[int], turnout: float, parts: list[float], rate: float
) -> None:
    """Voters of each station under its roll, votes of blocs that sum to its valid ones, sums as published."""
    registered, voters = float(sum(sizes)), turnout * sum(sizes)
    votes = rate * voters * np.array(parts) / sum(parts)
    s, b = len(sizes), len(parts)
    # x = voters [S], votes [S × B]
    rows, right = [np.r_[np.ones(s), np.zeros(s * b)]], [voters]
    for j in range(b):
        one = np.zeros((s, b))
        one[:, j] = 1
        rows.append(np.r_[np.zeros(s), one.ravel()])
        right.append(votes[j])
    for i in range(s):
        one = np.zeros((s, b))
        one[i] = 1
        rows.append(np.r_[-rate * np.eye(s)[i], one.ravel()])
        right.append(0.0)
    bounds = [(0, float(n)) for n in sizes] + [(0, None)] * (s * b)

    def width(at: int) -> float:
        cost = np.zeros(s + s * b)
        cost[at] = 1
        ends = [linprog(sign * cost, A_eq=np.array(rows), b_eq=right, bounds=bounds) for sign in (1, -1)]
        assert all(end.status == 0 for end in ends)
        return float(-ends[1].fun - ends[0].fun)

    least = max(POLICY.hidden_persons, POLICY.hidden_part * sizes[0])
    widths = [(width(0), sizes[0]), *((width(s + j), rate * sizes[0]) for j in range(b))]
    # Where it is close to the limit rounding decides.
    if any(abs(w - min(whole, least)) < 1e-4 for w, whole in widths):
        return
    everywhere = np.full((1, b), registered)
    sums = Sums(np.array([registered]), np.array([voters]), votes[None], np.array([True]), everywhere)
    found = sums.hides(np.array([0]), np.array(sizes[:1], np.int32), np.ones((1, b), np.bool_), POLICY)
    assert found.tolist() == [all(w >= min(whole, least) for w, whole in widths)]


def test_who_is_protected() -> None:
    said = np.array([FEW_ELECTORS, FEW_VOTES, SMALL_THEN, NEAR, NO_PLACE, JOINED, ""])
    assert is_protected(said).tolist() == [True] * 5 + [False] * 2
