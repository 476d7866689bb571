"""What areas come to in joint draws: sums of their stations, shares divided last; their bounds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isoloir.domain.ledger import Outcomes

from .draws import Draw
from .scorecard import judge_interval, long_table

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which of ``count`` areas each station lies in: ``row`` [S], −1 for none; are ``shares`` wanted?"""

    row: Rows
    count: int
    shares: bool = True


@dataclass(frozen=True, slots=True)
class AreaDraws:
    """Draws of areas: ``turnout`` [N × A] and ``shares`` [N × A × B], in single precision."""

    turnout: NDArray[np.float32]
    shares: NDArray[np.float32]

    def ends(self, alpha: float) -> tuple[Floats, Floats, Floats, Floats]:
        """The ends of intervals of ``1 − alpha``: turnout lower and upper [A], shares lower and upper."""
        at = [alpha / 2, 1 - alpha / 2]
        turnout = np.quantile(self.turnout, at, axis=0).astype(np.float64)
        shares = np.quantile(self.shares, at, axis=0).astype(np.float64)
        return turnout[0], turnout[1], shares[0], shares[1]


def drawn(
    draws: Iterable[Draw], registered: NDArray[np.int32], groupings: Sequence[Grouping]
) -> tuple[AreaDraws, ...]:
    """The draws summed over the areas of each grouping, in one pass."""
    turnout: list[list[NDArray[np.float32]]] = [[] for _ in groupings]
    shares: list[list[NDArray[np.float32]]] = [[] for _ in groupings]
    inside = [np.flatnonzero(g.row >= 0) for g in groupings]
    held = [
        np.bincount(g.row[rows], registered[rows], g.count) for g, rows in zip(groupings, inside, strict=True)
    ]
    for draw in draws:
        voters = draw.turnout * registered
        for i, (grouping, rows) in enumerate(zip(groupings, inside, strict=True)):
            area, weight = grouping.row[rows], voters[rows]
            total = np.bincount(area, weight, grouping.count)
            turnout[i].append((total / np.maximum(held[i], 1)).astype(np.float32))
            votes = np.empty((grouping.count, draw.shares.shape[1] if grouping.shares else 0), np.float32)
            for b in range(votes.shape[1]):
                votes[:, b] = np.bincount(area, weight * draw.shares[rows, b], grouping.count)
            shares[i].append((votes / np.maximum(total, 1e-9)[:, None]).astype(np.float32))
    return tuple(AreaDraws(np.stack(t), np.stack(s)) for t, s in zip(turnout, shares, strict=True))


def covered(
    name: str, said: AreaDraws, grouping: Grouping, outcomes: Outcomes, alpha: float, stratum: str
) -> pd.DataFrame:
    """What intervals of areas held, long, as :func:`.scorecard.coverage`, level given.

    Turnout of areas with electors; shares of the blocs that stood in them, where another did and shares of
    all their stations are known.
    """
    row, count = grouping.row, grouping.count
    inside = row >= 0

    def summed(values: NDArray[np.generic]) -> Floats:
        return np.bincount(row[inside], values[inside], count).astype(np.float64)

    registered, valid = summed(outcomes.registered), summed(outcomes.valid)
    known = (summed(~outcomes.shares_known) == 0) & (valid > 0)
    low, high, shares_low, shares_high = said.ends(alpha)
    held = registered > 0
    turnout = summed(outcomes.voters) / np.maximum(registered, 1)
    parts = [(f"turnout_{{}}{1 - alpha:.0%}", judge_interval(low[held], high[held], turnout[held], alpha))]
    # None where shares were not summed.
    blocs = range(said.shares.shape[2])
    stood = np.stack([summed(outcomes.standing[:, b]) > 0 for b in blocs], axis=1) if blocs else None
    if stood is not None:
        open_to = stood & (stood.sum(axis=1, keepdims=True) > 1) & known[:, None]
        shares = np.stack([summed(outcomes.votes[:, b]) / np.maximum(valid, 1) for b in blocs], axis=1)
        judged = judge_interval(shares_low[open_to], shares_high[open_to], shares[open_to], alpha)
        parts.append((f"share_{{}}{1 - alpha:.0%}", judged))
    rows = []
    for metric, one in parts:
        metric = metric.rstrip("%")
        rows.append((metric.format("coverage"), stratum, one.coverage))
        rows.append((metric.format("width") + "_pp", stratum, one.width * 100))
        rows.append((metric.format("interval_score") + "_pp", stratum, one.interval_score * 100))
    return long_table(rows, name, "given", outcomes)
