"""Backtest a territory: forecasts of past targets by every model, beside what happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from isoloir.configs.load import TerritoryConfig
from isoloir.domain.errors import UsageError
from isoloir.domain.forecast import Band, Forecast, Scenario
from isoloir.domain.ledger import Ledger
from isoloir.models.backtest import (
    Champion,
    Fold,
    answer,
    banded,
    choose,
    crown,
    crowned,
    known_before,
    level_carried,
    level_given,
    past_errors,
)
from isoloir.models.baselines import RULES
from isoloir.models.intervals import Errors, errors_of
from isoloir.models.scorecard import coverage, noise_floor, score

from .folds import FOREVER, Hidden, earlier_folds
from .home import Home, replaced

CHAMPION = "champion"


@dataclass(frozen=True, slots=True)
class Backtest:
    """Where the two tables lie, the scorecard, and the champion of each target."""

    scorecard_path: Path
    predictions_path: Path
    scorecard: pd.DataFrame
    champions: dict[str, Champion]


def backtest(
    home: Home,
    config: TerritoryConfig,
    ledger: Ledger,
    targets: list[str],
    grouping: str,
    say: Callable[[str], None],
) -> Backtest:
    """Forecast each past target from what was known on its eve; write the scorecard and the predictions.

    No targets: every contest that had a past. The tables hold every station: they stay inside home.
    """
    folds = earlier_folds(ledger, config.calendar, FOREVER, Hidden(False), say)
    known = {f.outcomes.contest.key: i for i, f in enumerate(folds)}
    wanted = targets or list(known)
    for key in wanted:
        if key not in known:
            raise UsageError(
                f"{config.calendar[key].key} can't be backtested: no results, or no earlier contest"
            )
    final = home.folder("backtest", config.key) / grouping
    champions, tables = {}, []
    with (
        replaced(final) as aside,
        pq.ParquetWriter(aside / "predictions.parquet", _schema(ledger.blocs), compression="zstd") as writer,
    ):
        for key in wanted:
            say(f"forecasting {key}")
            at = known[key]
            contest = folds[at].outcomes.contest
            champions[key] = choose(known_before(folds, contest), contest.round)
            tables.append(_one_target(folds, at, champions[key], writer))
        card = pd.concat(tables, ignore_index=True).assign(territory=config.key)
        columns = ["territory", "target", "model", "level", "metric", "stratum", "value"]
        card = card[columns]
        card.to_parquet(aside / "scorecard.parquet", index=False)
    return Backtest(final / "scorecard.parquet", final / "predictions.parquet", card, champions)


def _one_target(folds: list[Fold], at: int, champion: Champion, writer: pq.ParquetWriter) -> pd.DataFrame:
    fold, earlier = folds[at], known_before(folds, folds[at].outcomes.contest)
    errors = {CHAMPION: past_errors(earlier)}
    errors |= {rule: [errors_of(f.given[rule], f.outcomes) for f in earlier] for rule in RULES}
    parts = [_floor(fold)]
    for scenario in (level_given(fold.outcomes), level_carried(fold.question)):
        for model in (CHAMPION, *RULES):
            forecast = _forecast(model, champion, fold, scenario)
            parts += _judged(model, scenario, forecast, fold, errors[model], writer)
    return pd.concat(parts, ignore_index=True)


def _forecast(model: str, champion: Champion, fold: Fold, scenario: Scenario) -> Forecast:
    if scenario.level == "given":
        return crowned(champion, fold) if model == CHAMPION else fold.given[model]
    if model == CHAMPION:
        return crown(champion, fold.question, scenario)
    return answer(model, fold.question, scenario)


def _judged(
    model: str,
    scenario: Scenario,
    forecast: Forecast,
    fold: Fold,
    errors: list[Errors],
    writer: pq.ParquetWriter,
) -> list[pd.DataFrame]:
    bounds = banded(forecast, fold.question.notice, errors)
    writer.write_table(_rows(model, scenario.level, forecast, bounds, fold))
    inside, width = coverage(bounds, fold.outcomes)
    said = pd.DataFrame(
        [("turnout_coverage90", "all", inside), ("turnout_width90_pp", "all", width)],
        columns=["metric", "stratum", "value"],
    )
    contest = fold.outcomes.contest
    return [
        score(model, scenario.level, forecast, fold.outcomes),
        said.assign(target=contest.key, model=model, level=scenario.level),
    ]


def _floor(fold: Fold) -> pd.DataFrame:
    turnout, shares = noise_floor(fold.outcomes)
    rows = [("turnout_mae_pp", "all", turnout), ("votes_misallocated", "all", shares)]
    table = pd.DataFrame(rows, columns=["metric", "stratum", "value"])
    return table.assign(target=fold.outcomes.contest.key, model="noise_floor", level="given")


def _schema(blocs: tuple[str, ...]) -> pa.Schema:
    text = [(n, pa.string()) for n in ("target", "station_id", "model", "level")]
    numbers = ["turnout_pred", "turnout_lo90", "turnout_hi90"]
    numbers += [f"share_{b}_{end}" for b in blocs for end in ("pred", "lo90", "hi90")]
    return pa.schema([*text, ("registered", pa.int32()), *((n, pa.float64()) for n in numbers)])


def _rows(model: str, level: str, forecast: Forecast, bounds: Band, fold: Fold) -> pa.Table:
    """One row for every station with registered electors."""
    notice, contest = fold.question.notice, fold.outcomes.contest
    held = notice.registered > 0
    count = int(held.sum())
    columns: dict[str, pa.Array] = {
        "target": pa.repeat(contest.key, count),
        "station_id": pa.array(notice.stations.station_id[held]),
        "model": pa.repeat(model, count),
        "level": pa.repeat(level, count),
        "registered": pa.array(notice.registered[held]),
        "turnout_pred": pa.array(forecast.turnout[held]),
        "turnout_lo90": pa.array(bounds.turnout_lo[held]),
        "turnout_hi90": pa.array(bounds.turnout_hi[held]),
    }
    for b, bloc in enumerate(notice.blocs):
        columns[f"share_{bloc}_pred"] = pa.array(np.ascontiguousarray(forecast.shares[held, b]))
        columns[f"share_{bloc}_lo90"] = pa.array(np.ascontiguousarray(bounds.shares_lo[held, b]))
        columns[f"share_{bloc}_hi90"] = pa.array(np.ascontiguousarray(bounds.shares_hi[held, b]))
    return pa.table(columns, schema=_schema(notice.blocs))
