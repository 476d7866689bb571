"""A territory whose stations are communes: turnout alone is forecast and judged, and no share is made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from commands import isoloir

from isoloir.configs.load import load_territory
from isoloir.domain.bloc import TURNOUT_ONLY
from isoloir.domain.errors import SourceError, UsageError
from isoloir.domain.station import CODES
from isoloir.models.registry import RULE_NAMES
from isoloir.pipelines.backtest import Backtest, backtest, backtested_before
from isoloir.pipelines.bench import Bench, open_bench
from isoloir.pipelines.core import LABEL
from isoloir.pipelines.folds import folds_of, learned, plan_lessons
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import Ingested, ingest
from isoloir.pipelines.matrices import Hidden

FILE = "commune_turnout_1999_2022.csv"
COMMUNES = load_territory("fr_communes")
HALF = "2015_dpmt_t1"
ROUNDS = (
    "2012_pres_t1",
    "2012_pres_t2",
    "2012_legi_t1",
    HALF,
    "2017_pres_t1",
    "2017_pres_t2",
    "2017_legi_t1",
)
TARGETS = [HALF, "2017_pres_t2", "2017_legi_t1"]
NOT_SHARES = ("turnout_", "national_", "carried_roll_matched")


def said(_: str) -> None:
    """Progress that nobody reads."""


def published(seed: int = 5) -> pd.DataFrame:
    """Eighty communes that keep their leanings; a departmental round covers the first half of them."""
    rng = np.random.default_rng(seed)
    codes = [f"{d}{n:03d}" for d in ("01", "02", "2A", "13") for n in range(1, 21)]
    registered, leaning = rng.integers(80, 5000, len(codes)), rng.normal(0, 0.4, len(codes))
    rounds = []
    for key in ROUNDS:
        turnout = 1 / (1 + np.exp(-(rng.normal(0.6, 0.5) + leaning + rng.normal(0, 0.1, len(codes)))))
        voters = rng.binomial(registered, turnout)
        of_round = pd.DataFrame({"id_election": key, "code_departement": [c[:2] for c in codes]})
        of_round = of_round.assign(code_commune=codes, inscrits=registered, votants=voters)
        rounds.append(of_round.iloc[: len(codes) // 2] if key == HALF else of_round)
    return pd.concat(rounds, ignore_index=True)


def written(folder: Path, table: pd.DataFrame) -> Path:
    folder.mkdir(exist_ok=True)
    table.to_csv(folder / FILE, index=False)
    return folder


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return published()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, table: pd.DataFrame) -> Path:
    return written(tmp_path_factory.mktemp("published"), table)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home") / "isoloir")


@pytest.fixture(scope="module")
def read(home: Home, folder: Path) -> Ingested:
    return ingest(home, COMMUNES, folder, said)


@pytest.fixture(scope="module")
def bench(home: Home, read: Ingested) -> Bench:
    return open_bench(home, COMMUNES, None, None)


@pytest.fixture(scope="module")
def done(bench: Bench) -> Backtest:
    return backtest(bench, TARGETS, said)


def test_every_commune_is_a_station_with_its_turnout_and_nothing_of_a_label(
    read: Ingested, table: pd.DataFrame
) -> None:
    assert read.contests == tuple(sorted(ROUNDS)) and not read.findings and not read.partial
    for key in ROUNDS:
        kept = pq.read_table(read.folder / f"{key}.parquet")
        rows = table[table["id_election"] == key].sort_values("code_commune")
        assert not [name for name in kept.column_names if name.startswith(LABEL)]
        for ours, theirs in (("station_id", "code_commune"), ("commune_code", "code_commune")):
            assert kept[ours].to_pylist() == rows[theirs].to_list()
        assert kept["department_code"].to_pylist() == rows["code_departement"].to_list()
        assert set(kept["constituency_code"].to_pylist()) == {""}
        for ours, theirs in (("registered", "inscrits"), ("voters", "votants")):
            assert kept[ours].to_pylist() == rows[theirs].to_list()


def test_no_share_of_any_contest_is_known_and_there_is_no_bloc(bench: Bench) -> None:
    assert bench.blocs is TURNOUT_ONLY and bench.label == "turnout"
    for record in bench.ledger.records:
        assert record.votes.shape == record.standing.shape == (len(record.stations), 0)
        assert not record.shares_known.any()


def test_a_count_out_of_all_proportion_is_left_out_and_told(tmp_path: Path, table: pd.DataFrame) -> None:
    wrong = (table["id_election"] == "2017_pres_t1") & (table["code_commune"] == "2A007")
    damaged = table.assign(inscrits=table["inscrits"].mask(wrong, 900_000))
    read = ingest(Home(tmp_path / "home"), COMMUNES, written(tmp_path / "published", damaged), said)
    assert any("2017_pres_t1, commune 2A007: 900000 registered" in line for line in read.told)
    stations = pq.read_table(read.folder / "2017_pres_t1.parquet")["station_id"].to_pylist()
    assert "2A007" not in stations and len(stations) == 79


def test_more_voters_than_registered_are_refused_with_the_row(tmp_path: Path, table: pd.DataFrame) -> None:
    damaged = table.assign(votants=table["votants"].mask(table.index == 41, table["inscrits"] + 1))
    with pytest.raises(SourceError, match="has more voters than registered") as caught:
        ingest(Home(tmp_path / "home"), COMMUNES, written(tmp_path / "published", damaged), said)
    assert caught.value.where.endswith("row 42")


def test_every_contest_with_a_past_is_judged_by_every_candidate_of_turnout(bench: Bench) -> None:
    past = learned(bench, plan_lessons(bench, COMMUNES.calendar.contests[-1].eve, Hidden(False)),
                   COMMUNES.calendar.contests[-1].eve, said)  # fmt: skip
    folds = folds_of(bench, past, said)
    assert [f.outcomes.contest.key for f in folds] == list(ROUNDS[1:])
    for fold in folds:
        assert {"prior", "pooled", "layered", "boosted_turnout", *RULE_NAMES} <= set(fold.judgement.turnout)
        assert "boosted_shares" not in fold.judgement.turnout
        assert np.isfinite(list(fold.judgement.turnout.values())).all()
    # What was kept of a fold is what was made.
    again = folds_of(bench, past, said)
    for one, other in zip(folds, again, strict=True):
        assert one.judgement.turnout == other.judgement.turnout


def test_the_scorecard_has_no_row_of_shares_and_no_gap_over_all_stations(done: Backtest) -> None:
    card = done.scorecard
    assert set(card["target"]) == set(TARGETS)
    assert all(metric.startswith(NOT_SHARES) for metric in card["metric"].unique())
    assert card.loc[card["stratum"] == "all", "value"].notna().all()
    judged = card[(card["metric"] == "turnout_mae_pp") & (card["stratum"] == "all")]
    models = {"champion", "noise_floor", "prior", "pooled", "boosted_turnout", "transition"}
    models |= {"layered", "layered_mean", "layered_kind", *RULE_NAMES}
    assert set(judged.loc[judged["level"] == "given", "model"]) == models
    assert not [name for name in pq.read_schema(done.predictions_path).names if "share" in name]


def test_a_contest_is_judged_at_the_communes_that_it_covers(done: Backtest, table: pd.DataFrame) -> None:
    predictions = pd.read_parquet(done.predictions_path)
    rows = table[table["id_election"] == HALF].set_index("code_commune")
    of_half = predictions[(predictions["target"] == HALF) & (predictions["level"] == "given")]
    for model, part in of_half.groupby("model"):
        assert set(part["station_id"]) == set(rows.index)
        actual = (rows["votants"] / rows["inscrits"]).loc[part["station_id"]].to_numpy()
        missed = np.abs(part["turnout_pred"].to_numpy() - actual)
        expected = 100 * np.average(missed, weights=part["registered"])
        card = done.scorecard[(done.scorecard["target"] == HALF) & (done.scorecard["model"] == model)]
        card = card[(card["metric"] == "turnout_mae_pp") & (card["level"] == "given")]
        assert card.loc[card["stratum"] == "all", "value"].item() == pytest.approx(expected, rel=1e-9)


def test_the_past_of_a_commune_tells_more_than_that_of_its_department(done: Backtest) -> None:
    card = done.scorecard[
        (done.scorecard["metric"] == "turnout_mae_pp") & (done.scorecard["level"] == "given")
    ]
    error = card[card["stratum"] == "all"].set_index(["target", "model"])["value"]
    for target in TARGETS:
        assert error[target, "noise_floor"] < error[target, "champion"] < error[target, "department_mean"] / 2
    assert done.champions["2017_legi_t1"].judged_at == ("2012_legi_t1", HALF, "2017_pres_t1")


def test_a_kept_backtest_is_found_again(bench: Bench, done: Backtest) -> None:
    kept = backtested_before(bench, TARGETS)
    assert kept is not None and kept.champions == done.champions


def test_the_command_shows_turnout_alone_and_a_forecast_is_refused(done: Backtest, home: Home) -> None:
    shown = isoloir("backtest", "fr_communes", "--targets", ",".join(TARGETS), "--home", home.path)
    assert shown.status == 0 and "turnout error, pp, national level given" in shown.out
    assert "champion of 2017_legi_t1" in shown.out and "again:        True" in shown.out
    assert not {"votes", "share", "NaN", "Empty"} & set(shown.out.replace("_", " ").split())
    for command in ("run", "train", "build"):
        refused = isoloir(command, "fr_communes", "--target", "2017_legi_t1", "--home", home.path)
        assert refused.status == 2 and "fr_communes has no shares" in refused.err
        assert "isoloir backtest fr_communes --targets 2017_legi_t1" in refused.err


def test_there_is_no_other_grouping() -> None:
    with pytest.raises(UsageError, match="no grouping called 'research'") as caught:
        COMMUNES.grouping("research")
    assert "turnout" in caught.value.remedy


def test_the_file_of_communes_says_the_same_to_both_territories(read: Ingested, folder: Path) -> None:
    """What France reads as a coarser history is what the bench reads as stations."""
    from isoloir.pipelines.sources.communes import read_counts, read_returns
    from isoloir.pipelines.sources.tables import Opened

    opened = Opened(folder / FILE, delimiter=",")
    coarse, returns = read_counts(opened, COMMUNES.calendar), read_returns(opened, COMMUNES.calendar)
    for counts, one in zip(coarse.counts, returns.returns, strict=True):
        assert counts.contest == one.contest and one.labels == ()
        for name in ("registered", "voters", "row"):
            np.testing.assert_array_equal(getattr(counts, name), getattr(one, name))
        assert all(len(getattr(one.stations, code)) == len(counts.row) for code in CODES)
