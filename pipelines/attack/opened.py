"""A release as an attacker reads it: its files and nothing else, and nothing is taken on trust."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isoloir.domain.errors import ReleaseError
from isoloir.domain.privacy import is_protected

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]
Text = NDArray[np.str_]

TABLES = ("scores", "units", "aggregates", "succession")
CODES = ("unit_id", "n_members", "department_code", "commune_code", "constituency_code", "model_version")
NUMBERS = ("registered", "turnout_pred", "expected_voters")
"""What is read of a unit, beside its shares."""


# No slots: what was read and worked out stays with it.
@dataclass(frozen=True)
class Opened:
    """A release's folder and manifest; tables are read when used.

    Arrays [S] follow the rows of units, [U] those of scores.
    """

    path: Path
    manifest: dict[str, Any]

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row per unit: its codes and forecasts, without bounds and what follows from others."""
        path = self.path / "scores.parquet"
        wanted = [*CODES, *NUMBERS, *(f"share_{b}_pred" for b in self.blocs)]
        there = set(pq.read_schema(path).names)
        return pd.read_parquet(path, columns=[name for name in wanted if name in there])

    @cached_property
    def units(self) -> pd.DataFrame:
        """One row per station."""
        return pd.read_parquet(self.path / "units.parquet")

    @cached_property
    def aggregates(self) -> pd.DataFrame:
        """One row per figure of an area."""
        return pd.read_parquet(self.path / "aggregates.parquet")

    @cached_property
    def succession(self) -> pd.DataFrame:
        """One row per pair of stations."""
        return pd.read_parquet(self.path / "succession.parquet")

    @property
    def policy_version(self) -> int:
        """The version of the policy that it says it was made under."""
        return int(self.manifest["policy"]["version"])

    @property
    def blocs(self) -> tuple[str, ...]:
        """The blocs, in the order of the grouping."""
        return tuple(str(b) for b in self.manifest["blocs"])

    @property
    def valid_rate(self) -> float:
        """Valid votes per voter, of the scenario."""
        return float(self.manifest["scenario"]["valid_rate"])

    @cached_property
    def station(self) -> Text:
        """Every station of the roll [S]."""
        return self.units["station_id"].astype(str).to_numpy(dtype=np.str_)

    @cached_property
    def unit(self) -> Index:
        """The row in scores of each station's unit [S]; −1 if it has none there."""
        named = pd.Index(self.scores["unit_id"].astype(str))
        found = named[~named.duplicated()].get_indexer(pd.Index(self.units["unit_id"].fillna("").astype(str)))
        return np.flatnonzero(~named.duplicated())[found] * (found >= 0) - (found < 0)

    @cached_property
    def protected(self) -> Mask:
        """The stations that the release itself says the policy protects [S]."""
        return is_protected(self.units["reason"].fillna("").astype(str).to_numpy(dtype=np.str_))

    @cached_property
    def registered(self) -> Floats:
        """Electors of each unit [U]."""
        return self.scores["registered"].to_numpy(np.float64)

    @cached_property
    def voters(self) -> Floats:
        """Forecast voters of each unit [U]."""
        return self.scores["expected_voters"].to_numpy(np.float64)

    @cached_property
    def shares(self) -> Floats:
        """Forecast shares of each unit [U × B], as published."""
        return self.scores[[f"share_{b}_pred" for b in self.blocs]].to_numpy(np.float64)

    @cached_property
    def votes(self) -> Floats:
        """Forecast votes of each unit [U × B], which sum to its valid votes."""
        total = np.maximum(self.shares.sum(axis=1, keepdims=True), 1e-12)
        return np.asarray(self.shares / total * (self.voters * self.valid_rate)[:, None])


def opened(release: Path) -> Opened:
    """The release in a folder; ReleaseError where it is none."""
    folder = release.resolve()
    if not (folder / "manifest.json").is_file():
        raise ReleaseError("this is no release: it has no manifest.json", where=str(release))
    missing = [name for name in TABLES if not (folder / f"{name}.parquet").is_file()]
    if missing:
        raise ReleaseError(f"this release lacks {', '.join(missing)}", where=str(release))
    return Opened(folder, _manifest(folder))


def _manifest(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "manifest.json").read_text(encoding="utf-8")))


def siblings(release: Opened) -> tuple[tuple[Opened, ...], int]:
    """The other releases of the same target and policy version that lie beside it; how many can't be read."""
    found, lost = [], 0
    for path in sorted(release.path.parent.iterdir()):
        aside = path.is_symlink() or path.name.startswith(".") or path == release.path
        if aside or not (path / "manifest.json").is_file():
            continue
        # Another one may go, or be damaged, while this one is looked at.
        try:
            other = opened(path)
            if _kin(other) == _kin(release) and len(other.scores) and len(other.units):
                found.append(other)
        except (OSError, ValueError, KeyError, ReleaseError):
            lost += 1
    return tuple(found), lost


def _kin(release: Opened) -> tuple[str, str, int]:
    return str(release.manifest["territory"]), str(release.manifest["target"]), release.policy_version
