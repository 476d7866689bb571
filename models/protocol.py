"""What every model is, naive rules included, and what it may learn from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Protocol, Self

from isoloir.domain.election import AsOf, Contest
from isoloir.domain.errors import LeakageError
from isoloir.domain.forecast import FeatureMatrix, Forecast, Scenario
from isoloir.domain.ledger import Outcomes


@dataclass(frozen=True, slots=True)
class Lesson:
    """A past contest: what was known before ``cut`` (its eve or earlier), what it came to, row for row."""

    matrix: FeatureMatrix
    outcomes: Outcomes
    cut: AsOf

    def __post_init__(self) -> None:
        if self.matrix.notice.contest != self.outcomes.contest:
            raise ValueError("a lesson's matrix and its outcomes are of two contests")


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """What may be learned for ``target``: lessons in order of day, all of them public before ``cut``.

    :class:`LeakageError` where one was not.
    """

    target: Contest
    cut: AsOf
    lessons: tuple[Lesson, ...]

    def __post_init__(self) -> None:
        late = [
            c.key
            for c in (lesson.outcomes.contest for lesson in self.lessons)
            if not self.cut.sees(c.results_known_on)
        ]
        if late:
            raise LeakageError(f"{', '.join(late)} was not public before {self.cut.day}")

    def alike(self, fewest: int) -> tuple[Lesson, ...]:
        """The lessons of the target's sort of round (first, or later); all where those are under ``fewest``.

        Two rounds of one ballot are another problem than one ballot to the next.
        """
        later = self.target.round > 1
        same = tuple(m for m in self.lessons if (m.outcomes.contest.round > 1) == later)
        return same if len(same) >= fewest else self.lessons

    @property
    def contests(self) -> tuple[str, ...]:
        """The keys of the contests to learn from."""
        return tuple(m.outcomes.contest.key for m in self.lessons)

    @property
    def newest_known_on(self) -> date:
        """The day on which the newest lesson became public; ``date.min`` where there is none."""
        return max((m.outcomes.contest.results_known_on for m in self.lessons), default=date.min)


class StationModel(Protocol):
    """A model of a territory's stations.

    ``fit`` returns a new, fitted model and leaves the old one alone. ``predict`` returns a forecast, row for
    row with the matrix: turnout in [0, 1]; shares that sum to 1, with 0 for a bloc that does not stand.
    Stations that no lesson had are served. Nothing random: the same input gives the same bytes.
    """

    @property
    def name(self) -> str:
        """The model's name in scorecards."""
        ...

    def fit(self, training: TrainingSet) -> Self:
        """The model fitted to ``training``."""
        ...

    def predict(self, matrix: FeatureMatrix, scenario: Scenario) -> Forecast:
        """The forecast under ``scenario``."""
        ...
