"""The notice of poll of a target: its own, or one carried from an earlier roll with an offer file."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from isoloir.domain.bloc import BlocMap
from isoloir.domain.election import AsOf, Contest
from isoloir.domain.errors import MissingInputError
from isoloir.domain.ledger import Ledger, Notice, Past, Record
from isoloir.domain.scenario import OfferSpec

from .offers import offered
from .placement import Carry, by_code, placement

COMPLETE = 0.95
"""A roll is complete if it holds this part of the largest of the territory's last ten first rounds."""


def notice_of(
    ledger: Ledger, target: Contest, as_of: AsOf, blocs: BlocMap, offer: OfferSpec | None
) -> Notice:
    """The target's notice: its own rows' if it was out by ``as_of``; else a carried roll and the offer file.

    A notice of poll is taken to be out on the eve: whoever looks from an earlier day has the roll of then.
    """
    own = ledger.notice(target) if as_of.day >= target.held_on else None
    cut = AsOf(min(as_of.day, target.held_on))
    return own or carried_notice(ledger.as_of(cut), target, blocs, offer)


def carried_notice(past: Past, target: Contest, blocs: BlocMap, offer: OfferSpec | None) -> Notice:
    """The latest complete roll before the target, never a second round's; who stands as the offer says.

    Without an offer every bloc is taken to stand everywhere. MissingInputError where there is no roll.
    """
    firsts = [r for r in past.records if r.contest.round == 1][-10:]
    if not firsts:
        raise MissingInputError(
            f"no roll is known before {target.key}", remedy="ingest an earlier first round"
        )
    roll = latest_complete(firsts)
    everywhere = np.ones((len(roll.stations), len(blocs.blocs)), np.bool_)
    notice = Notice(
        target,
        blocs.blocs,
        roll.stations,
        roll.registered,
        everywhere,
        roll.contest.key,
        "unknown: every bloc everywhere",
    )
    return notice if offer is None else offered(placed(notice, past), blocs, offer)


def latest_complete(records: list[Record]) -> Record:
    """The last record that covers every department that most of ``records`` cover, and electors enough.

    Not every kind of contest is held everywhere: electors abroad have no part in local ones.
    """
    departments = [set(np.unique(r.stations.department_code)) for r in records]
    usual = {
        d for some in departments for d in some if 2 * sum(d in o for o in departments) > len(departments)
    }
    largest = max(int(r.registered.sum()) for r in records)
    whole = [
        r
        for r, covered in zip(records, departments, strict=True)
        if usual <= covered and r.registered.sum() >= COMPLETE * largest
    ]
    return (whole or records)[-1]


def placed(
    notice: Notice, past: Past, derived: Mapping[str, float] | None = None, carry: Carry = by_code
) -> Notice:
    """The notice with every constituency that can be told: see :func:`.placement.placement`."""
    return placement(notice, past, derived, carry).put(notice)
