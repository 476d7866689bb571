"""Cheats that mypy must refuse, each line marked with the code of its error. Never run."""

from isoloir.domain.election import AsOf, Calendar, Contest
from isoloir.domain.forecast import FeatureMatrix, Forecast, Scenario
from isoloir.domain.ledger import Ledger, Notice, Outcomes, Past, Record
from isoloir.domain.panel import Panel, build_panel
from isoloir.features.history import build_history
from isoloir.features.matrix import build
from isoloir.features.rules import turnout_same_kind
from isoloir.features.view import View, look
from isoloir.models.backtest import level_carried, level_given
from isoloir.models.baselines import POOLED, forecast_from
from isoloir.models.protocol import Lesson, StationModel, TrainingSet
from isoloir.models.scorecard import turnout_error_pp


def cheats(
    ledger: Ledger,
    past: Past,
    notice: Notice,
    outcomes: Outcomes,
    record: Record,
    contest: Contest,
    panel: Panel,
    matrix: FeatureMatrix,
    view: View,
    lesson: Lesson,
    model: StationModel,
    scenario: Scenario,
    forecast: Forecast,
    calendar: Calendar,
    cut: AsOf,
) -> None:
    build_panel(ledger, notice)  # refused: arg-type
    build_panel(past, outcomes)  # refused: arg-type
    build_panel(past, record)  # refused: arg-type
    build_panel(outcomes, notice)  # refused: arg-type
    build_history(ledger, witness=True)  # refused: arg-type
    build_history(outcomes, witness=True)  # refused: arg-type
    look(ledger, notice, None)  # refused: arg-type
    look(past, outcomes, None)  # refused: arg-type
    build(ledger, notice, None)  # refused: arg-type
    build(past, outcomes, None)  # refused: arg-type
    build(past, record, None)  # refused: arg-type
    turnout_same_kind(outcomes)  # refused: arg-type
    turnout_same_kind(ledger)  # refused: arg-type
    model.predict(lesson, scenario)  # refused: arg-type
    model.predict(matrix, outcomes)  # refused: arg-type
    model.fit(ledger)  # refused: arg-type
    model.fit([lesson])  # refused: arg-type
    TrainingSet(contest, lessons=(lesson,))  # refused: call-arg
    POOLED.predict(outcomes, scenario)  # refused: arg-type
    forecast_from(outcomes, notice, scenario)  # refused: arg-type
    level_carried(outcomes)  # refused: arg-type
    level_given(notice)  # refused: arg-type
    level_given(record)  # refused: arg-type
    turnout_error_pp(forecast, notice)  # refused: arg-type
    ledger.as_of(contest.held_on)  # refused: arg-type
    ledger.outcomes(contest)  # refused: call-arg
    past.outcomes(contest, cut)  # refused: attr-defined
    _ = notice.voters  # refused: attr-defined
    _ = notice.votes  # refused: attr-defined
    _ = matrix.outcomes  # refused: attr-defined
    _ = view.outcomes  # refused: attr-defined
    past.records = ledger.records  # refused: misc
    past.as_of = cut  # refused: misc


def honest(ledger: Ledger, notice: Notice, cut: AsOf, scenario: Scenario) -> Forecast:
    """The same calls as they are meant, so that an error above is not that of a broken import."""
    past = ledger.as_of(cut)
    build_history(build_panel(past, notice), witness=True)
    turnout_same_kind(look(past, notice, None))
    model: StationModel = POOLED
    return model.fit(TrainingSet(notice.contest, cut, ())).predict(build(past, notice, None), scenario)
