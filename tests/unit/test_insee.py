"""INSEE's layouts: codes, decimal commas, secrets and damage of small files written by hand."""

from __future__ import annotations

import re
import zipfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from isoloir.configs.load import load_territory
from isoloir.configs.sources import ContextFile, ContextReader
from isoloir.domain.errors import SourceError
from isoloir.domain.facts import Belonging, Facts, Movements
from isoloir.domain.station import Stations
from isoloir.pipelines.sources import figures
from isoloir.pipelines.sources.context import READERS
from isoloir.pipelines.sources.insee import READ, arrondissements_of
from isoloir.pipelines.sources.insee_iris import THEMES
from isoloir.pipelines.sources.tables import Opened

DAY = date(2022, 1, 31)
SECRET_NAME = "ZZNOMTEMOIN"

BASE = (
    "CODGEO;P18_POP;P13_POP;SUPERF;P18_RP;P18_RP_PROP;MED19;TP6019;P18_CHOM1564;P18_ACT1564;P18_POP_IMM\r\n"
)
DECLARED = "\ufeffCODGEO;LIBGEO;NBPERS21;Q221;D121;D921;PACT21;PCHO21;PPEN21;PAUT21\r\n"
IRIS = "IRIS,LIBIRIS,COM,DISP_TP6015,DISP_MED15,DISP_D115,DISP_D915,DISP_PACT15,DISP_PPEN15,DISP_PPSOC15\n"
EVENTS = "MOD,DATE_EFF,TYPECOM_AV,COM_AV,LIBELLE_AV,TYPECOM_AP,COM_AP,LIBELLE_AP\n"


def said(reader: ContextReader, describes: str = "2015 2018 2019 2021 2022") -> ContextFile:
    return ContextFile(
        file="x.csv", reader=reader, licence="l", attribution="a", describes=describes, known_on=DAY
    )


def read(
    tmp_path: Path, reader: ContextReader, text: str, delimiter: str = ";", describes: str | None = None
) -> tuple[Facts | Belonging | Movements, ...]:
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode("utf-8"))
    entry = said(reader) if describes is None else said(reader, describes)
    return READERS[reader](Opened(path, delimiter, shown="x.csv"), entry)


def facts(tables: tuple[Facts | Belonging | Movements, ...], name: str) -> Facts:
    (found,) = [t for t in tables if isinstance(t, Facts) and t.name == name]
    return found


def column(table: Facts, name: str) -> list[float]:
    values: list[float] = table.values[:, table.columns.index(name)].tolist()
    return values


def test_a_commune_has_shares_its_density_and_its_growth(tmp_path: Path) -> None:
    text = BASE + "2A004;1610.51;1000;10;200;50;21000;15;30;300;9\r\n" + "01001;0;0;5.5;0;0;;;0;0;9\r\n"
    tables = read(tmp_path, "commune_base", text)
    census, incomes = facts(tables, "census_2018"), facts(tables, "incomes_2019")
    assert census.codes.tolist() == ["01001", "2A004"]
    assert (census.level, census.describes, incomes.describes) == ("commune", "2018", "2019")
    assert census.known_on == incomes.known_on == DAY
    assert column(census, "owner_share")[1] == 0.25
    assert column(census, "unemployment_share")[1] == pytest.approx(0.1)
    assert column(census, "density")[1] == pytest.approx(161.051)
    assert column(census, "growth")[1] == pytest.approx(0.1)
    assert column(incomes, "median_income")[1] == 21000
    assert column(incomes, "poverty_share")[1] == pytest.approx(0.15)


def test_where_nobody_lives_a_share_is_missing_and_an_empty_cell_is_no_secret(tmp_path: Path) -> None:
    tables = read(tmp_path, "commune_base", BASE + "55039;0;0;5.5;0;0;;;0;0;\r\n")
    census, incomes = facts(tables, "census_2018"), facts(tables, "incomes_2019")
    assert np.isnan([column(census, n)[0] for n in ("owner_share", "unemployment_share", "growth")]).all()
    assert np.isnan(incomes.values).all() and not incomes.withheld.any()


def test_parts_of_a_commune_are_apart_from_it(tmp_path: Path) -> None:
    row = ";100;100;10;20;10;20000;10;5;50;0\r\n"
    tables = read(
        tmp_path, "commune_base", BASE + "".join(c + row for c in ("75056", "75120", "75121", "69381"))
    )
    assert facts(tables, "census_2018").codes.tolist() == ["75056", "75121"]
    parts = facts(tables, "census_2018_parts")
    assert (parts.level, parts.codes.tolist()) == ("cell", ["69381", "75120"])


