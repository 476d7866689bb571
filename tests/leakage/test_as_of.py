"""Whoever looks from an earlier day has the roll of that day."""

from __future__ import annotations

from datetime import date

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
