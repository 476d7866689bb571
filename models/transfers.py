"""Vote transfers between two rounds, estimated by area from the counts of its stations (ecological
inference).

With x [I] the counts of a station at the first round, y [J] at the second (each sums to the registered n), an
area's matrix T [I × J], whose rows lie in the simplex, is the least of

    Σ_s ‖y_s − x_s T‖² / n_s  +  prior ‖T − T_above‖²,

T_above being that of the area around it (a constituency's department, a department's nation), as a ridge: the
fewer stations an area has, the nearer it stays. T is then raked to both margins of each station (iterative
proportional fitting), and the tables of the stations are summed: the last step of nslphom (Romero, Pavía,
Martín & Romero 2020; Pavía & Romero 2024) with least squares in place of its linear programme. So an area's
table meets its totals exactly, lies within the deterministic bounds of Duncan & Davis (1953), and that of a
department is the sum of its parts. Tables of stations are never given out.

All of this knows what areas did, not what any person did: the order of magnitude, no more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.errors import SourceError

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

PRIOR = 30.0
"""Weight of the area around, in variances of a station's miss. Chosen on simulated tables alone."""

WIDER = 2.0
"""How much further than stations drawn anew an estimate strays from the truth, on simulated tables alone."""

DRAWS = 200
STEPS = 5000
EXACT = 1e-9
"""Largest change of a share in the last step of the least squares."""

RAKED = 1e-9
"""Largest relative miss of a margin that raking leaves."""

FAINT = 1e-4
"""Part of independence that is mixed into what is raked: a share of 0 could meet no margin."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """Counts of the same stations at two rounds, ``first`` [S × I] and ``second`` [S × J].

    Both sum to the same registered at each station: see :func:`paired`.
    """

    first: Floats
    second: Floats

    def take(self, rows: Index) -> Rounds:
        """The stations at ``rows``."""
        return Rounds(self.first[rows], self.second[rows])


@dataclass(frozen=True, slots=True)
class Nest:
    """Cells within departments within the nation: ``cell`` [S] of each station, ``department`` [C] of a cell.

    A cell is a constituency, or what is left of a department where no constituency is known.
    """

    cell: Index
    department: Index


@dataclass(frozen=True, slots=True)
class Transfers:
    """Estimated electors ``table`` [C × I × J] of each cell; sums over cells are those of larger areas.

    ``moved`` [R × C × I × J]: how far the table moves where stations are drawn anew. ``low, high``
    [C × I × J]: the deterministic bounds.
    """

    table: Floats
    moved: Floats
    low: Floats
    high: Floats

    def of_areas(self, area: Index, count: int) -> Estimates:
        """The estimates of ``count`` areas from the ``area`` [C] that each cell lies in; −1: in none."""
        inside = np.flatnonzero(area >= 0)

        def total(part: Floats) -> Floats:
            return _summed(part[inside], area[inside], count)

        table, low, high = (total(part) for part in (self.table, self.low, self.high))
        moved = np.stack([total(one) for one in self.moved])
        # At the edge of what shares may be all draws lie on one side: their mean is no part of the spread.
        fell, rose = WIDER * np.quantile(moved - moved.mean(axis=0), [0.05, 0.95], axis=0)
        lo90 = np.clip(table + np.minimum(fell, 0.0), low, table)
        return Estimates(table, lo90, np.clip(table + np.maximum(rose, 0.0), table, high), low, high)


@dataclass(frozen=True, slots=True)
class Estimates:
    """Estimated electors ``table`` [A × I × J] of some areas, with an interval and the deterministic bounds.

    ``lo90, hi90``: which stations there are by chance, widened by :data:`WIDER`. That people of one party
    choose otherwise where it is strong (ecological bias) is not in them: only ``low`` and ``high`` are sure.
    """

    table: Floats
    lo90: Floats
    hi90: Floats
    low: Floats
    high: Floats


def paired(first: Floats, second: Floats) -> Rounds:
    """The counts [S × I] and [S × J] of two rounds at the same stations as :class:`Rounds`.

    The second is scaled, station by station, to the registered of the first: who came to the roll or left it
    between the rounds is taken to have done as the others. SourceError for other lengths, counts that are
    negative or no numbers, stations without registered electors at a round, and a column of the first that
    nobody is in.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.ndim != 2 or second.ndim != 2 or len(first) != len(second):
        raise SourceError(f"counts of {first.shape} and {second.shape} are not of the same stations")
    for name, counts in (("first", first), ("second", second)):
        wrong = ~(np.isfinite(counts) & (counts >= 0)).all(axis=1)
        _check(np.asarray(wrong), f"a count at the {name} round that is negative or no number")
    if not first.any(axis=0).all():
        raise SourceError("nobody did at the first round what a column stands for", remedy="leave it out")
    n, m = first.sum(axis=1), second.sum(axis=1)
    _check(np.asarray((n <= 0) | (m <= 0)), "no registered electors at one of the rounds")
    return Rounds(first, second * (n / m)[:, None])


