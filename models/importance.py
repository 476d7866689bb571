"""What matters over contests: the error that a forecast gains where a theme's columns are permuted.

All columns of a theme are permuted at once, by one order of the stations of a contest, after the model was
fitted (Breiman 2001, by groups): it is what this model loses, not what could be made up for by a refit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isoloir.domain.forecast import FeatureMatrix

from .backtest import Fold, level_given
from .explain import columns_read, theme_of
from .protocol import StationModel
from .saved import Quantity
from .scorecard import METRICS

Rows = NDArray[np.intp]


def importance(
    models: Sequence[StationModel], folds: Sequence[Fold], quantity: Quantity, seed: int
) -> pd.DataFrame:
    """How much worse forecasts of held-out contests get when a theme's columns are permuted, one row a theme.

    ``models``: of each fold the one that was fitted before it. A theme's columns are permuted together, among
    the stations of the contest. ``error`` and its ``increase`` (turnout in pp, votes misallocated per 100)
    are means over the ``contests``, with the standard deviation ``spread``, the ``least`` and the ``most``
    of the increases. What is the same at all stations of a contest has an increase of 0 by construction.
    """
    rows = [
        row
        for model, fold in zip(models, folds, strict=True)
        for row in _increases(model, fold, quantity, seed)
    ]
    said = pd.DataFrame(rows, columns=["theme", "error", "increase"]).groupby("theme", sort=False)
    increase = said["increase"].agg(increase="mean", spread="std", least="min", most="max", contests="size")
    table = pd.concat([said["error"].mean(), increase], axis=1)
    return table.sort_values("increase", ascending=False, kind="stable").reset_index()


def _increases(
    model: StationModel, fold: Fold, quantity: Quantity, seed: int
) -> Iterator[tuple[str, float, float]]:
    """Theme, error as it is, and its increase with the theme permuted."""
    matrix, outcomes = fold.matrix, fold.outcomes
    scenario, error_of = (
        level_given(outcomes),
        dict(zip(("turnout", "swing"), METRICS, strict=True))[quantity][1],
    )
    error = error_of(model.predict(matrix, scenario), outcomes)
    for theme, columns in _by_theme(model, matrix, quantity).items():
        # Its own order for each theme of each contest, whatever else is judged.
        chance = np.random.default_rng([seed, *f"{outcomes.contest.key} {theme}".encode()])
        order = chance.permutation(len(matrix.values))
        permuted = matrix.values.copy()
        permuted[:, columns] = matrix.values[np.ix_(order, columns)]
        worse = error_of(model.predict(replace(matrix, values=permuted), scenario), outcomes)
        yield theme, error, worse - error


def _by_theme(model: StationModel, matrix: FeatureMatrix, quantity: Quantity) -> dict[str, Rows]:
    """The positions of the columns that the model reads, by theme."""
    asked: tuple[str | None, ...] = (None,) if quantity == "turnout" else matrix.notice.blocs
    every = dict.fromkeys(c for bloc in asked for c in columns_read(model, matrix, bloc))
    found: dict[str, list[int]] = {}
    for column in every:
        found.setdefault(theme_of(matrix, column), []).append(matrix.names.index(column))
    return {theme: np.array(positions, np.intp) for theme, positions in found.items()}
