"""Train for one target: judge every candidate at earlier targets, fit the champion, keep it in MLflow."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from isoloir.configs.experiment import Experiment, as_it_stands
from isoloir.configs.load import config_digest
from isoloir.domain.errors import LeakageError, MissingInputError
from isoloir.models.crowned import CHAMPION, Crowned, calibration_before, crowned, held_by_each
from isoloir.models.registry import candidates
from isoloir.models.saved import Mark, Quantity, SavedModel, to_files
from isoloir.models.scorecard import fifths, noise_floor, turnout_error_pp, votes_misallocated
from isoloir.models.selection import Champion, choose

from .bench import Bench, Request, offer_of
from .folds import Learned, Lessons, context_stamp, fold_digest, folds_of, learned, plan_lessons
from .matrices import Hidden, MatrixPlan, built, hiding, plan_matrix
from .notices import notice_of
from .plots import coverage_picture, errors_picture
from .progress import Say
from .store import code_digest, stamp
from .tracking import ModelFiles, Registered, TrainingRun, champion, log_training
from .training_card import CARD, regret_of, training_card

QUANTITIES: tuple[Quantity, Quantity] = ("turnout", "swing")


@dataclass(frozen=True, slots=True)
class Plan:
    """What training and scoring of a target rest on, by digest; nothing is built yet."""

    request: Request
    hidden: Hidden
    target: MatrixPlan
    lessons: tuple[MatrixPlan, ...]
    grouping: str
    digest: str


def plan_training(bench: Bench, request: Request) -> Plan:
    """The plan of a target; MissingInputError where nothing was public before it."""
    hidden = hiding(bench, request.target, request.cut)
    notice = notice_of(bench.ledger, request.target, request.as_of, bench.blocs, offer_of(bench, request))
    target = plan_matrix(bench, notice, request.as_of, hidden)
    if target is None:
        raise MissingInputError(
            f"nothing was public before {request.target.key}", remedy="ingest earlier contests"
        )
    lessons = plan_lessons(bench, request.cut, hidden)
    if not any(r.shares_known.any() for r in target.past.records):
        raise MissingInputError(
            f"grouping {bench.blocs.grouping} knows no share of any contest before {request.target.key}",
            remedy="choose another --grouping, or ingest a contest that it speaks of",
        )
    code = code_digest("pipelines.train")
    folds = [fold_digest(bench, p, lessons) for p in lessons]
    known = [(c, bench.sha256[c.key]) for c in target.past.contests]
    asked = (request.target, request.cut, bench.settings, bench.grouping, target.reference)
    digest = stamp(code, *asked, folds, known, context_stamp(bench, request.cut))
    return Plan(request, hidden, target, lessons, bench.grouping, digest)


@dataclass(frozen=True, slots=True)
class Trained:
    """The two fitted models of a target, the chosen champion, and the past targets that it was chosen on.

    ``held``: what the champion's 90 % band held at each of these; None before there were errors.
    """

    turnout: SavedModel
    swing: SavedModel
    champion: Champion
    past: tuple[Crowned, ...]
    held: tuple[pd.DataFrame | None, ...]

    @property
    def models(self) -> tuple[SavedModel, SavedModel]:
        """Both models."""
        return self.turnout, self.swing


def train(bench: Bench, plan: Plan, say: Say) -> Trained:
    """Choose the champion at earlier targets, calibrate on its errors there, fit it on all of them."""
    past = learned(bench, plan.lessons, plan.request.cut, say)
    folds = folds_of(bench, past, say)
    chosen = choose([f.judgement for f in folds], plan.request.target)
    return fit_champion(bench, plan, past, crowned(folds), chosen, say)


def fit_champion(
    bench: Bench, plan: Plan, past: Sequence[Learned], crowns: tuple[Crowned, ...], chosen: Champion, say: Say
) -> Trained:
    """Calibrate on the errors of past champions, and fit the chosen one on all of ``past``."""
    cut, target = plan.request.cut, plan.request.target
    say(f"champion: {chosen.turnout} for turnout, {chosen.shares} for shares")
    learnt = calibration_before(crowns, cut, chosen, len(bench.blocs.blocs))
    training = Lessons(past, bench.ledger.context).before(target, cut)
    census = bool(bench.ledger.context.before(cut).facts)
    models = {m.name: m for m in candidates(bench.settings, census=census)}
    national = built(bench, plan.target, say).reference
    contests = tuple(dict.fromkeys([*training.contests, *chosen.judged_at, *learnt.contests]))
    held = held_by_each(crowns)
    records = records_of(crowns, held)

    def saved(quantity: Quantity, name: str) -> SavedModel:
        model = models[name].fit(training)
        return SavedModel(
            quantity, model, target, bench.blocs.blocs, national, learnt, contests, records[quantity]
        )

    return Trained(saved("turnout", chosen.turnout), saved("swing", chosen.shares), chosen, crowns, held)


def records_of(
    past: Sequence[Crowned], held: Sequence[pd.DataFrame | None]
) -> dict[Quantity, tuple[Mark, ...]]:
    """How each past target's champion did, its bands calibrated on the targets that were public before it."""
    turnout: list[Mark] = []
    swing: list[Mark] = []
    for one, card in zip(past, held, strict=True):
        judgement, outcomes = one.fold.judgement, one.fold.outcomes
        told = None if card is None else card.set_index(["stratum", "metric"])["value"]
        for marks, errors, miss, metric in (
            (turnout, judgement.turnout, turnout_error_pp, "turnout_coverage90"),
            (swing, judgement.shares, votes_misallocated, "share_coverage90"),
        ):
            error, least = miss(one.forecast, outcomes), min(errors.values())
            by_size = tuple(
                (_known(miss(one.forecast, outcomes, rows)), _held(told, fifth, metric))
                for fifth, rows in fifths(outcomes)
            )
            marks.append(Mark(judgement.contest.key, error, least, _held(told, "all", metric), by_size))
    return {"turnout": tuple(turnout), "swing": tuple(swing)}