def _check(wrong: NDArray[np.bool_], what: str) -> None:
    if wrong.any():
        raise SourceError(
            f"{wrong.sum()} station(s) with {what}",
            where=f"row {int(np.flatnonzero(wrong)[0])}",
            remedy="leave them out, or correct the source",
        )


def transfers(rounds: Rounds, nest: Nest, seed: int, draws: int = DRAWS) -> Transfers:
    """Tables of all cells with bounds, and how they move over ``draws`` of stations anew (Poisson bootstrap).

    One draw is of the whole nation: the areas around are estimated anew with it.
    """
    rng, cells, moments = np.random.default_rng(seed), len(nest.department), _Moments.of(rounds, nest)
    ridge = PRIOR * moments.noise(rounds)
    shares = moments.shares(np.ones(len(nest.cell)), ridge)
    whole = Rounds(_summed(rounds.first, nest.cell, cells), _summed(rounds.second, nest.cell, cells))
    raked = raked_tables(whole, shares)
    moved = np.empty((draws, *raked.shape))
    for draw in range(draws):
        weight = rng.poisson(1.0, len(nest.cell)).astype(np.float64)
        # Raked to the cell's margins alone: a station's are raked once, as that takes most of the time.
        moved[draw] = raked_tables(whole, moments.shares(weight, ridge)) - raked
    low, high = bounds(rounds)
    parts = (raked_tables(rounds, shares[nest.cell]), low, high)
    table, low, high = (_summed(part, nest.cell, cells) for part in parts)
    return Transfers(table, moved, low, high)


def raked_tables(rounds: Rounds, shares: Floats) -> Floats:
    """The tables [N × I × J] that meet both margins of each of N places, nearest to ``shares`` [N × I × J].

    Iterative proportional fitting: rows are met exactly, columns within :data:`RAKED` of the registered.
    """
    x, y = rounds.first, rounds.second
    alone, left = y / y.sum(axis=1, keepdims=True), np.arange(len(x))
    table: Floats = x[:, :, None] * ((1 - FAINT) * shares + FAINT * alone[:, None, :])
    for _ in range(STEPS):
        part = table[left]
        part *= _ratio(y[left], part.sum(axis=1))[:, None, :]
        part *= _ratio(x[left], part.sum(axis=2))[:, :, None]
        table[left] = part
        off = np.abs(part.sum(axis=1) - y[left]).max(axis=1)
        left = left[off > RAKED * x[left].sum(axis=1)]
        if not len(left):
            break
    return table


def bounds(rounds: Rounds) -> tuple[Floats, Floats]:
    """The least and the most electors [S × I × J] that each cell of a station's table can hold.

    max(0, x_i + y_j − n) and min(x_i, y_j): Duncan & Davis (1953). Those of an area are the sums.
    """
    x, y = rounds.first[:, :, None], rounds.second[:, None, :]
    return np.maximum(0.0, x + y - x.sum(axis=1, keepdims=True)), np.minimum(x, y)


