"""The training set of a release: what its champion learnt from and was judged at, by published units.

Rows are published units: members' counts are summed before any feature is made of them. Nothing in a row was
public on the day of its contest or later, but for its labels, which are null of the target.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isoloir.domain.forecast import FeatureMatrix, Scenario
from isoloir.domain.ledger import Outcomes
from isoloir.domain.members import Members
from isoloir.domain.united import members_of
from isoloir.domain.units import Units
from isoloir.features.catalogue import CONTEXTUAL
from isoloir.models.backtest import level_given
from isoloir.pipelines.bench import Bench
from isoloir.pipelines.matrices import MatrixPlan
from isoloir.pipelines.progress import Say
from isoloir.pipelines.score import Scored
from isoloir.pipelines.train import Plan

from .training_columns import FINE, STEP, feature_names, training_table
from .training_matrices import United, UnitsOf, united_lessons, united_matrix
from .training_scores import Names, UnitScore, mean_of, unit_scores
from .training_spec import Specification, shares_of, turnout_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Training:
    """``rows`` of training.parquet; the champion's specifications; its scores at earlier contests."""

    rows: pd.DataFrame
    turnout: Specification
    shares: Specification
    scores: tuple[UnitScore, ...]

    def said(self) -> dict[str, object]:
        """What manifest.json and audit.json say of it: the specification, and the score to be met."""
        return {
            "turnout": self.turnout.said(),
            "shares": self.shares.said(),
            "published_units": [asdict(s) for s in self.scores],
            "mean": asdict(mean_of(self.scores)),
        }


def training_set(
    bench: Bench, plan: Plan, scored: Scored, units: Units, units_of: UnitsOf, say: Say
) -> Training:
    """The training set of a target published in ``units``; ``units_of`` makes those of an earlier contest."""
    lessons = list(united_lessons(bench, plan.lessons, plan.request.cut, units_of, say))
    names = Names(scored.turnout.model.name, scored.swing.model.name)
    say("judging the champion at published units")
    scores = unit_scores(bench, plan.request.target, lessons, names)
    frames: list[pd.DataFrame] = []
    while lessons:  # a matrix is let go of as soon as its rows are made
        frames.append(rows_of(lessons.pop(0), len(frames) + 1))
    frames.append(_target_rows(bench, plan.target, scored, units, len(frames) + 1, say))
    return Training(
        pd.concat(frames, ignore_index=True),
        turnout_of(scored.turnout.model, scored.matrix),
        shares_of(scored.swing.model),
        scores,
    )


def rows_of(one: United, number: int) -> pd.DataFrame:
    """The rows of an earlier contest, its labels known."""
    outcomes = one.outcomes
    weight = np.where(outcomes.shares_known, outcomes.valid, 0).astype(np.float64)
    return _frame(one.plan, one.matrix, one.members, number, level_given(outcomes), weight, outcomes)


def _target_rows(
    bench: Bench, plan: MatrixPlan, scored: Scored, units: Units, number: int, say: Say
) -> pd.DataFrame:
    members = members_of(plan.notice, units)
    matrix = united_matrix(bench, plan, units, say)
    # What the scenario says of everybody: the forecast itself is in scores.parquet, as the policy lets it be.
    electors = matrix.notice.registered.astype(np.float64)
    weight = electors * scored.scenario.turnout * scored.scenario.valid_rate
    return _frame(plan, matrix, members, number, scored.scenario, weight, None)


def _frame(
    plan: MatrixPlan,
    matrix: FeatureMatrix,
    members: Members,
    number: int,
    level: Scenario,
    weight: Floats,
    outcomes: Outcomes | None,
) -> pd.DataFrame:
    """The rows of one contest, columns as declared in training_columns.py."""
    contest, named, blocs = plan.contest, matrix.notice.stations, matrix.notice.blocs
    known, shares = _labels(outcomes, len(named), len(blocs))
    said: dict[str, object] = {
        "territory": contest.territory,
        "contest": contest.key,
        "fold": f"{number:02d}_{contest.key}",
        "cut": plan.past.as_of.day.isoformat(),
        "results_known_on": contest.results_known_on.isoformat(),
        "unit_id": named.station_id,
        "n_members": members.count.astype(np.int32),
        "department_code": named.department_code,
        "commune_code": _one(members, members.stations.commune_code),
        "constituency_code": _one(members, members.stations.constituency_code),
        "registered": matrix.notice.registered,
        "weight_shares": np.round(weight, 2),
        "label_available": outcomes is not None,
        "label_turnout": known,
        "reference_contest": matrix.reference.contest,
        "level_turnout": level.turnout,
        "level_valid_rate": level.valid_rate,
    }
    for b, bloc in enumerate(blocs):
        said[f"label_share_{bloc}"] = shares[:, b]
        said[f"level_share_{bloc}"] = level.shares[b]
        said[f"reference_level_share_{bloc}"] = matrix.reference.shares[b]
    said |= _features(matrix, blocs)
    return pd.DataFrame(said)[list(training_table(blocs).names)]


def _features(matrix: FeatureMatrix, blocs: tuple[str, ...]) -> dict[str, NDArray[np.float32]]:
    """The features, rounded: the digits beyond tell nothing, and are most of the bytes.

    In 32 bits, which hold them without loss and take half the memory.
    """
    return {
        name: _rounded(matrix.column(name), FINE if name in CONTEXTUAL else STEP)
        for name in feature_names(blocs)
    }


def _rounded(values: Floats, step: float) -> NDArray[np.float32]:
    return (np.round(values / step) * step).astype(np.float32)


def _labels(
    outcomes: Outcomes | None, units: int, blocs: int
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Turnout [U] and shares [U × B] as they came; NaN where not known."""
    if outcomes is None:
        return np.full(units, np.nan), np.full((units, blocs), np.nan)
    electors, valid = outcomes.registered, outcomes.valid
    turnout = np.where(electors > 0, outcomes.voters / np.maximum(1, electors), np.nan)
    told = outcomes.shares_known & (valid > 0)
    shares = np.where(told[:, None], outcomes.votes / np.maximum(1, valid)[:, None], np.nan)
    return _rounded(turnout, FINE), _rounded(shares, FINE)


def _one(members: Members, codes: NDArray[np.str_]) -> NDArray[np.object_]:
    """The code of the members of each unit [U]; None where they differ or it is unknown."""
    inside = np.flatnonzero(members.unit >= 0)
    named, differs = codes[members.head], np.zeros(len(codes), np.bool_)
    differs[inside] = codes[inside] != named[members.unit[inside]]
    shown = named.astype(object)
    shown[members.any(differs) | (named == "")] = None
    return shown
