"""How every command's flow is carried out: the server, the flow, its stages as tasks, what it shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from isoloir.pipelines.bench import Bench
from isoloir.pipelines.train import Plan

from .engine import Subject, engine, flow_of, markdown_artifact, stage

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


def show_card(release: Path) -> None:
    """The release's model card beside the run: what forecast it, how well before, and where it lies."""
    card = (release / "model_card.md").read_text(encoding="utf-8")
    target = release.parent.name
    markdown_artifact(f"card {target}", f"{card}\n\nRelease: `{release}`", f"model card of {target}")
