"""Cheats that mypy must refuse, each line marked with the code of its error. Never run."""

from isoloir.domain.election import AsOf, Calendar, Contest
from isoloir.domain.forecast import Forecast, Scenario
from isoloir.domain.ledger import Ledger, Notice, Outcomes, Past, Record
from isoloir.domain.panel import Panel, build_panel
from isoloir.models.backtest import Question, answer, ask, level_carried, level_given
from isoloir.models.baselines import apply_rule, forecast_from, situation
from isoloir.models.history import build_history
from isoloir.models.scorecard import turnout_error_pp


def cheats(
    ledger: Ledger,
    past: Past,
    notice: Notice,
    outcomes: Outcomes,
    record: Record,
    contest: Contest,
    panel: Panel,
    question: Question,
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
    ask(ledger, notice, None)  # refused: arg-type
    ask(past, outcomes, None)  # refused: arg-type
    answer("same_kind", outcomes, scenario)  # refused: arg-type
    answer("same_kind", question, outcomes)  # refused: arg-type
    situation(panel, outcomes, None)  # refused: arg-type
    apply_rule("same_kind", outcomes, scenario)  # refused: arg-type
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
    _ = question.outcomes  # refused: attr-defined
    past.records = ledger.records  # refused: misc
    past.as_of = cut  # refused: misc


def honest(ledger: Ledger, notice: Notice, cut: AsOf, scenario: Scenario) -> Forecast:
    """The same calls as they are meant, so that an error above is not that of a broken import."""
    past = ledger.as_of(cut)
    build_history(build_panel(past, notice), witness=True)
    return answer("same_kind", ask(past, notice, None), scenario)
