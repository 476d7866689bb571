"""What moves a forecast: contributions per station, and partial effects.

    deviation = base + Σ contributions

in logits of turnout, or in logs of one bloc's strength. Of carried deviations and slopes the contributions
are exact; those of trees are LightGBM's own Shapley values (Lundberg et al. 2020, path-dependent), summed by
the theme of the feature. All of it is about a model and about places: see :data:`WARNING`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from isoloir.domain.forecast import FeatureMatrix, Forecast, Scenario
from isoloir.features.catalogue import CATALOGUE, CONTEXTUAL
from isoloir.features.matrix import is_per_bloc

from . import swing, turnout
from .baselines import Carried
from .boosting import Boosting, corrected
from .protocol import StationModel
from .saved import inputs_of
from .swing import BoostedShares
from .transition import INPUTS, LAYERS, Transition
from .transport import FAINT
from .turnout import BoostedTurnout

Floats = NDArray[np.float64]

WARNING = (
    "These are effects of places, not of persons (ecological fallacy): they say where the model forecasts "
    "more or less,\nnever how a person with some trait votes or abstains, and not what would happen if a "
    "place were changed."
)
"""What stands wherever somebody might read the behaviour of persons into these figures."""

ANCHOR, BLOC = "prior", "bloc"
"""The driver that trees correct, and that of the bloc's number, which trees of shares read."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class Contributions:
    """What each driver adds to each station's deviation: ``values`` [S × T], beside ``base``."""

    names: tuple[str, ...]
    values: Floats
    base: float

    @property
    def deviation(self) -> Floats:
        """The model's deviation [S]."""
        return np.asarray(self.base + self.values.sum(axis=1))


@dataclass(frozen=True, slots=True)
class _Term:
    """A column times a weight, for a driver; ``apart``: its mean over the registered is of no driver."""

    driver: str
    column: str
    weight: float
    apart: bool = False


@dataclass(frozen=True, slots=True)
class _Sum:
    """A deviation: terms, ``shrink`` of what trees say of ``inputs``, and all that a model forecasts.

    ``whole`` is that model: one that moves votes by the scenario, so that its forecast is no sum.
    """

    terms: tuple[_Term, ...]
    inputs: tuple[str, ...] = ()
    trees: str = ""
    shrink: float = 0.0
    whole: StationModel | None = None


def contributions(
    model: StationModel, matrix: FeatureMatrix, scenario: Scenario, bloc: str | None = None
) -> Contributions:
    """What makes up the model's deviation of turnout, or of ``bloc``'s share where one is named.

    Carried deviations are a driver each, by their names. So is each feature of a second round's move: the
    first round's layer if it is one, and the slope times how far the value is from the mean over registered
    electors. What trees correct is the driver :data:`ANCHOR`; their corrections are drivers by theme, each
    less its mean too (``prior_corrected`` those of the prior's own features). A model whose forecast is no
    sum is one driver, under its own name: how far it is from the nation under ``scenario``.
    """
    found = _sum_of(model, matrix, bloc)
    weight = matrix.notice.registered / max(1, int(matrix.notice.registered.sum()))
    made, base = {t.driver: np.zeros(len(weight)) for t in found.terms}, 0.0
    for term in found.terms:
        values = matrix.column(term.column)
        mean = float(weight @ values) if term.apart else 0.0
        made[term.driver] += term.weight * (values - mean)
        base += term.weight * mean
    if found.whole is not None:
        made[found.whole.name] = _apart(found.whole, matrix, scenario, bloc)
    if found.trees:
        booster, read = lightgbm.Booster(model_str=found.trees), _read(model, matrix, bloc)
        shap = found.shrink * np.asarray(booster.predict(read, pred_contrib=True, num_threads=1))
        base += float(shap[0, -1])
        themes = np.array([theme_of(matrix, c) for c in found.inputs])
        anchors = set(made)
        for theme in dict.fromkeys(themes.tolist()):
            values = shap[:, :-1][:, themes == theme].sum(axis=1)
            # What is the same everywhere moves nobody apart: the national figures take it back.
            mean = float(weight @ values)
            base += mean
            made[f"{theme}_corrected" if theme in anchors else theme] = values - mean
    return Contributions(tuple(made), np.stack(list(made.values()), axis=1), base)


