"""Bring what was published into home: read it part by part, and make one core of all the parts there are."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow.parquet as pq

from isoloir.configs.load import TerritoryConfig, config_digest
from isoloir.configs.national import load_national
from isoloir.domain.errors import PrivacyError, SourceError

from .core import INGESTED
from .fetch import fetched, pinned_pieces, wanted_files
from .home import Home, read_json, set_in_place, write_json, write_text
from .merge import Difference, merge
from .parts import Part, is_taken, part_folder, parts_of, taken
from .pieces import Piece, lying_in
from .progress import Say
from .sources.download import FetchIfChanged, download_if_changed, incoming, sweep
from .sources.raw import folder_of
from .sources.returns import Finding
from .store import code_digest, stamp


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest came to: folder in core/, contests, stations, findings; ``again`` if all was there.

    By contest: ``left_out`` rows that have no station, rows whose label was ``withheld``, and which part of
    the territory those that are ``partial`` cover, and the ``source_of`` its stations. ``communes``: contests
    known by commune. Lines for a person: ``noted`` on what was read, ``official`` on the nation's turnout
    beside the published one, ``dropped`` on counts that were not kept, ``unread`` on files that were not.
    """

    folder: Path
    contests: tuple[str, ...]
    source_of: dict[str, str]
    stations: int
    findings: tuple[Finding, ...]
    left_out: dict[str, int]
    withheld: dict[str, int]
    communes: tuple[str, ...]
    partial: dict[str, str]
    differences: tuple[Difference, ...]
    noted: tuple[str, ...]
    official: tuple[str, ...]
    dropped: tuple[str, ...]
    unread: tuple[str, ...]
    again: bool

    def notes(self) -> list[str]:
        """What was not kept, one line each, for a person."""
        rows = [f"{key}: {n} row(s), which are of no station" for key, n in self.left_out.items()]
        said = "may be a name, and no grouping speaks of this round"
        rows += [f"{key}: the label of {n} row(s), as it {said}" for key, n in self.withheld.items()]
        return [*rows, *self.dropped]

    @property
    def told(self) -> tuple[str, ...]:
        """Every line on what was read."""
        return (*self.noted, *self.dropped)


def ingest(
    home: Home, config: TerritoryConfig, folders: Path | Sequence[Path], say: Say, today: date | None = None
) -> Ingested:
    """Read the territory's files in ``folders``; nothing of what is refused is left in home.

    What was ingested before stays, unless it is of the same source: then the new files take its place. Bytes
    that were read before under the same configuration and code are not read again. ``today`` is the day to
    note as that of reading (None: this one, UTC).
    """
    sweep(home.folder("raw"))
    pieces, unread = lying_in(config, _several(folders))
    return _take_in(home, config, pieces, unread, say, today)


def ingested_before(home: Home, config: TerritoryConfig, folders: Path | Sequence[Path]) -> Ingested | None:
    """What an earlier ingest of the same bytes came to, made the current one; None if there was none."""
    pieces, unread = lying_in(config, _several(folders))
    if not all(is_taken(home, config, piece) for piece in pieces):
        return None
    found = parts_of(home, config, [part_folder(home, config, piece) for piece in pieces])
    if not (_folder(home, config, found) / INGESTED).is_file():
        return None
    return _take_in(home, config, pieces, unread, lambda _: None, None)


def _several(folders: Path | Sequence[Path]) -> Sequence[Path]:
    return [folders] if isinstance(folders, Path) else folders


def ingest_published(
    home: Home,
    config: TerritoryConfig,
    say: Say,
    mirror: str | None = None,
    today: date | None = None,
    fetch: FetchIfChanged = download_if_changed,
    only: Sequence[str] = (),
) -> Ingested:
    """As :func:`ingest`, of files fetched from their publisher or a ``mirror``, and deleted once read.

    ``only``: names of sources (``results``, or one of context); none: all that are not marked large. What has
    not changed since it was read is not fetched again.
    """
    wanted = wanted_files(config, mirror, only)
    pinned = pinned_pieces(config, wanted)
    if pinned and all(is_taken(home, config, piece) for piece in pinned):
        return _take_in(home, config, pinned, [], say, today)
    with incoming(home.folder("raw")) as folder:
        pieces = [fetched(home, config, n, files, folder, say, fetch) for n, files in wanted.items()]
        return _take_in(home, config, pieces, [], say, today)


def _take_in(
    home: Home,
    config: TerritoryConfig,
    pieces: Sequence[Piece],
    unread: Sequence[str],
    say: Say,
    today: date | None,
) -> Ingested:
    day = today or datetime.now(UTC).date()
    known = all(is_taken(home, config, piece) for piece in pieces)
    with _all_or_nothing(home, config, pieces):
        fresh = [taken(home, config, piece, say, day) for piece in pieces]
        parts = parts_of(home, config, [part.folder for part in fresh])
        final = _folder(home, config, parts)
        again = known and (final / INGESTED).is_file()
        if not again:
            home.folder("core", config.key)
            with set_in_place(final, INGESTED) as aside:
                write_json(aside / INGESTED, merge(config, parts, aside))
    pointer = final.parent / "current"
    if not pointer.is_file() or pointer.read_text(encoding="utf-8") != final.name:
        write_text(pointer, final.name)
    return _ingested(final, unread, again)


@contextmanager
def _all_or_nothing(home: Home, config: TerritoryConfig, pieces: Sequence[Piece]) -> Iterator[None]:
    """What the block writes of the pieces is taken away again if one of them, or their sum, is refused."""
    folders = [part_folder(home, config, piece) for piece in pieces]
    raw = home.planned("raw", config.key)
    folders += [folder_of(raw, original.sha256) for piece in pieces for original in piece.originals]
    new = [folder for folder in folders if not folder.exists()]
    try:
        yield
    except (SourceError, PrivacyError):
        for folder in new:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _folder(home: Home, config: TerritoryConfig, parts: Sequence[Part]) -> Path:
    rules = stamp(
        code_digest("pipelines.merge"), config_digest(tuple(config.calendar), load_national(config))
    )
    made = stamp(rules, [(p.role, p.folder.name) for p in parts])
    return home.planned("core", config.key, made[:12])


def _ingested(folder: Path, unread: Sequence[str], again: bool) -> Ingested:
    said = read_json(folder / INGESTED)
    return Ingested(
        folder,
        tuple(said["contests"]),
        said["source_of"],
        said["stations"],
        tuple(Finding(**f) for f in said["findings"]),
        said["left_out"],
        said["withheld"],
        tuple(said["communes"]),
        said["partial"],
        tuple(Difference(**d) for d in said["differences"]),
        tuple(said["notes"]),
        tuple(said["official"]),
        tuple(said["dropped"]),
        tuple(unread),
        again,
    )


def row_counts(folder: Path) -> dict[str, int]:
    """Stations of each contest in a core folder."""
    return {p.stem: pq.read_metadata(p).num_rows for p in sorted(folder.glob("*.parquet"))}
