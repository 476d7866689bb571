"""What reads each kind of context that is no result."""

from __future__ import annotations

from collections.abc import Callable

from isoloir.configs.sources import ContextFile
from isoloir.domain.facts import Belonging, Facts, Movements

from .census import read_census
from .constituencies import read_constituencies
from .insee import read_commune_base, read_filosofi_commune, read_filosofi_iris
from .insee_iris import read_iris_census, read_iris_of_station, read_movements
from .tables import Opened

Reader = Callable[[Opened, ContextFile], tuple[Facts | Belonging | Movements, ...]]

READERS: dict[str, Reader] = {
    "census": read_census,
    "commune_base": read_commune_base,
    "constituencies": read_constituencies,
    "filosofi_commune": read_filosofi_commune,
    "filosofi_iris": read_filosofi_iris,
    "iris_census": read_iris_census,
    "iris_of_station": read_iris_of_station,
    "movements": read_movements,
}
"""By the name that ``sources.yaml`` gives the ``reader``."""