def deviation(
    model: StationModel, matrix: FeatureMatrix, scenario: Scenario, bloc: str | None = None
) -> Floats:
    """The model's deviation [S] of turnout in logits, or of ``bloc``'s strength in logs."""
    whole = _sum_of(model, matrix, bloc).whole
    moved = _moving(model, matrix, bloc)
    return moved if whole is None else moved + _apart(whole, matrix, scenario, bloc)


def moving_columns(model: StationModel, matrix: FeatureMatrix, bloc: str | None = None) -> tuple[str, ...]:
    """The columns that move the deviation one by one, each once: those that have a partial effect."""
    found = _sum_of(model, matrix, bloc)
    every = (*(t.column for t in found.terms), *(c for c in found.inputs if c != BLOC))
    return tuple(dict.fromkeys(every))


def columns_read(model: StationModel, matrix: FeatureMatrix, bloc: str | None = None) -> tuple[str, ...]:
    """All the columns that the deviation rests on, each once."""
    whole = _sum_of(model, matrix, bloc).whole
    beside = [] if whole is None else inputs_of(whole, matrix.notice.blocs)
    return tuple(dict.fromkeys([*moving_columns(model, matrix, bloc), *beside]))


def theme_of(matrix: FeatureMatrix, column: str) -> str:
    """The theme of a column's feature; KeyError where the catalogue has none."""
    if column == BLOC:
        return BLOC
    stems = (column, *(column.removesuffix(f"_{b}") for b in matrix.notice.blocs))
    name = next((s for s in stems if s in CATALOGUE or s in CONTEXTUAL), column)
    return CONTEXTUAL[name].theme if name in CONTEXTUAL else CATALOGUE[name].theme


def top_drivers(found: Contributions, level: Floats, k: int = 3) -> pd.DataFrame:
    """The ``k`` drivers of most effect at each station: ``driver_1``, ``effect_1_pp``, ``driver_2``, …

    An effect is in percentage points at the station's forecast ``level`` [S], turnout or the bloc's share,
    to first order: contribution · level (1 − level). A driver that adds nothing is none (missing).
    """
    effect = found.values * (level * (1 - level))[:, None] * 100
    order = np.argsort(-np.abs(effect), axis=1, kind="stable")[:, :k]
    ranked = np.take_along_axis(effect, order, axis=1)
    names = np.array(found.names, dtype=object)[order]
    names[ranked == 0], ranked[ranked == 0] = None, np.nan
    out = {}
    for i in range(k):
        inside = i < ranked.shape[1]
        out[f"driver_{i + 1}"] = names[:, i] if inside else np.full(len(ranked), None)
        out[f"effect_{i + 1}_pp"] = ranked[:, i] if inside else np.full(len(ranked), np.nan)
    return pd.DataFrame(out)


def partial_effects(
    model: StationModel,
    matrix: FeatureMatrix,
    forecast: Forecast,
    feature: str,
    grid: Sequence[float] = QUANTILES,
    bloc: str | None = None,
) -> pd.DataFrame:
    """What becomes of the mean forecast as the column ``feature`` is set to quantiles of itself everywhere.

    One row per quantile of ``grid``: ``at``, the value; ``effect``, the mean change of the deviation (logits,
    logs of strength); ``effect_pp``, that of the forecast in percentage points, the national shift, the other
    blocs and a part that is no sum held. Means over registered electors, over expected valid votes for a
    share. No rows where the column is missing everywhere.
    """
    share = None if bloc is None else forecast.shares[:, matrix.notice.blocs.index(bloc)]
    level = forecast.turnout if share is None else share
    weight = matrix.notice.registered if share is None else forecast.expected_valid
    values, where = matrix.column(feature), matrix.names.index(feature)
    names = ["feature", "quantile", "at", "effect", "effect_pp"]
    if np.isnan(values).all():
        return pd.DataFrame([], columns=names)
    at, total = np.nanquantile(values, grid), max(float(weight.sum()), 1e-300)
    # All of the grid in one call: trees are read from their text each time.
    stacked = np.tile(matrix.values, (len(grid), 1))
    stacked[:, where] = np.repeat(at, len(values))
    moved = _moving(model, replace(matrix, values=stacked), bloc).reshape(len(grid), -1)
    moved -= _moving(model, matrix, bloc)
    effect, effect_pp = moved @ weight / total, (_moved(level, moved) - level) @ weight / total * 100
    columns = (np.full(len(grid), feature), np.array(grid), at, effect, effect_pp)
    return pd.DataFrame(dict(zip(names, columns, strict=True)))


