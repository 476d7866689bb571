"""Ranks and tiers by conjunctural abstention, and how sure they are: by hand and against slow loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoloir.models.standing import conjunctural, ranked, tiered

SEED = st.integers(0, 2**32 - 1)
NAN = np.nan


def singles(*ways: list[float]) -> np.ndarray:
    return np.array(ways, np.float32)


def test_conjunctural_abstention_is_what_the_structural_leaves() -> None:
    found = conjunctural(np.array([0.60, 0.75, 0.50]), np.array([0.25, 0.30, NAN]))
    assert found == pytest.approx([0.15, 0.0, NAN], nan_ok=True)


# Beyond the structural 20 %: 30, 10, 20 and −10 %, and one of which no past is known.
TURNOUT = np.array([0.5, 0.7, 0.6, 0.9, 0.1])
STRUCTURAL = np.array([0.2, 0.2, 0.2, 0.2, NAN])


def test_a_rank_is_counted_within_its_area_from_most_to_least() -> None:
    said = ranked(TURNOUT, singles(TURNOUT.tolist()), STRUCTURAL, np.array([0, 0, 1, 1, 1]))
    assert said.rank.tolist() == [1, 2, 1, 2, 0]
    assert said.low.tolist() == said.high.tolist() == [1, 2, 1, 2, 0]


def test_units_without_an_area_or_without_a_past_have_no_rank_and_push_nobody_back() -> None:
    said = ranked(TURNOUT, singles(TURNOUT.tolist()), STRUCTURAL, np.array([-1, 0, 0, 0, 0]))
    assert said.rank.tolist() == [0, 2, 1, 3, 0]
    nobody = ranked(TURNOUT, singles(TURNOUT.tolist()), np.full(5, NAN), np.zeros(5, np.intp))
    assert nobody.rank.tolist() == [0] * 5


def test_those_without_conjunctural_abstention_are_in_order_too_and_equals_share_a_rank() -> None:
    turnout = np.array([0.85, 0.95, 0.9, 0.9])
    said = ranked(turnout, singles(turnout.tolist()), np.full(4, 0.2), np.zeros(4, np.intp))
    assert said.rank.tolist() == [1, 4, 2, 2]


def test_the_ends_of_a_rank_are_those_of_the_draws_and_hold_the_rank() -> None:
    """In 21 draws the first two units change places in 10; the third has rank 3 in one of them alone."""
    same, swapped, odd = [0.5, 0.6, 0.9], [0.6, 0.5, 0.9], [0.9, 0.6, 0.5]
    drawn = singles(*[same] * 10, *[swapped] * 10, odd)
    said = ranked(np.array(same), drawn, np.zeros(3), np.zeros(3, np.intp))
    assert said.rank.tolist() == [1, 2, 3]
    assert (said.low.tolist(), said.high.tolist()) == ([1, 1, 3], [2, 2, 3])
    away = ranked(np.array(same), singles(*[swapped] * 21), np.zeros(3), np.zeros(3, np.intp))
    assert (away.low.tolist(), away.high.tolist()) == ([1, 1, 3], [2, 2, 3])


def test_a_tier_is_a_quarter_of_the_electors() -> None:
    """800 electors: quarters end at 200, 400, 600. The middle ones are 150, 350, 450, 500 and 675."""
    registered = np.array([300, 100, 100, 0, 250, 50, 999], np.int32)
    turnout = np.array([0.1, 0.2, 0.3, 0.35, 0.4, 0.9, 0.5])
    structural = np.array([0.0, 0, 0, 0, 0, 0, NAN])
    said = tiered(turnout, singles(turnout.tolist()), structural, registered)
    assert said.tier.tolist() == [0, 1, 2, 2, 3, 3, -1]
    assert said.confidence == pytest.approx([1] * 6 + [NAN], nan_ok=True)


def test_confidence_is_the_part_of_the_draws_with_tiers_made_anew_in_each() -> None:
    """A wave that lifts all alike moves nobody; in one draw of four the first and the last change places."""
    base = [0.5, 0.6, 0.7, 0.8]
    drawn = singles(base, [t + 0.15 for t in base], [t - 0.3 for t in base], base[::-1])
    said = tiered(np.array(base), drawn, np.zeros(4), np.full(4, 100, np.int32))
    assert said.tier.tolist() == [0, 1, 2, 3]
    assert said.confidence == pytest.approx([0.75] * 4)


def test_there_are_no_tiers_where_no_past_is_known() -> None:
    said = tiered(TURNOUT, singles(TURNOUT.tolist()), np.full(5, NAN), np.ones(5, np.int32))
    assert said.tier.tolist() == [-1] * 5 and np.isnan(said.confidence).all()


@given(seed=SEED, units=st.integers(1, 30), ways=st.integers(1, 25))
def test_ranks_agree_with_slow_loops(seed: int, units: int, ways: int) -> None:
    rng = np.random.default_rng(seed)
    # Few distinct figures, so that there are equals; eighths, so that single precision is exact.
    drawn = (rng.integers(0, 9, (ways, units)) / 8).astype(np.float32)
    turnout, structural = rng.integers(0, 9, units) / 8, rng.integers(0, 5, units) / 8
    structural[rng.random(units) < 0.2] = NAN
    area = rng.integers(-1, 3, units)
    kept = drawn.copy()
    said = ranked(turnout, drawn, structural, area)
    assert (drawn == kept).all()
    for u in range(units):
        peers = np.flatnonzero((area == area[u]) & ~np.isnan(structural))
        if area[u] < 0 or np.isnan(structural[u]):
            assert said.rank[u] == said.low[u] == said.high[u] == 0
            continue
        index = 1 - np.vstack([turnout, drawn]) - structural
        ranks = 1 + (index[:, peers] > index[:, [u]]).sum(axis=1)
        away = int(0.05 * (ways - 1))
        ends = np.sort(ranks[1:])[[away, ways - 1 - away]]
        assert said.rank[u] == ranks[0]
        assert said.low[u] == min(ranks[0], ends[0]) and said.high[u] == max(ranks[0], ends[1])


@given(seed=SEED, units=st.integers(1, 40))
def test_every_tier_holds_a_quarter_give_or_take_a_unit_and_is_above_the_next(seed: int, units: int) -> None:
    rng = np.random.default_rng(seed)
    turnout, structural = rng.uniform(0, 1, units), rng.uniform(0, 0.5, units)
    registered = rng.integers(1, 2000, units).astype(np.int32)
    drawn = np.repeat(turnout[None].astype(np.float32), 3, axis=0)
    said = tiered(turnout, drawn, structural, registered)
    held = np.bincount(said.tier, registered, 4)
    assert (np.abs(held - registered.sum() / 4) <= registered.max()).all()
    index = 1 - turnout - structural
    assert (np.diff(said.tier[np.argsort(-index)]) >= 0).all()
    assert (said.confidence >= 0).all() and (said.confidence <= 1).all()
