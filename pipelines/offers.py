"""Who stands at the stations of a carried roll, as an offer says by area."""

from __future__ import annotations

import difflib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.bloc import BlocMap
from isoloir.domain.errors import ConfigError
from isoloir.domain.ledger import Mask, Notice
from isoloir.domain.scenario import Candidacy, OfferSpec
from isoloir.domain.station import Text

FROM_FILE = "the scenario's offer file"


def offered(notice: Notice, blocs: BlocMap, offer: OfferSpec) -> Notice:
    """The notice with the offer of a file; its constituencies must be placed already.

    A bloc stands at a station if a row of its country, department or constituency says so. Where rows speak
    of constituencies and that of a station is not known, every bloc stands that stands anywhere in the
    department; ``offer_from`` counts these. Where nobody stands, a first round is refused with ConfigError,
    and a later one is not held: its stations leave the roll, counted. So is an unknown area refused.
    """
    stations = notice.stations
    _check_areas(offer, stations.department_code, stations.constituency_code)
    code_of = dict(zip(offer.labels, blocs.codes(notice.contest, list(offer.labels)).tolist(), strict=True))
    standing = np.zeros((len(stations), len(blocs.blocs)), np.bool_)
    for row in offer.rows:
        if code_of[row.label] >= 0:
            standing[
                _inside(row, stations.department_code, stations.constituency_code), code_of[row.label]
            ] = 1
    said, unknown = FROM_FILE, np.zeros(len(stations), np.bool_)
    if any(row.level == "constituency" for row in offer.rows):
        unknown = stations.constituency_code == ""
        standing[unknown] = _anywhere(standing, stations.department_code)[unknown]
    if unknown.any():
        electors = int(notice.registered[unknown].sum(dtype=np.int64))
        said += (
            f"; {int(unknown.sum())} station(s) ({electors} registered) are of unknown constituency: every "
        )
        said += "bloc that stands in their department"
    return _held(replace(notice, standing=standing, offer_from=said))


def _inside(row: Candidacy, departments: Text, constituencies: Text) -> Mask:
    if row.level == "country":
        return np.ones(len(departments), np.bool_)
    return np.asarray((departments if row.level == "department" else constituencies) == row.area)


def _anywhere(standing: Mask, departments: Text) -> Mask:
    """Per station and bloc [S × B] whether the bloc stands at some station of the department."""
    _, department = np.unique(departments, return_inverse=True)
    found = np.zeros((int(department.max(initial=-1)) + 1, standing.shape[1]), np.bool_)
    np.logical_or.at(found, department, standing)
    return np.asarray(found[department])


def _check_areas(offer: OfferSpec, departments: Text, constituencies: Text) -> None:
    """ConfigError with the areas of the offer that hold no station, and the nearest of those that do."""
    known = [f"department:{code}" for code in np.unique(departments).tolist()]
    known += [f"constituency:{code}" for code in np.unique(constituencies).tolist() if code]
    strange = sorted({row.where for row in offer.rows if row.level != "country"} - set(known))
    if strange:
        near = difflib.get_close_matches(strange[0], known, n=3, cutoff=0.5)
        of_level = [area for area in known if area.startswith(strange[0].partition(":")[0])]
        none = (
            f"write codes as the results do, such as {of_level[0]}" if of_level else "none is known there yet"
        )
        raise ConfigError(
            f"{len(strange)} area(s) of the offer hold no station: {', '.join(strange[:5])}",
            where=f"offer of {offer.target}",
            remedy=f"for the first, did you mean {' or '.join(near)}?" if near else none,
        )


def _held(notice: Notice) -> Notice:
    """The notice without the stations at which nobody stands; ConfigError if a first round has some."""
    nobody = ~notice.standing.any(axis=1)
    if not nobody.any():
        return notice
    count, stations = int(nobody.sum()), notice.stations
    if notice.contest.round == 1 or nobody.all():
        where = _places(stations.constituency_code[nobody], stations.department_code[nobody])
        raise ConfigError(
            f"nobody stands at {count} station(s), of {where}",
            where=f"offer of {notice.contest.key}",
            remedy="add rows for these areas",
        )
    kept: NDArray[np.intp] = np.flatnonzero(~nobody)
    return replace(
        notice,
        stations=stations.take(kept),
        registered=notice.registered[kept],
        standing=notice.standing[kept],
        offer_from=f"{notice.offer_from}; no vote at {count} station(s), where nobody stands",
    )


def _places(constituencies: Text, departments: Text) -> str:
    places = np.where(constituencies != "", constituencies, departments)
    distinct = np.unique(places).tolist()
    return ", ".join(distinct[:5]) + (f" and {len(distinct) - 5} more" if len(distinct) > 5 else "")
