"""Past shares of the blocs, as the log of a share over the nation's where the bloc stood."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.ledger import Mask
from isoloir.domain.panel import Totals
from isoloir.domain.succession import SURE

from .catalogue import feature
from .history import share_index
from .view import View

Floats = NDArray[np.float64]


@feature("log", per_bloc=True)
def share_first_round(view: View) -> Floats:
    """At the first round of the same ballot; missing for a first round, or where it did not stand."""
    return _lag(view, view.first_round)


@feature("log", per_bloc=True)
def share_lag1(view: View) -> Floats:
    """At the last contest before; missing where the bloc did not stand around."""
    return _lag(view, len(view.panel.contests) - 1)


@feature("log", per_bloc=True)
def share_kind_mean(view: View) -> Floats:
    """Mean over earlier contests of the same kind where it stood; missing where there are none."""
    return _mean(view.followed.shares[:, [c.kind == view.notice.contest.kind for c in view.panel.contests]])


@feature("log", low=0, per_bloc=True)
def share_spread(view: View) -> Floats:
    """Standard deviation over the earlier contests where it stood; missing where there are none."""
    shares = view.followed.shares
    mean = _mean(shares)
    return np.asarray(np.sqrt(_mean((shares - mean[:, None]) ** 2)))


@feature("log", per_bloc=True)
def share_commune(view: View) -> Floats:
    """Mean over earlier contests of the commune; missing where the bloc never stood there."""
    return _area(view, view.panel.communes)[view.panel.commune_row]


@feature("log", per_bloc=True)
def share_department(view: View) -> Floats:
    """Mean over earlier contests of the department; missing where the bloc never stood there."""
    return _area(view, view.panel.departments)[view.panel.department_row]


@feature("log", per_bloc=True)
def swing_last(view: View) -> Floats:
    """Last contest less the reference: where the bloc gained on the nation since; missing if unknown.

    Each from the station where its past is known, else from its commune: the two may differ in that.
    """
    shares = view.followed.shares
    return np.asarray(shares[:, -1] - shares[:, view.reference])


FEWEST_VOTES = 30
"""Valid votes below which a share is noise, and near to what single electors did: no swing is counted."""


@feature("share", low=0, high=1, per_bloc=True)
def reference_share(view: View) -> Floats:
    """The bloc's share at the reference contest; missing where it did not stand in it or does not stand now.

    From the station's own counts where it is rather the same station than not, else from its commune's;
    missing where these are fewer than :data:`FEWEST_VOTES`.
    """
    at, panel = view.reference, view.panel
    own, traced = _own_reference(view)[:, None], panel.followed
    votes = panel.communes.votes[panel.commune_row, at]
    valid = panel.communes.valid_where[panel.commune_row, at]
    here = traced.votes[:, at] / np.maximum(1, traced.valid[:, at])[:, None]
    share = np.where(own, here, votes / np.maximum(1, valid))
    stood = np.where(own, traced.standing[:, at], valid >= FEWEST_VOTES) & view.notice.standing
    return np.where(stood, share, np.nan)


@feature("flag", low=0, high=1)
def reference_own(view: View) -> Floats:
    """1 where the swing is counted from the station's own votes, 0 where from its commune's."""
    return _own_reference(view).astype(np.float64)


def _own_reference(view: View) -> Mask:
    at, traced = view.reference, view.panel.followed
    enough: Mask = (traced.valid[:, at] >= FEWEST_VOTES) & (traced.confidence[:, at] >= SURE)
    return np.asarray(traced.shares_known[:, at] & enough)


def _lag(view: View, contest: int) -> Floats:
    if contest < 0:
        return np.full(view.notice.standing.shape, np.nan)
    return view.followed.shares[:, contest]


def _mean(shares: Floats) -> Floats:
    """The mean over contests [S × C × B] of what is known; NaN where nothing is."""
    known = ~np.isnan(shares)
    count = known.sum(axis=1)
    mean = np.where(known, shares, 0.0).sum(axis=1) / np.maximum(1, count)
    return np.where(count > 0, mean, np.nan)


def _area(view: View, totals: Totals) -> Floats:
    index = share_index(view.panel, totals.votes, totals.valid_where)
    return _mean(np.where(totals.valid_where > 0, index, np.nan))
