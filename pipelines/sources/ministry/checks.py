"""What the rows of a Ministry file must agree in: one station once, one number one label, no end cut off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isoloir.pipelines.sources.gate.grain import refuse_finer
from isoloir.pipelines.sources.returns import Returns
from isoloir.pipelines.sources.tables import Opened

from .cells import Cells, Numbers
from .contests import Evidence, uniform_offers
from .layouts import Layout
from .rows import END_IT, FETCH, NO_END, is_ended, refused


@dataclass(frozen=True, slots=True)
class Grouped:
    """Stations [S], once per round: ids, counts [S × 6], first line; ``of_row`` [R]: the station of a row."""

    of_row: NDArray[np.int64]
    line: NDArray[np.int64]
    station: NDArray[np.str_]
    constituency: NDArray[np.str_]
    area: Numbers
    round: Numbers
    counts: Numbers


def grouped(cells: Cells, layout: Layout, file: Opened) -> Grouped:
    """The stations of the rows, in order of appearance.

    SourceError where a station stands twice or, with a row per candidate, has several figures.
    """
    number, _ = pd.factorize(pd.Index(cells.station))
    of_row, keys = pd.factorize(number.astype(np.int64) * 4 + cells.round)
    first = np.full(len(keys), len(of_row), np.int64)
    np.minimum.at(first, of_row, np.arange(len(of_row)))
    again = first[of_row] != np.arange(len(of_row))
    if layout.long:
        differs = (cells.counts != cells.counts[first[of_row]]).any(axis=1)
        differs |= cells.constituency != cells.constituency[first[of_row]]
        _refuse(differs, cells.line, "a station has other figures than in its first row", file)
    else:
        refuse_finer(len(of_row), len(keys), 2.0, "stations", file.where)
        _refuse(again, cells.line, "a station stands twice", file, "keep one row per station")
    return Grouped(
        of_row=of_row.astype(np.int64),
        line=cells.line[first],
        station=cells.station[first],
        constituency=cells.constituency[first],
        area=cells.area[first],
        round=cells.round[first],
        counts=cells.counts[first],
    )


def _refuse(
    bad: NDArray[np.bool_], lines: NDArray[np.int64], what: str, file: Opened, remedy: str = FETCH
) -> None:
    if bad.any():
        found = np.flatnonzero(bad)
        raise refused(f"{what} ({len(found)} found)", file, int(lines[found[0]]), remedy)


def check_whole(cells: Cells, groups: Grouped, layout: Layout, file: Opened) -> None:
    """SourceError where a candidate stands twice in a station, or may have been cut off the last one."""
    station, lines = groups.of_row[cells.at], cells.line[cells.at]
    who = cells.label if layout.block.panel is None else cells.panel
    twice = pd.Series(station * (1 << 32) + who).duplicated().to_numpy()
    _refuse(twice, lines, "a candidate or list stands twice in a station", file, "keep one of them")
    if layout.kinds == {"pres"} and layout.block.numbers_panels:
        after = (station[1:] == station[:-1]) & (who[1:] < who[:-1])
        _refuse(after, lines[1:], "the candidates of a station are not in the order of their panels", file)
    if not is_ended(file.path):
        _check_last(cells, groups, layout, file)


def check_labels(cells: Cells, groups: Grouped, layout: Layout, file: Opened) -> None:
    """SourceError where a number has several labels in an area that has one list of candidates."""
    if layout.area is None or layout.block.panel is None:
        return
    station, lines = groups.of_row[cells.at], cells.line[cells.at]
    place = (groups.area[station].astype(np.int64) * 4 + groups.round[station]) * (1 << 32) + cells.panel
    number, keys = pd.factorize(place)
    first = np.full(len(keys), len(number), np.int64)
    np.minimum.at(first, number, np.arange(len(number)))
    differs = cells.label != cells.label[first[number]]
    what = "a candidate or list has another label than its number has before, in the same area"
    _refuse(differs, lines, what, file, "look at both lines and correct the wrong one")


def _check_last(cells: Cells, groups: Grouped, layout: Layout, file: Opened) -> None:
    """The last line has no end: whole only if it says so itself, or has the candidates of a neighbour."""
    last = groups.of_row[-1]
    panels, votes = _offer(cells, groups, int(last))
    whole = int(votes.sum()) == int(groups.counts[last, -1])
    if layout.ragged:
        near = groups.area == groups.area[last]
        if layout.area is None:
            near = np.array([one[:5] == groups.station[last][:5] for one in groups.station.tolist()])
        near[last] = False
        neighbours = np.flatnonzero(near)[:50]
        whole &= any(np.array_equal(panels, _offer(cells, groups, int(n))[0]) for n in neighbours)
    if not whole:
        raise refused(NO_END, file, int(cells.line[-1]), END_IT)


def _offer(cells: Cells, groups: Grouped, station: int) -> tuple[Numbers, Numbers]:
    """Numbers and votes of the candidates of a station, in order of the numbers."""
    mine = np.flatnonzero(groups.of_row[cells.at] == station)
    order = np.argsort(cells.panel[mine], kind="stable")
    return cells.panel[mine][order], cells.votes[mine][order]


def evidence_of(cells: Cells, groups: Grouped, texts: list[str]) -> Evidence:
    """What the content says of its contest; of stations, that of the first round."""
    rounds = frozenset(int(n) for n in np.unique(groups.round)) - {0}
    mine = groups.of_row[cells.at]
    lists = np.bincount(mine, minlength=len(groups.station))
    first = groups.round == groups.round.min()
    return Evidence(
        rounds=rounds,
        labels=frozenset(texts[i] for i in np.unique(cells.label).tolist()),
        most=int(lists.max()),
        fewest=int(lists.min()),
        panels=frozenset(np.unique(cells.panel).tolist()),
        uniform=uniform_offers(
            np.array([one[:2] for one in groups.station[first].tolist()]),
            _offers(cells, mine, len(groups.station))[first],
            lists[first],
            len({one[:5] for one in groups.station[first].tolist()}),
        ),
    )


def _offers(cells: Cells, station: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """A number [S] for each station's set of candidates' numbers and labels, equal where the sets are."""
    mixed = (cells.panel.astype(np.uint64) << np.uint64(32)) + cells.label.astype(np.uint64)
    # Any order gives the same sum; a strong mixing makes equal sums of unequal sets improbable.
    mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    sums = np.zeros(length, np.uint64)
    np.add.at(sums, station, mixed ^ (mixed >> np.uint64(33)))
    return sums.view(np.int64)


def check_long_sums(returns: Returns, file: Opened) -> None:
    """SourceError where votes miss the valid ones at all: these files have no percentages as witnesses."""
    votes = returns.votes.sum(axis=1, dtype=np.int64)
    _refuse(votes != returns.valid, returns.row, "the votes of a station miss its valid votes", file)
