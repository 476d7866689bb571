"""The whole way for one target, stage by stage: build, backtest, train, score, publish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from isoloir.domain.errors import UsageError

from .bench import Bench, Request
from .folds import folds_of, learned
from .matrices import built
from .progress import Say
from .publish import planned_release, publish, standing_release
from .score import score, score_digest, scored
from .train import Plan, log, plan_training, train, trained_before

T = TypeVar("T")


class Step(Protocol):
    """How a stage is carried out: plainly, or as a task of an orchestrator."""

    def __call__(self, name: str, stage: Callable[[], T], /) -> T:
        """What ``stage`` returns."""
        ...


def plainly(name: str, stage: Callable[[], T]) -> T:
    """A stage as the function it is."""
    return stage()


@dataclass(frozen=True, slots=True)
class Ran:
    """The release, and whether it was there before."""

    release: Path
    again: bool


def done_before(bench: Bench, plan: Plan) -> Ran | None:
    """The release if it is there and verifies: then there is nothing to do."""
    final = planned_release(bench, plan.target.notice, score_digest(bench, plan, plan.digest))
    return Ran(final, True) if final is not None and standing_release(final) else None


def stages(bench: Bench, plan: Plan, say: Say, step: Step = plainly) -> Ran:
    """Carry out every stage; each leaves its result in home, so that a later run goes on from there."""
    step("build", lambda: build_all(bench, plan, say))
    step("backtest", lambda: judge(bench, plan, say))
    step("train", lambda: train_once(bench, plan, say))
    step("score", lambda: score_trained(bench, plan, say))
    return Ran(step("publish", lambda: publish(bench, plan, scored(bench, plan), say)), False)


def run(bench: Bench, request: Request, say: Say) -> Ran:
    """Forecast the target and publish the release; nothing is done again if it is there and verifies."""
    plan = plan_training(bench, request)
    return done_before(bench, plan) or stages(bench, plan, say)


def build_all(bench: Bench, plan: Plan, say: Say) -> int:
    """Build every matrix of the plan; how many there are."""
    plans = (*plan.lessons, plan.target)
    for one in plans:
        built(bench, one, say)
    return len(plans)


def judge(bench: Bench, plan: Plan, say: Say) -> int:
    """Judge every candidate at each earlier target; how many there are."""
    return len(folds_of(bench, learned(bench, plan.lessons, plan.request.cut, say), say))


def train_once(bench: Bench, plan: Plan, say: Say) -> str:
    """Train and log the champion, unless this very training is registered; its digest."""
    if not trained_before(bench, plan):
        trained = train(bench, plan, say)
        say("logging the training")
        log(bench, plan, trained)
    return plan.digest


def score_once(bench: Bench, plan: Plan, say: Say) -> str:
    """Score the target by its registered champion; the digest of the forecast."""
    return score(bench, plan, say).digest


def score_trained(bench: Bench, plan: Plan, say: Say) -> str:
    """The same by the very training of the plan; UsageError if another run has registered its own since."""
    found = score(bench, plan, say)
    if found.registered["train_digest"] != plan.digest:
        raise UsageError(
            f"another training of {plan.request.target.key} was registered meanwhile",
            remedy="let runs of one target follow one another",
        )
    return found.digest
