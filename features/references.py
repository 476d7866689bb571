"""The blocs' shares at the earlier contests that tell most of the target, and how much each tells.

A contest tells something where every bloc that stands now, and ever stood, stood somewhere in it; of a first
round only first rounds do. What one tells fades with its age, and is more for the first round of the same
ballot, and for the last ballots of the same kind and round.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .catalogue import feature
from .history import national_shares
from .view import View

Floats = NDArray[np.float64]

# Chosen on France's targets up to 2019_euro_t1 and on Denmark's up to 2019; no later one was looked at.
YEARS = 3.0
SAME_BALLOT = 4.0
SAME_KIND = 2.0


@feature("share", low=0, high=1, per_bloc=True)
def past1_share(view: View) -> Floats:
    """Share at the contest that tells most; missing where the bloc did not stand around, or none tells."""
    return _share(view, 0)


@feature("share", low=0, high=1, per_bloc=True)
def past2_share(view: View) -> Floats:
    """The same at the second of them."""
    return _share(view, 1)


@feature("share", low=0, high=1, per_bloc=True)
def past3_share(view: View) -> Floats:
    """The same at the third of them."""
    return _share(view, 2)


@feature("part", low=0)
def past1_weight(view: View) -> Floats:
    """How much the contest of ``past1_share`` tells, by its age and kind; 0 where there is none."""
    return _weight(view, 0)


@feature("part", low=0)
def past2_weight(view: View) -> Floats:
    """The same of the second of them."""
    return _weight(view, 1)


@feature("part", low=0)
def past3_weight(view: View) -> Floats:
    """The same of the third of them."""
    return _weight(view, 2)


def telling(view: View) -> tuple[tuple[int, float], ...]:
    """The columns of the panel's contests that tell something, and how much, most first."""
    stood, target = view.followed.stood, view.notice.contest
    wanted = view.notice.standing.any(axis=0) & stood.any(axis=0)
    found = []
    for c, contest in enumerate(view.panel.contests):
        later = contest.round > 1 and target.round == 1
        if later or not stood[c].any() or not stood[c][wanted].all():
            continue
        weight = np.exp(-(target.held_on - contest.held_on).days / 365.25 / YEARS)
        if c == view.first_round:
            weight *= SAME_BALLOT
        elif (contest.kind, contest.round) == (target.kind, target.round):
            weight *= SAME_KIND
        found.append((c, float(weight)))
    return tuple(sorted(found, key=lambda one: (-one[1], -one[0])))


def _weight(view: View, rank: int) -> Floats:
    found = telling(view)
    return np.full(len(view.notice.stations), found[rank][1] if rank < len(found) else 0.0)


def _share(view: View, rank: int) -> Floats:
    found = telling(view)
    if rank >= len(found):
        return np.full(view.notice.standing.shape, np.nan)
    at = found[rank][0]
    return np.asarray(np.exp(view.followed.shares[:, at]) * national_shares(view.panel)[at])
