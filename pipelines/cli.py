"""The command line: thin; everything heavy is imported when a command needs it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoloir.domain.errors import IsoloirError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from isoloir.configs.load import TerritoryConfig
    from isoloir.pipelines.home import Home

app = typer.Typer(
    help="Turnout and swing of each bloc per polling station, from public aggregates only.\n\n"
    "A first try: isoloir demo",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Check the configuration, or copy it out to edit it.", no_args_is_help=True)
app.add_typer(config_app, name="config")

HomeOption = Annotated[Path, typer.Option("--home", envvar="ISOLOIR_HOME", help="Where everything is kept.")]
ConfigsOption = Annotated[
    Path | None,
    typer.Option("--configs", envvar="ISOLOIR_CONFIGS", help="Laid over the shipped configs, file by file."),
]
GroupingOption = Annotated[
    str | None, typer.Option(help="Grouping of labels into blocs; default: the territory's.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what came out.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Say what came out as one JSON object.")]
Territory = Annotated[str, typer.Argument(help="Key of a territory, such as fr, dk or demo.")]
DEFAULT_HOME = Path("isoloir-home")


def _progress(quiet: bool, as_json: bool) -> Callable[[str], None]:
    """A function that tells on stderr what is under way."""
    from rich.console import Console

    console = Console(stderr=True)
    return (lambda text: None) if quiet or as_json else (lambda text: console.print(f"[dim]· {text}[/dim]"))


def _open(territory: str, home: Path, configs: Path | None) -> tuple[Home, TerritoryConfig]:
    from isoloir.configs.load import load_territory
    from isoloir.pipelines.home import Home

    return Home(home), load_territory(territory, configs)


def _tell(said: dict[str, object], as_json: bool) -> None:
    if as_json:
        print(json.dumps(said, ensure_ascii=False))
        return
    for name, value in said.items():
        print(f"{name + ':':14}{value}")


@app.command()
def ingest(
    territory: Territory,
    source: Annotated[
        Path | None, typer.Option("--from", help="Folder with the publisher's files, read in place.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    configs: ConfigsOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch the files from their publisher; deleted once read.")
    ] = False,
    mirror: Annotated[
        str | None,
        typer.Option(envvar="ISOLOIR_MIRROR", help="With --download: the address of a folder to fetch from."),
    ] = None,
) -> None:
    """Read published results, check them, and keep the counts without any name."""
    from isoloir.pipelines.ingest import ingest as run_ingest
    from isoloir.pipelines.ingest import ingest_published

    if (source is None) != download:
        raise UsageError(
            "the files come either from a folder or from their publisher",
            remedy=f"isoloir ingest {territory} --from DIR, or isoloir ingest {territory} --download",
        )
    kept, config = _open(territory, home, configs)
    say = _progress(quiet, as_json)
    if source is not None:
        done = run_ingest(kept, config, source, say)
    else:
        done = ingest_published(kept, config, say, mirror)
    if not as_json and not quiet:
        for finding in done.findings:
            print(f"odd, kept:    {finding.line()}")
        for line in done.notes():
            print(f"not kept:     {line}")
    said: dict[str, object] = {"contests": len(done.contests), "station rows": done.stations}
    _tell(said | {"odd": len(done.findings), "core": str(done.folder), "again": done.again}, as_json)


@app.command()
def backtest(
    territory: Territory,
    targets: Annotated[
        str, typer.Option(help="Contests, separated by commas; none: all that had a past.")
    ] = "",
    home: HomeOption = DEFAULT_HOME,
    configs: ConfigsOption = None,
    grouping: GroupingOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Forecast past contests from what was known before them; our error beside that of every naive rule."""
    from isoloir.pipelines.backtest import backtest as run_backtest
    from isoloir.pipelines.core import read_ledger

    kept, config = _open(territory, home, configs)
    blocs = config.grouping(grouping)
    wanted = [config.calendar[key.strip()].key for key in targets.split(",") if key.strip()]
    ledger = read_ledger(kept.current_core(territory), config.calendar, blocs)
    done = run_backtest(kept, config, ledger, wanted, blocs.grouping, _progress(quiet, as_json))
    if not as_json:
        _show(done.scorecard)
    said: dict[str, object] = {
        "scorecard": str(done.scorecard_path),
        "predictions": str(done.predictions_path),
    }
    _tell(said, as_json)


