"""The conformal bound by hand, the bands made of it, and what they hold of simulated stations.

The second opinion is a slow loop from the definition: Mondrian (by class) conformal on normalised errors,
with a weight per contest.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, t
from simulated import simulated

from isoloir.domain.forecast import Forecast, Scenario
from isoloir.models.intervals import (
    ALPHAS,
    CLASSES,
    Calibration,
    Parts,
    band,
    bound,
    calibrate,
    calibrated,
    doubt_of,
    half_width,
    plain_bounds,
    size_class,
)
from isoloir.models.spread import Errors, Sample, deviation, fit_components, fit_scale, logit_slope

SEED = st.integers(0, 2**32 - 1)
INFINITE = float("inf")


@pytest.mark.parametrize(
    ("count", "rank"),
    # ⌈(n + 1) · 0.9⌉: 9 of 9, 18 of 19, 90 of 99; eight errors cannot bound 90 %.
    [(9, 9), (19, 18), (99, 90), (8, None)],
)
def test_the_bound_is_the_conformal_rank(count: int, rank: int | None) -> None:
    errors = np.random.default_rng(1).permutation(np.arange(1, count + 1)) / 1000
    assert bound([errors], 0.1) == (INFINITE if rank is None else rank / 1000)


def test_contests_weigh_the_same_whatever_their_size() -> None:
    """900 small errors and 100 large ones: pooled, 90 % would be small; as contests, half are large."""
    small, large = np.full(900, 0.01), np.linspace(0.1, 0.2, 100)
    # 0.9 · (1 + 1/1000) of the weight is reached 0.8018 of the way through the larger contest.
    assert bound([small, large], 0.1) == large[80]


def test_nothing_to_calibrate_with_says_nothing() -> None:
    assert bound([], 0.1) == bound([np.array([])], 0.1) == bound([np.array([np.nan])], 0.1) == INFINITE
    assert bound([np.array([0.1] * 20 + [np.nan] * 80)], 0.1) == 0.1
    forecast = Forecast(np.array([0.3, 0.9]), np.array([[0.2, 0.8], [1.0, 0.0]]), np.array([1.0, 1.0]))
    said = band(forecast, np.array([50, 5000], np.int32), parts_like(2), calibrate([], 2), 0.1, GIVEN)
    assert said.turnout_lo.tolist() == [0, 0] and said.turnout_hi.tolist() == [1, 1]
    assert said.shares_lo.tolist() == [[0, 0], [1, 0]]
    assert said.shares_hi.tolist() == [[1, 1], [1, 0]], "one that does not stand has 0, one alone all"


def test_size_classes_begin_at_their_bounds() -> None:
    registered = np.array([0, 99, 100, 299, 300, 1199, 1200, 9999], np.int32)
    assert size_class(registered).tolist() == [0, 0, 1, 1, 2, 4, 5, 5]


# --- the second opinion ---


def slow_bound(errors: Sequence[Sequence[float]], alpha: Fraction) -> float:
    """The smallest error up to which the weight of 1 − α, and its part for the one to come, is reached."""
    told = [list(one) for one in errors if len(one)]
    count = sum(len(one) for one in told)
    wanted = (1 - alpha) * Fraction(count + 1, count) if count else Fraction(0)
    reached = Fraction(0)
    for value, weight in sorted((e, Fraction(1, len(one) * len(told))) for one in told for e in one):
        reached += weight
        if reached >= wanted:
            return value
    return INFINITE


def slow_class(counted: float) -> int:
    return sum(counted >= edge for edge in (100, 300, 600, 900, 1200))


@given(seed=SEED, contests=st.integers(1, 4), whole=st.booleans())
def test_bounds_agree_with_slow_loops_from_the_definition(seed: int, contests: int, whole: bool) -> None:
    rng = np.random.default_rng(seed)
    samples = []
    for c in range(contests):
        one = simulated(seed + c, areas=(3, 4, int(rng.integers(1, 6))))
        keep = np.ones(len(one.counted), np.bool_) if whole else one.counted < rng.choice([200, 700, 2000])
        samples.append(Sample(*(getattr(one, f.name)[keep] for f in dataclasses.fields(one))))
    made = calibrated(samples)
    assert made.scale.tolist() == fit_scale(samples).tolist()
    assert made.components == fit_components(samples, made.scale)
    for a, alpha in enumerate((Fraction(1, 2), Fraction(1, 10))):
        by_class: list[list[list[float]]] = [[[] for _ in samples] for _ in range(6)]
        for i, one in enumerate(samples):
            for s in range(len(one.counted)):
                p = min(max(float(one.forecast[s]), 0.02), 0.98)
                shared = max(float(one.parts[s] @ made.scale), 1e-4)
                sd = (p * (1 - p) / one.counted[s] + (p * (1 - p)) ** 2 * shared) ** 0.5
                by_class[slow_class(one.counted[s])][i].append(abs(one.actual[s] - one.forecast[s]) / sd)
        everywhere = slow_bound([[e for k in by_class for e in k[i]] for i in range(contests)], alpha)
        for k, errors in enumerate(by_class):
            own = slow_bound(errors, alpha)
            expected = own if own < INFINITE else everywhere
            assert made.bounds[a, k] == pytest.approx(expected, rel=1e-9)
    assert ALPHAS == (0.5, 0.1)


# --- bands ---

GIVEN = Scenario("test", "given", "test", 0.5, np.array([0.5, 0.5]), 0.97)


def parts_like(count: int, blocs: int = 2) -> Parts:
    return Parts(np.full((count, 2), 0.01), tuple(np.full((count, 2), 0.01) for _ in range(blocs)))


def learnt(blocs: int = 2) -> Calibration:
    samples = [simulated(seed, areas=(30, 20, 4)) for seed in range(3)]
    return calibrate([Errors(str(i), one, (one,) * blocs) for i, one in enumerate(samples)], blocs)


def forecast_of(turnout: Sequence[float], shares: Sequence[Sequence[float]], valid: float = 300) -> Forecast:
    return Forecast(np.array(turnout), np.array(shares), np.full(len(turnout), valid))


def test_a_band_by_hand() -> None:
    calibration = learnt()
    made = forecast_of([0.5, 0.5], [[0.6, 0.4], [0.6, 0.4]])
    said = band(made, np.array([50, 5000], np.int32), parts_like(2), calibration, 0.1, GIVEN)
    of = calibration.turnout
    shared = float(np.array([0.01, 0.01]) @ of.scale)
    for row, (electors, k) in enumerate(((50, 0), (5000, 5))):
        half = of.bounds[1, k] * np.sqrt(0.25 / electors + 0.25**2 * shared)
        assert (said.turnout_lo[row], said.turnout_hi[row]) == pytest.approx((0.5 - half, 0.5 + half))
    of = calibration.shares[0]
    half = of.bounds[1, size_class(np.array([300]))[0]] * np.sqrt(0.24 / 300 + 0.24**2 * shared)
    assert said.shares_lo[0] == pytest.approx([0.6 - half, 0.4 - half])
    assert said.shares_hi[0] == pytest.approx([0.6 + half, 0.4 + half])
    narrow = band(made, np.array([50, 5000], np.int32), parts_like(2), calibration, 0.5, GIVEN)
    assert (narrow.turnout_hi < said.turnout_hi).all() and (narrow.shares_hi < said.shares_hi).all()
    assert calibration.contests == ("0", "1", "2")


def test_doubt_of_the_level_is_added_in_squares() -> None:
    calibration, registered = learnt(), np.array([500, 500], np.int32)
    made = forecast_of([0.5, 0.2], [[0.6, 0.4], [0.6, 0.4]])

    def half(given: Scenario) -> tuple[np.ndarray, np.ndarray]:
        said = band(made, registered, parts_like(2), calibration, 0.1, given)
        return said.turnout_hi - made.turnout, said.shares_hi - made.shares

    none, turnout = half(GIVEN), half(dataclasses.replace(GIVEN, turnout_sd=0.1))
    doubt = np.array([0.25, 0.16]) * norm.ppf(0.95) * 0.1
    assert turnout[0] == pytest.approx(np.hypot(none[0], doubt)) and (turnout[0] > none[0]).all()
    assert turnout[1].tolist() == none[1].tolist()
    heavy = half(dataclasses.replace(GIVEN, turnout_sd=0.1, df=3))
    assert heavy[0] == pytest.approx(np.hypot(none[0], doubt / norm.ppf(0.95) * t.ppf(0.95, 3)))
    shares = half(dataclasses.replace(GIVEN, shares_sd=0.1))
    assert shares[0].tolist() == none[0].tolist()
    # Both of two blocs move a share.
    doubt = 0.24 * norm.ppf(0.95) * 0.1 * 2**0.5
    assert shares[1] == pytest.approx(np.hypot(none[1], doubt))


@pytest.mark.parametrize("national", [[0.5, 0.5], [0.2, 0.8], [0.3, 0.25, 0.25, 0.1, 0.1]])
def test_doubt_of_shares_is_as_wide_as_shares_that_are_drawn(national: list[float]) -> None:
    """Found in test: that of two blocs was √2 too narrow. Here are no other doubts."""
    shares = np.array(national)
    steps = shares * np.exp(0.05 * np.random.default_rng(1).standard_normal((40_000, len(shares))))
    drawn = steps / steps.sum(axis=1, keepdims=True)
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    sure = dataclasses.replace(calibrated([]), bounds=np.zeros((2, 6)))
    made = band(
        Forecast(np.array([0.5]), shares[None, :], np.array([400.0])),
        np.array([500], np.int32),
        parts_like(1, len(shares)),
        Calibration((), sure, (sure,) * len(shares)),
        0.1,
        dataclasses.replace(GIVEN, shares=shares, shares_sd=0.05),
    )
    assert (made.shares_hi - made.shares_lo)[0] == pytest.approx(high - low, rel=0.03)


def test_doubt_of_the_level_by_hand() -> None:
    assert doubt_of(0.2, None, 0.1) == pytest.approx(0.2 * 1.6448536)
    assert doubt_of(0.2, 2, 0.1) == pytest.approx(0.2 * 2.9199856)
    assert doubt_of(0.0, 2, 0.1) == 0


def test_a_bloc_that_stands_alone_has_its_share_for_sure() -> None:
    given = dataclasses.replace(GIVEN, shares_sd=0.3)
    made = forecast_of([0.5] * 3, [[1.0, 0.0], [0.6, 0.4], [0.0, 0.0]])
    said = band(made, np.full(3, 500, np.int32), parts_like(3), learnt(), 0.1, given)
    for row in (0, 2):
        assert said.shares_lo[row].tolist() == said.shares_hi[row].tolist() == made.shares[row].tolist()
    assert (said.shares_lo[1] < made.shares[1]).all() and (said.shares_hi[1] > made.shares[1]).all()


def test_bands_stay_within_0_and_1_and_around_the_forecast() -> None:
    made = forecast_of([0.001, 0.999], [[0.001, 0.999], [0.5, 0.5]], valid=3)
    said = band(made, np.array([3, 3], np.int32), parts_like(2), learnt(), 0.1, GIVEN)
    for low, at, high in (
        (said.turnout_lo, made.turnout, said.turnout_hi),
        (said.shares_lo, made.shares, said.shares_hi),
    ):
        assert (low >= 0).all() and (high <= 1).all() and (low <= at).all() and (at <= high).all()


def test_no_blocs_have_no_bounds() -> None:
    calibration = learnt(0)
    made = Forecast(np.array([0.5]), np.zeros((1, 0)), np.array([0.0]))
    given = dataclasses.replace(GIVEN, shares=np.zeros(0))
    said = band(made, np.array([500], np.int32), parts_like(1, 0), calibration, 0.1, given)
    assert said.shares_lo.shape == said.shares_hi.shape == (1, 0) and said.turnout_lo[0] < 0.5


def test_nine_in_ten_of_exchangeable_stations_are_held_in_every_class_of_size() -> None:
    held: list[list[float]] = [[] for _ in range(6)]
    wide: list[float] = []
    for seed in range(12):
        every = [simulated(100 * seed + i, electors=(20, 1500), areas=(40, 10, 6)) for i in range(4)]
        calibration, new = calibrated(every[:3]), every[3]
        half = half_width(calibration, new.forecast, new.counted, new.parts, 0.1)
        inside = np.abs(new.actual - new.forecast) <= half
        of = size_class(new.counted)
        for k in range(6):
            held[k].append(float(inside[of == k].mean()))
        wide.append(float(half.mean()))
    for k, each in enumerate(held):
        assert np.mean(each) == pytest.approx(0.9, abs=0.02), k
    assert max(wide) < 0.25, "or a band of everything would do"


def test_a_station_that_is_hard_to_forecast_has_a_wider_band_than_one_of_its_size() -> None:
    """And the standardised band holds nine in ten of both, where one width per class does not."""
    every = [simulated(seed, scale=(3.0, 3.0), electors=(700, 800)) for seed in range(4)]
    new, calibration = every[3], calibrated(every[:3])
    hard = new.parts.sum(axis=1) > np.quantile(new.parts.sum(axis=1), 0.8)
    ours = half_width(calibration, new.forecast, new.counted, new.parts, 0.1)
    plain = plain_bounds(every[:3], new.counted, 0.1)
    error = np.abs(new.actual - new.forecast)
    assert (error <= ours)[hard].mean() == pytest.approx(0.9, abs=0.03)
    assert (error <= plain)[hard].mean() < 0.86
    assert ours[hard].mean() > ours[~hard].mean() and len(set(plain.tolist())) == 1


def test_plain_bounds_by_hand() -> None:
    size, rows = 19, np.zeros(19, np.intp)
    one = Sample(
        np.full(size, 0.5), 0.5 + np.arange(1, 20) / 100, np.full(size, 50.0), np.ones((size, 2)), rows, rows
    )
    assert plain_bounds([one], np.array([50.0, 2000.0]), 0.1).tolist() == pytest.approx([0.18, 1.0])


def test_a_class_without_enough_errors_takes_the_bound_of_all() -> None:
    """Eight of the smallest class, a thousand of the largest: 90 % of eight is not bounded, 50 % is."""
    large = simulated(1, electors=(1300, 1400), areas=(10, 10, 10))
    small = simulated(2, electors=(40, 60), areas=(2, 2, 2))
    fields = [f.name for f in dataclasses.fields(Sample)]
    both = Sample(*(np.concatenate([getattr(large, f), getattr(small, f)]) for f in fields))
    made = calibrated([both])
    sd = deviation(both.forecast, both.counted, both.parts, made.scale)
    errors = np.abs(both.actual - both.forecast) / sd
    assert made.bounds[1, 0] == bound([errors], 0.1) == made.bounds[1, 3]
    assert made.bounds[0, 0] == bound([errors[-8:]], 0.5)
    assert made.bounds.shape == (2, len(CLASSES) + 1) and logit_slope(both.forecast).min() > 0