def test_declared_incomes_tell_secret_from_missing(tmp_path: Path) -> None:
    text = (
        DECLARED
        + "01002;Nom;266;24950;s;s;s;s;s;s\r\n"
        + "01001;Nom;895,5;20940;5000;25500;67,9;3,2;24,4;7,7\r\n"
        + "13213;Nom;100;11230;0;28330;71,4;5,6;25,8;2,8\r\n"
        + "09304;Nom;nd;nd;nd;nd;nd;nd;nd;nd\r\n"
        + ";;;;;;;;;\r\n"
    )
    tables = read(tmp_path, "filosofi_commune", text)
    table = facts(tables, "declared_incomes_2021")
    assert table.codes.tolist() == ["01001", "01002", "09304"]
    assert column(table, "declared_median_income")[:2] == [20940, 24950]
    assert column(table, "declared_decile_ratio")[0] == pytest.approx(5.1)
    assert column(table, "declared_pension_share")[0] == pytest.approx(0.244)
    pensions = table.columns.index("declared_pension_share")
    assert table.withheld[:, pensions].tolist() == [False, True, True]
    assert np.isnan(table.values[table.withheld]).all()
    # The lowest tenth declares nothing: there is no ratio, which is no secret.
    part = facts(tables, "declared_incomes_2021_parts")
    ratio = part.columns.index("declared_decile_ratio")
    assert np.isnan(part.values[0, ratio]) and not part.withheld[0, ratio]


def test_disposable_incomes_of_cells_have_commas_in_quotes(tmp_path: Path) -> None:
    text = IRIS + '010040101,"Triangle, nord",01004,"22,6",18689,9903,29709,"111,7","-0,2","8,4"\n'
    text += "2B0330202,Nom,2B033,,,,,,,\n" + "010040102,Nom,01004,ns,16828,12311,28452,s,nd,s\n"
    (table,) = read(tmp_path, "filosofi_iris", text, ",")
    assert isinstance(table, Facts)
    assert table.codes.tolist() == ["010040101", "010040102", "2B0330202"]
    assert column(table, "poverty_share")[0] == pytest.approx(0.226)
    assert column(table, "decile_ratio")[0] == pytest.approx(3.0)
    # Taxes are a negative part, so that another part may pass 1.
    assert column(table, "activity_income_share")[0] == pytest.approx(1.117)
    assert table.withheld.sum(axis=1).tolist() == [0, 4, 0]


@pytest.mark.parametrize(
    ("bad", "what", "row"),
    [
        ("01001;100;100;10;20;21;20000;10;5;50;0", "a owner_share that cannot be", 2),
        ("01001;100;100;10;20;10;-1;10;5;50;0", "a median_income that cannot be", 2),
        ("01001;100;100;10;20;10;20000;101;5;50;0", "a poverty_share that cannot be", 2),
        ("01001;100;100;10;20;10;ZZNOMTEMOIN;10;5;50;0", "of MED19 hold no number", 2),
        ("1001;100;100;10;20;10;20000;10;5;50;0", "of CODGEO hold no code", 2),
        ("ZZNOMTEMOIN;100;100;10;20;10;20000;10;5;50;0", "of CODGEO hold no code", 2),
        ("75056;100;100;10;20;10;20000;10;5;50;0", "repeat the code of an area, first 75056", 2),
        ("01001;100;100;10;20", "another number of fields", None),
    ],
)
def test_what_cannot_be_is_refused_with_its_row(tmp_path: Path, bad: str, what: str, row: int | None) -> None:
    good = "75056;100;100;10;20;10;20000;10;5;50;0\r\n"
    with pytest.raises(SourceError, match=re.escape(what)) as caught:
        read(tmp_path, "commune_base", BASE + good + bad + "\r\n")
    assert caught.value.remedy and SECRET_NAME not in str(caught.value)
    if row is not None:
        assert caught.value.where == f"x.csv, row {row}"


def test_a_later_vintage_behind_the_same_address_is_refused(tmp_path: Path) -> None:
    later = BASE.replace("P18", "P22").replace("P13", "P17").replace("19", "21")
    row = "01001;100;100;10;20;10;20000;10;5;50;0\r\n"
    with pytest.raises(SourceError, match="about 2022, of which its entry says nothing"):
        read(tmp_path, "commune_base", later + row, describes="census of 2018; incomes of 2019")
    assert read(tmp_path, "commune_base", later + row, describes="census of 2022; incomes of 2021")


