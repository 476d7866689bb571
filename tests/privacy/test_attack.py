"""Every attack finds what is planted for it in the demo's release, and nothing in the release itself."""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import isoloir
from forging import copy_of, manifest_of, restated, rewritten

from isoloir.domain.errors import ReleaseError, UsageError
from isoloir.domain.privacy import is_protected
from isoloir.pipelines.attack.public import NOTHING, Public, public_of
from isoloir.pipelines.attack.suite import attacks
from isoloir.pipelines.attack.words import names_of

Change = Callable[[pd.DataFrame], pd.DataFrame]
NAME, FIRST_NAME = "ZZNOMTEMOIN07", "Zzprenomtemoin03"
"""As they stand in the demo's results."""


@pytest.fixture(scope="module")
def public(demo_run: Any) -> Public:
    return public_of([demo_run.country])


@pytest.fixture
def forged(demo_run: Any, tmp_path: Path) -> Path:
    """A copy of the release to plant something in."""
    return copy_of(demo_run.release, tmp_path)


def found(release: Path, public: Public = NOTHING) -> dict[str, list[str]]:
    """What each attack finds: the lines of its findings."""
    return {one.attack: [f.line() for f in one.found] for one in attacks(release, public)}


def only(release: Path, public: Public, *attack: str) -> list[str]:
    """The findings of these attacks; no other may find anything."""
    said = found(release, public)
    assert [a for a, lines in said.items() if lines] == list(attack)
    return [line for a in attack for line in said[a]]


def has(lines: Iterable[str], *words: str) -> bool:
    return any(all(word in line for word in words) for line in lines)


