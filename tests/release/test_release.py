"""A release says what it declares, is refused once damaged, and comes out the same each time."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from isoloir.configs.load import load_scenario, load_territory
from isoloir.domain.election import AsOf
from isoloir.domain.errors import ReleaseError, UsageError
from isoloir.models.backtest import level_carried
from isoloir.pipelines.bench import Request, open_bench
from isoloir.pipelines.demo import PLANTED_NAMES
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import ingest
from isoloir.pipelines.matrices import folder_of
from isoloir.pipelines.release.columns import schema_of, scores_table
from isoloir.pipelines.release.verify import verify
from isoloir.pipelines.run import Ran, run
from isoloir.pipelines.score import scored
from isoloir.pipelines.train import plan_training

DEMO = load_territory("demo")
BLOCS = ("red", "green", "blue", "gold", "grey")
SCORES = "scores.parquet"


def said(_: str) -> None:
    """Progress that nobody reads."""


def ran(home: Path, target: str = "2027_pres_t1", scenario: str = "example") -> Ran:
    contest = DEMO.calendar[target]
    request = Request(contest, AsOf(contest.held_on), load_scenario(DEMO, scenario), "research")
    return run(open_bench(Home(home), DEMO, None, None), request, said)


def manifest_of(release: Path) -> dict[str, Any]:
    return dict(json.loads((release / "manifest.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def table(demo_run: Any) -> pd.DataFrame:
    return pd.read_parquet(demo_run.release / SCORES)


@pytest.fixture
def copied(demo_run: Any, tmp_path: Path) -> Path:
    """A copy of the release, to be damaged."""
    return Path(shutil.copytree(demo_run.release, tmp_path / demo_run.release.name))


@pytest.fixture(scope="module")
def second_round(demo_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of the second round, of which the first is not known yet."""
    home = tmp_path_factory.mktemp("second") / "home"
    shutil.copytree(demo_run.home / "core", home / "core")
    shutil.copytree(demo_run.home / "parts", home / "parts")
    return ran(home, "2027_pres_t2", "example-t2").release


def test_a_release_passes_its_own_check(demo_run: Any) -> None:
    assert len(verify(demo_run.release)) == 6


@pytest.mark.parametrize(
    "name", [SCORES, "units.parquet", "aggregates.parquet", "audit.json", "model_card.md"]
)
def test_one_changed_byte_is_refused(copied: Path, name: str) -> None:
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(ReleaseError, match=f"{name} was changed"):
        verify(copied)


def test_a_missing_file_is_refused(copied: Path) -> None:
    (copied / "units.parquet").unlink()
    with pytest.raises(ReleaseError, match=r"units\.parquet is missing"):
        verify(copied)


