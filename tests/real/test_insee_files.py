"""INSEE's files as published: every row read as a second reader reads it, secrets kept, electors covered."""

from __future__ import annotations

import zipfile
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from isoloir.configs.load import load_territory
from isoloir.domain.facts import Context, Facts
from isoloir.domain.station import Stations, positions
from isoloir.features.figures import COMMUNE, FINE, first_known, layers_of
from isoloir.pipelines.sources.context import READERS
from isoloir.pipelines.sources.insee import arrondissements_of
from isoloir.pipelines.sources.tables import Opened

pytestmark = pytest.mark.real

BASE = "base_cc_comparateur_csv.zip"
# Overseas collectivities, Mayotte, abroad: not in the census of this file.
OUTSIDE = {"975", "976", "977", "978", "986", "987", "988", "ZZ"}


def read(shared_data: Path, entry: str) -> dict[str, Facts]:
    """The tables of an entry of the shipped sources.yaml, by name."""
    said = load_territory("fr").source.context[entry]
    opened = Opened(shared_data / "insee" / said.file, said.delimiter, said.encoding)
    return {t.name: t for t in READERS[said.reader](opened, said) if isinstance(t, Facts)}


@pytest.fixture(scope="module")
def base(shared_data: Path) -> dict[str, Facts]:
    return read(shared_data, "communes_2018")


@pytest.fixture(scope="module")
def declared(shared_data: Path) -> dict[str, Facts]:
    return read(shared_data, "incomes_2021")


def column(table: Facts, name: str) -> np.ndarray:
    return table.values[:, table.columns.index(name)]


def test_the_files_hold_the_areas_that_france_has(
    base: dict[str, Facts], declared: dict[str, Facts], shared_data: Path
) -> None:
    assert {name: len(t.codes) for name, t in base.items()} == {
        "census_2018": 34_965,
        "census_2018_parts": 45,
        "incomes_2019": 34_965,
        "incomes_2019_parts": 45,
    }
    assert {name: len(t.codes) for name, t in declared.items()} == {
        "declared_incomes_2021": 34_884,
        "declared_incomes_2021_parts": 45,
    }
    (cells,) = read(shared_data, "incomes_iris_2015").values()
    assert len(cells.codes) == 12_227 and cells.level == "cell"
    assert int(np.isnan(column(cells, "median_income")).sum()) == 15
    assert int(np.isnan(column(cells, "poverty_share")).sum()) == 2_788


