"""What lies in a folder of published files: which of them belong together, and to which source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from isoloir.configs.load import TerritoryConfig
from isoloir.configs.sources import CommunesSource, ContextFile, DatagouvSource, SourceFile
from isoloir.domain.errors import SourceError, UsageError

from .sources import communes, outlines, tidy
from .sources.datagouv_columns import CANDIDATES, GENERAL
from .sources.gate.filenames import shown_name
from .sources.ministry import reader as ministry
from .sources.raw import Original
from .sources.tables import Form, sha256_of

RESULTS, MINISTRY, COMMUNES, CONTEXT = "results", "ministry", "communes", "context"

AS_FOUND = SourceFile(file="as-found")
"""How a file is written that no entry declares: it was recognised by what is in it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which licence a source publishes, and whom to name."""

    licence: str
    attribution: str


UNSTATED = Terms("unstated", "unstated: a file that no source of the territory declares")


def terms_of(config: TerritoryConfig, role: str) -> Terms:
    """The terms of the source that fills ``role``, as the territory states them today."""
    kind, _, name = role.partition("/")
    source = config.source
    if kind == CONTEXT and name not in source.context:
        return UNSTATED
    said = {MINISTRY: source.ministry, COMMUNES: source.communes, CONTEXT: source.context.get(name)}.get(kind)
    return Terms((said or source).licence, (said or source).attribution)


@dataclass(frozen=True, slots=True)
class Piece:
    """Files of one source that are read together: what they are (``kind``), and ``name`` within that kind.

    ``declared`` and ``forms`` go with ``originals``, one each: how the file is written, and the columns of it
    that may be kept (None: nothing of it is, beside what is read). ``layout``: of a file of the Ministry.
    """

    kind: str
    name: str
    originals: tuple[Original, ...]
    declared: tuple[SourceFile, ...]
    forms: tuple[Form | None, ...]
    licence: str
    attribution: str
    layout: ministry.Layout | None = None

    @property
    def role(self) -> str:
        """What a later ingest replaces: pieces of one role take each other's place."""
        return f"{self.kind}/{self.name}" if self.name else self.kind


def declared_results(config: TerritoryConfig) -> list[tuple[SourceFile, Form]]:
    """The files of the main source, in the order of their reader, and the columns that may be kept."""
    source = config.source
    if isinstance(source, DatagouvSource):
        return [(source.general, GENERAL), (source.candidates, CANDIDATES)]
    if isinstance(source, CommunesSource):
        return [(source.results, communes.FORM)]
    geography = [(source.geography, tidy.geography_form(source.geography))] if source.geography else []
    return [(source.results, tidy.results_form(source.results)), *geography]


def lying_in(config: TerritoryConfig, folders: Sequence[Path]) -> tuple[list[Piece], list[str]]:
    """The pieces in ``folders``, and a line on each file that was not read.

    SourceError where there is nothing to read, or only one of two files that belong together; UsageError
    where files of one name lie in several folders and are not the same.
    """
    for folder in folders:
        if not folder.is_dir():
            raise SourceError("there is no such folder", where=str(folder), remedy="correct --from")
    lying = [path for folder in folders for path in sorted(folder.iterdir()) if path.is_file()]
    # The first of each name: the same folder may be given twice.
    files = list({path.name: path for path in reversed(lying)}.values())[::-1]
    pieces: list[Piece] = []
    for make in (_results, _communes, _context, _ministry, _contours):
        for piece in make(config, files):
            pieces.append(piece)
            files = [f for f in files if all(f != o.path for o in piece.originals)]
    read = {o.path.name: o for piece in pieces for o in piece.originals}
    _refuse_several(read, lying)
    if not pieces:
        names = [declared.file for declared, _ in declared_results(config)]
        raise SourceError(
            f"there is no file of {config.key} here: no {' and '.join(_twins(name) for name in names)}"
            + (", and no results of a single round in a known layout" if config.source.ministry else ""),
            where=", ".join(map(str, folders)),
            remedy="give the folder that holds the publisher's files with --from",
        )
    return pieces, [_why_unread(config, path, read, number) for number, path in _numbered(files, lying)]


def _numbered(files: Sequence[Path], lying: Sequence[Path]) -> list[tuple[int, Path]]:
    """The files, each with its number among those of its folder by name, from 1."""
    return [(sorted(p for p in lying if p.parent == f.parent).index(f) + 1, f) for f in files]


def _refuse_several(read: Mapping[str, Original], lying: Sequence[Path]) -> None:
    for path in lying:
        chosen = read.get(path.name)
        if chosen is not None and chosen.path != path and sha256_of(path) != chosen.sha256:
            raise UsageError(
                f"two files are called {chosen.name}, and are not the same",
                where=f"{chosen.path.parent}, {path.parent}",
                remedy="ingest one folder after the other, the one that is to stand last",
            )


