"""What the models' and the release's YAML may say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .schema import Name, NonEmpty, Share, Text


class LightGBMText(Text):
    """Parameters of LightGBM. Those that make a refit give the same bytes are fixed, not chosen."""

    objective: Literal["regression", "regression_l1", "huber", "fair"] = "regression"
    num_leaves: int = Field(ge=2, le=4096)
    learning_rate: float = Field(gt=0, le=1)
    n_estimators: int = Field(ge=1, le=20_000)
    min_child_samples: int = Field(ge=1)
    subsample: float = Field(default=1.0, gt=0, le=1)
    subsample_freq: int = Field(default=0, ge=0)
    colsample_bytree: float = Field(default=1.0, gt=0, le=1)
    reg_lambda: float = Field(default=0.0, ge=0)
    max_bin: int = Field(default=255, ge=15, le=65_535)
    seed: int = Field(ge=0)
    num_threads: int = Field(default=1, ge=1, le=256)
    deterministic: Literal[True]
    force_col_wise: Literal[True]

    def params(self) -> dict[str, str | int | float | bool]:
        """The keyword arguments of a LightGBM estimator, quiet."""
        said: dict[str, str | int | float | bool] = self.model_dump()
        return {**said, "verbosity": -1}


class ModelConfig(Text):
    """A learned model: its features by name, LightGBM's parameters, and the grid of shrinkage.

    ``context``: features of which a row of one bloc takes the columns of all blocs.
    ``census``: features of context that a second model has beside these.
    ``shrink_grid``: candidates for the part of the trees' correction that is kept, from 0 (the anchor alone).
    ``rows_per_contest``: stations of a contest that are learned from, at most.
    """

    name: Name
    about: NonEmpty
    features: tuple[Name, ...] = Field(min_length=1)
    context: tuple[Name, ...] = ()
    census: tuple[Name, ...] = ()
    lightgbm: LightGBMText
    shrink_grid: tuple[Share, ...] = Field(min_length=1)
    rows_per_contest: int = Field(ge=100)

    @model_validator(mode="after")
    def _grid_and_features_are_sets(self) -> ModelConfig:
        if list(self.shrink_grid) != sorted(set(self.shrink_grid)) or self.shrink_grid[0] != 0:
            raise ValueError("shrink_grid: must ascend from 0, each value once")
        if len(set(self.features)) != len(self.features):
            raise ValueError("features: one stands twice")
        return self


class ReleaseConfig(Text):
    """The floor of disclosure and the versions of the contract and of the policy.

    ``min_registered``, ``min_valid``: electors and valid votes under which no unit is published alone.
    """

    schema_version: Annotated[str, Field(pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$")]
    policy_version: int = Field(ge=1)
    min_registered: int = Field(ge=11)
    min_valid: int = Field(ge=11)
