"""Facts of the contest itself, the same at every station."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .catalogue import feature
from .history import national_turnout
from .view import View

Floats = NDArray[np.float64]


@feature("flag", low=0, high=1)
def later_round(view: View) -> Floats:
    """1 in a round that ends a ballot, 0 in the first."""
    return _everywhere(view, float(view.notice.contest.round > 1))


@feature("years", low=0)
def years_since_reference(view: View) -> Floats:
    """Years since the reference contest."""
    then = view.panel.contests[view.reference].held_on
    return _everywhere(view, (view.notice.contest.held_on - then).days / 365.25)


@feature("share", low=0, high=1)
def reference_turnout(view: View) -> Floats:
    """The nation's turnout at the reference contest."""
    return _everywhere(view, float(national_turnout(view.panel)[view.reference]))


def _everywhere(view: View, value: float) -> Floats:
    return np.full(len(view.notice.stations), value)
