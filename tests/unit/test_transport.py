"""Votes moved by a plan of least cost: by hand, by rules that hold for all, against a linear programme."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, linprog
from scipy.special import expit
from worlds import BLOCS, LAST, TARGET, full_ledger, matrix_of, notice_of, random_ledger, scenario, stations

from isoloir.domain.election import Contest
from isoloir.domain.forecast import FeatureMatrix, National
from isoloir.domain.ledger import Notice
from isoloir.features.references import telling
from isoloir.features.view import look
from isoloir.models.baselines import PRIOR
from isoloir.models.transport import BLUR, MOVED, SHARPER, Transported, closed, distance, plans, transported

SEED = st.integers(0, 2**32 - 1)
EVERY = np.ones((1, 2), np.bool_)


def test_neighbours_on_the_axis_are_one_apart_and_the_bloc_apart_is_one_from_each() -> None:
    expected = [[0, 1, 1, 2], [1, 0, 1, 1], [1, 1, 0, 1], [2, 1, 1, 0]]
    assert distance(("left", "centre", "other", "right")).tolist() == expected


def test_the_plan_of_two_blocs_by_hand() -> None:
    """60 : 40 comes to 50 : 50: ten of the sixty go, and nobody comes back."""
    plan = plans(np.array([[60.0, 40.0]]), np.array([0.5, 0.5]), EVERY, distance(("a", "b")), blur=0.03)
    assert plan[0] == pytest.approx(np.array([[50 / 60, 10 / 60], [0, 1]]), abs=1e-9)


def test_votes_that_need_not_move_stay_but_for_the_blur() -> None:
    plan = plans(np.array([[50.0, 50.0]]), np.array([0.5, 0.5]), EVERY, distance(("a", "b")))
    assert plan[0, 0, 1] == plan[0, 1, 0] == pytest.approx(expit(-1 / BLUR), abs=1e-9)


def test_votes_pass_along_the_axis_not_over_it() -> None:
    """A third bloc loses all: its votes go to the second, and as many of that one's to the first."""
    cost, standing = distance(BLOCS), np.ones((1, 3), np.bool_)
    plan = plans(np.array([[30.0, 40.0, 30.0]]), np.array([0.4, 0.5, 0.1]), standing, cost, blur=0.2)
    moved = np.array([30.0, 40.0, 30.0])[:, None] * plan[0]
    assert moved[0, 0] == pytest.approx(30, abs=0.2)
    assert moved[2, 1] > moved[2, 0] and moved[1, 0] > moved[1, 2]
    assert (moved * cost).sum() == pytest.approx(30, abs=3)


