"""Re-check a release from its files alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isoloir.domain.errors import ReleaseError
from isoloir.pipelines.sources.tables import sha256_of

from .columns import AGGREGATES, SUCCESSION, UNITS, minor_of
from .recount import recounted
from .shapes import schemas

SLACK = 1e-6
"""Largest difference between a figure of the scenario and that of the units that make up its area."""


def verify(release: Path) -> list[str]:
    """What was checked, a line each; :class:`ReleaseError` with everything that is wrong."""
    path = release / "manifest.json"
    if not path.is_file():
        raise ReleaseError("this is no release: it has no manifest.json", where=str(release))
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        minor = minor_of(manifest["schema_version"], str(release))
        wrong = _bytes(release, manifest) or schemas(release, manifest, minor)
        wrong = wrong or _numbers(release, manifest, minor)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReleaseError(
            f"manifest.json can't be read as a release's: {error!r}", where=str(release)
        ) from error
    if wrong:
        raise ReleaseError(
            "; ".join(wrong),
            where=str(release),
            remedy="remove this folder and publish it again: a release is never mended",
        )
    return [
        f"{len(manifest['files'])} files have the bytes that the manifest states",
        "the columns are those declared, in contract.yaml too if there is one, and no others",
        "every station of the roll is in one unit or withheld, and no unit is under the floors",
        "the succession reaches every station of the roll, and gives no elector twice",
        "shares sum to 1, bounds hold their forecast, and nation and areas meet the scenario",
        "ranks, tiers and reserves are those of the forecast beside them",
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


def _numbers(release: Path, manifest: dict[str, Any], minor: int) -> list[str]:
    table, units = pd.read_parquet(release / "scores.parquet"), pd.read_parquet(release / UNITS.name)
    blocs = [str(b) for b in manifest["blocs"]]
    shares = table[[f"share_{b}_pred" for b in blocs]].to_numpy()
    bounded = all(_holds(table, f"turnout_{c}", "turnout_pred") for c in ("50", "90"))
    bounded &= all(_holds(table, f"share_{b}_{c}", f"share_{b}_pred") for b in blocs for c in ("50", "90"))
    floors, scenario = manifest["policy"], manifest["scenario"]
    expected_valid = table["expected_voters"] * scenario["valid_rate"]
    tests = {
        "a station is in no unit, or in one that is not there": not _accounted(table, units),
        "a unit holds fewer electors than the policy allows": bool(
            (table["registered"] < floors["min_registered"]).any()
        ),
        "shares do not sum to 1": bool((np.abs(shares.sum(axis=1) - 1) > 1e-9).any()),
        "a forecast lies outside [0, 1] or its bounds": not bounded,
        "a unit expects fewer valid votes than the policy allows": bool(
            (expected_valid < floors["min_valid"] - 1e-9).any()
        ),
    }
    wrong = [what for what, failed in tests.items() if failed] + missed(table, scenario, blocs)
    # Ranks, tiers and reserves came with 1.1.
    wrong += recounted(table, blocs, scenario["valid_rate"]) if minor >= 1 else []
    return wrong + _areas(release, table, minor) + _succession(release, units, str(manifest["target"]))


def missed(table: pd.DataFrame, scenario: dict[str, Any], blocs: list[str]) -> list[str]:
    """Which figures of a scenario the units miss: the nation's, and those of areas made up of whole units."""
    # A release from before areas had figures says nothing of them, nor of a scope.
    stated, shares = scenario.get("areas", []), [scenario["shares"][b] for b in blocs]
    figures = [
        ("", _inside(table, scenario.get("turnout_scope")), scenario["turnout"], None),
        ("", _inside(table, scenario.get("shares_scope")), None, shares),
    ]
    for one in stated:
        level, area = one["level"], one["area"]
        figures.append((f" of {level} {area}", _whole(table, level, area), one["turnout"], one["shares"]))
    return [
        f"the expected {what}{where} miss the scenario"
        for where, units, turnout, wanted in figures
        for what in _off(units, turnout, wanted, blocs)
    ]


def _inside(table: pd.DataFrame, scope: list[str] | None) -> pd.DataFrame:
    return table[table["department_code"].isin(scope)] if scope else table


