"""The scale of errors and what areas share of them: found again in errors that were simulated."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.special import logit
from simulated import simulated
from worlds import LAST, TARGET, full_ledger, matrix_of, scenario

from isoloir.models.baselines import PRIOR
from isoloir.models.spread import (
    EDGE,
    LEAST,
    Sample,
    contested,
    deviation,
    errors_of,
    fit_components,
    fit_scale,
    logit_slope,
    mixed,
    share_parts,
    shared_variance,
    turnout_parts,
)


def test_a_slope_of_a_logit_is_p_times_its_rest_and_held_off_the_ends() -> None:
    ends = EDGE * (1 - EDGE)
    assert logit_slope(np.array([0.5, 0.2, 0.0, 1.0])) == pytest.approx([0.25, 0.16, ends, ends])


def test_a_deviation_by_hand() -> None:
    """Half of 100 electors: 0.05 by counting; 0.25 of √(0.01 · 2 + 0.04 · 0.5) = 0.2 on the logit."""
    parts = np.array([[0.01, 0.04], [0.0, 0.0]])
    made = deviation(np.array([0.5, 0.5]), np.array([100.0, 0.0]), parts, np.array([2.0, 0.5]))
    assert made[0] == pytest.approx(np.sqrt(0.05**2 + (0.25 * 0.2) ** 2))
    # No electors are taken for one, no variance for the least.
    assert made[1] == pytest.approx(np.sqrt(0.25 + 0.25**2 * LEAST))
    assert shared_variance(parts, np.array([2.0, 0.5])) == pytest.approx([0.04, LEAST])


def test_the_scale_is_found_again() -> None:
    samples = [simulated(seed, (1.5, 0.6)) for seed in range(4)]
    assert fit_scale(samples) == pytest.approx([1.5, 0.6], abs=0.25)


def test_counting_noise_alone_has_no_scale() -> None:
    samples = [simulated(seed, (0.0, 0.0)) for seed in range(4)]
    assert fit_scale(samples) @ [1, 1] < 0.05
    assert (fit_scale([simulated(1, (0.0, 1.0))]) >= 0).all()


def test_nothing_to_learn_from_is_a_scale_of_1_and_all_the_station_s() -> None:
    none = np.zeros(0)
    empty = Sample(none, none, none, np.zeros((0, 2)), none.astype(np.intp), none.astype(np.intp))
    for samples in ([], [empty], [empty, empty]):
        assert fit_scale(samples).tolist() == [1, 1]
        assert fit_components(samples, np.ones(2)) == (0.0, 0.0, 1.0)
    one = simulated(1)
    assert fit_scale([one, empty]).tolist() == fit_scale([one]).tolist()


def test_contests_weigh_by_their_number_and_not_by_their_stations() -> None:
    """A large one and one of a sixth of it, which counts the same with twice as many stations."""
    large, small = simulated(1, (1.0, 1.0)), simulated(2, (1.4, 1.4), areas=(10, 20, 4))

    def whole(*samples: Sample) -> float:
        return float(fit_scale(samples).mean())

    assert whole(large, large, large) == pytest.approx(whole(large), rel=1e-6)
    one, other, both = whole(large), whole(small), whole(large, small)
    # By stations, the small one would move it by a seventh at the most.
    assert one + 0.25 * (other - one) < both < other
    fields = [f.name for f in dataclasses.fields(Sample)]
    twice = Sample(*(np.concatenate([getattr(small, f)] * 2) for f in fields))
    assert whole(large, twice) == pytest.approx(both, rel=1e-6)


def test_a_station_that_was_rebuilt_does_not_set_the_scale() -> None:
    one = simulated(3)
    wild = one.actual.copy()
    wild[::2000] = np.where(one.forecast[::2000] > 0.5, 0.02, 0.98)
    assert fit_scale([dataclasses.replace(one, actual=wild)]) @ [1, 1] == pytest.approx(
        fit_scale([one]) @ [1, 1], rel=0.2
    )


@pytest.mark.parametrize("components", [(0.3, 0.3, 0.4), (0.0, 0.0, 1.0), (0.6, 0.1, 0.3), (0.1, 0.7, 0.2)])
def test_components_are_found_again(components: tuple[float, float, float]) -> None:
    samples = [simulated(seed, components=components) for seed in range(6)]
    found = fit_components(samples, np.array([1.0, 0.5]))
    assert found == pytest.approx(components, abs=0.08)
    assert sum(found) == pytest.approx(1) and min(found) >= 0


@pytest.mark.parametrize("size", [0.05, 0.002])
def test_components_are_found_where_most_of_an_error_is_counting_noise(size: float) -> None:
    """Found in test: errors were cut at six shared deviations, noise and all; then nothing was an area's."""
    samples = [simulated(seed, (0.5, 0.5), size=size, electors=(50, 300)) for seed in range(6)]
    assert fit_components(samples, np.array([0.5, 0.5])) == pytest.approx((0.3, 0.3, 0.4), abs=0.15)