def cell(rows: Any, column: str, value: object) -> Change:
    """A change of a table: one value in some rows."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[rows(table) if callable(rows) else rows, column] = value
        return table

    return change


@dataclass(frozen=True)
class Hidden:
    """A protected station of the release, the unit that it was merged into, its electors and commune."""

    station: str
    unit: str
    electors: int
    commune: str


@pytest.fixture(scope="module")
def hidden(demo_run: Any, public: Public) -> Hidden:
    """The station of less than 50 electors that has most of them, among those of units of two."""
    units = pd.read_parquet(demo_run.release / "units.parquet")
    roll = public.roll(manifest_of(demo_run.release)["roll_from"])
    assert roll is not None
    electors = pd.Series(roll.registered, index=roll.station).reindex(units["station_id"]).to_numpy()
    merged = is_protected(units["reason"].to_numpy(dtype=np.str_)) & (units["status"] == "merged").to_numpy()
    pairs = merged & (units.groupby("unit_id")["station_id"].transform("size") == 2).to_numpy()
    row = int(np.where(pairs & (electors < 50), electors, -1).argmax())
    station, unit = str(units["station_id"].iloc[row]), str(units["unit_id"].iloc[row])
    commune = str(roll.commune[list(roll.station).index(station)])
    assert pairs[row] and electors[row] >= 10 and list(roll.commune).count(commune) == 1
    return Hidden(station, unit, int(electors[row]), commune)


# ---- the release as it is


def test_nothing_is_found_in_the_release_of_the_demo(demo_run: Any, public: Public) -> None:
    done = attacks(demo_run.release, public)
    assert [one.attack for one in done] == [
        "singling out",
        "union of units",
        "bounds",
        "across releases",
        "homogeneity",
        "personal columns",
        "person-level rows",
        "names in free text",
    ]
    assert not [f.line() for one in done for f in one.found]
    by = {one.attack: one for one in done}
    assert by["bounds"].tried >= 1 and (by["bounds"].least_width or 0) > 0
    assert all(one.tried for one in done if one.attack != "across releases")


def test_nothing_is_found_by_whoever_has_the_release_alone(demo_run: Any) -> None:
    assert not [f.line() for one in attacks(demo_run.release) for f in one.found]


def test_nothing_is_found_between_two_releases_of_one_partition(two_of_one: Path, public: Public) -> None:
    done = {one.attack: one for one in attacks(two_of_one, public)}["across releases"]
    assert done.tried > 0 and not done.found


@pytest.fixture
def two_of_one(demo_run: Any, tmp_path: Path) -> Path:
    """The release and another of the same partition beside it."""
    release = copy_of(demo_run.release, tmp_path)
    restated(Path(shutil.copytree(release, tmp_path / "another")), release_id="another")
    for base in demo_run.release.resolve().parent.glob("units-policy*.parquet"):
        shutil.copy(base, tmp_path)
    return release


# ---- singling out


def test_a_unit_under_the_floors_is_found(forged: Path, public: Public) -> None:
    rewritten(forged, "scores.parquet", cell(3, "registered", 49))
    assert has(found(forged, public)["singling out"], "fewer than 50 electors")


def test_a_unit_with_few_expected_votes_is_found(forged: Path, public: Public) -> None:
    rewritten(forged, "scores.parquet", cell(3, "expected_voters", 29.0))
    assert has(found(forged, public)["singling out"], "fewer than 30 expected valid votes")


def test_floors_that_a_manifest_lowers_are_found(forged: Path, public: Public) -> None:
    policy = manifest_of(forged)["policy"] | {"min_registered": 10}
    assert has(only(restated(forged, policy=policy), public, "singling out"), "lower than the policy's")


def test_a_small_station_published_by_itself_is_found(forged: Path, public: Public, hidden: Hidden) -> None:
    station, size = hidden.station, hidden.electors

    def apart(table: pd.DataFrame) -> pd.DataFrame:
        row = table[table["unit_id"] == hidden.unit].iloc[[0]]
        own = row.assign(unit_id=station, n_members=1, registered=size, expected_voters=0.6 * size)
        return pd.concat([table[table["unit_id"] != station], own])

    rewritten(forged, "scores.parquet", apart)
    rewritten(forged, "units.parquet", cell(lambda t: t["station_id"] == station, "unit_id", station))
    other = cell(lambda t: (t["unit_id"] == hidden.unit) & (t["station_id"] != station), "unit_id", None)
    rewritten(forged, "units.parquet", other)
    said = found(forged, public)
    assert has(said["singling out"], "by itself", station)
    assert has(said["bounds"], station, "known within 0 ")


def test_a_unit_that_was_small_at_the_reference_contest_is_found(
    demo_run: Any, forged: Path, tmp_path: Path
) -> None:
    manifest = manifest_of(forged)
    pairs = pd.read_parquet(forged / "succession.parquet")
    exact = pairs["method"].eq("exact").groupby(pairs["new_station_id"]).all()
    scores = pd.read_parquet(forged / "scores.parquet")
    sole = scores.loc[scores["unit_level"] == "station", "unit_id"]
    station = next(s for s in sole if exact.get(s, False))
    general = pd.read_parquet(demo_run.country / "general_results.parquet")
    then = (general["id_election"] == manifest["reference_contest"]) & (general["id_brut_miom"] == station)
    assert then.sum() == 1
    general.loc[then, "exprimes"] = 12
    general.to_parquet(tmp_path / "general_results.parquet")
    said = found(forged, public_of([tmp_path / "general_results.parquet"]))
    assert has(said["singling out"], "under the floors at", "by succession", station)
    assert has(said["singling out"], "under the floors at", "by code", station)
    # What was small then is protected, whatever the release says of it.
    assert has(said["bounds"], station)


def test_a_count_that_was_annulled_makes_no_station_small(
    demo_run: Any, forged: Path, tmp_path: Path
) -> None:
    general = pd.read_parquet(demo_run.country / "general_results.parquet")
    general.loc[general["id_election"] == manifest_of(forged)["reference_contest"], "exprimes"] = 0
    general.to_parquet(tmp_path / "general_results.parquet")
    assert not found(forged, public_of([tmp_path / "general_results.parquet"]))["singling out"]


def test_a_station_in_two_units_is_found(forged: Path, public: Public) -> None:
    rewritten(
        forged,
        "units.parquet",
        lambda t: pd.concat([t, t.iloc[[0]].assign(unit_id=t["unit_id"].iloc[5])]),
    )
    said = found(forged, public)
    assert has(said["singling out"], "stands in two units")
    assert has(said["person-level rows"], "repeat a key", "units.parquet")


def test_a_withheld_station_with_a_unit_is_found(forged: Path, public: Public, hidden: Hidden) -> None:
    withheld = cell(lambda t: t["station_id"] == hidden.station, "status", "withheld")
    rewritten(forged, "units.parquet", withheld)
    assert has(found(forged, public)["singling out"], "a withheld station has a unit", hidden.station)


# ---- differencing within


def with_commune(release: Path, hidden: Hidden) -> None:
    """Publish the commune of the hidden station, which is a part of its unit, by itself."""

    def more(areas: pd.DataFrame) -> pd.DataFrame:
        blocs, electors = manifest_of(release)["blocs"], float(hidden.electors)
        unit = pd.read_parquet(release / "scores.parquet").set_index("unit_id").loc[hidden.unit]
        said: list[tuple[str, str | None, float]] = [
            ("registered", None, electors),
            ("expected_voters", None, unit["turnout_pred"] * electors),
            ("turnout", None, unit["turnout_pred"]),
            *(("share", bloc, unit[f"share_{bloc}_pred"]) for bloc in blocs),
        ]
        rows = pd.DataFrame(said, columns=["quantity", "bloc", "value"])
        return pd.concat([areas, rows.assign(area_level="commune", area_id=hidden.commune)])

    rewritten(release, "aggregates.parquet", more)


def test_an_area_that_cuts_a_unit_is_found_and_bounds_its_station(
    forged: Path, public: Public, hidden: Hidden
) -> None:
    with_commune(forged, hidden)
    lines = only(forged, public, "union of units", "bounds")
    assert has(lines, "a commune is no sum of whole units", hidden.commune)
    assert has(lines, "a protected station's", hidden.station, "known within")


def test_another_area_that_contradicts_all_hides_nothing(
    forged: Path, public: Public, hidden: Hidden
) -> None:
    with_commune(forged, hidden)

    def wrong(areas: pd.DataFrame) -> pd.DataFrame:
        nation = areas["area_level"] == "nation"
        areas.loc[nation & areas["quantity"].isin(["expected_voters", "turnout"]), "value"] *= 1.1
        return areas

    rewritten(forged, "aggregates.parquet", wrong)
    said = found(forged, public)
    assert has(said["union of units"], "nation") and has(said["bounds"], hidden.station, "known within")


def test_an_area_with_an_elector_more_is_found(forged: Path, public: Public) -> None:
    def more(areas: pd.DataFrame) -> pd.DataFrame:
        at = areas.index[(areas["area_level"] == "department") & (areas["quantity"] == "registered")][0]
        # As little as an elector is in a large nation.
        areas.loc[at, "value"] += 0.001
        return areas

    rewritten(forged, "aggregates.parquet", more)
    assert has(only(forged, public, "union of units"), "a department is no sum of whole units")


def test_a_nation_that_counts_what_is_not_published_is_found(forged: Path, public: Public) -> None:
    def more(areas: pd.DataFrame) -> pd.DataFrame:
        rows = (areas["area_level"] == "nation") & (areas["quantity"] == "expected_voters")
        areas.loc[rows, "value"] *= 1 + 1e-5
        return areas

    rewritten(forged, "aggregates.parquet", more)
    assert has(found(forged, public)["union of units"], "nation")


def test_a_unit_that_counts_electors_of_others_is_found(forged: Path, public: Public) -> None:
    rewritten(forged, "scores.parquet", cell(3, "registered", 999))
    assert has(found(forged, public)["union of units"], "a unit has other electors than its stations")


def withhold(release: Path, hidden: Hidden) -> None:
    """Withhold all of a unit."""
    members = pd.read_parquet(release / "units.parquet")
    others = members.loc[members["unit_id"] == hidden.unit, "station_id"]
    rewritten(release, "scores.parquet", lambda t: t[t["unit_id"] != hidden.unit])
    rewritten(release, "units.parquet", cell(lambda t: t["station_id"].isin(others), "status", "withheld"))
    rewritten(release, "units.parquet", cell(lambda t: t["station_id"].isin(others), "unit_id", None))


def test_a_withheld_station_that_the_scenario_gives_away_is_found(
    forged: Path, public: Public, hidden: Hidden
) -> None:
    """The units met the scenario with it: what they lack of its figures is the station's."""
    withhold(forged, hidden)
    said = found(forged, public)
    assert has(said["union of units"], "withheld stations follow from the scenario", "2 station(s)")


