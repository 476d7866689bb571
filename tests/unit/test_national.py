"""The national series: what may be said in it, and that nothing is seen before it was public."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoloir.configs.load import available_territories, load_territory
from isoloir.configs.national import load_national
from isoloir.domain.election import AsOf
from isoloir.domain.errors import ConfigError, LeakageError
from isoloir.domain.national import NationalFigure, NationalPast, NationalSeries

FRANCE = load_national(load_territory("fr"))

HELD = "{held_on: 2022-04-10, scope: country, source: a table, checked: true, "


def laid_over(overlay: Path, said: str) -> Path:
    """An overlay in which ``said`` is the national file of France."""
    path = overlay / "territories" / "fr" / "national.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(said, encoding="utf-8")
    return overlay


def one(overlay: Path, rest: str, key: str = "2022_pres_t1") -> NationalFigure:
    """The only figure of a file that says ``rest`` of ``key``."""
    config = load_territory("fr", laid_over(overlay, f"figures:\n  {key}: {HELD}{rest}}}\n"))
    (figure,) = load_national(config)
    return figure


def complaint(overlay: Path, rest: str, key: str = "2022_pres_t1") -> str:
    """What the loader says of such a file."""
    with pytest.raises(ConfigError) as caught:
        one(overlay, rest, key)
    return str(caught.value)


def figure(key: str, held_on: date, known_on: date, *, checked: bool = True) -> NationalFigure:
    """A figure of which only the days matter."""
    kind, turn = key.split("_")[1:]
    return NationalFigure(
        key, kind, int(turn[1:]), held_on, known_on, 0.5, None, None, None, (), "country", "none", checked
    )


@pytest.mark.parametrize("key", available_territories())
def test_every_shipped_series_is_sound_and_in_order_of_day(key: str) -> None:
    figures = load_national(load_territory(key))
    assert [f.held_on for f in figures] == sorted(f.held_on for f in figures)
    assert all(f.known_on > f.held_on for f in figures)
    assert all(f.source != "from memory" for f in figures if f.checked)


def test_a_territory_without_the_file_has_no_figures() -> None:
    assert load_national(load_territory("demo")) == ()


def test_france_reaches_back_to_1958_with_most_figures_found_in_a_source() -> None:
    assert FRANCE[0].key == "1958_legi_t1"
    assert len(FRANCE) > 100
    assert [f.key for f in FRANCE if not f.checked] == ["2017_legi_t2", "2020_muni_t1", "2024_legi_t2"]
    presidential = [f.held_on.year for f in FRANCE if (f.kind, f.round) == ("pres", 1)]
    assert presidential == [1965, 1969, 1974, 1981, 1988, 1995, 2002, 2007, 2012, 2017, 2022]


def test_turnout_is_that_of_the_counts_where_both_are_stated() -> None:
    # 35,923,707 voters of 48,747,876 registered: 73.69 %, the whole country with its electors abroad.
    stated = next(f for f in FRANCE if f.key == "2022_pres_t1")
    assert round(stated.turnout, 4) == 0.7369
    assert stated.scope == "country"


def test_every_round_of_the_calendar_is_known_when_the_calendar_says() -> None:
    calendar = load_territory("fr").calendar
    shared = [f for f in FRANCE if f.key in calendar]
    assert len(shared) > 50
    assert all(f.known_on == calendar[f.key].results_known_on for f in shared)


def test_a_first_round_is_known_on_the_eve_of_its_second_and_the_second_is_not() -> None:
    past = NationalSeries(FRANCE).known(AsOf(date(1965, 12, 19)))
    assert [f.key for f in past.of("pres", 1)] == ["1965_pres_t1"]
    assert past.of("pres", 2) == ()


@given(st.lists(st.integers(0, 400), max_size=8), st.integers(0, 400), st.integers(-1, 1))
def test_later_figures_are_not_in_what_is_known(days: list[int], cut: int, off: int) -> None:
    start = date(2000, 1, 1)
    series = NationalSeries(
        tuple(
            figure(f"2000_muni_t{1 + i}", start + timedelta(days=d), start + timedelta(days=d + 5))
            for i, d in enumerate(days)
        )
    )
    # Cuts around the day on which a figure became public: <= for < would pass any other.
    day = start + timedelta(days=(days[0] + 5 + off) if days else cut)
    past = series.known(AsOf(day))
    assert {f.key for f in past.figures} == {f.key for f in series.figures if f.known_on < day}
    assert [f.held_on for f in past.figures] == sorted(f.held_on for f in past.figures)
    # Physically: no field of the past leads to the series.
    assert [f.name for f in fields(past)] == ["as_of", "figures"]


def test_a_past_cannot_be_made_with_a_later_figure() -> None:
    late = figure("2022_pres_t1", date(2022, 4, 10), date(2022, 4, 15))
    with pytest.raises(LeakageError, match="2022_pres_t1"):
        NationalPast(AsOf(date(2022, 4, 15)), (late,))


def test_figures_from_memory_can_be_left_out() -> None:
    days = date(2000, 1, 2), date(2000, 1, 7)
    series = NationalSeries((figure("2000_a_t1", *days), figure("2000_b_t1", *days, checked=False)))
    past = series.known(AsOf(date(2001, 1, 1)))
    assert [f.key for f in past.checked().figures] == ["2000_a_t1"]


def test_a_day_of_its_own_may_be_later_than_the_calendars_but_not_earlier(tmp_path: Path) -> None:
    assert one(tmp_path / "late", "turnout: 0.7, known_on: 2022-04-20").known_on == date(2022, 4, 20)
    told = complaint(tmp_path / "early", "turnout: 0.7, known_on: 2022-04-13")
    assert "figures.2022_pres_t1.known_on: is before 2022-04-15" in told


def test_a_round_beyond_the_calendar_is_known_after_the_files_delay(tmp_path: Path) -> None:
    said = f"known_after_days: 9\nfigures:\n  2022_other_t1: {HELD}turnout: 0.7}}\n"
    (only,) = load_national(load_territory("fr", laid_over(tmp_path, said)))
    assert (only.kind, only.round, only.known_on) == ("other", 1, date(2022, 4, 19))


def test_shares_are_in_the_groupings_order_and_what_is_left_out_has_none(tmp_path: Path) -> None:
    stated = one(tmp_path, "turnout: 0.7, shares: {research: {right: 0.4, left: 0.6}}")
    order = load_territory("fr").grouping("research").blocs
    shares = stated.shares_under("research")
    assert shares == tuple((bloc, {"left": 0.6, "right": 0.4}.get(bloc, 0.0)) for bloc in order)
    assert stated.shares_under("official") is None


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ("valid: 3", "states neither turnout nor both registered and voters"),
        ("voters: 3", "states neither turnout nor both registered and voters"),
        ("registered: 10, voters: 11", "more voters than registered"),
        ("registered: 10, voters: 7, valid: 8", "more valid votes than voters"),
        ("registered: 1000, voters: 700, turnout: 0.701", "is not voters / registered, which is 0.7000"),
        ("turnout: 70.1", "less than 1"),
        ("turnout: 0.7, known_on: 2022-04-10", "known_on: is not after the vote"),
        ("turnout: 0.7, shares: {research: {left: 0.5, right: 0.4}}", "shares.research: sum to 0.900000"),
        ("turnout: 0.7, shares: {reserch: {left: 1.0}}", "shares.reserch: is no grouping of fr"),
        ("turnout: 0.7, shares: {research: {lift: 1.0}}", "shares.research.lift: is no bloc of research"),
        ("turnout: 0.7, abstention: 0.3", "abstention: is not a known key"),
    ],
)
def test_what_cannot_be_is_told_with_its_field(tmp_path: Path, rest: str, told: str) -> None:
    complained = complaint(tmp_path, rest)
    assert told in complained
    assert "figures.2022_pres_t1" in complained and "national.yaml" in complained


def test_a_rounded_turnout_agrees_with_its_counts(tmp_path: Path) -> None:
    assert one(tmp_path, "registered: 10000, voters: 7004, turnout: 0.70").turnout == 0.7004


def test_another_day_than_the_calendars_is_a_problem(tmp_path: Path) -> None:
    told = complaint(tmp_path, "turnout: 0.7", key="2022_pres_t2")
    assert "figures.2022_pres_t2.held_on: is 2022-04-10, and elections.yaml says 2022-04-24" in told


def test_a_key_of_another_year_is_a_problem(tmp_path: Path) -> None:
    assert "another year than the key says: 2021_pres_t1" in complaint(
        tmp_path, "turnout: 0.7", key="2021_pres_t1"
    )


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    rows = "".join(
        f"  {key}: {HELD}{rest}}}\n"
        for key, rest in [
            ("2022_pres_t1", "valid: 3"),
            ("2022_pres_t2", "registered: 10, voters: 11"),
            ("pres_2022", "turnout: 0.7"),
        ]
    )
    with pytest.raises(ConfigError, match="3 problems") as caught:
        load_national(load_territory("fr", laid_over(tmp_path, f"figures:\n{rows}")))
    assert all(part in str(caught.value) for part in ("neither turnout", "more voters", "must read <year>"))