def test_of_communes_of_one_station_commune_and_station_are_one() -> None:
    samples = [simulated(seed, components=(0.5, 0.2, 0.3), areas=(80, 60, 1)) for seed in range(4)]
    department, commune, station = fit_components(samples, np.array([1.0, 0.5]))
    assert department == pytest.approx(0.5, abs=0.1) and commune + station == pytest.approx(0.5, abs=0.1)


def test_logits_of_shares_move_by_their_own_step_less_the_others() -> None:
    """Against the derivative: steps of each log strength, one after another."""
    rng = np.random.default_rng(4)
    shares = rng.dirichlet([2, 3, 4], 5)
    variance = rng.uniform(0.5, 2, shares.shape)
    expected = np.zeros(shares.shape)
    for j in range(3):
        moved = shares * np.exp(1e-6 * (np.arange(3) == j))
        moved /= moved.sum(axis=1, keepdims=True)
        # Of the odds of b: its own step, and (p_j / (1 − p_b)) of the others'.
        expected += ((logit(moved) - logit(shares)) / 1e-6) ** 2 * variance[:, [j]]
    assert mixed(shares, variance) == pytest.approx(expected, rel=1e-4)
    assert mixed(np.array([[1.0, 0.0]]), np.ones((1, 2))).tolist() == [[1.0, 2.0]]


def test_errors_leave_out_what_is_not_known_and_who_stands_alone() -> None:
    ledger = full_ledger(9)
    matrix, outcomes = matrix_of(ledger, TARGET), ledger.outcomes(TARGET, LAST.eve)
    forecast = PRIOR.predict(matrix, scenario(0.5, [0.3, 0.4, 0.3]))
    size = len(outcomes.registered)
    registered, known = outcomes.registered.copy(), np.arange(size) % 2 == 0
    registered[0] = 0
    standing = np.ones((size, 3), np.bool_)
    standing[2] = [True, False, False]
    standing[4] = [True, True, False]
    told = dataclasses.replace(outcomes, registered=registered, shares_known=known, standing=standing)
    errors = errors_of(forecast, told, matrix)
    assert errors.contest == TARGET.key
    held = np.arange(1, size)
    assert errors.turnout.forecast.tolist() == forecast.turnout[held].tolist()
    assert errors.turnout.actual == pytest.approx((outcomes.voters / outcomes.registered)[held])
    assert errors.turnout.counted.tolist() == outcomes.registered[held].tolist()
    assert errors.turnout.parts.tolist() == turnout_parts(matrix)[held].tolist()
    seen = np.flatnonzero(known & (outcomes.valid > 0))
    for b, rows in enumerate((seen[seen != 2], seen[seen != 2], np.setdiff1d(seen, [2, 4]))):
        one = errors.shares[b]
        assert one.forecast.tolist() == forecast.shares[rows, b].tolist()
        assert one.actual == pytest.approx(outcomes.votes[rows, b] / outcomes.valid[rows])
        assert one.counted.tolist() == outcomes.valid[rows].tolist()
    stations = matrix.notice.stations
    for rows, codes in (
        (errors.turnout.commune, stations.commune_code),
        (errors.turnout.department, stations.department_code),
    ):
        assert len({*zip(rows.tolist(), codes[held].tolist(), strict=True)}) == len(set(rows.tolist()))


def test_an_unknown_spread_of_a_share_is_the_mean_of_the_known() -> None:
    matrix = matrix_of(full_ledger(9), TARGET)
    at = matrix.names.index("share_spread_left")
    values = matrix.values.copy()
    values[:, at] = np.nan
    values[:2, at] = 0.1, 0.3
    parts = share_parts(dataclasses.replace(matrix, values=values), 0)
    assert parts[:, 0].tolist() == [1] * len(values)
    assert parts[:3, 1] == pytest.approx([0.01, 0.09, 0.05])
    values[:, at] = np.nan
    assert (share_parts(dataclasses.replace(matrix, values=values), 0)[:, 1] == 0).all()


def test_alone_is_not_contested() -> None:
    assert contested(np.array([[True, False], [True, True], [False, False]])).tolist() == [
        [False, False],
        [True, True],
        [False, False],
    ]
