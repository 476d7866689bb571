"""Stations followed back to an earlier contest: by their codes, and by succession.parquet."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from .opened import Floats, Opened
from .public import Roll

AGREES = 0.25
"""A code says that two stations are the same where their electors differ by no more than that part."""

Sizes = tuple[Floats, Floats]
"""Registered and valid [S]; NaN where not known."""


def then_of(release: Opened, roll: Roll, electors: Floats) -> Iterator[tuple[str, Sizes]]:
    """How the stations were followed, and what they were at the earlier ``roll``.

    ``electors`` [S] are those of now.
    """
    registered, valid = roll.at(release.station)
    # Without a valid vote the count was annulled: it says nothing of the station's size.
    valid = np.where(valid > 0, valid, np.nan)
    same = np.abs(registered - electors) <= AGREES * np.maximum(electors, 1)
    yield "code", (np.where(same, registered, np.nan), np.where(same, valid, np.nan))
    yield "succession", _carried(release, roll)


def _carried(release: Opened, roll: Roll) -> Sizes:
    """Sizes at the earlier roll, carried from pair to pair by the weights."""
    order = {contest: i for i, contest in enumerate([*release.manifest["past"], release.manifest["target"]])}
    since = order.get(str(release.manifest["reference_contest"]), -1)
    pairs = release.succession
    at = pd.DataFrame({"registered": roll.registered, "valid": roll.valid}, index=roll.station)
    at["valid"] = at["valid"].where(at["valid"] > 0)
    for contest in sorted(set(pairs["to_contest"]), key=lambda c: order.get(c, len(order))):
        if order.get(contest, len(order)) > since:
            at = _step(at, pairs[pairs["to_contest"] == contest])
    found = at.reindex(release.station)
    return found["registered"].to_numpy(np.float64), found["valid"].to_numpy(np.float64)


def _step(at: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Sizes of the stations of the next roll: NaN where a partner, or its size, is not known."""
    given = at.reindex(pairs["old_station_id"].fillna("")).to_numpy() * pairs[["weight"]].to_numpy()
    parts = pd.DataFrame(given, columns=at.columns).groupby(pairs["new_station_id"].to_numpy())
    return parts.sum(min_count=1).where(parts.count().eq(parts.size(), axis=0))
