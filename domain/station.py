"""Polling stations and the areas they lie in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Text = NDArray[np.str_]

CODES = ("station_id", "commune_code", "department_code", "constituency_code")
"""The fields of :class:`Stations`, in order: the names of their columns everywhere."""


@dataclass(frozen=True, slots=True)
class Stations:
    """Stations of one contest [S], in the order of their ``station_id``.

    ``commune_code`` and ``department_code`` are the two areas every territory has (the smaller lies in the
    larger, whatever they are called there); ``constituency_code`` is "" where unknown.
    Codes are text: zeros matter.
    """

    station_id: Text
    commune_code: Text
    department_code: Text
    constituency_code: Text

    def __len__(self) -> int:
        return len(self.station_id)

    def take(self, rows: NDArray[np.intp]) -> Stations:
        """The stations at ``rows``, in that order."""
        return Stations(
            self.station_id[rows],
            self.commune_code[rows],
            self.department_code[rows],
            self.constituency_code[rows],
        )


def positions(wanted: Text, known: Text) -> NDArray[np.intp]:
    """Where each of ``wanted`` [N] stands in ``known`` (distinct); -1 where it does not."""
    return np.asarray(pd.Index(known).get_indexer(pd.Index(wanted)), dtype=np.intp)


def grouped(codes: Text) -> tuple[Text, NDArray[np.intp]]:
    """The distinct codes in order, and for each row the position of its own."""
    number, distinct = pd.factorize(pd.Index(codes), sort=True)
    return np.asarray(distinct, dtype=np.str_), np.asarray(number, dtype=np.intp)
