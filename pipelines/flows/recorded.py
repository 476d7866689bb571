"""How every command's flow is carried out: the server, the flow, its stages as tasks, what it shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pandas as pd

from isoloir.pipelines.bench import Bench
from isoloir.pipelines.home import read_json
from isoloir.pipelines.train import QUANTITIES, Plan

from .engine import Subject, engine, flow_of, markdown_artifact, stage, table_artifact

T = TypeVar("T")


def as_task(name: str, function: Callable[[], T]) -> T:
    """A stage as a task of the flow under way. It takes and keeps nothing: things lie in home."""
    return stage(function, name=name)()


def recorded(home: Path, name: str, subject: Subject, body: Callable[[], T]) -> T:
    """What ``body`` returns, run as the flow ``name``."""
    with engine(home):
        return flow_of(body, name=name, subject=subject)()


def of_target(bench: Bench, plan: Plan, name: str, body: Callable[[], T]) -> T:
    """The same for a flow about one target."""
    return recorded(bench.home.path, name, Subject(bench.key, plan.request.target.key), body)


def show_release(release: Path) -> None:
    """What forecast a release and how well before, with links to it and to its models, beside the run."""
    manifest = read_json(release / "manifest.json")
    target, registered = f"{manifest['territory']} {manifest['target']}", manifest["mlflow"]
    card = (release / "model_card.md").read_text(encoding="utf-8")
    links = [f"- release: [{release.name}]({release.resolve().as_uri()})"]
    links += [f"- {quantity}: MLflow model `models:/{registered[quantity]}`" for quantity in QUANTITIES]
    markdown_artifact(f"card {target}", "\n".join([card, *links]), f"model card of {target}")
    record = pd.concat([pd.DataFrame(manifest["measured"][q]).assign(quantity=q) for q in QUANTITIES])
    table_artifact(f"record {target}", record, f"errors at targets before {target}, national level given")
