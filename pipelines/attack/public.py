"""What an attacker knows beside the release: published results of stations, in the layout of data.gouv.fr."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isoloir.domain.errors import UsageError

Floats = NDArray[np.float64]
Text = NDArray[np.str_]

STATION, CONTEST = "id_brut_miom", "id_election"
COUNTS = ("inscrits", "exprimes")
LAST, FIRST = "nom", "prenom"


@dataclass(frozen=True, slots=True)
class Roll:
    """The stations of a contest in order of their ids: ``registered`` and ``valid`` [S], ``commune`` [S]."""

    station: Text
    registered: Floats
    valid: Floats
    commune: Text

    def at(self, station: Text) -> tuple[Floats, Floats]:
        """Registered and valid of these stations; NaN where the roll lacks one."""
        row = pd.Index(self.station).get_indexer(pd.Index(station))
        registered, valid = (np.append(v, np.nan)[row] for v in (self.registered, self.valid))
        return registered, valid


class Public(Protocol):
    """What somebody knows of earlier contests, and of the roll."""

    def roll(self, contest: str) -> Roll | None:
        """The stations of a contest; None where it is not known."""
        ...

    def names(self) -> frozenset[tuple[str, str]]:
        """Last and first name of every candidate that is known."""
        ...


@dataclass(frozen=True, slots=True)
class Ingested:
    """What a publisher knows: the contests of a core folder, where no name is."""

    core: Path

    def roll(self, contest: str) -> Roll | None:
        """The stations of a contest; None where it was not ingested."""
        path = self.core / f"{contest}.parquet"
        if not path.is_file():
            return None
        wanted = ["station_id", "registered", "valid", "commune_code"]
        rows = pq.read_table(path, columns=wanted).to_pandas().sort_values("station_id")
        registered, valid = (rows[c].to_numpy(np.float64) for c in ("registered", "valid"))
        return Roll(_text(rows["station_id"]), registered, valid, _text(rows["commune_code"]))

    def names(self) -> frozenset[tuple[str, str]]:
        """None."""
        return frozenset()


@dataclass(frozen=True, slots=True)
class Results:
    """Published results: files with stations' counts, files with candidates. Either may be missing."""

    general: tuple[Path, ...]
    candidates: tuple[Path, ...]

    def roll(self, contest: str) -> Roll | None:
        """The stations of a contest; None where no file has it."""
        for path in self.general:
            source = pads.dataset(path)
            wanted = [c for c in (STATION, "code_commune", *COUNTS) if c in source.schema.names]
            rows = source.to_table(columns=wanted, filter=pads.field(CONTEST) == contest).to_pandas()
            if len(rows):
                rows = rows.drop_duplicates(STATION).sort_values(STATION)
                commune = rows["code_commune"] if "code_commune" in rows else rows[STATION].str[:0]
                registered, valid = (rows[c].to_numpy(np.float64) for c in COUNTS)
                return Roll(_text(rows[STATION]), registered, valid, _text(commune))
        return None

    def names(self) -> frozenset[tuple[str, str]]:
        """Last and first name of every candidate, first "" where the file has none."""
        found: set[tuple[str, str]] = set()
        for path in self.candidates:
            source = pads.dataset(path)
            wanted = [c for c in (LAST, FIRST) if c in source.schema.names]
            if LAST in wanted:
                rows = source.to_table(columns=wanted).to_pandas().drop_duplicates().fillna("")
                first = rows[FIRST] if FIRST in rows else [""] * len(rows)
                found |= set(zip(rows[LAST].astype(str), (str(f) for f in first), strict=True))
        return frozenset((last, first) for last, first in found if last)


NOTHING = Results((), ())
"""Of an attacker who knows the release alone."""


def public_of(paths: Iterable[Path]) -> Results:
    """The published results among these files and folders; UsageError where there is none."""
    general, candidates = [], []
    given = list(paths)
    for path in given:
        if not path.exists():
            raise UsageError("there are no published results here", where=str(path), remedy="correct --with")
        for file in sorted(path.rglob("*.parquet")) if path.is_dir() else [path]:
            columns = set(pads.dataset(file).schema.names)
            if {CONTEST, STATION, *COUNTS} <= columns:
                general.append(file)
            elif {CONTEST, LAST} <= columns:
                candidates.append(file)
    if given and not general and not candidates:
        raise UsageError(
            "no file here has published results in the layout of data.gouv.fr",
            where=", ".join(str(p) for p in given),
            remedy=f"give Parquet with {CONTEST}, {STATION}, {', '.join(COUNTS)}, or with {CONTEST}, {LAST}",
        )
    return Results(tuple(general), tuple(candidates))


def _text(column: pd.Series) -> Text:
    return column.fillna("").astype(str).to_numpy(dtype=np.str_)
