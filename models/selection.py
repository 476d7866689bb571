"""Choose the champion of a target by what each candidate did at earlier targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from isoloir.domain.election import AsOf, Contest

from .baselines import POOLED

TREES = ("boosted_turnout", "boosted_shares")
CENSUS = "_census"
"""Trees, and what their names end in if they use the census."""

LEARNED = (*TREES, *(name + CENSUS for name in TREES))
"""The candidates that are fitted."""

OF_TURNOUT = ("layered", "layered_mean", "layered_kind", "transition")
"""Candidates for turnout alone: their shares are the prior's."""

MARGIN = 0.01
"""Mean regret by which a fitted candidate must be better: a tie at two or three rounds is no evidence."""


ENOUGH = 3
"""Earlier targets of a kind of vote that say more of it than all kinds together."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The errors of every candidate at one earlier target, level given: turnout in pp, votes per 100."""

    contest: Contest
    turnout: Mapping[str, float]
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Champion:
    """The candidate chosen for turnout and for shares, and the earlier targets that it was judged at."""

    turnout: str
    shares: str
    judged_at: tuple[str, ...]


def choose(earlier: Sequence[Judgement], target: Contest) -> Champion:
    """The candidates of least mean regret at earlier targets; the pool before there is any.

    Regret = error / least error of any candidate − 1. Boosted trees must undercut the best of the others by
    :data:`MARGIN`. Targets of the same kind and round count alone where there are :data:`ENOUGH`; else those
    of the same round (first, or later): two rounds of one ballot are another problem than one to the next.
    A candidate is judged where it had something to learn from, and chosen if that was so at one at least.
    """
    alike = _alike(earlier, target)
    return Champion(
        _least_regret([j.turnout for j in alike]),
        # But for the turnout that weighs them, their shares are another candidate's.
        _least_regret([{n: e for n, e in j.shares.items() if n not in OF_TURNOUT} for j in alike]),
        tuple(j.contest.key for j in alike),
    )


def _alike(earlier: Sequence[Judgement], target: Contest) -> list[Judgement]:
    kind = [j for j in earlier if (j.contest.kind, j.contest.round) == (target.kind, target.round)]
    if len(kind) >= ENOUGH:
        return kind
    return [j for j in earlier if (j.contest.round > 1) == (target.round > 1)] or list(earlier)


def _least_regret(errors: Sequence[Mapping[str, float]]) -> str:
    judged = [e for e in errors if np.isfinite(list(e.values())).all()]
    if not judged:
        return POOLED.name
    regrets: dict[str, list[float]] = {}
    for one in judged:
        least = max(min(one.values()), 1e-9)
        for name, error in one.items():
            regrets.setdefault(name, []).append(error / least - 1)
    return min(regrets, key=lambda name: float(np.mean(regrets[name])) + MARGIN * (name in LEARNED))


def known_before(earlier: Sequence[Judgement], cut: AsOf) -> list[Judgement]:
    """The judgements whose results were public before ``cut``."""
    return [j for j in earlier if cut.sees(j.contest.results_known_on)]
