"""Joint draws of a forecast: what areas may come to, of which the bounds of stations say nothing.

    logit turnout = shift + logit(forecast) + department + commune + station + counting noise

Each term is a normal draw with its part of the variance of spread.py, widened by what the conformal bounds of
the station's size class found; the shift makes the nation meet a draw of its own figure. Strengths of blocs
are moved the same way in logs, and raked to a draw of the nation's shares. Where a bloc stands alone, or not
at all, nothing is drawn. Figures that the scenario states of areas are not held fixed in draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm

from isoloir.domain.forecast import Forecast, Scenario
from isoloir.domain.ledger import Notice
from isoloir.domain.station import grouped

from .intervals import ALPHAS, Calibrated, Calibration, Parts, size_class
from .spread import contested, logit_slope, mixed, shared_variance

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

COUNT, SEED = 200, 20270418
"""How many draws a release rests on, and where they begin."""

STEPS = 6
"""Newton steps and rakings: a draw meets the nation's turnout to about 1e-6.

So it does its shares where the same blocs stand everywhere; to about 0.2 pp where each station has two.
"""

SCALINGS = 20
"""Steps of the scaling of blocs' variances: shares have theirs to a few percent, of two blocs exactly."""

WIDEST = 4.0
"""Bounds over those of a normal law beyond which a class is taken for one without errors to learn from."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One way that the contest may go: ``turnout`` [S], ``shares`` [S × B], row for row with the notice."""

    turnout: Floats
    shares: Floats


@dataclass(frozen=True, slots=True)
class Areas:
    """Where stations lie: rows of departments and of communes [S], and how many there are of each."""

    department: Rows
    commune: Rows
    departments: int
    communes: int


@dataclass(frozen=True, slots=True)
class Steps:
    """Standard deviations on the logit scale [S]: what areas share, and what is the station's own."""

    department: Floats
    commune: Floats
    station: Floats

    def drawn(self, areas: Areas, rng: np.random.Generator) -> Floats:
        """One draw of the sum [S]."""
        return np.asarray(
            self.department * rng.standard_normal(areas.departments)[areas.department]
            + self.commune * rng.standard_normal(areas.communes)[areas.commune]
            + self.station * rng.standard_normal(len(self.station))
        )


def draws(
    forecast: Forecast, notice: Notice, parts: Parts, learnt: Calibration, scenario: Scenario,
    count: int = COUNT, seed: int = SEED,
) -> Iterator[Draw]:  # fmt: skip
    """``count`` draws around ``forecast`` under what the ``scenario`` says of its own doubt; seeded.

    The nation is drawn around what the forecast comes to over the electors of ``notice``: that is not the
    scenario's figure where this is of some departments only, or where stations are withheld.
    """
    rng = np.random.default_rng(seed)
    areas = _areas(notice)
    counted = notice.registered.astype(np.float64)
    of_turnout = _steps(learnt.turnout, forecast.turnout, counted, parts.turnout)
    of_shares = [
        _steps(one, forecast.shares[:, b], forecast.expected_valid, parts.shares[b])
        for b, one in enumerate(learnt.shares)
    ]
    alone = _alone(forecast.shares)
    centre = _centred(scenario, forecast, counted)
    base = logit(np.clip(forecast.turnout, 1e-4, 1 - 1e-4))
    open_to = contested(forecast.shares > 0)
    strength = np.log(np.maximum(forecast.shares, 1e-9))
    for _ in range(count):
        level, shares = national(centre, rng)
        turnout = _meet(base + of_turnout.drawn(areas, rng), counted, level)
        if not len(of_shares):
            yield Draw(turnout, forecast.shares)
            continue
        moved = np.stack([one.drawn(areas, rng) for one in of_shares], axis=1) * alone
        weight = turnout * counted * scenario.valid_rate
        yield Draw(turnout, _rake(strength + moved, open_to, forecast.shares, weight, shares))


