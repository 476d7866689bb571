"""Bring published results into home: read, check, keep what is allowed, remember where it came from."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow.parquet as pq

from isoloir.configs.load import TerritoryConfig, config_digest
from isoloir.configs.sources import DatagouvSource, SourceFile
from isoloir.domain import bloc
from isoloir.domain.errors import UsageError

from . import core
from .home import Home, set_in_place, write_json, write_text
from .progress import Say
from .sources import datagouv, door, raw, returns, tables, tidy
from .sources.download import Fetch, Progress, Wanted, at_mirror, download, incoming, sweep
from .sources.raw import Original
from .sources.returns import Finding, Read, Returns
from .sources.tables import Form, Opened, sha256_of

READING = (bloc, datagouv, door, tables, tidy)
CODE = (*READING, core, returns)


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest came to: folder in core/, contests, stations, findings; ``again`` if all was there.

    By contest: ``left_out`` rows that have no station, and rows whose label was ``withheld``.
    """

    folder: Path
    contests: tuple[str, ...]
    stations: int
    findings: tuple[Finding, ...]
    left_out: dict[str, int]
    withheld: dict[str, int]
    again: bool

    def notes(self) -> list[str]:
        """What was not kept, one line a contest, for a person."""
        rows = [f"{key}: {n} row(s), which are of no station" for key, n in self.left_out.items()]
        said = "may be a name, and no grouping speaks of this round"
        return rows + [f"{key}: the label of {n} row(s), as it {said}" for key, n in self.withheld.items()]


def ingest(
    home: Home, config: TerritoryConfig, directory: Path, say: Say, today: date | None = None
) -> Ingested:
    """Read the territory's files in ``directory``; nothing is left in home if anything is refused.

    Returns at once if the same bytes were read before under the same configuration and code. ``today`` is
    the day to note as that of reading (None: this one, UTC).
    """
    sweep(home.folder("raw"))
    return _take_in(home, config, _originals(config, directory), say, today)


def ingested_before(home: Home, config: TerritoryConfig, directory: Path) -> Ingested | None:
    """What an earlier ingest of the same bytes came to, made the current one; None if there was none."""
    originals = _originals(config, directory)
    if not _is_done(home, config, {o.path.name: o.sha256 for o in originals}):
        return None
    return _take_in(home, config, originals, lambda _: None, None)


def _originals(config: TerritoryConfig, directory: Path) -> list[Original]:
    paths = [tables.locate(directory, declared.file) for declared, _ in _declared(config)]
    return [Original(p, str(p.resolve()), sha256_of(p), p.stat().st_size) for p in paths]


def ingest_published(
    home: Home,
    config: TerritoryConfig,
    say: Say,
    mirror: str | None = None,
    today: date | None = None,
    fetch: Fetch = download,
) -> Ingested:
    """As :func:`ingest`, of files fetched from their publisher or a ``mirror``, and deleted once read."""
    wanted = _wanted(config, mirror)
    pinned = {w.name: w.sha256 for w in wanted if w.sha256 is not None}
    if len(pinned) == len(wanted) and _is_done(home, config, pinned):
        return _ingested(_folder(home, config, pinned), again=True)
    with incoming(home.folder("raw")) as folder:
        originals = [fetch(one, folder, _told(say, one.name)) for one in wanted]
        return _take_in(home, config, originals, say, today)


def _declared(config: TerritoryConfig) -> list[tuple[SourceFile, Form]]:
    """The files that are read, in the order of their reader, and the columns of each that may be."""
    source = config.source
    if isinstance(source, DatagouvSource):
        return [(source.general, datagouv.GENERAL), (source.candidates, datagouv.CANDIDATES)]
    geography = [(source.geography, tidy.geography_form(source.geography))] if source.geography else []
    return [(source.results, tidy.results_form(source.results)), *geography]


def _wanted(config: TerritoryConfig, mirror: str | None) -> list[Wanted]:
    files = [declared for declared, _ in _declared(config)]
    homeless = [f.file for f in files if f.url is None]
    if homeless and mirror is None:
        raise UsageError(
            f"{config.key} declares no address for {', '.join(homeless)}",
            where=f"configs/territories/{config.key}/sources.yaml",
            remedy=f"fetch the files yourself: isoloir ingest {config.key} --from DIR; or add their url",
        )
    return [Wanted(f.file, at_mirror(mirror, f.file) if mirror else str(f.url), f.sha256) for f in files]


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