def _whole(table: pd.DataFrame, level: str, area: str) -> pd.DataFrame:
    """The units of an area; none where a unit near it is of several areas, and may hold a part of it."""
    units = table[table[f"{level}_code"] == area]
    near = table[table["department_code"].isin(units["department_code"])]
    return units if near[f"{level}_code"].notna().all() else units.iloc[:0]


def _off(
    units: pd.DataFrame, turnout: float | None, shares: list[float] | None, blocs: list[str]
) -> list[str]:
    """Which of voters and votes are off by more than rounding; none where no unit is published."""
    voters, wrong = units["expected_voters"].to_numpy(), []
    if turnout is not None and len(units):
        wrong += ["voters"] * bool(abs(voters.sum() / units["registered"].sum() - turnout) > SLACK)
    if shares is not None and len(units):
        votes = voters @ units[[f"share_{b}_pred" for b in blocs]].to_numpy() / max(voters.sum(), 1e-9)
        wrong += ["votes"] * bool((np.abs(votes - shares) > SLACK).any())
    return wrong


def _succession(release: Path, units: pd.DataFrame, target: str) -> list[str]:
    """What is wrong with the pairs: the last step reaches each station of the roll, nobody is given twice."""
    pairs = pd.read_parquet(release / SUCCESSION.name)
    if not len(pairs):
        return ["the succession is empty"]
    wrong = []
    given = pairs.groupby(["from_contest", "old_station_id"])["weight"].sum()
    if (given > 1 + 1e-6).any():
        wrong.append("an old station gives more than all of its electors")
    last = pairs.loc[pairs["to_contest"] == target, "new_station_id"]
    if set(last) != set(units["station_id"]):
        wrong.append("the last step of the succession is not that to the roll")
    return wrong


def _areas(release: Path, table: pd.DataFrame, minor: int) -> list[str]:
    """What is wrong with the areas: each is a sum of whole units, its rates divided last."""
    areas, wrong = pd.read_parquet(release / AGGREGATES.name), []
    if areas.duplicated(["area_level", "area_id", "quantity", "bloc"]).any():
        return ["an area stands twice"]
    codes = {"nation": pd.Series("", index=table.index)}
    codes |= {level: table[f"{level}_code"] for level in ("department", "commune")}
    for level, area in codes.items():
        wide = _wide(areas[areas["area_level"] == level])
        found = _sums(table, area).reindex(wide.index)
        # A commune that is no union of units is left out; nothing else is.
        whole = level == "commune" or set(wide.index) == set(area)
        if not whole or list(wide) != list(found) or not np.allclose(wide, found, rtol=1e-6, atol=1e-9):
            wrong.append(f"the figures of a {level} are not those of its units")
    bounds = areas.loc[areas["quantity"] != "registered", ["lo90", "lo50", "hi50", "hi90"]]
    # Before 1.1 areas of several units had none.
    if minor >= 1 and bounds.isna().any(axis=None):
        wrong.append("an area has no bounds")
    held = areas.dropna(subset="lo90")
    ends = held[["lo90", "lo50", "value", "hi50", "hi90"]].to_numpy()
    if len(held) and not bool((np.diff(ends, axis=1) >= -1e-9).all()):
        wrong.append("an area lies outside its bounds")
    return wrong


def _wide(areas: pd.DataFrame) -> pd.DataFrame:
    """One row per area, one column per quantity."""
    named = areas["quantity"].where(areas["bloc"].isna(), areas["quantity"] + " " + areas["bloc"].fillna(""))
    wide = areas.assign(name=named).pivot(index="area_id", columns="name", values="value")
    return wide[sorted(wide.columns)]


def _sums(table: pd.DataFrame, area: pd.Series) -> pd.DataFrame:
    """The same from the units."""
    shares = [c for c in table.columns if c.startswith("share_") and c.endswith("_pred")]
    votes = table[shares].mul(table["expected_voters"], axis=0)
    sums = pd.concat([table[["registered", "expected_voters"]], votes], axis=1).groupby(area.to_numpy()).sum()
    blocs = {c: f"share {c.removeprefix('share_').removesuffix('_pred')}" for c in shares}
    out = sums[shares].div(sums[shares].sum(axis=1), axis=0).rename(columns=blocs)
    out = out.assign(registered=sums["registered"], expected_voters=sums["expected_voters"])
    out = out.assign(turnout=sums["expected_voters"] / sums["registered"])
    return out[sorted(out.columns)]


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
