"""What was learned, kept by MLflow: one run per training, its models in the registry, the champions by alias.

A training that is killed leaves nothing in the way of the next. The store is made aside. A run counts once it
is FINISHED. A version is made of a finished run only, in one step with its tags. The aliases come last.
Whoever trains the same again takes up what stands and does what is missing.

Only MLflow's client is used: its fluent calls write the address of the store into the environment, and the
user's name and paths into the run.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from isoloir.domain.election import AsOf
from isoloir.domain.errors import LeakageError, MissingInputError, PrivacyError

from .tracking_model import ModelFiles, write_model
from .tracking_store import (
    DATABASE,
    client_at,
    experiment_of,
    failures_told,
    is_own,
    mlflow_quiet,
    tracking_uri,
)

__all__ = [
    "Logged",
    "ModelFiles",
    "Registered",
    "TrainingRun",
    "champion",
    "champion_alias",
    "log_only",
    "log_training",
    "model_name",
    "tracking_uri",
]

CHAMPION = "champion"
DIGEST, NEWEST = "train_digest", "newest_known_on"

MOST_METRICS, MOST_PARAMS = 1000, 100
"""What MLflow takes at a time."""


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A training and all that is told of it. No table may have a row per station: MLflow is open to others.

    ``tags`` hold at least ``train_digest``, of all that went in, and ``newest_known_on``, the last day on
    which anything that it was trained, calibrated or selected on became public. ``texts``, ``tables`` and
    ``pictures`` become files of that name.
    """

    territory: str
    target: str
    as_of: date
    grouping: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    texts: Mapping[str, str]
    tables: Mapping[str, pd.DataFrame]
    pictures: Mapping[str, bytes]
    models: tuple[ModelFiles, ...]

    def __post_init__(self) -> None:
        date.fromisoformat(self.tags[NEWEST])
        for name, table in self.tables.items():
            if "station_id" in table.columns:
                raise PrivacyError(
                    "a table with one row per station can't be logged", where=name, remedy="sum it up first"
                )

    @property
    def all_tags(self) -> dict[str, str]:
        """The tags of the run and of its versions."""
        return {
            **{_key(k): v for k, v in self.tags.items()},
            "territory": self.territory,
            "target": self.target,
            "as_of": self.as_of.isoformat(),
            "grouping": self.grouping,
        }


@dataclass(frozen=True, slots=True)
class Logged:
    """The run, the version of each quantity, and whether the training had been logged before."""

    run_id: str
    versions: Mapping[str, int]
    again: bool


@dataclass(frozen=True, slots=True)
class Registered:
    """A version of a registered model: its tags, and its files, name to text."""

    name: str
    version: int
    run_id: str
    tags: Mapping[str, str]
    files: Mapping[str, str]


def _key(name: str) -> str:
    """``name`` with what MLflow takes in the name of a tag, parameter or metric; the rest becomes ``_``."""
    return re.sub(r"[^\w./ :-]", "_", name)


def model_name(territory: str, quantity: str) -> str:
    """The name under which a model is registered."""
    return f"isoloir-{territory}-{quantity}"


def champion_alias(target: str) -> str:
    """The alias of the version that was trained for ``target`` last."""
    return f"{CHAMPION}-{target}"


def log_training(home: Path, run: TrainingRun) -> Logged:
    """Log the training and register its models, unless that was done; then set the aliases.

    ``champion-<target>`` goes to what was trained last; ``champion`` only if nothing newer has it.
    """
    with failures_told():
        client = client_at(home)
        experiment = experiment_of(client, home, run.territory)
        found = _finished(client, experiment, run)
        run_id = found or _new_run(client, experiment, run)
        logged = _models_of(client, experiment, run_id)
        versions = {m.quantity: _version(client, logged[m.quantity], run_id, run) for m in run.models}
        for quantity, number in versions.items():
            _point(client, model_name(run.territory, quantity), number, run)
        return Logged(run_id, versions, found is not None)


def log_only(home: Path, run: TrainingRun) -> Logged:
    """Log the training, unless that was done: no version is registered, and no alias moves."""
    with failures_told():
        client = client_at(home)
        experiment = experiment_of(client, home, run.territory)
        found = _finished(client, experiment, run)
        return Logged(found or _new_run(client, experiment, run), {}, found is not None)


def champion(home: Path, territory: str, quantity: str, target: str, cut: AsOf) -> Registered:
    """The version that was trained for ``target`` last.

    MissingInputError if there is none; LeakageError if anything that it was trained, calibrated or selected
    on was not public before ``cut``.
    """
    name = model_name(territory, quantity)
    missing = MissingInputError(
        f"no {quantity} model of {territory} was trained for {target}",
        where=f"{name}@{champion_alias(target)}",
        remedy=_command(home, territory, target),
    )
    if is_own(home) and not (home / DATABASE).is_file():
        raise missing
    with failures_told():
        client = client_at(home)
        found = _by_alias(client, name, champion_alias(target))
        if found is None:
            raise missing
        _refuse_leak(name, found, cut)
        files = _files(client, home, found)
    return Registered(name, int(found.version), found.run_id, dict(found.tags), files)


def _command(home: Path, territory: str, target: str) -> str:
    return f"isoloir train {territory} --target {target} --home {home}"


