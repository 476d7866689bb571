"""The station's electorate, its place in its commune, and how much of its past is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .catalogue import feature
from .history import COMMUNE, DEPARTMENT, EXACT, NONE, REPAIRED
from .view import View

Floats = NDArray[np.float64]


@feature("log", low=0)
def registered_log(view: View) -> Floats:
    """Natural log of the electors on the roll, at least 1."""
    return np.asarray(np.log(np.maximum(1, view.notice.registered)))


@feature("log")
def registered_growth(view: View) -> Floats:
    """Log of the electors now over those at the last contest that has the station; missing if none has."""
    has, registered = view.panel.by_code.known, view.panel.by_code.registered
    last = registered.shape[1] - 1 - np.argmax(has[:, ::-1], axis=1)
    then = registered[np.arange(len(last)), last]
    growth = np.log(np.maximum(1, view.notice.registered)) - np.log(np.maximum(1, then))
    return np.where(has.any(axis=1), growth, np.nan)


@feature("log", low=0)
def commune_registered_log(view: View) -> Floats:
    """Natural log of the electors on the roll of the commune, at least 1."""
    return np.asarray(np.log(np.maximum(1, _commune_sum(view, view.notice.registered))))


@feature("count", low=1)
def commune_stations(view: View) -> Floats:
    """Stations of the commune."""
    return _commune_sum(view, np.ones(len(view.notice.stations), np.int32))


@feature("code", low=0, high=4)
def history_source(view: View) -> Floats:
    """Best source of the station's past: 0 its code, 1 other codes, 2 commune, 3 department, 4 none."""
    in_commune = (view.panel.communes.registered[view.panel.commune_row] > 0).any(axis=1)
    in_department = (view.panel.departments.registered[view.panel.department_row] > 0).any(axis=1)
    traced = view.panel.followed
    own = traced.known.any(axis=1)
    exact = (traced.known & traced.exact).any(axis=1)
    known = [exact, own, in_commune, in_department]
    return np.select(known, [EXACT, REPAIRED, COMMUNE, DEPARTMENT], NONE).astype(np.float64)


@feature("share", low=0, high=1)
def history_depth(view: View) -> Floats:
    """Part of the past contests in which the station's own past is known."""
    return np.asarray(view.panel.followed.known.mean(axis=1))


def _commune_sum(view: View, counts: NDArray[np.int32]) -> Floats:
    row = view.panel.commune_row
    sums = np.bincount(row, weights=counts, minlength=int(row.max(initial=-1)) + 1)
    return np.asarray(sums[row], dtype=np.float64)
