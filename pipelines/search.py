"""Search settings of the trees: a few, coarse, each judged by what the trees did at earlier targets.

    regret = error / least error of any candidate under the settings as they stand − 1

An error at an earlier target is that of a forecast from what was public before it. The settings for a target
are those of least mean regret at the targets known before its cut, of the same round where there are any, as
the champion is chosen; so an earlier target is forecast under settings that its own result had no say in.

For that the trials must not depend on results: they are drawn from the grid by seed alone. A sampler that
goes by the regret of earlier trials would let the last target decide what is tried for the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from isoloir.configs.experiment import Experiment, Grid, Search, with_parameters
from isoloir.configs.load import ModelConfigs, config_digest
from isoloir.configs.settings import ModelConfig
from isoloir.domain.election import AsOf, Contest
from isoloir.domain.errors import UsageError
from isoloir.domain.forecast import Forecast
from isoloir.domain.ledger import Outcomes
from isoloir.models.backtest import Fold, fitted, forecast_all, judged, level_given
from isoloir.models.registry import ModelSettings, candidates
from isoloir.models.saved import Quantity
from isoloir.models.scorecard import turnout_error_pp, votes_misallocated
from isoloir.models.selection import CENSUS, TREES, Judgement

from .bench import Bench, boosting_of
from .folds import THREADS, Learned, Lessons, fold_digest
from .home import read_json, set_in_place, write_json
from .progress import Say
from .store import code_digest, stamp

if TYPE_CHECKING:
    import optuna

ERRORS = "errors.json"

Parameters = Mapping[str, int | float]
Errors = Mapping[str, float]
"""By the contest's key, or by the candidate's name."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two models: the names of its trees, without and with census, and how they are judged."""

    quantity: Quantity
    plain: str
    census: str
    error: Callable[[Forecast, Outcomes], float]
    errors: Callable[[Judgement], Errors]


TURNOUT = Side("turnout", TREES[0], TREES[0] + CENSUS, turnout_error_pp, lambda j: j.turnout)
SWING = Side("swing", TREES[1], TREES[1] + CENSUS, votes_misallocated, lambda j: j.shares)
ALL_TREES = (TURNOUT.plain, TURNOUT.census, SWING.plain, SWING.census)


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting of one model, and the errors of its trees, by their name and by the target's key."""

    model: ModelConfig
    parameters: Parameters
    errors: Mapping[str, Errors]

    def regret(self, judged_by: Mapping[str, Errors]) -> float:
        """The mean regret, at the targets of ``judged_by``, of the better of its trees; infinite if none."""
        said = [mean_regret(errors, judged_by) for errors in self.errors.values()]
        return min((regret for regret in said if np.isfinite(regret)), default=float("inf"))


def mean_regret(errors: Errors, judged_by: Mapping[str, Errors]) -> float:
    """The mean of error / least error of any candidate − 1 over targets, by key; NaN where there is none."""
    least = {key: max(min(said.values()), 1e-9) for key, said in judged_by.items() if said}
    regrets = [errors[key] / least[key] - 1 for key in least if key in errors]
    finite = [regret for regret in regrets if np.isfinite(regret)]
    return float(np.mean(finite)) if finite else float("nan")


@dataclass(frozen=True, slots=True)
class Earlier:
    """The earlier targets as folds, and what is needed to have trees forecast them under other settings."""

    bench: Bench
    past: tuple[Learned, ...]
    folds: tuple[Fold, ...]
    lessons: Lessons

    def forecasts(self, fold: Fold, settings: ModelSettings, names: Sequence[str]) -> dict[str, Forecast]:
        """The forecasts of the trees ``names``, of those that the fold has, level given.

        Where no census was public, there are none of the trees that use it.
        """
        census = bool(self.bench.ledger.context.before(fold.cut).facts)
        unfitted = candidates(settings, census=census, shares=bool(self.bench.blocs.blocs))
        wanted = [m for m in unfitted if m.name in names and m.name in fold.given]
        training = self.lessons.before(fold.outcomes.contest, fold.cut)
        return forecast_all(fitted(wanted, training), fold.matrix, level_given(fold.outcomes))

    def judged_by(self, side: Side) -> dict[str, Errors]:
        """The errors of every candidate at each target, under the settings as they stand."""
        return {f.outcomes.contest.key: side.errors(f.judgement) for f in self.folds}

    @property
    def digest(self) -> str:
        """Of all that forecasts of these targets rest on."""
        plans = [one.plan for one in self.past]
        return stamp(*(fold_digest(self.bench, plan, plans) for plan in plans))


