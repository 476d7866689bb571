"""Which GeoJSON holds outlines of polling stations: told by what is in it, never by its name."""

from __future__ import annotations

from pathlib import Path

from isoloir.domain.errors import SourceError

from .geojson import features
from .tables import Opened


def of_stations(path: Path, shown: str = "") -> bool:
    """Whether the first feature of the file has the code of a station, as :mod:`.contours` reads it.

    ``shown``: how messages call the file. PrivacyError if that feature tells of a person.
    """
    try:
        first = next(features(Opened(path, shown=shown)), None)
    except SourceError:
        return False
    said = first.get("properties") if first else None
    if not isinstance(said, dict):
        return False
    return "codeBureauVote" in said or {"codeCommune", "numeroBureauVote"} <= said.keys()
