"""The commands about sources: read what was published, and see what there is of it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoloir.domain.errors import UsageError

from .cli_options import (
    DEFAULT_HOME,
    ConfigsOption,
    HomeOption,
    JsonOption,
    Manner,
    QuietOption,
    Territory,
    opened,
)

if TYPE_CHECKING:
    from .ingest import Ingested

MOST_LINES, WIDTH = 12, 110
"""Lines of one kind that the screen shows (``ingest.json`` has all), and how wide they may be."""


def ingest(
    territory: Territory,
    source: Annotated[
        list[Path] | None,
        typer.Option("--from", help="Folder with published files, read in place. Several times."),
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
    only: Annotated[
        list[str] | None,
        typer.Option(help="With --download: this source, by its name in `isoloir sources`. Several times."),
    ] = None,
) -> None:
    """Read published results and context, check them, and keep the counts without any name.

    What was ingested before stays, unless it is of the same source. Bytes that were read are not read again.

    Everything that lies in two folders: isoloir ingest fr --from results --from insee

    The week after a vote, the Ministry's file is enough: isoloir ingest fr --from downloads

    From the publishers, what changed only: isoloir ingest fr --download

    One source, such as a large one: isoloir ingest fr --download --only contours_2022
    """
    if bool(source) == download:
        raise UsageError(
            "the files come either from a folder or from their publisher",
            remedy=f"isoloir ingest {territory} --from DIR, or isoloir ingest {territory} --download",
        )
    if only and not download:
        raise UsageError(
            "--only says what to download",
            remedy=f"isoloir ingest {territory} --download --only {only[0]}",
        )
    from isoloir.pipelines.fetch import wanted_files
    from isoloir.pipelines.flows.ingest import ingest_flow, ingest_published_flow
    from isoloir.pipelines.ingest import ingested_before

    kept, config = opened(territory, home, configs)
    manner = Manner(quiet, as_json)
    with manner.progress(3) as say:
        if source:
            done = ingested_before(kept, config, source) or ingest_flow(kept, config, source, say)
        else:
            # Told before anything is started: a name that is no source's.
            wanted_files(config, mirror, only or ())
            done = ingest_published_flow(kept, config, say, mirror, only or ())
    if not as_json and not quiet:
        for line in _lines(done):
            print(line)
    manner.tell(_counts(done))


def _counts(done: Ingested) -> dict[str, object]:
    return {
        "contests": len(done.contests),
        "station rows": done.stations,
        "odd": len(done.findings),
        "differences": sum(not d.agrees for d in done.differences),
        "partial": len(done.partial),
        "communes": len(done.communes),
        "unread": len(done.unread),
        "core": str(done.folder),
        "again": done.again,
    }


def _lines(done: Ingested) -> Iterator[str]:
    """What a person should know of an ingest, kind by kind, no kind at too great a length."""
    all_there = f"see {done.folder / 'ingest.json'}"
    agree = sum(d.agrees for d in done.differences)
    left_out = "kept, and left out of forecasts of the whole territory"
    yield from _some("read", done.noted, all_there)
    yield from _some("nation", done.official, all_there)
    yield from _some("odd, kept", [f.line() for f in done.findings], all_there)
    yield from _some("not kept", done.notes(), all_there)
    yield from _some("different", [d.line() for d in done.differences if not d.agrees], all_there)
    if agree:
        yield from _some("the same", [f"{agree} comparisons of two sources agree in every count"], all_there)
    yield from _some("partial", [f"{k}: {cover}: {left_out}" for k, cover in done.partial.items()], all_there)
    yield from _some("not read", done.unread, "look into the folder")


def _some(kind: str, lines: Sequence[str], rest: str) -> Iterator[str]:
    for line in lines[:MOST_LINES]:
        # At blanks only: a path or a file's name stays whole.
        yield from textwrap.wrap(
            line,
            WIDTH,
            initial_indent=f"{kind + ':':14}",
            subsequent_indent=" " * 16,
            break_long_words=False,
            break_on_hyphens=False,
        )
    if len(lines) > MOST_LINES:
        yield f"{'':14}… and {len(lines) - MOST_LINES} more: {rest}"


def sources(
    territory: Territory,
    home: HomeOption = DEFAULT_HOME,
    configs: ConfigsOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Ask the publishers whether their files changed; fetches nothing.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """List every source: what it is, whether home has it, and which part of the electors it reaches.

    A name in the list may be fetched by itself: isoloir ingest fr --download --only NAME
    """
    from isoloir.pipelines.inventory import inventory, looked_up
    from isoloir.pipelines.inventory_text import as_object, as_text

    kept, config = opened(territory, home, configs)
    found = inventory(kept, config, datetime.now(UTC).date())
    if check:
        with Manner(quiet, as_json).progress(len(found.sources)) as say:
            found = looked_up(found, say)
    if as_json:
        print(json.dumps({"territory": territory} | as_object(found), ensure_ascii=False))
        return
    for line in as_text(found, territory, str(home)):
        print(line)
