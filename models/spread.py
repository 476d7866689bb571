"""How far off a forecast may be at a station: the scale of its errors, learnt from earlier contests.

On the logit scale the variance of an error at a station with n electors (or valid votes) is taken as

    var = 1 / (n p (1 − p)) + Σ_j scale_j · part_j,    p the forecast figure

counting noise, and what earlier errors say of the parts: for turnout the kriging variance of the layered
prior and the square of the station's own past spread, for a share a constant and the square of its past
spread. The scales are non-negative least squares on squared errors (Lawson & Hanson 1974), each contest
weighing the same.
What is no counting noise is shared: a part of it by a department, by a commune, the rest is the station's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from isoloir.domain.forecast import FeatureMatrix, Forecast
from isoloir.domain.ledger import Mask, Outcomes
from isoloir.domain.station import grouped

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

EDGE = 0.02
"""Forecast figures nearer to 0 or 1 are taken for this near: a logit has no scale there."""

LEAST = 1e-4
"""Variance on the logit scale below which no error but counting noise is assumed to fall."""

FAR = 25.0
"""Squared errors count up to this many times the usual: a station that was rebuilt says nothing of others."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Forecast and actual figures of one quantity at N stations of an earlier contest.

    ``counted`` [N] electors or valid votes; ``parts`` [N × P] of the variance; rows of areas [N].
    """

    forecast: Floats
    actual: Floats
    counted: Floats
    parts: Floats
    commune: Rows
    department: Rows

    @property
    def logit_slope(self) -> Floats:
        """What turns a step of the logit into one of the figure, at the forecast."""
        return logit_slope(self.forecast)


@dataclass(frozen=True, slots=True)
class Errors:
    """The samples of one earlier contest: turnout, and the share of each bloc where it stood, not alone."""

    contest: str
    turnout: Sample
    shares: tuple[Sample, ...]


def logit_slope(figure: Floats) -> Floats:
    """The slope of a figure over its logit, p (1 − p), with p held off 0 and 1."""
    inside = np.clip(figure, EDGE, 1 - EDGE)
    return np.asarray(inside * (1 - inside))


def mixed(shares: Floats, variance: Floats) -> Floats:
    """Variances of the logits of shares [S × B] where the logs of strengths have ``variance`` [S × B].

    A share's logit moves by its own bloc's step less the others': Σ_j (p_j / (1 − p_b))² of their variance.
    """
    squared = shares**2 * variance
    others = np.maximum(squared.sum(axis=1, keepdims=True) - squared, 0)
    return np.asarray(variance + others / np.maximum(1 - shares, 1e-6) ** 2)


def contested(standing: Mask) -> Mask:
    """Where a bloc stands [S × B] and another does, too: alone it has all votes, and nothing is forecast."""
    return np.asarray(standing & (standing.sum(axis=1, keepdims=True) > 1))


def turnout_parts(matrix: FeatureMatrix) -> Floats:
    """What the variance of turnout is made of [S × 2]."""
    spread = matrix.column("turnout_spread")
    return np.stack([matrix.column("turnout_variance"), spread**2], axis=1)


def share_parts(matrix: FeatureMatrix, bloc: int) -> Floats:
    """What the variance of a bloc's share is made of [S × 2]; an unknown spread is the mean of the known."""
    spread = matrix.column(f"share_spread_{matrix.notice.blocs[bloc]}") ** 2
    known = ~np.isnan(spread)
    usual = float(spread[known].mean()) if known.any() else 0.0
    return np.stack([np.ones(len(spread)), np.where(known, spread, usual)], axis=1)


def errors_of(forecast: Forecast, outcomes: Outcomes, matrix: FeatureMatrix) -> Errors:
    """What a forecast of a past contest and the contest came to, at stations where each is known."""
    stations = matrix.notice.stations
    commune, department = grouped(stations.commune_code)[1], grouped(stations.department_code)[1]
    held = outcomes.registered > 0
    known = outcomes.shares_known & (outcomes.valid > 0)
    open_to = contested(outcomes.standing) & known[:, None]

    def sample(said: Floats, actual: Floats, counted: NDArray[np.int32], parts: Floats, rows: Mask) -> Sample:
        return Sample(
            said[rows], actual[rows], counted[rows].astype(np.float64), parts[rows],
            commune[rows], department[rows],
        )  # fmt: skip

    turnout = outcomes.voters / np.maximum(1, outcomes.registered)
    shares = outcomes.votes / np.maximum(1, outcomes.valid)[:, None]
    return Errors(
        outcomes.contest.key,
        sample(forecast.turnout, turnout, outcomes.registered, turnout_parts(matrix), held),
        tuple(
            sample(forecast.shares[:, b], shares[:, b], outcomes.valid, share_parts(matrix, b), open_to[:, b])
            for b in range(shares.shape[1])
        ),
    )


