"""Contests at the grain of published units: matrices built on summed counts, kept in home's features/."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from isoloir.domain.election import AsOf
from isoloir.domain.forecast import FeatureMatrix
from isoloir.domain.ledger import Outcomes
from isoloir.domain.members import Members
from isoloir.domain.united import members_of, united_notice, united_outcomes
from isoloir.domain.units import Units
from isoloir.features.matrix import build
from isoloir.models.protocol import Lesson
from isoloir.pipelines.bench import Bench
from isoloir.pipelines.home import set_in_place
from isoloir.pipelines.matrices import MATRIX, MatrixPlan, built, read_matrix, write_matrix
from isoloir.pipelines.progress import Say
from isoloir.pipelines.store import code_digest, stamp

FORMAT = 1
"""Of the files kept here: raise it with what they hold."""

UnitsOf = Callable[[FeatureMatrix], Units]
"""The partition of the stations of a contest's matrix."""


@dataclass(frozen=True, slots=True)
class United:
    """A contest at its units: the plan of its stations, the units' members, their matrix, their labels.

    ``digest``: of the units and of all that the matrix rests on.
    """

    plan: MatrixPlan
    digest: str
    members: Members
    matrix: FeatureMatrix
    outcomes: Outcomes

    @property
    def lesson(self) -> Lesson:
        """It as a lesson, with the context that was public before its own cut."""
        return Lesson(self.matrix, self.outcomes, self.plan.past.as_of)


def united_lessons(
    bench: Bench, plans: Sequence[MatrixPlan], cut: AsOf, units_of: UnitsOf, say: Say
) -> tuple[United, ...]:
    """Every planned contest at its units, its results public before ``cut``.

    One matrix of stations is held at a time: they are large.
    """
    return tuple(_united(bench, plan, cut, units_of, say) for plan in plans)


def _united(bench: Bench, plan: MatrixPlan, cut: AsOf, units_of: UnitsOf, say: Say) -> United:
    units = units_of(built(bench, plan, say))
    members = members_of(plan.notice, units)
    outcomes = united_outcomes(bench.ledger.outcomes(plan.contest, cut), members)
    return United(plan, _digest(plan, units), members, united_matrix(bench, plan, units, say), outcomes)


def united_matrix(bench: Bench, plan: MatrixPlan, units: Units, say: Say) -> FeatureMatrix:
    """The matrix of the units of a plan's stations: read if it was built before, else built and kept."""
    final = bench.home.planned("features", bench.key, f"units-{_digest(plan, units)}")
    if not (final / MATRIX).is_file():
        say(f"features of the units of {plan.contest.key}")
        matrix = build(plan.past, united_notice(plan.notice, units), plan.reference)
        bench.home.folder("features", bench.key)
        with set_in_place(final, MATRIX) as aside:
            write_matrix(matrix, plan.past.as_of, aside / MATRIX)
    return read_matrix(final / MATRIX, plan.contest)


def _digest(plan: MatrixPlan, units: Units) -> str:
    code = code_digest("features.matrix", "domain.united")
    return stamp(FORMAT, code, plan.digest, units.head.tolist())
