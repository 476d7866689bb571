"""The nested prior: a station as its commune and what sets it apart there, each with a past of its own.

A commune's past reaches further back than its stations': contests of which only communes are known count, and
renumbering does not touch it. What sets a station apart is known where its own past is.

    turnout deviation = commune(t) + local(t),    both Gaussian over contests, as in prior.py
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from isoloir.domain.election import Contest

from .catalogue import feature
from .history import smoothed_logit, turnout_deviation
from .prior import Kernel, weights_where
from .view import View

Floats = NDArray[np.float64]

COMMUNE_KERNEL = Kernel(common=1.0, kind=1.5, ballot=0.6, time=1.5, scale=15.0, nugget=0.4)
LOCAL_KERNEL = Kernel(common=1.0, kind=0.3, ballot=0.5, time=0.1, scale=4.0, nugget=0.4)


@feature("logit")
def turnout_nested(view: View) -> Floats:
    """The nested prior's deviation of turnout: the commune's, and the station's within it."""
    panel = view.panel
    stations = turnout_deviation(panel, panel.communes.voters, panel.communes.registered)
    coarse = _coarse_deviation(view)
    deviation = np.concatenate((stations, coarse), axis=1)
    known = np.concatenate((panel.communes.registered > 0, panel.coarse.registered > 0), axis=1)
    contests = (*panel.contests, *panel.coarse.contests)
    commune = _kriged(COMMUNE_KERNEL, contests, view.notice.contest, deviation, known)
    around = commune[panel.commune_row]
    unknown = known[panel.commune_row].sum(axis=1) == 0
    in_commune = panel.communes.registered[panel.commune_row] > 0
    own = panel.followed.known & in_commune
    apart = view.followed.turnout - stations[panel.commune_row]
    local = _kriged(LOCAL_KERNEL, panel.contests, view.notice.contest, apart, own)
    department = turnout_deviation(panel, panel.departments.voters, panel.departments.registered)
    held = panel.departments.registered > 0
    far = _kriged(COMMUNE_KERNEL, panel.contests, view.notice.contest, department, held)
    return np.where(unknown, far[panel.department_row], around + local)


def _coarse_deviation(view: View) -> Floats:
    coarse = view.panel.coarse
    national = np.clip(coarse.nation, 1e-6, 1 - 1e-6)
    counts = (coarse.voters.astype(np.float64), coarse.registered.astype(np.float64))
    return np.asarray(smoothed_logit(*counts, national) - logit(national))


def _kriged(
    kernel: Kernel,
    contests: tuple[Contest, ...],
    target: Contest,
    deviation: Floats,
    known: NDArray[np.bool_],
) -> Floats:
    weight = weights_where(kernel, contests, target, known)
    return np.asarray((weight * np.where(known, deviation, 0.0)).sum(axis=1))
