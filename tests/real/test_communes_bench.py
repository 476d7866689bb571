"""The bench of communes on the published file: what comes in, and by how much each candidate misses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from isoloir.configs.load import load_territory
from isoloir.models.registry import RULE_NAMES
from isoloir.pipelines.backtest import Backtest, backtest
from isoloir.pipelines.bench import open_bench
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import ingest, row_counts

pytestmark = [pytest.mark.real, pytest.mark.slow]

FILE = "commune_turnout_1999_2022.parquet"
COMMUNES = load_territory("fr_communes")
EVERY = 8
TARGETS = ["2008_muni_t1", "2012_pres_t1", "2015_dpmt_t2", "2017_legi_t1"]


@pytest.fixture(scope="module")
def published(shared_data: Path) -> pa.Table:
    path = shared_data / "france" / FILE
    if not path.is_file():
        pytest.skip(f"needs {FILE} in the folder france")
    return pq.read_table(path)


@pytest.fixture(scope="module")
def some(published: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every eighth commune at all contests: a tenth of the time of the whole."""
    folder = tmp_path_factory.mktemp("some")
    codes = sorted(pc.unique(published["code_commune"].cast(pa.string())).to_pylist())[::EVERY]
    kept = pc.is_in(published["code_commune"].cast(pa.string()), pa.array(codes))
    pq.write_table(published.filter(kept), folder / FILE)
    return folder


@pytest.fixture(scope="module")
def done(some: Path, tmp_path_factory: pytest.TempPathFactory) -> Backtest:
    home = Home(tmp_path_factory.mktemp("home"))
    ingest(home, COMMUNES, some, lambda _: None)
    return backtest(open_bench(home, COMMUNES, None, None), TARGETS, lambda _: None)


@pytest.fixture(scope="module")
def errors(done: Backtest) -> pd.Series:
    """Turnout, level given, in pp, by target and model."""
    card = done.scorecard
    card = card[
        (card["metric"] == "turnout_mae_pp") & (card["level"] == "given") & (card["stratum"] == "all")
    ]
    return card.set_index(["target", "model"])["value"]


def test_every_commune_of_every_round_comes_in_less_what_can_not_be(
    shared_data: Path, published: pa.Table, tmp_path: Path
) -> None:
    read = ingest(Home(tmp_path / "home"), COMMUNES, shared_data / "france", lambda _: None)
    counts = published.group_by("id_election").aggregate([("code_commune", "count")]).to_pydict()
    rows = dict(zip(counts["id_election"], counts["code_commune_count"], strict=True))
    told = [line for line in read.told if "left out" in line]
    assert len(read.contests) == 51 and set(read.contests) == set(rows)
    assert len(told) == 7 and any("2004_regi_t1, commune 59512" in line for line in told)
    assert sum(rows.values()) - read.stations == 7
    assert all(
        rows[key] - n == sum(key in line for line in told) for key, n in row_counts(read.folder).items()
    )
    assert not read.findings and not read.partial


def test_the_champion_beats_every_naive_rule_at_whole_rounds(errors: pd.Series) -> None:
    for target in ("2012_pres_t1", "2017_legi_t1"):
        naive = errors[target][list(RULE_NAMES)]
        assert errors[target, "noise_floor"] < errors[target, "champion"] < naive.min()
        assert errors[target, "champion"] < 0.7 * errors[target, "department_mean"]
        assert errors[target, "layered"] < errors[target, "prior"]


def test_errors_are_of_the_size_that_was_measured(errors: pd.Series) -> None:
    assert 0.4 < errors["2012_pres_t1", "noise_floor"] < 0.9
    assert 1.4 < errors["2012_pres_t1", "layered"] < 2.1
    assert 2.1 < errors["2017_legi_t1", "layered"] < 3.1


def test_a_contest_of_a_part_of_the_communes_is_judged_there(done: Backtest, published: pa.Table) -> None:
    predictions = pd.read_parquet(done.predictions_path, columns=["target", "station_id", "model", "level"])
    held = published.filter(pc.equal(published["id_election"].cast(pa.string()), "2008_muni_t1"))
    covered = set(held["code_commune"].cast(pa.string()).to_pylist())
    of_it = predictions[predictions["target"] == "2008_muni_t1"]
    assert 200 < of_it["station_id"].nunique() < 400
    assert set(of_it["station_id"]) <= covered


def test_intervals_held_about_what_they_promise(done: Backtest) -> None:
    card = done.scorecard
    card = card[(card["model"] == "champion") & (card["level"] == "given") & (card["stratum"] == "all")]
    held = card[card["metric"] == "turnout_coverage90"]["value"]
    assert len(held) == len(TARGETS) and held.between(0.7, 1.0).all()
    assert not [
        metric for metric in done.scorecard["metric"].unique() if "share" in metric or "votes" in metric
    ]
    assert np.isfinite(card["value"]).all()
