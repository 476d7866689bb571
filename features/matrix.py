"""Build the matrix of features of one contest from what was public before it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.facts import Context
from isoloir.domain.forecast import FeatureMatrix, National
from isoloir.domain.ledger import Notice, Past

from . import (
    abstention,
    census,
    contest,
    layered,
    offer,
    prior,
    references,
    rules,
    size,
    swing,
    territory,
    turnout,
)
from .catalogue import CATALOGUE, CONTEXTUAL, Feature
from .history import national_shares, national_turnout
from .view import Place, View, look

THEMES = (abstention, contest, layered, offer, prior, references, rules, size, swing, territory, turnout)
"""The modules whose features make the catalogue."""

CONTEXT_THEMES = (census,)
"""The modules whose features look at context alone."""

Floats = NDArray[np.float64]


def build(
    past: Past,
    notice: Notice,
    reference_key: str | None,
    features: tuple[Feature[View], ...] = (),
) -> FeatureMatrix:
    """One row per station of the notice, one column per feature (none named: all of both catalogues).

    The past must hold at least one contest. ``reference_key``: the contest that swings are counted from.
    """
    view = look(past, notice, reference_key)
    wanted = features or tuple(CATALOGUE.values())
    names = tuple(c.name for f in wanted for c in f.columns(notice.blocs))
    parts = [f.make(view).reshape(len(notice.stations), -1) for f in wanted]
    values = np.concatenate(parts, axis=1).astype(np.float64)
    known = tuple(c.key for c in view.panel.contests)
    matrix = FeatureMatrix(notice, names, values, national_of(view), known)
    return matrix if features else with_context(matrix, past.context)


def with_context(matrix: FeatureMatrix, context: Context) -> FeatureMatrix:
    """The matrix with the features of ``context`` in place of those that it has, if any.

    A model trained for a target may use what was public before the target, though it was not before each of
    the contests that it learns from: the training happens then.
    """
    own = [i for i, name in enumerate(matrix.names) if name not in CONTEXTUAL]
    parts = [_made(f, matrix.notice, context)[:, None] for f in CONTEXTUAL.values()]
    values = np.concatenate([matrix.values[:, own], *parts], axis=1)
    return replace(matrix, names=(*(matrix.names[i] for i in own), *CONTEXTUAL), values=values)


def _made(feature: Feature[Place], notice: Notice, context: Context) -> Floats:
    """The feature at the rows of the notice.

    Areas have rates and no counts that could be summed: of a unit it is the mean of its members by registered
    electors, missing where that of a member is; of a flag or a code the largest.
    """
    members = notice.members
    if members is None:
        return feature.make(Place(notice, context))
    alone = replace(
        notice,
        stations=members.stations,
        registered=members.registered,
        standing=np.zeros((len(members.stations), len(notice.blocs)), np.bool_),
        members=None,
    )
    values = feature.make(Place(alone, context))
    return members.most(values) if feature.unit in ("flag", "code") else members.mean(values)


def is_per_bloc(feature: str) -> bool:
    """Whether the feature of that name has a column per bloc; KeyError if there is none."""
    return feature not in CONTEXTUAL and CATALOGUE[feature].per_bloc


def national_of(view: View) -> National:
    """The national figures of the reference contest."""
    at, totals = view.reference, view.panel.nation
    return National(
        view.panel.contests[at].key,
        float(national_turnout(view.panel)[at]),
        national_shares(view.panel)[at],
        float(totals.valid[0, at] / max(1, totals.voters[0, at])),
    )