def _refuse_leak(name: str, found: Any, cut: AsOf) -> None:
    newest = found.tags.get(NEWEST)
    if newest is None or not cut.sees(date.fromisoformat(newest)):
        raise LeakageError(
            f"version {found.version} was trained, calibrated or selected on what became public on "
            f"{newest or 'a day that it does not say'}, and the cut is {cut.day}",
            where=name,
            remedy=f"train it as of {cut.day} or earlier",
        )


def _finished(client: Any, experiment: str, run: TrainingRun) -> str | None:
    """The id of a finished run of the same digest that still has its models and their files."""
    for found in _runs(client, experiment, run, "FINISHED"):
        logged = _models_of(client, experiment, found.info.run_id)
        if all(
            m.quantity in logged and client.list_logged_model_artifacts(logged[m.quantity].model_id)
            for m in run.models
        ):
            return str(found.info.run_id)
    return None


def _runs(client: Any, experiment: str, run: TrainingRun, status: str) -> list[Any]:
    asked = f"tags.{DIGEST} = '{run.tags[DIGEST]}' and attributes.status = '{status}'"
    return list(client.search_runs([experiment], filter_string=asked))


def _models_of(client: Any, experiment: str, run_id: str) -> dict[str, Any]:
    """The logged models of a run by quantity."""
    found = client.search_logged_models([experiment], filter_string=f"source_run_id = '{run_id}'")
    return {m.name: m for m in found}


def _new_run(client: Any, experiment: str, run: TrainingRun) -> str:
    for left in _runs(client, experiment, run, "RUNNING"):
        client.set_terminated(left.info.run_id, "KILLED")
    tags = run.all_tags
    if "git_commit" in tags:
        tags["mlflow.source.git.commit"] = tags["git_commit"]
    made = client.create_run(experiment, run_name=f"train {run.territory} {run.target}", tags=tags)
    run_id = str(made.info.run_id)
    try:
        _log_figures(client, made.info, run)
        with tempfile.TemporaryDirectory() as folder:
            _write_artifacts(run, Path(folder))
            client.log_artifacts(run_id, folder)
        for model in run.models:
            _log_model(client, experiment, run_id, model)
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id)
    return run_id


def _log_figures(client: Any, info: Any, run: TrainingRun) -> None:
    from mlflow.entities import Metric, Param

    metrics = [Metric(_key(k), float(v), info.start_time, 0) for k, v in run.metrics.items()]
    params = [Param(_key(k), v) for k, v in run.params.items()]
    for at in range(0, len(metrics), MOST_METRICS):
        client.log_batch(info.run_id, metrics=metrics[at : at + MOST_METRICS])
    for at in range(0, len(params), MOST_PARAMS):
        client.log_batch(info.run_id, params=params[at : at + MOST_PARAMS])


def _write_artifacts(run: TrainingRun, folder: Path) -> None:
    for name, text in run.texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, table in run.tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
        table.to_csv(folder / f"{name}.csv", index=False)
    for name, picture in run.pictures.items():
        (folder / name).write_bytes(picture)


def _log_model(client: Any, experiment: str, run_id: str, model: ModelFiles) -> None:
    from mlflow.entities import LoggedModelOutput

    with tempfile.TemporaryDirectory() as aside:
        folder = write_model(model, Path(aside))
        made = client.create_logged_model(experiment, name=model.quantity, source_run_id=run_id)
        client.log_model_artifacts(made.model_id, str(folder))
    client.finalize_logged_model(made.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(made.model_id, step=0)])


def _version(client: Any, logged: Any, run_id: str, run: TrainingRun) -> int:
    """The version that registers a logged model of the run: found, else made."""
    name = model_name(run.territory, logged.name)
    if not client.search_registered_models(filter_string=f"name = '{name}'"):
        client.create_registered_model(name)
    found = client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    if found:
        return int(found[0].version)
    made = client.create_model_version(
        name, logged.artifact_location, run_id=run_id, tags=run.all_tags, model_id=logged.model_id
    )
    return int(made.version)


def _point(client: Any, name: str, number: int, run: TrainingRun) -> None:
    """Set the aliases. Of two versions with the same day the one trained last is the champion."""
    client.set_registered_model_alias(name, champion_alias(run.target), str(number))
    holder = _by_alias(client, name, CHAMPION)
    if holder is None or date.fromisoformat(holder.tags["as_of"]) <= run.as_of:
        client.set_registered_model_alias(name, CHAMPION, str(number))


def _by_alias(client: Any, name: str, alias: str) -> Any:
    """The version that has the alias, or None."""
    if not client.search_registered_models(filter_string=f"name = '{name}'"):
        return None
    number = client.get_registered_model(name).aliases.get(alias)
    return None if number is None else client.get_model_version(name, str(number))


def _files(client: Any, home: Path, found: Any) -> dict[str, str]:
    """The files of a version; MissingInputError where they are gone."""
    mlflow = mlflow_quiet()
    uri = client.get_model_version_download_uri(found.name, found.version)
    with tempfile.TemporaryDirectory() as aside:
        try:
            folder = mlflow.artifacts.download_artifacts(
                artifact_uri=f"{uri}/artifacts", dst_path=aside, tracking_uri=tracking_uri(home)
            )
        except (OSError, mlflow.exceptions.MlflowException) as error:
            raise MissingInputError(
                f"the files of version {found.version} of {found.name} can't be read",
                where=uri,
                remedy=_command(home, found.tags["territory"], found.tags["target"]),
            ) from error
        return {p.name: p.read_text(encoding="utf-8") for p in sorted(Path(folder).iterdir())}