def _held(told: pd.Series | None, stratum: str, metric: str) -> float | None:
    """No interval is judged where one bloc stands alone at every station, nor before anything was learnt."""
    return None if told is None else _known(float(told[stratum, metric]))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def log(bench: Bench, plan: Plan, trained: Trained) -> Mapping[str, int]:
    """Log the training in MLflow and register its two models; the version of each."""
    run = training_run(bench, plan, trained, as_it_stands(bench.overlay))
    return log_training(bench.home.path, run).versions


def training_run(bench: Bench, plan: Plan, trained: Trained, experiment: Experiment) -> TrainingRun:
    """What is told of a training under the experiment; its models' settings are those of ``bench``."""
    inputs = json.loads((bench.core / "ingest.json").read_text(encoding="utf-8"))["inputs"]
    card = scorecard_of(bench.key, trained.past, trained.held)
    used = [*(p.contest for p in plan.lessons), *plan.target.past.contests]
    newest = max(contest.results_known_on for contest in used)
    request = plan.request
    return TrainingRun(
        territory=bench.key,
        target=request.target.key,
        as_of=request.cut.day,
        grouping=bench.grouping,
        params=_params(bench, trained),
        metrics=metrics_of(card),
        tags={
            "train_digest": plan.digest,
            "experiment": experiment.name,
            "experiment_digest": experiment.digest,
            **{f"mean_regret.{m.quantity}": f"{regret_of(m.record):.4f}" for m in trained.models},
            "champion": f"{trained.champion.turnout}+{trained.champion.shares}",
            "newest_known_on": newest.isoformat(),
            "config_digest": config_digest(bench.config),
            "git_commit": commit() or "unknown",
            "first_rounds_hidden": str(plan.hidden.first_rounds).lower(),
            **{f"input.{i['file']}": i["sha256"] for i in inputs},
        },
        texts={
            "champion.json": json.dumps(_told(trained.champion), indent=1, sort_keys=True),
            CARD: training_card(trained.turnout, trained.swing, experiment),
        },
        tables={"scorecard": card},
        pictures={"errors.png": errors_picture(card), "coverage.png": coverage_picture(card)},
        models=tuple(ModelFiles(m.quantity, to_files(m), m.inputs, m.outputs) for m in trained.models),
    )


