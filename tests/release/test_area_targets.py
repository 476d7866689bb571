"""A release meets the figures of areas, and is refused where it does not."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from isoloir.configs.load import load_scenario, load_territory
from isoloir.domain.election import AsOf
from isoloir.domain.scenario import AreaTarget
from isoloir.pipelines.bench import Request, open_bench
from isoloir.pipelines.home import Home
from isoloir.pipelines.release.verify import missed, verify
from isoloir.pipelines.run import run

BLOCS = ["red", "green", "blue", "gold", "grey"]
FIVE = dict(zip(BLOCS, (0.2, 0.3, 0.2, 0.25, 0.05), strict=True))
MAINLAND = ("D1", "D2", "D3", "D4", "D5", "2A")


@pytest.fixture(scope="module")
def release(demo_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release in which D1 has a turnout and shares, D2 a turnout, and the nation's are of the mainland."""
    home = tmp_path_factory.mktemp("areas") / "home"
    shutil.copytree(demo_run.home, home, symlinks=True)
    demo = load_territory("demo")
    target = demo.calendar["2027_pres_t1"]
    areas = AreaTarget("department", "D1", 0.75, tuple(FIVE.items())), AreaTarget("department", "D2", 0.6, ())
    spec = dataclasses.replace(load_scenario(demo, "example"), areas=areas, scope=MAINLAND)
    request = Request(target, AsOf(target.held_on), spec, "research")
    return run(open_bench(Home(home), demo, None, None), request, lambda _: None).release


def rates(units: pd.DataFrame) -> tuple[float, list[float]]:
    """Turnout and shares of some units together."""
    voters = units["expected_voters"]
    votes = [float((voters * units[f"share_{b}_pred"]).sum() / voters.sum()) for b in BLOCS]
    return float(voters.sum() / units["registered"].sum()), votes


def test_units_meet_the_figures_of_areas_and_of_the_scope(release: Path) -> None:
    assert verify(release)
    table = pd.read_parquet(release / "scores.parquet")
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    of = table.groupby("department_code")
    turnout, shares = rates(of.get_group("D1"))
    assert turnout == pytest.approx(0.75, abs=1e-9)
    assert shares == pytest.approx(list(FIVE.values()), abs=1e-9)
    assert rates(of.get_group("D2"))[0] == pytest.approx(0.6, abs=1e-9)
    turnout, shares = rates(table[table["department_code"].isin(MAINLAND)])
    assert turnout == pytest.approx(0.69, abs=1e-9)
    assert shares == pytest.approx([manifest["scenario"]["shares"][b] for b in BLOCS], abs=1e-9)
    # Those overseas and abroad vote less, and would have pulled the whole country to the figure.
    assert rates(table)[0] < 0.689
    assert manifest["scenario"]["areas"][1] == {
        "level": "department",
        "area": "D2",
        "turnout": 0.6,
        "shares": None,
    }


def table_of(departments: list[str], constituencies: list[str | None], voters: list[float]) -> pd.DataFrame:
    """Units of 100 electors each, at which red has all votes of the first and half of the others'."""
    red = np.array([1.0] + [0.5] * (len(voters) - 1))
    said = {"department_code": departments, "constituency_code": constituencies, "expected_voters": voters}
    return pd.DataFrame(said).assign(registered=100, share_red_pred=red, share_green_pred=1 - red)


def scenario(areas: list[dict[str, Any]], **scope: list[str]) -> dict[str, Any]:
    """As a manifest holds it: 150 of 300 vote, 50 + 50 of them for red."""
    return {"turnout": 0.5, "shares": {"red": 2 / 3, "green": 1 / 3}, "areas": areas} | scope


def area(level: str, code: str, turnout: float | None, red: float | None) -> dict[str, Any]:
    shares = None if red is None else [red, 1 - red]
    return {"level": level, "area": code, "turnout": turnout, "shares": shares}


def wrong(areas: list[dict[str, Any]], constituencies: list[str | None], **scope: list[str]) -> list[str]:
    table = table_of(["A", "A", "B"], constituencies, [50.0, 30.0, 70.0])
    return missed(table, scenario(areas, **scope), ["red", "green"])


def test_an_area_that_misses_its_figure_is_named() -> None:
    known: list[str | None] = ["A1", "A2", "B1"]
    right = [area("department", "A", 0.4, 65 / 80), area("constituency", "A2", 0.3, 0.5)]
    assert wrong(right, known) == []
    assert wrong([area("department", "A", 0.41, 65 / 80)], known) == [
        "the expected voters of department A miss the scenario"
    ]
    assert wrong([area("constituency", "A1", 0.5, 0.9)], known) == [
        "the expected votes of constituency A1 miss the scenario"
    ]


def test_a_constituency_is_judged_where_no_unit_near_it_is_of_several() -> None:
    off = [area("constituency", "A1", 0.1, None), area("constituency", "B1", 0.1, None)]
    assert wrong(off, ["A1", None, "B1"]) == ["the expected voters of constituency B1 miss the scenario"]
    assert wrong([area("constituency", "C1", 0.1, 0.1)], ["A1", "A2", "B1"]) == []


def test_national_figures_are_judged_over_their_scope() -> None:
    known: list[str | None] = ["A1", "A2", "B1"]
    assert wrong([], known, turnout_scope=["A"]) == ["the expected voters miss the scenario"]
    assert wrong([], known, shares_scope=["B"]) == ["the expected votes miss the scenario"]
    assert wrong([], known, turnout_scope=["A", "B"], shares_scope=[]) == []
