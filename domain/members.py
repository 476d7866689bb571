"""Who makes up a unit: its member stations, whose counts are summed before anything is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .station import Stations

Index = NDArray[np.intp]
Number = TypeVar("Number", np.int32, np.float64)


@dataclass(frozen=True, slots=True)
class Members:
    """The S stations behind U units: ``registered`` [S], the ``unit`` of each [S], −1 if in none.

    ``head`` [U] is the row of the station that names a unit.
    """

    stations: Stations
    registered: NDArray[np.int32]
    unit: Index
    head: Index

    @property
    def matrix(self) -> csr_array:
        """Which station is in which unit [U × S]: 1 or nothing."""
        rows = np.flatnonzero(self.unit >= 0)
        shape = (len(self.head), len(self.unit))
        return csr_array((np.ones(len(rows)), (self.unit[rows], rows)), shape=shape)

    @property
    def count(self) -> Index:
        """The members of each unit [U]."""
        return np.bincount(self.unit[self.unit >= 0], minlength=len(self.head))

    def summed(self, values: NDArray[Number]) -> NDArray[Number]:
        """Sums [U …] of the values of the stations [S …]."""
        return np.asarray(self.matrix @ values.astype(np.float64)).astype(values.dtype)

    def any(self, flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether it is so at any member [U …] of flags [S …]."""
        return np.asarray(self.matrix @ flags.astype(np.float64) > 0)

    def mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Means [U] of values [S] by registered electors; NaN where that of any member with electors is.

        What is kept secret of one member is not told of the others.
        """
        weight = self.registered.astype(np.float64)
        missing = self.any(np.isnan(values) & (weight > 0))
        total = self.summed(weight)
        mean = self.summed(np.nan_to_num(values) * weight) / np.maximum(total, 1e-300)
        # One alone keeps its figure to the last bit.
        mean = np.where(self.count == 1, values[self.head], mean)
        return np.where(missing | (total <= 0), np.nan, mean)

    def most(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The largest [U] of the values of the members [S]."""
        rows = np.flatnonzero(self.unit >= 0)
        out = np.full(len(self.head), -np.inf)
        np.maximum.at(out, self.unit[rows], values[rows])
        return out
