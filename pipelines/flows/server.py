"""A Prefect server of our own while a block lasts: on the loopback, with a secret, never an orphan."""

from __future__ import annotations

import fcntl
import http.client
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING

from isoloir.domain.errors import IsoloirError

if TYPE_CHECKING:
    from uuid import UUID


LOOPBACK = "127.0.0.1"
TASK_RUNS: ContextVar[set[UUID] | None] = ContextVar("TASK_RUNS", default=None)
"""The task runs that began under a server of our own, which is not to stop before it has recorded them."""


@contextmanager
def own_server(folder: Path) -> Iterator[str]:
    """A server for the block, on a free port of the loopback, with a secret that other users lack."""
    from prefect.settings import get_current_settings, temporary_settings

    settings = get_current_settings()
    secret = os.environ.get("PREFECT_SERVER_API_AUTH_STRING") or f"isoloir:{secrets.token_hex(16)}"
    ours: dict[str, str | None] = {"api.auth_string": secret}
    if "heartbeat_frequency" not in settings.flows.model_fields_set:
        # Nobody listens for heartbeats here, and each flow would wait up to a second for them to stop.
        ours["flows.heartbeat_frequency"] = None
    limit_seconds = settings.server.ephemeral.startup_timeout_seconds
    with _started(folder, secret, limit_seconds) as url, temporary_settings(ours | {"api.url": url}):
        token = TASK_RUNS.set(set())
        try:
            yield url
        finally:
            _send_the_rest()
            _wait_until_recorded(TASK_RUNS.get() or set())
            TASK_RUNS.reset(token)


@contextmanager
def _started(folder: Path, secret: str, limit_seconds: float) -> Iterator[str]:
    """The URL of a server that answers; at the end of the block it is stopped."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "start.lock").open("w") as lock, tempfile.TemporaryFile() as log:
        # One start at a time: two new servers must not both make the database. The server holds the lock,
        # too, so that it stays taken if we are killed here.
        fcntl.flock(lock, fcntl.LOCK_EX)
        with socket.create_server((LOOPBACK, 0)) as listening:
            port = listening.getsockname()[1]
            process = _spawn(secret, listening, lock, log)
        try:
            _import_meanwhile()
            problem = _first_answer(port, limit_seconds)
            fcntl.flock(lock, fcntl.LOCK_UN)
            if problem:
                raise _not_started(problem, folder, process, log)
            yield f"http://{LOOPBACK}:{port}/api"
        finally:
            _stop(process)


def _spawn(secret: str, listening: socket.socket, lock: IO[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """A process that runs :func:`serve`, in a session of its own: Ctrl-C at a terminal is ours alone."""
    passed = (listening.fileno(), lock.fileno())
    return subprocess.Popen(
        [sys.executable, "-P", "-c", f"from {__name__} import serve; serve({os.getpid()}, {passed[0]})"],
        env=os.environ | {"PREFECT_SERVER_API_AUTH_STRING": secret},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=passed,
        start_new_session=True,
        umask=0o077,
    )


def serve(parent: int, listening: int) -> None:
    """What the server's process does: serve on the inherited socket until told to stop or orphaned."""
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    import uvicorn
    from prefect.server.api.server import create_app

    app = create_app(ephemeral=True, final=True)
    config = uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=5)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=listening)])


def _leave_with(parent: int) -> None:
    # A process whose parent dies, however it dies, is given another one.
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(10)
    os._exit(1)


def _import_meanwhile() -> None:
    """What a flow needs, while the server does its own imports."""
    for name in ("artifacts", "events.worker", "flow_engine", "task_engine"):
        import_module(f"prefect.{name}")


def _first_answer(port: int, limit_seconds: float) -> str:
    """Wait for the server; what is wrong, or nothing. The socket listens already: one question is enough."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=limit_seconds)
    try:
        connection.request("GET", "/api/health")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return "" if status == 200 else f"status {status}"


def _not_started(
    problem: str, folder: Path, process: subprocess.Popen[bytes], log: IO[bytes]
) -> IsoloirError:
    process.kill()
    process.wait()
    log.seek(0)
    said = re.findall(r"^[\w.]+(?:Error|Exception):.*", log.read().decode(errors="replace"), re.MULTILINE)
    return IsoloirError(
        f"the Prefect server did not start: {said[-1] if said else problem}",
        where=str(folder),
        remedy="move prefect.db* in it away (the history of runs, nothing that we need) and run again",
    )


def _send_the_rest() -> None:
    """Send the events and logs that wait in the background."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    EventsWorker.drain_all(timeout=10)
    APILogWorker.drain_all(timeout=10)


def _wait_until_recorded(task_runs: set[UUID]) -> None:
    """The server makes task runs from the events sent to it, some time after it took them."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterId

    missing, until = set(task_runs), time.monotonic() + 10
    # A server that is gone must not hide what came out of the block, be it a value or an exception.
    with suppress(Exception), get_client(sync_client=True) as client:
        while missing and time.monotonic() < until:
            some = TaskRunFilter(id=TaskRunFilterId(any_=sorted(missing)[:100]))
            found = client.read_task_runs(task_run_filter=some)
            missing -= {run.id for run in found if run.state is not None and run.state.is_final()}
            time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
