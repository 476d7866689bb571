"""Explain a trained target: what its champions rest on, over contests, over places and at each station."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isoloir.domain.forecast import FeatureMatrix, Forecast, Scenario
from isoloir.models.backtest import Fold
from isoloir.models.boosting import stride
from isoloir.models.explain import (
    WARNING,
    contributions,
    moving_columns,
    partial_effects,
    top_drivers,
)
from isoloir.models.importance import importance
from isoloir.models.protocol import StationModel
from isoloir.models.saved import Quantity, from_files
from isoloir.models.selection import CENSUS, LEARNED
from isoloir.models.swing import BoostedShares
from isoloir.models.turnout import BoostedTurnout

from .bench import Bench
from .folds import fitted_models, folds_of, learned
from .home import set_in_place
from .matrices import built
from .progress import Say
from .score import scenario_of
from .store import code_digest, stamp
from .tracking import Registered
from .train import QUANTITIES, Plan, champion_of

IMPORTANCE, PARTIAL = "importance.parquet", "partial_effects.parquet"
DRIVERS, TREES_DRIVERS = "drivers.parquet", "drivers_boosted.parquet"

SEED = 20270418
ROWS = 5000
"""Stations that partial effects are means over, at most: every k-th of the roll."""

CHAMPION, BOOSTED = "champion", "boosted"
FAMILIES: dict[Quantity, type[object]] = {"turnout": BoostedTurnout, "swing": BoostedShares}


@dataclass(frozen=True, slots=True)
class Explained:
    """The two tables without stations, kept in ``folder``; ``drivers`` is the folder of those with them."""

    folder: Path
    drivers: Path
    importance: pd.DataFrame
    partial_effects: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to be explained for a quantity, and those of its name that were fitted before each fold.

    ``role``: the champion, or the boosted trees beside a champion that is none. Those come from the last
    fold that has them.
    """

    quantity: Quantity
    role: str
    model: StationModel
    folds: tuple[Fold, ...]
    fitted: tuple[StationModel, ...]


def explained(bench: Bench, plan: Plan) -> Explained | None:
    """What is kept of the same training, scenario and code; MissingInputError where nothing was trained."""
    folder, inside = _folders(bench, plan, champion_of(bench, plan))
    if not ((folder / PARTIAL).is_file() and (inside / DRIVERS).is_file()):
        return None
    tables = (pd.read_parquet(folder / name) for name in (IMPORTANCE, PARTIAL))
    return Explained(folder, inside, *tables)


def explain(bench: Bench, plan: Plan, say: Say) -> Explained:
    """Explain the registered champions of a target, and boosted trees beside those that are none.

    Two tables without stations go to home's explanations/, the drivers of each station to its forecasts/.
    """
    found = champion_of(bench, plan)
    folder, inside = _folders(bench, plan, found)
    matrix = built(bench, plan.target, say)
    scenario = scenario_of(bench, plan, matrix)
    subjects = subjects_of(bench, plan, found, say)
    tables = _importance(subjects, say), _partial(subjects, matrix, scenario, say)
    target = plan.request.target.key
    bench.home.folder("explanations", bench.key, target)
    with set_in_place(folder, PARTIAL) as aside:
        for name, table in zip((IMPORTANCE, PARTIAL), tables, strict=True):
            _write(table, aside / name)
    bench.home.folder("forecasts", bench.key, target)
    say("drivers of each station")
    with set_in_place(inside, DRIVERS) as aside:
        _write(_drivers(subjects, CHAMPION, matrix, scenario), aside / DRIVERS)
        if any(s.role == BOOSTED for s in subjects):
            _write(_drivers(subjects, BOOSTED, matrix, scenario), aside / TREES_DRIVERS)
    return Explained(folder, inside, *tables)


def subjects_of(bench: Bench, plan: Plan, found: Sequence[Registered], say: Say) -> list[Subject]:
    """What is to be explained, with the folds of the target's sort of round; all where there are none."""
    past = learned(bench, plan.lessons, plan.request.cut, say)
    folds = folds_of(bench, past, say)
    later = plan.request.target.round > 1
    alike = [f for f in folds if (f.outcomes.contest.round > 1) == later] or folds
    by_key = {p.contest.key: p for p in past}
    kept = {
        key: {m.name: m for m in fitted_models(bench, by_key[key], past)}
        for key in (f.outcomes.contest.key for f in alike)
    }
    out = []
    for quantity, registered in zip(QUANTITIES, found, strict=True):
        model = from_files(registered.files).model
        out.append(_subject(quantity, CHAMPION, model.name, alike, kept, model))
        if not isinstance(model, FAMILIES[quantity]):
            name = _best_trees(quantity, alike)
            if name is not None:
                out.append(_subject(quantity, BOOSTED, name, alike, kept, None))
    return out


Kept = dict[str, dict[str, StationModel]]


def _subject(
    quantity: Quantity, role: str, name: str, folds: Sequence[Fold], kept: Kept, model: StationModel | None
) -> Subject:
    """The folds that a candidate was forecast at; where no census was public, its trees are those without."""
    pairs = []
    for fold in folds:
        models = kept[fold.outcomes.contest.key]
        one = models.get(name) or models.get(name.removesuffix(CENSUS))
        if one is not None:
            pairs.append((fold, one))
    fitted = tuple(one for _, one in pairs)
    # Trees that earned nothing at the last fold say nothing: the last that say something are explained.
    grown = [one for one in fitted if getattr(one, "trees", "")]
    chosen = model or (grown or fitted)[-1]
    return Subject(quantity, role, chosen, tuple(fold for fold, _ in pairs), fitted)


