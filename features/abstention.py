"""What stays at home whatever the contest, and how far votes move from one contest to the next."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.ledger import Mask

from .catalogue import feature
from .view import View

Floats = NDArray[np.float64]
Counted = NDArray[np.integer]


@feature("share", low=0, high=1)
def abstention_structural(view: View) -> Floats:
    """Lowest abstention at earlier rounds of the same kind; its commune's where it has no past of its own.

    Missing where neither has one. A view holds what was known before its contest, so the result that it is
    set against is never in it.
    """
    kind, panel = view.notice.contest.kind, view.panel
    same = np.array([c.kind == kind for c in panel.contests], np.bool_)
    own, around = panel.followed, panel.communes
    here = _lowest(own.voters[:, same], own.registered[:, same])
    there = _lowest(around.voters[:, same], around.registered[:, same])
    return np.where(np.isnan(here), there[panel.commune_row], here)


@feature("share", low=0, high=1)
def volatility_share(view: View) -> Floats:
    """Mean Pedersen index between earlier contests of the same kind and round; missing if fewer than two.

    Half of the sum over blocs of how far their shares moved, between one contest and the next of that kind
    and round; its commune's where its own shares are at no two that follow on one another. Source: Pedersen
    (1979), European Journal of Political Research 7, 1–26; a bloc that did not stand has a share of 0.
    """
    this, panel = view.notice.contest, view.panel
    same = np.array([(c.kind, c.round) == (this.kind, this.round) for c in panel.contests], np.bool_)
    own, around = panel.followed, panel.communes
    here = _moved(own.votes[:, same], own.shares_known[:, same])
    # The votes of a commune are those of its stations whose shares are known.
    there = _moved(around.votes[:, same], np.ones(around.registered[:, same].shape, np.bool_))
    return np.where(np.isnan(here), there[panel.commune_row], here)


def _lowest(voters: Counted, registered: Counted) -> Floats:
    """The lowest abstention [N] over contests [N × C] at which there were electors; NaN if at none."""
    known = registered > 0
    abstained = np.clip(1 - voters / np.maximum(1, registered), 0.0, 1.0)
    lowest = np.where(known, abstained, np.inf).min(axis=1, initial=np.inf)
    return np.where(known.any(axis=1), lowest, np.nan)


def _moved(votes: Counted, told: Mask) -> Floats:
    """The mean Pedersen index [N] of votes [N × C × B] over neighbours at which both are told; else NaN."""
    cast = votes.sum(axis=2)
    known = told & (cast > 0)
    shares = votes / np.maximum(1, cast)[:, :, None]
    total, count = np.zeros(len(votes)), np.zeros(len(votes))
    for before, after in pairwise(range(votes.shape[1])):
        both = known[:, before] & known[:, after]
        total += np.where(both, np.abs(shares[:, after] - shares[:, before]).sum(axis=1) / 2, 0.0)
        count += both
    return np.where(count > 0, total / np.maximum(1, count), np.nan)
