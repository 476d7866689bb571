"""Prefect around our flows: a server where none is named, flows, stages and artifacts.

Prefect records what ran. It decides nothing and keeps no result: the store does. It is imported on entry of
:func:`engine`, after the environment that it reads at import.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from isoloir.domain.errors import IsoloirError
from isoloir.pipelines.home import Home

from .server import LOOPBACK, TASK_RUNS, own_server

if TYPE_CHECKING:
    import pandas as pd
    from prefect.client.schemas.objects import State, TaskRun

P = ParamSpec("P")
R = TypeVar("R")

MOST_ROWS = 500
"""An artifact is for reading: of a longer table only the first rows are kept."""

DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    # Prefect's own way to start a server leaves it behind when we are killed: ours is started below.
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    # Nothing here uses automations, the feed of events or blocks.
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    # Otherwise a later `prefect server start` on this folder would take the blocks for registered.
    "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
}
"""Set where the user has not set them."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a flow is about: a territory, and a target where it has one."""

    territory: str
    target: str = ""

    def tags(self) -> tuple[str, ...]:
        """``territory:fr`` and ``target:2022_legi_t1``."""
        return (f"territory:{self.territory}", *([f"target:{self.target}"] if self.target else []))

    def run_name(self, flow: str) -> str:
        """``run fr 2022_legi_t1``."""
        return f"{flow} {self.territory} {self.target}".rstrip()


@contextmanager
def engine(home: Path) -> Iterator[str]:
    """Flows may run in this block; gives the URL of the API that they report to.

    A server that the user named (PREFECT_API_URL, a profile, prefect.toml) is used; else one is started for
    the block, and its history stays in ``home/prefect``. A block within a block uses the outer one's server.
    """
    with _environment(home):
        from prefect.settings import get_current_settings

        with _quiet():
            if named := get_current_settings().api.url:
                _check_answers(named)
                yield named
            else:
                with own_server(Path(os.environ["PREFECT_HOME"]).expanduser()) as url:
                    yield url


def flow_of(function: Callable[P, R], *, name: str, subject: Subject) -> Callable[P, R]:
    """``function`` as a Prefect flow. Prefect is told of the subject, never of the arguments."""

    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        from prefect import flow, tags

        def body(territory: str, target: str) -> R:
            return _guarded(function)(*args, **kwargs)

        recorded: Callable[[str, str], R] = flow(
            name=name,
            description=function.__doc__,
            version=version("isoloir"),
            flow_run_name=subject.run_name(name),
            validate_parameters=False,
            persist_result=False,
        )(body)
        with tags(*subject.tags()), _told():
            return recorded(subject.territory, subject.target)

    return run


def stage(
    function: Callable[P, R], *, name: str, retries: int = 0, retry_on: type[Exception] = Exception
) -> Callable[P, R]:
    """``function`` as a task of the flow under way: neither cached nor kept.

    ``retries`` is for steps over the network: the waits are 2, 4, 8… seconds, each up to half as long again.
    """
    from prefect import task
    from prefect.cache_policies import NO_CACHE
    from prefect.tasks import exponential_backoff

    noted = TASK_RUNS.get()

    def note(_task: object, task_run: TaskRun, _state: object) -> None:
        if noted is not None:
            noted.add(task_run.id)

    def worth_another_try(_task: object, _task_run: object, state: State) -> bool:
        held = HELD.get(str(state.data)) if isinstance(state.data, RefusedError) else state.data
        return isinstance(held, retry_on)

    recorded: Callable[P, R] = task(
        name=name,
        task_run_name=name,
        retries=retries,
        retry_delay_seconds=exponential_backoff(2),
        retry_jitter_factor=0.5,
        retry_condition_fn=worth_another_try,
        on_running=[note],
        cache_policy=NO_CACHE,
        persist_result=False,
    )(_guarded(function))

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with _told():
            return recorded(*args, **kwargs)

    return call


def artifact_key(text: str) -> str:
    """``text`` as Prefect wants a key: ``Scores 2022_legi_t1`` becomes ``scores-2022-legi-t1``."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def table_artifact(key: str, table: pd.DataFrame, description: str) -> None:
    """Show ``table`` beside the run, without its index; the first rows only if it is long."""
    from prefect.artifacts import create_table_artifact

    if len(table) > MOST_ROWS:
        description += f" (first {MOST_ROWS} of {len(table)} rows)"
    rows = json.loads(table.head(MOST_ROWS).to_json(orient="records", date_format="iso"))
    create_table_artifact(key=artifact_key(key), table=rows, description=description)


def markdown_artifact(key: str, text: str, description: str) -> None:
    """Show ``text`` beside the run."""
    from prefect.artifacts import create_markdown_artifact

    create_markdown_artifact(key=artifact_key(key), markdown=text, description=description)


class RefusedError(Exception):
    """Stands for an error of ours where Prefect sees it: what that says is for the user's screen alone."""


HELD: dict[str, IsoloirError] = {}
"""The errors that were stood in for, until they are told."""


def _guarded(function: Callable[P, R]) -> Callable[P, R]:
    """``function``, whose errors of ours are stood in for: they name stations, rows and paths."""

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except IsoloirError as error:
            sign = f"{type(error).__name__} {secrets.token_hex(4)}"
            HELD[sign] = error
        raise RefusedError(sign)

    return guarded


@contextmanager
def _told() -> Iterator[None]:
    """The error itself comes out of the block, not its stand-in."""
    try:
        yield
    except RefusedError as stand_in:
        error = HELD.pop(str(stand_in))
    else:
        return
    raise error


@contextmanager
def _environment(home: Path) -> Iterator[None]:
    """The defaults for the block, where the user has set nothing; afterwards all is as it was."""
    before = dict(os.environ)
    if not before.get("PREFECT_HOME"):
        os.environ["PREFECT_HOME"] = str(Home(home).folder("prefect").resolve())
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if any(name.lower() in ("http_proxy", "all_proxy") for name in before):
        # A proxy for the web can't reach our own server.
        passed_by = before.get("no_proxy") or before.get("NO_PROXY")
        os.environ["no_proxy"] = f"{passed_by},{LOOPBACK}" if passed_by else LOOPBACK
    try:
        yield
    finally:
        for name in ("PREFECT_HOME", "no_proxy", *DEFAULTS):
            os.environ.pop(name, None)
            if name in before:
                os.environ[name] = before[name]


@contextmanager
def _quiet() -> Iterator[None]:
    """Failures are recorded, not printed, unless the user chose a level: the exception comes out anyway."""
    runs = [logging.getLogger(name) for name in ("prefect.flow_runs", "prefect.task_runs")]
    workers = [logging.getLogger(name) for name in ("EventsWorker", "APILogWorker")]
    before = [(one, one.propagate, one.level) for one in (*runs, *workers)]
    if os.environ["PREFECT_LOGGING_LEVEL"] == DEFAULTS["PREFECT_LOGGING_LEVEL"]:
        for one in runs:
            one.propagate = False
        for one in workers:
            # They warn that they send what is left, each time.
            one.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for one, propagate, level in before:
            one.propagate = propagate
            one.setLevel(level)


def _check_answers(url: str) -> None:
    from prefect.client.orchestration import get_client

    try:
        with get_client(sync_client=True) as client:
            problem = client.api_healthcheck()
    except Exception as error:
        problem = error
    if problem is not None:
        raise IsoloirError(
            f"no Prefect server answers: {problem}",
            where=url,
            remedy="start it, or unset PREFECT_API_URL: a server is then started for each run",
        )
