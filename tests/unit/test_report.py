"""The check of what is configured tells of the national figures too."""

from __future__ import annotations

from pathlib import Path

from isoloir.configs.report import TerritoryCheck, check

FIGURE = (
    "    held_on: {day}\n    scope: country\n    source: a page\n    checked: {checked}\n    turnout: 0.7\n"
)


def checked(overlay: Path, text: str) -> TerritoryCheck:
    path = overlay / "territories" / "fr" / "national.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(f"figures:\n{text}", encoding="utf-8")
    (found,) = (territory for territory in check(overlay).territories if territory.key == "fr")
    return found


def test_national_figures_are_counted_those_apart_that_were_not_checked(tmp_path: Path) -> None:
    figures = [("1965_pres_t1", "1965-12-05", "true"), ("1965_pres_t2", "1965-12-19", "false")]
    text = "".join(f"  {key}:\n{FIGURE.format(day=day, checked=sure)}" for key, day, sure in figures)
    found = checked(tmp_path, text)
    assert (found.figures, found.unchecked_figures, found.problems) == (2, 1, ())


def test_what_is_wrong_with_a_national_figure_is_told_and_not_raised(tmp_path: Path) -> None:
    text = "  2022_pres_t1:\n" + FIGURE.format(day="2022-04-11", checked="true")
    found = checked(tmp_path, text)
    assert found.figures == 0
    assert any("held_on: is 2022-04-11, and elections.yaml says 2022-04-10" in p for p in found.problems)


def test_the_lines_tell_figures_of_territories_that_have_some(tmp_path: Path) -> None:
    report = check(tmp_path)
    told = [line for line in report.lines() if "national figures" in line]
    with_figures = [t for t in report.territories if t.figures]
    assert {t.key for t in with_figures} >= {"fr", "dk"} and len(told) == len(with_figures)
    assert (
        told[0]
        == f"  national figures: {with_figures[0].figures}, {with_figures[0].unchecked_figures} unchecked"
    )
