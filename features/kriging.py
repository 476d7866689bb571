"""Simple kriging over contests: what deviations at past contests say of the one to come.

A deviation at contest c is taken as a draw of a Gaussian process with covariance

    k(c, c') = common + slow exp(−|years| / 20) + fast exp(−|years| / 4)
             + [same kind] (kind + kind_slow exp(−|years| / 8)) + [same kind and round] round
             + [two rounds of one ballot] ballot + [within 120 days] season

plus a nugget, and counting noise where sizes are given. The forecast is the mean K⁻¹k of the past deviations
(Rasmussen & Williams 2006, eq. 2.25), given those that are known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.election import Contest

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

SLOW, FAST, KIND_SLOW = 20.0, 4.0, 8.0
"""Years in which what contests share fades to 1/e."""

SEASON_DAYS = 120
"""Days within which two contests are of one season, and two of a kind of one ballot."""

SMALLEST, CLASSES = 50.0, 9
"""Electors at which classes of size begin: they double, and the last is open; the first has all below it."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """Variances of the components of :func:`covariance` and of the nugget, in squared units of deviations."""

    common: float
    kind: float
    ballot: float
    fast: float
    nugget: float
    slow: float = 0.0
    kind_slow: float = 0.0
    round: float = 0.0
    season: float = 0.0


def covariance(kernel: Kernel, left: tuple[Contest, ...], right: tuple[Contest, ...]) -> Floats:
    """Covariances [L × R] between the deviations at two sets of contests, the nugget left out."""
    shape = (len(left), len(right))
    days = np.array([[abs((a.held_on - b.held_on).days) for b in right] for a in left], np.float64)
    kind = np.array([[a.kind == b.kind for b in right] for a in left], np.float64)
    turn = np.array([[a.round == b.round for b in right] for a in left], np.float64)
    days, kind, turn = days.reshape(shape), kind.reshape(shape), turn.reshape(shape)
    years, season = days / 365.25, days <= SEASON_DAYS
    return np.asarray(
        kernel.common
        + kernel.slow * np.exp(-years / SLOW)
        + kernel.fast * np.exp(-years / FAST)
        + kind * (kernel.kind + kernel.kind_slow * np.exp(-years / KIND_SLOW) + kernel.round * turn)
        + season * (kernel.ballot * kind + kernel.season)
    )


@dataclass(frozen=True, slots=True)
class Kriged:
    """What past deviations say: the ``mean`` [N] of the one to come, and its ``variance`` [N] around that."""

    mean: Floats
    variance: Floats


def weights(kernel: Kernel, past: tuple[Contest, ...], target: Contest) -> Floats:
    """The weight [C] of each past contest's deviation in that of ``target``, counts taken for exact."""
    every = (*past, target)
    return _solved(kernel, covariance(kernel, every, every), np.zeros(len(past)))[0]


def kriged(
    kernel: Kernel,
    contests: tuple[Contest, ...],
    target: Contest,
    deviation: Floats,
    registered: NDArray[np.integer],
    nation: Floats,
) -> Kriged:
    """The deviation to come from past ones [N × C] of places with ``registered`` [N × C] electors.

    A deviation counts where anybody is registered. ``nation`` [C], the national turnouts, tell how noisy a
    logit of counts is: 1 / (electors · p (1 − p)), by classes of size of the row's largest roll.
    """
    known = registered > 0
    size = size_class(registered.max(axis=1, initial=0))
    spread = np.clip(nation * (1 - nation), 0.05, 0.25)
    among = covariance(kernel, (*contests, target), (*contests, target))
    mean, variance = np.zeros(len(known)), np.zeros(len(known))
    for k in np.unique(size):
        rows = np.flatnonzero(size == k)
        noise = 1 / (SMALLEST * 2 ** (k + 0.5) * spread)
        patterns, pattern = _patterns(known[rows])
        weight, left = np.zeros(patterns.shape), np.zeros(len(patterns))
        for i, of_it in enumerate(patterns):
            seen = np.flatnonzero(of_it)
            chosen = np.append(seen, len(contests))
            weight[i, seen], left[i] = _solved(kernel, among[np.ix_(chosen, chosen)], noise[seen])
        mean[rows] = (weight[pattern] * np.where(known[rows], deviation[rows], 0.0)).sum(axis=1)
        variance[rows] = left[pattern]
    return Kriged(mean, variance)


def _solved(kernel: Kernel, among: Floats, noise: Floats) -> tuple[Floats, float]:
    """The weights [C], and the variance that is left; ``noise`` [C] is added to the nugget.

    ``among`` [C + 1 × C + 1] are the covariances among past contests and the target, which is the last.
    """
    inside = among[:-1, :-1] + np.diag(kernel.nugget + noise)
    towards = among[:-1, -1].copy()
    weight = np.linalg.solve(inside, towards)
    whole = among[-1, -1] + kernel.nugget
    return np.asarray(weight), float(whole - towards @ weight)


def _patterns(known: Mask) -> tuple[Mask, NDArray[np.intp]]:
    """The distinct rows, and which of them each row is."""
    packed = np.ascontiguousarray(np.packbits(known, axis=1))
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).reshape(-1)
    _, first, pattern = np.unique(keys, return_index=True, return_inverse=True)
    return known[first], pattern


def size_class(registered: NDArray[np.integer]) -> NDArray[np.intp]:
    """The class of each size, from 0: below 100 electors, below 200, and so on by doubling."""
    doubled = np.floor(np.log2(np.maximum(registered, SMALLEST) / SMALLEST))
    return np.asarray(np.minimum(doubled, CLASSES - 1), np.intp)
