"""The prior: a Gaussian process over contests, the deviation of a station as its value.

A station's deviation at contest c is taken as a draw with covariance

    k(c, c') = common + kind [same kind] + ballot [two rounds of one ballot] + time exp(−|years| / scale)

plus a nugget for counting noise. The prior for the target is the simple-kriging mean K⁻¹k of the past
deviations (Rasmussen & Williams 2006, eq. 2.25).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.election import Contest

from .catalogue import feature
from .rules import (
    share_last_round,
    share_mean_deviation,
    share_same_kind,
    turnout_last_round,
    turnout_mean_deviation,
    turnout_same_kind,
)
from .view import View

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Kernel:
    """Variances of the components, relative to one another; ``scale`` in years."""

    common: float
    kind: float
    ballot: float
    time: float
    scale: float
    nugget: float


# Chosen on France's targets up to 2019_euro_t1, over 81 and 24 candidates; no later round was looked at.
TURNOUT_KERNEL = Kernel(common=1.0, kind=0.3, ballot=0.5, time=0.1, scale=4.0, nugget=0.4)
SHARES_KERNEL = Kernel(common=1.0, kind=0.1, ballot=0.5, time=0.1, scale=4.0, nugget=0.2)


def covariance(kernel: Kernel, left: tuple[Contest, ...], right: tuple[Contest, ...]) -> Floats:
    """Covariances [L × R] between the deviations at two sets of contests, the nugget left out."""
    days = np.array([[abs((a.held_on - b.held_on).days) for b in right] for a in left], dtype=np.float64)
    same = np.array([[a.kind == b.kind for b in right] for a in left], dtype=np.float64)
    days, same = days.reshape(len(left), len(right)), same.reshape(len(left), len(right))
    ballot = same * (days <= 120)
    return np.asarray(
        kernel.common
        + kernel.kind * same
        + kernel.ballot * ballot
        + kernel.time * np.exp(-days / 365.25 / kernel.scale)
    )


def weights(kernel: Kernel, past: tuple[Contest, ...], target: Contest) -> Floats:
    """The weight [C] of each past contest's deviation in the prior of ``target``."""
    inside = covariance(kernel, past, past) + kernel.nugget * np.eye(len(past))
    return np.asarray(np.linalg.solve(inside, covariance(kernel, past, (target,)))[:, 0])


def weights_where(kernel: Kernel, past: tuple[Contest, ...], target: Contest, known: Mask) -> Floats:
    """The weights [N × C] in the prior of ``target`` given only the contests that are ``known`` [N × C]."""
    patterns, pattern = np.unique(known, axis=0, return_inverse=True)
    out = np.zeros(patterns.shape)
    for row, of_it in zip(out, patterns, strict=True):
        seen = np.flatnonzero(of_it)
        if len(seen):
            row[seen] = weights(kernel, tuple(past[i] for i in seen), target)
    return np.asarray(out[pattern.reshape(-1)])


def weighted_turnout(kernel: Kernel, deviation: Floats, past: tuple[Contest, ...], target: Contest) -> Floats:
    """The prior of the turnout deviation [S], given the past deviations [S × C]."""
    return np.asarray(deviation @ weights(kernel, past, target))


def weighted_shares(kernel: Kernel, score: Floats, past: tuple[Contest, ...], target: Contest) -> Floats:
    """The prior of the log-strengths [S × B], given the past ones [S × C × B]; NaN where it did not stand.

    A contest in which the bloc stood nowhere takes no part; where it stood elsewhere only, its gap is 0.
    """
    prior = np.zeros((score.shape[0], score.shape[2]))
    for b in range(score.shape[2]):
        stood = [c for c in range(len(past)) if not np.isnan(score[:, c, b]).all()]
        if stood:
            used = weights(kernel, tuple(past[c] for c in stood), target)
            prior[:, b] = np.nan_to_num(score[:, stood, b]) @ used
    return prior


@feature("logit")
def turnout_prior(view: View) -> Floats:
    """The prior's deviation of turnout: the kriging mean of past deviations."""
    return weighted_turnout(TURNOUT_KERNEL, view.followed.turnout, view.panel.contests, view.notice.contest)


@feature("log", per_bloc=True)
def share_prior(view: View) -> Floats:
    """The prior's log of the bloc's share over the nation's: the kriging mean of past ones."""
    return weighted_shares(SHARES_KERNEL, view.followed.shares, view.panel.contests, view.notice.contest)


@feature("logit")
def turnout_pool(view: View) -> Floats:
    """The prior pooled with naive rules: the first round for a second one, else the mean and the kind."""
    prior = turnout_prior(view)
    if view.first_round >= 0:
        return np.asarray((prior + turnout_last_round(view)) / 2)
    return np.asarray((prior + turnout_mean_deviation(view) + turnout_same_kind(view)) / 3)


@feature("log", per_bloc=True)
def share_pool(view: View) -> Floats:
    """The same for the log of the bloc's share over the nation's."""
    prior = share_prior(view)
    if view.first_round >= 0:
        return np.asarray((prior + share_last_round(view)) / 2)
    return np.asarray((prior + share_mean_deviation(view) + share_same_kind(view)) / 3)


@feature("logit")
def turnout_anchor(view: View) -> Floats:
    """What trees correct: the prior where the first round of the ballot is known, else the pool."""
    return turnout_prior(view) if view.first_round >= 0 else turnout_pool(view)


@feature("log", per_bloc=True)
def share_anchor(view: View) -> Floats:
    """The same for the log of the bloc's share over the nation's."""
    return share_prior(view) if view.first_round >= 0 else share_pool(view)
