"""Experiments: what a person tries beside the models' settings as they stand, one YAML file each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from isoloir.domain.errors import UsageError

from .digest import config_digest
from .load import ModelConfigs, load_models
from .schema import Name, NonEmpty, Text
from .settings import LightGBMText, ModelConfig
from .territory import nearest
from .text import Layers, Problems, read, shown_name, validate

DEFAULT = "default"
"""The experiment that changes nothing: what is trained, registered and published without any."""

FOLDER = "experiments"
NEVER_CHANGED = ("name", "about")

MOST_TRIALS, MOST_SETTINGS = 20, 500
"""A search is coarse: trials of each model, and the settings that its lists make together."""

Source = Literal["succession", "communes", "census", "offer"]
Searched = Literal[
    "num_leaves",
    "learning_rate",
    "n_estimators",
    "min_child_samples",
    "subsample",
    "colsample_bytree",
    "reg_lambda",
    "max_bin",
]
Values = Annotated[tuple[int | float, ...], Field(min_length=2, max_length=6)]


class SearchText(Text):
    """A coarse search: parameters of LightGBM with the few values to try, for each of the two models.

    ``trials``: settings that are drawn from the grid of each model, at most; ``seed``: of the draw.
    """

    trials: int = Field(ge=1, le=MOST_TRIALS)
    seed: int = Field(ge=0, lt=2**32)
    turnout: dict[Searched, Values] = Field(default_factory=dict)
    swing: dict[Searched, Values] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _grids_are_coarse(self) -> SearchText:
        if not self.turnout and not self.swing:
            raise ValueError("names no parameter: give some under turnout or swing")
        for said in (self.turnout, self.swing):
            for name, values in said.items():
                if any(a >= b for a, b in pairwise(values)):
                    raise ValueError(f"{name}: values must ascend, each once")
            if math.prod(len(values) for values in said.values()) > MOST_SETTINGS:
                raise ValueError(f"more than {MOST_SETTINGS} settings of one model: that is no coarse search")
        return self


class ExperimentText(Text):
    """``experiments/<name>.yaml``: what differs from the settings as they stand.

    ``candidates``: those that may become champion, by name; all if left out.
    ``without``: sources that are left out, as by `isoloir ablate`.
    ``turnout``, ``swing``: fields of ``models/turnout.yaml`` and ``models/swing.yaml`` to replace; of
    ``lightgbm`` only the parameters that are named.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    about: NonEmpty
    candidates: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    without: tuple[Source, ...] = ()
    turnout: dict[str, Any] = Field(default_factory=dict)
    swing: dict[str, Any] = Field(default_factory=dict)
    search: SearchText | None = None

    @model_validator(mode="after")
    def _each_once(self) -> ExperimentText:
        for field, said in (("candidates", self.candidates or ()), ("without", self.without)):
            if len(set(said)) < len(said):
                raise ValueError(f"{field}: one stands twice")
        return self

    @property
    def changes(self) -> bool:
        """Whether anything differs from the settings as they stand."""
        return bool(self.candidates or self.without or self.turnout or self.swing or self.search)


class _Models(Text):
    turnout: ModelConfig
    swing: ModelConfig


class _Tried(Text):
    search: dict[str, dict[str, tuple[LightGBMText, ...]]]


@dataclass(frozen=True, slots=True)
class Grid:
    """The values to try of some parameters of LightGBM, by the parameter's name."""

    values: tuple[tuple[str, tuple[int | float, ...]], ...] = ()

    @property
    def settings(self) -> int:
        """How many settings the values make; 0 where nothing is searched."""
        return math.prod(len(values) for _, values in self.values) if self.values else 0


@dataclass(frozen=True, slots=True)
class Search:
    """A search: at most ``trials`` settings of each grid, drawn by ``seed``."""

    trials: int
    seed: int
    turnout: Grid
    swing: Grid


@dataclass(frozen=True, slots=True)
class Experiment:
    """A checked experiment: the models' settings under it, and what else it changes.

    ``candidates``: names of those that may become champion; empty for all.
    """

    name: str
    about: str
    candidates: tuple[str, ...]
    without: tuple[Source, ...]
    models: ModelConfigs
    search: Search | None

    @property
    def digest(self) -> str:
        """Of what it sets, whatever it is called: 16 hex."""
        return config_digest(self.candidates, self.without, self.models, self.search)[:16]


