"""What is known besides results: figures of areas, the areas of stations; and when it became public."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from .election import AsOf
from .station import Text

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Facts:
    """Figures [N × K] of areas, public from ``known_on``: ``columns`` names them, NaN where missing.

    ``level`` is what ``codes`` [N] (distinct, in order) are codes of: ``commune``, ``cell`` (finer than a
    commune) or ``station``. ``describes`` is the day or the years that the figures are about, which is not
    when they became public. ``withheld`` [N × K]: the publisher keeps the figure secret, and so do we.
    """

    name: str
    level: str
    describes: str
    known_on: date
    codes: Text
    columns: tuple[str, ...]
    values: NDArray[np.float64]
    withheld: Mask


@dataclass(frozen=True, slots=True)
class Belonging:
    """Which areas stations lie in: rows [N] of a station, an area and the ``weight`` of it, public from
    ``known_on``.

    ``level`` is what ``area`` is a code of: ``cell`` or ``constituency``. The weights of a station sum to 1.
    """

    name: str
    level: str
    known_on: date
    station_id: Text
    area: Text
    weight: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Movements:
    """Areas that became others: rows [N] of a day, the old code and the new one, public from ``known_on``.

    A merger has several old codes of one new one, a split the reverse; a mere renaming is in neither.
    """

    name: str
    known_on: date
    held_on: NDArray[np.datetime64]
    old: Text
    new: Text


@dataclass(frozen=True, slots=True)
class Context:
    """All that is known besides results; :meth:`before` gives what was public by then."""

    facts: tuple[Facts, ...] = ()
    belongings: tuple[Belonging, ...] = ()
    movements: tuple[Movements, ...] = ()

    def all(self) -> tuple[Facts | Belonging | Movements, ...]:
        """Every table."""
        return (*self.facts, *self.belongings, *self.movements)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of every table."""
        return tuple(one.name for one in self.all())

    def before(self, cut: AsOf) -> Context:
        """What was public before ``cut``; the rest is not in it."""
        return Context(
            tuple(f for f in self.facts if cut.sees(f.known_on)),
            tuple(b for b in self.belongings if cut.sees(b.known_on)),
            tuple(m for m in self.movements if cut.sees(m.known_on)),
        )


NOTHING = Context()
"""Where nothing is known besides results."""
