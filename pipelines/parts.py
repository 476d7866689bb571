"""Parts: what was read of each piece, checked and without names, kept until its source is read anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from isoloir.configs.load import TerritoryConfig, config_digest
from isoloir.configs.sources import CommunesSource, ContextFile, DatagouvSource
from isoloir.domain.errors import MissingInputError

from . import core
from .context import GEO, line, write_context
from .home import Home, read_json, set_in_place, write_json
from .pieces import COMMUNES, CONTEXT, MINISTRY, RESULTS, Piece
from .progress import Say
from .sources import communes, context, contours, datagouv, raw, returns, tables, tidy
from .sources.door import Door
from .sources.ministry import reader as ministry
from .sources.returns import Finding, Read, Returns
from .sources.tables import Opened
from .store import code_digest, stamp

SAID = "part.json"
CODE = {
    RESULTS: ("pipelines.sources.datagouv", "pipelines.sources.tidy", "pipelines.sources.communes"),
    MINISTRY: ("pipelines.sources.ministry.reader",),
    COMMUNES: ("pipelines.sources.communes",),
    CONTEXT: ("pipelines.sources.context", "pipelines.sources.contours"),
}
"""The modules that decide what is read of a piece, by its kind."""


@dataclass(frozen=True, slots=True)
class Input:
    """An original that was read: where it came from, and on which terms."""

    file: str
    path: str
    sha256: str
    bytes: int
    licence: str
    attribution: str
    etag: str | None = None
    modified: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A piece as it was read: its ``role``, the folder of its tables, and what there is to say of it.

    By contest: ``left_out`` rows that have no station, and rows whose label was ``withheld``. ``notes`` are
    lines for a person, ``dropped`` those on counts that were not kept. ``derived``: of contests whose
    constituencies were derived while reading, which part of the compared electors got the code of an earlier
    contest (None: nothing to compare with). ``read_on``: the day it was read, which no core depends on.
    """

    role: str
    folder: Path
    inputs: tuple[Input, ...]
    contests: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    left_out: dict[str, int] = field(default_factory=dict)
    withheld: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    derived: dict[str, float | None] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    read_on: date | None = None

    @property
    def kind(self) -> str:
        """The kind of its piece."""
        return self.role.split("/")[0]


def part_folder(home: Home, config: TerritoryConfig, piece: Piece) -> Path:
    """Where the part of ``piece`` lies, or will: by its content, what is said of its source, and the code."""
    inputs = [(o.name, o.sha256) for o in piece.originals]
    return home.planned("parts", config.key, stamp(piece.role, _rules(config, piece), inputs))


def is_taken(home: Home, config: TerritoryConfig, piece: Piece) -> bool:
    """Whether the piece was read before by the same rules, and what may be kept of its rows is there."""
    kept, rules = home.planned("raw", config.key), _rules(config, piece)
    forms = zip(piece.originals, piece.forms, strict=True)
    in_raw = all(form is None or raw.is_kept(kept, o.sha256, rules) for o, form in forms)
    return in_raw and (part_folder(home, config, piece) / SAID).is_file()


def taken(home: Home, config: TerritoryConfig, piece: Piece, say: Say, today: date) -> Part:
    """The part of ``piece``, read now unless it was before; what is refused leaves nothing in home."""
    final = part_folder(home, config, piece)
    if not is_taken(home, config, piece):
        say(f"reading {', '.join(o.name for o in piece.originals)}")
        home.folder("parts", config.key)
        told: list[str] = []
        with set_in_place(final, SAID) as aside, _opened(home, config, piece, today, told.append) as files:
            part = _written(config, piece, files, aside)
            part = replace(part, dropped=(*part.dropped, *dict.fromkeys(told)))
            said = {name: value for name, value in asdict(part).items() if name != "folder"}
            write_json(aside / SAID, said | {"read_on": today.isoformat()})
    return read_part(final)


def read_part(folder: Path) -> Part:
    """The part in ``folder``; MissingInputError where it is gone."""
    if not (folder / SAID).is_file():
        raise MissingInputError(
            "what was read of an earlier source is gone", where=str(folder), remedy="ingest that source again"
        )
    try:
        return _part(folder, read_json(folder / SAID))
    except (KeyError, TypeError) as error:
        raise MissingInputError(
            "what was read of a source was written by an earlier version, or is damaged",
            where=str(folder / SAID),
            remedy="remove this folder, and ingest that source again",
        ) from error


def _part(folder: Path, said: dict[str, Any]) -> Part:
    return Part(
        said["role"],
        folder,
        tuple(Input(**i) for i in said["inputs"]),
        tuple(said["contests"]),
        tuple(Finding(**f) for f in said["findings"]),
        said["left_out"],
        said["withheld"],
        tuple(said["notes"]),
        said["derived"],
        tuple(said["dropped"]),
        date.fromisoformat(said["read_on"]),
    )


