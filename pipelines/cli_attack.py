"""The command that attacks a release."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .cli_options import JsonOption

DISCLOSED = 7
"""The status where something was found: that of a PrivacyError."""


def attack(
    release: Annotated[Path, typer.Argument(help="Folder of a release, or its `current`.")],
    results: Annotated[
        list[Path] | None,
        typer.Option("--with", help="Published results: a folder, or Parquet files; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Try to learn of small stations, voters and candidates from a release; status 7 where that succeeds.

    With published results (general_results.parquet, candidats_results.parquet) the attacker knows the rolls,
    what stations were at earlier contests, and the candidates' names. Other releases beside it are used, too.

    Example: isoloir attack isoloir-home/releases/fr/2027_pres_t1/current --with downloads
    """
    from isoloir.pipelines.attack.public import public_of
    from isoloir.pipelines.attack.suite import attacks, lines, told

    done = attacks(release, public_of(results or ()))
    found = sum(len(one.found) for one in done)
    if as_json:
        print(
            json.dumps({"release": str(release), "found": found, "attacks": told(done)}, ensure_ascii=False)
        )
    else:
        print("\n".join([*lines(done), f"found: {found}" if found else "nothing found"]))
    if found:
        raise typer.Exit(DISCLOSED)
