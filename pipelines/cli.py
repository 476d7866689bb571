"""The command line: thin; everything heavy is imported when a command needs it."""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from pathlib import Path

import typer

from isoloir.domain.errors import IsoloirError

from . import (
    cli_attack,
    cli_experiments,
    cli_explain,
    cli_judging,
    cli_publishing,
    cli_releases,
    cli_sources,
    cli_steps,
)

app = typer.Typer(
    help="Turnout and swing of each bloc per polling station, from public aggregates only.\n\n"
    "A first try: isoloir demo",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
for command in (
    cli_steps.demo,
    cli_sources.ingest,
    cli_sources.sources,
    cli_steps.build,
    cli_steps.backtest,
    cli_steps.train,
    cli_steps.score,
    cli_steps.publish,
    cli_steps.run,
    cli_experiments.experiments,
    cli_judging.ablate,
    cli_judging.succession,
    cli_judging.transfers,
    cli_explain.explain,
    cli_releases.export,
    cli_releases.verify,
    cli_attack.attack,
):
    app.command()(command)
app.add_typer(cli_publishing.releases_app, name="releases")
app.add_typer(cli_releases.config_app, name="config")

FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
TRAIN_AGAIN = "restore mlflow.db and artifacts in home from a copy, or move both away and train again"


def main() -> None:
    """The command ``isoloir``: a mistake ends with a message and a status, never with a traceback.

    A defect of ours has its traceback: what is not known to be a mistake is not hidden.
    """
    try:
        try:
            app()
        finally:
            # Here, as the interpreter's own last flush can only complain.
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        _leave_stdout()
        sys.exit(1)
    except Exception as error:
        told = _told(error)
        if told is None:
            raise
        print("\n".join(["error: " + told.lines()[0], *told.lines()[1:]]), file=sys.stderr)
        if isinstance(error, OSError):
            _leave_stdout()
        sys.exit(told.exit_code)


def _leave_stdout() -> None:
    """What can't be written to stdout is dropped without a word."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _told(error: Exception) -> IsoloirError | None:
    """What a person can act on, told as such; None where the fault is ours."""
    if isinstance(error, IsoloirError):
        return error
    home = _path_in(error, "isoloir.pipelines.cli_", "home")
    if _is_of(error, "sqlalchemy") or _is_of(error, "alembic"):
        return _database(error, home)
    table = _path_in(error, "pyarrow.parquet", "source")
    if table is not None and (_is_of(error, "pyarrow") or (isinstance(error, OSError) and not error.errno)):
        return _damaged("this Parquet file is damaged", table, home)
    if isinstance(error, json.JSONDecodeError):
        text = _holding(home, error.doc.encode())
        return _damaged(f"this JSON file is damaged: {error.msg}", text, home)
    if isinstance(error, OSError):
        return _refused(error)
    return None


def _is_of(error: Exception, library: str) -> bool:
    """Whether the library made the error's class; it need not be imported to tell."""
    return any(made.__module__.partition(".")[0] == library for made in type(error).__mro__)


def _path_in(error: Exception, module: str, name: str) -> Path | None:
    """The path that a function of ``module``, on the way to the error, holds as ``name``; the innermost's."""
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        value = frame.f_locals.get(name)
        if frame.f_globals["__name__"].startswith(module) and isinstance(value, str | Path):
            return Path(value)
    return None


def _holding(home: Path | None, content: bytes) -> Path | None:
    """The JSON file in home of that very content: an error of the decoder has the text and no name."""
    for path in sorted(home.rglob("*.json")) if home else ():
        if path.stat().st_size == len(content) and path.read_bytes() == content:
            return path
    return None


def _damaged(what: str, path: Path | None, home: Path | None) -> IsoloirError:
    """An error about a file; in home the whole folder goes, as a step looks for one of its files only."""
    remedy = "fetch or make it again"
    if path is not None and home is not None and path.resolve().is_relative_to(home.resolve()):
        within = path.resolve().relative_to(home.resolve()).parts
        remedy = f"remove the folder {path.parent} and run again: it is made anew"
        if within[0] == "core":
            remedy = f"remove the folder {path.parent}, then: isoloir ingest {within[1]} --from DIR"
        elif within[0] == "artifacts":
            remedy = TRAIN_AGAIN
    return IsoloirError(what, where=str(path or home or ""), remedy=remedy)


def _database(error: Exception, home: Path | None) -> IsoloirError:
    said = str(getattr(error, "orig", None) or error).strip().splitlines()
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    return IsoloirError(
        f"MLflow's database can't be used: {said[0] if said else type(error).__name__}",
        where=uri or str((home or Path()) / "mlflow.db"),
        remedy="see where MLFLOW_TRACKING_URI leads, or unset it" if uri else TRAIN_AGAIN,
    )


def _refused(error: OSError) -> IsoloirError:
    """What the system refused."""
    remedy = "correct the path, or give another one"
    if error.errno in FULL:
        remedy = "free some space and run again: what was finished is kept"
    elif error.errno in FORBIDDEN:
        remedy = "give a path that you may write to, or change its permissions"
    said = error.strerror or (str(error).splitlines() or [type(error).__name__])[0]
    return IsoloirError(said, where=str(error.filename or ""), remedy=remedy)