def test_a_strange_file_is_refused(copied: Path) -> None:
    (copied / "stations.csv").write_text("station\n", encoding="utf-8")
    with pytest.raises(ReleaseError, match=r"stations\.csv is not in the manifest"):
        verify(copied)


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"files": {"scores.parquet": 1}}'])
def test_a_damaged_manifest_is_refused(copied: Path, content: str) -> None:
    (copied / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(ReleaseError, match=r"manifest\.json can't be read"):
        verify(copied)


def test_a_folder_without_a_manifest_is_no_release(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no release"):
        verify(tmp_path)


def test_the_columns_are_exactly_those_declared(demo_run: Any) -> None:
    schema = pq.read_schema(demo_run.release / SCORES)
    declared = schema_of(scores_table(tuple(manifest_of(demo_run.release)["blocs"])))
    assert [(f.name, f.type) for f in schema] == [(f.name, f.type) for f in declared]


def test_only_columns_that_may_be_null_are(table: pd.DataFrame) -> None:
    for column in scores_table(BLOCS).columns:
        assert column.nullable or table[column.name].notna().all(), column.name


def test_expected_voters_sum_to_the_scenario_where_nothing_is_withheld(
    demo_run: Any, table: pd.DataFrame
) -> None:
    manifest = manifest_of(demo_run.release)
    assert manifest["withheld_registered"] == 0
    wanted = manifest["scenario"]["turnout"] * manifest["roll_registered"]
    assert table["expected_voters"].sum() == pytest.approx(wanted, rel=1e-6)
    assert table["registered"].sum() == manifest["roll_registered"]


def test_shares_sum_to_one(table: pd.DataFrame) -> None:
    shares = table[[f"share_{b}_pred" for b in BLOCS]].sum(axis=1)
    np.testing.assert_allclose(shares, 1, atol=1e-9)


def test_a_swing_is_null_only_where_there_is_nothing_to_count_it_from(
    demo_run: Any, table: pd.DataFrame
) -> None:
    """Every bloc stands everywhere in both first rounds: what is left are communes with few votes in 2022."""
    voted = set(
        duckdb.sql(
            f"select code_commune from '{demo_run.country}/general_results.parquet' "
            "where id_election = '2022_pres_t1' group by 1 having sum(exprimes) >= 30"
        ).df()["code_commune"]
    )
    units = pd.read_parquet(demo_run.release / "units.parquet")
    communes = units["station_id"].str.split("_").str[0]
    lacks = units.loc[~communes.isin(voted), "unit_id"]
    for bloc in BLOCS:
        missing = table.loc[table[f"swing_{bloc}_pp"].isna(), "unit_id"]
        assert set(missing) <= set(lacks)


def test_a_bloc_that_does_not_stand_has_no_share_and_no_swing(second_round: Path) -> None:
    table = pd.read_parquet(second_round / SCORES)
    for bloc in ("red", "blue", "grey"):
        assert (table[f"share_{bloc}_pred"] == 0).all()
        assert table[f"swing_{bloc}_pp"].isna().all()
    assert (table[["share_green_pred", "share_gold_pred"]] > 0).all(axis=None)
    assert table["swing_green_pp"].notna().any()


def test_current_points_to_the_release(demo_run: Any) -> None:
    current = demo_run.release.parent / "current"
    assert current.is_symlink() and current.resolve() == demo_run.release.resolve()


def test_a_second_run_finds_the_release_and_changes_no_byte(demo_run: Any) -> None:
    before = (demo_run.release / SCORES).read_bytes()
    again = ran(demo_run.home)
    assert again.again and again.release == demo_run.release
    assert (demo_run.release / SCORES).read_bytes() == before


def test_a_run_into_another_home_gives_the_same_bytes(demo_run: Any, tmp_path: Path) -> None:
    ingest(Home(tmp_path / "other"), DEMO, demo_run.country, said)
    other = ran(tmp_path / "other")
    assert not other.again
    assert other.release.name == demo_run.release.name
    assert (other.release / SCORES).read_bytes() == (demo_run.release / SCORES).read_bytes()


def test_pandas_duckdb_and_polars_read_codes_as_text(demo_run: Any) -> None:
    path = demo_run.release / SCORES
    by_pandas = pd.read_parquet(path)["unit_id"].tolist()
    by_duckdb = [row[0] for row in duckdb.sql(f"select unit_id from '{path}'").fetchall()]
    frame = pl.read_parquet(path)
    assert by_pandas == by_duckdb == frame["unit_id"].to_list()
    assert frame["department_code"].dtype == pl.String
    assert "2A" in frame["department_code"].to_list()
    assert any(unit.startswith("2A") and unit.endswith("_0002") for unit in by_pandas)


def test_a_second_round_is_forecast_with_its_first_unknown(second_round: Path) -> None:
    manifest = manifest_of(second_round)
    verify(second_round)
    assert manifest["first_rounds_hidden"] is True
    assert "2027_pres_t1" not in manifest["past"]


def test_the_carried_roll_is_a_first_round_s_and_covers_electors_abroad(demo_run: Any) -> None:
    assert manifest_of(demo_run.release)["roll_from"].endswith("_t1")
    units = pd.read_parquet(demo_run.release / "units.parquet")
    assert units["station_id"].str.startswith("ZZ").any()


def test_no_planted_name_is_anywhere_in_home(demo_run: Any, second_round: Path) -> None:
    names = [name.lower() for name in PLANTED_NAMES]
    files = [p for top in (demo_run.home, second_round) for p in top.rglob("*") if p.is_file()]
    assert len(files) > 30
    source = pq.read_table(demo_run.country / "candidats_results.parquet")
    assert any(name in text_of(source) for name in names), "the search finds what is there"
    for path in files:
        if path.suffix == ".parquet":
            text = text_of(pq.read_table(path))
        else:
            text = path.read_bytes().decode("utf-8", "replace").lower()
        assert not [name for name in names if name in text], path.name


def text_of(table: pa.Table) -> str:
    """Every distinct text in a table, its columns' names and its metadata."""
    parts = [str(table.schema)]
    for name in table.column_names:
        column = table[name]
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            parts += [value or "" for value in column.unique().to_pylist()]
    return "\n".join(parts).lower()


def forged(copied: Path, change: Any, name: str = SCORES) -> Path:
    """The release with another table, and a manifest that states its bytes: only a look inside finds it."""
    path = copied / name
    table = pq.read_table(path)
    changed = change(table.to_pandas())
    pq.write_table(pa.Table.from_pandas(changed, schema=table.schema, preserve_index=False), path)
    manifest = manifest_of(copied)
    manifest["files"][name] = {
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
    }
    (copied / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return copied


def red_for_green(table: pd.DataFrame) -> pd.DataFrame:
    columns = {f"share_red_{e}": f"share_green_{e}" for e in ("pred", "lo50", "hi50", "lo90", "hi90")}
    return table.rename(columns=columns | {v: k for k, v in columns.items()})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda t: t.assign(expected_voters=t["expected_voters"] * 1.01),
            "expected voters miss the scenario",
        ),
        (red_for_green, "expected votes miss the scenario"),
        (lambda t: t.assign(registered=t["registered"].where(t.index > 0, 12)), "fewer electors"),
        (lambda t: t.assign(turnout_hi90=t["turnout_pred"] - 0.01), "outside"),
        (lambda t: t.assign(turnout_hi90=1.5), "turnout_hi90 holds what is not in"),
        (lambda t: t.assign(share_red_pred=t["share_red_pred"] / 2), "do not sum to 1"),
        (lambda t: t.iloc[1:], "a station is in no unit"),
    ],
)
def test_what_a_release_says_is_checked_and_not_its_bytes_alone(copied: Path, change: Any, told: str) -> None:
    with pytest.raises(ReleaseError, match=told):
        verify(forged(copied, change))


