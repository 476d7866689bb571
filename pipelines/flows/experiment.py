"""The flow of `isoloir train --experiment`."""

from __future__ import annotations

from isoloir.configs.experiment import Experiment
from isoloir.pipelines.bench import Bench
from isoloir.pipelines.experiments import train_experiment
from isoloir.pipelines.progress import Say
from isoloir.pipelines.run import build_all
from isoloir.pipelines.tracking import Logged
from isoloir.pipelines.train import Plan

from .recorded import as_task, of_target


def experiment_flow(bench: Bench, plan: Plan, experiment: Experiment, say: Say) -> Logged:
    """Build, train under the experiment, and log it; nothing is registered."""

    def body() -> Logged:
        as_task("build", lambda: build_all(bench, plan, say))
        return as_task("experiment", lambda: train_experiment(bench, plan, experiment, say))

    return of_target(bench, plan, f"experiment {experiment.name}", body)
