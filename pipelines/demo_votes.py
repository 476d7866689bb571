"""The votes of the invented country: leanings that drift, shocks shared by areas, and chance. No files.

For a patch p, bloc b and round t::

    log share(p, b, t) = level(b, t) + lean(p, b) + walk(p, b, t) + habit(kind, commune, b)
                         + shock(département, ballot) + shock(commune, ballot) + shock(p, ballot)

turned into shares by a softmax; a bloc that does not stand gives its part to those nearest to it; then votes
are drawn from a multinomial. Turnout is the same on the logit, and voters are drawn from a binomial.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .demo_ballots import BLOCS, CONTESTS, POSTAL_CONTESTS, DemoContest
from .demo_country import DEPARTMENTS, Country, Floats, Ints, Mask
from .demo_events import Geography
from .demo_offers import Offer, first_round, second_round

_AT_FIRST = np.log([0.36, 0.18, 0.28, 0.13, 0.05])
_AT_LAST = np.log([0.29, 0.23, 0.13, 0.30, 0.05])
"""Levels of the blocs at the first and the last contest; in between they move in a straight line of logs."""

_KINDS = ("pres", "legi", "euro", "regi", "dpmt")
_TURNOUT = {"pres": 1.3, "legi": 0.1, "euro": -0.1, "regi": -0.15, "dpmt": -0.05}
_BLANK_NULL = {1: 0.02, 2: 0.065}

# Where the votes of a bloc go that does not stand: row to column.
_AFFINITY = np.array(
    [
        [0.0, 0.60, 0.10, 0.20, 0.10],
        [0.40, 0.0, 0.40, 0.10, 0.10],
        [0.10, 0.45, 0.0, 0.35, 0.10],
        [0.20, 0.10, 0.50, 0.0, 0.20],
        [0.30, 0.20, 0.20, 0.30, 0.0],
    ]
)


@dataclass(frozen=True, slots=True)
class Round:
    """What a round came to: counts by station [S], and votes by slot of the offer [S × C].

    ``stations`` are positions in ``geography``, ``area`` positions in the offer's areas.
    """

    contest: DemoContest
    geography: Geography
    offer: Offer
    stations: Ints
    area: Ints
    registered: Ints
    voters: Ints
    blank: Ints
    null: Ints
    votes: Ints

    @property
    def valid(self) -> Ints:
        """Valid votes [S]."""
        return self.voters - self.blank - self.null


@dataclass
class _Mood:
    """What moves from one contest to the next, and what a ballot's two rounds share."""

    walk: Floats
    will_walk: Floats
    shock: Floats
    will_shock: Floats


def hold_all(rng: np.random.Generator, country: Country) -> Iterator[Round]:
    """The rounds of :data:`CONTESTS`, in order."""
    p, m = len(country.patches.electors), len(country.communes.code)
    habits = rng.normal(0, 0.1, (len(_KINDS), m, len(BLOCS)))
    will_habits = rng.normal(0, 0.1, (len(_KINDS), m))
    growth = rng.normal(0.004, 0.007, m)[country.patches.commune] + rng.normal(0, 0.004, p)
    mood = _Mood(np.zeros((p, len(BLOCS))), np.zeros(p), np.zeros((p, len(BLOCS))), np.zeros(p))
    offer: Offer | None = None
    held: Round | None = None
    for number, contest in enumerate(CONTESTS):
        if contest.round == 1 or held is None:
            years = (contest.held_on - CONTESTS[max(0, number - 1)].held_on).days / 365.25
            _move(rng, country, mood, years)
            offer = first_round(rng, country, contest)
        else:
            offer = second_round(rng, contest, held.offer, _votes_by_area(held))
        kind = _KINDS.index(contest.kind)
        commune = country.patches.commune
        lean = _level(contest) + country.patches.lean + mood.walk + mood.shock + habits[kind][commune]
        will = country.patches.will + mood.will_walk + mood.will_shock + will_habits[kind][commune]
        electors = country.patches.electors * np.exp(growth * (contest.held_on.year - 2016))
        held = _hold(rng, country, contest, offer, np.rint(electors).astype(np.int64), lean, will)
        yield held


def _level(contest: DemoContest) -> Floats:
    span = (CONTESTS[-1].held_on - CONTESTS[0].held_on).days
    part = (contest.held_on - CONTESTS[0].held_on).days / span
    return np.asarray(_AT_FIRST * (1 - part) + _AT_LAST * part)


def _move(rng: np.random.Generator, country: Country, mood: _Mood, years: float) -> None:
    """Let leanings drift for ``years`` and draw the shocks of a new ballot, in place."""
    commune, b = country.patches.commune, len(BLOCS)
    department = country.communes.department[commune]
    p, m, d = len(commune), len(country.communes.code), len(DEPARTMENTS)
    step = float(np.sqrt(years))
    mood.walk += step * (rng.normal(0, 0.035, (m, b))[commune] + rng.normal(0, 0.02, (p, b)))
    mood.will_walk += step * (rng.normal(0, 0.02, m)[commune] + rng.normal(0, 0.015, p))
    mood.shock = rng.normal(0, 0.13, b) + rng.normal(0, 0.06, (d, b))[department]
    mood.shock += rng.normal(0, 0.05, (m, b))[commune] + rng.normal(0, 0.04, (p, b))
    mood.will_shock = rng.normal(0, 0.15) + rng.normal(0, 0.07, d)[department]
    mood.will_shock += rng.normal(0, 0.06, m)[commune] + rng.normal(0, 0.05, p)


