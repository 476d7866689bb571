"""Score a target: its champion from the registry, moved to the scenario; kept inside, station by station."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from isoloir.domain.errors import MissingInputError, UsageError
from isoloir.domain.forecast import AreaFigures, FeatureMatrix, Forecast, Scenario
from isoloir.domain.scenario import ScenarioSpec
from isoloir.models.level import level_learnt, scale_at
from isoloir.models.reconcile import combined
from isoloir.models.saved import SavedModel, from_files

from .bench import Bench
from .home import set_in_place
from .matrices import built
from .progress import Say
from .store import code_digest, stamp
from .tracking import Registered
from .train import QUANTITIES, Plan, champion_of

FORECAST = "forecast.parquet"


@dataclass(frozen=True, slots=True)
class Scored:
    """A kept forecast of every station: matrix, scenario, the two models as registered, digest."""

    matrix: FeatureMatrix
    forecast: Forecast
    scenario: Scenario
    turnout: SavedModel
    swing: SavedModel
    registered: dict[str, str]
    trained_as_of: date
    digest: str

    @property
    def model_version(self) -> str:
        """What forecast turnout and shares, and the digest of the training."""
        return f"{self.turnout.model.name}+{self.swing.model.name}@{self.registered['train_digest']}"


def score_digest(bench: Bench, plan: Plan, train_digest: str) -> str:
    """The digest of a forecast: the training, the matrix, the scenario and the national figures of before."""
    code = code_digest("pipelines.score")
    national = bench.national.known(plan.target.past.as_of).figures
    return stamp(code, bench.grouping, plan.target.digest, train_digest, plan.request.scenario, national)


def score(bench: Bench, plan: Plan, say: Say) -> Scored:
    """The forecast by the champion of the target, made if it is not kept in home's forecasts/ yet.

    LeakageError where the champion has seen too much, MissingInputError where the target was not trained for.
    """
    found = _registered(bench, plan)
    turnout, swing = (_model(f) for f in found)
    final = _folder(bench, plan, found)
    if not (final / FORECAST).is_file():
        say(f"scoring {plan.request.target.key}")
        matrix = built(bench, plan.target, say)
        scenario = scenario_of(bench, plan, matrix)
        a, b = (m.model.predict(matrix, scenario) for m in (turnout, swing))
        bench.home.folder("forecasts", bench.key, plan.request.target.key)
        with set_in_place(final, FORECAST) as aside:
            _write(combined(a.turnout, b.shares, matrix.notice, scenario), matrix, aside)
    return scored(bench, plan)


def is_scored(bench: Bench, plan: Plan) -> bool:
    """Whether the forecast is kept; MissingInputError where the target was not trained for."""
    return (_folder(bench, plan, _registered(bench, plan)) / FORECAST).is_file()


def scored(bench: Bench, plan: Plan) -> Scored:
    """The kept forecast; MissingInputError where :func:`score` has not made it."""
    found = _registered(bench, plan)
    final, target = _folder(bench, plan, found), plan.request.target
    if not (final / FORECAST).is_file():
        raise MissingInputError(
            f"{target.key} was not scored under this scenario",
            remedy=f"isoloir score {bench.key} --target {target.key}, with the same --scenario",
        )
    turnout, swing = (_model(f) for f in found)
    matrix = built(bench, plan.target, lambda _: None)
    names = {q: f"{f.name}/{f.version}" for q, f in zip(QUANTITIES, found, strict=True)}
    return Scored(
        matrix,
        _read(final, bench),
        scenario_of(bench, plan, matrix),
        turnout,
        swing,
        names | {"train_digest": found[0].tags["train_digest"], "run": found[0].run_id},
        date.fromisoformat(found[0].tags["as_of"]),
        final.name,
    )


def _model(found: Registered) -> SavedModel:
    """The model of a version; MissingInputError where its files say something else."""
    try:
        return from_files(found.files)
    except (KeyError, TypeError) as error:
        raise MissingInputError(
            f"version {found.version} of {found.name} can't be read as a model: {error!r}",
            where=found.name,
            remedy=f"isoloir train {found.tags['territory']} --target {found.tags['target']}, "
            "after that version was deleted in MLflow",
        ) from error


def _registered(bench: Bench, plan: Plan) -> list[Registered]:
    target, found = plan.request.target, champion_of(bench, plan)
    if len({f.tags["train_digest"] for f in found}) > 1 or found[0].tags["grouping"] != plan.grouping:
        raise UsageError(
            f"the registered champion of {target.key} is of another grouping or training",
            remedy=f"isoloir train {bench.key} --target {target.key} with the same --grouping",
        )
    trained = found[0].tags["as_of"]
    if trained != plan.request.cut.day.isoformat():
        raise UsageError(
            f"the registered champion of {target.key} was trained as of {trained}, "
            f"and {plan.request.cut.day} is asked for",
            remedy=f"--as-of {trained}; or isoloir train {bench.key} --target {target.key} as of this day",
        )
    return found


def _folder(bench: Bench, plan: Plan, found: list[Registered]) -> Path:
    digest = score_digest(bench, plan, found[0].tags["train_digest"])
    return bench.home.planned("forecasts", bench.key, plan.request.target.key, digest)


def scenario_of(bench: Bench, plan: Plan, matrix: FeatureMatrix) -> Scenario:
    """The stated scenario; what it leaves out is carried: never from a contest that was not public yet.

    A stated figure has the standard deviation that it states, a carried one the spread of earlier changes.
    Where one of turnout and shares is carried, both are drawn from the Student t of that one, the stated one
    with the scale whose 90 % band is that of its standard deviation.
    """
    spec, past = plan.request.scenario, plan.target.past
    carried = level_learnt(matrix, bench.national.known(past.as_of), past)
    if spec is None:
        return carried
    shares = np.array([spec.share_of(b) for b in matrix.notice.blocs])
    stated = spec.turnout is not None, bool(spec.shares)
    learnt = carried.turnout_sd > 0, carried.shares_sd > 0
    whole, df = all(stated), None if all(stated) else carried.df
    rate = carried.valid_rate if spec.blank_null_rate is None else 1 - spec.blank_null_rate
    return Scenario(
        spec.name,
        "given" if whole else "partly",
        spec.source,
        carried.turnout if spec.turnout is None else spec.turnout,
        shares if spec.shares else carried.shares,
        rate,
        turnout_sd=carried.turnout_sd if spec.turnout is None else scale_at(spec.turnout_sd, None, df),
        shares_sd=scale_at(spec.shares_sd, None, df) if spec.shares else carried.shares_sd,
        df=df,
        changes=carried.changes if spec.turnout is None else None,
        estimable=all(a or b for a, b in zip(stated, learnt, strict=True)),
        areas=areas_of(spec, matrix.notice.blocs),
        turnout_scope=() if spec.turnout is None else spec.scope,
        shares_scope=spec.scope if spec.shares else (),
    )


def areas_of(spec: ScenarioSpec, blocs: tuple[str, ...]) -> tuple[AreaFigures, ...]:
    """The figures that a scenario states of areas, shares in the order of ``blocs``."""
    return tuple(
        AreaFigures(
            one.level,
            one.area,
            one.turnout,
            tuple(one.share_of(b) for b in blocs) if one.shares else None,
        )
        for one in spec.areas
    )


def _write(forecast: Forecast, matrix: FeatureMatrix, folder: Path) -> None:
    columns = {
        "station_id": pa.array(matrix.notice.stations.station_id),
        "turnout": pa.array(forecast.turnout),
        "expected_valid": pa.array(forecast.expected_valid),
    }
    for b, bloc in enumerate(matrix.notice.blocs):
        columns[f"share_{bloc}"] = pa.array(np.ascontiguousarray(forecast.shares[:, b]))
    pq.write_table(pa.table(columns), folder / FORECAST, compression="zstd")


def _read(folder: Path, bench: Bench) -> Forecast:
    table = pq.read_table(folder / FORECAST)
    shares = np.stack([table[f"share_{b}"].to_numpy() for b in bench.blocs.blocs], axis=1)
    return Forecast(table["turnout"].to_numpy(), shares, table["expected_valid"].to_numpy())
