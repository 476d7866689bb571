"""The flow of `isoloir score`."""

from __future__ import annotations

from isoloir.pipelines.bench import Bench
from isoloir.pipelines.progress import Say
from isoloir.pipelines.run import score_once
from isoloir.pipelines.train import Plan

from .recorded import as_task, of_target


def score_flow(bench: Bench, plan: Plan, say: Say) -> str:
    """Score a target by its registered champion; the digest of the forecast."""
    return of_target(bench, plan, "score", lambda: as_task("score", lambda: score_once(bench, plan, say)))