def parts_of(home: Home, config: TerritoryConfig, fresh: Sequence[Path]) -> list[Part]:
    """The fresh parts and, of roles that they do not fill, those of the current core; in order of role."""
    parts = {part.role: part for part in map(read_part, fresh)}
    before = standing(home, config)
    if before is None and RESULTS not in parts:
        raise MissingInputError(
            f"{home.path} does not tell what was ingested: an earlier version filled it, or it is damaged",
            remedy=f"ingest the results again with the rest: isoloir ingest {config.key} --from DIR",
        )
    for role, folder in (before or {}).items():
        if role not in parts:
            parts[role] = read_part(folder)
    return [parts[role] for role in sorted(parts)]


def standing(home: Home, config: TerritoryConfig) -> dict[str, Path] | None:
    """The folder of each role's part in the current core; None if there is one that does not tell.

    Such is a core of an earlier version, or one that somebody removed.
    """
    current = home.planned("core", config.key, "current")
    if not current.is_file():
        return {}
    ingested = current.parent / current.read_text(encoding="utf-8").strip() / core.INGESTED
    said = read_json(ingested) if ingested.is_file() else {}
    if "parts" not in said:
        return None
    return {role: home.planned("parts", config.key, name) for role, name in said["parts"].items()}


def _rules(config: TerritoryConfig, piece: Piece) -> str:
    """The digest of what decides what is read of the piece and which text of its rows is kept."""
    said: object = piece.declared
    if piece.kind != CONTEXT:
        source = config.source.model_copy(update={"context": {}})
        said = (source, config.calendar, config.groupings, config.label_kind)
    return stamp(config_digest(said), code_digest(*CODE[piece.kind], "pipelines.core"))


@contextmanager
def _opened(
    home: Home, config: TerritoryConfig, piece: Piece, today: date, note: tables.Note
) -> Iterator[list[Opened]]:
    """The originals, opened; the rows that may be kept are in raw/ once the block ends well.

    ``note`` takes lines on what the gate did not let in.
    """
    terms = raw.Terms(piece.licence, piece.attribution, today, _rules(config, piece))
    with ExitStack() as kept:
        files = []
        for lying, declared, form in zip(piece.originals, piece.declared, piece.forms, strict=True):
            keep: tables.Keep = tables.keep_nothing
            if form is not None:
                folder = home.folder("raw", config.key)
                keep = kept.enter_context(raw.keeping(folder, lying, form, terms))
            delimiter, encoding = declared.delimiter, declared.encoding
            files.append(Opened(lying.path, delimiter, encoding, keep, lying.place, note))
        yield files


def _written(config: TerritoryConfig, piece: Piece, files: Sequence[Opened], folder: Path) -> Part:
    inputs = tuple(
        Input(o.name, o.place, o.sha256, o.bytes, piece.licence, piece.attribution, o.etag, o.modified)
        for o in piece.originals
    )
    if piece.kind == COMMUNES:
        counted = communes.read_counts(files[0], config.calendar)
        for one in counted.counts:
            core.write_counts(one, folder)
        contests = tuple(c.contest for c in counted.counts)
        return Part(piece.role, folder, inputs, contests, dropped=counted.notes)
    if piece.kind == CONTEXT:
        return Part(piece.role, folder, inputs, notes=_context(piece, files[0], folder))
    read = _read(config, piece, files)
    kept, findings = _checked(config, read.returns, files[0].where)
    for returned in kept:
        core.write_returns(returned, folder)
    return Part(
        piece.role,
        folder,
        inputs,
        tuple(r.contest for r in kept),
        tuple(findings),
        read.left_out,
        read.withheld,
        tuple(d.line() for d in read.derivations),
        {d.contest: d.agreement if d.compared else None for d in read.derivations},
        read.notes,
    )


def _context(piece: Piece, file: Opened, folder: Path) -> tuple[str, ...]:
    said = piece.declared[0]
    # Nothing but outlines is read that no entry declares.
    if not isinstance(said, ContextFile) or said.reader == "contours":
        return (f"{piece.name}, {contours.write_contours(file, folder / f'{piece.name}{GEO}').line()}",)
    found = context.READERS[said.reader](file, said)
    write_context(found, folder)
    return tuple(line(one) for one in found)


def _read(config: TerritoryConfig, piece: Piece, files: Sequence[Opened]) -> Read:
    entry = Door(config.calendar, tuple(config.groupings.values()), config.label_kind)
    if piece.layout is not None:
        assert config.source.ministry is not None
        return ministry.read_returns(files[0], piece.layout, entry, config.source.ministry.contests)
    if isinstance(config.source, DatagouvSource):
        return datagouv.read_returns(files[0], files[1], entry)
    if isinstance(config.source, CommunesSource):
        return communes.read_returns(files[0], config.calendar)
    return tidy.read_returns(files, config.source, entry)


def _checked(config: TerritoryConfig, read: list[Returns], where: str) -> tuple[list[Returns], list[Finding]]:
    findings, kept = [], []
    for one in read:
        declared = config.source.contradictory.get(one.contest, ())
        sound, listed = returns.without(one, declared)
        findings += listed + returns.check(sound, multi_seat=config.calendar[one.contest].multi_seat)
        kept.append(sound)
    returns.refuse(findings, where=where)
    return kept, findings