@dataclass(frozen=True, slots=True)
class _Moments:
    """Sums of products that least squares need: ``products`` [S × (I·I + I·J)], stations in order of cell."""

    order: Index
    starts: Index
    products: Floats
    sizes: tuple[int, int]
    department: Index
    standing: NDArray[np.bool_]

    @classmethod
    def of(cls, rounds: Rounds, nest: Nest) -> _Moments:
        order = np.argsort(nest.cell, kind="stable")
        x, y = rounds.first[order], rounds.second[order]
        n = x.sum(axis=1)[:, None, None]
        gram, cross = x[:, :, None] * x[:, None, :] / n, x[:, :, None] * y[:, None, :] / n
        flat = np.concatenate([gram.reshape(len(x), -1), cross.reshape(len(x), -1)], axis=1)
        starts = np.searchsorted(nest.cell[order], np.arange(len(nest.department)))
        standing = _summed(rounds.second, nest.cell, len(nest.department)) > 0
        return cls(order, starts, flat, (x.shape[1], y.shape[1]), nest.department, standing)

    def sums(self, weight: Floats) -> tuple[Floats, Floats]:
        """Σ w x x'/n [C × I × I] and Σ w x y'/n [C × I × J] of each cell."""
        i, j = self.sizes
        total = np.add.reduceat(self.products * weight[self.order, None], self.starts, axis=0)
        gram, cross = total[:, : i * i], total[:, i * i :]
        return gram.reshape(-1, i, i), cross.reshape(-1, i, j)

    def noise(self, rounds: Rounds) -> float:
        """Mean over stations and columns of the squared miss / n of the nation's matrix."""
        gram, cross = self.sums(np.ones(len(self.order)))
        nation = simplex_least_squares(gram.sum(axis=0)[None], cross.sum(axis=0)[None])[0]
        miss = rounds.second - rounds.first @ nation
        return float((miss**2 / rounds.first.sum(axis=1)[:, None]).mean())

    def shares(self, weight: Floats, ridge: float) -> Floats:
        """The matrix [C × I × J] of each cell, the nation's and the departments' as priors."""
        gram, cross = self.sums(weight)
        count = int(self.department.max()) + 1
        nation = simplex_least_squares(gram.sum(axis=0)[None], cross.sum(axis=0)[None])
        standing = _summed(self.standing, self.department, count) > 0
        above = _ridged(
            _summed(gram, self.department, count),
            _summed(cross, self.department, count),
            nation,
            standing,
            ridge,
        )
        return _ridged(gram, cross, above[self.department], self.standing, ridge)


def _ridged(gram: Floats, cross: Floats, prior: Floats, standing: NDArray[np.bool_], ridge: float) -> Floats:
    """Least squares drawn to ``prior``, of which columns that do not stand have no part."""
    prior = np.maximum(prior, FAINT) * standing[:, None, :]
    prior /= prior.sum(axis=2, keepdims=True)
    return simplex_least_squares(gram + ridge * np.eye(gram.shape[1]), cross + ridge * prior)


def simplex_least_squares(gram: Floats, cross: Floats) -> Floats:
    """The T [N × I × J] of least tr(T' G T) − 2 tr(T' H) whose rows are ≥ 0 and sum to 1, all N at once.

    ``gram`` [N × I × I] and ``cross`` [N × I × J]. By the alternating direction method of multipliers (Boyd
    et al. 2011) with a step of its own for each row, over-relaxed, until no share moves by :data:`EXACT`.
    """
    size = gram.shape[1]
    scale = np.sqrt(np.maximum(np.einsum("nii->ni", gram), 1e-12))
    unit = gram / scale[:, :, None] / scale[:, None, :] + 1e-12 * np.eye(size)
    extreme = np.maximum(np.linalg.eigvalsh(unit)[:, [0, -1]], 1e-7)
    step = np.sqrt(extreme.prod(axis=1))[:, None] * scale**2
    inverse = np.linalg.inv(gram + step[:, :, None] * np.eye(size))
    base, lead = inverse @ cross, inverse * step[:, None, :]
    share = np.full(cross.shape, 1 / cross.shape[2])
    dual = np.zeros(cross.shape)
    for _ in range(STEPS):
        free = base + lead @ (share - dual)
        free = 1.6 * free - 0.6 * share
        before, share = share, _on_simplex(free + dual)
        dual += free - share
        if max(np.abs(share - before).max(), np.abs(free - share).max()) < EXACT:
            break
    return share


def _on_simplex(rows: Floats) -> Floats:
    """The nearest rows [… × J] that are ≥ 0 and sum to 1 (Held, Wolfe & Crowder 1974)."""
    ordered = -np.sort(-rows, axis=-1)
    count = np.arange(1, rows.shape[-1] + 1)
    over = (np.cumsum(ordered, axis=-1) - 1) / count
    kept = (ordered > over).sum(axis=-1, keepdims=True)
    return np.maximum(rows - np.take_along_axis(over, kept - 1, axis=-1), 0.0)


def _ratio(wanted: Floats, got: Floats) -> Floats:
    return np.divide(wanted, got, out=np.zeros_like(wanted), where=got > 0)


def _summed(part: Floats | NDArray[np.bool_], group: Index, count: int) -> Floats:
    """Sums [count × …] of ``part`` [S × …] by ``group`` [S]."""
    out = np.zeros((count, *part.shape[1:]))
    np.add.at(out, group, part)
    return out
