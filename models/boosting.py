"""Boosted trees on the residual of a prior: fitted the same way each time, kept as LightGBM's own text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import lightgbm
import numpy as np
from numpy.typing import NDArray

from .protocol import Lesson

Floats = NDArray[np.float64]

FEWEST = 3
"""Lessons below which the trees are left out: fewer leave one round to judge the correction on, or none."""

HELD_OUT = 3
"""Lessons, the latest ones, that are each forecast from those before to find what the correction earns."""

RESIDUAL_VARIANCE = 0.02
"""Variance of a residual that is no counting noise, for the weights: a round figure, not fitted."""


@dataclass(frozen=True, slots=True)
class Boosting:
    """Settings of boosted trees.

    ``features``: names from the catalogue; of one that has a column per bloc, a model of turnout takes all
    and a model of shares the bloc's own. ``context``: of these a model of shares takes every bloc's.
    ``census``: features of context that the model with census has beside. ``rows``: stations of a lesson that
    are learned from, at most; ``shrink``: parts of the correction to try.
    """

    features: tuple[str, ...]
    context: tuple[str, ...]
    params: Mapping[str, str | int | float | bool]
    trees: int
    rows: int
    shrink: tuple[float, ...]
    census: tuple[str, ...] = ()

    def with_census(self) -> Boosting:
        """The same settings, features of the census added."""
        return replace(self, features=(*self.features, *self.census))


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows to learn from: ``X`` [N × F], residuals ``y`` [N], ``weight`` [N]."""

    X: Floats
    y: Floats
    weight: Floats


SampleOf = Callable[[Lesson, Boosting], Sample]
TrialOf = Callable[[str, Lesson, Boosting], Mapping[float, float]]
"""The error at a held-out lesson for each part of the correction of some trees."""


def learn(
    lessons: Sequence[Lesson], settings: Boosting, sample: SampleOf, trial: TrialOf
) -> tuple[str, float]:
    """The trees fitted to all ``lessons`` (in order of day), and the part of their correction that is kept.

    The part is chosen on the latest lessons, each corrected by trees that saw only what was public before it.
    No trees and 0 where there are too few lessons, or where the correction earned nothing.
    """
    if len(lessons) < FEWEST:
        return "", 0.0
    samples = [sample(lesson, settings) for lesson in lessons]
    trials = []
    for held_out in lessons[-HELD_OUT:]:
        public = [held_out.cut.sees(m.outcomes.contest.results_known_on) for m in lessons]
        known = [s for s, seen in zip(samples, public, strict=True) if seen]
        if known:
            trials.append(trial(grow(known, settings), held_out, settings))
    shrink = least(trials)
    return (grow(samples, settings) if shrink > 0 else ""), shrink


def stride(length: int, rows: int) -> NDArray[np.intp]:
    """Every k-th of ``length`` rows, so that at most ``rows`` are left: no chance in it, all areas in it."""
    return np.arange(0, length, max(1, -(-length // rows)), dtype=np.intp)


def grow(samples: Sequence[Sample], settings: Boosting) -> str:
    """The trees as LightGBM's text, fitted to all samples, each contest weighing the same."""
    X = np.concatenate([s.X for s in samples])
    y = np.concatenate([s.y for s in samples])
    weight = np.concatenate([s.weight / max(s.weight.sum(), 1e-300) for s in samples]) * len(y)
    params = dict(settings.params)
    # The bins are drawn when the data set is made: without the same settings there, a refit may differ.
    data = lightgbm.Dataset(X, y, weight=weight, params=params, free_raw_data=True)
    return str(lightgbm.train(params, data, num_boost_round=settings.trees).model_to_string())


def corrected(trees: str, X: Floats) -> Floats:
    """The correction [N] of the trees; 0 where there are none."""
    if not trees:
        return np.zeros(len(X))
    return np.asarray(lightgbm.Booster(model_str=trees).predict(X, num_threads=1))


def least(errors: Sequence[Mapping[float, float]]) -> float:
    """The part of the correction with the least mean of error / error of none; 0 before there is a trial.

    Source: regret over whole contests left out, as the champion is chosen.
    """
    if not errors:
        return 0.0
    ratio = {s: float(np.mean([e[s] / max(e[0.0], 1e-12) for e in errors])) for s in errors[0]}
    return min(ratio, key=lambda s: (ratio[s], s))
