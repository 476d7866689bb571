"""Differencing within a release: what follows of a protected station from all figures taken together?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from isoloir.domain.privacy import Policy

from .areas import sums_of_areas
from .bounds import Intervals, Sums, intervals, narrowest
from .finding import Attacked, Finding
from .followed import then_of
from .opened import Floats, Mask, Opened
from .public import Public

UNION, BOUNDS = "union of units", "bounds"
HIDES = Policy(0)
"""Its numbers of what must stay open; a release is judged by these, whatever its manifest states."""


ODD = 20
"""Areas that are no sum of units: so many are tried one by one where all together contradict one another."""


@dataclass(frozen=True, slots=True)
class Electors:
    """Who is on the roll of each station [S]: ``registered``, or where not ``known`` the most it can be."""

    registered: Floats
    known: Mask

    @property
    def allowed(self) -> Floats:
        """The least that must stay open of each station [S].

        What the roll alone leaves open of one whose electors are not known may be as little as a person.
        """
        least = np.maximum(HIDES.hidden_persons, HIDES.hidden_part * self.registered)
        return np.where(self.known, least, 1.0)


def electors_of(release: Opened, public: Public) -> Electors:
    """Electors of the release's stations from the public roll; of an unknown one those of its unit."""
    roll = public.roll(str(release.manifest["roll_from"]))
    nobody = np.full(len(release.station), np.nan)
    said = nobody if roll is None else roll.at(release.station)[0]
    whole = np.append(release.registered, float(release.manifest["roll_registered"]))
    return Electors(np.where(np.isnan(said), whole[release.unit], said), ~np.isnan(said))


def differencing(release: Opened, public: Public) -> tuple[Attacked, Attacked]:
    """Two attacks: whether each area is a sum of whole units, and the bounds that all sums together give."""
    electors = electors_of(release, public)
    areas = sums_of_areas(release, public, electors.registered, electors.known)
    wanted = release.protected | _small(release, public, electors)
    bounds = _bounds(release, areas.odd, electors, wanted)
    found = (*areas.found, *_rolls(release, electors))
    union = Attacked(UNION, areas.tried + len(release.scores), found, areas.notes)
    return union, judged(BOUNDS, release, bounds, electors)


def _rolls(release: Opened, electors: Electors) -> list[Finding]:
    """Units whose electors are not those of their stations: somebody else is counted, or somebody is not."""
    rows = release.unit >= 0
    size = np.where(electors.known, electors.registered, np.nan)[rows]
    total = np.bincount(release.unit[rows], size, len(release.scores))
    off = ~np.isnan(total) & (np.abs(total - release.registered) > 0.5)
    what = "a unit has other electors than its stations"
    return [Finding(UNION, what, str(name)) for name in release.scores["unit_id"][off]]


def _bounds(release: Opened, odd: Sums | None, electors: Electors, wanted: Mask) -> Intervals:
    """The narrowest bounds of the stations ``wanted`` [S] that are in a unit, or in an odd area.

    Areas that contradict units, or one another, hide nothing: each is tried by itself, too.
    """
    units = sums_of_units(release)
    rows = [] if odd is None else [np.arange(len(odd.voters)), *np.arange(min(len(odd.voters), ODD))[:, None]]
    systems = [units, *(units.joined(odd.rows(r)) for r in rows if odd is not None)]
    named = np.any([np.asarray(s.member.sum(axis=0)).ravel() > 0 for s in systems], axis=0)
    found = [intervals(s, electors.registered, release.valid_rate, wanted & named) for s in systems[:2]]
    if found[-1].contradicted.any():
        found += [intervals(s, electors.registered, release.valid_rate, wanted & named) for s in systems[2:]]
    return narrowest(found)


def _small(release: Opened, public: Public, electors: Electors) -> Mask:
    """Stations [S] that public results show to be under the floors, whatever the release says of them."""
    small = electors.known & (electors.registered < HIDES.min_registered)
    roll = public.roll(str(release.manifest["reference_contest"]))
    for _, (registered, valid) in then_of(release, roll, electors.registered) if roll is not None else ():
        small |= (registered < HIDES.min_registered) | (valid < HIDES.min_valid)
    return small


def sums_of_units(release: Opened) -> Sums:
    """The figures of each unit as sums over its stations."""
    rows = np.flatnonzero(release.unit >= 0)
    shape = (len(release.scores), len(release.station))
    member = sparse.csr_array((np.ones(len(rows)), (release.unit[rows], rows)), shape=shape)
    return Sums(member, release.voters, release.votes)


def judged(attack: str, release: Opened, bounds: Intervals, electors: Electors) -> Attacked:
    """The stations of which too much follows; the width of each that is told is its narrowest quantity's."""
    own, allowed = electors.registered[bounds.station], electors.allowed[bounds.station]
    width, blocs = bounds.hi - bounds.lo, release.blocs
    free = np.stack([own, *[own * release.valid_rate] * len(blocs)], axis=1)
    # That a bloc has no vote in a unit is the offer's doing, and that was public.
    unit = release.unit[bounds.station]
    absent = (release.votes[unit] == 0) & (unit >= 0)[:, None]
    public = np.column_stack([np.zeros(len(unit), np.bool_), absent])
    least = np.minimum(free, allowed[:, None])
    narrow = (width < least * (1 - 1e-6) - 1e-6) & ~public
    worst = np.where(narrow, width - least, np.inf).argmin(axis=1)
    rows = np.flatnonzero(narrow.any(axis=1))
    names = ("voters", *(f"votes for {b}" for b in blocs))
    found = tuple(
        Finding(
            attack,
            f"a protected station's {names[worst[r]]}",
            str(release.station[bounds.station[r]]),
            float(width[r, worst[r]]),
            float(least[r, worst[r]]),
        )
        for r in rows
    )
    seen = width[~public & ~np.isnan(width) & (free > 0)]
    notes = [f"{len(rows)} of {len(own)} protected stations"] if len(rows) else []
    if not electors.known.all():
        unknown = int((~electors.known).sum())
        notes.append(f"electors of {unknown} stations are not known: only what is all but exact is found")
    if bounds.contradicted.any():
        notes.append(f"{int(bounds.contradicted.sum())} stations have figures that contradict one another")
    ends = (float(seen.min()), float(seen.max())) if len(seen) else (None, None)
    return Attacked(attack, len(own), found, tuple(notes), *ends)