def test_no_column_of_origin_may_be_read() -> None:
    """Shares of immigrants or foreigners stand for a category that the law protects."""
    allowed = [*READ, *(c for theme in THEMES for c in theme.columns("22"))]
    assert len(allowed) > 20
    assert not [name for name in allowed if re.search(r"IMM|ETR|FR\b|NAT|INAT|ORIG", name)]


def zipped(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def test_the_member_of_a_zip_is_found_by_its_header(tmp_path: Path) -> None:
    row = "01001;100;100;10;20;10;20000;10;5;50;0\r\n"
    path = zipped(
        tmp_path / "b.zip", {"meta.CSV": "COD_VAR;LIB_VAR\r\nMED19;Nom\r\n", "base.CSV": BASE + row}
    )
    tables = READERS["commune_base"](Opened(path, ";"), said("commune_base"))
    assert facts(tables, "census_2018").codes.tolist() == ["01001"]


def test_of_several_members_of_one_layout_the_one_of_the_file_is_read(tmp_path: Path) -> None:
    row = "01001;Nom;895;{};5000;25500;67,9;3,2;24,4;7,7\r\n"
    texts = {n: DECLARED + row.format(v) for n, v in (("a.csv", 1000), ("in/d.csv", 2000), ("z.csv", 3000))}
    path = zipped(tmp_path / "d.csv", texts)
    tables = READERS["filosofi_commune"](Opened(path, ";"), said("filosofi_commune"))
    assert column(facts(tables, "declared_incomes_2021"), "declared_median_income") == [2000]


def test_a_damaged_or_a_huge_zip_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = "01001;100;100;10;20;10;20000;10;5;50;0\r\n"
    path = zipped(tmp_path / "b.zip", {"base.CSV": BASE + row})
    content = bytearray(path.read_bytes())
    content[45] ^= 0xFF
    (tmp_path / "bad.zip").write_bytes(content)
    with pytest.raises(SourceError, match="cannot be read or unzipped"):
        READERS["commune_base"](Opened(tmp_path / "bad.zip", ";"), said("commune_base"))
    monkeypatch.setattr(figures, "LARGEST", 10)
    with pytest.raises(SourceError, match="has more than"):
        READERS["commune_base"](Opened(path, ";"), said("commune_base"))


PEOPLE = "IRIS;COM;TYP_IRIS;P22_POP;P22_POP1529;P22_POP65P;P22_POP_ETR;P22_POP_IMM\n"


def test_the_census_by_cell_is_summed_by_commune(tmp_path: Path) -> None:
    text = PEOPLE + "010040101;01004;H;100;20;10;1;1\n" + "010040102;01004;H;300;20;90.5;1;1\n"
    text += "2A0010000;2A001;Z;0;0;0;0;0\n"
    tables = read(tmp_path, "iris_census", text)
    cells, communes = facts(tables, "cell_people_2022"), facts(tables, "commune_people_2022")
    assert cells.columns == ("population", "young_share", "elderly_share")
    assert cells.codes.tolist() == ["010040101", "010040102", "2A0010000"]
    assert column(cells, "young_share")[:2] == pytest.approx([0.2, 20 / 300])
    assert communes.codes.tolist() == ["01004", "2A001"]
    assert column(communes, "population") == [400, 0]
    # Sums of people, never a mean of shares.
    assert column(communes, "young_share")[0] == pytest.approx(40 / 400)
    assert np.isnan(column(communes, "young_share")[1])


def test_a_commune_with_a_secret_cell_has_no_total(tmp_path: Path) -> None:
    text = "IRIS;P22_RP;P22_RP_PROP\n010040101;100;50\n010040102;100;s\n010050101;100;60\n"
    communes = facts(read(tmp_path, "iris_census", text), "commune_homes_2022")
    assert column(communes, "owner_share")[1] == 0.6
    assert np.isnan(column(communes, "owner_share")[0])
    assert communes.withheld[:, 0].tolist() == [True, False]


def test_other_files_of_the_census_are_told_by_their_columns(tmp_path: Path) -> None:
    work = read(tmp_path, "iris_census", "IRIS;P22_ACT1564;P22_CHOM1564\n751010101;50;5\n")
    assert column(facts(work, "cell_work_2022"), "unemployment_share") == [0.1]
    assert facts(work, "commune_work_2022_parts").codes.tolist() == ["75101"]
    head = "IRIS;P22_NSCOL15P;P22_NSCOL15P_SUP2;P22_NSCOL15P_SUP34;P22_NSCOL15P_SUP5\n"
    degrees = read(tmp_path, "iris_census", head + "010040101;200;20;30;10\n")
    assert column(facts(degrees, "cell_degrees_2022"), "graduate_share") == pytest.approx([0.3])
    with pytest.raises(SourceError, match="which of the census' files"):
        read(tmp_path, "iris_census", "IRIS;P22_MEN\n010040101;1\n")


def test_the_parts_of_a_station_sum_to_one(tmp_path: Path) -> None:
    text = "code_bv,code_iris,population\n75056_0101,751010101,30\n75056_0101,751010102,10\n"
    text += "01004_0001,010040101,0\n01004_0002,010040101,7\n"
    (table,) = read(tmp_path, "iris_of_station", text, ",")
    assert isinstance(table, Belonging)
    assert (table.level, table.known_on) == ("cell", DAY)
    assert table.station_id.tolist() == ["01004_0002", "75056_0101", "75056_0101"]
    assert table.weight.tolist() == [1.0, 0.75, 0.25]


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ("75056_0101,751010101,1\n75056_0101,751010101,2\n", "repeat a station and its IRIS"),
        ("75056_0101,751010101,-1\n", "hold no part of a station's people"),
        ("75056_0101,751010101,\n", "hold no part of a station's people"),
        ("75056_0101,75101,1\n", "hold no code of an IRIS"),
        ("ZZNOMTEMOIN,751010101,1\n", "hold no code of a station"),
    ],
)
def test_belongings_that_cannot_be_are_refused(tmp_path: Path, rows: str, what: str) -> None:
    with pytest.raises(SourceError, match=what) as caught:
        read(tmp_path, "iris_of_station", "code_bv,code_iris,population\n" + rows, ",")
    assert SECRET_NAME not in str(caught.value)


