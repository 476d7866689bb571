"""Turnout of a second round: the first round's deviation, moved as it moved in earlier second rounds.

    logit turnout = national shift + first round + β · (department, commune, station, orphans, size)

``department``, ``commune`` and ``station`` are the layers of the first round's deviation: each moves back to
the nation's level by a part of its own. Orphans are the votes of blocs that do not stand any more. β is the
mean over earlier second rounds, each fitted by weighted least squares, and shrunk to 0 by how far these are
apart: β² / (β² + s²/n), or half where there is one (James & Stein 1961, by coefficient). A first round, or a
second one whose first is not known, is the layered prior's.
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
from .boosting import RESIDUAL_VARIANCE
from .protocol import Lesson, TrainingSet

Floats = NDArray[np.float64]

LAYERS = ("first_round_department", "first_round_commune", "first_round_station")
INPUTS = (*LAYERS, "orphaned_share", "registered_log")
"""The features that a second round's turnout is moved by."""


@dataclass(frozen=True, slots=True)
class Transition:
    """The model of second rounds: ``slopes`` of :data:`INPUTS`; with none it leaves the first round be.

    ``shares`` names the deviations that its shares carry.
    """

    slopes: tuple[float, ...] = (0.0,) * len(INPUTS)
    shares: tuple[str, ...] = ("prior",)
    name: str = "transition"

    @property
    def taught(self) -> bool:
        """Whether it had a second round to learn from; it is not judged where it had none."""
        return any(self.slopes)

    def fit(self, training: TrainingSet) -> Self:
        """The slopes from second rounds whose first round was known; none where there is no such lesson."""
        fits = [_slopes(m) for m in training.lessons if _follows(m.matrix) and m.outcomes.voters.sum() > 0]
        return replace(self, slopes=shrunk(fits))

    def predict(self, matrix: FeatureMatrix, scenario: Scenario) -> Forecast:
        """The forecast under ``scenario``, which it meets exactly."""
        basis = basis_of(matrix, ("layered",), self.shares)
        if _follows(matrix):
            first = matrix.columns(LAYERS).sum(axis=1)
            basis = Basis(first + matrix.columns(INPUTS) @ np.array(self.slopes), basis.shares)
        return forecast_from(basis, matrix.notice, scenario)


def _follows(matrix: FeatureMatrix) -> bool:
    """Whether the first round of the ballot is known."""
    return not np.isnan(matrix.columns(INPUTS)).any()


def _slopes(lesson: Lesson) -> Floats:
    """The slopes at one earlier second round, its level left free; a row weighs its precision."""
    outcomes, matrix = lesson.outcomes, lesson.matrix
    registered = outcomes.registered.astype(np.float64)
    nation = np.clip(outcomes.turnout(), 1e-6, 1 - 1e-6)
    turnout = (outcomes.voters + SMOOTHING * nation) / (registered + SMOOTHING)
    moved = logit(turnout) - logit(nation) - matrix.columns(LAYERS).sum(axis=1)
    noise = 1 / ((registered + SMOOTHING) * turnout * (1 - turnout))
    weight = np.where(registered > 0, 1 / (RESIDUAL_VARIANCE + noise), 0.0)
    weight /= weight.sum()
    inputs = matrix.columns(INPUTS)
    apart = inputs - weight @ inputs
    inside = (apart * weight[:, None]).T @ apart
    # What does not vary has no slope.
    return np.asarray(np.linalg.pinv(inside, hermitian=True) @ ((apart * weight[:, None]).T @ moved))


def shrunk(fits: list[Floats]) -> tuple[float, ...]:
    """The mean of the slopes of several lessons, each shrunk by how far the lessons are apart."""
    if not fits:
        return Transition().slopes
    mean = np.mean(fits, axis=0)
    if len(fits) == 1:
        return tuple((mean / 2).tolist())
    doubt = np.var(fits, axis=0, ddof=1) / len(fits)
    return tuple((mean * mean**2 / np.maximum(mean**2 + doubt, 1e-300)).tolist())
