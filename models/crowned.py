"""Past targets as their champions of then forecast them: what intervals are calibrated on and judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from isoloir.domain.election import AsOf
from isoloir.domain.forecast import Forecast

from .backtest import Fold, champion_at, crown, level_given
from .intervals import Calibration, band, calibrate, parts_of
from .scorecard import coverage
from .selection import Champion
from .spread import Errors, errors_of

FEWEST_PAST = 2
"""Contests that must have been known before a target whose errors say how far others may be off: with one, a
station's past says nothing of how it varies, and its errors are larger than their scale."""

CHAMPION = "champion"
"""The name of the champion in scorecards."""


@dataclass(frozen=True, slots=True)
class Crowned:
    """A fold, the champion chosen before it, and its forecast with the level given."""

    fold: Fold
    champion: Champion
    forecast: Forecast


def crowned(folds: Sequence[Fold]) -> tuple[Crowned, ...]:
    """Every fold as its champion forecast it, each chosen by the folds that were known before it alone."""
    return tuple(_crowned(fold, folds) for fold in folds)


def _crowned(fold: Fold, folds: Sequence[Fold]) -> Crowned:
    champion = champion_at(fold, folds)
    return Crowned(fold, champion, crown(champion, fold.given, fold.matrix, level_given(fold.outcomes)))


def known(past: Sequence[Crowned], cut: AsOf) -> list[Crowned]:
    """Those whose results were public before ``cut``."""
    return [c for c in past if cut.sees(c.fold.outcomes.contest.results_known_on)]


def errors_before(past: Sequence[Crowned], cut: AsOf, champion: Champion) -> tuple[Errors, ...]:
    """The errors that ``champion`` made at each target that was public before ``cut``, level given.

    Of its own, whoever was champion then: each was forecast from what was known before it. Targets at which
    it had nothing to learn from are left out, and, where there are others, those with too short a past.
    """
    names = {champion.turnout, champion.shares}
    able = [c.fold for c in known(past, cut) if names <= set(c.fold.given)]
    used = [fold for fold in able if len(fold.matrix.past) >= FEWEST_PAST] or able
    return tuple(
        errors_of(
            replace(fold.given[champion.turnout], shares=fold.given[champion.shares].shares),
            fold.outcomes,
            fold.matrix,
        )
        for fold in used
    )


def calibration_before(past: Sequence[Crowned], cut: AsOf, champion: Champion, blocs: int) -> Calibration:
    """The intervals of ``champion`` that are learnt from the errors that were public before ``cut``."""
    return calibrate(errors_before(past, cut, champion), blocs)


def held_by_each(past: Sequence[Crowned]) -> tuple[pd.DataFrame | None, ...]:
    """What :func:`held_by` says of every past target, in order."""
    return tuple(held_by(one, past) for one in past)


def held_by(one: Crowned, past: Sequence[Crowned]) -> pd.DataFrame | None:
    """What the 90 % band of a past target held, long, calibrated on those before it; None for the first."""
    cut, outcomes, matrix = one.fold.cut, one.fold.outcomes, one.fold.matrix
    if not known(past, cut):
        return None
    learnt = calibration_before(past, cut, one.champion, outcomes.votes.shape[1])
    given, registered = level_given(outcomes), outcomes.registered
    bounds = band(one.forecast, registered, parts_of(matrix), learnt, 0.1, given)
    return coverage(CHAMPION, "given", 0.1, bounds, outcomes)
