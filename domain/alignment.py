"""Align two ordered lists of sizes: which of the old is which of the new, and how likely each pair is.

A pair hidden Markov model (Durbin, Eddy, Krogh & Mitchison 1998, ch. 4): an alignment is a path of moves,
each of which uses up old and new members: one for one, one for two (a split), two for one (a merger), one old
that was closed, one new that was opened. Summing over all paths, forward and backward, gives the probability
that a move is on the true path. Everything is relative to chance: a score of 0 is that of two lists that have
nothing to do with each other. Many lists are aligned at once, anti-diagonal by anti-diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

MOVES = ((1, 1), (1, 2), (2, 1), (1, 0), (0, 1))
"""Old and new members that a move uses up; the last two leave one without a partner."""

CHANCE = (0.938, 0.001, 0.001, 0.03, 0.03)
"""How often each move is made."""

OTHERS = 0.1
"""How often other people are behind a code that was kept."""

PAIRING = 3
"""The first moves, those that pair."""


@dataclass(frozen=True, slots=True)
class Lists:
    """A padded batch of lists: logs of sizes ``old`` [K × N] and ``new`` [K × M], how long each list is.

    ``same`` [K × N × M]: the two members bear the same code. ``growth`` [K]: by which the log of a size that
    stayed itself went up.
    """

    old: Floats
    new: Floats
    n_old: Ints
    n_new: Ints
    same: NDArray[np.bool_]
    growth: Floats


@dataclass(frozen=True, slots=True)
class Drift:
    """How sizes move where nothing happened, and how far apart two members are by chance.

    The log of new over old, less the list's growth, is Laplace of ``scale`` for a true pair. For two met by
    chance it is normal, of standard deviation ``spread``.
    """

    scale: float
    spread: float

    def odds(self, old: Floats, new: Floats, growth: Floats) -> Floats:
        """Log-odds of a true pair against chance, for logs of sizes and growths that broadcast.

        Never more for sizes that are further apart: where the normal falls faster than Laplace, beyond
        spread² / scale, the odds stay at their least.
        """
        apart = np.asarray(new - old)
        furthest = self.spread**2 / self.scale
        drifted = np.minimum(np.abs(apart - growth), furthest)
        true = -drifted / self.scale - np.log(2 * self.scale)
        met = np.minimum(np.abs(apart), furthest) / self.spread
        return np.asarray(true + met**2 / 2 + np.log(self.spread * np.sqrt(2 * np.pi)))


@dataclass(frozen=True, slots=True)
class Aligned:
    """Log-odds [K] of the lists against chance over all alignments, and the probability of each pairing move.

    ``moves`` [3 × K × N+1 × M+1]: that the move which ends after i old and j new members is on the path.
    """

    odds: Floats
    moves: Floats


def align(lists: Lists, drift: Drift, recoded: float | None) -> Aligned:
    """The alignments of every list of the batch; ``recoded`` is how often a true pair has another code.

    None: codes say nothing, and members before the first and behind the last pair cost nothing, as where a
    block of stations went elsewhere.
    """
    gains = _gains(lists, drift, 0.0 if recoded is None else float(np.log(recoded)))
    if recoded is None:
        _free_ends(gains, lists)
    forward, backward = _forward(gains), _backward(gains, lists)
    k = np.arange(len(lists.n_old))
    total = forward[k, lists.n_old, lists.n_new]
    moves = np.zeros((PAIRING, *forward.shape))
    for move, (a, b) in enumerate(MOVES[:PAIRING]):
        before = forward[:, : forward.shape[1] - a, : forward.shape[2] - b]
        along = before + gains[move][:, a:, b:] + backward[:, a:, b:] - total[:, None, None]
        moves[move][:, a:, b:] = np.exp(np.minimum(along, 0.0))
    return Aligned(total, moves)


def _gains(lists: Lists, drift: Drift, recoded: float) -> Floats:
    """The log-odds [5 × K × N+1 × M+1] of each move that ends after i old and j new members."""
    old, new = lists.old, lists.new
    two_old, two_new = (np.logaddexp(sizes[:, 1:], sizes[:, :-1]) for sizes in (old, new))
    one_new = lists.same[:, :, 1:] | lists.same[:, :, :-1]
    one_old = lists.same[:, 1:, :] | lists.same[:, :-1, :]
    gains = np.full((len(MOVES), len(old), old.shape[1] + 1, new.shape[1] + 1), -np.inf)
    ends = ((old, new, lists.same), (old, two_new, one_new), (two_old, new, one_old))
    for move, (before, after, code) in enumerate(ends):
        a, b = MOVES[move]
        odds = drift.odds(before[:, :, None], after[:, None, :], lists.growth[:, None, None])
        odds = np.where(code, np.logaddexp(np.log(1 - OTHERS) + odds, np.log(OTHERS)), odds + recoded)
        gains[move][:, a:, b:] = odds + np.log(CHANCE[move])
    gains[3][:, 1:, :] = np.log(CHANCE[3])
    gains[4][:, :, 1:] = np.log(CHANCE[4])
    return gains


def _free_ends(gains: Floats, lists: Lists) -> None:
    i, j = np.arange(gains.shape[2]), np.arange(gains.shape[3])
    at_old = (i == 0) | (i == lists.n_old[:, None])
    at_new = (j == 0) | (j == lists.n_new[:, None])
    gains[3][:, 1:] = np.where(at_new[:, None, :], 0.0, gains[3][:, 1:])
    gains[4][:, :, 1:] = np.where(at_old[:, :, None], 0.0, gains[4][:, :, 1:])
    # Paid once at either end: where to begin or to stop is one of so many places.
    k, toll = np.arange(len(lists.n_old)), -np.log(lists.n_old + lists.n_new)
    for move, edge in ((3, gains[3][:, 1, 0]), (4, gains[4][:, 0, 1])):
        edge += toll
        gains[move][k, lists.n_old, lists.n_new] += toll


def _forward(gains: Floats) -> Floats:
    """The log-sum over paths from the beginning [K × N+1 × M+1]."""
    _, k, n, m = gains.shape
    total = np.full((k, n, m), -np.inf)
    total[:, 0, 0] = 0.0
    for d in range(1, n + m - 1):
        i = np.arange(max(0, d - m + 1), min(d, n - 1) + 1)
        j = d - i
        steps = []
        for move, (a, b) in enumerate(MOVES):
            reached = total[:, np.maximum(0, i - a), np.maximum(0, j - b)] + gains[move][:, i, j]
            steps.append(np.where((i >= a) & (j >= b), reached, -np.inf))
        total[:, i, j] = _log_sum(steps)
    return total


def _backward(gains: Floats, lists: Lists) -> Floats:
    """The log-sum over paths to the end of each list [K × N+1 × M+1]; −∞ beyond it."""
    _, k, n, m = gains.shape
    end = np.full((k, n, m), -np.inf)
    end[np.arange(k), lists.n_old, lists.n_new] = 0.0
    total = end.copy()
    for d in range(n + m - 3, -1, -1):
        i = np.arange(max(0, d - m + 1), min(d, n - 1) + 1)
        j = d - i
        steps = [end[:, i, j]]
        for move, (a, b) in enumerate(MOVES):
            ahead, aside = np.minimum(n - 1, i + a), np.minimum(m - 1, j + b)
            reached = total[:, ahead, aside] + gains[move][:, ahead, aside]
            steps.append(np.where((i + a < n) & (j + b < m), reached, -np.inf))
        total[:, i, j] = _log_sum(steps)
    return total


def _log_sum(parts: list[Floats]) -> Floats:
    """Log Σ exp of the parts; −∞ where all are."""
    stacked = np.stack(parts)
    most = stacked.max(axis=0)
    safe = np.where(np.isfinite(most), most, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(safe + np.log(np.exp(stacked - safe).sum(axis=0)))
