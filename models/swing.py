"""Shares: each bloc's anchor (features/prior.py), corrected by trees as far as the correction earned it.

    share_b ∝ exp(national level_b + anchor_b + shrink · trees(bloc, features))   over the blocs that stand

One set of trees serves all blocs: a row is a station and a bloc. They are fitted to the log of the bloc's
share over the nation's where it stood, less the anchor, at earlier contests; a row weighs its share times the
inverse of its residual variance plus its counting noise, as a vote lost is what counts. Turnout is the
anchor's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.forecast import FeatureMatrix, Forecast, Scenario
from isoloir.domain.ledger import Outcomes
from isoloir.features.history import SMOOTHING

from .baselines import Basis, basis_of, forecast_from
from .boosting import FEWEST, RESIDUAL_VARIANCE, Boosting, Sample, corrected, learn, stride
from .protocol import Lesson, TrainingSet
from .reconcile import meet_shares

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class BoostedShares:
    """The boosted model of shares; unfitted it is the anchor."""

    settings: Boosting
    trees: str = ""
    shrink: float = 0.0
    name: str = "boosted_shares"

    def fit(self, training: TrainingSet) -> Self:
        """Trees on every lesson, kept in the part that they earned; the anchor alone with too few."""
        lessons = [m for m in training.alike(FEWEST) if m.outcomes.shares_known.any()]
        trees, shrink = learn(lessons, self.settings, _sample, _trial)
        return replace(self, trees=trees, shrink=shrink)

    def predict(self, matrix: FeatureMatrix, scenario: Scenario) -> Forecast:
        """The forecast under ``scenario``, which it meets exactly."""
        basis = basis_of(matrix, ("anchor",))
        rows = np.arange(len(matrix.notice.stations))
        shares = basis.shares + self.shrink * _correction(self.trees, matrix, rows, self.settings)
        return forecast_from(Basis(basis.turnout, shares), matrix.notice, scenario)


def inputs(matrix: FeatureMatrix, bloc: int, rows: Rows, settings: Boosting) -> Floats:
    """The features of one bloc at some stations: its number, its own, and what all blocs have."""
    own = matrix.notice.blocs[bloc]
    columns = [f if f in matrix.names else f"{f}_{own}" for f in settings.features]
    columns += [f"{f}_{b}" for f in settings.context for b in matrix.notice.blocs]
    at = np.array([matrix.names.index(c) for c in columns], dtype=np.intp)
    values = matrix.values[np.ix_(rows, at)]
    return np.concatenate([np.full((len(rows), 1), float(bloc)), values], axis=1)


def _correction(trees: str, matrix: FeatureMatrix, rows: Rows, settings: Boosting) -> Floats:
    blocs = range(len(matrix.notice.blocs))
    if not trees:
        return np.zeros((len(rows), len(blocs)))
    return np.stack([corrected(trees, inputs(matrix, b, rows, settings)) for b in blocs], axis=1)


def _national(outcomes: Outcomes) -> Floats:
    """Each bloc's share where it stood [B]; 0 where it stood nowhere."""
    where = outcomes.standing & outcomes.shares_known[:, None]
    votes = np.where(where, outcomes.votes, 0).sum(axis=0)
    return np.asarray(votes / np.maximum(1, np.where(where, outcomes.valid[:, None], 0).sum(axis=0)))


def _known(outcomes: Outcomes, settings: Boosting) -> Rows:
    known = np.flatnonzero(outcomes.shares_known & (outcomes.valid > 0))
    return known[stride(len(known), settings.rows)]


def _sample(lesson: Lesson, settings: Boosting) -> Sample:
    """The residuals of the blocs that stood at thinned stations, and their weights."""
    outcomes, matrix = lesson.outcomes, lesson.matrix
    national, anchor = _national(outcomes), matrix.per_bloc("share_anchor")
    rows = _known(outcomes, settings)
    parts = []
    for b in range(len(matrix.notice.blocs)):
        stood = rows[outcomes.standing[rows, b]]
        if national[b] <= 0 or not len(stood):
            continue
        valid = outcomes.valid[stood].astype(np.float64)
        share = (outcomes.votes[stood, b] + SMOOTHING * national[b]) / (valid + SMOOTHING)
        residual = np.log(np.maximum(share, 1e-6) / national[b]) - anchor[stood, b]
        noise = (1 - share) / ((valid + SMOOTHING) * share)
        weight = share / (RESIDUAL_VARIANCE + noise)
        parts.append(Sample(inputs(matrix, b, stood, settings), residual, weight))
    return Sample(
        np.concatenate([p.X for p in parts]),
        np.concatenate([p.y for p in parts]),
        np.concatenate([p.weight for p in parts]),
    )


def _trial(trees: str, lesson: Lesson, settings: Boosting) -> dict[float, float]:
    """Votes misallocated at a held-out lesson, level given, for each part of the correction."""
    outcomes, rows = lesson.outcomes, _known(lesson.outcomes, settings)
    valid, votes = outcomes.valid[rows].astype(np.float64), outcomes.votes[rows].astype(np.float64)
    anchor = lesson.matrix.per_bloc("share_anchor")[rows]
    correction = _correction(trees, lesson.matrix, rows, settings)
    nation = votes.sum(axis=0) / votes.sum()
    out = {}
    for shrink in settings.shrink:
        score = anchor + shrink * correction
        shares = meet_shares(score, valid, nation, outcomes.standing[rows], slack=0.005)
        out[shrink] = float((np.abs(shares * valid[:, None] - votes)).sum())
    return out
