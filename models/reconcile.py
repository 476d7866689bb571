"""Shift forecasts so that they meet national figures, and those of areas, exactly.

The stations are split into cells: each is in the smallest area with figures of its own, or in the rest of
the nation; what the areas within an area leave of its figures is what its other stations have to meet
(models/cells.py). A cell has one shift of the logit of turnout, found by Brent's method, and one level per
bloc of the log of shares, found by iterative proportional fitting sped up by Newton steps.

Of all turnouts and shares that meet the figures these are the nearest to the forecast: those of least
relative entropy to it, stations weighing as in the totals (Csiszár 1975).

Stations that the national figures do not speak of, as where a poll leaves out those abroad, take the shift
and the levels of the rest of the nation, or of the whole where areas leave no rest of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit

from isoloir.domain.errors import ConfigError
from isoloir.domain.forecast import Forecast, Scenario
from isoloir.domain.ledger import Mask, Notice

from .cells import Cells, nation_alone, share_cells, turnout_cells

Floats = NDArray[np.float64]

STEPS = 500
TOLERANCE = 1e-10
"""Largest difference between a reconciled share of a cell and its target."""


def combined(turnout: Floats, shares: Floats, notice: Notice, scenario: Scenario) -> Forecast:
    """One forecast that meets ``scenario`` from the turnout [S] of a model and the shares [S × B] of another.

    Turnout is shifted on the logit scale, shares on the log scale, so that what already meets it stays.
    """
    deviation = logit(np.clip(turnout, 1e-6, 1 - 1e-6))
    return reconciled(deviation, np.log(np.maximum(shares, 1e-9)), notice, scenario)


def reconciled(deviation: Floats, score: Floats, notice: Notice, scenario: Scenario) -> Forecast:
    """The forecast that meets ``scenario`` from logits of turnout [S] and log-strengths of blocs [S × B].

    ConfigError as in :func:`meet_turnout` and :func:`meet_shares`, and where an area of the scenario holds
    no station, or lies in two others.
    """
    registered = notice.registered
    turnout = meet_turnout(deviation, registered, scenario.turnout, turnout_cells(notice, scenario))
    valid = turnout * registered * scenario.valid_rate
    cells = share_cells(notice, scenario)
    shares = meet_shares(score, valid, scenario.shares, notice.standing, scenario.slack, cells)
    return Forecast(turnout, shares, valid)


def meet_turnout(
    deviation: Floats, registered: NDArray[np.int32], turnout: float, cells: Cells | None = None
) -> Floats:
    """Turnout [S] in (0, 1): ``expit(deviation + shift)``, one shift per cell so that all totals are met.

    The registered-weighted mean of the result is ``turnout`` over the nation, and that of each area its own.
    The shifts are found by Brent's method. ConfigError, with both sums, where areas contradict what holds
    them: where they are all of it and come to another turnout, or leave one outside (0, 1) to the rest.
    """
    cells = nation_alone(len(deviation), ("turnout",)) if cells is None else cells
    weight = np.where(cells.counted, registered, 0.0)
    everywhere = np.ones((len(deviation), 1), np.bool_)
    within, rates = cells.left(weight, np.array([turnout]), everywhere)
    _check_open(rates[:, 0], cells)
    shift = np.empty(len(deviation))
    for number, rows in cells.rows(within):
        shift[rows] = _shift(deviation[rows], weight[rows] / within[number], rates[number, 0])
    idle = cells.idle(within)
    if len(idle):
        shift[idle] = _shift_of_all(deviation, np.where(cells.in_nation(), weight, 0.0), turnout)
    return np.asarray(expit(deviation + shift))


def _check_open(rates: Floats, cells: Cells) -> None:
    for number in np.flatnonzero((rates <= 0) | (rates >= 1)).tolist():
        raise ConfigError(
            f"{cells.label(number)} is to have a turnout of {rates[number]:.7f}: it must lie between 0 and 1",
            where="turnout of the scenario",
            remedy=f"correct that of {cells.names[number]}, or of the areas within it",
        )


def _shift(deviation: Floats, mass: Floats, turnout: float) -> float:
    """The shift that brings the ``mass``-weighted turnout to ``turnout``."""

    def miss(shift: float) -> float:
        return float(mass @ expit(deviation + shift) - turnout)

    reach = 40.0 + float(np.abs(deviation).max())
    return float(brentq(miss, -reach, reach, xtol=1e-14))


def _shift_of_all(deviation: Floats, weight: Floats, turnout: float) -> float:
    """The shift of the whole nation, areas or not; where it has no elector, that of a station like it."""
    total = weight.sum()
    return _shift(deviation, weight / total, turnout) if total > 0 else float(logit(turnout))


def meet_shares(
    score: Floats,
    weight: Floats,
    shares: Floats,
    standing: Mask,
    slack: float = 0.0,
    cells: Cells | None = None,
) -> Floats:
    """Shares [S × B] whose rows sum to 1, with ``weight``-ed means ``shares`` [B] and those of each area.

    ``score`` is a log-strength. The result is ``exp(score + a_b) / row sum`` where the bloc stands and 0
    elsewhere, a level a_b for each cell: the member of that family that meets the totals (iterative
    proportional fitting, Deming and Stephan 1940, sped up by Newton steps). A station where nobody stands is
    taken to offer every bloc.

    ConfigError where no such shares exist, as when a bloc's target passes the votes of the stations where it
    stands; a miss of up to ``slack`` is taken then. With both sums where areas contradict what holds them.
    """
    if not len(shares):
        return np.zeros(score.shape)
    blocs = tuple(f"bloc {b + 1}" for b in range(len(shares)))
    cells = nation_alone(len(score), blocs) if cells is None else cells
    offered = standing | ~standing.any(axis=1, keepdims=True)
    within, rates = cells.left(weight, shares, offered)
    if len(cells.names) > 1:
        rates = rates / rates.sum(axis=1, keepdims=True)  # what is left may be rounded
    counted = np.where(cells.counted, weight, 0.0)
    out = np.empty(score.shape)
    for number, rows in cells.rows(within):
        wanted, label, strength = rates[number], cells.label(number), _strength(score[rows], offered[rows])
        _check_stands(wanted, offered[rows] & (counted[rows] > 0)[:, None], slack, cells, number)
        _check_chosen(offered[rows], weight[rows], wanted, label)
        level = _level(strength, counted[rows] / within[number], wanted, slack, label)
        out[rows] = _rows(strength * (wanted > 0), level)
    idle = cells.idle(within)
    if len(idle):
        _check_chosen(offered[idle], weight[idle], shares, cells.label(0))
        strength, nation = _strength(score, offered), np.where(cells.in_nation(), weight, 0.0)
        out[idle] = _rows(strength[idle] * (shares > 0), _level_of_all(strength, nation, shares, slack))
    return out


def _strength(score: Floats, offered: Mask) -> Floats:
    top = np.where(offered, score, -np.inf).max(axis=1, keepdims=True)
    return np.where(offered, np.exp(np.clip(score - top, -60, 0)), 0.0)


def _check_stands(shares: Floats, offered: Mask, slack: float, cells: Cells, number: int) -> None:
    """ConfigError where a bloc is to get votes in a cell in which it stands nowhere."""
    for bloc in np.flatnonzero((shares > slack) & ~offered.any(axis=0)):
        label = cells.label(number)
        raise ConfigError(
            f"no station shares meet the scenario's: {cells.quantities[bloc]} stands nowhere in {label}, "
            f"and is to have {shares[bloc]:.5%} there",
            where="shares of the scenario",
            remedy=f"correct its share in {cells.names[number]}, or the offer",
        )


def _check_chosen(offered: Mask, weight: Floats, shares: Floats, label: str) -> None:
    """ConfigError where voters have no bloc to choose that is to get a vote."""
    lost = ~offered[:, shares > 0].any(axis=1) & (weight > 0)
    if lost.any():
        raise ConfigError(
            "in some stations only blocs stand to which the scenario gives no vote: "
            f"{int(lost.sum())} station(s) of {label}",
            where="shares of the scenario",
            remedy="give every bloc that stands a share above 0",
        )


def _level_of_all(strength: Floats, weight: Floats, shares: Floats, slack: float) -> Floats:
    """The levels of the whole nation, areas or not; where it has no vote, those of a station like it."""
    total = weight.sum()
    if total <= 0:
        return np.asarray(np.log(np.maximum(shares, 1e-300)))
    return _level(strength, weight / total, shares, slack, "the nation")


def _level(strength: Floats, mass: Floats, shares: Floats, slack: float, label: str) -> Floats:
    """The level [B] of each bloc with which the ``mass``-weighted means of the rows are ``shares``."""
    wanted = shares > 0
    strength, level = strength * wanted, np.zeros(len(shares))
    for step in range(STEPS):
        rows = _rows(strength, level)
        miss = np.where(wanted, shares - mass @ rows, 0.0)
        if np.abs(miss).max() < (TOLERANCE if step < STEPS // 5 else max(TOLERANCE, slack)):
            return level
        level = _better(strength, level, mass, shares, wanted, rows, miss)
    raise ConfigError(
        f"no station shares meet the scenario's in {label} (a bloc is off by {np.abs(miss).max():.2g})",
        where="shares of the scenario",
        remedy="lower the shares of blocs that stand in few stations, or correct the offer",
    )


def _rows(strength: Floats, level: Floats) -> Floats:
    rows = strength * np.exp(level - level.max())
    return np.asarray(rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-300))


def _better(
    strength: Floats, level: Floats, mass: Floats, shares: Floats, wanted: Mask, rows: Floats, miss: Floats
) -> Floats:
    """The next level: a Newton step of the convex dual where that halves the miss, else one of fitting.

    Fitting alone takes thousands of steps where most stations offer two blocs; Newton alone may overshoot.
    """
    curvature = np.diag(mass @ rows) - (rows * mass[:, None]).T @ rows
    step = np.linalg.lstsq(curvature, miss, rcond=1e-12)[0]
    newton = level + np.clip(step, -5, 5)
    left = np.where(wanted, shares - mass @ _rows(strength, newton), 0.0)
    if np.abs(left).max() < np.abs(miss).max() / 2:
        return np.asarray(newton)
    ratio = np.where(wanted, shares, 1.0) / np.maximum(np.where(wanted, mass @ rows, 1.0), 1e-300)
    return np.asarray(level + np.log(ratio))
