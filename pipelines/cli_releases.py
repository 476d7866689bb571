"""The commands about releases and configuration: verify, releases, export, config."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoloir.domain.errors import UsageError

from .cli_options import DEFAULT_HOME, ConfigsOption, HomeOption

config_app = typer.Typer(help="Check the configuration, or copy it out to edit it.", no_args_is_help=True)


def verify(release: Annotated[Path, typer.Argument(help="Folder of a release, or its `current`.")]) -> None:
    """Check a release again, from its files alone."""
    from isoloir.pipelines.release.verify import verify as run_verify

    for line in run_verify(release):
        print(f"ok: {line}")


def releases(home: HomeOption = DEFAULT_HOME) -> None:
    """List the releases in home."""
    for path in sorted((home / "releases").glob("*/*/*/manifest.json")):
        current = path.parent.parent / "current"
        mark = "  <- current" if current.resolve() == path.parent.resolve() else ""
        if path.parent.name != "current":
            print(f"{path.parent}{mark}")


def export(
    release: Annotated[Path, typer.Argument(help="Folder of a release.")],
    form: Annotated[str, typer.Option("--format", help="csv or xlsx.")] = "csv",
    to: Annotated[Path, typer.Option(help="Folder to write into.")] = Path(),
) -> None:
    """Write a release's scores as CSV or Excel, codes kept as text."""
    import pandas as pd

    from isoloir.pipelines.release.verify import verify as run_verify

    if form not in ("csv", "xlsx"):
        raise UsageError(f"there is no format {form!r}", remedy="csv or xlsx")
    run_verify(release)
    table = pd.read_parquet(release / "scores.parquet")
    path = to / f"scores.{form}"
    if form == "csv":
        table.to_csv(path, index=False)
    else:
        table.to_excel(path, index=False)
    print(path)


@config_app.command("check")
def config_check(configs: ConfigsOption = None) -> None:
    """Read every configuration file and tell all problems at once."""
    from isoloir.configs.report import check

    report = check(configs)
    print("\n".join(report.lines()))
    if not report.sound:
        raise typer.Exit(3)


@config_app.command("init")
def config_init(directory: Path) -> None:
    """Copy the shipped configuration out, to edit it and name it with --configs."""
    from isoloir.configs.report import copy_out

    for path in copy_out(directory):
        print(path)
