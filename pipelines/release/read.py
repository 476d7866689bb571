"""Read a release: verified first, its tables loaded when they are asked for. For programs of others."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from isoloir.domain.errors import ReleaseError
from isoloir.domain.tables import Table

from .columns import minor_of, tables_of
from .contract import FILE, read_contract
from .verify import verify


# No slots: a table that was loaded stays with it.
@dataclass(frozen=True)
class Release:
    """A verified release: its folder and what manifest.json says. Tables are loaded once, when first used."""

    path: Path
    manifest: dict[str, Any]

    @property
    def blocs(self) -> tuple[str, ...]:
        """The blocs, in the order of the grouping."""
        return tuple(self.manifest["blocs"])

    @property
    def tables(self) -> tuple[Table, ...]:
        """Its tables as they are declared: types, units, ranges and texts of their columns."""
        if FILE in self.manifest["files"]:
            return read_contract((self.path / FILE).read_text(encoding="utf-8")).tables
        return tables_of(self.blocs, minor_of(self.manifest["schema_version"]))

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The forecast: one row per published unit."""
        return self._frame("scores")

    @cached_property
    def units(self) -> pd.DataFrame:
        """Every station of the roll, and the unit that it is published in."""
        return self._frame("units")

    @cached_property
    def aggregates(self) -> pd.DataFrame:
        """Areas as sums of whole units, one row per area, quantity and bloc."""
        return self._frame("aggregates")

    @cached_property
    def succession(self) -> pd.DataFrame:
        """Which station of an earlier roll became which."""
        return self._frame("succession")

    @cached_property
    def training(self) -> pd.DataFrame:
        """What a model is refitted on: one row per published unit and contest. Since schema 1.2."""
        return self._frame("training")

    def arrow(self, name: str) -> pa.Table:
        """The table ``name`` ("scores", …) as Arrow, units and texts in its fields' metadata.

        ReleaseError if the release has none of that name.
        """
        return pq.read_table(self._file(name))

    def _frame(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self._file(name))

    def _file(self, name: str) -> Path:
        file = f"{name}.parquet"
        if file not in self.manifest["files"]:
            tables = [one for one in sorted(self.manifest["files"]) if one.endswith(".parquet")]
            raise ReleaseError(
                f"this release of schema {self.manifest['schema_version']} has no table {name!r}",
                where=str(self.path),
                remedy=f"it has {', '.join(tables)}; a newer Isoloir publishes more",
            )
        return self.path / file


def open_release(path: Path | str) -> Release:
    """The release in the folder ``path``, or that its ``current`` leads to, every file of it verified.

    ReleaseError with all that is wrong, or if its schema's major version is not known here.
    """
    # Followed now: `current` may lead elsewhere before a table is loaded.
    folder = Path(path).resolve()
    verify(folder)
    return Release(folder, json.loads((folder / "manifest.json").read_text(encoding="utf-8")))
