"""The calendar, and the day from which one looks."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from worlds import CALENDAR, CONTESTS, DAY

from isoloir.domain.election import AsOf, Calendar, Contest
from isoloir.domain.errors import UsageError


def contest(key: str, round_: int, held_on: date, **said: str) -> Contest:
    return Contest("xx", key, "legi", round_, held_on, reference=said.get("reference"))


def test_what_becomes_public_on_the_day_itself_is_not_seen() -> None:
    assert AsOf(DAY).sees(DAY - timedelta(days=1))
    assert not AsOf(DAY).sees(DAY)


def test_a_first_round_is_public_before_its_second() -> None:
    first, second = CONTESTS[2], CONTESTS[3]
    assert second.eve.sees(first.results_known_on)
    assert not first.eve.sees(first.results_known_on)


def test_a_calendar_is_in_order_of_day() -> None:
    assert [c.key for c in Calendar("xx", CONTESTS[::-1])] == [c.key for c in CONTESTS]


def test_an_unknown_contest_is_refused_with_the_nearest_name() -> None:
    assert "2020_legi_t1" in CALENDAR
    with pytest.raises(UsageError, match="did you mean") as refused:
        CALENDAR["2020_legi_t3"]
    assert "2020_legi_t2" in str(refused.value)


def test_swings_are_counted_from_the_last_of_the_same_kind_and_round() -> None:
    assert CALENDAR.reference_of(CONTESTS[2]) == CONTESTS[0]
    assert CALENDAR.reference_of(CONTESTS[4]) == CONTESTS[1]
    assert CALENDAR.reference_of(CONTESTS[3]) is None


def test_a_declared_reference_holds() -> None:
    old, new = contest("old", 1, DAY), contest("new", 1, DAY + timedelta(days=9), reference="other")
    other = Contest("xx", "other", "pres", 1, DAY)
    assert Calendar("xx", (old, new, other)).reference_of(new) == other


@pytest.mark.parametrize(("days", "found"), [(0, False), (7, True), (105, True), (120, True), (121, False)])
def test_the_first_round_of_a_ballot_is_near(days: int, found: bool) -> None:
    first, second = contest("t1", 1, DAY), contest("t2", 2, DAY + timedelta(days=days))
    calendar = Calendar("xx", (first, second))
    assert calendar.first_round_of(second) == (first if found else None)
    assert calendar.first_round_of(first) is None
