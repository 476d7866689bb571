"""Who stands where, known from the filing of candidacies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .catalogue import feature
from .view import View

Floats = NDArray[np.float64]


@feature("flag", low=0, high=1, per_bloc=True)
def standing(view: View) -> Floats:
    """1 where the bloc stands, else 0."""
    return np.asarray(view.notice.standing, dtype=np.float64)


@feature("count", low=0)
def blocs_standing(view: View) -> Floats:
    """How many blocs stand."""
    return np.asarray(view.notice.standing.sum(axis=1), dtype=np.float64)


@feature("share", low=0, high=1)
def strength_missing(view: View) -> Floats:
    """Part of the nation's vote at the reference contest that went to blocs that do not stand here now."""
    votes = view.panel.nation.votes[0, view.reference].astype(np.float64)
    return np.asarray(~view.notice.standing @ (votes / max(1.0, votes.sum())))