def _votes_by_area(held: Round) -> Ints:
    votes = np.zeros(held.offer.bloc.shape, dtype=np.int64)
    np.add.at(votes, held.area, held.votes)
    return votes


def _hold(
    rng: np.random.Generator,
    country: Country,
    contest: DemoContest,
    offer: Offer,
    registered: Ints,
    lean: Floats,
    will: Floats,
) -> Round:
    geography = country.geography(contest.held_on)
    area = _area_of_station(country, geography, offer)
    area_of_patch = area[geography.station_of_patch]
    votes_here = (area_of_patch >= 0) & offer.stands[area_of_patch].any(axis=1)
    votes_here &= ~country.patches.postal | (contest.key in POSTAL_CONTESTS)
    registered = np.where(_nobody_left(rng, country), 0, registered)
    turnout = _TURNOUT[contest.kind] + will + rng.normal(0, 0.03, len(will)) - 0.05 * (contest.round - 1)
    voters = rng.binomial(registered, 1 / (1 + np.exp(-turnout)))
    spoilt = rng.binomial(voters, _BLANK_NULL[contest.round])
    spoilt = np.where(_all_spoil(rng, country), voters, spoilt)
    blank = rng.binomial(spoilt, 0.7)
    chances = _chances(rng, offer, area_of_patch, lean)
    # Somebody stands wherever votes are counted: the others' draws are thrown away below.
    drawn = rng.multinomial(voters - spoilt, chances)
    alone = country.patches.unanimous
    favourite = np.eye(chances.shape[1], dtype=np.int64)[chances[alone].argmax(axis=1)]
    drawn[alone] = (voters - spoilt)[alone, None] * favourite
    counts = np.column_stack((registered, voters, blank, spoilt - blank, drawn))
    summed = np.zeros((len(geography.station_id), counts.shape[1]), dtype=np.int64)
    np.add.at(summed, geography.station_of_patch[votes_here], counts[votes_here])
    stations = np.unique(geography.station_of_patch[votes_here])
    r, v, bl, nu = summed[stations, :4].T
    return Round(contest, geography, offer, stations, area[stations], r, v, bl, nu, summed[stations, 4:])


def _area_of_station(country: Country, geography: Geography, offer: Offer) -> Ints:
    # A station that was made from two constituencies votes where its first patch does.
    first = np.unique(geography.station_of_patch, return_index=True)[1]
    return np.asarray(offer.areas.of_patch[first])


def _tiny(country: Country) -> Ints:
    patches = country.patches
    tiny = (patches.electors <= 45) & ~patches.unanimous & ~patches.second
    return np.flatnonzero(tiny)


def _nobody_left(rng: np.random.Generator, country: Country) -> Mask:
    """One tiny patch, which has no elector in this round."""
    return np.isin(np.arange(len(country.patches.electors)), rng.choice(_tiny(country)[::2], 1))


def _all_spoil(rng: np.random.Generator, country: Country) -> Mask:
    """One other tiny patch, whose voters cast no valid vote in this round."""
    return np.isin(np.arange(len(country.patches.electors)), rng.choice(_tiny(country)[1::2], 1))


def _chances(rng: np.random.Generator, offer: Offer, area: Ints, lean: Floats) -> Floats:
    """The share of each slot [P × C], 0 where nobody stands; rows sum to 1, also where no vote is held."""
    stands = offer.stands[area]
    bloc = offer.bloc[area]
    shares = np.exp(lean - lean.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    strength = np.exp(offer.strength[area] + rng.normal(0, 0.08, bloc.shape)) * stands
    of_bloc = np.stack([(strength * (bloc == b)).sum(axis=1) for b in range(len(BLOCS))], axis=1)
    shares = _without_absent(shares, of_bloc > 0)
    total = np.take_along_axis(of_bloc, bloc, axis=1)
    part = np.divide(strength, total, out=np.zeros_like(strength), where=total > 0)
    chances = np.take_along_axis(shares, bloc, axis=1) * part
    held = stands.any(axis=1)
    chances[~held, 0] = 1.0
    return np.asarray(chances / chances.sum(axis=1, keepdims=True))


def _without_absent(shares: Floats, present: Mask) -> Floats:
    """Shares [P × B] once the part of absent blocs went to the present ones, by affinity."""
    flow = _AFFINITY[None, :, :] * present[:, None, :]
    total = flow.sum(axis=2, keepdims=True)
    flow = np.divide(flow, total, out=np.zeros_like(flow), where=total > 0)
    given = np.einsum("pb,pbc->pc", shares * ~present, flow)
    return np.asarray(shares * present + given)