def test_units_that_meet_the_scenario_by_themselves_give_away_no_withheld_station(
    forged: Path, public: Public, hidden: Hidden
) -> None:
    withhold(forged, hidden)
    turnout = manifest_of(forged)["scenario"]["turnout"]

    def moved(table: pd.DataFrame) -> pd.DataFrame:
        voters = table["expected_voters"]
        return table.assign(expected_voters=voters * turnout * table["registered"].sum() / voters.sum())

    rewritten(forged, "scores.parquet", moved)
    assert not has(found(forged, public)["union of units"], "withheld stations follow")


def test_a_bloc_with_hardly_a_vote_in_a_merged_unit_is_found(
    forged: Path, public: Public, hidden: Hidden
) -> None:
    def few(table: pd.DataFrame) -> pd.DataFrame:
        row = table["unit_id"] == hidden.unit
        gone = table.loc[row, "share_red_pred"] - 0.01
        table.loc[row, "share_red_pred"] = 0.01
        table.loc[row, "share_green_pred"] += gone
        table.loc[row, "expected_voters"] = 200.0
        return table

    rewritten(forged, "scores.parquet", few)
    # 1 % of 200 voters: some two votes for red are all that there are.
    assert has(found(forged, public)["bounds"], "votes for red", hidden.station, "at least 5")
    assert not found(forged)["bounds"], "who does not know the roll does not know how much two votes are"
    rewritten(forged, "scores.parquet", cell(lambda t: t["unit_id"] == hidden.unit, "expected_voters", 60.0))
    assert has(found(forged)["bounds"], "votes for red", hidden.station, "at least 1")


