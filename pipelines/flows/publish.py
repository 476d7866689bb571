"""The flow of `isoloir publish`."""

from __future__ import annotations

from pathlib import Path

from isoloir.pipelines.bench import Bench
from isoloir.pipelines.progress import Say
from isoloir.pipelines.publish import publish
from isoloir.pipelines.score import Scored
from isoloir.pipelines.train import Plan

from .recorded import as_task, of_target, show_release


def publish_flow(bench: Bench, plan: Plan, scored: Scored, say: Say) -> Path:
    """Publish a scored target; the folder of the release."""

    def body() -> Path:
        release = as_task("publish", lambda: publish(bench, plan, scored, say))
        show_release(release)
        return release

    return of_target(bench, plan, "publish", body)
