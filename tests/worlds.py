"""Small invented worlds for tests: contests, records and ledgers, from a seed or by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from isoloir.domain.election import AsOf, Calendar, Contest
from isoloir.domain.forecast import Scenario
from isoloir.domain.ledger import Ledger, Notice, Record
from isoloir.domain.station import Stations
from isoloir.features.matrix import build
from isoloir.models.boosting import Boosting
from isoloir.models.protocol import Lesson, TrainingSet
from isoloir.models.registry import ModelSettings

BLOCS = ("left", "centre", "right")
DAY = date(2020, 3, 15)
CONTESTS = (
    Contest("xx", "2014_legi_t1", "legi", 1, DAY - timedelta(days=2000)),
    Contest("xx", "2016_pres_t1", "pres", 1, DAY - timedelta(days=1000)),
    Contest("xx", "2020_legi_t1", "legi", 1, DAY - timedelta(days=7)),
    Contest("xx", "2020_legi_t2", "legi", 2, DAY),
    Contest("xx", "2021_pres_t1", "pres", 1, DAY + timedelta(days=400)),
)
CALENDAR = Calendar("xx", CONTESTS)
TARGET = CONTESTS[3]
LAST = CONTESTS[4]


def stations(codes: Sequence[str]) -> Stations:
    """Stations called ``department-commune-number``."""
    parts = [c.split("-") for c in codes]
    return Stations(
        np.array(codes),
        np.array(["-".join(p[:2]) for p in parts]),
        np.array([p[0] for p in parts]),
        np.array([""] * len(codes)),
    )


def record(
    contest: Contest,
    codes: Sequence[str],
    registered: Sequence[int],
    voters: Sequence[int],
    votes: Sequence[Sequence[int]],
    standing: Sequence[Sequence[bool]] | None = None,
    shares_known: Sequence[bool] | None = None,
) -> Record:
    """A record whose valid votes are the sum of ``votes``; every bloc stands unless said otherwise."""
    counted = np.array(votes, np.int32)
    return Record(
        contest=contest,
        known_on=contest.results_known_on,
        stations=stations(codes),
        registered=np.array(registered, np.int32),
        voters=np.array(voters, np.int32),
        valid=counted.sum(axis=1).astype(np.int32),
        votes=counted,
        standing=np.ones(counted.shape, np.bool_) if standing is None else np.array(standing, np.bool_),
        shares_known=np.ones(len(codes), np.bool_) if shares_known is None else np.array(shares_known),
    )


def random_record(contest: Contest, rng: np.random.Generator, *, patchy: bool) -> Record:
    """Random counts at a random half or more of a dozen stations; ``patchy``: not every bloc everywhere."""
    universe = [f"{d}-{c}-{n}" for d in "AB" for c in "12" for n in range(4)]
    codes = [u for u in universe if rng.random() < 0.8] or universe[:1]
    registered = rng.integers(20, 1500, len(codes))
    voters = rng.binomial(registered, rng.uniform(0.3, 0.9, len(codes)))
    standing = np.ones((len(codes), len(BLOCS)), np.bool_)
    if patchy:
        standing = rng.random(standing.shape) < 0.8
    strength = np.where(standing, rng.uniform(0.2, 1.0, standing.shape), 0.0)
    strength[strength.sum(axis=1) == 0] = 1.0
    votes = np.stack([rng.multinomial(v, p / p.sum()) for v, p in zip(voters, strength, strict=True)])
    known = rng.random(len(codes)) < 0.9 if patchy else np.ones(len(codes), np.bool_)
    return record(contest, codes, registered, voters, votes, standing | (votes > 0), known)


def random_ledger(seed: int) -> Ledger:
    """Records of every contest; at the target every bloc stands everywhere, so any scenario can be met."""
    rng = np.random.default_rng(seed)
    return Ledger(BLOCS, tuple(random_record(c, rng, patchy=c != TARGET) for c in CONTESTS))


def scrambled(one: Record, seed: int) -> Record:
    """The same contest, day and roll with other voters, valid and votes."""
    rng = np.random.default_rng(seed)
    blocs = one.votes.shape[1]
    votes = rng.integers(0, one.registered[:, None] // blocs + 1, one.votes.shape, dtype=np.int32)
    valid = votes.sum(axis=1).astype(np.int32)
    return dataclasses.replace(one, votes=votes, valid=valid, voters=valid)


def notice_of(ledger: Ledger, contest: Contest = TARGET) -> Notice:
    """The notice of a contest that is known to be in the ledger."""
    found = ledger.notice(contest)
    assert found is not None
    return found


TREES = {
    "objective": "regression",
    "num_leaves": 4,
    "min_child_samples": 3,
    "learning_rate": 0.1,
    "seed": 1,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}
SETTINGS = ModelSettings(
    Boosting(("turnout_anchor", "registered_log", "share_prior"), (), TREES, 5, 1000, (0.0, 0.5, 1.0)),
    Boosting(("share_anchor", "registered_log"), ("standing",), TREES, 5, 1000, (0.0, 0.5, 1.0)),
)
"""Trees that are small enough for a dozen stations."""


def lessons(ledger: Ledger, cut: AsOf) -> tuple[Lesson, ...]:
    """Every contest of the ledger that was public before ``cut`` and had a past, as a lesson."""
    known = [c for c in ledger.as_of(cut).contests if ledger.as_of(c.eve).records]
    return tuple(
        Lesson(
            build(ledger.as_of(c.eve), notice_of(ledger, c), _reference(c)), ledger.outcomes(c, cut), c.eve
        )
        for c in known
    )


def training_set(ledger: Ledger, target: Contest = TARGET) -> TrainingSet:
    """What may be learned for ``target`` on its eve."""
    return TrainingSet(target, target.eve, lessons(ledger, target.eve))


def _reference(contest: Contest) -> str | None:
    found = CALENDAR.reference_of(contest)
    return found.key if found else None


def scenario(turnout: float, shares: Sequence[float], valid_rate: float = 0.97) -> Scenario:
    """National figures, given."""
    return Scenario("test", "given", "test", turnout, np.array(shares), valid_rate)


def bits(thing: object) -> bytes:
    """All the bytes of a dataclass of arrays, however nested."""
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return b"|".join(bits(getattr(thing, f.name)) for f in dataclasses.fields(thing))
    if isinstance(thing, np.ndarray):
        return f"{thing.dtype}{thing.shape}".encode() + thing.tobytes()
    return repr(thing).encode()