def _why_unread(config: TerritoryConfig, path: Path, read: Mapping[str, Original], number: int) -> str:
    twin = next((o for n, o in read.items() if n != path.name and Path(n).stem == path.stem), None)
    why = (
        f"{twin.name}, which lies beside it, was read" if twin else f"no source of {config.key} speaks of it"
    )
    name = shown_name(path.name, _declared_names(config))
    hidden = f" (number {number} by name in its folder; its name may be a person's)"
    return f"{name}{hidden if name != path.name else ''}: {why}"


def _declared_names(config: TerritoryConfig) -> frozenset[str]:
    """The names of files that the territory's configuration speaks of."""
    source = config.source
    names = {declared.file for declared, _ in declared_results(config)}
    names |= {said.file for said in source.context.values()}
    names |= {source.communes.file} if source.communes else set()
    return frozenset(names | (source.ministry.contests.keys() if source.ministry else set()))


def _twins(name: str) -> str:
    stem = Path(name).stem
    return f"{stem}.parquet or {stem}.csv" if Path(name).suffix in (".parquet", ".csv") else name


def original(path: Path, config: TerritoryConfig) -> Original:
    """A file of the user's as an original; its name is another where it may be a person's."""
    place = _place(path, config)
    return Original(path, str(place), sha256_of(path), path.stat().st_size, called=place.name)


def _place(path: Path, config: TerritoryConfig) -> Path:
    return path.resolve().parent / shown_name(path.name, _declared_names(config))


def _lying(files: Iterable[Path], name: str) -> Path | None:
    """The file called ``name``, or its CSV or Parquet twin."""
    names = [name]
    if Path(name).suffix in (".parquet", ".csv"):
        names += [f"{Path(name).stem}.parquet", f"{Path(name).stem}.csv"]
    by_name = {path.name: path for path in files}
    return next((by_name[n] for n in names if n in by_name), None)


def _results(config: TerritoryConfig, files: list[Path]) -> Iterator[Piece]:
    wanted = declared_results(config)
    lying = [_lying(files, declared.file) for declared, _ in wanted]
    if not any(lying):
        return
    for path, (declared, _) in zip(lying, wanted, strict=True):
        if path is None:
            here = next(p for p in lying if p is not None)
            raise SourceError(
                f"{shown_name(here.name, _declared_names(config))} lies here without {_twins(declared.file)}",
                where=str(here.parent),
                remedy="put both files of the publisher into the folder: they are read together",
            )
    yield results_piece(config, [original(p, config) for p in lying if p is not None])


def results_piece(config: TerritoryConfig, originals: Sequence[Original]) -> Piece:
    """The piece of the main source's files."""
    declared, forms = zip(*declared_results(config), strict=True)
    source = config.source
    return Piece(RESULTS, "", tuple(originals), declared, forms, source.licence, source.attribution)


def _communes(config: TerritoryConfig, files: list[Path]) -> Iterator[Piece]:
    said = config.source.communes
    path = _lying(files, said.file) if said else None
    if said is not None and path is not None:
        yield communes_piece(config, original(path, config))


def communes_piece(config: TerritoryConfig, lying: Original) -> Piece:
    """The piece of results by commune."""
    said = config.source.communes
    assert said is not None
    return Piece(COMMUNES, "", (lying,), (said,), (communes.FORM,), said.licence, said.attribution)


def _context(config: TerritoryConfig, files: list[Path]) -> Iterator[Piece]:
    for name, said in config.source.context.items():
        path = _lying(files, said.file)
        if path is not None:
            yield context_piece(name, said, original(path, config))


def context_piece(name: str, said: ContextFile, lying: Original) -> Piece:
    """The piece of a file of context."""
    return Piece(CONTEXT, name, (lying,), (said,), (None,), said.licence, said.attribution)


def _ministry(config: TerritoryConfig, files: list[Path]) -> Iterator[Piece]:
    said = config.source.ministry
    if said is None:
        return
    for path in files:
        if path.suffix.lower() not in (".txt", ".csv"):
            continue
        layout = ministry.recognise(path, config.calendar)
        if layout is not None:
            lying = original(path, config)
            yield Piece(
                MINISTRY, lying.name, (lying,), (AS_FOUND,), (ministry.FORM,),
                said.licence, said.attribution, layout,
            )  # fmt: skip


def _contours(config: TerritoryConfig, files: list[Path]) -> Iterator[Piece]:
    """Outlines of stations that no entry declares, such as a city's own."""
    for path in files:
        if path.suffix.lower() == ".geojson" and outlines.of_stations(path, str(_place(path, config))):
            lying = original(path, config)
            stem = Path(lying.name).stem
            name = f"{stem}_contours" if stem in config.source.context else stem
            terms = UNSTATED
            yield Piece(CONTEXT, name, (lying,), (AS_FOUND,), (None,), terms.licence, terms.attribution)