def test_a_bloc_that_does_not_stand_in_a_unit_is_no_disclosure(
    forged: Path, public: Public, hidden: Hidden
) -> None:
    unit = hidden.unit

    def none(table: pd.DataFrame) -> pd.DataFrame:
        row = table["unit_id"] == unit
        table.loc[row, "share_green_pred"] += table.loc[row, "share_red_pred"]
        table.loc[row, "share_red_pred"] = 0.0
        return table

    rewritten(forged, "scores.parquet", none)
    assert not found(forged, public)["bounds"]


def test_turnout_near_all_leaves_no_station_of_a_unit_open(
    forged: Path, public: Public, hidden: Hidden
) -> None:
    unit = hidden.unit

    def all_(table: pd.DataFrame) -> pd.DataFrame:
        row = table["unit_id"] == unit
        table.loc[row, "expected_voters"] = table.loc[row, "registered"] - 1.0
        return table

    rewritten(forged, "scores.parquet", all_)
    assert has(found(forged, public)["bounds"], "a protected station's", hidden.station)


# ---- differencing across


def beside(forged: Path, name: str = "another") -> Path:
    """Another release of the target beside this one."""
    return restated(Path(shutil.copytree(forged, forged.parent / name)), release_id=name)


def split(release: Path, hidden: Hidden) -> None:
    """Withhold a protected station that the other release merged; the other of its unit stays alone."""
    station, unit, size = hidden.station, hidden.unit, hidden.electors
    rewritten(release, "units.parquet", cell(lambda t: t["station_id"] == station, "unit_id", None))
    rewritten(release, "units.parquet", cell(lambda t: t["station_id"] == station, "status", "withheld"))
    left = pd.read_parquet(release / "units.parquet").query("unit_id == @unit")["station_id"].iloc[0]
    rewritten(release, "units.parquet", cell(lambda t: t["unit_id"] == unit, "unit_id", left))

    def less(table: pd.DataFrame) -> pd.DataFrame:
        row = table["unit_id"] == unit
        table.loc[row, "expected_voters"] -= 0.6 * size
        table.loc[row, "registered"] -= size
        table.loc[row, "n_members"] = 1
        table.loc[row, "unit_id"] = left
        return table

    rewritten(release, "scores.parquet", less)


