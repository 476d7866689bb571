"""The catalogue of features: one decorated function each; the data dictionary and its tests follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.tables import Column

from .view import Place, View

Floats = NDArray[np.float64]
Seen = TypeVar("Seen", View, Place)


@dataclass(frozen=True, slots=True)
class Feature(Generic[Seen]):
    """A function of what it may see: one column [S], or one per bloc [S × B], NaN where it is not defined.

    Of a :class:`.view.View`, or of a :class:`.view.Place` if it looks at no result.
    """

    name: str
    theme: str
    unit: str
    text: str
    low: float | None
    high: float | None
    per_bloc: bool
    make: Callable[[Seen], Floats]

    def columns(self, blocs: tuple[str, ...]) -> tuple[Column, ...]:
        """The columns that it fills, ``name`` or ``name_<bloc>``."""
        names = tuple(f"{self.name}_{b}" for b in blocs) if self.per_bloc else (self.name,)
        return tuple(Column(n, "number", self.unit, self.text, True, self.low, self.high) for n in names)


CATALOGUE: dict[str, Feature[View]] = {}
CONTEXTUAL: dict[str, Feature[Place]] = {}
"""Features of results, and those of context alone, cut at the day of the training, not of a lesson."""

Made = Callable[[Seen], Floats]


def feature(
    unit: str, *, low: float | None = None, high: float | None = None, per_bloc: bool = False
) -> Callable[[Made[View]], Made[View]]:
    """Enter a function into the catalogue, by its name; its text is the first line of its docstring."""

    def enter(make: Made[View]) -> Made[View]:
        CATALOGUE[make.__name__] = _entry(make, unit, low, high, per_bloc)
        return make

    return enter


def context_feature(
    unit: str, *, low: float | None = None, high: float | None = None
) -> Callable[[Made[Place]], Made[Place]]:
    """The same for a function of context alone."""

    def enter(make: Made[Place]) -> Made[Place]:
        CONTEXTUAL[make.__name__] = _entry(make, unit, low, high, per_bloc=False)
        return make

    return enter


def _entry(
    make: Made[Seen], unit: str, low: float | None, high: float | None, per_bloc: bool
) -> Feature[Seen]:
    name = make.__name__
    if name in CATALOGUE or name in CONTEXTUAL:
        raise ValueError(f"there are two features called {name}")
    text = (make.__doc__ or "").strip().splitlines()[0]
    return Feature(name, make.__module__.rsplit(".", 1)[-1], unit, text, low, high, per_bloc, make)
