"""An invented country in the published layout: a seed decides every byte, and the truth lies beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from .demo_ballots import CONTESTS, PLANTED_NAMES
from .demo_context import (
    CENSUS_COLUMNS,
    LEVEL_COLUMNS,
    census_rows,
    contours,
    level_rows,
    write_rows,
    write_succession,
)
from .demo_country import Country, build_country
from .demo_events import Event
from .demo_tables import candidates_table, general_table
from .demo_votes import Round, hold_all

__all__ = ["PLANTED_NAMES", "DemoTruth", "write_demo"]

StationInContest = tuple[str, str]


@dataclass(frozen=True, slots=True)
class DemoTruth:
    """What the generator knows and a reader must find out.

    ``contests`` are keys in order of day; ``events`` what happened to stations, none in a commune that had
    another. Pairs are (contest, station id): ``without_electors``; ``without_valid`` votes though somebody is
    registered; ``homonyms`` where two candidates bear one surname. All votes of ``unanimous`` stations go to
    one candidate; ``postal`` is no place, and counts in totals only. ``n_stations`` is that of the latest
    geography, the postal one counted.
    """

    contests: tuple[str, ...]
    n_stations: int
    events: tuple[Event, ...]
    postal: str
    unanimous: tuple[str, ...]
    without_electors: tuple[StationInContest, ...]
    without_valid: tuple[StationInContest, ...]
    homonyms: tuple[StationInContest, ...]


def write_demo(directory: Path, *, seed: int = 1, n_stations: int = 600) -> DemoTruth:
    """Write the country into ``directory`` (made if missing) and return the truth about it.

    ``general_results.parquet``, ``candidats_results.parquet``, ``census.csv``, ``contours.geojson``; and what
    no step may read: ``truth/succession.parquet``, ``truth/levels.csv``, ``truth/events.csv``. ``n_stations``
    lies between 300 and 2,000 (ValueError).
    """
    rng = np.random.default_rng(seed)
    country = build_country(rng, n_stations)
    rounds = tuple(hold_all(rng, country))
    directory.mkdir(parents=True, exist_ok=True)
    _write(directory / "general_results.parquet", [general_table(country, held) for held in rounds])
    _write(directory / "candidats_results.parquet", [candidates_table(country, held) for held in rounds])
    write_rows(directory / "census.csv", CENSUS_COLUMNS, census_rows(rng, country))
    (directory / "contours.geojson").write_text(contours(country), encoding="utf-8", newline="\n")
    _write_truth(directory / "truth", country, rounds)
    return _truth(country, rounds)


def _write(path: Path, tables: Sequence[pa.Table]) -> None:
    pq.write_table(pa.concat_tables(tables), path, compression="zstd")


def _write_truth(folder: Path, country: Country, rounds: Sequence[Round]) -> None:
    folder.mkdir(exist_ok=True)
    write_succession(folder / "succession.parquet", country)
    write_rows(folder / "levels.csv", LEVEL_COLUMNS, [row for held in rounds for row in level_rows(held)])
    events = [(event.on.isoformat(), event.commune_code, event.kind) for event in country.events]
    write_rows(folder / "events.csv", ("on", "commune_code", "kind"), events)


def _truth(country: Country, rounds: Sequence[Round]) -> DemoTruth:
    latest, patches = country.geographies[-1], country.patches
    postal, unanimous = (latest.station_of_patch[mask] for mask in (patches.postal, patches.unanimous))
    return DemoTruth(
        contests=tuple(contest.key for contest in CONTESTS),
        n_stations=len(latest.station_id),
        events=country.events,
        postal=str(latest.station_id[postal][0]),
        unanimous=tuple(str(each) for each in latest.station_id[unanimous]),
        without_electors=tuple(pair for held in rounds for pair in _where(held, held.registered == 0)),
        without_valid=tuple(
            pair for held in rounds for pair in _where(held, (held.valid == 0) & (held.registered > 0))
        ),
        homonyms=tuple(pair for held in rounds for pair in _where(held, _homonyms(held))),
    )


def _where(held: Round, mask: NDArray[np.bool_]) -> list[StationInContest]:
    return [(held.contest.key, str(each)) for each in held.geography.station_id[held.stations[mask]]]


def _homonyms(held: Round) -> NDArray[np.bool_]:
    if held.contest.kind not in ("pres", "legi"):
        return np.zeros(len(held.stations), dtype=bool)
    # Those who are not listed get a number of their own, below zero.
    apart = -1 - np.arange(held.offer.bloc.shape[1])
    names = np.sort(np.where(held.offer.listed, held.offer.surname, apart), axis=1)
    twice = (names[:, 1:] == names[:, :-1]).any(axis=1)
    return np.asarray(twice[held.area])
