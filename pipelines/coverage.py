"""How many of a territory's electors a source reaches: a part of the latest complete roll in home."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isoloir.domain.election import Calendar, Contest
from isoloir.domain.facts import Belonging, Context, Facts, Mask, Movements
from isoloir.domain.ledger import Counts, Record
from isoloir.domain.station import CODES, Stations, Text, grouped, positions
from isoloir.features.mergers import parts_of

from .context import GEO, read_context
from .core import COMMUNES, COUNTS, partial
from .notices import latest_complete
from .sources.contours import station_ids

Reach = NDArray[np.float64]
"""Per station of the roll [S] which part of it is reached, in [0, 1]."""

LAST = 10
"""First rounds among which the roll is chosen, as for a notice of poll."""


@dataclass(frozen=True, slots=True)
class Roll:
    """The stations of ``contest`` [S] and their registered electors."""

    contest: str
    stations: Stations
    registered: Counts

    def share(self, reach: Reach) -> float:
        """The part of all electors that is reached; 0 where nobody is registered."""
        everybody = int(self.registered.sum())
        return float(self.registered @ reach) / everybody if everybody else 0.0

    def in_communes(self, communes: Text) -> Reach:
        """Reaches the stations of these communes."""
        return np.isin(self.stations.commune_code, communes).astype(np.float64)


def roll_of(core: Path, calendar: Calendar) -> Roll | None:
    """The latest complete roll of a first round in ``core``, as forecasts take it; None if there is none."""
    cover = partial(core)
    there = [c for c in calendar if (core / f"{c.key}.parquet").is_file() and c.key not in cover]
    firsts = [_record(core, c) for c in there if c.round == 1][-LAST:]
    if not firsts:
        return None
    found = latest_complete(firsts)
    return Roll(found.contest.key, found.stations, found.registered)


def _record(core: Path, contest: Contest) -> Record:
    """The counts of a contest, without any label."""
    table = pq.read_table(core / f"{contest.key}.parquet", columns=[*CODES, *COUNTS])
    counts = {name: table[name].to_numpy().astype(np.int32) for name in COUNTS}
    none = np.zeros((table.num_rows, 0), np.int32)
    return Record(
        contest=contest,
        known_on=contest.results_known_on,
        stations=Stations(*(np.asarray(table[name].to_numpy(), dtype=np.str_) for name in CODES)),
        votes=none,
        standing=none.astype(np.bool_),
        shares_known=np.zeros(table.num_rows, np.bool_),
        **counts,
    )


def reached_by_contests(folder: Path, keys: Sequence[str], roll: Roll) -> dict[str, float]:
    """For each contest in ``folder`` which part of the electors live in a commune that it speaks of."""
    return {
        key: roll.share(roll.in_communes(_codes(folder / f"{key}.parquet", "commune_code"))) for key in keys
    }


def reached_by_communes(core: Path, roll: Roll) -> float:
    """The part of the electors who live in a commune of which some contest is known by commune."""
    found = [_codes(path, "commune_code") for path in sorted((core / COMMUNES).glob("*.parquet"))]
    return roll.share(roll.in_communes(np.unique(np.concatenate(found)))) if found else 0.0


def reached_by_tables(folder: Path, whole: Context, roll: Roll) -> dict[str, Reach]:
    """By name, what each table and each file of shapes in ``folder`` reaches; ``whole`` is all the context.

    A figure counts where it is public: neither missing nor withheld. Movements of areas reach nobody by
    themselves, and are left out.
    """
    made = {}
    for one in read_context(folder).all():
        if isinstance(one, Facts):
            made[one.name] = _by_facts(one, whole, roll)
        elif isinstance(one, Belonging):
            made[one.name] = np.isin(roll.stations.station_id, one.station_id).astype(np.float64)
        else:
            assert isinstance(one, Movements)
    for path in sorted(folder.glob(f"*{GEO}")):
        outlined = np.isin(roll.stations.station_id, station_ids(path))
        made[path.name.removesuffix(GEO)] = outlined.astype(np.float64)
    return made


def _by_facts(facts: Facts, whole: Context, roll: Roll) -> Reach:
    public: Mask = np.asarray((~np.isnan(facts.values) & ~facts.withheld).any(axis=1))
    if facts.level == "commune":
        return _by_commune(facts, public, whole, roll)
    if facts.level == "station":
        return np.isin(roll.stations.station_id, facts.codes[public]).astype(np.float64)
    cells = [_by_cell(facts.codes[public], b, roll) for b in whole.belongings if b.level == facts.level]
    return np.maximum.reduce(cells) if cells else np.zeros(len(roll.stations))


def _by_commune(facts: Facts, public: Mask, whole: Context, roll: Roll) -> Reach:
    """The stations of communes with a public figure, communes that were merged meanwhile found again."""
    communes, of_station = grouped(roll.stations.commune_code)
    wanted, known = parts_of(communes, facts.codes, whole.movements)
    reached = np.zeros(len(communes))
    reached[wanted[public[known]]] = 1.0
    return np.asarray(reached[of_station])


def _by_cell(codes: Text, belonging: Belonging, roll: Roll) -> Reach:
    """Of each station the part whose cells are among ``codes``."""
    station = positions(belonging.station_id, roll.stations.station_id)
    inside = (station >= 0) & np.isin(belonging.area, codes)
    parts = np.bincount(station[inside], weights=belonging.weight[inside], minlength=len(roll.stations))
    return np.minimum(parts, 1.0)


def _codes(path: Path, name: str) -> Text:
    found = pq.read_table(path, columns=[name])[name].unique().to_numpy(zero_copy_only=False)
    return np.asarray(found, dtype=np.str_)
