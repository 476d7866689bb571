"""The succession of a release: which stations became those of its roll, and how many electors it reaches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from isoloir.domain.lineage import Step
from isoloir.domain.pairs import METHODS
from isoloir.domain.station import positions

COMMUNE, NONE = "commune", "none"
"""Methods of a station without a known partner: the past of its commune stands in, or there is none."""


def succession(steps: Sequence[Step]) -> pd.DataFrame:
    """One row per pair of stations and step, and one per station of the later roll that has no partner."""
    return pd.concat([_of(step) for step in steps], ignore_index=True)


def _of(step: Step) -> pd.DataFrame:
    pairs = step.pairs
    rows = pd.DataFrame(
        {
            "old_station_id": step.old_roll.stations.station_id[pairs.old],
            "new_station_id": step.new_roll.stations.station_id[pairs.new],
            "weight": pairs.weight,
            "method": np.array(METHODS)[pairs.method],
            "confidence": pairs.confidence,
        }
    )
    alone = np.setdiff1d(np.arange(len(step.new_roll.stations)), pairs.new)
    others = pd.DataFrame(
        {"new_station_id": step.new_roll.stations.station_id[alone], "method": _stand_in(step, alone)}
    )
    rows = pd.concat([rows, others]).sort_values(["new_station_id", "old_station_id"], kind="stable")
    return rows.assign(from_contest=step.old, to_contest=step.new)


def _stand_in(step: Step, alone: np.ndarray) -> np.ndarray:
    commune = step.new_roll.stations.commune_code[alone]
    there = positions(commune, np.unique(step.old_roll.stations.commune_code)) >= 0
    return np.where(there, COMMUNE, NONE)


def reach(steps: Sequence[Step]) -> pd.DataFrame:
    """Per step and method: stations of the later roll, the share of its registered electors, mean confidence.

    A station in several pairs of one method counts once.
    """
    parts = []
    for step in steps:
        rows = _of(step)
        at = positions(rows["new_station_id"].to_numpy(np.str_), step.new_roll.stations.station_id)
        rows = rows.assign(registered=step.new_roll.registered[at]).drop_duplicates("new_station_id")
        by_method = rows.groupby("method").agg(
            stations=("new_station_id", "size"),
            registered=("registered", "sum"),
            confidence=("confidence", "mean"),
        )
        by_method["registered_share"] = by_method["registered"] / max(1, int(step.new_roll.registered.sum()))
        parts.append(by_method.reset_index().assign(from_contest=step.old, to_contest=step.new))
    names = [
        "from_contest",
        "to_contest",
        "method",
        "stations",
        "registered",
        "registered_share",
        "confidence",
    ]
    return pd.concat(parts, ignore_index=True)[names]
