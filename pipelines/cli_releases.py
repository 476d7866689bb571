"""The commands about one release and about configuration: verify, export, config."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoloir.domain.errors import UsageError

from .cli_options import DEFAULT_HOME, ConfigsOption, HomeOption, JsonOption, Manner

if TYPE_CHECKING:
    from isoloir.pipelines.release.export import Exported
    from isoloir.pipelines.release.read import Release

config_app = typer.Typer(help="Check the configuration, or copy it out to edit it.", no_args_is_help=True)


MAPS = {"geoparquet": "scores.geo.parquet", "gpkg": "scores.gpkg"}
"""Forms with the outlines of units, and the file that each makes."""

TABLES = ("scores", "units", "aggregates", "succession", "training")
FORMATS = ("csv", "xlsx", "parquet", *MAPS)
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


def export(
    release: Annotated[Path, typer.Argument(help="Folder of a release.")],
    table: Annotated[str, typer.Option(help="scores, units, aggregates, succession or training.")] = "scores",
    form: Annotated[
        str, typer.Option("--format", help="csv, xlsx, parquet (by department), geoparquet or gpkg (maps).")
    ] = "csv",
    by: Annotated[str, typer.Option(help="How parquet is parted: department.")] = "department",
    to: Annotated[Path, typer.Option(help="Folder to write into.")] = Path(),
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write a table of a release as CSV or Excel, in parts, or with the outlines of units that home holds."""
    _asked(table, form, by, to)
    from isoloir.pipelines.release.read import open_release

    manner = Manner(as_json=as_json)
    done = _export(open_release(release), table, form, to, home, manner)
    if done.note:
        manner.note(done.note)
    if as_json:
        manner.tell({"path": str(done.path), "rows": done.rows, "columns": done.columns})
    else:
        print(done.path)


def _asked(table: str, form: str, by: str, to: Path) -> None:
    """Refuse what is no table, format, way of parting or folder."""
    if table not in TABLES:
        raise UsageError(f"there is no table {table!r}", remedy=", ".join(TABLES))
    if form not in FORMATS:
        raise UsageError(f"there is no format {form!r}", remedy="csv or xlsx, parquet, geoparquet or gpkg")
    if by != "department":
        raise UsageError(f"parquet can't be parted by {by!r}", remedy="--by department")
    if form in MAPS and table != "scores":
        raise UsageError(f"the table {table} has no outlines", remedy="--table scores")
    if not to.is_dir():
        raise UsageError("there is no folder to write into", where=str(to), remedy="make it, or give another")


def _export(release: Release, table: str, form: str, to: Path, home: Path, manner: Manner) -> Exported:
    from isoloir.pipelines.home import Home
    from isoloir.pipelines.release import export as ways

    if form == "parquet":
        return ways.to_parquet(release, table, to / table)
    if form in MAPS:
        return ways.to_map(release, Home(home), to / MAPS[form])
    if form == "csv":
        return ways.to_csv(release, table, to)
    rows = release.arrow(table).to_pandas()
    if len(rows) >= SLOW_ROWS:
        manner.note(f"writing {len(rows)} rows of {len(rows.columns)} columns: Excel takes a while")
    return ways.to_excel(rows, to / f"{table}.xlsx")


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
