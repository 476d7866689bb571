"""Cheats that mypy must refuse, each line marked with the code of its error. Never run."""

from isoloir.domain.election import AsOf, Calendar, Contest
from isoloir.domain.facts import Context
from isoloir.domain.forecast import FeatureMatrix, Forecast, Scenario
from isoloir.domain.ledger import Ledger, Notice, Outcomes, Past, Record
from isoloir.domain.lineage import lineage, steps
from isoloir.domain.panel import Panel, build_panel
from isoloir.features.catalogue import CATALOGUE, CONTEXTUAL, context_feature, feature
from isoloir.features.census import census_poverty
from isoloir.features.history import build_history
from isoloir.features.layered import turnout_layered
from isoloir.features.matrix import build, with_context
from isoloir.features.rules import turnout_same_kind
from isoloir.features.view import Place, View, look
from isoloir.models.backtest import level_carried, level_given
from isoloir.models.baselines import POOLED, forecast_from
from isoloir.models.protocol import Lesson, StationModel, TrainingSet
from isoloir.models.registry import ModelSettings, candidates
from isoloir.models.scorecard import turnout_error_pp
from isoloir.pipelines.folds import Lessons


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
    place: Place,
    context: Context,
    lesson: Lesson,
    lessons: Lessons,
    settings: ModelSettings,
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
    lineage(ledger, notice)  # refused: arg-type
    lineage(past, outcomes)  # refused: arg-type
    steps(past, record)  # refused: arg-type
    build_history(ledger, panel.followed)  # refused: arg-type
    build_history(outcomes, panel.followed)  # refused: arg-type
    build_history(panel, outcomes)  # refused: arg-type
    build_history(panel, record)  # refused: arg-type
    look(ledger, notice, None)  # refused: arg-type
    look(past, outcomes, None)  # refused: arg-type
    build(ledger, notice, None)  # refused: arg-type
    build(past, outcomes, None)  # refused: arg-type
    build(past, record, None)  # refused: arg-type
    turnout_same_kind(outcomes)  # refused: arg-type
    turnout_same_kind(ledger)  # refused: arg-type
    turnout_layered(place)  # refused: arg-type
    turnout_layered(outcomes)  # refused: arg-type
    census_poverty(view)  # refused: arg-type
    census_poverty(past)  # refused: arg-type
    census_poverty(context)  # refused: arg-type
    Place(outcomes, context)  # refused: arg-type
    Place(record, context)  # refused: arg-type
    Place(notice, past)  # refused: arg-type
    CATALOGUE["turnout_layered"].make(place)  # refused: arg-type
    CONTEXTUAL["census_poverty"].make(view)  # refused: arg-type
    context_feature("share")(turnout_same_kind)  # refused: arg-type
    feature("share")(census_poverty)  # refused: arg-type
    with_context(matrix, past)  # refused: arg-type
    with_context(matrix, ledger)  # refused: arg-type
    context.before(contest.held_on)  # refused: arg-type
    lessons.before(contest)  # refused: call-arg
    lessons.before(contest, contest.held_on)  # refused: arg-type
    candidates(settings)  # refused: call-arg
    candidates(settings, census=context)  # refused: arg-type
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
    _ = place.panel  # refused: attr-defined
    _ = place.past  # refused: attr-defined
    past.context = ledger.context  # refused: misc
    past.records = ledger.records  # refused: misc
    past.as_of = cut  # refused: misc


def honest(
    ledger: Ledger, notice: Notice, cut: AsOf, scenario: Scenario, settings: ModelSettings
) -> Forecast:
    """The same calls as they are meant, so that an error above is not that of a broken import."""
    past = ledger.as_of(cut)
    panel = build_panel(past, notice)
    build_history(panel, panel.followed)
    lineage(past, notice)
    steps(past, notice)
    turnout_same_kind(look(past, notice, None))
    turnout_layered(look(past, notice, None))
    census_poverty(Place(notice, past.context))
    with_context(build(past, notice, None), ledger.context.before(cut))
    candidates(settings, census=bool(past.context.facts))
    model: StationModel = POOLED
    return model.fit(TrainingSet(notice.contest, cut, ())).predict(build(past, notice, None), scenario)