def test_a_station_between_two_partitions_is_found(forged: Path, public: Public, hidden: Hidden) -> None:
    split(beside(forged), hidden)
    lines = found(forged, public)["across releases"]
    assert has(lines, "a part of a unit that release another tells from the rest", hidden.station)
    # One forecast under one scenario: the difference is the station's to the last vote.
    assert has(lines, "a protected station's", hidden.station, "known within")


def test_under_another_scenario_the_partition_still_may_not_differ(
    forged: Path, public: Public, hidden: Hidden
) -> None:
    other = beside(forged)
    split(other, hidden)
    restated(other, scenario=manifest_of(other)["scenario"] | {"turnout": 0.5})
    lines = found(forged, public)["across releases"]
    assert has(lines, "tells from the rest", hidden.station)
    assert not has(lines, "known within")


def test_another_target_or_policy_version_is_no_sibling(forged: Path, public: Public, hidden: Hidden) -> None:
    other = beside(forged)
    split(other, hidden)
    restated(other, policy=manifest_of(other)["policy"] | {"version": 99})
    assert not found(forged, public)["across releases"]
    restated(other, policy=manifest_of(forged)["policy"], target="2027_pres_t2")
    assert not found(forged, public)["across releases"]


def test_a_release_beside_it_that_can_not_be_read_is_counted(forged: Path, public: Public) -> None:
    (beside(forged) / "units.parquet").write_bytes(b"damaged")
    (done,) = (one for one in attacks(forged, public) if one.attack == "across releases")
    assert not done.found and "1 beside it can't be read" in done.notes


def test_units_that_are_coarser_in_one_release_are_no_disclosure(
    forged: Path, public: Public, hidden: Hidden
) -> None:
    """A merged unit and another joined in the other release: each was published as it is."""
    other = beside(forged)
    table = pd.read_parquet(forged / "scores.parquet")
    two = table.loc[table["unit_level"] == "station", "unit_id"].iloc[0]

    def joined(scores: pd.DataFrame) -> pd.DataFrame:
        row, gone = scores["unit_id"] == hidden.unit, scores["unit_id"] == two
        for column in ("registered", "expected_voters", "n_members"):
            scores.loc[row, column] += scores.loc[gone, column].iloc[0]
        return scores[~gone]

    rewritten(other, "scores.parquet", joined)
    rewritten(other, "units.parquet", cell(lambda t: t["station_id"] == two, "unit_id", hidden.unit))
    assert not found(forged, public)["across releases"]


def test_a_unit_of_the_base_partition_that_a_release_splits_is_found(
    two_of_one: Path, public: Public
) -> None:
    base = next(two_of_one.parent.glob("units-policy*.parquet"))
    table = pd.read_parquet(base)
    table.loc[table.index[1], "unit_id"] = table.loc[table.index[0], "unit_id"]
    table.to_parquet(base)
    assert has(found(two_of_one, public)["across releases"], "base partition is split")


# ---- homogeneity


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("turnout_pred", 0.995, "near-unanimous turnout of a unit"),
        ("turnout_pred", 0.004, "turnout too near to 0 or 1"),
        ("share_red_pred", 0.96, "near-unanimous share of a bloc in a unit"),
        ("share_red_pred", 0.002, "share too near to 0 or 1"),
    ],
)
def test_a_number_that_tells_of_nearly_everyone_is_found(
    forged: Path, public: Public, column: str, value: float, words: str
) -> None:
    rewritten(forged, "scores.parquet", cell(5, column, value))
    assert has(found(forged, public)["homogeneity"], words)