def _show(scorecard: pd.DataFrame) -> None:
    """The scorecard over all stations, one table per metric and level: models by targets."""
    overall = scorecard[scorecard["stratum"] == "all"]
    for metric, unit in (
        ("turnout_mae_pp", "turnout error, pp"),
        ("votes_misallocated", "votes misallocated, %"),
    ):
        for level in ("given", "carried"):
            part = overall[(overall["metric"] == metric) & (overall["level"] == level)]
            print(f"\n{unit}, national level {level}")
            print(part.pivot(index="model", columns="target", values="value").round(2).to_string())
    part = overall[overall["metric"].isin(["turnout_coverage90", "turnout_width90_pp"])]
    part = part[(part["model"] == "champion") & (part["level"] == "given")]
    print("\nchampion's 90 % intervals of turnout, level given")
    print(part.pivot(index="metric", columns="target", values="value").round(3).to_string())


@app.command()
def run(
    territory: Territory,
    target: Annotated[str, typer.Option(help="The contest to forecast, such as 2027_pres_t1.")],
    scenario: Annotated[
        str | None, typer.Option(help="Name or path of a scenario; none: the level is carried.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Look from this day (YYYY-MM-DD); default: the target's.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    configs: ConfigsOption = None,
    grouping: GroupingOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Forecast a contest, past or coming, and publish a verified release."""
    from isoloir.configs.load import load_scenario
    from isoloir.domain.election import AsOf
    from isoloir.pipelines.run import Request, check_request
    from isoloir.pipelines.run import run as run_target

    kept, config = _open(territory, home, configs)
    contest = config.calendar[target]
    spec = load_scenario(config, scenario) if scenario else None
    request = Request(contest, AsOf(_day(as_of) or contest.held_on), spec, config.grouping(grouping).grouping)
    check_request(config, request)
    done = run_target(kept, config, request, configs, _progress(quiet, as_json))
    _tell({"release": str(done.release), "again": done.again, **_summary(done.release)}, as_json)


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no day", remedy="write it as 2027-04-01") from error


def _summary(release: Path) -> dict[str, object]:
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    audit = json.loads((release / "audit.json").read_text(encoding="utf-8"))
    counts = ", ".join(f"{n['stations']} {status}" for status, n in audit["stations"].items())
    scenario = manifest["scenario"]
    return {
        "stations": f"{manifest['stations']} ({counts}), in {audit['published_units']} units",
        "scenario": f"{scenario['name']}: turnout {scenario['turnout']:.1%}",
        "roll, offer": f"{manifest['roll_from']}, {manifest['offer_from']}",
        "champion": f"{manifest['champion']['turnout']} (turnout), {manifest['champion']['shares']} (shares)",
    }


@app.command()
def verify(release: Annotated[Path, typer.Argument(help="Folder of a release, or its `current`.")]) -> None:
    """Check a release again, from its files alone."""
    from isoloir.pipelines.release.verify import verify as run_verify

    for line in run_verify(release):
        print(f"ok: {line}")


@app.command()
def releases(home: HomeOption = DEFAULT_HOME) -> None:
    """List the releases in home."""
    for path in sorted((home / "releases").glob("*/*/*/manifest.json")):
        current = path.parent.parent / "current"
        mark = "  <- current" if current.resolve() == path.parent.resolve() else ""
        if path.parent.name != "current":
            print(f"{path.parent}{mark}")


@app.command()
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


@app.command()
def demo(
    home: HomeOption = DEFAULT_HOME,
    seed: Annotated[int, typer.Option(help="The invented country's seed.")] = 1,
    stations: Annotated[int, typer.Option(help="Its stations, 300 to 2000.")] = 600,
) -> None:
    """Go the whole way on an invented country: results, backtest, forecast of a coming vote."""
    import tempfile

    from isoloir.pipelines.demo import write_demo

    with tempfile.TemporaryDirectory() as folder:
        write_demo(Path(folder), seed=seed, n_stations=stations)
        ingest("demo", Path(folder), home, None)
    backtest("demo", "2024_euro_t1,2022_pres_t1,2022_pres_t2", home, None, None)
    print()
    run("demo", "2027_pres_t1", "example", None, home, None, None)
    _first_lines(home / "releases" / "demo" / "2027_pres_t1" / "current" / "scores.parquet")


def _first_lines(path: Path) -> None:
    import pandas as pd

    table = pd.read_parquet(path)
    shown = ["unit_id", "registered", "turnout_pred", "turnout_lo90", "turnout_hi90"]
    shown += [name for name in table.columns if name.startswith("swing_") and name.endswith("_pp")][:1]
    print(f"\n{path}: {len(table)} rows, {len(table.columns)} columns")
    print(table[shown].head(5).round(3).to_string(index=False))


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


def main() -> None:
    """The command ``isoloir``: a mistake ends with a message and a status, never with a traceback."""
    try:
        app()
    except IsoloirError as error:
        print("\n".join(["error: " + error.lines()[0], *error.lines()[1:]]), file=sys.stderr)
        sys.exit(error.exit_code)
