"""Turnout: the anchor (features/prior.py), corrected by boosted trees as far as the correction earned it.

    logit turnout = national shift + anchor + shrink · trees(features)

The trees are fitted to logit(observed) − logit(nation) − anchor at earlier contests, each row weighing the
inverse of its residual variance plus its counting noise. ``shrink`` is chosen on the latest lessons, each
forecast by trees that saw the lessons before it only. Shares are the anchor's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from isoloir.domain.forecast import FeatureMatrix, Forecast, Scenario
from isoloir.features.history import SMOOTHING

from .baselines import Basis, basis_of, forecast_from
from .boosting import FEWEST, RESIDUAL_VARIANCE, Boosting, Sample, corrected, learn, stride
from .protocol import Lesson, TrainingSet
from .reconcile import meet_turnout

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BoostedTurnout:
    """The boosted model of turnout; unfitted it is the anchor."""

    settings: Boosting
    trees: str = ""
    shrink: float = 0.0
    name: str = "boosted_turnout"

    def fit(self, training: TrainingSet) -> Self:
        """Trees on every lesson, kept in the part that they earned; the anchor alone with too few."""
        trees, shrink = learn(training.alike(FEWEST), self.settings, _sample, _trial)
        return replace(self, trees=trees, shrink=shrink)

    def predict(self, matrix: FeatureMatrix, scenario: Scenario) -> Forecast:
        """The forecast under ``scenario``, which it meets exactly."""
        basis = basis_of(matrix, ("anchor",))
        correction = corrected(self.trees, inputs(matrix, self.settings))
        return forecast_from(
            Basis(basis.turnout + self.shrink * correction, basis.shares), matrix.notice, scenario
        )


def inputs(matrix: FeatureMatrix, settings: Boosting) -> Floats:
    """The features of the turnout model [S × F]."""
    return matrix.columns(columns_of(matrix, settings.features))


def columns_of(matrix: FeatureMatrix, features: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of ``features``: the one of that name, or the one of each bloc."""
    blocs = matrix.notice.blocs
    return tuple(
        column for f in features for column in ([f] if f in matrix.names else [f"{f}_{b}" for b in blocs])
    )


def _sample(lesson: Lesson, settings: Boosting) -> Sample:
    """The residuals of the stations with electors, thinned, and their precision."""
    outcomes = lesson.outcomes
    held = np.flatnonzero(outcomes.registered > 0)
    rows = held[stride(len(held), settings.rows)]
    registered = outcomes.registered[rows].astype(np.float64)
    nation = np.clip(outcomes.turnout(), 1e-6, 1 - 1e-6)
    turnout = (outcomes.voters[rows] + SMOOTHING * nation) / (registered + SMOOTHING)
    residual = logit(turnout) - logit(nation) - lesson.matrix.column("turnout_anchor")[rows]
    noise = 1 / ((registered + SMOOTHING) * turnout * (1 - turnout))
    return Sample(inputs(lesson.matrix, settings)[rows], residual, 1 / (RESIDUAL_VARIANCE + noise))


def _trial(trees: str, lesson: Lesson, settings: Boosting) -> dict[float, float]:
    """The error of turnout at a held-out lesson, level given, for each part of the correction."""
    outcomes, matrix = lesson.outcomes, lesson.matrix
    anchor, correction = matrix.column("turnout_anchor"), corrected(trees, inputs(matrix, settings))
    actual = outcomes.voters / np.maximum(1, outcomes.registered)
    out = {}
    for shrink in settings.shrink:
        turnout = meet_turnout(anchor + shrink * correction, outcomes.registered, outcomes.turnout())
        out[shrink] = float((np.abs(turnout - actual) * outcomes.registered).sum())
    return out
