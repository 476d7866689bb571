"""What is known of the invented country besides its results: a census, outlines, the truth behind it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .demo_ballots import BLOCS, CONTESTS
from .demo_country import ABROAD, Country, Ints
from .demo_events import Geography, electors_shared
from .demo_votes import Round

CENSUS_COLUMNS = (
    "commune_code",
    "describes",
    "known_on",
    "population",
    "median_income",
    "poverty_share",
    "unemployment_share",
    "owner_share",
    "density",
)
CENSUS_YEARS = (2006, 2010, 2014, 2018, 2022)
CENSUS_LAG_YEARS = 3

SUCCESSION = pa.schema(
    [
        *((name, pa.string()) for name in ("from_contest", "to_contest", "old_station_id", "new_station_id")),
        ("weight", pa.float64()),
    ]
)
"""Between a round and the next: the share of the old station's electors who belong to the new one."""

Row = Sequence[str | int | float]


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Row]) -> None:
    """A CSV file in UTF-8, with lines that end alike on every system."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def census_rows(rng: np.random.Generator, country: Country) -> list[Row]:
    """One row per commune at home and census; ``s`` marks an income withheld for statistical secrecy."""
    communes, patches = country.communes, country.patches
    home = communes.department != ABROAD
    electors = np.bincount(patches.commune[~patches.postal], weights=patches.electors[~patches.postal])
    income = communes.income + rng.normal(0, 0.25, len(home))
    rural = communes.rural + rng.normal(0, 0.25, len(home))
    rows: list[Row] = []
    for year in CENSUS_YEARS:
        population = np.rint(1.35 * electors * 1.004 ** (year - 2016)).astype(np.int64)
        median = np.rint(21_000 * 1.012 ** (year - 2016) * np.exp(0.14 * income)).astype(np.int64)
        poverty = 1 / (1 + np.exp(1.8 + 0.6 * income + 0.1 * rural))
        unemployed = 1 / (1 + np.exp(2.1 + 0.4 * income + 0.2 * rural))
        owners = 1 / (1 + np.exp(-0.5 - 0.2 * income - 0.5 * rural))
        describes, known_on = date(year, 1, 1), date(year + CENSUS_LAG_YEARS, 6, 30)
        for m in np.flatnonzero(home):
            shown = str(median[m]) if population[m] >= 200 else "s"
            shares = (round(float(each[m]), 4) for each in (poverty, unemployed, owners))
            dense = round(float(np.exp(6 - 1.3 * rural[m])), 1)
            code = str(communes.code[m])
            days = describes.isoformat(), known_on.isoformat()
            rows.append((code, *days, int(population[m]), shown, *shares, dense))
    return rows


def contours(country: Country) -> str:
    """GeoJSON of the latest stations at home: squares side by side, in the order of the ids."""
    latest = country.geographies[-1]
    first = np.unique(latest.station_of_patch, return_index=True)[1]
    patches = country.patches
    placed = (country.communes.department[patches.commune[first]] != ABROAD) & ~patches.postal[first]
    wide = int(np.ceil(np.sqrt(placed.sum())))
    features = [
        {
            "type": "Feature",
            "properties": {"codeBureauVote": str(station)},
            "geometry": {"type": "Polygon", "coordinates": [_square(place % wide, place // wide)]},
        }
        for place, station in enumerate(latest.station_id[placed])
    ]
    return json.dumps({"type": "FeatureCollection", "name": "demo", "features": features}) + "\n"


def _square(x: int, y: int) -> list[list[float]]:
    # Far out in the Atlantic, where nobody will look for a country.
    west, south, side = -30 + 0.01 * x, 30 + 0.01 * y, 0.01
    corners = ((0, 0), (side, 0), (side, side), (0, side), (0, 0))
    return [[round(west + dx, 4), round(south + dy, 4)] for dx, dy in corners]


def write_succession(path: Path, country: Country) -> None:
    """The pairs of stations that share electors, between each round and the next."""
    steps = [
        _succession(
            country,
            before.key,
            after.key,
            country.geography(before.held_on),
            country.geography(after.held_on),
        )
        for before, after in pairwise(CONTESTS)
    ]
    pq.write_table(pa.concat_tables(steps), path, compression="zstd")


def _succession(
    country: Country, from_contest: str, to_contest: str, before: Geography, after: Geography
) -> pa.Table:
    old, new, weight = electors_shared(before, after, country.patches.electors)
    columns = [
        pa.repeat(pa.scalar(from_contest), len(old)),
        pa.repeat(pa.scalar(to_contest), len(old)),
        pa.array(before.station_id[old]),
        pa.array(after.station_id[new]),
        pa.array(np.round(weight, 6)),
    ]
    return pa.Table.from_arrays(columns, schema=SUCCESSION)


LEVEL_COLUMNS = (
    "contest",
    "held_on",
    "registered",
    "voters",
    "valid",
    "turnout_share",
    "bloc",
    "votes",
    "bloc_share",
)


def level_rows(held: Round) -> list[Row]:
    """The national figures of a round, one row per bloc; shares in [0, 1]."""
    registered, voters, valid = (int(each.sum()) for each in (held.registered, held.voters, held.valid))
    head = (held.contest.key, held.contest.held_on.isoformat(), registered, voters, valid)
    turnout = round(voters / registered, 6)
    votes = votes_by_bloc(held).sum(axis=0)
    return [
        (*head, turnout, bloc, int(cast), round(int(cast) / valid, 6))
        for bloc, cast in zip(BLOCS, votes, strict=True)
    ]


def votes_by_bloc(held: Round) -> Ints:
    """Votes of each bloc in each station of the round [S × B]."""
    bloc = held.offer.bloc[held.area]
    return np.stack([(held.votes * (bloc == b)).sum(axis=1) for b in range(len(BLOCS))], axis=1)