def test_an_unchanged_table_that_was_written_again_is_taken(copied: Path) -> None:
    """Without this, a forger's slip would make the test above pass."""
    verify(forged(copied, lambda table: table))


def test_a_commune_is_published_only_if_it_is_a_union_of_units(demo_run: Any, table: pd.DataFrame) -> None:
    """Found in review: the rest of a commune that shares a unit with another was given out as the commune."""
    areas = pd.read_parquet(demo_run.release / "aggregates.parquet")
    units = pd.read_parquet(demo_run.release / "units.parquet")
    units["commune"] = units["station_id"].str.split("_").str[0]
    communes_of = units.groupby("unit_id")["commune"].nunique()
    shared = set(units.loc[units["unit_id"].map(communes_of) > 1, "commune"])
    said = areas[(areas["area_level"] == "commune") & (areas["quantity"] == "registered")]
    assert shared and shared.isdisjoint(said["area_id"])
    whole = table[~table["commune_code"].isin(shared)].groupby("commune_code")["registered"].sum()
    assert said.set_index("area_id")["value"].to_dict() == whole.to_dict()


def test_areas_have_bounds_that_hold_them_and_narrow_with_size(demo_run: Any) -> None:
    areas = pd.read_parquet(demo_run.release / "aggregates.parquet")
    bounded = areas[areas["quantity"] != "registered"]
    assert bounded[["lo50", "hi50", "lo90", "hi90"]].notna().all(axis=None)
    for low, high in (("lo90", "lo50"), ("lo50", "value"), ("value", "hi50"), ("hi50", "hi90")):
        assert (bounded[low] <= bounded[high] + 1e-12).all()
    width = bounded[bounded["quantity"] == "turnout"].assign(width=lambda t: t["hi90"] - t["lo90"])
    usual = width.groupby("area_level")["width"].median()
    # The nation's doubt is the scenario's: 0.15 on the logit, near 69 %.
    assert usual["nation"] == pytest.approx(2 * 1.645 * 0.15 * 0.69 * 0.31, rel=0.15)
    assert usual["nation"] < usual["department"] < usual["commune"] < 0.25
    assert areas.loc[areas["quantity"] == "registered", ["lo90", "hi90"]].isna().all(axis=None)


