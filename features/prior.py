"""The prior: a station's deviations kriged over contests (kriging.py), and its pool with naive rules."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.election import Contest

from .catalogue import feature
from .kriging import Kernel, weights
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


# Chosen on France's targets up to 2019_euro_t1, over 81 and 24 candidates; no later round was looked at.
TURNOUT_KERNEL = Kernel(common=1.0, kind=0.3, ballot=0.5, fast=0.1, nugget=0.4)
SHARES_KERNEL = Kernel(common=1.0, kind=0.1, ballot=0.5, fast=0.1, nugget=0.2)


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