def test_voters_that_are_nearly_all_electors_are_found_whatever_the_turnout_says(
    forged: Path, public: Public
) -> None:
    electors = pd.read_parquet(forged / "scores.parquet")["registered"].iloc[5]
    rewritten(forged, "scores.parquet", cell(5, "expected_voters", float(electors)))
    assert has(found(forged, public)["homogeneity"], "near-unanimous turnout of a unit")


def alone(table: pd.DataFrame) -> pd.DataFrame:
    """One bloc stands in the sixth unit, with all votes."""
    shares = [c for c in table if c.startswith("share_") and c.endswith("_pred")]
    table.loc[5, shares] = 0.0
    table.loc[5, "share_red_pred"] = 1.0
    return table


def test_where_one_bloc_stands_its_share_says_nothing_and_turnout_does(forged: Path, public: Public) -> None:
    rewritten(forged, "scores.parquet", alone)
    assert not found(forged, public)["homogeneity"]
    rewritten(forged, "scores.parquet", cell(5, "turnout_pred", 0.995))
    assert has(found(forged, public)["homogeneity"], "near-unanimous turnout")


def test_bounds_near_unanimity_are_no_disclosure(forged: Path, public: Public) -> None:
    rewritten(forged, "scores.parquet", cell(5, "turnout_hi90", 1.0))
    rewritten(forged, "scores.parquet", cell(5, "share_red_hi90", 1.0))
    assert not found(forged, public)["homogeneity"]


def test_a_near_unanimous_area_is_found(forged: Path, public: Public) -> None:
    def near(areas: pd.DataFrame) -> pd.DataFrame:
        at = areas.index[(areas["area_level"] == "commune") & (areas["bloc"] == "red")][0]
        areas.loc[at, "value"] = 0.97
        return areas

    rewritten(forged, "aggregates.parquet", near)
    assert has(found(forged, public)["homogeneity"], "near-unanimous share of a bloc in an area")


# ---- planted columns and rows


TABLES = ("scores.parquet", "units.parquet", "aggregates.parquet", "succession.parquet")


@pytest.mark.parametrize("table", TABLES)
def test_a_column_that_is_not_declared_is_found(forged: Path, public: Public, table: str) -> None:
    rows, planted = pq.read_table(forged / table), ("nom", "prenom", "email", "birth_date", "extra")
    for column in planted:
        rows = rows.append_column(column, pa.array([0] * rows.num_rows))
    pq.write_table(rows, forged / table)
    lines = only(restated(forged), public, "personal columns")
    for column in planted:
        assert has(lines, "not declared", f"{table}: {column}")
        assert has(lines, "name for a person", column) == (column != "extra")


@pytest.mark.parametrize(
    ("name", "personal"),
    [
        ("nom", True),
        ("dateDeNaissance", True),
        ("Prénom", True),
        ("last_name", True),
        ("voter_id", True),
        ("e_mail", True),
        ("expected_voters", False),
        ("turnout_hi90", False),
        ("nominal", False),
        ("share_red_pred", False),
        ("scenario_name", False),
    ],
)
def test_which_names_speak_of_persons(name: str, personal: bool) -> None:
    from isoloir.pipelines.attack.columns import is_personal

    assert is_personal(name) == personal


def test_a_personal_key_of_the_manifest_is_found(forged: Path, public: Public) -> None:
    assert has(
        only(restated(forged, electeurs=[{"nom": 1}]), public, "personal columns"), "manifest.json: nom"
    )


def test_a_file_that_is_not_declared_is_found(forged: Path, public: Public) -> None:
    (forged / "voters.parquet").write_bytes((forged / "units.parquet").read_bytes())
    assert has(only(restated(forged), public, "personal columns"), "a file that is not declared")


