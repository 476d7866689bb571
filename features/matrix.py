"""Build the matrix of features of one contest from what was public before it."""

from __future__ import annotations

import numpy as np

from isoloir.domain.forecast import FeatureMatrix, National
from isoloir.domain.ledger import Notice, Past

from . import contest, offer, prior, rules, swing, territory, turnout
from .catalogue import CATALOGUE, Feature
from .history import national_shares, national_turnout
from .view import View, look

THEMES = (contest, offer, prior, rules, swing, territory, turnout)
"""The modules whose features make the catalogue."""


def build(
    past: Past,
    notice: Notice,
    reference_key: str | None,
    features: tuple[Feature, ...] = (),
) -> FeatureMatrix:
    """One row per station of the notice, one column per feature (none named: the whole catalogue).

    The past must hold at least one contest. ``reference_key``: the contest that swings are counted from.
    """
    view = look(past, notice, reference_key)
    wanted = features or tuple(CATALOGUE.values())
    names = tuple(c.name for f in wanted for c in f.columns(notice.blocs))
    parts = [f.make(view).reshape(len(notice.stations), -1) for f in wanted]
    values = np.concatenate(parts, axis=1).astype(np.float64)
    return FeatureMatrix(notice, names, values, national_of(view), tuple(c.key for c in view.panel.contests))


def is_per_bloc(feature: str) -> bool:
    """Whether the feature of that name has a column per bloc; KeyError if there is none."""
    return CATALOGUE[feature].per_bloc


def national_of(view: View) -> National:
    """The national figures of the reference contest."""
    at, totals = view.reference, view.panel.nation
    return National(
        view.panel.contests[at].key,
        float(national_turnout(view.panel)[at]),
        national_shares(view.panel)[at],
        float(totals.valid[0, at] / max(1, totals.voters[0, at])),
    )
