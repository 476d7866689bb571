"""Where MLflow keeps what it is told: a database in home unless the user names a store; nothing sent."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from isoloir.domain.errors import IsoloirError, MissingInputError

from .home import Home, set_in_place

DATABASE, ARTIFACTS = "mlflow.db", "artifacts"

SETTINGS = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",  # else it copies the pyproject.toml of the current folder
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",  # no connection outlives its file
    "GIT_PYTHON_REFRESH": "quiet",
}
"""MLflow's settings, where the user chose none: silent, and nothing sent or copied unasked."""


def tracking_uri(home: Path) -> str:
    """The address of the store: MLFLOW_TRACKING_URI, else a SQLite file in home."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home.resolve() / DATABASE}"


def mlflow_quiet() -> Any:
    """MLflow, imported when it is needed (it takes a second) and kept quiet."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    import mlflow
    import mlflow.pyfunc

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(os.environ["MLFLOW_LOGGING_LEVEL"].upper())
    return mlflow


@contextmanager
def failures_told() -> Iterator[None]:
    """What MLflow fails with, as an error of ours with one line and a remedy."""
    refused = mlflow_quiet().exceptions.MlflowException
    try:
        yield
    except refused as error:
        raise IsoloirError(
            f"MLflow: {str(error).strip().splitlines()[0]}",
            remedy="see whether MLFLOW_TRACKING_URI leads to a store that answers, or unset it",
        ) from error


def is_own(home: Path) -> bool:
    """Whether the store is home's own, however its address is written."""
    scheme, _, path = tracking_uri(home).partition(":///")
    return scheme == "sqlite" and Path(path).resolve() == home.resolve() / DATABASE


def client_at(home: Path) -> Any:
    if is_own(home):
        make_store(home)
    return client_of(tracking_uri(home))


def client_of(uri: str) -> Any:
    return mlflow_quiet().MlflowClient(tracking_uri=uri, registry_uri=uri)


def make_store(home: Path) -> None:
    """Make home's database aside and put it in place at once: half made, MLflow could never open it again.

    The folder aside is what becomes the folder of artifacts.
    """
    Home(home).folder()
    if (home / DATABASE).is_file():
        return
    with set_in_place(home / ARTIFACTS) as aside:
        # A new name each time: in one process MLflow remembers which stores it has made.
        fresh = aside / uuid.uuid4().hex
        client_of(f"sqlite:///{fresh.resolve()}").search_experiments(max_results=1)
        fresh.chmod(0o600)
        if not (home / DATABASE).exists():
            os.replace(fresh, home / DATABASE)


def experiment_of(client: Any, home: Path, territory: str) -> str:
    """The id of the territory's experiment. A server that is not ours decides where artifacts lie."""
    name, location = f"isoloir-{territory}", None
    if is_own(home):
        location = (Home(home).folder(ARTIFACTS).resolve() / territory).as_uri()
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name, artifact_location=location))
    if location not in (None, found.artifact_location):
        raise MissingInputError(
            f"the runs of {name} lie elsewhere: home was moved, and MLflow keeps full paths",
            where=found.artifact_location,
            remedy=f"move home back, or remove {DATABASE} and {ARTIFACTS} from {home} and train again",
        )
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)
