"""Train under an experiment: logged beside the others, never registered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import yaml

from isoloir.configs.experiment import Experiment
from isoloir.configs.load import ModelConfigs
from isoloir.configs.settings import ModelConfig
from isoloir.domain.errors import UsageError
from isoloir.features.catalogue import CATALOGUE, CONTEXTUAL
from isoloir.features.matrix import is_per_bloc
from isoloir.models.backtest import Fold
from isoloir.models.crowned import crowned
from isoloir.models.registry import candidates
from isoloir.models.selection import OF_TURNOUT, Judgement, choose

from .bench import Bench, left_without
from .folds import Learned, Lessons, folds_of, learned
from .progress import Say
from .search import Earlier, check_searchable, search, settings_of
from .store import code_digest, stamp
from .tracking import Logged, log_only
from .train import Plan, Trained, fit_champion, plan_training, training_run


def under(bench: Bench, plan: Plan, experiment: Experiment) -> tuple[Bench, Plan]:
    """The bench and the plan under the experiment, checked; UsageError where it asks for what is not there.

    The plan's digest is of the experiment too, so that no training of one is taken for another's.
    """
    check_searchable(experiment)
    _check_features(experiment)
    request = plan.request
    bench = replace(bench, settings=settings_of(experiment.models))
    if experiment.without:
        bench = left_without(bench, experiment.without)
        plan = plan_training(bench, request)
    _check_candidates(bench, plan, experiment)
    digest = stamp(code_digest("pipelines.experiments"), plan.digest, experiment.digest)
    return bench, replace(plan, digest=digest)


def _check_features(experiment: Experiment) -> None:
    known = {*CATALOGUE, *CONTEXTUAL}
    for quantity, model in (("turnout", experiment.models.turnout), ("swing", experiment.models.swing)):
        named = [*model.features, *model.context, *model.census]
        strange = [name for name in named if name not in known]
        strange += [name for name in model.context if name in known and not is_per_bloc(name)]
        if strange:
            raise UsageError(
                f"experiment {experiment.name}: {quantity} can't use {len(strange)} of its features, the "
                f"first: {strange[0]}",
                remedy=f"name features of the catalogue (context: per bloc): {', '.join(sorted(known))}",
            )


def _check_candidates(bench: Bench, plan: Plan, experiment: Experiment) -> None:
    census = bool(bench.ledger.context.before(plan.request.cut).facts)
    known = [model.name for model in candidates(bench.settings, census=census)]
    strange = [name for name in experiment.candidates if name not in known]
    if strange:
        raise UsageError(
            f"experiment {experiment.name}: {len(strange)} of its candidates do not exist here, the first: "
            f"{strange[0]}",
            remedy=f"there is: {', '.join(known)}",
        )
    if experiment.candidates and set(experiment.candidates) <= set(OF_TURNOUT):
        raise UsageError(
            f"experiment {experiment.name}: all of its candidates are of turnout alone",
            remedy=f"name one for shares too: {', '.join(n for n in known if n not in OF_TURNOUT)}",
        )


def train_experiment(bench: Bench, plan: Plan, experiment: Experiment, say: Say) -> Logged:
    """Train under the experiment and log it; nothing is registered, and no alias moves.

    ``bench`` and ``plan`` are those of :func:`under`.
    """
    past = learned(bench, plan.lessons, plan.request.cut, say)
    folds, models, tried = folds_of(bench, past, say), experiment.models, {}
    if experiment.search is not None:
        earlier = Earlier(bench, past, folds, Lessons(past, bench.ledger.context))
        found = search(earlier, models, experiment.search, say)
        folds, models = found.folds(say), found.best(plan.request.target, plan.request.cut)
        tried = {"trials": found.table()}
    settled = replace(bench, settings=settings_of(models))
    trained = _trained(settled, plan, past, folds, experiment, say)
    say("logging the experiment")
    run = training_run(settled, plan, trained, experiment)
    texts = {**run.texts, **model_yaml(models)}
    return log_only(bench.home.path, replace(run, texts=texts, tables={**run.tables, **tried}))


def _trained(
    bench: Bench, plan: Plan, past: Sequence[Learned], folds: Sequence[Fold], experiment: Experiment, say: Say
) -> Trained:
    """The champion among the experiment's candidates, at each earlier target and at this one.

    How it did is told beside all candidates: beside those alone that were let in it would flatter itself.
    """
    among = [entered(fold, experiment.candidates) for fold in folds]
    crowns = (replace(c, fold=full) for c, full in zip(crowned(among), folds, strict=True))
    chosen = choose([fold.judgement for fold in among], plan.request.target)
    return fit_champion(bench, plan, past, tuple(crowns), chosen, say)


def entered(fold: Fold, names: Sequence[str]) -> Fold:
    """The fold judged on ``names`` alone, or on all if there are none.

    The forecasts of the others stay: before there is a target to choose at, the pool forecasts.
    """
    if not names:
        return fold
    judgement = fold.judgement
    turnout = {name: error for name, error in judgement.turnout.items() if name in names}
    shares = {name: error for name, error in judgement.shares.items() if name in names}
    return replace(fold, judgement=Judgement(judgement.contest, turnout, shares))


def model_yaml(models: ModelConfigs) -> dict[str, str]:
    """``turnout.yaml`` and ``swing.yaml`` by name, as they may be put into the configs' ``models/``."""
    return {"turnout.yaml": _yaml(models.turnout), "swing.yaml": _yaml(models.swing)}


def _yaml(model: ModelConfig) -> str:
    return yaml.safe_dump(model.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)
