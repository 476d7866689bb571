"""The catalogue of features: one decorated function each; the data dictionary and its tests follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.tables import Column

from .view import View

Floats = NDArray[np.float64]
Make = Callable[[View], Floats]


@dataclass(frozen=True, slots=True)
class Feature:
    """A function of a :class:`View`: one column [S], or one per bloc [S × B], NaN where it is not defined."""

    name: str
    theme: str
    unit: str
    text: str
    low: float | None
    high: float | None
    per_bloc: bool
    make: Make

    def columns(self, blocs: tuple[str, ...]) -> tuple[Column, ...]:
        """The columns that it fills, ``name`` or ``name_<bloc>``."""
        names = tuple(f"{self.name}_{b}" for b in blocs) if self.per_bloc else (self.name,)
        return tuple(Column(n, "number", self.unit, self.text, True, self.low, self.high) for n in names)


CATALOGUE: dict[str, Feature] = {}


def feature(
    unit: str, *, low: float | None = None, high: float | None = None, per_bloc: bool = False
) -> Callable[[Make], Make]:
    """Enter a function into the catalogue, by its name; its text is the first line of its docstring."""

    def enter(make: Make) -> Make:
        name = make.__name__
        if name in CATALOGUE:
            raise ValueError(f"there are two features called {name}")
        text = (make.__doc__ or "").strip().splitlines()[0]
        theme = make.__module__.rsplit(".", 1)[-1]
        CATALOGUE[name] = Feature(name, theme, unit, text, low, high, per_bloc, make)
        return make

    return enter