def _moved(level: Floats, by: Floats) -> Floats:
    """Parts in [0, 1] moved by logits; 0 and 1 stay."""
    odds = level * np.exp(by)
    return np.asarray(odds / (1 - level + odds))


def _moving(model: StationModel, matrix: FeatureMatrix, bloc: str | None) -> Floats:
    """Terms and trees [S]: the deviation but for what is no sum."""
    found = _sum_of(model, matrix, bloc)
    moved = np.zeros(len(matrix.values))
    for term in found.terms:
        moved += term.weight * matrix.column(term.column)
    return moved + found.shrink * corrected(found.trees, _read(model, matrix, bloc)) if found.trees else moved


def _apart(model: StationModel, matrix: FeatureMatrix, scenario: Scenario, bloc: str | None) -> Floats:
    """How far a model's forecast is from the scenario's figure [S]: logits of turnout, logs of a share."""
    forecast = model.predict(matrix, scenario)
    if bloc is None:
        return np.asarray(_logit(forecast.turnout) - _logit(np.array(scenario.turnout)))
    at = matrix.notice.blocs.index(bloc)
    figures = np.maximum(forecast.shares[:, at], FAINT), max(float(scenario.shares[at]), FAINT)
    return np.asarray(np.log(figures[0] / figures[1]))


def _logit(turnout: Floats) -> Floats:
    return np.asarray(logit(np.clip(turnout, 1e-6, 1 - 1e-6)))


def _sum_of(model: StationModel, matrix: FeatureMatrix, bloc: str | None) -> _Sum:
    """How the model's deviation comes about."""
    if isinstance(model, Carried):
        return _Sum(_mean(model.shares or model.carried if bloc else model.carried, bloc))
    if isinstance(model, Transition):
        if bloc is not None:
            return _Sum(_mean(model.shares, bloc))
        # As the model has it: all of a round follow a known first one, or none do.
        if np.isnan(matrix.columns(INPUTS)).any():
            return _Sum(_mean(("layered",), None))
        layers = tuple(_Term(c, c, 1.0) for c in LAYERS)
        slopes = zip(INPUTS, model.slopes, strict=True)
        return _Sum(layers + tuple(_Term(c, c, slope, apart=True) for c, slope in slopes))
    if not isinstance(model, BoostedTurnout | BoostedShares):
        return _Sum((), whole=model)
    anchor = (_Term(ANCHOR, "turnout_anchor" if bloc is None else f"share_anchor_{bloc}", 1.0),)
    if isinstance(model, BoostedTurnout) != (bloc is None):
        return _Sum(anchor)
    return _Sum(anchor, _inputs(matrix, model.settings, bloc), model.trees, model.shrink)


def _inputs(matrix: FeatureMatrix, settings: Boosting, bloc: str | None) -> tuple[str, ...]:
    """The names of what trees read, in their order."""
    if bloc is None:
        return turnout.columns_of(matrix, settings.features)
    own = [f"{f}_{bloc}" if is_per_bloc(f) else f for f in settings.features]
    return (BLOC, *own, *(f"{f}_{b}" for f in settings.context for b in matrix.notice.blocs))


def _read(model: StationModel, matrix: FeatureMatrix, bloc: str | None) -> Floats:
    """The values of :func:`_inputs` [S × F], as the model itself takes them."""
    assert isinstance(model, BoostedTurnout | BoostedShares)
    if bloc is None:
        return turnout.inputs(matrix, model.settings)
    rows, at = np.arange(len(matrix.values)), matrix.notice.blocs.index(bloc)
    return swing.inputs(matrix, at, rows, model.settings)


def _mean(names: tuple[str, ...], bloc: str | None) -> tuple[_Term, ...]:
    """Terms of the mean of named deviations; one that is named twice weighs twice."""
    columns = {name: f"turnout_{name}" if bloc is None else f"share_{name}_{bloc}" for name in names}
    return tuple(_Term(name, columns[name], names.count(name) / len(names)) for name in columns)
