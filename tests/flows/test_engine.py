"""Flows on a real Prefect: recorded, quiet, and nothing left behind when they are killed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from isoloir.configs.load import load_territory
from isoloir.domain.errors import SourceError
from isoloir.pipelines.demo import write_demo
from isoloir.pipelines.flows.engine import (
    DEFAULTS,
    HELD,
    MOST_ROWS,
    Subject,
    artifact_key,
    engine,
    flow_of,
    markdown_artifact,
    stage,
    table_artifact,
)
from isoloir.pipelines.flows.ingest import ingest_flow, ingest_published_flow
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import ingest

# Prefect's clients leave the closing of some sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

SUBJECT = Subject("fr", "2022_legi_t1")
SCRIPT = """
import sys, time
from pathlib import Path
from isoloir.pipelines.flows.engine import Subject, engine, flow_of, stage

def work():
    print("at work", flush=True)
    time.sleep(float(sys.argv[2]))

def body():
    stage(work, name="work")()
    for n in range(40):
        stage(lambda: None, name=f"step {n}")()

with engine(Path(sys.argv[1])) as url:
    print(url, flush=True)
    flow_of(body, name="run", subject=Subject("fr"))()
"""


@dataclass(frozen=True)
class Server:
    """The one server that most tests share, and where it was started from."""

    url: str
    home: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("engine") / "home"
    with engine(home) as url:
        yield Server(url, home)


def client() -> Any:
    from prefect.client.orchestration import get_client

    return get_client(sync_client=True)


def last_run(name: str) -> Any:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
    from prefect.client.schemas.sorting import FlowRunSort

    wanted = FlowRunFilter(name=FlowRunFilterName(any_=[name]))
    with client() as prefect:
        return prefect.read_flow_runs(flow_run_filter=wanted, sort=FlowRunSort.START_TIME_DESC)[0]


def task_states(flow_run: Any) -> dict[str, str]:
    """The state of each task, when all have ended: they are recorded a little later than they happen."""
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    wanted = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id]))
    for _ in range(100):
        with client() as prefect:
            found = {run.name: run.state for run in prefect.read_task_runs(flow_run_filter=wanted)}
        if found and all(state.is_final() for state in found.values()):
            break
        time.sleep(0.1)
    return {name: state.name for name, state in found.items()}


def artifact(key: str) -> Any:
    from prefect.artifacts import Artifact

    return Artifact.get(key)


def start(home: Path, seconds: float, **environment: str) -> subprocess.Popen[str]:
    """A process of its own that runs a flow of so many seconds, as a user would: PREFECT_HOME is not set."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(home), str(seconds)],
        env=inherited | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def at_work(process: subprocess.Popen[str]) -> str:
    """The URL of its server, once the flow is under way."""
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert process.stdout.readline().strip() == "at work"
    return url


def server_of(process: subprocess.Popen[str]) -> int:
    lines = [line.split(None, 2) for line in _processes("pid=,ppid=,args=")]
    [pid] = [int(pid) for pid, parent, args in lines if int(parent) == process.pid and "serve(" in args]
    return pid


def is_gone(pid: int) -> bool:
    # A zombie is gone: nobody may be there to bury it in a container.
    return not any(int(pid_) == pid and state[0] != "Z" for pid_, state in map(str.split, _processes()))


def _processes(columns: str = "pid=,stat=") -> list[str]:
    said = subprocess.run(["ps", "-A", "-ww", "-o", columns], capture_output=True, text=True, check=True)
    return said.stdout.splitlines()


def soon(question: Callable[[], bool], seconds: float = 20) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not question():
        time.sleep(0.2)
    return question()


def states(home: Path, kind: str) -> list[str]:
    """The states of all flow or task runs, the oldest first, as they lie in the database."""
    connection = sqlite3.connect(home / "prefect" / "prefect.db")
    try:
        rows = connection.execute(f"select state_name from {kind}_run order by expected_start_time")
        return [name for (name,) in rows]
    finally:
        connection.close()


