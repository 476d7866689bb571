"""Past turnout of the station and of the areas around it, as deviations from the nation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.panel import Totals

from .catalogue import feature
from .history import turnout_deviation
from .view import View

Floats = NDArray[np.float64]


@feature("logit")
def turnout_first_round(view: View) -> Floats:
    """Deviation at the first round of the same ballot; missing for a first round, or before it is known."""
    return _lag(view, view.first_round)


@feature("logit")
def turnout_lag1(view: View) -> Floats:
    """Deviation at the last contest before."""
    return _lag(view, len(view.panel.contests) - 1)


@feature("logit")
def turnout_lag2(view: View) -> Floats:
    """Deviation at the last contest but one."""
    return _lag(view, len(view.panel.contests) - 2)


@feature("logit")
def turnout_kind_mean(view: View) -> Floats:
    """Mean deviation at earlier contests of the same kind; missing where there are none."""
    return _mean(view, [c.kind == view.notice.contest.kind for c in view.panel.contests])


@feature("logit")
def turnout_other_mean(view: View) -> Floats:
    """Mean deviation at earlier contests of other kinds; missing where there are none."""
    return _mean(view, [c.kind != view.notice.contest.kind for c in view.panel.contests])


@feature("logit", low=0)
def turnout_spread(view: View) -> Floats:
    """Standard deviation of the past deviations; 0 where there is one."""
    return np.asarray(view.followed.turnout.std(axis=1))


@feature("logit")
def turnout_commune(view: View) -> Floats:
    """Mean past deviation of the commune; missing where it has no past."""
    return _area(view, view.panel.communes)[view.panel.commune_row]


@feature("logit")
def turnout_department(view: View) -> Floats:
    """Mean past deviation of the department; missing where it has no past."""
    return _area(view, view.panel.departments)[view.panel.department_row]


def _lag(view: View, contest: int) -> Floats:
    if contest < 0:
        return np.full(len(view.notice.stations), np.nan)
    return view.followed.turnout[:, contest]


def _mean(view: View, wanted: list[bool]) -> Floats:
    if not any(wanted):
        return np.full(len(view.notice.stations), np.nan)
    return np.asarray(view.followed.turnout[:, wanted].mean(axis=1))


def _area(view: View, totals: Totals) -> Floats:
    held = totals.registered > 0
    deviation = turnout_deviation(view.panel, totals.voters, totals.registered)
    count = held.sum(axis=1)
    mean = np.where(held, deviation, 0.0).sum(axis=1) / np.maximum(1, count)
    return np.where(count > 0, mean, np.nan)
