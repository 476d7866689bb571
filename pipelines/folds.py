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
from isoloir.domain.facts import Context
from isoloir.domain.forecast import FeatureMatrix, Forecast
from isoloir.domain.ledger import Outcomes
from isoloir.features.matrix import with_context
from isoloir.models.backtest import Fold, fitted, forecast_all, judged, level_given
from isoloir.models.protocol import Lesson, StationModel, TrainingSet
from isoloir.models.registry import candidates, is_taught
from isoloir.models.saved import model_from, model_texts

from .bench import Bench
from .core import CONTEXT
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


class Lessons:
    """What may be learned of past contests, each with the context that was public before a cut.

    A contest's matrix under one context is made once: contexts change far less often than cuts.
    """

    def __init__(self, past: Sequence[Learned], context: Context) -> None:
        self.past, self.context = past, context
        self._made: dict[tuple[str, tuple[str, ...]], FeatureMatrix] = {}

    def before(self, target: Contest, cut: AsOf) -> TrainingSet:
        """What may be learned for ``target`` before ``cut``."""
        context = self.context.before(cut)
        seen = [one for one in self.past if cut.sees(one.contest.results_known_on)]
        lessons = [Lesson(self._matrix(one, context), one.outcomes, one.plan.past.as_of) for one in seen]
        return TrainingSet(target, cut, tuple(lessons))

    def _matrix(self, one: Learned, context: Context) -> FeatureMatrix:
        if context.names == one.plan.past.context.names:
            return one.matrix
        key = (one.contest.key, context.names)
        if key not in self._made:
            # Of contexts before this one nobody will ask again, or not soon: matrices are large.
            for other in [k for k in self._made if k[0] == key[0]]:
                self._made.pop(other, None)
            self._made[key] = with_context(one.matrix, context)
        return self._made[key]


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


def fold_digest(bench: Bench, plan: MatrixPlan, past: Sequence[MatrixPlan]) -> str:
    """The digest of the fold of ``plan``: its matrix and outcomes, the lessons before it, settings, code."""
    cut = plan.past.as_of
    return stamp(
        code_digest("models.backtest", "models.registry", "models.saved", "pipelines.folds"),
        bench.settings,
        context_stamp(bench, cut),
        (plan.digest, bench.sha256[plan.contest.key]),
        [(p.digest, bench.sha256[p.contest.key]) for p in past if cut.sees(p.contest.results_known_on)],
    )


def context_stamp(bench: Bench, cut: AsOf) -> str:
    """The digest of the context that was public before ``cut``."""
    return stamp(
        [(name, bench.sha256[f"{CONTEXT}/{name}"]) for name in bench.ledger.context.before(cut).names]
    )


def folds_of(bench: Bench, past: Sequence[Learned], say: Callable[[str], None]) -> tuple[Fold, ...]:
    """The fold of every past contest whose shares are known, in order; what is not kept yet is made.

    Of every one where there are no blocs: turnout is all that is judged then.
    """
    judgeable = [one for one in past if one.outcomes.shares_known.any() or not bench.blocs.blocs]
    lessons = Lessons(past, bench.ledger.context)
    # LightGBM and numpy let go of the interpreter: two folds at a time use two cores.
    with ThreadPoolExecutor(THREADS) as pool:
        return tuple(pool.map(lambda one: _fold(bench, one, lessons, say), judgeable))


def fold_folder(bench: Bench, plan: MatrixPlan, past: Sequence[MatrixPlan]) -> Path:
    """Where the fold lies, or will."""
    return bench.home.planned("backtest", bench.key, "folds", fold_digest(bench, plan, past))


def _fold(bench: Bench, one: Learned, lessons: Lessons, say: Callable[[str], None]) -> Fold:
    final = fold_folder(bench, one.plan, [p.plan for p in lessons.past])
    scenario, cut = level_given(one.outcomes), one.plan.past.as_of
    if not (final / FORECASTS).is_file():
        say(f"judging at {one.contest.key}")
        census = bool(bench.ledger.context.before(cut).facts)
        unfitted = candidates(bench.settings, census=census, shares=bool(bench.blocs.blocs))
        models = [m for m in fitted(unfitted, lessons.before(one.contest, cut)) if is_taught(m)]
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
        turnout, shares = table[f"{name}.turnout"].to_numpy(), np.empty((table.num_rows, blocs))
        for b in range(blocs):
            shares[:, b] = table[f"{name}.share{b}"].to_numpy()
        out[name] = Forecast(turnout, shares, turnout * weight)
    return out
