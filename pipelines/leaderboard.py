"""What was tried, side by side: each experiment's errors and regret at the earlier targets of a target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isoloir.configs.experiment import DEFAULT
from isoloir.domain.errors import MissingInputError
from isoloir.models.crowned import CHAMPION

from .tracking_runs import Tracked

METRICS = ("turnout_mae_pp", "votes_misallocated")
FLOOR = "noise_floor"
COLUMNS = (
    "target",
    "as_of",
    "grouping",
    "experiment",
    "earlier_targets",
    "turnout_mae_pp",
    "turnout_regret",
    "votes_misallocated",
    "votes_regret",
    "champion",
    "trained_on",
    "run_id",
)
"""Errors are means over the earlier targets, level given; regrets are shares of the least error."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What runs must have in common to be compared."""

    target: str
    as_of: str
    grouping: str


def leaderboard(runs: Sequence[Tracked], target: str | None = None) -> pd.DataFrame:
    """One row per target and experiment, its latest training: :data:`COLUMNS`.

    Regret = error / least error of any candidate of any experiment compared − 1, at the earlier targets that
    all of them were judged at. Targets by date, and in each the least sum of both regrets first.
    """
    groups: dict[Asked, dict[str, Tracked]] = {}
    for run in sorted(runs, key=lambda one: one.started, reverse=True):
        asked = asked_of(run)
        if target in (None, asked.target):
            groups.setdefault(asked, {}).setdefault(run.tags.get("experiment", DEFAULT), run)
    rows = [row for asked, latest in groups.items() for row in _compared(asked, latest)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    both = table["turnout_regret"] + table["votes_regret"]
    table = table.assign(both=both).sort_values(
        ["as_of", "target", "grouping", "both", "experiment"], ignore_index=True
    )
    return table[list(COLUMNS)]


def check_any(table: pd.DataFrame, territory: str, target: str | None) -> None:
    """MissingInputError where the leaderboard of a target is empty."""
    if table.empty:
        raise MissingInputError(
            f"no training of {territory} for {target} was tracked",
            remedy=f"isoloir train {territory} --target {target} --experiment {DEFAULT}",
        )


def asked_of(run: Tracked) -> Asked:
    """Target, day and grouping of a run; what it left out is the experiment's, and stands in none of them."""
    tags = run.tags
    return Asked(tags["target"], tags["as_of"], tags["grouping"].partition(":")[0])


def _compared(asked: Asked, latest: Mapping[str, Tracked]) -> Iterator[tuple[object, ...]]:
    errors = {name: errors_of(run) for name, run in latest.items()}
    judged = [{contest for contest, _, model in one if model == CHAMPION} for one in errors.values()]
    common = sorted(set.intersection(*judged))
    for name, run in latest.items():
        figures = []
        for metric in METRICS:
            own = np.array([errors[name].get((c, metric, CHAMPION), np.nan) for c in common])
            least = np.array([_least(errors.values(), c, metric) for c in common])
            figures += [_mean(own), _mean(own / np.maximum(least, 1e-9) - 1)]
        champion, day = run.tags.get("champion", ""), run.started.date().isoformat()
        yield (
            asked.target, asked.as_of, asked.grouping, name, len(common), *figures, champion, day, run.run_id,
        )  # fmt: skip


def errors_of(run: Tracked) -> dict[tuple[str, str, str], float]:
    """The errors of a run by earlier target, metric and model; the noise floor is none."""
    split = {tuple(name.split(".", 2)): value for name, value in run.metrics.items()}
    return {
        (key[0], key[1], key[2]): value
        for key, value in split.items()
        if len(key) == 3 and key[1] in METRICS and key[2] != FLOOR
    }


def _least(errors: Iterable[Mapping[tuple[str, str, str], float]], contest: str, metric: str) -> float:
    said = [e for one in errors for key, e in one.items() if key[:2] == (contest, metric)]
    return min(said, default=float("nan"))


def _mean(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def shown(table: pd.DataFrame) -> str:
    """The leaderboard as a person reads it, one block per target."""
    lines = []
    for (target, as_of, grouping), part in table.groupby(["target", "as_of", "grouping"], sort=False):
        count = int(part["earlier_targets"].iloc[0])
        lines.append(f"\n{target}, as of {as_of}, {grouping}: means over {count} earlier target(s)")
        told = pd.DataFrame(
            {
                "experiment": part["experiment"],
                "turnout, pp": part["turnout_mae_pp"].map("{:.3f}".format),
                "regret": part["turnout_regret"].map("{:.1%}".format),
                "votes, %": part["votes_misallocated"].map("{:.3f}".format),
                "regret ": part["votes_regret"].map("{:.1%}".format),
                "champion": part["champion"],
                "trained": part["trained_on"],
                "run": part["run_id"],
            }
        )
        lines.append(told.to_string(index=False))
    lines.append("\nregret: how much more the champions of then erred than the best candidate of any of them")
    return "\n".join(lines).lstrip("\n")
