"""Small invented worlds for tests: contests, records and ledgers, from a seed or by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from isoloir.domain.election import AsOf, Calendar, Contest
from isoloir.domain.facts import Belonging, Context, Facts, Movements
from isoloir.domain.forecast import FeatureMatrix, Scenario
from isoloir.domain.ledger import CommuneRecord, Ledger, Notice, Record
from isoloir.domain.station import Stations
from isoloir.features.matrix import build, with_context
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
COARSE = (
    Contest("xx", "2010_regi_t1", "regi", 1, DAY - timedelta(days=3600)),
    Contest("xx", "2018_muni_t1", "muni", 1, DAY - timedelta(days=600)),
)
"""Contests of which only communes are known."""

LONG_AGO = date(2000, 1, 1)


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


def commune_record(contest: Contest, turnout: dict[str, tuple[int, int]]) -> CommuneRecord:
    """A record by commune, called ``department-commune``: registered and voters of each."""
    codes = sorted(turnout)
    return CommuneRecord(
        contest=contest,
        known_on=contest.results_known_on,
        commune_code=np.array(codes),
        department_code=np.array([c.split("-")[0] for c in codes]),
        registered=np.array([turnout[c][0] for c in codes], np.int32),
        voters=np.array([turnout[c][1] for c in codes], np.int32),
    )


def random_commune_record(contest: Contest, rng: np.random.Generator) -> CommuneRecord:
    """Random turnout of a random half or more of the communes, one of them of no station's."""
    communes = [c for c in ("A-1", "A-2", "A-gone", "B-1", "B-2") if rng.random() < 0.8] or ["A-1"]
    registered = rng.integers(100, 5000, len(communes))
    voters = rng.binomial(registered, rng.uniform(0.3, 0.9, len(communes)))
    return commune_record(
        contest, {c: (int(r), int(v)) for c, r, v in zip(communes, registered, voters, strict=True)}
    )


FIGURES = ("population", "owner_share", "poverty_share", "median_income", "density")


def random_facts(
    name: str, level: str, codes: Sequence[str], rng: np.random.Generator, known_on: date = LONG_AGO
) -> Facts:
    """Random figures, some missing, some of those withheld."""
    shape = (len(codes), len(FIGURES))
    values = rng.uniform(0.05, 0.95, shape) * np.array([5000, 1, 1, 40_000, 3000])
    missing = rng.random(shape) < 0.2
    values = np.where(missing, np.nan, values)
    return Facts(
        name, level, name, known_on, np.array(codes), FIGURES, values, missing & (rng.random(shape) < 0.5)
    )


def random_context(rng: np.random.Generator) -> Context:
    """Figures at every level, cells and constituencies of stations, communes that became others.

    One of these, B-0, is in no random record.
    """
    every = [f"{d}-{c}-{n}" for d in "AB" for c in "12" for n in range(4)]
    cells = [f"cell-{i}" for i in range(5)]
    pairs = [(s, c) for s in every for c in rng.choice(cells, 2, replace=False)]
    weight = np.repeat(rng.uniform(0.3, 0.7, len(every)), 2)
    weight[1::2] = 1 - weight[1::2]
    days = np.array([c.held_on - timedelta(days=int(rng.integers(1, 300))) for c in CONTESTS[1:4]])
    became = ["B-0", *rng.permutation(["A-1", "A-2", "B-1", "B-2"])]
    return Context(
        (
            random_facts("communes_old", "commune", ["A-1", "A-2", "B-1", "B-2"], rng),
            random_facts("communes_new", "commune", ["A-1", "A-2", "B-1"], rng),
            random_facts("cells", "cell", cells, rng),
            random_facts("stations", "station", every[::3], rng),
        ),
        (
            Belonging(
                "in_cells", "cell", LONG_AGO, *(np.array(part) for part in zip(*pairs, strict=True)), weight
            ),
            Belonging(
                *("in_constituencies", "constituency", LONG_AGO, np.array(every)),
                rng.choice(["A01", "B01"], len(every)),
                np.ones(len(every)),
            ),
        ),
        (
            Movements(
                "movements",
                LONG_AGO,
                days.astype("datetime64[D]"),
                np.array(became[:3]),
                np.array(became[1:4]),
            ),
        ),
    )


def full_ledger(seed: int) -> Ledger:
    """As :func:`random_ledger`, with contests known by commune and with context, all public long ago."""
    rng = np.random.default_rng([seed, 1])
    communes = tuple(random_commune_record(c, rng) for c in COARSE)
    return dataclasses.replace(random_ledger(seed), communes=communes, context=random_context(rng))


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
CENSUS = ("census_owner_share", "census_median_income")
SETTINGS = ModelSettings(
    Boosting(
        ("turnout_anchor", "registered_log", "share_prior"), (), TREES, 5, 1000, (0.0, 0.5, 1.0), CENSUS
    ),
    Boosting(("share_anchor", "registered_log"), ("standing",), TREES, 5, 1000, (0.0, 0.5, 1.0), CENSUS),
)
"""Trees that are small enough for a dozen stations."""


def lessons(ledger: Ledger, cut: AsOf) -> tuple[Lesson, ...]:
    """Every contest of the ledger that was public before ``cut`` and had a past, as a lesson.

    Each with the context that was public before ``cut``.
    """
    known = [c for c in ledger.as_of(cut).contests if ledger.as_of(c.eve).records]
    context = ledger.context.before(cut)
    return tuple(
        Lesson(with_context(matrix_of(ledger, c), context), ledger.outcomes(c, cut), c.eve) for c in known
    )


def matrix_of(ledger: Ledger, contest: Contest, notice: Notice | None = None) -> FeatureMatrix:
    """The matrix of a contest on its eve, of its own notice or another."""
    return build(ledger.as_of(contest.eve), notice or notice_of(ledger, contest), reference_of(contest))


def training_set(ledger: Ledger, target: Contest = TARGET) -> TrainingSet:
    """What may be learned for ``target`` on its eve."""
    return TrainingSet(target, target.eve, lessons(ledger, target.eve))


def reference_of(contest: Contest) -> str | None:
    """The key of the contest that swings of ``contest`` are counted from."""
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
