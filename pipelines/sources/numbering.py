"""What follows from how stations are numbered, where figures are published for parts of communes."""

from __future__ import annotations

from collections.abc import Iterable

from isoloir.domain.facts import Belonging
from isoloir.domain.station import Stations

from .insee import arrondissements_of

OF_PARTS = frozenset({"commune_base", "filosofi_commune", "iris_census"})
"""The readers of tables that hold parts of communes beside the communes."""


def belongings_of(readers: Iterable[str], stations: Stations) -> tuple[Belonging, ...]:
    """The parts of communes that ``stations`` lie in; none if no table that ``readers`` read has any."""
    if OF_PARTS.isdisjoint(readers):
        return ()
    made = arrondissements_of(stations)
    return (made,) if len(made.station_id) else ()
