"""Who stands where in each round of the invented country."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .demo_ballots import (
    BLOCS,
    FIRST_NAMES,
    PANEL_LETTERS,
    PANELS,
    SURNAMES,
    ZERO_FILLED,
    DemoContest,
    nuances,
)
from .demo_country import (
    DEPARTMENTS,
    REGION_OF_DEPARTMENT,
    Country,
    Floats,
    Ints,
    Mask,
    Text,
)

# How often a bloc stands in a constituency or a canton, and with a second candidate of the same nuance.
_STANDS = np.array([0.97, 0.9, 0.85, 0.93, 0.6])
_STANDS_TWICE = np.array([0.3, 0.05, 0.25, 0.05, 0.5])


@dataclass(frozen=True, slots=True)
class Areas:
    """The areas of a kind of ballot: for each patch the position of its own, or -1 where it does not vote."""

    code: Text
    of_patch: Ints


@dataclass(frozen=True, slots=True)
class Offer:
    """Candidates [K areas × C slots]. ``stands`` marks those that can be voted for.

    ``bloc`` is a position, ``strength`` the log of a candidate's part of its bloc; ``label`` is the nuance,
    or "" where panels speak; ``surname`` and ``first_name`` are positions in the planted names.
    ``listed`` marks those with rows, more than stand if the round is zero-filled.
    """

    areas: Areas
    bloc: Ints
    label: Text
    stands: Mask
    listed: Mask
    strength: Floats
    surname: Ints
    first_name: Ints


def areas_of(country: Country, kind: str) -> Areas:
    """The nation, the regions, the constituencies or the cantons, by the kind of ballot."""
    commune = country.patches.commune
    department = country.communes.department[commune]
    if kind == "pres" or kind == "euro":
        return Areas(np.array(["0"]), np.zeros(len(commune), dtype=np.int64))
    if kind == "regi":
        return Areas(np.array(["R1", "R2", "R3", "R4"]), REGION_OF_DEPARTMENT[department])
    held = np.ones(len(commune), dtype=bool) if kind == "legi" else department < len(DEPARTMENTS) - 1
    number = country.patches.constituency if kind == "legi" else country.communes.canton[commune]
    prefix = np.array([code for code, _ in DEPARTMENTS])[department]
    codes = np.array([f"{d}{n:02d}" for d, n in zip(prefix, number, strict=True)])
    code, of_patch = np.unique(codes[held], return_inverse=True)
    positions = np.full(len(commune), -1, dtype=np.int64)
    positions[held] = of_patch
    return Areas(code, positions)


def first_round(rng: np.random.Generator, country: Country, contest: DemoContest) -> Offer:
    """The candidates of a first round."""
    areas = areas_of(country, contest.kind)
    if contest.kind == "pres":
        blocs = np.array([BLOCS.index(PANEL_LETTERS[letter]) for letter in PANELS[contest.key]])
        return _national(rng, areas, blocs, np.full(len(blocs), "", dtype="<U8"))
    pairs = [(b, code) for b, bloc in enumerate(BLOCS) for code in nuances(bloc, contest)]
    blocs, labels = np.array([b for b, _ in pairs]), np.array([code for _, code in pairs])
    if contest.kind == "euro":
        offer = _national(rng, areas, blocs, labels)
        return _zero_filled(offer, country) if contest.key in ZERO_FILLED else offer
    if contest.kind == "regi":
        return _by_area(rng, areas, blocs, labels, np.array([1.0, 1.0, 0.9, 1.0, 0.7]), np.zeros(len(BLOCS)))
    return _by_area(rng, areas, blocs, labels, _STANDS, _STANDS_TWICE)


def second_round(rng: np.random.Generator, contest: DemoContest, offer: Offer, votes: Ints) -> Offer:
    """Those of ``offer`` who go on, given the votes [K × C] of the first round, in the same slots.

    Two go on in a constituency or a canton, unless one has half the votes or, here and there, one withdraws;
    of a region's lists three go on; the presidential finalists are those that the panels name.
    """
    if contest.kind == "pres":
        wanted = [BLOCS.index(PANEL_LETTERS[letter]) for letter in PANELS[contest.key]]
        first = [int(np.flatnonzero(offer.bloc[0] == bloc)[0]) for bloc in wanted]
        stays = np.isin(np.arange(offer.bloc.shape[1]), first)[None, :]
        return replace(offer, stands=stays, listed=stays)
    go_on = 3 if contest.kind == "regi" else 2
    ranked = np.argsort(np.argsort(-np.where(offer.stands, votes, -1), axis=1, kind="stable"), axis=1)
    stays = offer.stands & (ranked < go_on)
    if contest.kind != "regi":
        decided = votes.max(axis=1) > 0.5 * votes.sum(axis=1)
        withdrawn = rng.random(len(votes)) < 0.12
        # At least one area has no second round, whatever the draws.
        withdrawn[-1] = True
        stays &= ~(decided | withdrawn)[:, None]
    return replace(offer, stands=stays, listed=stays)


def _national(rng: np.random.Generator, areas: Areas, blocs: Ints, labels: Text) -> Offer:
    n = len(blocs)
    stands = np.ones((1, n), dtype=bool)
    return Offer(
        areas=areas,
        bloc=blocs[None, :],
        label=labels[None, :],
        stands=stands,
        listed=stands,
        strength=_strengths(rng, blocs[None, :]),
        surname=rng.permutation(len(SURNAMES))[None, :n],
        first_name=rng.integers(0, len(FIRST_NAMES), (1, n)),
    )


def _zero_filled(offer: Offer, country: Country) -> Offer:
    # The last nuance stands in the second region alone, and has a row everywhere.
    department = country.communes.department[country.patches.commune]
    here = (REGION_OF_DEPARTMENT[department] == 1).astype(np.int64)
    twice = np.zeros(2, dtype=np.int64)
    stands = offer.stands[twice]
    stands[0, -1] = False
    return Offer(
        areas=Areas(np.array(["0", "1"]), here),
        bloc=offer.bloc[twice],
        label=offer.label[twice],
        stands=stands,
        listed=offer.listed[twice],
        strength=offer.strength[twice],
        surname=offer.surname[twice],
        first_name=offer.first_name[twice],
    )


def _by_area(
    rng: np.random.Generator, areas: Areas, blocs: Ints, labels: Text, often: Floats, twice: Floats
) -> Offer:
    # Two slots for each nuance: the second is another candidate of the same one.
    k, bloc, label = len(areas.code), np.repeat(blocs, 2), np.repeat(labels, 2)
    leading = np.append(True, bloc[1:] != bloc[:-1])
    again = np.arange(len(bloc)) % 2 == 1
    here = rng.random((k, len(often))) < often
    # Red and gold stand in the first two areas: somebody has to.
    here[:2, [0, 3]] = True
    chance = np.where(leading, 1.0, np.where(again, twice[bloc], 0.5))
    stands = here[:, bloc] & (rng.random((k, len(bloc))) < chance)
    stands &= ~again | np.roll(stands, 1, axis=1)
    empty = ~stands.any(axis=1)
    stands[empty, 0] = True
    blocs_here = np.repeat(bloc[None, :], k, axis=0)
    surname = rng.permuted(np.repeat(np.arange(len(SURNAMES))[None, :], k, axis=0), axis=1)[:, : len(bloc)]
    first_name = rng.integers(0, len(FIRST_NAMES), (k, len(bloc)))
    # Two candidates of the first area bear one surname.
    pair = np.flatnonzero(stands[0])[:2]
    surname[0, pair[-1]] = surname[0, pair[0]]
    first_name[0, pair] = (0, 1)[: len(pair)]
    return Offer(
        areas=areas,
        bloc=blocs_here,
        label=np.repeat(label[None, :], k, axis=0),
        stands=stands,
        listed=stands,
        strength=_strengths(rng, blocs_here),
        surname=surname,
        first_name=first_name,
    )


def _strengths(rng: np.random.Generator, bloc: Ints) -> Floats:
    # The first of a bloc leads it, so that a bloc's finalist is known beforehand.
    first = np.zeros(bloc.shape[1], dtype=bool)
    first[np.unique(bloc[0], return_index=True)[1]] = True
    return np.where(first, 0.2, rng.normal(-1.3, 0.4, bloc.shape))
