"""Abstention, ranks, tiers, reserves and profiles of a release: by hand, and as published of the demo."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from worlds import LAST, scenario, stations

from isoloir.domain.errors import ReleaseError
from isoloir.domain.forecast import FeatureMatrix, Forecast, National
from isoloir.domain.ledger import Notice
from isoloir.domain.units import Units
from isoloir.models.intervals import Calibrated, Calibration
from isoloir.models.profile import KINDS
from isoloir.pipelines.release.columns import scores_table
from isoloir.pipelines.release.outlook import Outlook
from isoloir.pipelines.release.recount import recounted
from isoloir.pipelines.release.scores import Published
from isoloir.pipelines.release.standing import with_standing
from isoloir.pipelines.release.verify import verify

SCORES = "scores.parquet"
BLOCS = ("left", "right", "new")
NAN = np.nan

# Two stations that stand alone, and two that are one unit: A-1-0 and A-1-1 in one department, B-1-0 with
# B-1-1 in another. Right does not stand in A-1-1; new did not stand before, and stands in department A alone.
CODES = ["A-1-0", "A-1-1", "B-1-0", "B-1-1"]
REGISTERED = np.array([1000, 1000, 300, 100], np.int32)
STANDING = np.array([[True, True, True], [True, False, True], [True, True, False], [True, True, False]])
TURNOUT = np.array([0.50, 0.60, 0.60, 0.60])
SHARES = np.array([[0.5, 0.3, 0.2], [0.8, 0.0, 0.2], [0.4, 0.6, 0.0], [0.4, 0.6, 0.0]])
THEN = np.array([[0.6, 0.4, NAN], [0.9, NAN, NAN], [NAN, 0.5, NAN], [0.2, 0.5, NAN]])
STRUCTURAL = np.array([0.30, 0.20, 0.20, 0.40])
VOLATILITY = np.array([0.1, NAN, 0.1, 0.3])
DENSITY = np.array([2000.0, 400.0, 10.0, 2000.0])


def published(structural: np.ndarray = STRUCTURAL, registered: np.ndarray = REGISTERED) -> Published:
    columns = {
        "abstention_structural": structural,
        "volatility_share": VOLATILITY,
        **{f"reference_share_{b}": THEN[:, i] for i, b in enumerate(BLOCS)},
        "census_density": np.log1p(DENSITY),
        "census_median_income": np.zeros(4),
        "turnout_mean_deviation": np.zeros(4),
        "turnout_spread": np.zeros(4),
        "history_source": np.zeros(4),
    }
    notice = Notice(LAST, BLOCS, stations(CODES), registered, STANDING, "file", "file")
    then = National("2016_pres_t1", 0.6, np.array([0.5, 0.5, 0.0]), 1.0)
    matrix = FeatureMatrix(
        notice, tuple(columns), np.stack(list(columns.values()), axis=1), then, ("a", "b", "c")
    )
    forecast = Forecast(TURNOUT, SHARES, TURNOUT * registered * 0.9)
    head = np.array([0, 1, 2, 2])
    units = Units(head, np.array([""] * 4))
    given = scenario(0.55, [0.4, 0.4, 0.2], valid_rate=0.9)
    nothing = Calibrated(np.zeros(0), np.zeros((2, 6)), (1.0, 0.0, 0.0))
    learnt = Calibration((), nothing, ())
    return Published(matrix, forecast, given, learnt, units, "test@1", "none", ())


def table_of(**changed: object) -> pd.DataFrame:
    """What scores says of the three units, as far as it is asked."""
    said: dict[str, Any] = {
        "unit_id": ["A-1-0", "A-1-1", "B-1-0"],
        "department_code": ["A", "A", "B"],
        "constituency_code": ["A01", None, None],
        "registered": np.array([1000, 1000, 400], np.int32),
        "turnout_pred": [0.50, 0.60, 0.60],
        "share_left_pred": [0.5, 0.8, 0.4],
        "share_right_pred": [0.3, 0.0, 0.6],
        "share_new_pred": [0.2, 0.2, 0.0],
    }
    return pd.DataFrame(said | changed)


def standing(s: Published | None = None) -> pd.DataFrame:
    drawn = np.array([[0.5, 0.6, 0.6], [0.6, 0.5, 0.6]], np.float32)
    return with_standing(s or published(), table_of(), Outlook((), drawn))


def test_abstention_of_a_merged_unit_is_the_mean_of_its_members_by_registered() -> None:
    made = standing()
    assert made["abstention_structural_share"].tolist() == pytest.approx([0.30, 0.20, 0.25])
    assert made["abstention_conjunctural_share"].tolist() == pytest.approx([0.20, 0.20, 0.15])
    assert made["volatility_share"].tolist() == pytest.approx([0.1, NAN, 0.15], nan_ok=True)


def test_a_unit_of_which_one_member_s_past_is_unknown_has_no_rank_tier_or_reserve() -> None:
    made = standing(published(np.array([0.30, 0.20, 0.20, NAN])))
    columns = [c for c in made if c.startswith(("abstention", "rank_dep", "tier", "reserve"))]
    assert len(columns) == 2 + 3 + 2 + 9
    assert made.loc[2, columns].isna().all() and made.loc[:1, columns].notna().all(axis=None)


def test_a_member_without_electors_counts_for_nothing() -> None:
    registered = np.array([1000, 1000, 400, 0], np.int32)
    made = standing(published(np.array([0.30, 0.20, 0.20, NAN]), registered))
    assert made.loc[2, "abstention_structural_share"] == pytest.approx(0.20)


def test_a_rank_is_null_where_the_area_is_unknown() -> None:
    made = standing()
    assert made["rank_constituency"].isna().tolist() == [False, True, True]


def test_the_profile_is_that_of_most_electors() -> None:
    """300 of 400 live in the countryside."""
    assert standing()["profile"].tolist() == [
        "city middling steady",
        "town middling steady",
        "countryside middling steady",
    ]


def test_a_reserve_by_hand_under_each_assumption() -> None:
    """180 votes of the first two units (20 % of 1000, nine in ten of them valid), 54 of the third.

    As nation: 40, 40, 20 % over those that stand. As before: 60, 40 %; 90 %; of the merged unit, left is not
    known and right had 50 %.
    """
    made = standing()
    by_hand = {
        "reserve_left": ([90, 144, 21.6], [72, 120, 21.6], [108, 162, 27]),
        "reserve_right": ([54, 0, 32.4], [54, 0, 27], [72, 0, 32.4]),
        "reserve_new": ([36, 36, 0], [36, 36, 0], [36, 60, 0]),
    }
    for name, ends in by_hand.items():
        for end, expected in zip(("", "_low", "_high"), ends, strict=True):
            assert made[f"{name}{end}_votes"].tolist() == pytest.approx(expected), name + end


def test_reserves_as_forecast_sum_to_the_valid_votes_of_conjunctural_abstainers() -> None:
    made = standing()
    votes = made["abstention_conjunctural_share"] * made["registered"] * 0.9
    total = made[[f"reserve_{b}_votes" for b in BLOCS]].sum(axis=1)
    assert total.tolist() == pytest.approx(votes.tolist())


def test_what_is_made_passes_its_recount() -> None:
    assert recounted(standing(), list(BLOCS), 0.9) == []


def test_no_text_of_a_column_says_that_a_campaign_has_an_effect() -> None:
    for column in scores_table(BLOCS).columns:
        assert "uplift" not in column.text
        if column.name.startswith("reserve"):
            assert "a potential under an assumption, not an effect of campaigning" in column.text


def test_every_score_is_explained(repository: Path) -> None:
    """Names with a bloc in them by their pattern."""
    text = (repository / "docs" / "scores.md").read_text(encoding="utf-8")
    blocs = {f"_{b}_": "_<bloc>_" for b in BLOCS}
    for column in scores_table(BLOCS).columns:
        name = column.name
        for one, pattern in blocs.items():
            name = name.replace(one, pattern)
        if name.startswith(("abstention", "volatility", "rank", "tier", "reserve", "profile", "swing")):
            stem = re.sub("_(lo|hi)(50|90)", "", name)
            assert f"`{stem}`" in text or f"`{name}`" in text, name
    for word in {word for kind in KINDS for word in kind.split()}:
        assert f"`{word}`" in text, word


# As published.


@pytest.fixture(scope="module")
def table(demo_run: Any) -> pd.DataFrame:
    return pd.read_parquet(demo_run.release / SCORES)


def test_the_floor_of_a_station_is_in_the_published_results(demo_run: Any, table: pd.DataFrame) -> None:
    """Of stations whose code and electors have stood from the first round on: the least of the files."""
    least = duckdb.sql(
        f"""
        SELECT id_brut_miom AS unit_id, min(1 - votants / inscrits) AS least, count(*) AS n,
               max(inscrits) / min(inscrits) AS grown
        FROM '{demo_run.country}/general_results.parquet'
        WHERE id_election LIKE '%_pres_%' AND inscrits > 0 GROUP BY 1"""
    ).df()
    alone = table[table["unit_level"] == "station"].merge(least[least["grown"] < 1.1], on="unit_id")
    alone = alone[alone["n"] == alone["n"].max()]
    assert len(alone) > 100
    assert np.isclose(alone["abstention_structural_share"], alone["least"]).mean() > 0.95


def test_every_unit_of_the_demo_stands_somewhere(table: pd.DataFrame) -> None:
    assert set(table["tier"]) == set("ABCD")
    assert table["tier_confidence"].between(0, 1).all()
    means = table.groupby("tier")["abstention_conjunctural_share"].mean()
    assert means.is_monotonic_decreasing
    assert set(table["profile"]) <= set(KINDS) and table["profile"].nunique() > 3
    assert (table["rank_constituency"] <= table["rank_department"]).all()


def test_the_most_and_the_least_are_surer_of_their_tier_than_those_between(table: pd.DataFrame) -> None:
    """And surer than chance."""
    sure = table.groupby("tier")["tier_confidence"].mean()
    assert sure[["A", "D"]].min() > sure[["B", "C"]].max() > 0.25


def forged(release: Path, folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    """A copy of the release with another table, and a manifest that states its bytes."""
    copied = Path(shutil.copytree(release, folder / release.name))
    arrow = pq.read_table(copied / SCORES)
    changed = change(arrow.to_pandas())
    pq.write_table(pa.Table.from_pandas(changed, schema=arrow.schema, preserve_index=False), copied / SCORES)
    manifest = json.loads((copied / "manifest.json").read_text(encoding="utf-8"))
    content = (copied / SCORES).read_bytes()
    manifest["files"][SCORES] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (copied / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return copied


def swapped(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """The values of the two rows that are furthest apart in ``column``, exchanged."""
    first, last = table[column].idxmin(), table[column].idxmax()
    ends = {first: table.loc[last, column], last: table.loc[first, column]}
    return table.assign(**{column: [ends.get(i, v) for i, v in table[column].items()]})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.assign(abstention_conjunctural_share=0.2), "conjunctural abstention is not"),
        (lambda t: swapped(t, "abstention_structural_share"), "conjunctural abstention is not"),
        (lambda t: swapped(t, "rank_department"), "a rank is not"),
        (lambda t: t.assign(rank_constituency_hi90=1), "a rank is not"),
        (lambda t: t.assign(tier="A"), "a tier does not"),
        (lambda t: t.assign(tier=t["tier"].map(dict(zip("ABCD", "DCBA", strict=True)))), "a tier does not"),
        (lambda t: t.assign(reserve_red_votes=t["reserve_red_votes"] + 1), "a reserve is not"),
        (
            lambda t: t.assign(reserve_red_low_votes=t["reserve_red_high_votes"] + 1),
            "outside its assumptions",
        ),
        (lambda t: t.assign(tier_confidence=1.5), "tier_confidence holds what is not in"),
    ],
)
def test_a_forged_standing_is_refused(
    demo_run: Any, tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], told: str
) -> None:
    with pytest.raises(ReleaseError, match=told):
        verify(forged(demo_run.release, tmp_path, change))


def test_a_table_that_was_only_written_again_is_taken(demo_run: Any, tmp_path: Path) -> None:
    verify(forged(demo_run.release, tmp_path, lambda t: t))