def test_a_row_per_voter_is_found(forged: Path, public: Public) -> None:
    rewritten(forged, "units.parquet", lambda t: pd.concat([t] * 3))
    lines = found(forged, public)["person-level rows"]
    assert has(lines, "repeat a key", "units.parquet")
    assert has(lines, "more than stations on the roll", "units.parquet")


def test_a_row_per_voter_under_ids_of_their_own_is_found(forged: Path, public: Public) -> None:
    def persons(table: pd.DataFrame) -> pd.DataFrame:
        one = pd.concat([table.iloc[[0]]] * 40, ignore_index=True)
        return pd.concat(
            [table, one.assign(station_id=[f"{s}-{i}" for i, s in enumerate(one["station_id"])])]
        )

    rewritten(forged, "units.parquet", persons)
    lines = found(forged, public)["person-level rows"]
    assert has(lines, "40 stations that no public roll has")
    assert has(lines, "40 rows more than stations on the roll")
    assert has(found(forged)["person-level rows"], "40 stations that the succession does not reach")


def test_a_unit_of_nobody_is_found(forged: Path, public: Public) -> None:
    rewritten(forged, "scores.parquet", cell(5, "unit_id", "elsewhere_0001"))
    lines = found(forged, public)["person-level rows"]
    assert has(lines, "units named by no station") and has(lines, "stations of a unit that is not there")


def test_training_rows_of_no_published_unit_or_of_few_are_found(
    forged: Path, public: Public, hidden: Hidden
) -> None:
    rows = pd.read_parquet(forged / "training.parquet", columns=["contest"])["contest"]
    now, before = (int((rows == c).to_numpy().argmax()) for c in (manifest_of(forged)["target"], rows[0]))
    rewritten(forged, "training.parquet", cell(now, "unit_id", hidden.station))
    rewritten(forged, "training.parquet", cell(before, "registered", 12))
    lines = only(forged, public, "person-level rows")
    assert has(lines, "1 rows of no published unit", "training.parquet")
    assert has(lines, "1 rows of fewer electors than the floor", "training.parquet")


# ---- free text


TEXTS = {
    "write to jeanne.dupond@example.fr": "e-mail",
    "call 06 12 34 56 78": "telephone",
    "call +33 6 12 34 56 78": "telephone",
    "number 2 55 08 14 168 025 38": "social security",
    "number 255081416802538": "social security",
    "born 14/08/1955": "date as of a birth",
    "born 1955-08-14": "date as of a birth",
    f"elected: {NAME}": "a candidate's name",
    f"elected: {FIRST_NAME} {NAME}": "a candidate's name",
    f"elected: {NAME.lower()}": "a candidate's name",
}
PLACES = ("scores.parquet", "model_card.md", "audit.html", "metadata", "manifest.json")


@pytest.mark.parametrize("text", TEXTS)
def test_personal_text_is_found_and_is_not_told(forged: Path, public: Public, text: str) -> None:
    plant(forged, "scores.parquet", text)
    lines = only(forged, public, "names in free text")
    assert has(lines, TEXTS[text], "scores.parquet: column flags")
    assert not has(lines, text) and not has(lines, NAME) and not has(lines, "1955")


@pytest.mark.parametrize("place", PLACES)
def test_a_name_is_found_wherever_it_stands(forged: Path, public: Public, place: str) -> None:
    plant(forged, place, f"elected: {NAME}")
    lines = only(forged, public, "names in free text")
    assert has(lines, "a candidate's name", "scores.parquet" if place == "metadata" else place)


def plant(release: Path, place: str, text: str) -> None:
    if place == "scores.parquet":
        rewritten(release, place, cell(5, "flags", text))
    elif place == "metadata":
        table = pq.read_table(release / "scores.parquet")
        said = table.replace_schema_metadata({**(table.schema.metadata or {}), b"remark": text.encode()})
        pq.write_table(said, release / "scores.parquet")
        restated(release)
    elif place == "manifest.json":
        restated(release, assumptions=[text])
    else:
        path = release / place
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        path.write_text(before + f"\n<p>{text}</p>\n", encoding="utf-8")
        restated(release)


