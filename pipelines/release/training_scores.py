"""How the champion's specification does at published units, and what is lost against single stations."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from isoloir.domain.election import Contest
from isoloir.domain.forecast import Forecast
from isoloir.domain.ledger import Outcomes
from isoloir.models.backtest import level_given
from isoloir.models.protocol import StationModel, TrainingSet
from isoloir.models.registry import candidates, is_taught
from isoloir.models.scorecard import turnout_error_pp, votes_misallocated
from isoloir.models.selection import CENSUS
from isoloir.pipelines.bench import Bench
from isoloir.pipelines.folds import FORECASTS, FOREVER, THREADS, fold_folder
from isoloir.pipelines.home import read_json, set_in_place, write_json
from isoloir.pipelines.store import code_digest, stamp

from .training_matrices import United

SCORES = "scores.json"


@dataclass(frozen=True, slots=True)
class UnitScore:
    """The champion's errors at a past contest, level given, learnt from what was public before it.

    Turnout in pp, votes per 100; at published units, and at single stations. None where it had nothing to
    learn from; of stations also where their fold is not kept.
    """

    contest: str
    turnout_mae_pp: float | None
    votes_misallocated: float | None
    station_turnout_mae_pp: float | None
    station_votes_misallocated: float | None


@dataclass(frozen=True, slots=True)
class Names:
    """The candidates that are champion: of turnout, and of shares."""

    turnout: str
    shares: str


def unit_scores(
    bench: Bench, target: Contest, lessons: Sequence[United], names: Names
) -> tuple[UnitScore, ...]:
    """The scores at the contests that a champion of ``target`` is chosen on, in order of day.

    Those whose shares are known, of the same sort of round (first, or later) where there are any. What units
    scored is kept in home's backtest/.
    """
    known = [one for one in lessons if one.outcomes.shares_known.any()]
    alike = [one for one in known if (one.plan.contest.round > 1) == (target.round > 1)] or known
    final = bench.home.planned("backtest", bench.key, "units", _digest(bench, alike, lessons, names))
    if not (final / SCORES).is_file():
        bench.home.folder("backtest", bench.key, "units")
        with ThreadPoolExecutor(THREADS) as pool:
            errors = list(pool.map(lambda one: _errors(bench, one, lessons, names), alike))
        with set_in_place(final, SCORES) as aside:
            write_json(aside / SCORES, errors)
    folders = [fold_folder(bench, one.plan, [m.plan for m in lessons]) for one in alike]
    alone = [_alone(bench, one, f, names) for one, f in zip(alike, folders, strict=True)]
    made = zip(alike, read_json(final / SCORES), alone, strict=True)
    return tuple(UnitScore(one.plan.contest.key, *errors, *stations) for one, errors, stations in made)


def mean_of(scores: Sequence[UnitScore]) -> UnitScore:
    """The mean over the contests at which all of it is known, called ``mean``; None where there is none."""
    whole = [s for s in scores if None not in _figures(s)]
    columns = zip(*(_figures(s) for s in whole), strict=True)
    return UnitScore("mean", *([float(np.mean(c)) for c in columns] if whole else [None] * 4))


def told(scores: Sequence[UnitScore]) -> tuple[str, ...]:
    """What merging costs, a line per contest and one for the mean."""
    lines = []
    for s in (*scores, mean_of(scores)):
        if None in _figures(s):
            continue
        turnout, votes, alone, votes_alone = _figures(s)
        lines.append(
            f"{s.contest}: at published units turnout {turnout:.3f} pp, votes {votes:.3f} %; "
            f"at single stations {alone:.3f} pp, {votes_alone:.3f} %"
        )
    return tuple(lines)


def _figures(s: UnitScore) -> tuple[float | None, ...]:
    return (
        s.turnout_mae_pp, s.votes_misallocated, s.station_turnout_mae_pp, s.station_votes_misallocated
    )  # fmt: skip


def _digest(bench: Bench, judged: Sequence[United], lessons: Sequence[United], names: Names) -> str:
    return stamp(
        code_digest("models.backtest", "models.registry", "domain.united"),
        bench.settings,
        names,
        [one.plan.contest.key for one in judged],
        [(one.digest, bench.sha256[one.plan.contest.key]) for one in lessons],
    )


def _errors(bench: Bench, one: United, lessons: Sequence[United], names: Names) -> tuple[float | None, ...]:
    """Errors of turnout and of votes at the units of a contest."""
    turnout, shares = (forecast_by(bench, one, lessons, name) for name in (names.turnout, names.shares))
    return (
        None if turnout is None else turnout_error_pp(turnout, one.outcomes),
        None if shares is None else votes_misallocated(shares, one.outcomes),
    )


def _alone(bench: Bench, one: United, folder: Path, names: Names) -> tuple[float | None, ...]:
    """The same at its stations, as its fold kept their forecasts."""
    outcomes = bench.ledger.outcomes(one.plan.contest, FOREVER)
    turnout, shares = (_kept(folder, name, outcomes) for name in (names.turnout, names.shares))
    return (
        None if turnout is None else turnout_error_pp(turnout, outcomes),
        None if shares is None else votes_misallocated(shares, outcomes),
    )


def forecast_by(bench: Bench, one: United, lessons: Sequence[United], name: str) -> Forecast | None:
    """The units' forecast by the candidate ``name``, fitted on the lessons before, the level given.

    None where it had nothing to learn from.
    """
    cut = one.plan.past.as_of
    seen = tuple(m.lesson for m in lessons if cut.sees(m.plan.contest.results_known_on))
    model = _candidate(bench, one, name).fit(TrainingSet(one.plan.contest, cut, seen))
    return model.predict(one.matrix, level_given(one.outcomes)) if is_taught(model) else None


def _candidate(bench: Bench, one: United, name: str) -> StationModel:
    """Trees that use a census are, before one was public, those that do not."""
    census = bool(bench.ledger.context.before(one.plan.past.as_of).facts)
    models = {m.name: m for m in candidates(bench.settings, census=census)}
    return models.get(name) or models[name.removesuffix(CENSUS)]


def _kept(folder: Path, name: str, outcomes: Outcomes) -> Forecast | None:
    """The stations' forecast by a candidate, as its fold kept it."""
    path = folder / FORECASTS
    if not path.is_file():
        return None
    held = pq.read_schema(path).names
    found = next((n for n in (name, name.removesuffix(CENSUS)) if f"{n}.turnout" in held), None)
    if found is None:
        return None
    wanted = [f"{found}.turnout", *(f"{found}.share{b}" for b in range(outcomes.votes.shape[1]))]
    table = pq.read_table(path, columns=wanted)
    turnout, *shares = (table[c].to_numpy() for c in wanted)
    return Forecast(turnout, np.stack(shares, axis=1), turnout * outcomes.registered)