def random_groups(seed: int, groups: int, blocs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Votes of groups [N × B], national shares that the offer [N × B] can meet, and that offer."""
    rng = np.random.default_rng(seed)
    mass = rng.uniform(1, 100, (groups, blocs))
    standing = rng.random((groups, blocs)) < 0.7
    standing[:, 0] = True
    standing[0] = True
    some = np.where(standing, rng.uniform(0.1, 1, standing.shape), 0)
    some /= some.sum(axis=1, keepdims=True)
    return mass, mass.sum(axis=1) @ some / mass.sum(), standing


@given(seed=SEED, groups=st.integers(1, 6), blocs=st.integers(2, 6))
def test_a_plan_meets_both_margins_and_the_offer(seed: int, groups: int, blocs: int) -> None:
    mass, shares, standing = random_groups(seed, groups, blocs)
    plan = plans(mass, shares, standing, distance(tuple("abcdef"[:blocs])))
    assert (plan >= 0).all()
    assert plan.sum(axis=2) == pytest.approx(1, abs=1e-9)
    came = np.einsum("gi,gij->gj", mass, plan)
    assert came.sum(axis=0) / mass.sum() == pytest.approx(shares, abs=1e-8)
    assert (came[~standing] == 0).all()


def least_cost(mass: np.ndarray, shares: np.ndarray, standing: np.ndarray, cost: np.ndarray) -> float:
    """The least mean cost of a vote, by a linear programme over all groups and pairs of blocs."""
    groups, blocs = mass.shape
    total = mass.sum()
    index = np.arange(groups * blocs * blocs).reshape(groups, blocs, blocs)
    rows, values = [], []
    for g in range(groups):
        for i in range(blocs):
            row = np.zeros(index.size)
            row[index[g, i]] = 1
            rows.append(row)
            values.append(mass[g, i] / total)
    for j in range(blocs):
        row = np.zeros(index.size)
        row[index[:, :, j].ravel()] = 1
        rows.append(row)
        values.append(shares[j])
    bounds = [
        (0, None if standing[g, j] else 0) for g in range(groups) for _ in range(blocs) for j in range(blocs)
    ]
    spent = np.broadcast_to(cost, (groups, blocs, blocs)).ravel()
    found = linprog(spent, A_eq=np.array(rows), b_eq=np.array(values), bounds=bounds)
    assert found.status == 0
    return float(found.fun)


@given(seed=SEED, groups=st.integers(1, 4), blocs=st.integers(2, 5), blur=st.sampled_from([0.2, BLUR]))
def test_a_plan_costs_hardly_more_than_a_linear_programme_s(
    seed: int, groups: int, blocs: int, blur: float
) -> None:
    """Entropy blurs the least cost by its own weight times the log of the choices, at most."""
    mass, shares, standing = random_groups(seed, groups, blocs)
    cost = distance((*"abcd"[: blocs - 1], "other"))
    plan = plans(mass, shares, standing, cost, blur=blur)
    spent = float((mass[:, :, None] * plan * cost).sum() / mass.sum())
    least = least_cost(mass, shares, standing, cost)
    assert least - 1e-7 <= spent <= least + blur * np.log(blocs) + 1e-7


CONTEST = Contest("xx", "2020_pres_t1", "pres", 1, TARGET.held_on)


def made(
    blocs: tuple[str, ...], standing: list[list[bool]], columns: dict[str, list[float]]
) -> FeatureMatrix:
    """A matrix of a few stations of 1,000 registered each, with some columns."""
    codes = [f"A-1-{i}" for i in range(len(standing))]
    notice = Notice(
        CONTEST, blocs, stations(codes), np.full(len(codes), 1000, np.int32), np.array(standing), "x", "x"
    )
    values = np.array(list(columns.values())).T
    nation = National("x", 0.5, np.full(len(blocs), 1 / len(blocs)), 1.0)
    return FeatureMatrix(notice, tuple(columns), values, nation, ())


def past(
    place: int, weight: float, shares: list[list[float]], blocs: tuple[str, ...]
) -> dict[str, list[float]]:
    """The columns of one past: its weight, and the shares of its blocs, station by station."""
    stations_of = {f"past{place}_share_{b}": [row[i] for row in shares] for i, b in enumerate(blocs)}
    return {f"past{place}_weight": [weight] * len(shares)} | stations_of


def flat(blocs: tuple[str, ...], count: int) -> dict[str, list[float]]:
    return {"turnout_prior": [0.0] * count} | {f"share_prior_{b}": [0.0] * count for b in blocs}


def odds_moved(share: np.ndarray, target: float) -> np.ndarray:
    """Two blocs, stations alike in size: each gives and takes by odds of e^(1/BLUR), levels apart by d."""

    def moved(d: float) -> np.ndarray:
        return share * expit(1 / BLUR + d) + (1 - share) * expit(-1 / BLUR + d)

    return moved(brentq(lambda d: moved(d).mean() - target, -20, 20))


TWO = ("a", "b")
HERE = np.array([0.8, 0.3])


def test_shares_of_two_blocs_are_moved_as_by_hand() -> None:
    matrix = made(TWO, [[True, True]] * 2, flat(TWO, 2))
    shares = np.stack([HERE, 1 - HERE], axis=1)
    moved = transported(shares, np.ones(2), matrix.notice, scenario(0.5, [0.7, 0.3]))
    assert moved[:, 0] == pytest.approx(odds_moved(HERE, 0.7), abs=1e-8)


def test_the_votes_of_a_bloc_that_does_not_stand_go_to_its_neighbour() -> None:
    """Of two stations without the third bloc, the one where it was strong votes more for the second now."""
    standing = [[True, True, False], [True, True, False], [True, True, True]]
    matrix = made(BLOCS, standing, flat(BLOCS, 3))
    shares = np.array([[0.4, 0.2, 0.4], [0.4, 0.5, 0.1], [0.4, 0.3, 0.3]])
    moved = transported(shares, np.ones(3), matrix.notice, scenario(0.5, [0.4, 0.5, 0.1]))
    assert (moved[:2, 2] == 0).all()
    assert moved[0, 0] == pytest.approx(moved[1, 0], abs=0.02)
    assert moved[0, 1] == pytest.approx(0.6, abs=0.05)


def test_one_past_is_half_scaled_half_transported_and_sharpened() -> None:
    columns = flat(TWO, 2) | past(1, 0.5, [[0.8, 0.2], [0.3, 0.7]], TWO)
    for place in (2, 3):
        columns |= past(place, 0.0, [[np.nan, np.nan]] * 2, TWO)
    made_of = Transported().predict(made(TWO, [[True, True]] * 2, columns), scenario(0.5, [0.7, 0.3]))

    def levelled(odds: np.ndarray) -> np.ndarray:
        level = brentq(lambda a: (odds * np.exp(a) / (1 + odds * np.exp(a))).mean() - 0.7, -20, 20)
        return odds * np.exp(level) / (1 + odds * np.exp(level))

    half = (levelled(HERE / (1 - HERE)) + odds_moved(HERE, 0.7)) / 2
    assert made_of.shares[:, 0] == pytest.approx(levelled((half / (1 - half)) ** SHARPER), abs=1e-7)


def test_a_past_counts_less_the_more_votes_have_to_change_sides() -> None:
    """Two pasts that weigh the same: the one at the scenario's level counts e^(8 · 0.3) times the other."""
    near, far = [[0.9, 0.1], [0.3, 0.7]], [[0.2, 0.8], [0.4, 0.6]]
    both = past(1, 1.0, near, TWO) | past(2, 1.0, far, TWO) | past(3, 0.0, far, TWO)
    said = scenario(0.5, [0.6, 0.4])

    def shares(columns: dict[str, list[float]]) -> np.ndarray:
        return Transported().predict(made(TWO, [[True, True]] * 2, flat(TWO, 2) | columns), said).shares[:, 0]

    alone = [
        shares(past(1, 1.0, one, TWO) | past(2, 0.0, one, TWO) | past(3, 0.0, one, TWO))
        for one in (near, far)
    ]

    def dull(p: np.ndarray) -> float:
        return float(np.diff(np.log(p / (1 - p)))[0] / SHARPER)

    # What is averaged are shares; of two stations, equally apart from the mean, the gap tells all.
    pooled = dull(shares(both))
    counted = np.exp(MOVED * 0.3) / (1 + np.exp(MOVED * 0.3))
    gaps = [2 * (expit(abs(g) / 2) - 0.5) * np.sign(g) for g in (dull(alone[0]), dull(alone[1]))]
    mean = counted * gaps[0] + (1 - counted) * gaps[1]
    assert np.sign(mean) * 2 * (expit(abs(pooled) / 2) - 0.5) == pytest.approx(mean, abs=0.02)
    assert abs(pooled - dull(alone[0])) < abs(pooled - dull(alone[1])) / 5


def test_gaps_of_a_past_get_its_mean_and_a_bloc_that_stood_nowhere_next_to_nothing() -> None:
    past_shares = np.array([[0.6, np.nan, np.nan], [0.5, 0.5, np.nan]])
    filled = closed(past_shares, np.array([1.0, 3.0]))
    assert filled.sum(axis=1) == pytest.approx(1)
    assert filled[0, :2] == pytest.approx([0.6 / 1.1, 0.5 / 1.1], abs=1e-5)
    assert (filled[:, 2] < 2e-6).all() and (filled > 0).all()


def test_without_a_past_that_tells_anything_it_is_the_prior() -> None:
    matrix = matrix_of(full_ledger(3), LAST)
    none = np.where([n.endswith("_weight") for n in matrix.names], 0.0, matrix.values)
    matrix = dataclasses.replace(matrix, values=none)
    said = scenario(0.6, [0.3, 0.4, 0.3])
    assert Transported().predict(matrix, said).shares == pytest.approx(PRIOR.predict(matrix, said).shares)


def test_a_later_round_is_half_the_prior_s() -> None:
    matrix, said = matrix_of(random_ledger(3), TARGET), scenario(0.6, [0.3, 0.4, 0.3])
    assert matrix.notice.contest.round == 2 and matrix.column("past1_weight")[0] > 0
    as_first = dataclasses.replace(matrix.notice, contest=LAST)
    pool = Transported().predict(dataclasses.replace(matrix, notice=as_first), said).shares
    mean = (pool + PRIOR.predict(matrix, said).shares) / 2
    # Both meet the scenario, so their mean does.
    assert Transported().predict(matrix, said).shares == pytest.approx(mean, abs=1e-9)


@given(seed=SEED)
def test_shares_sum_to_one_respect_the_offer_and_meet_the_scenario(seed: int) -> None:
    rng = np.random.default_rng(seed)
    standing = rng.random((8, 3)) < 0.7
    standing[:, 0] = True
    standing[0] = True
    columns = flat(BLOCS, 8)
    for place in (1, 2, 3):
        shares = rng.dirichlet(np.ones(3), 8)
        shares[rng.random((8, 3)) < 0.1] = np.nan
        columns |= past(place, float(rng.random()), shares.tolist(), BLOCS)
    some = np.where(standing, rng.uniform(0.1, 1, standing.shape), 0)
    national = (some / some.sum(axis=1, keepdims=True)).mean(axis=0)
    made_of = Transported().predict(made(BLOCS, standing.tolist(), columns), scenario(0.5, national.tolist()))
    assert made_of.shares.sum(axis=1) == pytest.approx(1, abs=1e-9)
    assert (made_of.shares[~standing] == 0).all()
    assert made_of.shares.mean(axis=0) == pytest.approx(national, abs=1e-8)


def test_what_tells_of_a_contest_is_of_its_kind_its_ballot_or_young() -> None:
    """A first round looks at no second one; the first round of the ballot comes first at the second."""
    ledger = random_ledger(5)

    def told(contest: Contest) -> list[tuple[str, float]]:
        view = look(ledger.as_of(contest.eve), notice_of(ledger, contest), None)
        return [(view.panel.contests[c].key, weight) for c, weight in telling(view)]

    def faded(days: int) -> float:
        return float(np.exp(-days / 365.25 / 3))

    second, first = told(TARGET), told(LAST)
    assert [k for k, _ in second] == ["2020_legi_t1", "2016_pres_t1", "2014_legi_t1"]
    assert [w for _, w in second] == pytest.approx([4 * faded(7), faded(1000), faded(2000)])
    assert [k for k, _ in first] == ["2020_legi_t1", "2016_pres_t1", "2014_legi_t1"]
    assert [w for _, w in first] == pytest.approx([faded(407), 2 * faded(1400), faded(2400)])


def test_a_bloc_that_is_new_makes_no_past_useless_one_that_missed_a_contest_does() -> None:
    ledger = random_ledger(5)
    notice = notice_of(ledger, LAST)
    blocs = len(BLOCS)
    never = dataclasses.replace(
        ledger,
        records=tuple(
            dataclasses.replace(
                r,
                votes=np.where(np.arange(blocs) == 2, 0, r.votes).astype(np.int32),
                valid=r.votes[:, :2].sum(axis=1).astype(np.int32),
                standing=r.standing & (np.arange(blocs) != 2),
            )
            if r.contest != LAST
            else r
            for r in ledger.records
        ),
    )
    assert len(telling(look(never.as_of(LAST.eve), notice, None))) == 3
    once = dataclasses.replace(ledger, records=(never.records[0], *ledger.records[1:]))
    keys = [c.key for c in once.as_of(LAST.eve).contests]
    found = telling(look(once.as_of(LAST.eve), notice, None))
    assert [keys[c] for c, _ in found] == ["2020_legi_t1", "2016_pres_t1"]
