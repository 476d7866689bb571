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


SAME_KIND = 2.0
"""How much an earlier target of the same kind and round counts, one of another kind counting 1."""


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
    :data:`MARGIN`. Targets of the same round (first, or later) count alone where there are any: two rounds of
    one ballot are another problem than one ballot to the next. Those of the same kind count
    :data:`SAME_KIND`.
    A candidate is judged where it had something to learn from, and chosen if that was so at one at least.
    """
    alike = [j for j in earlier if (j.contest.round > 1) == (target.round > 1)] or list(earlier)
    weights = [
        SAME_KIND if (j.contest.kind, j.contest.round) == (target.kind, target.round) else 1.0 for j in alike
    ]
    return Champion(
        _least_regret([j.turnout for j in alike], weights),
        # But for the turnout that weighs them, their shares are another candidate's.
        _least_regret([{n: e for n, e in j.shares.items() if n not in OF_TURNOUT} for j in alike], weights),
        tuple(j.contest.key for j in alike),
    )


def _least_regret(errors: Sequence[Mapping[str, float]], weights: Sequence[float]) -> str:
    regrets: dict[str, list[float]] = {}
    counts: dict[str, list[float]] = {}
    for one, weight in zip(errors, weights, strict=True):
        if not one or not np.isfinite(list(one.values())).all():
            continue
        least = max(min(one.values()), 1e-9)
        for name, error in one.items():
            regrets.setdefault(name, []).append(error / least - 1)
            counts.setdefault(name, []).append(weight)
    if not regrets:
        return POOLED.name

    def mean(name: str) -> float:
        return float(np.average(regrets[name], weights=counts[name])) + MARGIN * (name in LEARNED)

    return min(regrets, key=mean)


def known_before(earlier: Sequence[Judgement], cut: AsOf) -> list[Judgement]:
    """The judgements whose results were public before ``cut``."""
    return [j for j in earlier if cut.sees(j.contest.results_known_on)]
