"""Past targets as their champions of then forecast them: what intervals are calibrated on and judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from isoloir.domain.election import AsOf
from isoloir.domain.forecast import Forecast

from .backtest import Fold, champion_at, crown, level_given
from .intervals import Errors, Widths, band, calibrate, errors_of, of_areas
from .scorecard import coverage
from .selection import Champion

CHAMPION = "champion"
"""The name of the champion in scorecards."""


@dataclass(frozen=True, slots=True)
class Crowned:
    """A fold, the champion chosen before it, its forecast with the level given, and the errors made."""

    fold: Fold
    champion: Champion
    forecast: Forecast
    stations: Errors
    communes: Errors
    departments: Errors


def crowned(folds: Sequence[Fold]) -> tuple[Crowned, ...]:
    """Every fold as its champion forecast it, each chosen by the folds that were known before it alone."""
    return tuple(_crowned(fold, folds) for fold in folds)


def _crowned(fold: Fold, folds: Sequence[Fold]) -> Crowned:
    champion, outcomes = champion_at(fold, folds), fold.outcomes
    forecast = crown(champion, fold.given, fold.matrix, level_given(outcomes))
    stations = fold.matrix.notice.stations
    return Crowned(
        fold,
        champion,
        forecast,
        errors_of(forecast, outcomes),
        errors_of(*of_areas(forecast, outcomes, stations.commune_code)),
        errors_of(*of_areas(forecast, outcomes, stations.department_code)),
    )


def known(past: Sequence[Crowned], cut: AsOf) -> list[Crowned]:
    """Those whose results were public before ``cut``."""
    return [c for c in past if cut.sees(c.fold.outcomes.contest.results_known_on)]


def widths_before(past: Sequence[Crowned], cut: AsOf, blocs: int) -> Widths:
    """The widths of intervals of stations and areas, from the errors that were public before ``cut``."""
    seen = known(past, cut)
    return Widths(
        calibrate([c.stations for c in seen], blocs),
        calibrate([c.communes for c in seen], blocs),
        calibrate([c.departments for c in seen], blocs),
    )


def held_by_each(past: Sequence[Crowned]) -> tuple[pd.DataFrame | None, ...]:
    """What :func:`held_by` says of every past target, in order."""
    return tuple(held_by(one, past) for one in past)


def held_by(one: Crowned, past: Sequence[Crowned]) -> pd.DataFrame | None:
    """What the 90 % band of a past target held, long, calibrated on those before it; None for the first."""
    cut, outcomes = one.fold.cut, one.fold.outcomes
    if not known(past, cut):
        return None
    widths = widths_before(past, cut, outcomes.votes.shape[1]).station
    bounds = band(one.forecast, outcomes.registered, widths)
    return coverage(CHAMPION, "given", 0.1, bounds, outcomes)
