"""What happens to polling stations between two votes: the codes of patches change, the patches never do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

Text = NDArray[np.str_]
Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

EVENT_DAYS = (date(2014, 1, 1), date(2016, 9, 1), date(2020, 9, 1))
EVENT_KINDS = (
    ("renumbered", "split", "redrawn"),
    ("shifted", "merged", "split", "redrawn"),
    ("renumbered", "merged", "split", "redrawn"),
)
"""What happens on each of the days, in one commune per 300 stations each."""


@dataclass(frozen=True, slots=True)
class Geography:
    """The stations [S] from ``since`` on, by id, and the position of each patch's station [P]."""

    since: date
    station_id: Text
    station_of_patch: Ints


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to the stations of a commune on a day."""

    on: date
    commune_code: str
    kind: str


def _renumbered(codes: Text, second: Mask) -> Text:
    number = np.unique(codes, return_inverse=True)[1]
    return np.array([f"{n + 101:04d}" for n in number])


def _shifted(codes: Text, second: Mask) -> Text:
    # Each station takes the code of the next: all codes are found again, none means what it did.
    known, number = np.unique(codes, return_inverse=True)
    return np.asarray(known[(number + 1) % len(known)])


def _split(codes: Text, second: Mask) -> Text:
    old = np.unique(codes)[1]
    return np.where((codes == old) & second, f"{old[-3:]}B", codes)


def _merged(codes: Text, second: Mask) -> Text:
    known = np.unique(codes)
    return np.where(codes == known[2], known[1], codes)


def _redrawn(codes: Text, second: Mask) -> Text:
    # The second patch of each station goes to the next one, and the codes stay.
    return np.where(second, _shifted(codes, second), codes)


CHANGES: dict[str, Callable[[Text, Mask], Text]] = {
    "renumbered": _renumbered,
    "shifted": _shifted,
    "split": _split,
    "merged": _merged,
    "redrawn": _redrawn,
}
"""How each kind changes the codes of a commune's patches [p], given which are the second of their station."""


def electors_shared(before: Geography, after: Geography, electors: Floats) -> tuple[Ints, Ints, Floats]:
    """Pairs of a station before and one after that share electors, and the share of the former's electors.

    ``electors`` are those of each patch [P]; stations are positions; the shares of an old station sum to 1.
    """
    pair = before.station_of_patch * len(after.station_id) + after.station_of_patch
    pairs, number = np.unique(pair, return_inverse=True)
    shared = np.bincount(number, weights=electors)
    old, new = pairs // len(after.station_id), pairs % len(after.station_id)
    return old, new, shared / np.bincount(old, weights=shared)[old]
