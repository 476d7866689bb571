"""Whoever looks from an earlier day has the roll, and the census, of that day."""

from __future__ import annotations

from datetime import date, timedelta

from conftest import DemoRun

from isoloir.configs.load import load_territory
from isoloir.domain.election import AsOf
from isoloir.pipelines.core import read_ledger
from isoloir.pipelines.home import Home
from isoloir.pipelines.notices import notice_of


def test_an_earlier_day_never_sees_a_later_roll(demo_run: DemoRun) -> None:
    config = load_territory("demo")
    blocs = config.grouping()
    ledger = read_ledger(Home(demo_run.home).current_core("demo"), config.calendar, blocs)
    day = date(2019, 1, 1)
    for key in ("2027_pres_t1", "2022_pres_t1"):
        notice = notice_of(ledger, config.calendar[key], AsOf(day), blocs, None)
        assert config.calendar[notice.roll_from].results_known_on < day
    eve = config.calendar["2022_pres_t1"]
    assert notice_of(ledger, eve, eve.eve, blocs, None).roll_from == "2022_pres_t1"


def test_an_earlier_day_never_sees_a_later_census(demo_run: DemoRun) -> None:
    """Each vintage is seen from the day after it was published, which is years after the day it describes."""
    config = load_territory("demo")
    ledger = read_ledger(Home(demo_run.home).current_core("demo"), config.calendar, config.grouping())
    published = {f.known_on: f.describes for f in ledger.context.facts}
    assert len(published) == 5
    for day in published:
        seen = {f.known_on for f in ledger.as_of(AsOf(day)).context.facts}
        assert seen == {d for d in published if d < day}
        seen = {f.known_on for f in ledger.as_of(AsOf(day + timedelta(days=1))).context.facts}
        assert seen == {d for d in published if d <= day}
    assert all(date.fromisoformat(what).year + 3 == day.year for day, what in published.items())