def test_every_row_is_that_of_a_second_reader(
    base: dict[str, Facts], shared_data: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(shared_data / "insee" / BASE) as archive:
        path = archive.extract("base_cc_comparateur.CSV", tmp_path)
    rows = duckdb.sql(f"""
        select CODGEO, P18_POP / SUPERF, P18_RP_PROP / nullif(P18_RP, 0), MED19::double,
               P18_CHOM1564 / nullif(P18_ACT1564, 0), TP6019 / 100.0
        from read_csv('{path}', delim=';', types={{'CODGEO': 'varchar'}})
        where CODGEO not between '75101' and '75120' and CODGEO not between '69381' and '69389'
          and CODGEO not between '13201' and '13216'
        order by CODGEO
    """).fetchall()
    expected = np.array([r[1:] for r in rows], np.float64)
    census, incomes = base["census_2018"], base["incomes_2019"]
    assert census.codes.tolist() == incomes.codes.tolist() == [r[0] for r in rows]
    names = ("density", "owner_share", "unemployment_share")
    found = [column(census, n) for n in names]
    order = (found[0], found[1], column(incomes, "median_income"), found[2], column(incomes, "poverty_share"))
    np.testing.assert_allclose(np.stack(order, axis=1), expected, rtol=1e-12)


def test_known_communes_have_their_known_figures(base: dict[str, Facts], declared: dict[str, Facts]) -> None:
    """Paris, Marseille and the 18th arrondissement, read from the files by eye."""
    census, incomes = base["census_2018"], base["incomes_2019"]
    paris, marseille = positions(np.array(["75056", "13055"]), census.codes)
    assert column(census, "population")[paris] == 2_175_601
    assert column(incomes, "median_income")[[paris, marseille]].tolist() == [28_570, 19_370]
    assert column(incomes, "poverty_share")[[paris, marseille]].tolist() == [0.15, 0.26]
    part = base["incomes_2019_parts"]
    assert column(part, "median_income")[positions(np.array(["75118"]), part.codes)].tolist() == [23_650]
    table = declared["declared_incomes_2021"]
    row = positions(np.array(["75056"]), table.codes)
    assert column(table, "declared_median_income")[row].tolist() == [31_670]
    assert column(table, "declared_pension_share")[row] == pytest.approx([0.156])


def test_means_over_the_people_are_those_of_the_country(base: dict[str, Facts]) -> None:
    census = base["census_2018"]
    people = column(census, "population")

    def mean(values: np.ndarray) -> float:
        known = ~np.isnan(values) & ~np.isnan(people)
        return float(np.average(values[known], weights=people[known]))

    assert 66e6 < np.nansum(people) < 67e6
    # 57.5 % of homes; larger families own more often.
    assert 0.55 < mean(column(census, "owner_share")) < 0.62
    assert 0.12 < mean(column(census, "unemployment_share")) < 0.145
    assert 0.0 < mean(column(census, "growth")) < 0.006
    assert 21_000 < mean(column(base["incomes_2019"], "median_income")) < 23_500


def test_secrets_are_counted_and_none_has_a_value(declared: dict[str, Facts], shared_data: Path) -> None:
    table = declared["declared_incomes_2021"]
    by_name = dict(zip(table.columns, table.withheld.sum(axis=0).tolist(), strict=True))
    # 3,594 by secrecy (s) and 9 without households (nd) have no median; 29,579 have no shares.
    assert by_name["declared_median_income"] == 3_594 + 9
    assert by_name["declared_pension_share"] == 29_570 + 9
    assert np.isnan(table.values[table.withheld]).all()
    text = (shared_data / "insee" / "FILO2021_DEC_COM.csv").read_text(encoding="utf-8-sig")
    secret = [line.split(";")[0] for line in text.splitlines() if line.split(";")[7] == "s"]
    assert set(secret) <= set(table.codes[table.withheld[:, 0]].tolist()) and len(secret) == 3_594


@pytest.fixture(scope="module")
def roll(shared_data: Path) -> tuple[Stations, np.ndarray]:
    names = ["id_brut_miom", "code_commune", "code_departement", "inscrits"]
    table = pq.read_table(
        shared_data / "france" / "general_results.parquet",
        columns=[*names, "id_election"],
        filters=pc.field("id_election") == "2022_pres_t1",
    )
    ids, communes, departments = (np.asarray(table[n].to_numpy(), dtype=np.str_) for n in names[:3])
    none = np.array([""] * len(ids))
    return Stations(ids, communes, departments, none), np.asarray(table["inscrits"].to_numpy(), np.int32)


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("owner_share", 0.959),
        ("unemployment_share", 0.959),
        ("density", 0.959),
        ("median_income", 0.946),
        ("poverty_share", 0.666),
        ("declared_pension_share", 0.706),
    ],
)
def test_figures_cover_the_electors_of_2022(
    base: dict[str, Facts],
    declared: dict[str, Facts],
    roll: tuple[Stations, np.ndarray],
    name: str,
    covered: float,
) -> None:
    stations, registered = roll
    context = Context((*base.values(), *declared.values()), (arrondissements_of(stations),))
    values, source = first_known(layers_of(context, stations, name), len(stations))
    known = ~np.isnan(values)
    assert registered[known].sum() / registered.sum() == pytest.approx(covered, abs=0.002)
    if covered > 0.95:
        inside = ~known & ~np.isin(stations.department_code, sorted(OUTSIDE))
        # One hamlet has nobody who works or looks for work.
        assert stations.commune_code[inside].tolist() in ([], ["51470"])
    city = np.isin(stations.commune_code, ["75056", "69123", "13055"])
    odd = city & (source == COMMUNE)
    assert stations.station_id[odd].tolist() == ["69123_0001", "75056_JUS1"]
    assert (source[city & ~odd] == FINE).all()
