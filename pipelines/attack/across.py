"""Differencing across releases of a target: do they share one partition, and what do they tell together?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from .bounds import Sums, intervals, parts
from .differencing import electors_of, judged, sums_of_units
from .finding import Attacked, Finding
from .opened import Index, Mask, Opened, siblings
from .public import Public

ATTACK = "across releases"


def across(release: Opened, public: Public) -> Attacked:
    """The release against each other one of its target and policy version, and against their partition."""
    others, lost = siblings(release)
    found, tried, notes = _unsplit(release), 0, [f"{len(others)} other release(s) of this target"]
    notes += [f"{lost} beside it can't be read"] if lost else []
    for other in others:
        pair = _paired(release, other)
        tried += len(pair.station)
        found += _split(pair, other)
    alike = [release, *(o for o in others if _same_forecast(o, release))]
    for one, two in combinations(alike, 2):
        together = _together(one, two, public)
        found += together.found
        notes += [f"with {two.path.name}: {note}" for note in together.notes]
    return Attacked(ATTACK, tried, tuple(found), tuple(notes))


def _same_forecast(one: Opened, two: Opened) -> bool:
    """Whether both tell the same forecast of each station: by scenario, model and roll."""
    same = all(one.manifest.get(k) == two.manifest.get(k) for k in ("scenario", "roll_from", "blocs"))
    return same and set(one.scores["model_version"]) == set(two.scores["model_version"])


@dataclass(frozen=True, slots=True)
class Pair:
    """Stations that are on both rolls: their units in each (−1: withheld), and which either protects."""

    station: np.ndarray
    one: Index
    two: Index
    protected: Mask


def _paired(one: Opened, two: Opened) -> Pair:
    row = pd.Index(two.station).get_indexer(pd.Index(one.station))
    both = row >= 0
    at = row[both]
    protected = one.protected[both] | two.protected[at]
    return Pair(one.station[both], one.unit[both], two.unit[at], protected)


def _split(pair: Pair, other: Opened) -> list[Finding]:
    """Protected stations in a part that one release tells from its unit, and that is a unit of neither.

    Both releases made of one partition, each such part would be whole units; its figures then follow from no
    difference that is not published by itself.
    """
    part = np.unique(np.stack([pair.one, pair.two]), axis=1, return_inverse=True)[1].reshape(-1)
    size = np.bincount(part)[part]
    whole = np.zeros(len(part), np.bool_)
    cut = np.zeros(len(part), np.bool_)
    for unit in (pair.one, pair.two):
        count = np.where(unit >= 0, np.bincount(np.maximum(unit, 0), unit >= 0)[np.maximum(unit, 0)], 0)
        whole |= (unit >= 0) & (count == size)
        cut |= (unit >= 0) & (count > size)
    bad = cut & ~whole & pair.protected
    what = f"a protected station is in a part of a unit that release {other.path.name} tells from the rest"
    return [Finding(ATTACK, what, str(s)) for s in pair.station[bad]]


def _unsplit(release: Opened) -> list[Finding]:
    """Units of the base partition beside the release that lie in several of its units."""
    base = release.path.parent / f"units-policy{release.policy_version}.parquet"
    if not base.is_file():
        return []
    group, unit = _based(base, release)
    inside = (group != "") & (unit >= 0)
    several = pd.Series(unit[inside]).groupby(group[inside]).nunique()
    return [
        Finding(ATTACK, "a unit of the base partition is split", str(g)) for g in several[several > 1].index
    ]


def _based(base: Path, release: Opened) -> tuple[np.ndarray, Index]:
    said = pd.read_parquet(base).drop_duplicates("station_id").set_index("station_id")["unit_id"]
    return said.reindex(release.station).fillna("").to_numpy(dtype=np.str_), release.unit


def _together(one: Opened, two: Opened, public: Public) -> Attacked:
    """The bounds from the sums of both, for stations of units that only one of them has."""
    row = pd.Index(two.station).get_indexer(pd.Index(one.station))
    pair = _paired(one, two)
    moved = sums_of_units(two)
    member = sparse.csr_array(
        (np.ones((row >= 0).sum()), (row[row >= 0], np.flatnonzero(row >= 0))), (len(two.station), len(row))
    )
    theirs = Sums(sparse.csr_array(moved.member @ member), moved.voters, moved.votes)
    # A unit with a station that is not on the other's roll has figures of a station not looked at.
    whole = np.asarray(theirs.member.sum(axis=1)).ravel() == np.asarray(moved.member.sum(axis=1)).ravel()
    ours = sums_of_units(one)
    new = whole & ~_known(theirs.member, ours.member)
    if not new.any():
        return Attacked(ATTACK, 0, ())
    rows = np.flatnonzero(new)
    sums = ours.joined(Sums(theirs.member[rows], theirs.voters[rows], theirs.votes[rows]))
    touched = np.asarray(theirs.member[rows].sum(axis=0)).ravel() > 0
    wanted = np.zeros(len(row), np.bool_)
    wanted[row >= 0] = pair.protected
    electors = electors_of(one, public)
    part = parts(sums.member)
    wanted &= np.isin(part, part[touched])
    bounds = intervals(sums, electors.registered, one.valid_rate, wanted)
    return judged(ATTACK, one, bounds, electors)


def _known(member: sparse.csr_array, of: sparse.csr_array) -> Mask:
    """Which sums are over just the stations of one of the others."""
    seen = {tuple(of.indices[a:b]) for a, b in zip(of.indptr[:-1], of.indptr[1:], strict=True)}
    member.sort_indices()
    ends = zip(member.indptr[:-1], member.indptr[1:], strict=True)
    return np.array([tuple(member.indices[a:b]) in seen for a, b in ends], dtype=np.bool_)
