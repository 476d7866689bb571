"""The partition of units that all releases of a target share, wherever they are delivered."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from isoloir.domain.errors import MissingInputError, PrivacyError

from .place import Place

COLUMNS = ["station_id", "unit_id", "reason"]
"""Of a partition's file: a unit is named by one of its stations, and null where a station is withheld."""


def share_units(beside: Path, place: Place) -> bool:
    """Bring the partition to a place, or add to the one there the stations it lacks; whether it was written.

    PrivacyError where the two differ at a station that both have.
    """
    ours = pd.read_parquet(beside, columns=COLUMNS)
    if not place.has(beside.name):
        place.put(beside.name, beside.read_bytes())
        return True
    theirs = _read(place, beside.name)
    added = joined(ours, theirs, f"{place.shown}/{beside.name}")
    if len(added) == len(theirs):
        return False
    buffer = BytesIO()
    pq.write_table(pa.Table.from_pandas(added, preserve_index=False), buffer, compression="zstd")
    place.put(beside.name, buffer.getvalue())
    return True


def joined(ours: pd.DataFrame, theirs: pd.DataFrame, where: str) -> pd.DataFrame:
    """Their partition, and the stations that only ours has; a station of a unit of theirs joins it.

    PrivacyError where the stations that both have are not in the same units: which station names one does not
    matter.
    """
    both = ours.merge(theirs, on="station_id", suffixes=("_ours", "_theirs"))
    mine, other = both["unit_id_ours"].fillna(""), both["unit_id_theirs"].fillna("")
    # The same units: each of ours is one of theirs and the other way round, and the withheld are the same.
    per_mine, per_other = other.groupby(mine).transform("nunique"), mine.groupby(other).transform("nunique")
    differ = (per_mine > 1) | (per_other > 1) | ((mine == "") != (other == ""))
    if differ.any():
        raise PrivacyError(
            "units there are others: two partitions can be subtracted from one another, which tells of the "
            f"stations between. {int(differ.sum())} of {len(both)} stations differ, the first is "
            f"{both.loc[differ, 'station_id'].iloc[0]}",
            where=where,
            remedy="publish from the home that has that partition, or raise policy_version in release.yaml",
        )
    named = dict(zip(mine, other, strict=True))
    fresh = ours[~ours["station_id"].isin(theirs["station_id"])]
    renamed = fresh["unit_id"].map(named).fillna(fresh["unit_id"])
    rows = pd.concat([theirs, fresh.assign(unit_id=renamed)], ignore_index=True)
    return rows.sort_values("station_id", ignore_index=True)


def _read(place: Place, name: str) -> pd.DataFrame:
    try:
        return pd.read_parquet(BytesIO(place.read(name)), columns=COLUMNS)
    except pa.ArrowInvalid as error:
        raise MissingInputError(
            "the partition of units there can't be read",
            where=f"{place.shown}/{name}",
            remedy="restore it from a copy: releases that were made of it stand beside it",
        ) from error
