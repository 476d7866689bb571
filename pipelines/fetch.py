"""Fetch the files of a territory's sources from where they are published, those that changed only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from isoloir.configs.load import TerritoryConfig
from isoloir.configs.sources import SourceFile
from isoloir.configs.territory import nearest
from isoloir.domain.errors import UsageError

from .home import Home
from .parts import SAID, is_taken, read_part, standing
from .pieces import (
    COMMUNES,
    MINISTRY,
    RESULTS,
    Piece,
    communes_piece,
    context_piece,
    declared_results,
    results_piece,
)
from .progress import Say
from .sources.answer import opened
from .sources.download import LIMITS, FetchIfChanged, Pace, Progress, Unchanged, Wanted, at_mirror
from .sources.raw import Original


def fetched(
    home: Home,
    config: TerritoryConfig,
    name: str,
    files: Sequence[Wanted],
    folder: Path,
    say: Say,
    fetch: FetchIfChanged,
) -> Piece:
    """The piece of a source: fetched, or as it was read if the publisher says that nothing changed."""
    known = _known_before(home, config, name, files)
    asked, pace = files, Pace(told=say)
    if known is not None:
        asked = [replace(w, etag=o.etag, modified=o.modified) for w, o in zip(files, known, strict=True)]
    got = [fetch(one, folder, _told(say, one.name), pace=pace) for one in asked]
    if known is not None and all(isinstance(one, Unchanged) for one in got):
        say(f"{', '.join(one.name for one in files)}: unchanged since it was read")
        return _piece(config, name, known)
    # Files of one source are read together: beside one that changed, the others are needed too.
    for place, one in enumerate(got):
        if isinstance(one, Unchanged):
            wanted = files[place]
            got[place] = fetch(wanted, folder, _told(say, wanted.name), pace=pace)
    return _piece(config, name, [one for one in got if isinstance(one, Original)])


def _known_before(
    home: Home, config: TerritoryConfig, name: str, files: Sequence[Wanted]
) -> list[Original] | None:
    """The originals of ``files`` as they were read last, if what was read of them is still good."""
    folders = (standing(home, config) or {}).values()
    parts = [read_part(folder) for folder in folders if (folder / SAID).is_file()]
    inputs = {i.path: i for part in parts for i in part.inputs}
    if not all(w.url in inputs for w in files):
        return None
    found = [inputs[w.url] for w in files]
    known = [Original(Path(i.file), i.path, i.sha256, i.bytes, i.etag, i.modified) for i in found]
    tagged = all(o.etag or o.modified for o in known)
    return known if tagged and is_taken(home, config, _piece(config, name, known)) else None


def _piece(config: TerritoryConfig, name: str, originals: list[Original]) -> Piece:
    if name == RESULTS:
        return results_piece(config, originals)
    if name == COMMUNES:
        return communes_piece(config, originals[0])
    return context_piece(name, config.source.context[name], originals[0])


def pinned_pieces(config: TerritoryConfig, wanted: dict[str, list[Wanted]]) -> list[Piece]:
    """The pieces, where every file's sha256 is pinned: what they are is known without fetching them."""
    if not all(one.sha256 for files in wanted.values() for one in files):
        return []
    return [
        _piece(config, name, [Original(Path(w.name), w.url, w.sha256 or "", 0) for w in files])
        for name, files in wanted.items()
    ]


def wanted_files(config: TerritoryConfig, mirror: str | None, only: Sequence[str]) -> dict[str, list[Wanted]]:
    """The files to fetch of each source: of those called ``only``, else of all that are not large.

    UsageError for a name that is no source's, with the nearest, and where there is no address to fetch from.
    """
    known = fetchable(config)
    for name in only:
        _refuse_unknown(config, name, list(known))
    large = {name for name, said in config.source.context.items() if said.large}
    chosen = only or [
        name for name in known if name not in large and (mirror or name == RESULTS or known[name][0].url)
    ]
    homeless = [f.file for name in chosen for f in known[name] if f.url is None]
    if homeless and mirror is None:
        raise UsageError(
            f"{config.key} declares no address for {', '.join(homeless)}",
            where=f"configs/territories/{config.key}/sources.yaml",
            remedy=f"fetch the files yourself: isoloir ingest {config.key} --from DIR; or add their url",
        )
    return {
        name: [
            Wanted(f.file, at_mirror(mirror, f.file) if mirror else str(f.url), f.sha256) for f in known[name]
        ]
        for name in chosen
    }


def is_replaced(wanted: Wanted, size: int) -> bool | None:
    """Whether another version than ``wanted`` tells of (of ``size`` bytes) is published; None if unknown.

    Only the head of the answer is read. Errors as of a download: the file may be gone, or nobody answers.
    """
    with opened(wanted, 0, None, LIMITS.silence_seconds, time.time()) as answer:
        if isinstance(answer, Unchanged):
            return False
        now = answer.version
    for known, said in ((wanted.etag, now.etag), (wanted.modified, now.modified)):
        if known is not None and said is not None:
            return known != said
    # As many bytes prove nothing.
    return True if now.total not in (None, size) else None


def fetchable(config: TerritoryConfig) -> dict[str, list[SourceFile]]:
    """The files of each source that may be fetched by its name; some have no address."""
    known = {RESULTS: [declared for declared, _ in declared_results(config)]}
    if config.source.communes is not None:
        known[COMMUNES] = [config.source.communes]
    return known | {name: [said] for name, said in config.source.context.items()}


def _refuse_unknown(config: TerritoryConfig, name: str, known: list[str]) -> None:
    if name == MINISTRY and config.source.ministry is not None:
        raise UsageError(
            "files of single rounds have no one address, and are recognised by what is in them",
            remedy=f"fetch those of the round yourself: isoloir ingest {config.key} --from DIR",
        )
    if name not in known:
        raise UsageError(f"{config.key} has no source called {name!r}", remedy=nearest(name, known))


def _told(say: Say, name: str) -> Progress:
    """Tells of a download at each tenth of it, or each 100 MB where its size is not known."""
    told = -1

    def progress(size: int, total: int | None) -> None:
        nonlocal told
        step = size * 10 // total if total else size // 100_000_000
        if step > told:
            told = step
            of = f" of {total / 1e6:.1f}" if total else ""
            say(f"fetching {name}: {size / 1e6:.1f}{of} MB")

    return progress