def experiment_names(overlay: Path | None = None) -> list[str]:
    """Names of the experiments in either layer, sorted."""
    return Layers.over_package(overlay).stems(FOLDER)


def as_it_stands(overlay: Path | None = None) -> Experiment:
    """The experiment that changes nothing; ConfigError with every problem of the models' files."""
    return Experiment(DEFAULT, "The models' settings as they stand", (), (), load_models(overlay), None)


def load_experiment(name: str, overlay: Path | None = None) -> Experiment:
    """The experiment ``name``; UsageError if there is none, ConfigError with every problem of its file."""
    known = experiment_names(overlay)
    if name not in known:
        raise UsageError(f"there is no experiment called {name!r}", remedy=nearest(name, known))
    problems = Problems()
    made = _assembled(name, Layers.over_package(overlay), load_models(overlay), problems)
    problems.raise_if_any()
    assert made is not None
    return made


def load_experiments(overlay: Path | None = None) -> tuple[Experiment, ...]:
    """Every experiment; ConfigError with the problems of all their files."""
    layers, models, problems = Layers.over_package(overlay), load_models(overlay), Problems()
    made = [_assembled(name, layers, models, problems) for name in layers.stems(FOLDER)]
    problems.raise_if_any()
    return tuple(one for one in made if one is not None)


def _assembled(name: str, layers: Layers, models: ModelConfigs, problems: Problems) -> Experiment | None:
    path = f"{FOLDER}/{name}.yaml"
    said, shown = read(layers, path, ExperimentText, problems), shown_name(layers, path)
    if said is None:
        return None
    if said.name != name:
        problems.add(shown, "name", f"must be {name}, as the file is called")
    if name == DEFAULT and said.changes:
        problems.add(shown, "", "the default changes nothing: edit models/*.yaml, or choose another name")
    for quantity, fields in (("turnout", said.turnout), ("swing", said.swing)):
        for field in (f for f in NEVER_CHANGED if f in fields):
            problems.add(shown, f"{quantity}.{field}", "is no setting")
    merged = {"turnout": _merged(models.turnout, said.turnout), "swing": _merged(models.swing, said.swing)}
    settled = validate(_Models, merged, shown, problems)
    if settled is None:
        return None
    if said.search is not None:
        _check_values(said.search, settled, shown, problems)
    configs = ModelConfigs(settled.turnout, settled.swing)
    return Experiment(
        said.name, said.about, said.candidates or (), said.without, configs, _searched(said.search)
    )


def _merged(model: ModelConfig, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The model's fields as they stand under those that the experiment states."""
    stands = model.model_dump()
    parameters = fields.get("lightgbm")
    if isinstance(parameters, dict):
        return {**stands, **fields, "lightgbm": {**stands["lightgbm"], **parameters}}
    return {**stands, **fields}


def _check_values(search: SearchText, models: _Models, shown: str, problems: Problems) -> None:
    """A problem for every value that LightGBM's parameter can't have."""
    stands = {"turnout": models.turnout.lightgbm, "swing": models.swing.lightgbm}
    tried = {
        quantity: {
            name: [{**stands[quantity].model_dump(), name: value} for value in values]
            for name, values in said.items()
        }
        for quantity, said in (("turnout", search.turnout), ("swing", search.swing))
    }
    validate(_Tried, {"search": tried}, shown, problems)


def _searched(said: SearchText | None) -> Search | None:
    if said is None:
        return None
    grids = (Grid(tuple(sorted(one.items()))) for one in (said.turnout, said.swing))
    return Search(said.trials, said.seed, *grids)


def with_parameters(model: ModelConfig, parameters: Mapping[str, int | float]) -> ModelConfig:
    """The model with these parameters of LightGBM, already checked, in place of its own."""
    own = model.lightgbm.model_dump() | dict(parameters)
    return model.model_copy(update={"lightgbm": LightGBMText.model_validate(own)})
