"""Areas that meet figures of their own: which stations they hold, and what they leave of the nation's."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.errors import ConfigError
from isoloir.domain.forecast import AreaFigures, Scenario
from isoloir.domain.ledger import Mask, Notice
from isoloir.domain.station import Stations, Text, positions

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

LEVELS = ("department", "constituency")
"""The levels of areas, the larger first."""

NATION = "the nation"

AGREES = 5e-7
"""Part of an area by which its figure may differ from the sum of areas that make up all of it.

A figure of 7 decimals keeps to it; a release is checked at twice that.
"""


@dataclass(frozen=True, slots=True)
class Cells:
    """The stations in cells: each is in the smallest area that has figures, 0 being the rest of the nation.

    ``cell`` [S] is its number; ``names`` [A + 1] and ``figures`` [A × B] tell what the cells 1 … A are of,
    ``above`` [A + 1] the cell of the next larger that holds each, -1 for none. ``counted`` [S] is False where
    neither the nation's figures nor an area's speak of the station. ``quantities`` [B] names the columns.
    """

    names: tuple[str, ...]
    quantities: tuple[str, ...]
    figures: Floats
    cell: Index
    above: Index
    counted: Mask

    def rows(self, within: Floats) -> Iterator[tuple[int, Index]]:
        """The number and the stations of every cell that has some of the weight ``within`` [A + 1]."""
        order = np.argsort(self.cell, kind="stable")
        bounds = np.searchsorted(self.cell[order], np.arange(len(self.names) + 1))
        for number, (start, end) in enumerate(pairwise(bounds)):
            if within[number] > 0:
                yield number, order[start:end]

    def idle(self, within: Floats) -> Index:
        """The stations of cells without weight: no figure speaks of them."""
        return np.flatnonzero(within[self.cell] <= 0)

    def label(self, number: int) -> str:
        """The cell as a message names it."""
        rest = (self.above == number).any() or (number == 0 and not self.counted.all())
        return f"the rest of {self.names[number]}" if rest else self.names[number]

    def in_nation(self) -> Mask:
        """Whether the nation's figures speak of each station [S], within an area or not."""
        top = np.arange(len(self.names))
        for number in range(1, len(top)):
            if self.above[number] >= 0:
                top[number] = top[self.above[number]]
        return np.asarray(self.counted & (top[self.cell] == 0))

    def left(self, weight: Floats, national: Floats, possible: Mask) -> tuple[Floats, Floats]:
        """Weight [A + 1] and rates [A + 1 × B] of the cells: what areas within an area leave of its figures.

        ``weight`` [S] is what the figures are rates of, ``national`` [B] are the nation's, ``possible``
        [S × B] is where they may be above 0. Where nothing is left the rates are the figures themselves.
        ConfigError, with both sums, where an area's figures and those of the areas within it can't both hold.
        """
        count, counted = len(self.names), np.where(self.counted, weight, 0.0)
        within = np.bincount(self.cell, counted, count).astype(np.float64)
        room = np.stack([np.bincount(self.cell, counted * p, count) for p in possible.T], axis=1)
        whole, figures = within.copy(), np.vstack([national, self.figures])
        for number in range(count - 1, 0, -1):
            if self.above[number] >= 0:
                whole[self.above[number]] += whole[number]
        nested, totals = np.flatnonzero(self.above >= 0), whole[:, None] * figures
        inner = np.zeros(totals.shape)
        np.add.at(inner, self.above[nested], totals[nested])
        holds = np.isin(np.arange(count), self.above[nested])[:, None]
        rest, spare = totals - inner, AGREES * whole[:, None]
        wrong = holds & ((rest < -spare) | (rest > room + spare))
        for number, column in np.argwhere(wrong)[:1].tolist():
            sums = tuple(float(x[number, column]) for x in (inner, totals, room))
            raise self._contradiction(number, column, sums, whole[number] - within[number], whole[number])
        rates = np.clip(rest, 0.0, room) / np.maximum(within, 1e-300)[:, None]
        return within, np.where(holds & (within > 0)[:, None], rates, figures)

    def _contradiction(
        self, number: int, column: int, sums: tuple[float, ...], inside: float, whole: float
    ) -> ConfigError:
        """What to say where areas come to the first of ``sums``, what holds them to the second.

        The third is the most that the rest of it may come to.
        """
        held, name, (inner, total, room) = np.flatnonzero(self.above == number), self.names[number], sums
        some = ", ".join(self.names[n] for n in held[:3]) + (f" and {len(held) - 3} more" * (len(held) > 3))
        low, high = inner / whole, (inner + room) / whole
        wanted = f"state {low:.7f}" if room <= 0 else f"state between {low:.7f} and {high:.7f}"
        return ConfigError(
            f"{self.quantities[column]}: the figures of areas contradict that of {name}: {some} come to "
            f"{inner:,.1f} of {inside:,.1f}, and {name} to {total:,.1f} of {whole:,.1f}: that leaves "
            f"{total - inner:,.1f}, and what is left of {name} can have 0 to {room:,.1f}",
            where="areas of the scenario",
            remedy=f"{wanted} for {name}, or correct the areas",
        )


