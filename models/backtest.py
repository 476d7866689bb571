"""Forecast past contests as they would have been forecast, by every candidate, and measure the errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from isoloir.domain.election import AsOf
from isoloir.domain.forecast import FeatureMatrix, Forecast, Scenario
from isoloir.domain.ledger import Outcomes

from .protocol import StationModel, TrainingSet
from .reconcile import combined
from .scorecard import turnout_error_pp, votes_misallocated
from .selection import CENSUS, TREES, Champion, Judgement, choose, known_before

SLACK = 0.005
"""Miss of a national share, in a backtest only, that is taken where the forecast turnout can't reach it."""


def level_given(outcomes: Outcomes) -> Scenario:
    """The scenario of a backtest that knows the national figures of the target, and nothing else of it."""
    rate = float(outcomes.valid.sum() / max(1, outcomes.voters.sum()))
    key = outcomes.contest.key
    return Scenario(f"{key} as it came", "given", key, outcomes.turnout(), outcomes.shares(), rate, SLACK)


def level_carried(matrix: FeatureMatrix) -> Scenario:
    """The figures of the reference contest, or of the last one where there is none, of no known spread.

    Votes of blocs that do not stand go to those that do, in each station in proportion to national shares.
    """
    notice, then = matrix.notice, matrix.reference
    stands = notice.standing.any(axis=0)
    # A bloc that is new gets the least that keeps every station's shares defined.
    shares = np.where(stands, np.maximum(then.shares, 1e-3), 0.0)
    local = np.where(notice.standing, shares, 0.0)
    local /= np.maximum(local.sum(axis=1, keepdims=True), 1e-300)
    carried = notice.registered @ local
    name = f"carried from {then.contest}"
    national = carried / max(carried.sum(), 1e-300)
    return Scenario(name, "carried", then.contest, then.turnout, national, then.valid_rate, estimable=False)


@dataclass(frozen=True, slots=True)
class Fold:
    """One past target forecast by every candidate with the level given, and the errors made.

    ``cut``: the day before which all that it rests on was public.
    """

    cut: AsOf
    matrix: FeatureMatrix
    outcomes: Outcomes
    given: Mapping[str, Forecast]
    judgement: Judgement


def fitted(models: Sequence[StationModel], training: TrainingSet) -> tuple[StationModel, ...]:
    """Every model fitted to ``training``."""
    return tuple(model.fit(training) for model in models)


def forecast_all(
    models: Sequence[StationModel], matrix: FeatureMatrix, scenario: Scenario
) -> dict[str, Forecast]:
    """The forecast of each (fitted) model under ``scenario``, by the model's name."""
    return {model.name: model.predict(matrix, scenario) for model in models}


def judged(cut: AsOf, matrix: FeatureMatrix, outcomes: Outcomes, given: Mapping[str, Forecast]) -> Fold:
    """The fold of a past target whose forecasts are ``given``.

    Where no census was public, the trees that use it are those that do not.
    """
    given = {**given, **{n + CENSUS: given[n] for n in TREES if n in given and n + CENSUS not in given}}
    errors = Judgement(
        outcomes.contest,
        {name: turnout_error_pp(f, outcomes) for name, f in given.items()},
        {name: votes_misallocated(f, outcomes) for name, f in given.items()},
    )
    return Fold(cut, matrix, outcomes, given, errors)


def crown(
    champion: Champion, forecasts: Mapping[str, Forecast], matrix: FeatureMatrix, scenario: Scenario
) -> Forecast:
    """The champion's forecast: turnout of one candidate, shares of another, meeting ``scenario`` together."""
    turnout, shares = forecasts[champion.turnout].turnout, forecasts[champion.shares].shares
    return combined(turnout, shares, matrix.notice, scenario)


def champion_at(fold: Fold, earlier: Sequence[Fold]) -> Champion:
    """The champion of a past target, chosen by the folds that were public before its cut."""
    return choose(known_before([f.judgement for f in earlier], fold.cut), fold.outcomes.contest)
