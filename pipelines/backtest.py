"""Backtest a territory: forecasts of past targets by every model, beside what happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from isoloir.domain.errors import UsageError
from isoloir.domain.forecast import Band, Forecast, Scenario
from isoloir.domain.ledger import Notice
from isoloir.domain.station import positions
from isoloir.features.matrix import build
from isoloir.models.backtest import (
    Fold,
    crown,
    forecast_all,
    level_given,
)
from isoloir.models.crowned import CHAMPION, Crowned, crowned, errors_before, known
from isoloir.models.intervals import ALPHAS, Calibration, band, calibrate, parts_of
from isoloir.models.level import level_learnt
from isoloir.models.protocol import StationModel
from isoloir.models.registry import RULE_NAMES
from isoloir.models.scorecard import (
    carried_roll,
    coverage,
    score,
    score_areas,
    score_floor,
)
from isoloir.models.selection import Champion

from .bench import Bench
from .folds import FOREVER, Learned, fitted_models, fold_digest, folds_of, learned, plan_lessons
from .home import read_json, replaced, write_json
from .judged_areas import national_card, with_areas
from .matrices import Hidden
from .notices import carried_notice
from .store import code_digest, stamp

SCORECARD, PREDICTIONS, SAID = "scorecard.parquet", "predictions.parquet", "backtest.json"
CARD = ["territory", "target", "model", "level", "metric", "stratum", "value"]


@dataclass(frozen=True, slots=True)
class Backtest:
    """Where the two tables lie, the scorecard, and the champion of each target."""

    scorecard_path: Path
    predictions_path: Path
    scorecard: pd.DataFrame
    champions: dict[str, Champion]


@dataclass(frozen=True, slots=True)
class Target:
    """A past target among others: what every model said of it, and what each had done before."""

    one: Learned
    crowned: Crowned
    earlier: tuple[Crowned, ...]

    @property
    def fold(self) -> Fold:
        """What every model said."""
        return self.crowned.fold

    @property
    def champion(self) -> Champion:
        """Chosen by what came before."""
        return self.crowned.champion


def backtest(bench: Bench, targets: Sequence[str], say: Callable[[str], None]) -> Backtest:
    """Forecast each past target from what was known on its eve; write the scorecard and the predictions.

    No targets: every contest that had a past. The tables hold every station: they stay inside home.
    """
    hidden = Hidden(False)
    past = learned(bench, plan_lessons(bench, FOREVER, hidden), FOREVER, say)
    folds = folds_of(bench, past, say)
    crowns = crowned(folds)
    everything = [f.outcomes.contest.key for f in folds] or ["nothing"]
    wanted = [_target(key, past, crowns) for key in targets or everything]
    final = bench.home.folder("backtest", bench.key) / bench.label
    schema, tables = _schema(bench.blocs.blocs), []
    with (
        replaced(final) as aside,
        pq.ParquetWriter(aside / PREDICTIONS, schema, compression="zstd") as writer,
    ):
        for target in wanted:
            say(f"forecasting {target.one.contest.key}")
            tables.append(_one_target(bench, target, past, writer))
        card = pd.concat(tables, ignore_index=True).assign(territory=bench.key)[CARD]
        card.to_parquet(aside / SCORECARD, index=False)
        champions = {t.one.contest.key: t.champion for t in wanted}
        told = {key: asdict(champion) for key, champion in champions.items()}
        write_json(aside / SAID, {"digest": backtest_digest(bench, targets), "champions": told})
    return Backtest(final / SCORECARD, final / PREDICTIONS, card, champions)


def backtest_digest(bench: Bench, targets: Sequence[str]) -> str:
    """The digest of a backtest: its targets, all matrices and results, the settings and the code."""
    plans = plan_lessons(bench, FOREVER, Hidden(False))
    folds = [fold_digest(bench, plan, plans) for plan in plans]
    national = bench.national.figures
    return stamp(code_digest("pipelines.backtest"), bench.grouping, tuple(targets), folds, national)


def backtested_before(bench: Bench, targets: Sequence[str]) -> Backtest | None:
    """The kept backtest, if it is of the same targets, inputs, settings and code; None otherwise."""
    final = bench.home.planned("backtest", bench.key, bench.label)
    if not (final / SAID).is_file():
        return None
    said = read_json(final / SAID)
    if said["digest"] != backtest_digest(bench, targets):
        return None
    told = said["champions"].items()
    champions = {k: Champion(c["turnout"], c["shares"], tuple(c["judged_at"])) for k, c in told}
    card = pd.read_parquet(final / SCORECARD)
    return Backtest(final / SCORECARD, final / PREDICTIONS, card, champions)


def _target(key: str, past: Sequence[Learned], crowns: Sequence[Crowned]) -> Target:
    found = {c.fold.outcomes.contest.key: c for c in crowns}
    if key not in found:
        raise UsageError(
            f"{key} can't be backtested: no results, no earlier contest, or no bloc in this grouping",
            remedy=f"one of: {', '.join(found)}"
            if found
            else "choose another --grouping, or ingest contests whose blocs it knows",
        )
    earlier = tuple(known(crowns, found[key].fold.cut))
    return Target(next(p for p in past if p.contest.key == key), found[key], earlier)


def _one_target(
    bench: Bench, target: Target, past: Sequence[Learned], writer: pq.ParquetWriter
) -> pd.DataFrame:
    fold = target.fold
    models = fitted_models(bench, target.one, past)
    results = target.one.plan.past
    given = level_given(fold.outcomes)
    carried = level_learnt(fold.matrix, bench.national.known(results.as_of), results)
    forecasts = {"given": fold.given, "carried": forecast_all(models, fold.matrix, carried)}
    errors = errors_before(target.earlier, target.fold.cut, target.champion)
    learnt = calibrate(errors, len(bench.blocs.blocs))
    parts = [score_floor(fold.outcomes), *_candidates(bench, models, forecasts, fold)]
    parts += [*with_areas(target.crowned, errors, learnt), national_card(carried, fold.outcomes)]
    for model in (CHAMPION, *RULE_NAMES):
        for scenario in (given, carried):
            said = forecasts[scenario.level]
            forecast = (
                crown(target.champion, said, fold.matrix, scenario) if model == CHAMPION else said[model]
            )
            # Rules have no intervals: what they are worth is their error.
            bounds = _bounds(scenario, forecast, learnt, fold) if model == CHAMPION else {}
            parts += _judged(model, scenario.level, forecast, bounds, fold, writer)
    parts.append(_with_carried_roll(bench, target, models))
    return pd.concat(parts, ignore_index=True)


def _candidates(
    bench: Bench, models: Sequence[StationModel], forecasts: Mapping[str, Mapping[str, Forecast]], fold: Fold
) -> list[pd.DataFrame]:
    """The errors of each candidate that is no rule, where turnout is all there is: a bench of models."""
    names = [m.name for m in models if m.name not in RULE_NAMES and not bench.blocs.blocs]
    return [score(n, level, said[n], fold.outcomes) for n in names for level, said in forecasts.items()]


def _bounds(scenario: Scenario, forecast: Forecast, learnt: Calibration, fold: Fold) -> Mapping[float, Band]:
    """The bands of each miss."""
    registered, parts = fold.matrix.notice.registered, parts_of(fold.matrix)
    return {alpha: band(forecast, registered, parts, learnt, alpha, scenario) for alpha in ALPHAS}


def _judged(
    model: str, level: str, forecast: Forecast, bounds: Mapping[float, Band], fold: Fold,
    writer: pq.ParquetWriter,
) -> list[pd.DataFrame]:  # fmt: skip
    notice, outcomes = fold.matrix.notice, fold.outcomes
    writer.write_table(_rows(model, level, forecast, bounds.get(0.1), notice))
    return [
        score(model, level, forecast, outcomes),
        score_areas(model, level, forecast, outcomes, notice.stations.department_code),
        *(coverage(model, level, alpha, said, outcomes) for alpha, said in bounds.items()),
    ]


def _with_carried_roll(bench: Bench, target: Target, models: Sequence[StationModel]) -> pd.DataFrame:
    """Every metric once with the roll of an earlier contest, as one has it before the notice is out.

    Who stands is as it was, where the code is found; every bloc elsewhere.
    """
    fold, own, past = target.fold, target.one.matrix.notice, target.one.plan.past
    if not any(r.contest.round == 1 for r in past.records):
        return pd.DataFrame(columns=CARD[1:])
    carried = carried_notice(past, own.contest, bench.blocs, None)
    at = positions(carried.stations.station_id, own.stations.station_id)
    standing = np.where((at >= 0)[:, None], own.standing[at], own.standing.any(axis=0))
    matrix = build(past, replace(carried, standing=standing), target.one.plan.reference)
    scenario = level_given(fold.outcomes)
    said = forecast_all(models, matrix, scenario)
    said = {CHAMPION: crown(target.champion, said, matrix, scenario)} | {r: said[r] for r in RULE_NAMES}
    roll, now = carried.stations, own.stations
    return pd.concat([carried_roll(name, f, roll, fold.outcomes, now) for name, f in said.items()])


def _schema(blocs: tuple[str, ...]) -> pa.Schema:
    text = [(n, pa.string()) for n in ("target", "station_id", "model", "level")]
    numbers = ["turnout_pred", "turnout_lo90", "turnout_hi90"]
    numbers += [f"share_{b}_{end}" for b in blocs for end in ("pred", "lo90", "hi90")]
    return pa.schema([*text, ("registered", pa.int32()), *((n, pa.float64()) for n in numbers)])


def _rows(model: str, level: str, forecast: Forecast, bounds: Band | None, notice: Notice) -> pa.Table:
    """One row for every station with registered electors; bounds are null where the model has none."""
    held = notice.registered > 0
    count = int(held.sum())
    columns: dict[str, pa.Array] = {
        "target": pa.repeat(notice.contest.key, count),
        "station_id": pa.array(notice.stations.station_id[held]),
        "model": pa.repeat(model, count),
        "level": pa.repeat(level, count),
        "registered": pa.array(notice.registered[held]),
        "turnout_pred": pa.array(forecast.turnout[held]),
    }
    if bounds is not None:
        columns["turnout_lo90"] = pa.array(bounds.turnout_lo[held])
        columns["turnout_hi90"] = pa.array(bounds.turnout_hi[held])
    for b, bloc in enumerate(notice.blocs):
        columns[f"share_{bloc}_pred"] = pa.array(np.ascontiguousarray(forecast.shares[held, b]))
        if bounds is not None:
            columns[f"share_{bloc}_lo90"] = pa.array(np.ascontiguousarray(bounds.shares_lo[held, b]))
            columns[f"share_{bloc}_hi90"] = pa.array(np.ascontiguousarray(bounds.shares_hi[held, b]))
    schema = _schema(notice.blocs)
    nothing = pa.nulls(count, pa.float64())
    return pa.table({name: columns.get(name, nothing) for name in schema.names}, schema=schema)
