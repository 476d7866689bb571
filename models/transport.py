"""Votes moved between blocs by the plan of least cost, and the pool of several pasts moved so.

A plan says which part of a bloc's votes goes to each bloc. Of all that bring the shares of an earlier contest
to the scenario's, it is the nearest to exp(−cost / BLUR), the cost being how far two blocs are apart (Cuturi
2013: optimal transport, blurred by entropy):

    part of i's votes that go to j, among the blocs that stand ∝ exp(level_j − cost_ij / BLUR)

One level per bloc serves all stations, so that votes of a bloc that does not stand go to those near to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.forecast import FeatureMatrix, Forecast, Scenario
from isoloir.domain.ledger import Mask, Notice

from .protocol import TrainingSet
from .reconcile import meet_shares, meet_turnout

Floats = NDArray[np.float64]

APART = "other"
"""The bloc that is on no axis: as far from each as neighbours are from one another."""

# Chosen on France's targets up to 2019_euro_t1 and on Denmark's up to 2019; no later one was looked at.
BLUR = 0.35
STEPS = 4
"""Halvings of the blur on the way to a plan."""

MOVED = 8.0
"""How fast a past tells less, the more votes have to change sides since."""

SHARPER = 1.1
"""Power of the pooled shares: a mean of forecasts is duller than each (Ranjan & Gneiting 2010)."""

FAINT = 1e-6
"""Share of a bloc that did not stand."""

PASTS = ("past1", "past2", "past3")


def distance(blocs: tuple[str, ...]) -> Floats:
    """How far two blocs are apart [B × B]: the places between them in the grouping's order.

    Where the grouping lists them along an axis, as research groupings do, that is how far they are on it.
    """
    axis = np.cumsum([bloc != APART for bloc in blocs]).astype(np.float64)
    cost = np.abs(axis[:, None] - axis[None, :])
    apart = np.array([bloc == APART for bloc in blocs])
    cost[apart, :] = cost[:, apart] = 1.0
    np.fill_diagonal(cost, 0.0)
    return cost


def plans(
    mass: Floats, shares: Floats, standing: Mask, cost: Floats, blur: float = BLUR, slack: float = 0.0
) -> Floats:
    """Plans [N × B × B] of N groups of stations that bring ``mass`` [N × B] to ``shares``; rows sum to 1.

    ``standing`` [N × B]: who stands in a group. ConfigError as in :func:`.reconcile.meet_shares`.
    """
    groups, blocs = mass.shape
    weight, standing = mass.ravel(), np.repeat(standing, blocs, axis=0)
    part = np.exp(np.broadcast_to(-cost, (groups, blocs, blocs)).reshape(-1, blocs))
    before = 1.0
    # From a coarse plan to the fine one: fitted at once, a sharp plan hardly tells which way to go.
    for now in (*blur * 2.0 ** np.arange(STEPS, 0, -1), blur):
        # The plan of one blur to the power of before / now has the costs of the next, and nearly its levels.
        score = before / now * np.log(np.maximum(part, 1e-300))
        part = meet_shares(score, weight, shares, standing, slack)
        before = now
    return part.reshape(groups, blocs, blocs)


def transported(past: Floats, weight: Floats, notice: Notice, scenario: Scenario) -> Floats:
    """The shares ``past`` [S × B] moved to the scenario's by plans, one per set of blocs that stand.

    Their ``weight``-ed means are the scenario's. ``past`` is above 0 and its rows sum to 1.
    """
    offers, group = np.unique(_offered(notice), axis=0, return_inverse=True)
    mass = np.zeros(offers.shape)
    np.add.at(mass, group.ravel(), past * weight[:, None])
    cost = distance(notice.blocs)
    plan = plans(mass, scenario.shares, offers, cost, slack=scenario.slack)
    out = np.empty(past.shape)
    for number in range(len(offers)):
        rows = np.flatnonzero(group.ravel() == number)
        out[rows] = past[rows] @ plan[number]
    return out


def raked(shares: Floats, weight: Floats, notice: Notice, scenario: Scenario) -> Floats:
    """The shares [S × B] scaled, bloc by bloc, to the scenario's, and to the offer."""
    score = np.log(np.maximum(shares, 1e-9))
    return meet_shares(score, weight, scenario.shares, notice.standing, scenario.slack)


