"""Singling out: is a published unit so small, now or then, that its figures are those of few persons?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from isoloir.domain.privacy import Policy

from .finding import Attacked, Finding
from .followed import then_of
from .opened import Floats, Mask, Opened
from .public import Public

ATTACK = "singling out"
FLOORS = Policy(0)
"""The floors of the policy as stated in domain/privacy.py; a manifest may state none that are lower."""


def singling_out(release: Opened, public: Public) -> Attacked:
    """Units under the floors, protected stations by themselves, stations of several units or of none."""
    found = [*_floors(release), *_placed(release), *_alone(release)]
    then, notes = _then(release, public)
    return Attacked(ATTACK, len(release.scores), tuple(found + then), notes)


def _named(what: str, names: pd.Series) -> list[Finding]:
    return [Finding(ATTACK, what, str(name)) for name in names]


def _floors(release: Opened) -> list[Finding]:
    said, unit = release.manifest["policy"], release.scores["unit_id"]
    electors = max(float(said["min_registered"]), FLOORS.min_registered)
    votes = max(float(said["min_valid"]), FLOORS.min_valid)
    found = []
    if electors > said["min_registered"] or votes > said["min_valid"]:
        found.append(Finding(ATTACK, "floors lower than the policy's are stated", "manifest.json"))
    few = release.voters * release.valid_rate < votes - 1e-6
    found += _named(f"a unit of fewer than {electors:.0f} electors", unit[release.registered < electors])
    return found + _named(f"a unit of fewer than {votes:.0f} expected valid votes", unit[few])


def _placed(release: Opened) -> list[Finding]:
    units = release.units
    named, station = units["unit_id"], units["station_id"]
    withheld = units["status"] == "withheld"
    seated = station[withheld & named.notna()]
    heads = set(station[withheld]) & set(release.scores["unit_id"])
    return [
        *_named("a station stands in two units", station[station.duplicated()].drop_duplicates()),
        *_named("a withheld station has a unit", seated),
        *_named("a unit is named by a withheld station", pd.Series(sorted(heads), dtype=str)),
    ]


def _alone(release: Opened) -> list[Finding]:
    """Protected stations whose unit is nobody else's."""
    members = np.bincount(release.unit[release.unit >= 0], minlength=len(release.scores))
    alone = release.protected & (release.unit >= 0) & (members[release.unit] == 1)
    return _named("a protected station is published by itself", release.units["station_id"][alone])


def _then(release: Opened, public: Public) -> tuple[list[Finding], tuple[str, ...]]:
    """Units that were under the floors at the reference contest, by code and by succession."""
    reference = str(release.manifest["reference_contest"])
    roll, now = public.roll(reference), public.roll(str(release.manifest["roll_from"]))
    if roll is None or now is None:
        return [], ("not tried: sizes at the last comparable contest (no public results of it)",)
    electors = now.at(release.station)[0]
    unit = np.maximum(release.unit, 0)
    usual = release.voters / np.maximum(release.registered, 1) * release.valid_rate
    found = []
    for how, (registered, valid) in then_of(release, roll, electors):
        registered = np.where(np.isnan(registered), electors, registered)
        valid = np.where(np.isnan(valid), electors * usual[unit], valid)
        few = _small(release, registered, FLOORS.min_registered) | _small(release, valid, FLOORS.min_valid)
        names = release.scores["unit_id"][few]
        found += _named(f"a unit under the floors at {reference}, followed by {how}", names)
    return found, ()


def _small(release: Opened, size: Floats, floor: float) -> Mask:
    """Units [U] whose stations' sizes [S] are known and sum to less than the floor."""
    rows = release.unit >= 0
    total = np.bincount(release.unit[rows], size[rows], len(release.scores))
    return np.asarray(total < floor - 1e-6)