def _best_trees(quantity: Quantity, folds: Sequence[Fold]) -> str | None:
    """The boosted candidate of least mean error over the folds; None where there is none."""
    errors = [f.judgement.turnout if quantity == "turnout" else f.judgement.shares for f in folds]
    names = [
        n for n in LEARNED if ("turnout" in n) == (quantity == "turnout") and all(n in e for e in errors)
    ]
    if not errors or not names:
        return None
    return min(names, key=lambda n: (float(np.nanmean([e[n] for e in errors])), n))


def _importance(subjects: Sequence[Subject], say: Say) -> pd.DataFrame:
    parts = []
    for one in subjects:
        say(f"importance: {one.model.name} ({one.quantity})")
        table = importance(one.fitted, one.folds, one.quantity, SEED)
        parts.append(_told(table, one))
    return pd.concat(parts, ignore_index=True)


def _partial(
    subjects: Sequence[Subject], matrix: FeatureMatrix, scenario: Scenario, say: Say
) -> pd.DataFrame:
    """Partial effects of all that a model reads, at the target; what is the same everywhere has none."""
    rows = np.flatnonzero(matrix.notice.registered > 0)
    rows = rows[stride(len(rows), ROWS)]
    few, parts = _taken(matrix, rows), []
    varies = np.nanmax(few.values, axis=0, initial=-np.inf) > np.nanmin(few.values, axis=0, initial=np.inf)
    for one in subjects:
        say(f"partial effects: {one.model.name} ({one.quantity})")
        whole = one.model.predict(matrix, scenario)
        forecast = Forecast(whole.turnout[rows], whole.shares[rows], whole.expected_valid[rows])
        for bloc in (None,) if one.quantity == "turnout" else matrix.notice.blocs:
            for feature in moving_columns(one.model, few, bloc):
                if varies[few.names.index(feature)]:
                    table = partial_effects(one.model, few, forecast, feature, bloc=bloc)
                    parts.append(_told(table.assign(of=bloc or "turnout"), one))
    return pd.concat(parts, ignore_index=True)


def _told(table: pd.DataFrame, one: Subject) -> pd.DataFrame:
    said = table.assign(quantity=one.quantity, model=one.model.name, role=one.role)
    first = ["quantity", "role", "model"]
    return said[[*first, *(c for c in said.columns if c not in first)]]


def _taken(matrix: FeatureMatrix, rows: NDArray[np.intp]) -> FeatureMatrix:
    """The matrix at ``rows``."""
    notice = matrix.notice
    few = replace(
        notice,
        stations=notice.stations.take(rows),
        registered=notice.registered[rows],
        standing=notice.standing[rows],
    )
    return replace(matrix, notice=few, values=matrix.values[rows])


def _drivers(
    subjects: Sequence[Subject], role: str, matrix: FeatureMatrix, scenario: Scenario
) -> pd.DataFrame:
    """One row per station: its drivers of turnout and of each bloc's share, by the models of ``role``."""
    blocs, parts = matrix.notice.blocs, [pd.DataFrame({"station_id": matrix.notice.stations.station_id})]
    for one in subjects:
        if one.role != role:
            continue
        forecast = one.model.predict(matrix, scenario)
        for bloc in (None,) if one.quantity == "turnout" else blocs:
            level = forecast.turnout if bloc is None else forecast.shares[:, blocs.index(bloc)]
            table = top_drivers(contributions(one.model, matrix, scenario, bloc), level)
            parts.append(table.add_prefix("turnout_" if bloc is None else f"share_{bloc}_"))
    return pd.concat(parts, axis=1)


def _write(table: pd.DataFrame, path: Path) -> None:
    """The table as Parquet; the warning travels in it."""
    made = pa.Table.from_pandas(table, preserve_index=False)
    said = {**(made.schema.metadata or {}), b"warning": WARNING.encode()}
    pq.write_table(made.replace_schema_metadata(said), path, compression="zstd")


def _folders(bench: Bench, plan: Plan, found: Sequence[Registered]) -> tuple[Path, Path]:
    """Where the tables without stations lie, or will, and those with them."""
    said = bench.grouping, plan.target.digest, plan.digest, plan.request.scenario
    digest = stamp(code_digest("pipelines.explain"), *said, *(f.tags["train_digest"] for f in found))
    target = plan.request.target.key
    return (
        bench.home.planned("explanations", bench.key, target, digest),
        bench.home.planned("forecasts", bench.key, target, f"{digest}-drivers"),
    )


MOST = 8
"""Features whose partial effects are shown, those of the widest."""


def shown(done: Explained) -> str:
    """Both tables as a person reads them, the warning above each."""
    lines = []
    for (quantity, role, model), part in done.importance.groupby(["quantity", "role", "model"], sort=False):
        unit = "turnout error, pp" if quantity == "turnout" else "votes misallocated, %"
        table = part.set_index("theme").drop(columns=["quantity", "role", "model"])
        title = (
            f"importance of themes, {model} ({role}): increase of {unit}, when permuted in held-out contests"
        )
        lines += ["", WARNING, title, table.round(3).to_string()]
    for (_, role, model), part in done.partial_effects.groupby(["quantity", "role", "model"], sort=False):
        wide = part.pivot_table(index=["of", "feature"], columns="quantile", values="effect_pp", sort=False)
        width = wide.max(axis=1) - wide.min(axis=1)
        widest = width[width > 0].sort_values(ascending=False, kind="stable").index[:MOST]
        title = f"partial effects, {model} ({role}): pp of the mean forecast, feature at quantiles of itself"
        lines += ["", WARNING, title, wide.loc[widest].round(2).to_string()]
        lines += [f"not shown: {len(wide) - len(widest)}, {int((width == 0).sum())} of them without effect"]
    return "\n".join(lines[1:])