def test_a_flow_leaves_its_runs_and_what_it_shows(server: Server) -> None:
    def body() -> int:
        table = pd.DataFrame({"model": ["pool", None], "error_pp": [2.5, float("nan")]})
        table_artifact("Scorecard fr/2022_legi_t1", table, "scorecard")
        markdown_artifact("card_fr", "# Card", "model card")
        return stage(lambda n: 2 * n, name="double")(21)

    assert flow_of(body, name="run", subject=SUBJECT)() == 42
    run = last_run("run fr 2022_legi_t1")
    assert run.state.name == "Completed"
    assert set(run.tags) == {"territory:fr", "target:2022_legi_t1"}
    assert run.parameters == {"territory": "fr", "target": "2022_legi_t1"}
    assert task_states(run) == {"double": "Completed"}
    shown = artifact("scorecard-fr-2022-legi-t1")
    assert shown.flow_run_id == run.id
    assert shown.description == "scorecard"
    assert '{"model": null, "error_pp": null}' in shown.data
    assert artifact("card-fr").data == "# Card"


def test_a_long_table_is_cut_and_says_so(server: Server) -> None:
    table = pd.DataFrame({"station": range(MOST_ROWS + 1)})
    flow_of(lambda: table_artifact("long", table, "stations"), name="run", subject=SUBJECT)()
    shown = artifact("long")
    assert shown.description == f"stations (first {MOST_ROWS} of {MOST_ROWS + 1} rows)"
    assert shown.data.count("station") == MOST_ROWS


def test_an_error_comes_out_as_itself_and_is_recorded(server: Server) -> None:
    error = SourceError("the file is wrong", where="line 3", remedy="replace it")

    def read() -> None:
        raise error

    with pytest.raises(SourceError) as caught:
        flow_of(lambda: stage(read, name="read")(), name="wrong", subject=SUBJECT)()
    assert caught.value is error
    run = last_run("wrong fr 2022_legi_t1")
    assert run.state.name == "Failed"
    # What it says may name a station: that is for the screen, and not for a history that others read.
    assert "SourceError" in run.state.message and "the file is wrong" not in run.state.message
    assert HELD == {}
    assert task_states(run) == {"read": "Failed"}


def test_only_what_is_worth_another_try_is_tried_again(server: Server) -> None:
    tries: list[str] = []

    def fetch(error: Exception) -> str:
        tries.append(type(error).__name__)
        if len(tries) != 2:
            raise error
        return "fetched"

    fetching = stage(fetch, name="fetch", retries=2, retry_on=ConnectionError)
    assert flow_of(fetching, name="fetch", subject=SUBJECT)(ConnectionError()) == "fetched"
    tries.clear()
    with pytest.raises(ValueError, match="wrong"):
        flow_of(fetching, name="fetch", subject=SUBJECT)(ValueError("wrong"))
    assert tries == ["ValueError"]


def test_a_block_within_a_block_uses_the_same_server(server: Server, tmp_path: Path) -> None:
    with engine(tmp_path / "other") as url:
        assert url == server.url


def test_nothing_that_the_user_set_is_changed_and_nothing_stays_set(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in DEFAULTS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("PREFECT_HOME")
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "DEBUG")
    before = dict(os.environ)
    with engine(tmp_path / "home"):
        assert os.environ["PREFECT_LOGGING_LEVEL"] == "DEBUG"
        assert os.environ["DO_NOT_TRACK"] == "1"
        assert os.environ["PREFECT_HOME"] == str(tmp_path.resolve() / "home" / "prefect")
    assert dict(os.environ) == before


def test_a_server_that_the_user_named_is_used_and_none_is_started(server: Server, tmp_path: Path) -> None:
    from prefect.settings import get_current_settings

    secret = get_current_settings().api.auth_string
    assert secret is not None
    named = {"PREFECT_API_URL": server.url, "PREFECT_API_AUTH_STRING": secret.get_secret_value()}
    process = start(tmp_path / "home", 0, **named)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out.split(), err) == (0, [server.url, "at", "work"], "")
    assert not list((tmp_path / "home" / "prefect").glob("*.db"))
    assert last_run("run fr").state.name == "Completed"