def nation_alone(stations: int, quantities: tuple[str, ...]) -> Cells:
    """No area has figures, and the nation's are of all ``stations``."""
    cell, none = np.zeros(stations, np.intp), np.zeros((0, len(quantities)))
    return Cells((NATION,), quantities, none, cell, np.array([-1]), np.ones(stations, np.bool_))


def turnout_cells(notice: Notice, scenario: Scenario) -> Cells:
    """The areas that have a turnout of their own; ConfigError where one is unknown or crosses another."""
    stated = [one for one in scenario.areas if one.turnout is not None]
    figures = np.array([one.turnout for one in stated], np.float64).reshape(len(stated), 1)
    return _placed(notice.stations, scenario.turnout_scope, stated, figures, ("turnout",))


def share_cells(notice: Notice, scenario: Scenario) -> Cells:
    """The areas that have shares of their own; ConfigError where one is unknown or crosses another."""
    stated = [one for one in scenario.areas if one.shares is not None]
    figures = np.array([one.shares for one in stated], np.float64).reshape(len(stated), len(notice.blocs))
    return _placed(notice.stations, scenario.shares_scope, stated, figures, notice.blocs)


def _placed(
    stations: Stations,
    scope: tuple[str, ...],
    stated: Sequence[AreaFigures],
    figures: Floats,
    quantities: tuple[str, ...],
) -> Cells:
    if not stated and not scope:
        return nation_alone(len(stations), quantities)
    order = sorted(range(len(stated)), key=lambda n: LEVELS.index(stated[n].level))
    names = (NATION, *(stated[n].name for n in order))
    cell, above, first = np.zeros(len(stations), np.intp), np.full(len(names), -1, np.intp), 1
    if scope:
        cell[_found(stations.department_code, "department", scope) < 0] = -1
    for level in LEVELS:
        codes = [stated[n].area for n in order if stated[n].level == level]
        if codes:
            at = _found(_codes(stations, level), level, codes)
            above[first : first + len(codes)] = _holding(at, cell, names, first, len(codes))
            cell = np.where(at >= 0, at + first, cell)
            first += len(codes)
    return Cells(names, quantities, figures[order], np.maximum(cell, 0), above, cell >= 0)


def _codes(stations: Stations, level: str) -> Text:
    return stations.department_code if level == "department" else stations.constituency_code


def _found(codes: Text, level: str, wanted: Sequence[str]) -> Index:
    """Which of ``wanted`` each station is in [S], -1 for none; ConfigError where one holds no station."""
    at = positions(codes, np.array(wanted, dtype=np.str_))
    held = np.bincount(at[at >= 0], minlength=len(wanted))
    strange = [code for code, count in zip(wanted, held, strict=True) if not count]
    if not strange:
        return at
    known = [code for code in np.unique(codes).tolist() if code]
    near = difflib.get_close_matches(strange[0], known, n=3, cutoff=0.5)
    if near:
        remedy = f"for the first, did you mean {' or '.join(near)}?"
    else:
        remedy = (
            f"write codes as the roll does, such as {known[0]}" if known else f"no {level} is known there"
        )
    raise ConfigError(
        f"{len(strange)} {level} code(s) of the scenario hold no station: {', '.join(strange[:5])}",
        where="scope and areas of the scenario",
        remedy=remedy,
    )


def _holding(at: Index, cell: Index, names: tuple[str, ...], first: int, count: int) -> Index:
    """The cell that holds each of ``count`` areas [A], -1 outside all; ConfigError where one is in two."""
    inside = at >= 0
    low, high = np.full(count, len(names)), np.full(count, -1)
    np.minimum.at(low, at[inside], cell[inside])
    np.maximum.at(high, at[inside], cell[inside])
    for number in np.flatnonzero(low != high):
        parts = [names[n] if n >= 0 else "what the scope leaves out" for n in (high[number], low[number])]
        raise ConfigError(
            f"{names[first + number]} lies partly in {parts[0]} and partly in {parts[1]}",
            where="areas of the scenario",
            remedy="leave out the figures of one of them, or correct the scope",
        )
    return low.astype(np.intp)
