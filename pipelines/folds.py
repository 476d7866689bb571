"""Put questions to the ledger: past targets as folds, and the target itself, past or future."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np

from isoloir.domain.bloc import BlocMap
from isoloir.domain.election import AsOf, Calendar, Contest
from isoloir.domain.errors import MissingInputError
from isoloir.domain.ledger import Ledger, Notice, Past, Record
from isoloir.domain.scenario import OfferSpec
from isoloir.models.backtest import Fold, Question, ask, make_fold

COMPLETE = 0.95
"""A roll is complete if it holds this part of the largest of the territory's last ten first rounds."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """Whether second rounds are forecast, and learnt from, as if their first rounds were not held yet."""

    first_rounds: bool


def hiding(calendar: Calendar, contest: Contest, as_of: AsOf, ledger: Ledger) -> Hidden:
    """First rounds are hidden when ``contest`` is a later round whose first is not known at ``as_of``."""
    first = calendar.first_round_of(contest)
    known = {c.key for c in ledger.as_of(as_of).contests}
    return Hidden(first is not None and first.key not in known)


def past_of(ledger: Ledger, calendar: Calendar, contest: Contest, as_of: AsOf, hidden: Hidden) -> Past:
    """What a forecast of ``contest`` may see: public before its day and before ``as_of``."""
    cut = AsOf(min(as_of.day, contest.held_on))
    first = calendar.first_round_of(contest)
    if hidden.first_rounds and first is not None:
        cut = AsOf(min(cut.day, first.held_on))
    return ledger.as_of(cut)


def question_of(
    ledger: Ledger, calendar: Calendar, notice: Notice, as_of: AsOf, hidden: Hidden
) -> Question | None:
    """The question of the notice's contest, or None where nothing was public before it."""
    contest = notice.contest
    past = past_of(ledger, calendar, contest, as_of, hidden)
    reference = calendar.reference_of(contest)
    return ask(past, notice, reference.key if reference else None) if past.records else None


def earlier_folds(
    ledger: Ledger, calendar: Calendar, as_of: AsOf, hidden: Hidden, say: Callable[[str], None]
) -> list[Fold]:
    """Every contest whose results were public before ``as_of`` and that had a past, as a fold."""
    folds = []
    for contest in ledger.as_of(as_of).contests:
        notice = ledger.notice(contest)
        question = question_of(ledger, calendar, notice, as_of, hidden) if notice is not None else None
        if question is None:
            continue
        outcomes = ledger.outcomes(contest, as_of)
        if not outcomes.shares_known.any():
            continue
        say(f"judging at {contest.key}")
        folds.append(make_fold(question, outcomes))
    return folds


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
    standing = np.ones((len(roll.stations), len(blocs.blocs)), np.bool_)
    if offer is not None:
        codes = blocs.codes(target, list(offer.labels))
        standing[:] = np.isin(np.arange(len(blocs.blocs)), codes)
    source = "the scenario's offer file" if offer is not None else "unknown: every bloc everywhere"
    return Notice(target, blocs.blocs, roll.stations, roll.registered, standing, roll.contest.key, source)


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


FOREVER = AsOf(date.max)
"""The cut of one who looks back at everything: for judging a backtest, never for forecasting."""
