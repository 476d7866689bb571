"""The trainings that MLflow keeps, read back: their tags and figures, no files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from isoloir.domain.errors import MissingInputError

from .tracking import DIGEST
from .tracking_store import DATABASE, client_at, failures_told, is_own

PAGE = 500


@dataclass(frozen=True, slots=True)
class Tracked:
    """A finished training: its run, when it was started, its tags, and its metrics by name."""

    run_id: str
    started: datetime
    tags: Mapping[str, str]
    metrics: Mapping[str, float]


def runs_of(home: Path, territory: str) -> tuple[Tracked, ...]:
    """The territory's finished trainings, the latest first; MissingInputError where there is none."""
    found = tuple(_runs(home, territory))
    if not found:
        raise MissingInputError(
            f"no training of {territory} was tracked",
            where=str(home),
            remedy=f"isoloir train {territory} --target CONTEST --home {home}",
        )
    return found


def logged_before(home: Path, territory: str, digest: str) -> Tracked | None:
    """The finished training of that digest, if there is one."""
    return next((run for run in _runs(home, territory) if run.tags.get(DIGEST) == digest), None)


def _runs(home: Path, territory: str) -> Iterator[Tracked]:
    # Looking must not make a store.
    if is_own(home) and not (home / DATABASE).is_file():
        return
    with failures_told():
        client = client_at(home)
        experiment = client.get_experiment_by_name(f"isoloir-{territory}")
        token = "" if experiment is not None else None
        while token is not None:
            page = client.search_runs(
                [experiment.experiment_id],
                filter_string="attributes.status = 'FINISHED'",
                max_results=PAGE,
                order_by=["attributes.start_time DESC"],
                page_token=token or None,
            )
            yield from (_tracked(run) for run in page)
            token = page.token or None


def _tracked(run: Any) -> Tracked:
    started = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
    return Tracked(str(run.info.run_id), started, dict(run.data.tags), dict(run.data.metrics))
