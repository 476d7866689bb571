"""Two rolls set side by side: their stations by commune, and how registered electors drift between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .alignment import Drift
from .pairs import Floats, Ints, Mask, Pairs, Roll
from .station import Text, grouped, positions

SMALL = 300
"""Registered electors of the communes with one station from which drift is learnt: fewer are too noisy."""


@dataclass(frozen=True, slots=True)
class Side:
    """The stations of one roll by commune: rows of the roll in order of commune, and where each begins."""

    rows: Ints
    first: Ints
    count: Ints

    def padded(self, communes: Ints) -> tuple[Ints, Mask]:
        """Rows [K × N] of some communes' stations, and which of these are not padding."""
        place = np.arange(int(self.count[communes].max()))
        at = np.minimum(self.first[communes][:, None] + place, len(self.rows) - 1)
        return self.rows[at], place < self.count[communes][:, None]


@dataclass(frozen=True, slots=True)
class TwoRolls:
    """Two rolls, log of registered [S] and commune [S] of each (−1: of none of the new), and their drift.

    ``growth`` [C] is that of each commune's own registered electors, or the ``common`` one where it is odd.
    """

    old: Roll
    new: Roll
    old_log: Floats
    new_log: Floats
    old_commune: Ints
    new_commune: Ints
    drift: Drift
    growth: Floats
    common: float

    def odds(self, old: Ints, new: Ints) -> Floats:
        """Log-odds that registered electors drifted from ``old`` to ``new``, against chance."""
        growth = self.growth[self.new_commune[new]]
        return self.drift.odds(self.old_log[old], self.new_log[new], growth)

    def same_code(self, old: Ints, new: Ints) -> Mask:
        """Where the ids of two stations are equal."""
        return np.asarray(self.old.stations.station_id[old] == self.new.stations.station_id[new])


def compared(old: Roll, new: Roll, found: Ints, became: tuple[Text, Text] | None) -> TwoRolls:
    """Two rolls and their drift, learnt from the communes with one station in both: they can't be renumbered.

    ``found`` [S] is where each new station's code stands in the old roll; ``became`` as in
    :func:`.succession.step`.
    """
    codes, new_commune = grouped(new.stations.commune_code)
    old_commune = positions(_followed(old.stations.commune_code, codes, became), codes)
    old_log, new_log = (np.log(np.maximum(1, roll.registered)) for roll in (old, new))
    here = old_commune >= 0
    before = np.bincount(old_commune[here], weights=old.registered[here], minlength=len(codes))
    after = np.bincount(new_commune, weights=new.registered, minlength=len(codes))
    n_old = np.bincount(old_commune[here], minlength=len(codes))
    n_new = np.bincount(new_commune, minlength=len(codes))
    grown = np.log(np.maximum(1, after)) - np.log(np.maximum(1, before))
    alone = grown[(n_old == 1) & (n_new == 1) & (np.minimum(before, after) >= SMALL)]
    common = float(np.median(alone)) if len(alone) else 0.0
    # The mean distance of a Laplace variable is its scale, the median distance ln 2 of it.
    scale = float(np.median(np.abs(alone - common))) / np.log(2) if len(alone) else 0.05
    mean = np.bincount(new_commune, weights=new_log, minlength=len(codes)) / np.maximum(1, n_new)
    several = n_new[new_commune] > 2
    apart = np.abs(new_log - mean[new_commune])[several]
    # 1.4826 median distances are one standard deviation; two stations differ by √2 of it.
    spread = float(np.sqrt(2) * 1.4826 * np.median(apart)) if len(apart) else 0.3
    drift = Drift(max(scale, 0.005), max(spread, 0.05))
    growth = _growth(found, old_log, new_log, new_commune, np.full(len(codes), common))
    growth = np.where(n_old == n_new, grown, growth)
    growth = np.where(np.abs(growth - common) <= 0.15, growth, common)
    return TwoRolls(old, new, old_log, new_log, old_commune, new_commune, drift, growth, common)


def _growth(found: Ints, old_log: Floats, new_log: Floats, commune: Ints, otherwise: Floats) -> Floats:
    """The median growth of each commune's codes found again [C]; ``otherwise`` where there are under three.

    Not the commune's total: in a second round a part of its stations may not vote.
    """
    rows = np.flatnonzero(found >= 0)
    grown = pd.Series(new_log[rows] - old_log[found[rows]]).groupby(commune[rows])
    median, count = grown.median(), grown.size()
    out = otherwise.copy()
    enough = median.index[count >= 3].to_numpy()
    out[enough] = median.to_numpy()[count >= 3]
    return out


def _followed(codes: Text, known: Text, became: tuple[Text, Text] | None) -> Text:
    """The codes of communes, those that are gone replaced by what they became, as often as needed."""
    if became is None:
        return codes
    for _ in range(5):
        at = positions(codes, became[0])
        gone = (positions(codes, known) < 0) & (at >= 0)
        if not gone.any():
            break
        codes = np.where(gone, became[1][at], codes)
    return codes


def left(case: TwoRolls, parts: Sequence[Pairs]) -> tuple[Ints, Ints]:
    """The old and the new stations that are in no pair yet; old ones of no commune of now left out."""
    old, new = case.old_commune >= 0, np.ones(len(case.new_commune), np.bool_)
    for part in parts:
        old[part.old] = False
        new[part.new] = False
    return np.flatnonzero(old), np.flatnonzero(new)


def sides(case: TwoRolls, parts: Sequence[Pairs]) -> tuple[Side, Side]:
    """What is in no pair yet, by commune."""
    (old, new), communes = left(case, parts), len(case.growth)
    return _side(case.old_commune, old, communes), _side(case.new_commune, new, communes)


def _side(commune: Ints, rows: Ints, communes: int) -> Side:
    ordered = rows[np.argsort(commune[rows], kind="stable")]
    count = np.bincount(commune[rows], minlength=communes)
    return Side(ordered, np.cumsum(count) - count, count)
