"""The national level where nobody states it: the last one, carried, and a spread learnt from earlier changes.

A level is carried from the last contest of the same kind and round; that of a second round whose first is
known, from the first. With x the logit of national turnout, the changes x − x' of earlier contests, x' being
what each would have been carried from, are taken for draws of s · t(ν), a Student t about 0: heavy tails,
since a level may break. s is fitted by maximum likelihood to the changes pooled over kinds, and then to those
of the kind alone with the pooled s as a log-normal prior. Shares of blocs are treated alike, on their logs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from scipy.stats import t as student

from isoloir.domain.election import Contest, first_round_among
from isoloir.domain.forecast import FeatureMatrix, Scenario
from isoloir.domain.ledger import Past, Record
from isoloir.domain.national import NationalFigure, NationalPast

from .backtest import level_carried

Floats = NDArray[np.float64]

LEAST = 3
"""Earlier changes without which a spread is not estimable."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a level is moved and its spread is fitted.

    ``df``: ν; 4 is usual where too few changes are known to fit it (Lange, Little and Taylor 1989, JASA 84).
    ``freedom``: standard deviation of the log of a kind's own scale about the pooled one; 0: pooled alone.
    ``pull``: a second round is moved from its first by the mean change of its kind, as many changes of 0
    added; infinite: it is not moved.
    """

    df: float = 4.0
    freedom: float = 0.6
    pull: float = 0.0


RECIPE = Recipe()
"""Chosen by benchmarks/level.py on rounds before 2020; of two freedoms as good, the one nearer the pool."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a level came to less what it would have been carried from: ``values`` on a logit or log scale.

    One value of turnout; of shares, one per bloc that stood in both. ``key`` names the later contest.
    """

    kind: str
    key: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """``scale`` and degrees of freedom ``df`` of a Student t about 0, and the contests it was learnt from."""

    scale: float
    df: float
    changes: tuple[str, ...]

    @property
    def estimable(self) -> bool:
        """Whether enough earlier changes are known; where not, ``scale`` is 0 and says nothing."""
        return len(self.changes) >= LEAST


@dataclass(frozen=True, slots=True)
class Level:
    """National turnout carried from the contest ``source``, and the spread of its logit."""

    turnout: float
    source: str
    spread: Spread

    @property
    def estimable(self) -> bool:
        """Whether the spread is known."""
        return self.spread.estimable

    def quantile(self, p: float) -> float:
        """The turnout in [0, 1] that is not exceeded with probability ``p``; NaN where not estimable."""
        if not self.estimable:
            return float("nan")
        return float(expit(_logit(self.turnout) + self.spread.scale * student.ppf(p, self.spread.df)))

    def draws(self, rng: np.random.Generator, count: int) -> Floats:
        """Draws of the logit of turnout [count]; NaN where not estimable."""
        if not self.estimable:
            return np.full(count, np.nan)
        return np.asarray(_logit(self.turnout) + self.spread.scale * rng.standard_t(self.spread.df, count))


def level_of(past: NationalPast, target: Contest, recipe: Recipe = RECIPE) -> Level | None:
    """The carried turnout of ``target`` and its spread; None where no figure of its kind and round is known.

    All figures are used, those from memory too: what these may be wrong by is little beside any change.
    """
    contests = {_contest(f): f for f in past.figures}
    first = first_round_among(contests, target)
    if first is not None:
        figure, changes = contests[first], _within_ballots(contests)
    else:
        same = past.of(target.kind, target.round)
        if not same:
            return None
        figure, changes = same[-1], _between_ballots(past, target.round)
    moved = _mean_move(changes, target.kind, recipe.pull) if first is not None else 0.0
    turnout = figure.turnout if moved == 0 else float(expit(_logit(figure.turnout) + moved))
    return Level(turnout, figure.key, spread_of(changes, target.kind, recipe))


def level_learnt(matrix: FeatureMatrix, national: NationalPast, results: Past) -> Scenario:
    """What :func:`level_carried` says, its turnout by :func:`level_of`, both with the spread of such levels.

    Both are of the degrees of freedom of turnout: the scale of shares is the one whose 90 % band is that of
    their own. Not estimable where the spread of either is not, which then is 0.
    """
    target, carried = matrix.notice.contest, level_carried(matrix)
    level, shares = level_of(with_results(national, results), target), shares_spread(results, target)
    if level is None:
        return replace(carried, changes=0)
    whence = level.source
    if level.source != carried.source:
        whence = f"{level.source} (turnout), {carried.source} (shares)"
    # What is carried from another kind of vote has not the spread of its own kind.
    alike = any(
        c.key == carried.source and (c.kind, c.round) == (target.kind, target.round) for c in results.contests
    )
    if not alike:
        shares = Spread(0.0, shares.df, ())
    df = level.spread.df if level.estimable else shares.df
    return replace(
        carried,
        name=f"carried from {whence}",
        source=whence,
        turnout=level.turnout,
        turnout_sd=level.spread.scale,
        shares_sd=scale_at(shares.scale, shares.df, df),
        df=df,
        changes=len(level.spread.changes),
        estimable=level.estimable and (shares.estimable or not results.blocs),
    )


def turnout_band(scenario: Scenario, alpha: float = 0.1) -> tuple[float, float]:
    """The bounds in [0, 1] that hold the national turnout with probability 1 − ``alpha``."""
    off = scenario.turnout_sd * _upper(scenario.df, alpha)
    centre = _logit(scenario.turnout)
    return float(expit(centre - off)), float(expit(centre + off))


def scale_at(scale: float, df: float | None, other: float | None) -> float:
    """The scale at ``other`` degrees of freedom (None: Gaussian) of the 90 % band of ``scale`` at ``df``."""
    return scale if df == other else scale * _upper(df, 0.1) / _upper(other, 0.1)


def _upper(df: float | None, alpha: float) -> float:
    return float(student.ppf(1 - alpha / 2, np.inf if df is None else df))


def with_results(past: NationalPast, results: Past) -> NationalPast:
    """The published figures, with the turnout of ``results`` for contests that have none, or one from memory.

    The scope of these is unstated, unless a figure from memory states it.
    """
    held = {f.key: f for f in past.figures}
    own = [_figure(r) for r in results.records if r.registered.sum() > 0 and past.as_of.sees(r.known_on)]
    for figure in own:
        if figure.key not in held:
            held[figure.key] = figure
        elif not held[figure.key].checked:
            held[figure.key] = replace(held[figure.key], turnout=figure.turnout, source=figure.source)
    return NationalPast(past.as_of, tuple(sorted(held.values(), key=lambda f: (f.held_on, f.key))))


def shares_spread(results: Past, target: Contest, recipe: Recipe = RECIPE) -> Spread:
    """The spread of log shares about those of the last contest of the same kind and round."""
    known = [r for r in results.records if r.contest.round == target.round and r.shares_known.any()]
    shares = np.array([_national_shares(r) for r in known]).reshape(len(known), len(results.blocs))
    return spread_of(share_changes([r.contest for r in known], shares), target.kind, recipe)


def share_changes(contests: Sequence[Contest], shares: Floats) -> list[Change]:
    """The changes of log ``shares`` [C × B] between contests, in order of day, of the same kind and round.

    Of the blocs that have a share in both, each time brought to a sum of 1; none where there are not two.
    """
    last: dict[tuple[str, int], Floats] = {}
    changes = []
    for contest, now in zip(contests, shares, strict=True):
        then = last.get((contest.kind, contest.round))
        last[contest.kind, contest.round] = now
        both = (now > 0) & (then > 0) if then is not None else np.zeros(len(now), np.bool_)
        if then is None or both.sum() < 2:
            continue
        moved = np.log(now[both] / now[both].sum()) - np.log(then[both] / then[both].sum())
        changes.append(Change(contest.kind, contest.key, tuple(moved.tolist())))
    return changes


def spread_of(changes: Sequence[Change], kind: str, recipe: Recipe = RECIPE) -> Spread:
    """The spread of a change to come of ``kind``; not estimable of fewer than :data:`LEAST`.

    That the scale is estimated is allowed for as with a normal one: no more degrees of freedom than
    changes − 1, and a scale times √(1 + 1 / changes).
    """
    keys, count = tuple(c.key for c in changes), len(changes)
    df = min(recipe.df, max(1.0, count - 1.0))
    values = np.array([v for c in changes for v in c.values])
    if count < LEAST:
        return Spread(0.0, df, keys)
    pooled = fitted_scale(values, recipe.df)
    own = np.array([v for c in changes if c.kind == kind for v in c.values])
    scale = pooled
    if recipe.freedom > 0 and len(own):
        # Values of one contest are not independent: they count as one change against the prior.
        weight = sum(c.kind == kind for c in changes) / len(own)
        scale = fitted_scale(own, recipe.df, weight, (pooled, recipe.freedom))
    return Spread(scale * float(np.sqrt(1 + 1 / count)), df, keys)


def fitted_scale(
    values: Floats, df: float, weight: float = 1.0, prior: tuple[float, float] | None = None
) -> float:
    """The scale of a Student t about 0 of greatest likelihood, each value counting ``weight`` times.

    ``prior``: the median of a log-normal one, and the standard deviation of its logarithm.
    """

    def loss(log_scale: float) -> float:
        said = student.logpdf(values / np.exp(log_scale), df) - log_scale
        off = 0.0 if prior is None else ((log_scale - np.log(prior[0])) / prior[1]) ** 2 / 2
        return float(off - weight * said.sum())

    widest = float(np.log(max(np.abs(values).max(), 1e-9)))
    found = minimize_scalar(loss, bounds=(widest - 12, widest + 3), method="bounded")
    return float(np.exp(found.x))


def _within_ballots(contests: dict[Contest, NationalFigure]) -> list[Change]:
    """Changes from the first to the second round of one ballot."""
    changes = []
    for contest, figure in contests.items():
        first = first_round_among(contests, contest)
        if first is not None and contest.round == 2:
            changes += _change(contests[first], figure)
    return changes


def _between_ballots(past: NationalPast, turn: int) -> list[Change]:
    """Changes from one contest to the next of the same kind, both of round ``turn``."""
    last: dict[str, NationalFigure] = {}
    changes: list[Change] = []
    for figure in past.figures:
        if figure.round != turn:
            continue
        if figure.kind in last:
            changes += _change(last[figure.kind], figure)
        last[figure.kind] = figure
    return changes


def _change(then: NationalFigure, now: NationalFigure) -> list[Change]:
    """The change, or none where the two figures are not of the same electors, by what they say."""
    if then.scope != now.scope:
        return []
    return [Change(now.kind, now.key, (_logit(now.turnout) - _logit(then.turnout),))]


def _mean_move(changes: Sequence[Change], kind: str, pull: float) -> float:
    own = [c.values[0] for c in changes if c.kind == kind]
    return sum(own) / (len(own) + pull) if own else 0.0


def _logit(turnout: float) -> float:
    return float(logit(np.clip(turnout, 1e-6, 1 - 1e-6)))


def _contest(figure: NationalFigure) -> Contest:
    return Contest("", figure.key, figure.kind, figure.round, figure.held_on)


def _figure(record: Record) -> NationalFigure:
    contest, registered, voters = record.contest, int(record.registered.sum()), int(record.voters.sum())
    return NationalFigure(
        contest.key, contest.kind, contest.round, contest.held_on, record.known_on, voters / registered,
        registered, voters, int(record.valid.sum()), (), "unstated", "sum of the results", True,
    )  # fmt: skip


def _national_shares(record: Record) -> Floats:
    votes = record.votes[record.shares_known].sum(axis=0).astype(np.float64)
    return np.asarray(votes / max(1.0, votes.sum()))
