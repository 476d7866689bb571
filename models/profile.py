"""What kind of place a station is, in three words: the ground, what people live on, and how it votes.

    ground   city | town | countryside          inhabitants per km²
    means    well-off | middling | modest       median income against the mean of all electors' areas
    turnout  steady | occasional | seldom       past deviations of turnout from the nation's, and their spread

An axis of which nothing is public says ``unknown``. Every limit is a constant, never a quantile of a release:
a place changes its kind when its people or its votes do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.forecast import FeatureMatrix
from isoloir.features.history import DEPARTMENT

Floats = NDArray[np.float64]
Codes = NDArray[np.int8]

CITY, TOWN = 1500.0, 300.0
"""Least inhabitants per km²: of urban centres and of urban clusters in Eurostat's degree of urbanisation."""

APART = 0.10
"""Logs from the mean income, about 10 %: half of French electors live in between, a quarter beyond each."""

SELDOM = -0.25
"""Mean deviation in logits: where half of the nation votes, 44 % do here; a sixth of French electors."""

RESTLESS = 0.15
"""Spread of the deviations in logits, about 4 pp, beyond what counting alone may do."""

AXES = (
    ("city", "town", "countryside", "unknown"),
    ("well-off", "middling", "modest", "unknown"),
    ("steady", "occasional", "seldom", "unknown"),
)
UNKNOWN = 3

KINDS = np.array(
    [f"{ground} {means} {turnout}" for ground in AXES[0] for means in AXES[1] for turnout in AXES[2]]
)
"""The names of all kinds; a kind is a row here."""


def kinds(matrix: FeatureMatrix) -> NDArray[np.intp]:
    """The kind of each station [S], a row of :data:`KINDS`."""
    codes = (ground(matrix), means(matrix), turnout(matrix))
    return np.ravel_multi_index(codes, tuple(len(axis) for axis in AXES)).astype(np.intp)


def profiles(matrix: FeatureMatrix) -> NDArray[np.str_]:
    """The profile of each station [S], such as ``city modest seldom``."""
    return np.asarray(KINDS[kinds(matrix)])


def ground(matrix: FeatureMatrix) -> Codes:
    """City, town or countryside [S], by density."""
    density = np.expm1(matrix.column("census_density"))
    return _select([np.isnan(density), density >= CITY, density >= TOWN], [UNKNOWN, 0, 1], 2)


def means(matrix: FeatureMatrix) -> Codes:
    """Well-off, middling or modest [S], by median income."""
    income = matrix.column("census_median_income")
    return _select([np.isnan(income), income >= APART, income > -APART], [UNKNOWN, 0, 1], 2)


def turnout(matrix: FeatureMatrix) -> Codes:
    """Steady, occasional or seldom [S]; unknown before two contests, or where no commune's past is known.

    Occasional: near the nation or above it on the whole, and not at each contest. The spread is that which
    counting does not explain: its variance less 4 / registered, the least variance that a logit has.
    """
    deviation, spread = matrix.column("turnout_mean_deviation"), matrix.column("turnout_spread")
    noise = 4 / np.maximum(1, matrix.notice.registered)
    restless = spread**2 - noise > RESTLESS**2
    unknown = (matrix.column("history_source") >= DEPARTMENT) | (len(matrix.past) < 2)
    return _select([unknown, deviation <= SELDOM, restless], [UNKNOWN, 2, 1], 0)


def _select(conditions: list[NDArray[np.bool_]], codes: list[int], default: int) -> Codes:
    return np.select(conditions, codes, default).astype(np.int8)
