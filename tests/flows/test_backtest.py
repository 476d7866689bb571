"""The backtest's two tables: complete, recomputed by another path, and chosen by what came before alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from isoloir.configs.load import load_territory
from isoloir.models.registry import RULE_NAMES
from isoloir.pipelines.backtest import Backtest, backtest
from isoloir.pipelines.bench import open_bench
from isoloir.pipelines.home import Home

DEMO = load_territory("demo")
TARGETS = ["2024_euro_t1", "2022_pres_t2"]
CHANGED = "2024_euro_t1"


def said(_: str) -> None:
    """Progress that nobody reads."""


def backtested(home: Home, targets: list[str]) -> Backtest:
    return backtest(open_bench(home, DEMO, None, None), targets, said)


@pytest.fixture(scope="module")
def done(demo_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Backtest:
    home = tmp_path_factory.mktemp("backtest") / "home"
    shutil.copytree(demo_run.home / "core", home / "core")
    return backtested(Home(home), TARGETS)


@pytest.fixture(scope="module")
def predictions(done: Backtest) -> pd.DataFrame:
    return pd.read_parquet(done.predictions_path)


def test_every_station_with_electors_has_a_row_per_model_and_level(
    demo_run: Any, predictions: pd.DataFrame
) -> None:
    keys = ["target", "station_id", "model", "level"]
    assert not predictions.duplicated(keys).any()
    general = pd.read_parquet(demo_run.country / "general_results.parquet")
    for target in TARGETS:
        wanted = set(
            general.loc[(general["id_election"] == target) & (general["inscrits"] > 0), "id_brut_miom"]
        )
        of_target = predictions[predictions["target"] == target]
        groups = {key: set(part["station_id"]) for key, part in of_target.groupby(["model", "level"])}
        assert set(groups) == {(m, v) for m in ("champion", *RULE_NAMES) for v in ("given", "carried")}
        assert all(stations == wanted for stations in groups.values())


def test_no_prediction_is_null_and_bounds_hold_it(predictions: pd.DataFrame) -> None:
    ends = [c for c in predictions.columns if c.endswith(("lo90", "hi90"))]
    assert predictions.drop(columns=ends).notna().all(axis=None)
    is_champion = predictions["model"] == "champion"
    assert predictions.loc[~is_champion, ends].isna().all(axis=None), "rules have no intervals"
    predictions = predictions[is_champion]
    assert predictions.notna().all(axis=None)
    stems = [c.removesuffix("_pred") for c in predictions.columns if c.endswith("_pred")]
    assert len(stems) == 6
    for stem in stems:
        low, middle, high = (predictions[f"{stem}_{end}"] for end in ("lo90", "pred", "hi90"))
        assert ((low >= 0) & (low <= middle) & (middle <= high) & (high <= 1)).all()


def test_turnout_errors_of_the_scorecard_are_those_of_plain_sql(demo_run: Any, done: Backtest) -> None:
    again = duckdb.sql(
        f"""
        select p.target, p.model, p.level,
               100 * sum(abs(p.turnout_pred - g.votants / g.inscrits) * g.inscrits) / sum(g.inscrits) as mae
        from '{done.predictions_path}' p
        join '{demo_run.country}/general_results.parquet' g
          on g.id_election = p.target and g.id_brut_miom = p.station_id
        group by all
        """
    ).df()
    card = pd.read_parquet(done.scorecard_path)
    card = card[(card["metric"] == "turnout_mae_pp") & (card["stratum"] == "all")]
    card = card[card["model"] != "noise_floor"]
    both = card.merge(again, on=["target", "model", "level"], validate="1:1")
    assert len(both) == len(card) == len(again) == 2 * 2 * (1 + len(RULE_NAMES))
    np.testing.assert_allclose(both["value"], both["mae"], rtol=1e-9)


def test_the_champion_is_chosen_by_earlier_targets_alone(done: Backtest) -> None:
    for target in TARGETS:
        eve = DEMO.calendar[target].eve
        judged = done.champions[target].judged_at
        assert judged
        assert all(eve.sees(DEMO.calendar[key].results_known_on) for key in judged)


def test_other_votes_at_the_target_change_neither_champion_nor_forecast(
    demo_run: Any, done: Backtest, predictions: pd.DataFrame, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(demo_run.home / "core", home.path / "core")
    path = home.current_core("demo") / f"{CHANGED}.parquet"
    change(path)
    other = backtested(home, [CHANGED])
    assert other.champions[CHANGED] == done.champions[CHANGED]
    # With the level carried a forecast knows nothing of the target's votes.
    columns = ["station_id", "model", "turnout_pred", *(c for c in predictions.columns if "share" in c)]
    before, after = (
        table[(table["target"] == CHANGED) & (table["level"] == "carried")][columns].reset_index(drop=True)
        for table in (predictions, pd.read_parquet(other.predictions_path))
    )
    pd.testing.assert_frame_equal(before, after, check_exact=True)
    card = done.scorecard[done.scorecard["target"] == CHANGED].reset_index(drop=True)
    assert not np.allclose(card["value"], other.scorecard["value"], equal_nan=True)


def change(path: Path) -> None:
    """Other votes: in each row the parties' counts that are not 0 are reversed, and nobody voted blank."""
    table = pd.read_parquet(path)
    labels = [c for c in table.columns if c.startswith("label:")]
    votes = table[labels].to_numpy(dtype=float, copy=True)
    for row in votes:
        held = row > 0
        row[held] = row[held][::-1]
    for at, name in enumerate(labels):
        table[name] = pd.array(votes[:, at], dtype="Int32").astype(table[name].dtype)
    table["voters"] = table["valid"]
    table.to_parquet(path, index=False)
