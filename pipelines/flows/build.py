"""The flow of `isoloir build`."""

from __future__ import annotations

from isoloir.pipelines.bench import Bench
from isoloir.pipelines.progress import Say
from isoloir.pipelines.run import build_all
from isoloir.pipelines.train import Plan

from .recorded import as_task, of_target


def build_flow(bench: Bench, plan: Plan, say: Say) -> int:
    """Build every matrix of a target's plan; how many there are."""
    return of_target(bench, plan, "build", lambda: as_task("build", lambda: build_all(bench, plan, say)))