@dataclass(frozen=True, slots=True)
class Found:
    """The trials of both models, the settings as they stand first."""

    earlier: Earlier
    turnout: tuple[Trial, ...]
    swing: tuple[Trial, ...]

    def best(self, target: Contest, cut: AsOf) -> ModelConfigs:
        """The settings for ``target``, chosen by what was known before ``cut``; of equals the first."""
        known = [f for f in self.earlier.folds if cut.sees(f.outcomes.contest.results_known_on)]
        alike = [f for f in known if (f.outcomes.contest.round > 1) == (target.round > 1)] or known
        seen = replace(self.earlier, folds=tuple(alike))
        return ModelConfigs(_least(self.turnout, TURNOUT, seen).model, _least(self.swing, SWING, seen).model)

    def table(self) -> pd.DataFrame:
        """One row per trial: quantity, number (0: as it stands), mean regret at all targets, parameters."""
        rows: list[dict[str, object]] = []
        for side, trials in ((TURNOUT, self.turnout), (SWING, self.swing)):
            judged_by = self.earlier.judged_by(side)
            for number, one in enumerate(trials):
                said = {"quantity": side.quantity, "trial": number, "mean_regret": one.regret(judged_by)}
                rows.append({**said, **one.parameters})
        return pd.DataFrame(rows)

    def folds(self, say: Say) -> tuple[Fold, ...]:
        """The earlier targets, each with its trees under the settings that were chosen before it."""
        with ThreadPoolExecutor(THREADS) as pool:
            return tuple(pool.map(partial(self._again, say=say), self.earlier.folds))

    def _again(self, fold: Fold, say: Say) -> Fold:
        models = self.best(fold.outcomes.contest, fold.cut)
        if models == ModelConfigs(self.turnout[0].model, self.swing[0].model):
            return fold
        say(f"{fold.outcomes.contest.key} under the settings chosen before it")
        trees = self.earlier.forecasts(fold, settings_of(models), ALL_TREES)
        others = {name: given for name, given in fold.given.items() if name not in ALL_TREES}
        return judged(fold.cut, fold.matrix, fold.outcomes, others | trees)


def _least(trials: Sequence[Trial], side: Side, seen: Earlier) -> Trial:
    judged_by = seen.judged_by(side)
    return min(trials, key=lambda trial: trial.regret(judged_by))


def search(earlier: Earlier, models: ModelConfigs, asked: Search, say: Say) -> Found:
    """Try settings of both grids at every earlier target; each trial is kept in home, and told."""
    turnout = _tried(earlier, TURNOUT, models.turnout, asked.turnout, asked, say)
    swing = _tried(earlier, SWING, models.swing, asked.swing, asked, say)
    return Found(earlier, turnout, swing)


def _tried(
    earlier: Earlier, side: Side, stands: ModelConfig, grid: Grid, asked: Search, say: Say
) -> tuple[Trial, ...]:
    judged_by = earlier.judged_by(side)
    own = {n: {k: e[n] for k, e in judged_by.items() if n in e} for n in (side.plain, side.census)}
    trials = [Trial(stands, {}, own)]

    def judge(parameters: Parameters) -> float:
        model = with_parameters(stands, parameters)
        trials.append(Trial(model, parameters, errors_of(earlier, side, model)))
        regret = trials[-1].regret(judged_by)
        told = ", ".join(f"{name} {value}" for name, value in parameters.items())
        say(f"{side.quantity}, trial {len(trials) - 1}: mean regret {regret:+.2%} with {told}")
        return regret

    if grid.values:
        say(f"{side.quantity}, as it stands: mean regret {trials[0].regret(judged_by):+.2%}")
        draw(grid, asked, judge)
    return tuple(trials)


def draw(grid: Grid, asked: Search, judge: Callable[[Parameters], float]) -> None:
    """Have at most ``asked.trials`` settings of the grid judged, no two alike, drawn by the seed alone."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    values = {name: list(said) for name, said in grid.values}

    def objective(trial: optuna.Trial) -> float:
        return judge({name: trial.suggest_categorical(name, said) for name, said in values.items()})

    study = optuna.create_study(sampler=optuna.samplers.GridSampler(values, seed=asked.seed))
    study.optimize(objective, n_trials=min(asked.trials, grid.settings))


def errors_of(earlier: Earlier, side: Side, model: ModelConfig) -> dict[str, dict[str, float]]:
    """The errors of the trees of ``model`` by their name and by target: read if kept, else made and kept."""
    bench = earlier.bench
    digest = stamp(code_digest("pipelines.search"), side.quantity, config_digest(model), earlier.digest)
    final = bench.home.planned("backtest", bench.key, "trials", digest)
    if not (final / ERRORS).is_file():
        with ThreadPoolExecutor(THREADS) as pool:
            made = list(pool.map(partial(_errors_at, earlier, side, model), earlier.folds))
        keys, names = [f.outcomes.contest.key for f in earlier.folds], (side.plain, side.census)
        by_name = {n: {k: e[n] for k, e in zip(keys, made, strict=True) if n in e} for n in names}
        bench.home.folder("backtest", bench.key, "trials")
        with set_in_place(final, ERRORS) as aside:
            write_json(aside / ERRORS, by_name)
    found: dict[str, dict[str, float]] = read_json(final / ERRORS)
    return found


def _errors_at(earlier: Earlier, side: Side, model: ModelConfig, fold: Fold) -> dict[str, float]:
    boosting, stands = boosting_of(model), earlier.bench.settings
    settings = replace(stands, turnout=boosting) if side is TURNOUT else replace(stands, swing=boosting)
    given = earlier.forecasts(fold, settings, (side.plain, side.census))
    errors = {name: side.error(forecast, fold.outcomes) for name, forecast in given.items()}
    if side.plain in errors:
        # Where no census was public, the trees that use it are those that do not.
        errors.setdefault(side.census, errors[side.plain])
    return {name: error for name, error in errors.items() if np.isfinite(error)}


def settings_of(models: ModelConfigs) -> ModelSettings:
    """The models' settings as the models take them."""
    return ModelSettings(boosting_of(models.turnout), boosting_of(models.swing))


def check_searchable(experiment: Experiment) -> None:
    """UsageError where the experiment searches and Optuna is not installed."""
    if experiment.search is not None and find_spec("optuna") is None:
        raise UsageError(
            f"experiment {experiment.name} searches for settings, and Optuna is not installed",
            remedy="pip install 'isoloir[search]'",
        )