def _take_in(
    home: Home, config: TerritoryConfig, originals: list[Original], say: Say, today: date | None
) -> Ingested:
    inputs = {original.path.name: original.sha256 for original in originals}
    final, again = _folder(home, config, inputs), _is_done(home, config, inputs)
    if not again:
        say(f"reading {', '.join(inputs)}")
        terms = _terms(config, today or datetime.now(UTC).date())
        with set_in_place(final) as aside, ExitStack() as kept:
            # Kept while they are read, set in place after the last check.
            files = []
            for original, (declared, form) in zip(originals, _declared(config), strict=True):
                keeping = raw.keeping(home.folder("raw", config.key), original, form, terms)
                files.append(_opened(original, declared, kept.enter_context(keeping)))
            _write(config, files, originals, aside, say)
    pointer = final.parent / "current"
    if not pointer.is_file() or pointer.read_text(encoding="utf-8") != final.name:
        write_text(pointer, final.name)
    return _ingested(final, again)


def _opened(original: Original, declared: SourceFile, keep: tables.Keep) -> Opened:
    return Opened(original.path, declared.delimiter, declared.encoding, keep, original.place)


def _write(
    config: TerritoryConfig, files: list[Opened], originals: list[Original], aside: Path, say: Say
) -> None:
    read = _read(config, files)
    all_returns, findings = _checked(config, read.returns, files[0].where)
    say(f"writing {len(all_returns)} contests")
    for one in all_returns:
        core.write_returns(one, aside)
    write_json(aside / "ingest.json", _summary(config, originals, all_returns, findings, read))


def _folder(home: Home, config: TerritoryConfig, inputs: dict[str, str]) -> Path:
    said = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode())
    said.update(_rules(config, CODE).encode())
    return home.folder("core", config.key) / said.hexdigest()[:12]


def _rules(config: TerritoryConfig, code: tuple[object, ...]) -> str:
    said = hashlib.sha256(config_digest(config).encode())
    for module in code:
        said.update(Path(str(getattr(module, "__file__", ""))).read_bytes())
    return said.hexdigest()[:12]


def _is_done(home: Home, config: TerritoryConfig, inputs: dict[str, str]) -> bool:
    rules, kept = _rules(config, READING), home.folder("raw", config.key)
    in_raw = all(raw.is_kept(kept, sha256, rules) for sha256 in inputs.values())
    return in_raw and (_folder(home, config, inputs) / "ingest.json").is_file()


def _terms(config: TerritoryConfig, read_on: date) -> raw.Terms:
    return raw.Terms(config.source.licence, config.source.attribution, read_on, _rules(config, READING))


def _read(config: TerritoryConfig, files: list[Opened]) -> Read:
    entry = door.Door(config.calendar, tuple(config.groupings.values()), config.label_kind)
    if isinstance(config.source, DatagouvSource):
        return datagouv.read_returns(files[0], files[1], entry)
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


def _summary(
    config: TerritoryConfig,
    originals: list[Original],
    all_returns: list[Returns],
    findings: list[Finding],
    read: Read,
) -> dict[str, object]:
    return {
        "territory": config.key,
        "licence": config.source.licence,
        "attribution": config.source.attribution,
        "inputs": [
            {"file": o.path.name, "path": o.place, "sha256": o.sha256, "bytes": o.bytes} for o in originals
        ],
        "contests": [r.contest for r in all_returns],
        "stations": sum(len(r.stations) for r in all_returns),
        "findings": [asdict(f) for f in findings],
        "left_out": read.left_out,
        "withheld": read.withheld,
    }


def _ingested(folder: Path, again: bool) -> Ingested:
    said = json.loads((folder / "ingest.json").read_text(encoding="utf-8"))
    findings = tuple(Finding(**f) for f in said["findings"])
    return Ingested(
        folder,
        tuple(said["contests"]),
        said["stations"],
        findings,
        said["left_out"],
        said["withheld"],
        again,
    )


def row_counts(folder: Path) -> dict[str, int]:
    """Stations of each contest in a core folder."""
    return {p.stem: pq.read_metadata(p).num_rows for p in sorted(folder.glob("*.parquet"))}
