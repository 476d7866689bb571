"""An invented country: its communes, what its electors lean to, and its stations through time. No files.

The smallest cell is a patch of electors, which never changes. A station is the set of patches that bear its
code, so that an event (a split, a merger, a redrawing, a new numbering) only changes the codes of patches.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from .demo_ballots import BLOCS
from .demo_events import CHANGES, EVENT_DAYS, EVENT_KINDS, Event, Geography

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Text = NDArray[np.str_]
Mask = NDArray[np.bool_]

DEPARTMENTS = (
    ("D1", "Amont"),
    ("D2", "Bocage"),
    ("D3", "Combe"),
    ("D4", "Dunes"),
    ("D5", "Estuaire"),
    ("2A", "Falaise"),
    ("97D", "Grand Large"),
    ("ZZ", "Electeurs au loin"),
)
REGION_OF_DEPARTMENT = np.array([0, 0, 1, 1, 2, 2, 3, -1])
"""The region of each département; -1: none."""
OVERSEAS, ABROAD = 6, 7
POSTAL_CODE = "JUS1"
LOYAL, KEEN = 12.0, 8.0
"""Log-share of a bloc, and logit of turnout, in two villages that the disclosure policy must not name."""


@dataclass(frozen=True, slots=True)
class Communes:
    """Communes [M]. ``department`` is a position; ``income`` and ``rural`` are standard scores."""

    code: Text
    department: Ints
    canton: Ints
    n_stations: Ints
    income: Floats
    rural: Floats


@dataclass(frozen=True, slots=True)
class Patches:
    """Patches of electors [P]: ``electors`` about 2016, ``lean`` [P × B] on log shares, ``will`` on the
    logit. ``second`` marks the second patch of a station that has two.
    """

    commune: Ints
    constituency: Ints
    electors: Floats
    lean: Floats
    will: Floats
    second: Mask
    postal: Mask
    unanimous: Mask


@dataclass(frozen=True, slots=True)
class Country:
    """Communes, patches, the stations through time, and why these changed."""

    communes: Communes
    patches: Patches
    geographies: tuple[Geography, ...]
    events: tuple[Event, ...]

    def geography(self, day: date) -> Geography:
        """The stations on ``day``."""
        return [each for each in self.geographies if each.since <= day][-1]


def build_country(rng: np.random.Generator, n_stations: int) -> Country:
    """A country that begins with ``n_stations`` stations, the postal one not counted (300 to 2,000).

    ValueError if fewer or more are asked for: the events would not find their communes.
    """
    if not 300 <= n_stations <= 2000:
        raise ValueError(f"n_stations must lie between 300 and 2000, not {n_stations}")
    communes = _communes(rng, n_stations)
    commune_of_station = np.repeat(np.arange(len(communes.code)), communes.n_stations)
    rank = np.arange(n_stations) - (np.cumsum(communes.n_stations) - communes.n_stations)[commune_of_station]
    codes = _station_codes(communes, commune_of_station, rank)
    n_patches = np.where(communes.n_stations[commune_of_station] > 1, 2, 1)
    station = np.append(np.repeat(np.arange(n_stations), n_patches), 0)
    postal = np.arange(len(station)) == len(station) - 1
    patches = _patches(rng, communes, commune_of_station, rank, station, postal)
    geographies, events = _through_time(rng, communes, patches, np.where(postal, POSTAL_CODE, codes[station]))
    return Country(communes, patches, geographies, events)


def _sizes(rng: np.random.Generator, n_stations: int) -> Ints:
    # A third of the stations in large communes, 60 % of the communes with one station.
    found: list[int] = []
    while sum(found) < 0.33 * n_stations:
        found.append(int(rng.integers(10, min(40, n_stations // 12) + 1)))
    while (left := n_stations - sum(found)) > 1.5 * len(found):
        found.append(min(left, int(rng.choice([2, 3, 4, 6], p=[0.5, 0.3, 0.15, 0.05]))))
    # The one-station communes take what is left.
    return np.array(found + [1] * (n_stations - sum(found)), dtype=np.int64)


def _communes(rng: np.random.Generator, n_stations: int) -> Communes:
    n_abroad, n_overseas = max(3, n_stations // 150), max(12, n_stations // 16)
    mainland = _sizes(rng, n_stations - n_abroad - n_overseas)
    overseas = np.array([n_overseas // 3] + [1] * (n_overseas - n_overseas // 3), dtype=np.int64)
    department = np.concatenate(
        (np.arange(len(mainland)) % 6, np.full(len(overseas), OVERSEAS), np.full(n_abroad, ABROAD))
    )
    size = np.concatenate((mainland, overseas, np.ones(n_abroad, dtype=np.int64)))
    order = np.lexsort((-size, department))
    department, size = department[order], size[order]
    within = np.arange(len(size)) - np.searchsorted(department, department)
    codes = [DEPARTMENTS[d][0] for d in department]
    before = np.cumsum(size) - size
    first = before[np.searchsorted(department, department)]
    return Communes(
        code=np.array([f"{c}{n + 1:0{5 - len(c)}d}" for c, n in zip(codes, within, strict=True)]),
        department=department,
        canton=(before - first) // 20 + 1,
        n_stations=size,
        income=rng.normal(size=len(size)),
        rural=_standard(-np.log(size) + rng.normal(0, 0.5, len(size))),
    )


def _standard(values: Floats) -> Floats:
    return np.asarray((values - values.mean()) / values.std())


def _station_codes(communes: Communes, commune: Ints, rank: Ints) -> Text:
    # Mostly 0001, 0002 …; the fifth commune writes 01.1, 01.2, 02.1 …, and some villages BV01.
    plain = np.array([f"{r + 1:04d}" for r in rank])
    dotted = np.array([f"{r // 2 + 1:02d}.{r % 2 + 1}" for r in rank])
    fifth = np.argsort(-communes.n_stations, kind="stable")[4]
    village = (communes.n_stations[commune] == 1) & (commune % 50 == 7)
    return np.where(commune == fifth, dotted, np.where(village, "BV01", plain))


def _constituencies(communes: Communes, commune: Ints, rank: Ints) -> Ints:
    """The constituency of each station, numbered from 1 in its département; large communes lie in two."""
    department = communes.department[commune]
    start = np.searchsorted(department, department)
    counted = np.bincount(department, minlength=len(DEPARTMENTS))[department]
    wanted = np.where(department == ABROAD, 2, np.maximum(2, counted // 40))
    size = communes.n_stations[commune]
    # Where the commune begins decides, and for the latter half of a large commune where it ends.
    anchor = np.arange(len(commune)) - start - rank
    anchor = np.where((size >= 12) & (rank >= size // 2), anchor + size, anchor)
    number: Ints = np.minimum(anchor * wanted // counted, wanted - 1) + 1
    return number


def _patches(
    rng: np.random.Generator,
    communes: Communes,
    commune_of_station: Ints,
    rank: Ints,
    station: Ints,
    postal: Mask,
) -> Patches:
    commune, n = commune_of_station[station], len(station)
    second = np.append(False, station[1:] == station[:-1]) & ~postal
    two = second | np.append(second[1:], False)
    cut = rng.uniform(0.4, 0.7, len(commune_of_station))[station]
    electors = _electors(rng, communes, commune_of_station)
    part = np.where(second, 1 - cut, np.where(two, cut, 1.0))
    lean, will = _leanings(rng, communes, commune, n)
    loyal, keen = _of_one_mind(communes, commune, electors[station])
    lean[loyal, 0] += LOYAL
    will[keen] += KEEN
    tiny = np.flatnonzero((electors[station] <= 45) & ~postal)
    return Patches(
        commune=commune,
        constituency=_constituencies(communes, commune_of_station, rank)[station],
        electors=np.where(postal, 0.0006 * electors.sum(), electors[station] * part),
        lean=lean,
        will=np.where(postal, 0.8, will),
        second=second,
        postal=postal,
        unanimous=np.isin(np.arange(n), tiny[:2]),
    )


def _of_one_mind(communes: Communes, commune: Ints, electors: Floats) -> tuple[Ints, Ints]:
    """Patches, villages each: in the largest nearly all vote for one bloc, in the next nearly all vote."""
    village = (communes.n_stations == 1)[commune] & (communes.department < OVERSEAS)[commune]
    largest = np.argsort(-electors * village, kind="stable")
    return largest[:1], largest[1:2]


def _electors(rng: np.random.Generator, communes: Communes, commune: Ints) -> Floats:
    alone = communes.n_stations[commune] == 1
    abroad = communes.department[commune] == ABROAD
    usual = np.where(alone, rng.lognormal(5.95, 0.55, len(commune)), rng.lognormal(6.75, 0.2, len(commune)))
    far = rng.lognormal(8.3, 0.7, len(commune))
    # One in 25 of the villages is tiny, and never fewer than eight: the oddities below need some.
    villages = np.flatnonzero(alone & ~abroad)
    tiny = rng.choice(villages, size=max(8, len(villages) // 25), replace=False)
    electors = np.where(abroad, far, np.clip(usual, 60, 1600))
    electors[tiny] = rng.uniform(12, 44, len(tiny))
    return electors


def _leanings(rng: np.random.Generator, communes: Communes, commune: Ints, n: int) -> tuple[Floats, Floats]:
    """What patches lean to [P × B] on log shares, and their will to vote [P] on the logit."""
    m, b = len(communes.code), len(BLOCS)
    # One row per standard score: income first, then rurality.
    pull = np.array([[-0.06, 0.16, 0.12, -0.18, 0.0], [-0.16, -0.08, 0.07, 0.15, 0.1]])
    of_department = rng.normal(0, 0.13, (len(DEPARTMENTS), b))[communes.department]
    of_commune = (
        of_department + rng.normal(0, 0.22, (m, b)) + np.stack((communes.income, communes.rural), 1) @ pull
    )
    lean = of_commune[commune] + rng.normal(0, 0.17, (n, b))
    far = np.select([communes.department == OVERSEAS, communes.department == ABROAD], [-1.4, -1.6], 0.0)
    will = far + rng.normal(0, 0.08, len(DEPARTMENTS))[communes.department]
    will = will + rng.normal(0, 0.16, m) + 0.1 * communes.rural + 0.12 * communes.income
    return lean, will[commune] + rng.normal(0, 0.15, n)


def _through_time(
    rng: np.random.Generator, communes: Communes, patches: Patches, codes: Text
) -> tuple[tuple[Geography, ...], tuple[Event, ...]]:
    codes = codes.astype("<U8")
    geographies = [_geography(date(2000, 1, 1), communes, patches, codes)]
    several = np.flatnonzero((communes.n_stations >= 3) & (communes.department != ABROAD))
    # No commune meets two events: each can be told by itself.
    size = communes.n_stations[several]
    waiting = list(rng.choice(several, size=len(several), replace=False, p=size / size.sum()))
    events: list[Event] = []
    n_each = max(1, int(communes.n_stations.sum()) // 300)
    for day, kinds in zip(EVENT_DAYS, EVENT_KINDS, strict=True):
        for kind in kinds * n_each:
            if waiting:
                commune = waiting.pop(0)
                here = np.flatnonzero((patches.commune == commune) & ~patches.postal)
                codes[here] = CHANGES[kind](codes[here], patches.second[here])
                events.append(Event(day, str(communes.code[commune]), kind))
        geographies.append(_geography(day, communes, patches, codes))
    return tuple(geographies), tuple(events)


def _geography(since: date, communes: Communes, patches: Patches, codes: Text) -> Geography:
    ids = np.char.add(np.char.add(communes.code[patches.commune], "_"), codes)
    station_id, station_of_patch = np.unique(ids, return_inverse=True)
    return Geography(since, station_id, station_of_patch)
