"""The commands about releases that stand: which there are, push them to others, prune old ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from isoloir.domain.errors import UsageError

from .cli_options import DEFAULT_HOME, HomeOption, JsonOption, Manner, QuietOption

JsonListOption = Annotated[bool, typer.Option("--json", help="Say what is there as one JSON list.")]
releases_app = typer.Typer(help="List the releases in home; push one to others, prune old ones.")


@releases_app.callback(invoke_without_command=True)
def releases(
    context: typer.Context, home: HomeOption = DEFAULT_HOME, as_json: JsonListOption = False
) -> None:
    """List the releases in home; push one to others, prune old ones."""
    from isoloir.pipelines.home import Home
    from isoloir.pipelines.release.prune import is_current, releases_in

    if context.invoked_subcommand is not None:
        for name in ("home", "as_json"):
            source = context.get_parameter_source(name)
            if source is not None and source.name == "COMMANDLINE":
                raise UsageError(
                    "options of push and prune stand after them",
                    remedy=f"isoloir releases {context.invoked_subcommand} --help",
                )
        return
    told = [{"release": str(p), "current": is_current(p)} for p in releases_in(Home(home))]
    if as_json:
        print(json.dumps(told, ensure_ascii=False))
        return
    for one in told:
        print(f"{one['release']}{'  <- current' if one['current'] else ''}")


@releases_app.command()
def push(
    release: Annotated[Path, typer.Argument(help="Folder of a release in home, or its `current`.")],
    to: Annotated[str, typer.Option(help="A folder, s3://bucket/folder, or another URL.")],
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Copy a release to where others read it, and make it the latest there.

    It lies in <to>/<territory>/<target>/<release_id>, and latest.json beside it leads to it. Nobody is led to
    a part of it. It never replaces another of the same id.
    """
    from isoloir.pipelines.release.deliver import deliver
    from isoloir.pipelines.release.place import place_of

    manner = Manner(quiet, as_json)
    place = place_of(to)
    with manner.progress(1) as say:
        done = deliver(release, place, say)
    manner.tell({"release": done.release, "latest": done.latest, "again": done.again})


@releases_app.command()
def prune(
    keep: Annotated[int, typer.Option(min=1, help="How many to keep of each target.")],
    home: HomeOption = DEFAULT_HOME,
    territory: Annotated[str | None, typer.Option(help="Of this territory only.")] = None,
    target: Annotated[str | None, typer.Option(help="Of this target only.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and keep it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove all releases from home but the newest of each target, and the current ones.

    The newest is the one that was written last. What was pushed elsewhere stays there.
    """
    from isoloir.pipelines.home import Home
    from isoloir.pipelines.release.prune import outdated, releases_in, remove, sweep

    found = releases_in(Home(home), territory, target)
    gone = outdated(found, keep)
    if not dry_run:
        for folder in sorted({path.parent for path in found}):
            sweep(folder)
        gone = [path for path in gone if remove(path)]
    if as_json:
        said: dict[str, object] = {"removed": [str(path) for path in gone], "kept": len(found) - len(gone)}
        Manner(as_json=True).tell(said | {"dry_run": dry_run})
        return
    for path in gone:
        print(f"{'would remove' if dry_run else 'removed'}: {path}")
    print(f"kept: {len(found) - len(gone)} release(s)")