@pytest.fixture(scope="module")
def backward(demo_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of a past contest, in which the postal station is withheld."""
    home = tmp_path_factory.mktemp("backward") / "home"
    shutil.copytree(demo_run.home / "core", home / "core")
    shutil.copytree(demo_run.home / "features", home / "features")
    contest = DEMO.calendar["2022_pres_t1"]
    request = Request(contest, AsOf(contest.held_on), None, "research")
    return run(open_bench(Home(home), DEMO, None, None), request, said).release


def test_what_is_withheld_cannot_be_had_by_subtraction(backward: Path) -> None:
    """Found in review: the scenario times the roll, less the units, was the withheld station's forecast."""
    manifest, table = manifest_of(backward), pd.read_parquet(backward / SCORES)
    assert manifest["withheld_registered"] > 0
    published = table["registered"].sum()
    assert published + manifest["withheld_registered"] == manifest["roll_registered"]
    assert table["expected_voters"].sum() == pytest.approx(
        manifest["scenario"]["turnout"] * published, rel=1e-9
    )


def test_the_units_of_a_target_do_not_move_with_the_scenario(demo_run: Any, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(demo_run.home, home, symlinks=True)
    spec = load_scenario(DEMO, "example")
    contest = DEMO.calendar["2027_pres_t1"]
    other = dataclasses.replace(spec, name="other", turnout=0.9 * (spec.turnout or 1))
    request = Request(contest, AsOf(contest.held_on), other, "research")
    release = run(open_bench(Home(home), DEMO, None, None), request, said).release
    assert release != demo_run.release
    mine, theirs = (
        pd.read_parquet(r / "units.parquet").set_index("station_id") for r in (release, demo_run.release)
    )
    first = theirs["unit_id"].groupby(theirs["unit_id"]).transform("first")
    assert (mine["unit_id"].groupby(first).nunique() == 1).all()


def test_a_registered_model_says_what_the_release_says(demo_run: Any, table: pd.DataFrame) -> None:
    contest = DEMO.calendar["2027_pres_t1"]
    request = Request(contest, AsOf(contest.held_on), load_scenario(DEMO, "example"), "research")
    bench = open_bench(Home(demo_run.home), DEMO, None, None)
    plan = plan_training(bench, request)
    kept = scored(bench, plan)
    frame = pd.read_parquet(folder_of(bench, plan.target) / "matrix.parquet").set_index("station_id")
    national = {f"share_{b}": v for b, v in manifest_of(demo_run.release)["scenario"]["shares"].items()}
    national["turnout"] = kept.scenario.turnout
    turnout = kept.turnout.predict_frame(frame, national)["turnout_pred"]
    alone = table[table["unit_level"] == "station"].set_index("unit_id")
    # A release keeps off 0 and 1, and moves the others a little for it.
    np.testing.assert_allclose(turnout.reindex(alone.index), alone["turnout_pred"], atol=1e-4)
    carried = kept.swing.predict_frame(frame, {})
    assert carried.sum(axis=1).to_numpy() == pytest.approx(1)
    stated = level_carried(kept.matrix)
    again = kept.swing.predict_frame(
        frame, {f"share_{b}": s for b, s in zip(BLOCS, stated.shares, strict=True)}
    )
    np.testing.assert_allclose(carried, again, atol=1e-9)


def times_three(areas: pd.DataFrame) -> pd.DataFrame:
    rows = (areas["area_level"] == "department") & (areas["quantity"] == "share")
    return areas.assign(value=areas["value"].where(~rows, areas["value"] * 3))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (times_three, "the figures of a department are not those of its units"),
        (lambda a: a.assign(value=a["value"].where(a["area_level"] != "nation", 5)), "figures of a nation"),
        (lambda a: a[a["area_level"] != "nation"], "figures of a nation"),
        (lambda a: a.iloc[:0], "figures of a nation"),
        (lambda a: pd.concat([a, a.iloc[-1:]]), "stands twice"),
        (lambda a: a.assign(lo90=a["hi90"]), "outside its bounds"),
    ],
)
def test_areas_are_checked_against_their_units(copied: Path, change: Any, told: str) -> None:
    """Found in review: an empty table of areas, or shares times three, passed for verified."""
    with pytest.raises(ReleaseError, match=told):
        verify(forged(copied, change, "aggregates.parquet"))


@pytest.mark.parametrize("national", [{"turnout": 63.0}, {"turnout": float("nan")}, {"share_x": 0.5}])
def test_figures_that_cannot_be_are_refused_by_a_registered_model(
    demo_run: Any, national: dict[str, float]
) -> None:
    contest = DEMO.calendar["2027_pres_t1"]
    request = Request(contest, AsOf(contest.held_on), load_scenario(DEMO, "example"), "research")
    bench = open_bench(Home(demo_run.home), DEMO, None, None)
    plan = plan_training(bench, request)
    frame = pd.read_parquet(folder_of(bench, plan.target) / "matrix.parquet")
    with pytest.raises(UsageError, match="national figures that can't be"):
        scored(bench, plan).turnout.predict_frame(frame, national)


def test_a_release_is_on_the_terms_of_what_its_forecast_rests_on(demo_run: Any) -> None:
    """Outlines were ingested too, on terms that nobody states; no forecast comes of them."""
    assert list(demo_run.home.glob("core/demo/*/context/*.geo.parquet"))
    manifest = json.loads((demo_run.release / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["licence"] == "Apache-2.0"
    assert "unstated" not in manifest["attribution"]