def test_movements_are_of_communes_whose_code_changes(tmp_path: Path) -> None:
    text = EVENTS + (
        "32,2019-01-01,COM,01091,Nom,COM,01033,Nom\n"
        "32,2019-01-01,COM,01091,Nom,COMD,01091,Nom\n"
        "32,2019-01-01,COM,01033,Nom,COM,01033,Nom\n"
        "21,2024-01-01,COM,85084,Nom,COM,85165,Nom\n"
        "10,2024-01-01,COM,01001,Nom,COM,01001,Autre\n"
        "41,1968-01-01,COM,78003,Nom,COM,91003,Nom\n"
        "32,2019-01-01,COM,01091,Nom,COM,01033,Nom\n"
    )
    (table,) = read(tmp_path, "movements", text, ",")
    assert isinstance(table, Movements)
    assert list(zip(table.held_on.astype(str), table.old, table.new, strict=True)) == [
        ("1968-01-01", "78003", "91003"),
        ("2019-01-01", "01091", "01033"),
        ("2024-01-01", "85084", "85165"),
    ]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("99,2019-01-01,COM,01091,Nom,COM,01033,Nom\n", "kind of event"),
        ("32,01/01/19,COM,01091,Nom,COM,01033,Nom\n", "state no day"),
        ("32,2019-01-01,COM,1091,Nom,COM,01033,Nom\n", "hold no code of a commune"),
    ],
)
def test_movements_that_cannot_be_read_are_refused(tmp_path: Path, row: str, what: str) -> None:
    with pytest.raises(SourceError, match=what):
        read(tmp_path, "movements", EVENTS + row, ",")


def test_stations_of_the_three_cities_lie_in_the_part_their_number_says() -> None:
    ids = ["75056_0321", "75056_2001", "75056_JUS1", "69123_0001", "69123_0912", "13055_1614", "13055_1700"]
    ids += ["01004_0101", "75056_2101"]
    communes = np.array([i[:5] for i in ids])
    found = arrondissements_of(Stations(np.array(ids), communes, communes, communes))
    assert dict(zip(found.station_id.tolist(), found.area.tolist(), strict=True)) == {
        "75056_0321": "75103",
        "75056_2001": "75120",
        "69123_0912": "69389",
        "13055_1614": "13216",
    }
    assert found.weight.tolist() == [1.0] * 4 and found.level == "cell"


def test_every_entry_of_the_shipped_sources_says_the_year_of_its_file() -> None:
    context = load_territory("fr").source.context
    dated = {name: one for name, one in context.items() if one.reader in ("iris_census", "filosofi_iris")}
    assert len(dated) >= 6
    for name, one in dated.items():
        assert re.findall(r"20\d\d", one.describes) == re.findall(r"20\d\d", one.file), name
        assert one.known_on.year > int(re.findall(r"20\d\d", one.file)[0]), name


def test_every_reader_of_the_shipped_sources_is_there() -> None:
    elsewhere = {"constituencies", "contours"}
    for territory in ("fr", "demo"):
        said_there = {one.reader for one in load_territory(territory).source.context.values()}
        assert said_there - elsewhere <= set(READERS)
