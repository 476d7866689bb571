"""The commands about releases and configuration: verify, releases, export, config."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from isoloir.domain.errors import UsageError

from .cli_options import DEFAULT_HOME, ConfigsOption, HomeOption, JsonOption, Manner

JsonListOption = Annotated[bool, typer.Option("--json", help="Say what is there as one JSON list.")]
config_app = typer.Typer(help="Check the configuration, or copy it out to edit it.", no_args_is_help=True)


TABLES = ("scores", "units", "aggregates", "succession")
FORMATS = ("csv", "xlsx")
SLOW_ROWS = 10_000
"""From so many rows on, writing Excel takes a while."""


def verify(
    release: Annotated[Path, typer.Argument(help="Folder of a release, or its `current`.")],
    as_json: JsonOption = False,
) -> None:
    """Check a release again, from its files alone."""
    from isoloir.pipelines.release.verify import verify as run_verify

    checked = run_verify(release)
    if as_json:
        Manner(as_json=True).tell({"release": str(release), "ok": checked})
        return
    for line in checked:
        print(f"ok: {line}")


def releases(home: HomeOption = DEFAULT_HOME, as_json: JsonListOption = False) -> None:
    """List the releases in home."""
    found = sorted(path.parent for path in (home / "releases").glob("*/*/*/manifest.json"))
    told = [
        {"release": str(path), "current": (path.parent / "current").resolve() == path.resolve()}
        for path in found
        if path.name != "current"
    ]
    if as_json:
        print(json.dumps(told, ensure_ascii=False))
        return
    for one in told:
        print(f"{one['release']}{'  <- current' if one['current'] else ''}")


def export(
    release: Annotated[Path, typer.Argument(help="Folder of a release.")],
    table: Annotated[str, typer.Option(help="scores, units, aggregates or succession.")] = "scores",
    form: Annotated[str, typer.Option("--format", help="csv or xlsx.")] = "csv",
    to: Annotated[Path, typer.Option(help="Folder to write into.")] = Path(),
    as_json: JsonOption = False,
) -> None:
    """Write a table of a release as CSV or Excel, codes kept as text."""
    if table not in TABLES:
        raise UsageError(f"there is no table {table!r}", remedy=", ".join(TABLES))
    if form not in FORMATS:
        raise UsageError(f"there is no format {form!r}", remedy="csv or xlsx")
    if not to.is_dir():
        raise UsageError("there is no folder to write into", where=str(to), remedy="make it, or give another")
    import pandas as pd

    from isoloir.pipelines.release.verify import verify as run_verify

    run_verify(release)
    rows = pd.read_parquet(release / f"{table}.parquet")
    path, manner = to / f"{table}.{form}", Manner(as_json=as_json)
    if form == "csv":
        rows.to_csv(path, index=False)
    else:
        if len(rows) >= SLOW_ROWS:
            manner.note(f"writing {len(rows)} rows of {len(rows.columns)} columns: Excel takes a while")
        rows.to_excel(path, index=False)
    if as_json:
        manner.tell({"path": str(path), "rows": len(rows), "columns": len(rows.columns)})
    else:
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