@pytest.mark.parametrize(
    "text",
    [
        "255081416802539 has wrong control digits",
        "0.0612345678 and 12.0612345678 are numbers",
        "sha256 0612345678abcdef0612345678",
        "layered@2fa16716e0044ab7 is a version",
        "2027-04-11 is a day of now",
    ],
)
def test_text_that_only_looks_alike_is_not_found(forged: Path, public: Public, text: str) -> None:
    plant(forged, "model_card.md", text)
    assert not found(forged, public)["names in free text"]


def test_a_last_name_that_is_a_word_of_ours_counts_with_its_first_name_only() -> None:
    names = names_of([("Station", "Élodie"), ("Zébulonnier", ""), ("Le Queuvreux", ""), ("Ab", "")])
    assert names.excluded == 1
    assert not names.in_("a station of the roll, ab")
    assert names.in_("STATION Elodie") and names.in_("Elodie Station")
    assert names.in_("by zebulonnier") and names.in_("by le queuvreux") and not names.in_("zebulonniers")


# ---- the command


def test_the_command_ends_well_where_nothing_is_found(demo_run: Any) -> None:
    said = isoloir("attack", demo_run.release, "--with", demo_run.country)
    assert said.status == 0 and said.out.splitlines()[-1] == "nothing found"
    assert "bounds: " in said.out


def test_the_command_ends_with_the_status_of_a_disclosure(forged: Path) -> None:
    rewritten(forged, "scores.parquet", cell(5, "turnout_pred", 0.995))
    said = isoloir("attack", forged)
    assert said.status == 7 and "near-unanimous turnout" in said.out
    told = isoloir("attack", forged, "--json")
    assert told.status == 7
    homogeneity = next(a for a in json.loads(told.out)["attacks"] if a["attack"] == "homogeneity")
    assert homogeneity["found"][0]["what"] == "near-unanimous turnout of a unit"


def test_what_is_no_release_and_what_are_no_results_is_refused(tmp_path: Path, demo_run: Any) -> None:
    with pytest.raises(ReleaseError, match="no release"):
        attacks(tmp_path)
    with pytest.raises(UsageError, match="no file here"):
        public_of([demo_run.release / "units.parquet"])
    with pytest.raises(UsageError, match="no published results here"):
        public_of([tmp_path / "nowhere"])
    assert isoloir("attack", tmp_path).status == ReleaseError.exit_code


def test_the_attack_shares_no_code_with_what_protects(repository: Path) -> None:
    allowed = {"Policy", "is_protected"}
    for path in sorted((repository / "pipelines" / "attack").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or node.level or not node.module:
                continue
            names = {alias.name for alias in node.names}
            if node.module.startswith("isoloir.domain") and not node.module.endswith("errors"):
                assert node.module == "isoloir.domain.privacy" and names <= allowed, path.name
            elif node.module.startswith("isoloir."):
                assert node.module in ("isoloir.domain.errors", "isoloir.pipelines.release.columns"), (
                    path.name
                )


@pytest.mark.real
@pytest.mark.campaign
def test_nothing_is_found_in_all_of_france(shared_data: Path, tmp_path: Path) -> None:
    """Three targets, each forecast and published by itself from the published files."""
    home = tmp_path / "home"
    assert isoloir("ingest", "fr", "--from", shared_data / "france", "--home", home).status == 0
    for target in ("2022_legi_t1", "2022_legi_t2", "2027_pres_t1"):
        scenario = ("--scenario", "example-2027-t1") if target.startswith("2027") else ()
        assert isoloir("run", "fr", "--target", target, *scenario, "--home", home).status == 0
        said = isoloir(
            "attack", home / "releases" / "fr" / target / "current", "--with", shared_data / "france"
        )
        assert said.status == 0, said.out
        protected = next(line for line in said.out.splitlines() if line.startswith("bounds: "))
        assert int(protected.split()[1]) > 1000
