"""Past targets as folds: each forecast by every candidate from what was known before it, once, and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isoloir.domain.election import AsOf, Contest
from isoloir.domain.errors import MissingInputError
from isoloir.domain.forecast import FeatureMatrix, Forecast
from isoloir.domain.ledger import Outcomes
from isoloir.models.backtest import Fold, fitted, forecast_all, judged, level_given
from isoloir.models.protocol import Lesson, StationModel, TrainingSet
from isoloir.models.registry import candidates
from isoloir.models.saved import model_from, model_texts

from .bench import Bench
from .home import read_json, set_in_place, write_json
from .matrices import Hidden, MatrixPlan, built, plan_matrix
from .store import code_digest, stamp

FOREVER = AsOf(date.max)
"""The cut of one who looks back at everything: for judging a backtest, never for forecasting."""

THREADS = 2
FORECASTS = "forecasts.parquet"


@dataclass(frozen=True, slots=True)
class Learned:
    """A past contest, its matrix and its outcomes as kept: what may be learned from and judged at."""

    plan: MatrixPlan
    matrix: FeatureMatrix
    outcomes: Outcomes

    @property
    def contest(self) -> Contest:
        """The contest."""
        return self.plan.contest

    @property
    def lesson(self) -> Lesson:
        """The same, for a model."""
        return Lesson(self.matrix, self.outcomes, self.plan.past.as_of)


def plan_lessons(bench: Bench, as_of: AsOf, hidden: Hidden) -> tuple[MatrixPlan, ...]:
    """The matrices of every contest whose results were public before ``as_of`` and that had a past."""
    notices = [bench.ledger.notice(c) for c in bench.ledger.as_of(as_of).contests]
    plans = [plan_matrix(bench, n, as_of, hidden) for n in notices if n is not None]
    return tuple(p for p in plans if p is not None)


def learned(
    bench: Bench, plans: Sequence[MatrixPlan], as_of: AsOf, say: Callable[[str], None]
) -> tuple[Learned, ...]:
    """Each planned matrix, built or read, beside what the contest came to."""
    return tuple(Learned(p, built(bench, p, say), bench.ledger.outcomes(p.contest, as_of)) for p in plans)


def training_set(target: Contest, cut: AsOf, past: Sequence[Learned]) -> TrainingSet:
    """What may be learned for ``target`` before ``cut``."""
    seen = [one.lesson for one in past if cut.sees(one.contest.results_known_on)]
    return TrainingSet(target, cut, tuple(seen))


def fold_digest(bench: Bench, plan: MatrixPlan, past: Sequence[MatrixPlan]) -> str:
    """The digest of the fold of ``plan``: its matrix and outcomes, the lessons before it, settings, code."""
    cut = plan.past.as_of
    return stamp(
        code_digest("models.backtest", "models.registry", "models.saved", "pipelines.folds"),
        bench.settings,
        (plan.digest, bench.sha256[plan.contest.key]),
        [(p.digest, bench.sha256[p.contest.key]) for p in past if cut.sees(p.contest.results_known_on)],
    )


def folds_of(bench: Bench, past: Sequence[Learned], say: Callable[[str], None]) -> tuple[Fold, ...]:
    """The fold of every past contest whose shares are known, in order; what is not kept yet is made."""
    judgeable = [one for one in past if one.outcomes.shares_known.any()]
    # LightGBM and numpy let go of the interpreter: two folds at a time use two cores.
    with ThreadPoolExecutor(THREADS) as pool:
        return tuple(pool.map(lambda one: _fold(bench, one, past, say), judgeable))


def fold_folder(bench: Bench, plan: MatrixPlan, past: Sequence[MatrixPlan]) -> Path:
    """Where the fold lies, or will."""
    return bench.home.planned("backtest", bench.key, "folds", fold_digest(bench, plan, past))


def _fold(bench: Bench, one: Learned, past: Sequence[Learned], say: Callable[[str], None]) -> Fold:
    final = fold_folder(bench, one.plan, [p.plan for p in past])
    scenario, cut = level_given(one.outcomes), one.plan.past.as_of
    if not (final / FORECASTS).is_file():
        say(f"judging at {one.contest.key}")
        models = fitted(candidates(bench.settings), training_set(one.contest, cut, past))
        given = forecast_all(models, one.matrix, scenario)
        bench.home.folder("backtest", bench.key, "folds")
        with set_in_place(final, FORECASTS) as aside:
            pq.write_table(_forecasts_table(given), aside / FORECASTS, compression="zstd")
            write_json(aside / "models.json", {model.name: model_texts(model) for model in models})
        return judged(cut, one.matrix, one.outcomes, given)
    table = pq.read_table(final / FORECASTS)
    weight = np.asarray(one.matrix.notice.registered * scenario.valid_rate, dtype=np.float64)
    return judged(cut, one.matrix, one.outcomes, _forecasts(table, weight, len(bench.blocs.blocs)))


def fitted_models(bench: Bench, one: Learned, past: Sequence[Learned]) -> tuple[StationModel, ...]:
    """The fitted candidates of a kept fold."""
    path = fold_folder(bench, one.plan, [p.plan for p in past]) / "models.json"
    if not path.is_file():
        raise MissingInputError(f"{one.contest.key} was not judged yet", remedy="make its fold first")
    said = read_json(path)
    return tuple(model_from(files) for files in said.values())


def _forecasts_table(given: dict[str, Forecast]) -> pa.Table:
    columns = {}
    for name, forecast in given.items():
        columns[f"{name}.turnout"] = pa.array(forecast.turnout)
        for b in range(forecast.shares.shape[1]):
            columns[f"{name}.share{b}"] = pa.array(np.ascontiguousarray(forecast.shares[:, b]))
    return pa.table(columns)


def _forecasts(table: pa.Table, weight: NDArray[np.float64], blocs: int) -> dict[str, Forecast]:
    names = [c.removesuffix(".turnout") for c in table.column_names if c.endswith(".turnout")]
    out = {}
    for name in names:
        turnout = table[f"{name}.turnout"].to_numpy()
        shares = np.stack([table[f"{name}.share{b}"].to_numpy() for b in range(blocs)], axis=1)
        out[name] = Forecast(turnout, shares, turnout * weight)
    return out
