"""The champion's specification, told in columns of training.parquet."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from isoloir.domain.forecast import FeatureMatrix
from isoloir.models.baselines import RAKED, Carried, PooledReferences, Transport
from isoloir.models.protocol import StationModel
from isoloir.models.swing import BoostedShares
from isoloir.models.transition import INPUTS, LAYERS, Transition
from isoloir.models.transport import PASTS, Transported
from isoloir.models.turnout import BoostedTurnout

Weights = tuple[tuple[str, float], ...]
"""Columns, or stems of those of each bloc, and their parts."""


@dataclass(frozen=True, slots=True)
class Specification:
    """A model by its ``form`` and the columns that it reads, each with its weight; see docs/training.md.

    ``turnout_weights``: of a model of shares, the columns of its own turnout, which weighs them. ``slopes``:
    of the forms that learn some, those fitted for the target.
    """

    model: str
    form: str
    weights: Weights
    turnout_weights: Weights = ()
    slopes: Weights = ()

    def said(self) -> dict[str, object]:
        """It as JSON says it."""
        pairs = {"weights": self.weights, "turnout_weights": self.turnout_weights, "slopes": self.slopes}
        return {"model": self.model, "form": self.form} | {name: dict(said) for name, said in pairs.items()}


def turnout_of(model: StationModel, target: FeatureMatrix) -> Specification:
    """What a champion of turnout is at ``target``: a weighted sum of columns, and the form it is moved in.

    A model of second rounds is the layered prior at a first one.
    """
    if isinstance(model, Carried):
        return Specification(model.name, model.form, _mean("turnout", model.carried))
    if isinstance(model, PooledReferences):
        return Specification(model.name, "mean of raked", _mean("turnout", model.carried))
    if isinstance(model, Transport):
        return Specification(model.name, RAKED, OF_TRANSPORT)
    if isinstance(model, Transported):
        return Specification(model.name, RAKED, OF_TRANSPORTED)
    if isinstance(model, Transition):
        if np.isnan(target.columns(LAYERS)).any():
            return Specification(model.name, RAKED, (("turnout_layered", 1.0),))
        slopes = tuple(zip(INPUTS, model.slopes, strict=True))
        return Specification(model.name, "transition", tuple((c, 1.0) for c in LAYERS), slopes=slopes)
    form = "trees" if isinstance(model, BoostedTurnout) and model.trees else RAKED
    return Specification(model.name, form, OF_TREES)


def shares_of(model: StationModel) -> Specification:
    """The same of a champion of shares; ``share_prior`` stands for its column of each bloc."""
    if isinstance(model, Carried):
        weights = _mean("share", model.shares or model.carried)
        return Specification(model.name, model.form, weights, _mean("turnout", model.carried))
    if isinstance(model, PooledReferences):
        both = [_mean(what, model.carried) for what in ("share", "turnout")]
        return Specification(model.name, "mean of raked", *both)
    if isinstance(model, Transport):
        return Specification(model.name, "transport", (("share_same_kind", 1.0),), OF_TRANSPORT)
    if isinstance(model, Transported):
        pasts = ((f"{past}_share", 1.0) for past in PASTS)
        return Specification(model.name, "transported", (("share_prior", 1.0), *pasts), OF_TRANSPORTED)
    if isinstance(model, Transition):
        return Specification(model.name, RAKED, _mean("share", model.shares), (("turnout_layered", 1.0),))
    form = "trees" if isinstance(model, BoostedShares) and model.trees else RAKED
    return Specification(model.name, form, (("share_anchor", 1.0),), OF_TREES)


OF_TRANSPORT: Weights = (("turnout_same_kind", 1.0),)
OF_TRANSPORTED: Weights = (("turnout_prior", 1.0),)
OF_TREES: Weights = (("turnout_anchor", 1.0),)


def _mean(stem: str, carried: tuple[str, ...]) -> Weights:
    """The columns of which the plain mean is taken; one that is named twice weighs twice."""
    return tuple((f"{stem}_{name}", n / len(carried)) for name, n in Counter(carried).items())
