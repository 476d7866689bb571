"""What the naive rules carry: deviations from the nation, stations joined by equal codes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from .catalogue import feature
from .history import national_shares, national_turnout
from .view import View

Floats = NDArray[np.float64]


@feature("logit")
def turnout_mean_deviation(view: View) -> Floats:
    """Mean of all past deviations of turnout from the nation's."""
    return np.asarray(view.plain.turnout.mean(axis=1))


@feature("logit")
def turnout_same_kind(view: View) -> Floats:
    """Deviation of turnout at the reference contest."""
    return view.plain.turnout[:, view.reference]


@feature("logit")
def turnout_last_round(view: View) -> Floats:
    """Deviation of turnout at the round before."""
    return view.plain.turnout[:, -1]


@feature("logit")
def turnout_department_mean(view: View) -> Floats:
    """Deviation of the department's turnout at the reference contest; 0 where it had no electors then."""
    totals, at = view.panel.departments, view.reference
    turnout = np.clip(totals.voters[:, at] / np.maximum(1, totals.registered[:, at]), 1e-4, 1 - 1e-4)
    deviation = logit(turnout) - logit(national_turnout(view.panel)[at])
    return np.asarray(np.where(totals.registered[:, at] > 0, deviation, 0.0)[view.panel.department_row])


@feature("log", per_bloc=True)
def share_mean_deviation(view: View) -> Floats:
    """Mean, over the contests where it stood, of the log of the bloc's share over the nation's; 0 if none."""
    known = ~np.isnan(view.plain.shares)
    total = np.where(known, view.plain.shares, 0.0).sum(axis=1)
    return np.asarray(total / np.maximum(1, known.sum(axis=1)))


@feature("log", per_bloc=True)
def share_same_kind(view: View) -> Floats:
    """Log of the bloc's share over the nation's at the reference contest; its mean where it did not stand."""
    return _at(view, view.reference)


@feature("log", per_bloc=True)
def share_last_round(view: View) -> Floats:
    """The same at the last contest in which every bloc that stands now stood somewhere."""
    wanted = view.notice.standing.any(axis=0)
    complete = [c for c in range(len(view.panel.contests)) if view.plain.stood[c][wanted].all()]
    return _at(view, complete[-1] if complete else -1)


@feature("log", per_bloc=True)
def share_department_mean(view: View) -> Floats:
    """Log of the bloc's share in the department over the nation's then; its mean where it did not stand."""
    totals, at = view.panel.departments, view.reference
    shares = totals.votes[:, at] / np.maximum(1, totals.valid_where[:, at])
    national = np.maximum(national_shares(view.panel)[at], 1e-9)
    index = np.log(np.maximum(shares, 1e-6) / national)[view.panel.department_row]
    stood = (totals.valid_where[:, at] > 0)[view.panel.department_row]
    return np.where(stood, index, share_mean_deviation(view))


def _at(view: View, contest: int) -> Floats:
    shares = view.plain.shares[:, contest]
    return np.where(np.isnan(shares), share_mean_deviation(view), shares)
