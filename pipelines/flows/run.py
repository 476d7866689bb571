"""The flow of `isoloir run`."""

from __future__ import annotations

from isoloir.pipelines.bench import Bench
from isoloir.pipelines.progress import Say
from isoloir.pipelines.run import Ran, stages
from isoloir.pipelines.train import Plan

from .recorded import as_task, of_target, show_release


def run_flow(bench: Bench, plan: Plan, say: Say) -> Ran:
    """The whole way for one target, each stage a task."""

    def body() -> Ran:
        done = stages(bench, plan, say, as_task)
        show_release(done.release)
        return done

    return of_target(bench, plan, "run", body)
