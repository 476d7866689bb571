"""Joint draws of a release, in one pass: what its areas and its units may come to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from isoloir.models.area_draws import AreaDraws, Grouping, drawn
from isoloir.models.draws import draws
from isoloir.models.intervals import parts_of

from .scores import Published

LEVELS = ("nation", "department", "constituency", "commune")


@dataclass(frozen=True, slots=True)
class Level:
    """The areas of one level that are unions of whole published units: their codes, and draws of them."""

    name: str
    codes: NDArray[np.str_]
    draws: AreaDraws


@dataclass(frozen=True, slots=True)
class Outlook:
    """Draws of areas by level, and of the turnout of units [N × U] in order of unit_id."""

    levels: tuple[Level, ...]
    units: NDArray[np.float32]


def outlook(s: Published) -> Outlook:
    """The draws of everything that is published; the withheld take no part."""
    kept = s.units.head >= 0
    registered = np.where(kept, s.notice.registered, 0).astype(np.int32)
    areas = [areas_of(s, level) for level in LEVELS]
    unit = np.full(len(kept), -1, np.intp)
    heads, unit[kept] = np.unique(s.units.head[kept], return_inverse=True)
    groupings = [Grouping(row, len(codes)) for codes, row in areas]
    ways = draws(
        s.forecast, replace(s.notice, registered=registered), parts_of(s.matrix), s.learnt, s.scenario
    )
    made = drawn(ways, registered, [*groupings, Grouping(unit, len(heads), shares=False)])
    levels = [
        Level(name, codes, said) for name, (codes, _), said in zip(LEVELS, areas, made[:-1], strict=True)
    ]
    return Outlook(tuple(levels), made[-1].turnout)


def areas_of(s: Published, level: str) -> tuple[NDArray[np.str_], NDArray[np.intp]]:
    """The codes of the areas of ``level`` that may be published, and each station's row in them, or −1.

    A commune or a constituency of which any station is withheld, or in a unit with stations of another, is
    left out; so are all constituencies of a department where that of any station is unknown. The nation and
    departments are of what is published of them.
    """
    stations, kept = s.notice.stations, s.units.head >= 0
    if level == "nation":
        own = np.full(len(kept), "", stations.department_code.dtype)
        allowed = kept
    elif level == "department":
        own, allowed = stations.department_code, kept
    else:
        own = stations.commune_code if level == "commune" else stations.constituency_code
        allowed = kept & (own != "") & np.isin(own, whole(own, s.units.head))
        if level == "constituency":
            allowed &= ~np.isin(stations.department_code, stations.department_code[own == ""])
    codes, row = np.unique(own[allowed], return_inverse=True)
    out = np.full(len(kept), -1, np.intp)
    out[allowed] = row
    return codes, out


def whole(own: NDArray[np.str_], head: NDArray[np.intp]) -> NDArray[np.str_]:
    """The areas all of whose stations are in units of that area alone; ``own`` [S] is each station's."""
    astray = (head < 0) | (own != own[np.maximum(head, 0)])
    # A unit that took in a stranger is no part of its own area either.
    mixed = np.isin(head, head[astray & (head >= 0)])
    return np.setdiff1d(own, own[astray | mixed])
