"""The command line: thin; everything heavy is imported when a command needs it."""

from __future__ import annotations

import sys

import typer

from isoloir.domain.errors import IsoloirError

from . import cli_releases, cli_steps

app = typer.Typer(
    help="Turnout and swing of each bloc per polling station, from public aggregates only.\n\n"
    "A first try: isoloir demo",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
for command in (
    cli_steps.demo,
    cli_steps.ingest,
    cli_steps.build,
    cli_steps.backtest,
    cli_steps.train,
    cli_steps.score,
    cli_steps.publish,
    cli_steps.run,
    cli_releases.export,
    cli_releases.verify,
    cli_releases.releases,
):
    app.command()(command)
app.add_typer(cli_releases.config_app, name="config")


def main() -> None:
    """The command ``isoloir``: a mistake ends with a message and a status, never with a traceback."""
    try:
        app()
    except IsoloirError as error:
        print("\n".join(["error: " + error.lines()[0], *error.lines()[1:]]), file=sys.stderr)
        sys.exit(error.exit_code)
