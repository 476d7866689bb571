"""Pairs of stations of two rolls: which became which, with what weight, by which method, how surely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .ledger import Counts
from .station import Stations

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Mask = NDArray[np.bool_]

METHODS = ("exact", "aligned", "split", "merged", "whole", "doubtful")
"""Code and registered agree; another code, by the order in the commune; one became two; two became one; all
of a commune that has one station at one of the two ends; the code is found again with other electors."""

EXACT, ALIGNED, SPLIT, MERGED, WHOLE, DOUBTFUL = range(len(METHODS))


@dataclass(frozen=True, slots=True)
class Roll:
    """The stations of a contest, in order of their ids, and their registered electors [S]."""

    stations: Stations
    registered: Counts


@dataclass(frozen=True, slots=True)
class Pairs:
    """Which station became which: rows [P] of the positions ``old`` and ``new`` in two rolls.

    ``weight`` is the share of the old station's electors who belong to the new one; ``method`` a position in
    :data:`METHODS`; ``confidence`` the probability of the pair.
    """

    old: Ints
    new: Ints
    weight: Floats
    method: NDArray[np.int8]
    confidence: Floats

    def at(self, rows: Mask | Ints) -> Pairs:
        """The pairs at ``rows``."""
        return Pairs(
            self.old[rows], self.new[rows], self.weight[rows], self.method[rows], self.confidence[rows]
        )


def joined(parts: Sequence[Pairs]) -> Pairs:
    """All pairs of ``parts``."""
    return Pairs(
        np.concatenate([p.old for p in parts]),
        np.concatenate([p.new for p in parts]),
        np.concatenate([p.weight for p in parts]),
        np.concatenate([p.method for p in parts]),
        np.concatenate([p.confidence for p in parts]),
    )
