"""A contest at the grain of published units: its notice and outcomes, members' counts summed.

What is built from a united notice, the panel and all features, is built from the sums of its members' past
counts: a feature of a unit is no mean of its members' features.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .ledger import Notice, Outcomes
from .members import Members
from .units import Units


def united_notice(notice: Notice, units: Units) -> Notice:
    """The notice of the units that are published, in order of their ids; withheld stations are in none.

    A unit is called as the station that names it and lies in its areas; its constituency is "" where members
    lie in several. A bloc stands where it does at any member.
    """
    members = members_of(notice, units)
    named, apart = notice.stations.take(members.head), notice.stations.constituency_code
    kept = np.flatnonzero(members.unit >= 0)
    other = np.zeros(len(notice.stations), np.bool_)
    other[kept] = apart[kept] != named.constituency_code[members.unit[kept]]
    known = np.where(members.any(other), "", named.constituency_code)
    return replace(
        notice,
        stations=replace(named, constituency_code=known),
        registered=members.summed(notice.registered),
        standing=members.any(notice.standing),
        members=members,
    )


def members_of(notice: Notice, units: Units) -> Members:
    """The members of the units of a notice's stations."""
    kept = units.head >= 0
    head, of_kept = np.unique(units.head[kept], return_inverse=True)
    unit = np.full(len(units.head), -1, np.intp)
    unit[kept] = of_kept
    return Members(notice.stations, notice.registered, unit, head)


def united_outcomes(outcomes: Outcomes, members: Members) -> Outcomes:
    """The labels of the units: counts summed; shares are known where they are of every member."""
    return Outcomes(
        outcomes.contest,
        members.summed(outcomes.registered),
        members.summed(outcomes.voters),
        members.summed(outcomes.valid),
        members.summed(outcomes.votes),
        members.any(outcomes.standing),
        ~members.any(~outcomes.shares_known),
    )
