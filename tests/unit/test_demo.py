"""The invented country: a seed decides its bytes, its sums agree, and the truth tells what happened."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
import pytest

from isoloir.configs.load import load_offer, load_scenario, load_territory, scenario_names
from isoloir.pipelines.demo import PLANTED_NAMES, DemoTruth, write_demo
from isoloir.pipelines.demo_ballots import FUTURE_CONTESTS

GENERAL = (
    "id_election,id_brut_miom,code_departement,libelle_departement,code_canton,libelle_canton,code_commune,"
    "libelle_commune,code_circonscription,libelle_circonscription,code_bv,inscrits,abstentions,votants,blancs,"
    "nuls,exprimes,ratio_abstentions_inscrits,ratio_votants_inscrits,ratio_blancs_inscrits,ratio_blancs_votants,"
    "ratio_nuls_inscrits,ratio_nuls_votants,ratio_exprimes_inscrits,ratio_exprimes_votants"
)
# As in the vintage of 2026.
CANDIDATES = (
    "id_election,id_brut_miom,code_departement,code_commune,code_bv,no_panneau,voix,ratio_voix_inscrits,"
    "ratio_voix_exprimes,nuance,sexe,nom,prenom,liste,libelle_abrege_liste,libelle_etendu_liste,nom_tete_liste,"
    "binome"
)
STATION = ["id_election", "id_brut_miom"]


@dataclass(frozen=True)
class Written:
    """The country of seed 1 as written, and its two tables of results."""

    folder: Path
    truth: DemoTruth
    general: pd.DataFrame
    candidates: pd.DataFrame

    def round(self, contest: str) -> pd.DataFrame:
        """The stations of a round by id."""
        return self.general[self.general["id_election"] == contest].set_index("id_brut_miom")

    def labels(self) -> pd.Series:
        """The label of each candidate: the nuance, or the panel of a presidential round."""
        panels = self.candidates["no_panneau"].astype("Int64").astype("string")
        return self.candidates["nuance"].astype("string").fillna(panels)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("demo")
    truth = write_demo(folder)
    general = pq.read_table(folder / "general_results.parquet").to_pandas()
    candidates = pq.read_table(folder / "candidats_results.parquet").to_pandas()
    return Written(folder, truth, general, candidates)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_seed_gives_the_same_bytes(written: Written, tmp_path: Path) -> None:
    assert write_demo(tmp_path) == written.truth
    assert contents(tmp_path) == contents(written.folder)


def test_another_seed_gives_other_votes(written: Written, tmp_path: Path) -> None:
    write_demo(tmp_path, seed=2)
    assert (tmp_path / "truth/levels.csv").read_bytes() != (written.folder / "truth/levels.csv").read_bytes()


@pytest.mark.parametrize("n_stations", [300, 2000])
def test_any_size_can_be_had(tmp_path: Path, n_stations: int) -> None:
    truth = write_demo(tmp_path, n_stations=n_stations)
    assert abs(truth.n_stations - n_stations) < 20
    assert sum(len(each) for each in contents(tmp_path).values()) < 6_000_000


@pytest.mark.parametrize("n_stations", [0, 299, 2001])
def test_a_size_out_of_range_is_refused(tmp_path: Path, n_stations: int) -> None:
    with pytest.raises(ValueError, match=f"not {n_stations}"):
        write_demo(tmp_path, n_stations=n_stations)


def test_the_columns_are_those_published(written: Written) -> None:
    assert ",".join(written.general.columns) == GENERAL
    assert ",".join(written.candidates.columns) == CANDIDATES


def test_every_sum_agrees(written: Written) -> None:
    general = written.general
    assert (general["inscrits"] == general["votants"] + general["abstentions"]).all()
    counted = general[general["blancs"].notna()]
    assert (counted["votants"] == counted["blancs"] + counted["nuls"] + counted["exprimes"]).all()
    assert (general["exprimes"] <= general["votants"]).all()
    assert (general["abstentions"] >= 0).all()
    votes = written.candidates.groupby(STATION)["voix"].sum()
    valid = general.set_index(STATION)["exprimes"]
    assert len(votes) == len(valid)
    assert (votes.reindex(valid.index) == valid).all()


def test_a_station_stands_once_in_a_round_and_a_panel_once_in_a_station(written: Written) -> None:
    assert not written.general.duplicated(STATION).any()
    numbered = written.candidates[written.candidates["no_panneau"].notna()]
    assert not numbered.duplicated([*STATION, "no_panneau"]).any()


def test_codes_have_the_form_of_the_published_ones(written: Written) -> None:
    general = written.general
    assert (general["id_brut_miom"] == general["code_commune"] + "_" + general["code_bv"]).all()
    assert (general["code_commune"].str.len() == 5).all()
    assert {"2A", "ZZ"} <= set(general["code_departement"])
    kept = set(general["code_bv"])
    assert {"0001", "01.1", "BV01", "JUS1", "002B"} <= kept


def test_most_communes_have_one_station_and_some_have_ten_or_more(written: Written) -> None:
    n_stations = written.round("2017_pres_t1").groupby("code_commune").size()
    assert 0.55 < (n_stations == 1).mean() < 0.75
    assert (n_stations >= 10).sum() >= 5
    assert n_stations.max() <= 42


def test_second_rounds_cover_a_subset(written: Written) -> None:
    for year in (2012, 2017, 2022, 2024):
        first = set(written.round(f"{year}_legi_t1").index)
        second = set(written.round(f"{year}_legi_t2").index)
        assert second < first
        assert len(second) > 0.4 * len(first)


def test_a_bloc_does_not_stand_everywhere(written: Written) -> None:
    legi = written.candidates[written.candidates["id_election"] == "2022_legi_t1"]
    stands = legi.groupby("id_brut_miom")["nuance"].agg(set)
    assert 0 < stands.map(lambda codes: bool(codes & {"BLA", "BLB"})).mean() < 1


def test_far_away_turnout_is_about_half(written: Written) -> None:
    last = written.round("2022_pres_t1")
    summed = last.groupby("code_departement")[["votants", "inscrits"]].sum()
    turnout = summed["votants"] / summed["inscrits"]
    assert turnout[["97D", "ZZ"]].max() < 0.65 * turnout.drop(["97D", "ZZ"]).mean()
    assert last.groupby("code_departement")["inscrits"].median()["ZZ"] > 2000


def test_the_odd_stations_are_where_the_truth_says(written: Written) -> None:
    truth = written.truth
    general = written.general.set_index(STATION)
    assert set(truth.without_electors) == set(general.index[general["inscrits"] == 0])
    silent = general.index[(general["exprimes"] == 0) & (general["inscrits"] > 0)]
    assert set(truth.without_valid) == set(silent)
    assert truth.without_valid
    assert general["inscrits"].between(10, 45).sum() > 100
    votes = written.candidates.set_index("id_brut_miom").loc[list(truth.unanimous)].reset_index()
    most = votes.groupby(["id_election", "id_brut_miom"])["voix"].agg(["max", "sum"])
    assert (most["max"] == most["sum"]).all()
    assert most["sum"].sum() > 0


def test_one_surname_stands_twice_and_several_candidates_share_a_nuance(written: Written) -> None:
    named = written.candidates[written.candidates["nom"].notna()]
    twice = named[named.duplicated([*STATION, "nom"])]
    assert set(map(tuple, twice[STATION].to_numpy())) == set(written.truth.homonyms)
    assert written.truth.homonyms
    legi = named[named["id_election"] == "2022_legi_t1"]
    assert legi.duplicated([*STATION, "nuance"]).mean() > 0.05


def test_the_planted_names_are_in_the_candidates_file_and_nowhere_else(written: Written) -> None:
    columns = ["nom", "prenom", "nom_tete_liste", "libelle_etendu_liste", "binome"]
    values = {text for name in columns for text in written.candidates[name].dropna().unique()}
    found = " ".join(sorted(values))
    assert [name for name in PLANTED_NAMES if name not in found] == []
    others = written.candidates.drop(columns=columns).select_dtypes(exclude="number")
    assert not others.apply(lambda column: column.str.contains("TEMOIN", case=False)).any().any()
    for name in written.general.select_dtypes(exclude="number"):
        assert not written.general[name].dropna().str.contains("TEMOIN", case=False).any()


def test_blanks_are_unpublished_before_2014_and_a_zero_filled_round_names_nobody(written: Written) -> None:
    years = written.general["id_election"].str[:4].astype(int)
    assert (written.general["blancs"].isna() == (years <= 2014)).all()
    euro = written.candidates[written.candidates["id_election"] == "2014_euro_t1"]
    assert euro[["nom", "no_panneau", "nom_tete_liste"]].isna().all(axis=None)
    assert euro.groupby("id_brut_miom").size().nunique() == 1


def successors(written: Written) -> pd.DataFrame:
    return pq.read_table(written.folder / "truth" / "succession.parquet").to_pandas()


def test_the_weights_of_a_stations_successors_sum_to_one(written: Written) -> None:
    steps = ["from_contest", "to_contest", "old_station_id"]
    sums = successors(written).groupby(steps)["weight"].sum()
    assert np.allclose(sums, 1, atol=1e-5)


def test_every_event_is_seen_in_the_succession(written: Written) -> None:
    pairs = successors(written)
    step = pairs.groupby(pairs["from_contest"] + pairs["old_station_id"].str[:5])
    kinds = {event.kind for event in written.truth.events}
    assert kinds == {"renumbered", "shifted", "split", "merged", "redrawn"}
    changed: dict[str, list[pd.DataFrame]] = defaultdict(list)
    for _, rows in step:
        if (rows["old_station_id"] != rows["new_station_id"]).any():
            changed[rows["old_station_id"].iloc[0][:5]].append(rows)
    assert sorted(changed) == sorted(event.commune_code for event in written.truth.events)
    for event in written.truth.events:
        (rows,) = changed[event.commune_code]
        assert happened(rows) == event.kind


def happened(rows: pd.DataFrame) -> str:
    old, new = set(rows["old_station_id"]), set(rows["new_station_id"])
    if len(new) != len(old):
        return "split" if len(new) > len(old) else "merged"
    if (rows["weight"] < 1).any():
        return "redrawn"
    return "shifted" if new == old else "renumbered"


def test_the_succession_names_the_stations_of_the_results(written: Written) -> None:
    pairs = successors(written)
    for contest in ("2014_euro_t1", "2022_pres_t1", "2026_dpmt_t1"):
        known = set(pairs.loc[pairs["to_contest"] == contest, "new_station_id"])
        assert set(written.round(contest).index) <= known


def shares(written: Written, contest: str, bloc: str) -> pd.Series:
    config = load_territory("demo")
    grouping = config.grouping()
    here = written.candidates["id_election"] == contest
    codes = written.labels()[here].map(lambda label: grouping.code_of(config.calendar[contest], label))
    cast = written.candidates[here][codes == grouping.blocs.index(bloc)]
    valid = written.round(contest)["exprimes"]
    large = valid[written.round(contest)["inscrits"] >= 200]
    return cast.groupby("id_brut_miom")["voix"].sum().reindex(large.index) / large


@pytest.mark.parametrize("bloc", ["red", "green", "blue", "gold"])
def test_leanings_persist_as_in_real_elections(written: Written, bloc: str) -> None:
    earlier, later = (shares(written, contest, bloc) for contest in ("2017_pres_t1", "2022_pres_t1"))
    assert 0.78 < earlier.corr(later, method="spearman") < 0.97


def test_turnout_persists_and_is_not_determined(written: Written) -> None:
    first, second = (written.round(f"{year}_pres_t1") for year in (2017, 2022))
    mainland = first[~first["code_departement"].isin(["97D", "ZZ"]) & (first["inscrits"] >= 200)]
    turnouts = [(each["votants"] / each["inscrits"]).reindex(mainland.index) for each in (first, second)]
    assert 0.6 < turnouts[0].corr(turnouts[1], method="spearman") < 0.92


def test_the_census_is_public_three_years_after_what_it_describes(written: Written) -> None:
    with (written.folder / "census.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {int(row["known_on"][:4]) - int(row["describes"][:4]) for row in rows} == {3}
    assert "s" in {row["median_income"] for row in rows}
    communes = {row["commune_code"] for row in rows}
    latest = written.round("2024_legi_t1")
    assert communes == set(latest.loc[latest["code_departement"] != "ZZ", "code_commune"])
    assert all(0 < float(row["poverty_share"]) < 1 for row in rows)


def test_every_latest_station_at_home_has_an_outline(written: Written) -> None:
    outlines = json.loads((written.folder / "contours.geojson").read_text(encoding="utf-8"))
    drawn = [feature["properties"]["codeBureauVote"] for feature in outlines["features"]]
    assert sorted(drawn) == sorted(written.round("2026_dpmt_t1").index)


def test_the_territory_lists_the_contests_that_are_written(written: Written) -> None:
    config = load_territory("demo")
    assert tuple(contest.key for contest in config.calendar) == written.truth.contests + FUTURE_CONTESTS
    assert tuple(written.general["id_election"].unique()) == written.truth.contests
    levels = pd.read_csv(written.folder / "truth" / "levels.csv").groupby("contest").first()
    for key in written.truth.contests:
        assert str(config.calendar[key].held_on) == levels["held_on"][key]
    assert config.not_scored == (written.truth.postal,)


def test_every_label_has_its_bloc_and_the_votes_are_those_of_the_truth(written: Written) -> None:
    config = load_territory("demo")
    grouping = config.grouping()
    levels = pd.read_csv(written.folder / "truth" / "levels.csv").set_index("contest")
    cast = written.candidates["voix"].groupby([written.candidates["id_election"], written.labels()]).sum()
    for key in written.truth.contests:
        labels = cast[key]
        codes: npt.NDArray[np.int8] = grouping.codes(config.calendar[key], list(labels.index))
        assert (codes >= 0).all()
        votes = np.bincount(codes, weights=labels.to_numpy(), minlength=len(grouping.blocs))
        assert votes.tolist() == levels.loc[key, "votes"].tolist()
        assert tuple(levels.loc[key, "bloc"]) == grouping.blocs


def test_the_scenarios_and_offers_to_come_are_whole() -> None:
    config = load_territory("demo")
    targets = {name: load_scenario(config, name).target for name in scenario_names(config)}
    assert targets == dict(zip(("example", "example-t2"), FUTURE_CONTESTS, strict=True))
    for target in FUTURE_CONTESTS:
        assert load_offer(config, target, target).labels