def metrics_of(card: pd.DataFrame) -> dict[str, float]:
    """The scorecard's known values by ``<target>.<metric>.<model>``."""
    known = card.dropna(subset="value")
    names = known["target"] + "." + known["metric"] + "." + known["model"]
    return dict(zip(names.tolist(), known["value"].astype(float).tolist(), strict=True))


def _told(chosen: Champion) -> dict[str, object]:
    return {"turnout": chosen.turnout, "swing": chosen.shares, "judged_at": chosen.judged_at}


def _params(bench: Bench, trained: Trained) -> dict[str, str]:
    said = {"champion.turnout": trained.champion.turnout, "champion.swing": trained.champion.shares}
    for name, settings in (("turnout", bench.settings.turnout), ("swing", bench.settings.swing)):
        said[f"{name}.features"] = ",".join(settings.features)
        said[f"{name}.trees"] = str(settings.trees)
        said |= {f"{name}.{k}": str(v) for k, v in settings.params.items()}
    for saved in trained.models:
        said[f"{saved.quantity}.shrink"] = str(getattr(saved.model, "shrink", ""))
    return said


def scorecard_of(
    territory: str, past: Sequence[Crowned], held: Sequence[pd.DataFrame | None]
) -> pd.DataFrame:
    """The long scorecard of earlier targets, level given: each one's champion, the candidates, the floor.

    What the champion's 90 % bands held is in it, over all stations: nothing here is of a few of them.
    """
    rows = []
    for one in past:
        judgement, outcomes = one.fold.judgement, one.fold.outcomes
        floors = dict(zip(("turnout_mae_pp", "votes_misallocated"), noise_floor(outcomes), strict=True))
        for metric, errors, error in (
            ("turnout_mae_pp", judgement.turnout, turnout_error_pp(one.forecast, outcomes)),
            ("votes_misallocated", judgement.shares, votes_misallocated(one.forecast, outcomes)),
        ):
            said = {CHAMPION: error, "noise_floor": floors[metric], **errors}
            rows += [(judgement.contest.key, m, "given", metric, "all", v) for m, v in said.items()]
    cards = [card[card["stratum"] == "all"] for card in held if card is not None]
    table = pd.DataFrame(rows, columns=["target", "model", "level", "metric", "stratum", "value"])
    card = pd.concat([table, *cards], ignore_index=True).assign(territory=territory)
    return card[["territory", *table.columns]]


def commit() -> str | None:
    """The commit of the code, where git is there and this file is in the repository that it runs from."""
    here = Path(__file__)

    def git(*words: str) -> str | None:
        try:
            said = subprocess.run(
                ["git", "-C", str(here.parent), *words], capture_output=True, text=True, check=False
            )
        except OSError:
            return None
        return said.stdout.strip() if said.returncode == 0 else None

    tracked = git("ls-files", "--error-unmatch", here.name)
    return git("rev-parse", "HEAD") if tracked else None


def champion_of(bench: Bench, plan: Plan) -> list[Registered]:
    """The registered champions of the target, turnout and swing."""
    target, cut = plan.request.target, plan.request.cut
    return [champion(bench.home.path, bench.key, q, target.key, cut) for q in QUANTITIES]


def trained_before(bench: Bench, plan: Plan) -> bool:
    """Whether the registered champion of the target is what this plan would train."""
    try:
        found = champion_of(bench, plan)
    except (MissingInputError, LeakageError):
        return False
    return all(f.tags["train_digest"] == plan.digest for f in found)
