"""Figures of the areas that stations lie in: the finest and newest that are public, and never a guess.

A figure that its publisher withholds stays missing: it is not rebuilt from a larger area less the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.facts import Belonging, Context, Facts, Mask
from isoloir.domain.station import Stations, grouped, positions

from .mergers import Rows, parts_of

Floats = NDArray[np.float64]

LEAST = 0.5
"""Part of a station's people whose cells must have a public figure, for it to be taken from them."""

FINE, COMMUNE, NOWHERE = 0, 1, 2
"""Where a figure comes from: the station or its cells, its commune, nowhere."""

PER_AREA = ("density",)
"""Figures per area: that of several areas is all people over all land."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What one table says of the stations [S]: ``values``, NaN where nothing; where it is ``withheld``."""

    source: int
    values: Floats
    withheld: Mask


def layers_of(context: Context, stations: Stations, column: str) -> tuple[Layer, ...]:
    """Every table that has ``column``, best first: finer areas, then the newest to become public."""
    tables = sorted(
        (f for f in context.facts if column in f.columns),
        key=lambda f: (f.known_on, f.describes),
        reverse=True,
    )
    belongings = sorted(
        (b for b in context.belongings if b.level == "cell"), key=lambda b: b.known_on, reverse=True
    )
    fine = [_by_station(f, column, stations) for f in tables if f.level == "station"]
    fine += [_by_cell(f, column, stations, b) for b in belongings for f in tables if f.level == "cell"]
    return (*fine, *(_by_commune(context, f, column, stations) for f in tables if f.level == "commune"))


def first_known(layers: Iterable[Layer], length: int) -> tuple[Floats, NDArray[np.intp]]:
    """For each station the figure of the first layer that has one, and its source."""
    values, source = np.full(length, np.nan), np.full(length, NOWHERE, np.intp)
    for layer in layers:
        take = np.isnan(values) & ~np.isnan(layer.values)
        values[take], source[take] = layer.values[take], layer.source
    return values, source


def leveled(layers: tuple[Layer, ...], registered: NDArray[np.int32]) -> tuple[Layer, ...]:
    """Logs of the layers, each moved by its mean gap to the layer that covers most electors.

    Vintages differ by inflation and by concept; what counts is where a station stands in its own vintage. A
    layer that shares no station with that one is left out: nothing tells its level.
    """
    logs = [replace(one, values=_log(one.values)) for one in layers]
    if not logs:
        return ()
    weight = registered.astype(np.float64)
    widest = logs[int(np.argmax([weight[~np.isnan(one.values)].sum() for one in logs]))]
    moved = []
    for one in logs:
        both = ~np.isnan(one.values) & ~np.isnan(widest.values)
        if weight[both].sum() > 0:
            gap = np.average((one.values - widest.values)[both], weights=weight[both])
            moved.append(replace(one, values=one.values - gap))
    return tuple(moved)


def centred(values: Floats, registered: NDArray[np.int32]) -> Floats:
    """The values less their mean over the electors for whom they are known."""
    known = ~np.isnan(values)
    weight = np.where(known, registered, 0).astype(np.float64)
    if weight.sum() == 0:
        return np.full(len(values), np.nan)
    return np.asarray(values - np.average(np.where(known, values, 0.0), weights=weight))


def _log(values: Floats) -> Floats:
    positive = values > 0
    return np.where(positive, np.log(np.where(positive, values, 1.0)), np.nan)


def _column(facts: Facts, column: str) -> tuple[Floats, Mask]:
    at = facts.columns.index(column)
    withheld = facts.withheld[:, at]
    return np.where(withheld, np.nan, facts.values[:, at]), withheld


def _by_station(facts: Facts, column: str, stations: Stations) -> Layer:
    values, withheld = _column(facts, column)
    row = positions(stations.station_id, facts.codes)
    found = row >= 0
    if not len(facts.codes):
        return Layer(FINE, np.full(len(row), np.nan), found)
    return Layer(FINE, np.where(found, values[row], np.nan), found & withheld[row])


def _by_cell(facts: Facts, column: str, stations: Stations, belonging: Belonging) -> Layer:
    """The mean over the station's cells whose figure is public, where they hold enough of its people."""
    values, withheld = _column(facts, column)
    station = positions(belonging.station_id, stations.station_id)
    row = positions(belonging.area, facts.codes)
    inside = (station >= 0) & (row >= 0)
    station, row, weight = station[inside], row[inside], belonging.weight[inside]
    here, secret = values[row], withheld[row]
    known = ~np.isnan(here)
    length = len(stations)
    covered = np.bincount(station[known], weights=weight[known], minlength=length)
    mean = _mean(column, station[known], here[known], weight[known], length)
    hidden = np.bincount(station, weights=secret, minlength=length) > 0
    return Layer(FINE, np.where(covered >= LEAST, mean, np.nan), hidden)


def _by_commune(context: Context, facts: Facts, column: str, stations: Stations) -> Layer:
    """The figure of the station's commune; of a commune in several parts, that of all their people.

    Missing where the figure or the people of one of several parts are.
    """
    values, withheld = _column(facts, column)
    communes, of_station = grouped(stations.commune_code)
    wanted, known = parts_of(communes, facts.codes, context.movements)
    length = len(communes)
    parts = np.bincount(wanted, minlength=length)
    weight = np.where(parts[wanted] == 1, 1.0, _people(context, facts, known))
    # NaN in one part makes the mean NaN.
    mean = _mean(column, wanted, values[known], weight, length)
    hidden = np.bincount(wanted, weights=withheld[known], minlength=length) > 0
    return Layer(COMMUNE, mean[of_station], hidden[of_station])


def _people(context: Context, facts: Facts, rows: Rows) -> Floats:
    """Inhabitants of the areas at ``rows`` of ``facts``, as the newest table counts them; NaN if none."""
    counting = [f for f in context.facts if f.level == facts.level and "population" in f.columns]
    if not counting:
        return np.full(len(rows), np.nan)
    newest = max(counting, key=lambda f: (f.known_on, f.describes))
    people, _ = _column(newest, "population")
    row = positions(facts.codes[rows], newest.codes)
    return np.where(row >= 0, people[row], np.nan) if len(people) else np.full(len(rows), np.nan)


def _mean(column: str, group: Rows, values: Floats, weight: Floats, length: int) -> Floats:
    """Weighted mean of each group; harmonic for what is per area; NaN where a group is empty."""
    total = np.bincount(group, weights=weight, minlength=length)
    with np.errstate(divide="ignore", invalid="ignore"):
        if column in PER_AREA:
            return np.asarray(total / np.bincount(group, weights=weight / values, minlength=length))
        return np.asarray(np.bincount(group, weights=weight * values, minlength=length) / total)
