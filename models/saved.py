"""Models as text, without pickle: JSON for the model and its settings, LightGBM's own text for trees."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import pandas as pd

from isoloir.domain.election import Contest
from isoloir.domain.errors import ReleaseError, UsageError
from isoloir.domain.forecast import FeatureMatrix, National, Scenario
from isoloir.domain.ledger import Notice
from isoloir.domain.station import CODES, Stations
from isoloir.features.matrix import is_per_bloc

from .backtest import level_carried
from .baselines import Carried, PooledReferences, Transport
from .boosting import Boosting
from .intervals import Calibrated, Calibration
from .protocol import StationModel
from .swing import BoostedShares
from .transition import INPUTS, Transition
from .transport import Transported
from .transport import inputs as transported_inputs
from .turnout import BoostedTurnout

Quantity = Literal["turnout", "swing"]
MODEL, TREES = "model.json", "trees.txt"


@dataclass(frozen=True, slots=True)
class Mark:
    """How the champion of an earlier target did there, level given.

    Its ``error``, the ``least`` of any candidate, and ``coverage90``: the part of the figures that its 90 %
    band held (None before there were errors to learn from). ``by_size``: error and coverage90 by fifths of
    the stations, the smallest first; one where nothing is known has None for both.
    """

    contest: str
    error: float
    least: float
    coverage90: float | None
    by_size: tuple[tuple[float | None, float | None], ...] = ()


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A fitted model of one quantity of ``target``, with what its intervals learnt and where it comes from.

    ``national``: the figures that are carried where a caller states none. ``contests``: all that it was
    trained, calibrated and selected on. ``record``: how the choice did at earlier targets.
    """

    quantity: Quantity
    model: StationModel
    target: Contest
    blocs: tuple[str, ...]
    national: National
    learnt: Calibration
    contests: tuple[str, ...]
    record: tuple[Mark, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that :meth:`predict_frame` reads."""
        stems = inputs_of(self.model, self.blocs)
        return tuple(dict.fromkeys(["registered", *(f"standing_{b}" for b in self.blocs), *stems]))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The columns that :meth:`predict_frame` returns."""
        if self.quantity == "turnout":
            return ("turnout_pred",)
        return tuple(f"share_{b}_pred" for b in self.blocs)

    def predict_frame(self, frame: pd.DataFrame, national: Mapping[str, float]) -> pd.DataFrame:
        """The forecast of each row of ``frame``, which holds :attr:`inputs`; index kept.

        The rows are taken for the whole roll: the national figures are met over them.

        ``national`` may state ``turnout`` and ``share_<bloc>``: where any share is stated, one that is left
        out is 0, and they are brought to a sum of 1. What it leaves out altogether is carried.
        """
        self._check(national)
        matrix = matrix_from(frame, self)
        carried = level_carried(matrix)
        stated = [n for n in (f"share_{b}" for b in self.blocs) if n in national]
        shares = np.array([national.get(f"share_{b}", 0.0) for b in self.blocs])
        scenario = Scenario(
            "frame",
            "given" if national else "carried",
            carried.source,
            national.get("turnout", carried.turnout),
            shares / max(shares.sum(), 1e-300) if stated else carried.shares,
            carried.valid_rate,
        )
        forecast = self.model.predict(matrix, scenario)
        values = forecast.turnout[:, None] if self.quantity == "turnout" else forecast.shares
        return pd.DataFrame(values, columns=list(self.outputs), index=frame.index)

    def _check(self, national: Mapping[str, float]) -> None:
        """UsageError where a figure is of nothing, or no part of a whole."""
        known = {"turnout", *(f"share_{b}" for b in self.blocs)}
        wrong = [n for n, v in national.items() if n not in known or not 0 <= v <= 1]
        if wrong or not 0 < national.get("turnout", 0.5) < 1:
            raise UsageError(
                f"national figures that can't be: {', '.join(wrong or ['turnout'])}",
                remedy=f"give {', '.join(sorted(known))}, each between 0 and 1",
            )


def inputs_of(model: StationModel, blocs: tuple[str, ...]) -> list[str]:
    """The feature columns that a model reads."""
    if isinstance(model, Carried):
        stems = [f"turnout_{c}" for c in model.carried]
        return stems + [f"share_{c}_{b}" for c in model.shares or model.carried for b in blocs]
    if isinstance(model, Transition):
        return ["turnout_layered", *INPUTS, *(f"share_{c}_{b}" for c in model.shares for b in blocs)]
    if isinstance(model, Transported):
        return transported_inputs(blocs)
    if isinstance(model, PooledReferences | Transport):
        carried = model.carried if isinstance(model, PooledReferences) else ("same_kind",)
        return inputs_of(Carried(model.name, carried), blocs)
    if isinstance(model, BoostedTurnout | BoostedShares):
        settings, columns = model.settings, ["turnout_anchor", *(f"share_anchor_{b}" for b in blocs)]
        for name in (*settings.features, *settings.context):
            columns += [f"{name}_{b}" for b in blocs] if is_per_bloc(name) else [name]
        return columns
    raise TypeError(f"no saved form of {type(model).__name__}")


def matrix_from(frame: pd.DataFrame, saved: SavedModel) -> FeatureMatrix:
    """The matrix of a frame's rows; areas that it does not name are unknown."""
    count = len(frame)
    missing = [c for c in saved.inputs if c not in frame.columns]
    if missing:
        raise ReleaseError(
            f"the frame lacks {len(missing)} column(s) that the model reads: {', '.join(missing[:5])}",
            remedy="take a matrix that was built under the same grouping and features",
        )
    codes = [
        np.asarray(frame[c].to_numpy(), dtype=np.str_) if c in frame else np.full(count, "", dtype=np.str_)
        for c in CODES
    ]
    standing = frame[[f"standing_{b}" for b in saved.blocs]].to_numpy(dtype=np.float64) > 0
    notice = Notice(
        saved.target, saved.blocs, Stations(*codes), frame["registered"].to_numpy(dtype=np.int32),
        standing, "frame", "frame",
    )  # fmt: skip
    names = tuple(c for c in saved.inputs if c != "registered")
    return FeatureMatrix(notice, names, frame[list(names)].to_numpy(dtype=np.float64), saved.national, ())


def model_texts(model: StationModel) -> dict[str, str]:
    """A model as files: name to text."""
    if isinstance(model, Carried):
        said: dict[str, Any] = {"family": "carried", **asdict(model)}
        return {MODEL: _json(said)}
    if isinstance(model, Transition):
        return {MODEL: _json({"family": "transition", **asdict(model)})}
    if isinstance(model, PooledReferences):
        return {MODEL: _json({"family": "pooled_references", **asdict(model)})}
    if isinstance(model, Transport | Transported):
        return {MODEL: _json({"family": type(model).__name__.lower(), **asdict(model)})}
    if isinstance(model, BoostedTurnout | BoostedShares):
        family = "turnout" if isinstance(model, BoostedTurnout) else "shares"
        said = {"family": family, "name": model.name, "shrink": model.shrink}
        said |= {"settings": asdict(model.settings)}
        return {MODEL: _json(said)} | ({TREES: model.trees} if model.trees else {})
    raise TypeError(f"no saved form of {type(model).__name__}")


def model_from(files: Mapping[str, str]) -> StationModel:
    """The model that :func:`model_texts` wrote."""
    said = json.loads(files[MODEL])
    if said["family"] == "carried":
        return Carried(said["name"], tuple(said["carried"]), said["form"], tuple(said["shares"]))
    if said["family"] == "transition":
        return Transition(tuple(said["slopes"]), tuple(said["shares"]), said["name"])
    if said["family"] == "pooled_references":
        return PooledReferences(tuple(said["carried"]), said["name"])
    if said["family"] in ("transport", "transported"):
        return (Transport if said["family"] == "transport" else Transported)(said["name"])
    settings = said["settings"]
    boosting = Boosting(
        tuple(settings["features"]), tuple(settings["context"]), settings["params"],
        settings["trees"], settings["rows"], tuple(settings["shrink"]), tuple(settings["census"]),
    )  # fmt: skip
    trees, shrink, name = files.get(TREES, ""), float(said["shrink"]), said["name"]
    if said["family"] == "turnout":
        return BoostedTurnout(boosting, trees, shrink, name)
    return BoostedShares(boosting, trees, shrink, name)


def to_files(saved: SavedModel) -> dict[str, str]:
    """A saved model as files: name to text."""
    target, national = saved.target, saved.national
    said = {
        "format": 2,
        "quantity": saved.quantity,
        "target": asdict(target) | {"held_on": target.held_on.isoformat()},
        "blocs": saved.blocs,
        "national": asdict(national) | {"shares": national.shares.tolist()},
        "learnt": _learnt_text(saved.learnt),
        "contests": saved.contests,
        "record": [asdict(mark) for mark in saved.record],
    }
    return model_texts(saved.model) | {"saved.json": _json(said)}


def from_files(files: Mapping[str, str]) -> SavedModel:
    """The saved model that :func:`to_files` wrote."""
    said = json.loads(files["saved.json"])
    target, national = said["target"], said["national"]
    return SavedModel(
        said["quantity"],
        model_from(files),
        Contest(**target | {"held_on": date.fromisoformat(target["held_on"])}),
        tuple(said["blocs"]),
        National(**national | {"shares": np.array(national["shares"])}),
        _learnt_from(said["learnt"]),
        tuple(said["contests"]),
        tuple(Mark(**m | {"by_size": tuple(tuple(f) for f in m["by_size"])}) for m in said["record"]),
    )


def _learnt_text(learnt: Calibration) -> dict[str, object]:
    """What the intervals learnt; a bound that is not known is null."""

    def of(one: Calibrated) -> dict[str, object]:
        bounds = [[b if np.isfinite(b) else None for b in row] for row in one.bounds.tolist()]
        return {"scale": one.scale.tolist(), "bounds": bounds, "components": one.components}

    shares = [of(one) for one in learnt.shares]
    return {"contests": learnt.contests, "turnout": of(learnt.turnout), "shares": shares}


def _learnt_from(said: Any) -> Calibration:
    def of(one: Any) -> Calibrated:
        bounds = [[np.inf if b is None else b for b in row] for row in one["bounds"]]
        department, commune, station = one["components"]
        return Calibrated(np.array(one["scale"]), np.array(bounds), (department, commune, station))

    return Calibration(tuple(said["contests"]), of(said["turnout"]), tuple(of(one) for one in said["shares"]))


def _json(said: object) -> str:
    return json.dumps(said, indent=1, sort_keys=True, allow_nan=False) + "\n"
