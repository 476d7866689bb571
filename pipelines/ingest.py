"""Bring published results into home: read, check, keep what is allowed, remember where it came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.parquet as pq

from isoloir.configs.load import TerritoryConfig, config_digest
from isoloir.configs.sources import DatagouvSource
from isoloir.domain.bloc import LABEL_CODE
from isoloir.domain.errors import SourceError

from . import core
from .home import Home, set_in_place, write_json, write_text
from .sources import datagouv, returns, tables, tidy
from .sources.returns import Finding, Returns
from .sources.tables import sha256_of

CODE = (core, datagouv, returns, tables, tidy)


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest came to: folder in core/, contests, stations, findings; ``again`` if all was there."""

    folder: Path
    contests: tuple[str, ...]
    stations: int
    findings: tuple[Finding, ...]
    left_out: dict[str, int]
    again: bool


def ingest(home: Home, config: TerritoryConfig, directory: Path, say: Callable[[str], None]) -> Ingested:
    """Read the territory's files in ``directory``; nothing is left in home if anything is refused.

    Returns at once if the same bytes were read before under the same configuration and code.
    """
    files = _files(config, directory)
    inputs = {path.name: sha256_of(path) for path in files}
    digest = _digest(config, inputs)
    final = home.folder("core", config.key) / digest
    if not (final / "ingest.json").is_file():
        say(f"reading {', '.join(inputs)}")
        read, left_out = _read(config, files)
        all_returns, findings = _checked(config, read, directory)
        say(f"writing {len(all_returns)} contests")
        with set_in_place(final) as aside:
            for one in all_returns:
                core.write_returns(one, aside)
            write_json(
                aside / "ingest.json", _summary(config, files, inputs, all_returns, findings, left_out)
            )
        again = False
    else:
        again = True
    write_text(final.parent / "current", final.name)
    return _ingested(final, again)


def _files(config: TerritoryConfig, directory: Path) -> list[Path]:
    source = config.source
    if isinstance(source, DatagouvSource):
        names = [source.general.file, source.candidates.file]
    else:
        names = [source.results.file] + ([source.geography.file] if source.geography else [])
    return [tables.locate(directory, name) for name in names]


def _digest(config: TerritoryConfig, inputs: dict[str, str]) -> str:
    said = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode())
    said.update(config_digest(config).encode())
    for module in CODE:
        said.update(Path(str(module.__file__)).read_bytes())
    return said.hexdigest()[:12]


def _read(config: TerritoryConfig, files: list[Path]) -> tuple[list[Returns], dict[str, int]]:
    if isinstance(config.source, DatagouvSource):
        return datagouv.read_returns(files[0], files[1], config.label_kind)
    return tidy.read_returns(files, config.source, config.label_kind), {}


def _checked(
    config: TerritoryConfig, read: list[Returns], directory: Path
) -> tuple[list[Returns], list[Finding]]:
    findings, kept = [], []
    for one in read:
        declared = config.source.contradictory.get(one.contest, ())
        sound, listed = returns.without(one, declared)
        findings += listed + returns.check(sound, multi_seat=config.calendar[one.contest].multi_seat)
        _refuse_names(config, sound, directory)
        kept.append(sound)
    returns.refuse(findings, where=str(directory))
    return kept, findings


def _refuse_names(config: TerritoryConfig, one: Returns, directory: Path) -> None:
    """A label that neither has the form of a code nor stands in a config may be a person's name."""
    contest = config.calendar[one.contest]
    maps = config.groupings.values()
    strange = [
        n
        for n in one.labels
        if n and not LABEL_CODE.match(n) and all(m.code_of(contest, n) is None for m in maps)
    ]
    if strange:
        raise SourceError(
            f"{len(strange)} label(s) of {one.contest} are neither codes nor declared: "
            "not shown, they may be names",
            where=str(directory),
            remedy=f"declare them in configs/territories/{config.key}/blocs, or correct the file",
        )


def _summary(
    config: TerritoryConfig,
    files: list[Path],
    inputs: dict[str, str],
    all_returns: list[Returns],
    findings: list[Finding],
    left_out: dict[str, int],
) -> dict[str, object]:
    return {
        "territory": config.key,
        "licence": config.source.licence,
        "attribution": config.source.attribution,
        "inputs": [
            {"file": p.name, "path": str(p.resolve()), "sha256": inputs[p.name], "bytes": p.stat().st_size}
            for p in files
        ],
        "contests": [r.contest for r in all_returns],
        "stations": sum(len(r.stations) for r in all_returns),
        "findings": [asdict(f) for f in findings],
        "left_out": left_out,
    }


def _ingested(folder: Path, again: bool) -> Ingested:
    said = json.loads((folder / "ingest.json").read_text(encoding="utf-8"))
    findings = tuple(Finding(**f) for f in said["findings"])
    return Ingested(folder, tuple(said["contests"]), said["stations"], findings, said["left_out"], again)


def row_counts(folder: Path) -> dict[str, int]:
    """Stations of each contest in a core folder."""
    return {p.stem: pq.read_metadata(p).num_rows for p in sorted(folder.glob("*.parquet"))}