def test_a_named_server_that_does_not_answer_is_told_with_a_remedy(tmp_path: Path) -> None:
    process = start(tmp_path / "home", 0, PREFECT_API_URL="http://127.0.0.1:9/api")
    _, err = process.communicate(timeout=60)
    assert "no Prefect server answers" in err
    assert "unset PREFECT_API_URL" in err


def test_a_killed_process_leaves_no_server_and_the_next_run_completes(tmp_path: Path) -> None:
    home = tmp_path / "home"
    process = start(home, 60)
    at_work(process)
    left = server_of(process)
    assert not is_gone(left)
    process.kill()
    process.communicate()
    assert soon(lambda: is_gone(left))
    again = start(home, 0)
    _, err = again.communicate(timeout=120)
    assert (again.returncode, err) == (0, "")
    assert states(home, "flow") == ["Running", "Completed"]
    assert states(home, "task")[-41:] == ["Completed"] * 41
    assert (home / "prefect").stat().st_mode & 0o777 == 0o700


def test_two_runs_at_once_on_a_fresh_home_complete_and_ctrl_c_ends_a_third(tmp_path: Path) -> None:
    home = tmp_path / "home"
    both = [start(home, 0.5), start(home, 0.5)]
    said = [process.communicate(timeout=180)[1] for process in both]
    assert ([process.returncode for process in both], said) == ([0, 0], ["", ""])
    third = start(home, 60)
    at_work(third)
    left = server_of(third)
    os.killpg(third.pid, signal.SIGINT)  # as a terminal does
    _, err = third.communicate(timeout=30)
    # Python's own words, and none of Prefect's.
    assert err.startswith("Traceback") and err.strip().endswith("KeyboardInterrupt")
    assert err.count("Traceback") == 1
    assert is_gone(left)
    assert states(home, "flow") == ["Completed", "Completed", "Crashed"]
    assert states(home, "task") == ["Completed"] * 82 + ["Crashed"]


def test_a_key_is_lowercase_letters_digits_and_dashes() -> None:
    assert artifact_key("Scores fr/2022_legi_t1: MAE (pp)") == "scores-fr-2022-legi-t1-mae-pp"


def test_a_subject_reads_well_without_a_target() -> None:
    assert Subject("dk").run_name("ingest") == "ingest dk"
    assert Subject("dk").tags() == ("territory:dk",)


@contextmanager
def published(folder: Path) -> Iterator[str]:
    """A mirror of ``folder`` on this machine."""
    handler = partial(_Silent, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as mirror:
        threading.Thread(target=mirror.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{mirror.server_port}"
        mirror.shutdown()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_an_ingest_is_recorded_and_gives_what_the_plain_function_gives(
    server: Server, tmp_path: Path
) -> None:
    write_demo(tmp_path / "country", n_stations=300)
    config = load_territory("demo")
    said: list[str] = []
    plain = ingest(Home(tmp_path / "plain"), config, tmp_path / "country", said.append)
    done = ingest_flow(Home(tmp_path / "home"), config, tmp_path / "country", said.append)
    assert (done.folder.name, done.contests, done.stations) == (
        plain.folder.name,
        plain.contests,
        plain.stations,
    )
    assert task_states(last_run("ingest demo")) == {"read and check": "Completed"}
    shown = pd.DataFrame(json.loads(artifact("ingested-demo").data))
    assert (tuple(shown["contest"]), shown["stations"].sum()) == (plain.contests, plain.stations)
    # Outlines are read where they lie, and no address of them is declared.
    (tmp_path / "country" / "contours.geojson").unlink()
    plain = ingest(Home(tmp_path / "without"), config, tmp_path / "country", said.append)
    with published(tmp_path / "country") as mirror:
        fetched = ingest_published_flow(Home(tmp_path / "fetched"), config, said.append, mirror)
    assert fetched.folder.name == plain.folder.name
    assert task_states(last_run("ingest demo")) == {"download": "Completed", "fetch and check": "Completed"}