def fit_scale(samples: Sequence[Sample]) -> Floats:
    """The scale [P] of each part of the variance; ones where there is nothing to learn from."""
    known = [one for one in samples if len(one.counted)]
    if not known:
        return np.ones(2)
    squares = [((one.actual - one.forecast) / one.logit_slope) ** 2 for one in known]
    usual = np.mean([np.average(q, weights=one.counted) for q, one in zip(squares, known, strict=True)])
    rows, values = [], []
    for squared, one in zip(squares, known, strict=True):
        noise = 1 / (one.counted * one.logit_slope)
        # Each row weighs the inverse of its variance, and its electors; each contest the same.
        weight = np.sqrt(one.counted / one.counted.sum()) / (noise + usual)
        rows.append(one.parts * weight[:, None])
        values.append((np.minimum(squared, FAR * (noise + usual)) - noise) * weight)
    return np.asarray(nnls(np.concatenate(rows), np.concatenate(values))[0])


def shared_variance(parts: Floats, scale: Floats) -> Floats:
    """The variance on the logit scale [N] that is no counting noise."""
    return np.maximum(parts @ scale, LEAST)


def deviation(forecast: Floats, counted: Floats, parts: Floats, scale: Floats) -> Floats:
    """The standard deviation of the error of a figure [N], in its own unit."""
    slope = logit_slope(forecast)
    return np.sqrt(slope / np.maximum(counted, 1) + slope**2 * shared_variance(parts, scale))


def fit_components(samples: Sequence[Sample], scale: Floats) -> tuple[float, float, float]:
    """The parts of the shared variance that are a department's, a commune's, and the station's own.

    By moments: the mean square of the standardised errors, of their means over communes, and over
    departments, each less what counting noise adds, are linear in the three. They sum to 1; all is the
    station's where there is nothing to learn from.
    """
    rows, values = [], []
    for one in samples:
        if not len(one.counted):
            continue
        said = np.sqrt(shared_variance(one.parts, scale))
        noise = 1 / (one.counted * one.logit_slope * said**2)
        # Errors count up to six times what they are with their noise, which may be most of them.
        most = 6 * np.sqrt(1 + noise)
        error = np.clip((one.actual - one.forecast) / one.logit_slope / said, -most, most)
        for row, value in _moments(one, error, noise):
            rows.append(row)
            values.append(value)
    if not rows:
        return (0.0, 0.0, 1.0)
    found = nnls(np.array(rows), np.array(values))[0]
    if found.sum() <= 0:
        return (0.0, 0.0, 1.0)
    department, commune, station = (found / found.sum()).tolist()
    return (department, commune, station)


def _moments(one: Sample, error: Floats, noise: Floats) -> list[tuple[list[float], float]]:
    """Three equations: coefficients of department, commune and station, and the mean square beside them."""
    weight = one.counted / one.counted.sum()
    said = [([1.0, 1.0, 1.0], float(weight @ (error**2 - noise)))]
    of_commune = np.bincount(one.commune, weight)
    department_of = np.zeros(len(of_commune), np.intp)
    department_of[one.commune] = one.department
    for area in (one.commune, one.department):
        total = np.bincount(area, weight)
        used = np.where(total > 0, total, 1.0)
        mean = np.bincount(area, weight * error) / used
        own = np.bincount(area, weight**2) / used**2
        noisy = np.bincount(area, weight**2 * noise) / used**2
        commune = 1.0
        if area is one.department:
            commune = float(total @ (np.bincount(department_of, of_commune**2, len(total)) / used**2))
        said.append(([1.0, commune, float(total @ own)], float(total @ (mean**2 - noisy))))
    return said