def closed(shares: Floats, weight: Floats) -> Floats:
    """Shares [S × B] above 0 whose rows sum to 1: gaps get the mean, blocs that stood nowhere a faint one."""
    known = ~np.isnan(shares)
    votes = weight @ np.where(known, shares, 0.0)
    mean = votes / np.maximum(weight @ known, 1e-300)
    filled = np.maximum(np.where(known, shares, mean), FAINT)
    return np.asarray(filled / filled.sum(axis=1, keepdims=True))


def _offered(notice: Notice) -> Mask:
    return np.asarray(notice.standing | ~notice.standing.any(axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class Transported:
    """The pool of up to three pasts, each half scaled and half transported to the scenario; learns nothing.

    A past weighs what it tells (features/references.py), less by the votes that have to change sides from it:
    half the sum of the gaps between its shares, among the blocs that stand, and the scenario's. In a later
    round the pool and the prior count in equal parts. Without a past that tells anything it is the prior.
    """

    name: str = "transported"

    def fit(self, training: TrainingSet) -> Self:
        """Itself."""
        return self

    def predict(self, matrix: FeatureMatrix, scenario: Scenario) -> Forecast:
        """The forecast under ``scenario``, which it meets exactly."""
        notice = matrix.notice
        turnout = meet_turnout(matrix.column("turnout_prior"), notice.registered, scenario.turnout)
        valid = turnout * notice.registered * scenario.valid_rate
        prior = meet_shares(
            matrix.per_bloc("share_prior"), valid, scenario.shares, notice.standing, scenario.slack
        )
        shares = _pooled(matrix, valid, scenario)
        if shares is None:
            return Forecast(turnout, prior, valid)
        if notice.contest.round > 1:
            shares = raked((shares + prior) / 2, valid, notice, scenario)
        return Forecast(turnout, shares, valid)


def inputs(blocs: tuple[str, ...]) -> list[str]:
    """The feature columns that :class:`Transported` reads."""
    shares = [f"{stem}_{bloc}" for stem in ("share_prior", *(f"{p}_share" for p in PASTS)) for bloc in blocs]
    return ["turnout_prior", *(f"{p}_weight" for p in PASTS), *shares]


def _pooled(matrix: FeatureMatrix, valid: Floats, scenario: Scenario) -> Floats | None:
    """The pool of the pasts that tell anything, sharpened; None where none does."""
    notice = matrix.notice
    if not len(notice.blocs):
        return None
    pool, total = np.zeros(notice.standing.shape), 0.0
    for name in PASTS:
        told = float(matrix.column(f"{name}_weight").max(initial=0.0))
        if told <= 0:
            continue
        past = closed(matrix.per_bloc(f"{name}_share"), valid)
        told *= float(np.exp(-MOVED * _to_move(past, valid, notice, scenario)))
        both = raked(past, valid, notice, scenario) + transported(past, valid, notice, scenario)
        pool, total = pool + told * both / 2, total + told
    if total <= 0:
        return None
    return raked((pool / total) ** SHARPER, valid, notice, scenario)


def _to_move(past: Floats, weight: Floats, notice: Notice, scenario: Scenario) -> float:
    """Part of the votes that change sides from ``past`` to the scenario, in [0, 1]."""
    among = np.where(_offered(notice), past, 0.0)
    among /= among.sum(axis=1, keepdims=True)
    mean = weight @ among / max(weight.sum(), 1e-300)
    return float(np.abs(mean - scenario.shares).sum() / 2)
