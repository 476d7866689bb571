"""The flow of `isoloir train`."""

from __future__ import annotations

from isoloir.pipelines.bench import Bench
from isoloir.pipelines.progress import Say
from isoloir.pipelines.run import build_all, judge, train_once
from isoloir.pipelines.train import Plan, champion_of

from .engine import markdown_artifact
from .recorded import as_task, of_target


def train_flow(bench: Bench, plan: Plan, say: Say) -> str:
    """Build, judge at earlier targets, fit the champion and register it; the digest of the training."""

    def body() -> str:
        as_task("build", lambda: build_all(bench, plan, say))
        as_task("backtest", lambda: judge(bench, plan, say))
        digest = as_task("train", lambda: train_once(bench, plan, say))
        versions = [
            f"- `models:/{f.name}/{f.version}`: {f.tags['champion']}" for f in champion_of(bench, plan)
        ]
        target = plan.request.target.key
        text = "\n".join([f"# {bench.key} {target}, as of {plan.request.cut.day}", "", *versions])
        markdown_artifact(f"training {bench.key} {target}", text, f"what was registered for {target}")
        return digest

    return of_target(bench, plan, "train", body)
