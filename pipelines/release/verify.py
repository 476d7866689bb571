"""Re-check a release from its files alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from isoloir.domain.errors import ReleaseError
from isoloir.pipelines.sources.tables import sha256_of

from .columns import AGGREGATE_COLUMNS, UNIT_COLUMNS, schema_of, score_columns

PARQUET = ("scores.parquet", "units.parquet", "aggregates.parquet")


def verify(release: Path) -> list[str]:
    """What was checked, a line each; :class:`ReleaseError` with everything that is wrong."""
    path = release / "manifest.json"
    if not path.is_file():
        raise ReleaseError("this is no release: it has no manifest.json", where=str(release))
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        wrong = _bytes(release, manifest)
        if not wrong:
            wrong = _schemas(release, manifest) or _numbers(release, manifest)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReleaseError(
            f"manifest.json can't be read as a release's: {error!r}", where=str(release)
        ) from error
    if wrong:
        raise ReleaseError(
            "; ".join(wrong), where=str(release), remedy="publish it again: a release is never mended"
        )
    return [
        f"{len(manifest['files'])} files have the bytes that the manifest states",
        "the columns are those declared, and no others",
        "every station of the roll is in one unit or withheld, and no unit is under the floors",
        "shares sum to 1, bounds hold their forecast, and the expected voters meet the scenario",
    ]


def _bytes(release: Path, manifest: dict[str, dict[str, dict[str, str]]]) -> list[str]:
    wrong = []
    for name, said in manifest["files"].items():
        if not (release / name).is_file():
            wrong.append(f"{name} is missing")
        elif sha256_of(release / name) != said["sha256"]:
            wrong.append(f"{name} was changed")
    strangers = {p.name for p in release.iterdir()} - set(manifest["files"]) - {"manifest.json"}
    wrong += [f"{name} is not in the manifest" for name in sorted(strangers)]
    return wrong


def _schemas(release: Path, manifest: dict[str, list[str]]) -> list[str]:
    declared = (score_columns(tuple(manifest["blocs"])), UNIT_COLUMNS, AGGREGATE_COLUMNS)
    return [
        f"{name} has other columns than declared"
        for name, columns in zip(PARQUET, declared, strict=True)
        if not pq.read_schema(release / name).equals(schema_of(columns, {}), check_metadata=False)
    ]


def _numbers(release: Path, manifest: dict[str, Any]) -> list[str]:
    table, units = pd.read_parquet(release / PARQUET[0]), pd.read_parquet(release / PARQUET[1])
    blocs = [str(b) for b in manifest["blocs"]]
    shares = table[[f"share_{b}_pred" for b in blocs]].to_numpy()
    bounded = all(_holds(table, f"turnout_{c}", "turnout_pred") for c in ("50", "90"))
    bounded &= all(_holds(table, f"share_{b}_{c}", f"share_{b}_pred") for b in blocs for c in ("50", "90"))
    floors, scenario = manifest["policy"], manifest["scenario"]
    gap = abs(table["expected_voters"].sum() - scenario["turnout"] * manifest["roll_registered"])
    withheld = int(manifest["withheld_registered"])
    tests = {
        "a station is in no unit, or in one that is not there": not _accounted(table, units),
        "a unit holds fewer electors than the policy allows": bool(
            (table["registered"] < floors["min_registered"]).any()
        ),
        "shares do not sum to 1": bool((np.abs(shares.sum(axis=1) - 1) > 1e-9).any()),
        "a forecast lies outside [0, 1] or its bounds": not bounded,
        "the expected voters miss the scenario": bool(
            gap > withheld + 1e-6 * max(1, int(manifest["roll_registered"]))
        ),
    }
    return [what for what, failed in tests.items() if failed]


def _accounted(table: pd.DataFrame, units: pd.DataFrame) -> bool:
    placed = units.dropna(subset="unit_id")
    members = placed.groupby("unit_id").size()
    same = members.reindex(table["unit_id"]).to_numpy() == table["n_members"].to_numpy()
    withheld = (units["status"] == "withheld").sum()
    unique = units["station_id"].is_unique and table["unit_id"].is_unique
    return bool(same.all() and unique and len(placed) + withheld == len(units) and len(members) == len(table))


def _holds(table: pd.DataFrame, bound: str, forecast: str) -> bool:
    stem, level = bound.rsplit("_", 1)
    low, high, middle = table[f"{stem}_lo{level}"], table[f"{stem}_hi{level}"], table[forecast]
    return bool(((low >= 0) & (low <= middle) & (middle <= high) & (high <= 1)).all())
