"""Planted person-level rows: tables at a finer grain than they declare, rows of places that no roll has."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from isoloir.pipelines.release.columns import minor_of, tables_of

from .finding import Attacked, Finding
from .opened import Opened
from .public import Public

ATTACK = "person-level rows"


def person_rows(release: Opened, public: Public) -> Attacked:
    """Rows that repeat a key, more rows than there are places, and places that no roll and no unit has."""
    found, tried = [*_repeated(release), *_too_many(release), *_members(release)], 0
    for name in ("scores", "units", "aggregates", "succession"):
        tried += pq.read_metadata(release.path / f"{name}.parquet").num_rows
    strange, notes = _strangers(release, public)
    return Attacked(ATTACK, tried, tuple(found + strange + _training(release)), notes)


def _counted(what: str, file: str, rows: int) -> list[Finding]:
    return [Finding(ATTACK, f"{rows} {what}", file)] if rows else []


def _repeated(release: Opened) -> list[Finding]:
    """Rows with the key of an earlier one."""
    found = []
    for table in tables_of(release.blocs, minor_of(str(release.manifest["schema_version"]))):
        path = release.path / table.name
        if table.key and path.is_file():
            keys = pd.read_parquet(path, columns=list(table.key))
            found += _counted("rows repeat a key", table.name, int(keys.duplicated().sum()))
    return found


def _too_many(release: Opened) -> list[Finding]:
    """Tables that hold more rows than the manifest says there are."""
    found = []
    stations = int(release.manifest["stations"])
    found += _counted(
        "rows more than stations on the roll", "units.parquet", max(len(release.units) - stations, 0)
    )
    for name, said in release.manifest["files"].items():
        if name.endswith(".parquet") and "rows" in said and (release.path / name).is_file():
            more = pq.read_metadata(release.path / name).num_rows - int(said["rows"])
            found += _counted("rows more than the manifest states", name, max(more, 0))
    electors = release.registered.sum() - float(release.manifest["roll_registered"])
    return found + _counted("electors more than are on the roll", "scores.parquet", max(int(electors), 0))


def _members(release: Opened) -> list[Finding]:
    """Units without a station, stations whose unit is not there, units of other stations than they say."""
    named = release.units["unit_id"].notna().to_numpy()
    seats = np.bincount(release.unit[release.unit >= 0], minlength=len(release.scores))
    said = release.scores["n_members"].to_numpy(np.int64)
    own = release.scores["unit_id"].isin(release.units["station_id"])
    return [
        *_counted(
            "stations of a unit that is not there", "units.parquet", int((named & (release.unit < 0)).sum())
        ),
        *_counted("units with other stations than they state", "scores.parquet", int((seats != said).sum())),
        *_counted("units named by no station", "scores.parquet", int((~own).sum())),
    ]


def _strangers(release: Opened, public: Public) -> tuple[list[Finding], tuple[str, ...]]:
    """Stations that the public roll, or the succession to the target's roll, does not have."""
    pairs, target = release.succession, str(release.manifest["target"])
    known = set(pairs.loc[pairs["to_contest"] == target, "new_station_id"])
    station = release.units["station_id"]
    found = _counted(
        "stations that the succession does not reach", "units.parquet", int((~station.isin(known)).sum())
    )
    roll = public.roll(str(release.manifest["roll_from"]))
    if roll is None:
        return found, ("the public roll is not known",)
    lost = int((~station.isin(roll.station)).sum())
    return found + _counted("stations that no public roll has", "units.parquet", lost), ()


def _training(release: Opened) -> list[Finding]:
    """Rows of the training set that are no unit: of the target's, or of an earlier contest's by its size."""
    path, columns = release.path / "training.parquet", ["contest", "unit_id", "registered"]
    if not path.is_file() or not set(columns) <= set(pq.read_schema(path).names):
        return []
    rows = pd.read_parquet(path, columns=columns)
    now = rows["contest"] == str(release.manifest["target"])
    lost = int((~rows["unit_id"][now].isin(release.scores["unit_id"])).sum())
    few = int((rows["registered"] < float(release.manifest["policy"]["min_registered"])).sum())
    return [
        *_counted("rows of no published unit", path.name, lost),
        *_counted("rows of fewer electors than the floor", path.name, few),
    ]
