"""What happened, stamped with the day it became public; and the two ways to look at it.

``Ledger.as_of`` gives a :class:`Past`, which physically lacks what was not public yet. ``Ledger.outcomes``
gives :class:`Outcomes`, the labels to learn from or to be judged by: another type, which no feature takes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from .election import AsOf, Contest
from .errors import LeakageError, MissingInputError
from .facts import NOTHING, Context
from .members import Members
from .station import Stations, Text

Counts = NDArray[np.int32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Record:
    """The results of one contest, public from ``known_on``.

    ``registered, voters, valid`` [S] and ``votes`` [S × B] are counts; ``standing`` [S × B] tells where a
    bloc stood (a row with 0 votes counts); ``shares_known`` [S] is False where votes were cast for candidates
    without a label or where a voter could choose several: turnout is kept, shares are missing.
    """

    contest: Contest
    known_on: date
    stations: Stations
    registered: Counts
    voters: Counts
    valid: Counts
    votes: Counts
    standing: Mask
    shares_known: Mask


@dataclass(frozen=True, slots=True)
class CommuneRecord:
    """The turnout of one contest, known by commune only: ``registered, voters`` [N], communes in order."""

    contest: Contest
    known_on: date
    commune_code: Text
    department_code: Text
    registered: Counts
    voters: Counts


@dataclass(frozen=True, slots=True)
class Notice:
    """The notice of poll: what is public about a contest before the vote.

    The roll (``stations`` and their ``registered`` [S]) and the offer (``standing`` [S × B]). ``roll_from``
    and ``offer_from`` say where each comes from: the contest itself, an earlier one carried, or a file.
    ``members``: the stations behind the rows, where these are units of several (see :mod:`.united`).
    """

    contest: Contest
    blocs: tuple[str, ...]
    stations: Stations
    registered: Counts
    standing: Mask
    roll_from: str
    offer_from: str
    members: Members | None = None


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What a contest came to: labels for learning and judging, never an input of a feature.

    Counts as in :class:`Record`, row for row with the contest's Notice.
    """

    contest: Contest
    registered: Counts
    voters: Counts
    valid: Counts
    votes: Counts
    standing: Mask
    shares_known: Mask

    def turnout(self) -> float:
        """National turnout: all voters / all registered."""
        return float(self.voters.sum() / max(1, self.registered.sum()))

    def shares(self) -> NDArray[np.float64]:
        """National share of each bloc [B], over stations whose shares are known."""
        votes = self.votes[self.shares_known].sum(axis=0).astype(np.float64)
        return np.asarray(votes / max(1.0, votes.sum()))


@dataclass(frozen=True, slots=True)
class Past:
    """The records, in order of day, and the context that were public at ``as_of``; nothing later is in it.

    ``communes``: contests of which no station is known. ``follow``: whether stations are followed through
    renumberings (see :mod:`.lineage`), or a station is the code found again with as many electors.
    """

    as_of: AsOf
    blocs: tuple[str, ...]
    records: tuple[Record, ...]
    communes: tuple[CommuneRecord, ...] = ()
    context: Context = NOTHING
    follow: bool = True

    def __post_init__(self) -> None:
        held: tuple[Record | CommuneRecord, ...] = (*self.records, *self.communes)
        late = [r.contest.key for r in held if not self.as_of.sees(r.known_on)]
        late += [one.name for one in self.context.all() if not self.as_of.sees(one.known_on)]
        if late:
            raise LeakageError(f"{', '.join(late)} was not public before {self.as_of.day}")

    @property
    def contests(self) -> tuple[Contest, ...]:
        """The contests that are known, in order."""
        return tuple(r.contest for r in self.records)

    def without(self, key: str) -> Past:
        """The same past, had the contest ``key`` not been held."""
        return replace(
            self,
            records=tuple(r for r in self.records if r.contest.key != key),
            communes=tuple(r for r in self.communes if r.contest.key != key),
        )


@dataclass(frozen=True, slots=True)
class Ledger:
    """All records of a territory under one grouping into ``blocs``; those by commune; and all context.

    ``follow`` as in :class:`Past`. Without ``offers`` nobody knows who stands where.
    """

    blocs: tuple[str, ...]
    records: tuple[Record, ...]
    communes: tuple[CommuneRecord, ...] = ()
    context: Context = NOTHING
    follow: bool = True
    offers: bool = True

    def as_of(self, cut: AsOf) -> Past:
        """What was public before ``cut``, and nothing else."""
        seen = sorted((r for r in self.records if cut.sees(r.known_on)), key=_day)
        communes = sorted((r for r in self.communes if cut.sees(r.known_on)), key=_day)
        return Past(cut, self.blocs, tuple(seen), tuple(communes), self.context.before(cut), self.follow)

    def notice(self, contest: Contest) -> Notice | None:
        """The notice of a past contest, read from the codes, registered and labels of its own rows.

        Never from voters, valid or votes. None where the contest has no rows yet. Where presence says nothing
        of the offer, every bloc that appears anywhere is taken to stand everywhere.
        """
        record = self._record(contest)
        if record is None:
            return None
        standing, source = record.standing, contest.key
        if not contest.offer_published or not self.offers:
            standing, source = np.ones_like(standing), "not published"
        return Notice(contest, self.blocs, record.stations, record.registered, standing, contest.key, source)

    def outcomes(self, contest: Contest, cut: AsOf) -> Outcomes:
        """The labels of ``contest``; refused with :class:`LeakageError` unless public before ``cut``."""
        record = self._record(contest)
        if record is None:
            raise MissingInputError(
                f"no results of {contest.key} were ingested", remedy="ingest a source that holds them"
            )
        if not cut.sees(record.known_on):
            raise LeakageError(f"the results of {contest.key} were not public before {cut.day}")
        return Outcomes(
            contest,
            record.registered,
            record.voters,
            record.valid,
            record.votes,
            record.standing,
            record.shares_known,
        )

    def _record(self, contest: Contest) -> Record | None:
        return next((r for r in self.records if r.contest.key == contest.key), None)


def _day(record: Record | CommuneRecord) -> tuple[date, str]:
    return record.contest.held_on, record.contest.key