def national(scenario: Scenario, rng: np.random.Generator) -> tuple[float, Floats]:
    """One draw of the nation's turnout and shares: Student's t on the logit and on logs, or normal."""
    steps = rng.standard_normal(1 + len(scenario.shares))
    if scenario.df is not None:
        steps /= np.sqrt(rng.chisquare(scenario.df, 2) / scenario.df)[np.minimum(np.arange(len(steps)), 1)]
    turnout = float(expit(logit(np.clip(scenario.turnout, 1e-4, 1 - 1e-4)) + scenario.turnout_sd * steps[0]))
    shares = scenario.shares * np.exp(scenario.shares_sd * steps[1:])
    return turnout, shares / max(float(shares.sum()), 1e-300) if len(shares) else shares


def _areas(notice: Notice) -> Areas:
    communes, commune = grouped(notice.stations.commune_code)
    departments, department = grouped(notice.stations.department_code)
    return Areas(department, commune, len(departments), len(communes))


def _steps(learnt: Calibrated, said: Floats, counted: Floats, parts: Floats) -> Steps:
    wide = learnt.bounds[ALPHAS.index(0.1), size_class(counted)] / norm.ppf(0.95)
    wide = np.minimum(wide, WIDEST)
    shared = shared_variance(parts, learnt.scale) * wide**2
    noise = wide**2 / (np.maximum(counted, 1) * logit_slope(said))
    department, commune, station = (shared * part for part in learnt.components)
    return Steps(np.sqrt(department), np.sqrt(commune), np.sqrt(station + noise))


def _centred(scenario: Scenario, forecast: Forecast, registered: Floats) -> Scenario:
    """The scenario with what the forecast comes to for its figures."""
    voters = forecast.turnout * registered
    votes = voters @ forecast.shares
    return replace(
        scenario,
        turnout=float(voters.sum() / max(registered.sum(), 1.0)),
        shares=votes / max(float(votes.sum()), 1e-300),
    )


def _alone(shares: Floats) -> Floats:
    """What each bloc's step is multiplied by [S × B], so that shares move as much as they should.

    So that :func:`.spread.mixed` makes of its square a variance of 1: by iterative scaling.
    """
    variance = np.ones(shares.shape)
    for _ in range(SCALINGS):
        variance /= mixed(shares, variance)
    return np.sqrt(variance)


def _meet(logits: Floats, registered: Floats, turnout: float) -> Floats:
    """Turnout [S] whose total is the nation's, by Newton's method."""
    weight = registered / max(registered.sum(), 1.0)
    # The shift that is right if all are alike: from further off Newton may overshoot and not come back.
    shift = float(_logit(turnout) - _logit(float(weight @ expit(logits))))
    for _ in range(STEPS):
        said = expit(logits + shift)
        shift -= (weight @ said - turnout) / max(weight @ (said * (1 - said)), 1e-9)
    return np.asarray(expit(logits + shift))


def _logit(share: float) -> float:
    return float(logit(np.clip(share, 1e-6, 1 - 1e-6)))


def _rake(
    strength: Floats, open_to: NDArray[np.bool_], fixed: Floats, weight: Floats, shares: Floats
) -> Floats:
    """Shares [S × B] that sum to 1 and meet the nation's about; ``fixed`` where nothing is open."""
    odds = np.where(open_to, np.exp(strength), 0.0)
    free = open_to.any(axis=1)
    wanted = np.maximum(shares * weight.sum() - weight[~free] @ fixed[~free], 0.0)
    level = np.ones(len(shares))
    weight = weight[free]
    said = odds = odds[free]
    for _ in range(STEPS):
        said = odds * level
        said = said / np.maximum(said.sum(axis=1, keepdims=True), 1e-300)
        reach = weight @ said
        level = level * np.where((wanted > 0) & (reach > 0), wanted / np.maximum(reach, 1e-300), 1.0)
    out = fixed.copy()
    out[free] = said
    return out
