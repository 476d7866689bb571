"""The gate: what tells of persons, or is finer than a station, is refused and named by its place alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from commands import isoloir
from hypothesis import given
from hypothesis import strategies as st
from small_inputs import (
    CENSUS,
    COMMUNES,
    CONSTITUENCIES,
    CONTOURS,
    INCOMES,
    TIDY,
    Sheet,
    ministry,
    results,
    with_results,
    write,
)

from isoloir.configs.load import load_territory
from isoloir.domain.errors import IsoloirError, PrivacyError, SourceError
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import Ingested, ingest
from isoloir.pipelines.sources.door import Door
from isoloir.pipelines.sources.gate import patterns
from isoloir.pipelines.sources.gate.columns import tells_of
from isoloir.pipelines.sources.gate.filenames import shown_name
from isoloir.pipelines.sources.gate.patterns import Found, found_in, kind_of

SAYING = {
    patterns.EMAIL: [
        "zoe@mairie.example",
        "write to z.o+e@a-b.co.uk!",
        "zoe [at] mairie.example",
        "zoe\uff20a.fr",
    ],
    patterns.PHONE: ["0612345678", "06 12 34 56 78", "01.42.76.40.40", "+33 6 12 34 56 78", "0033612345678"],
    patterns.SECURITY: ["185033400100125", "1 85 03 34 001 001 25", "1850334001001", "180360-1231"],
    patterns.ACCOUNT: ["FR14 2004 1010 0505 0001 3M02 606", "DK5000400440116243"],
    patterns.ADDRESS: ["12 rue des Lilas", "3 bis, avenue Foch 34000", "7 Allée du Parc", "1 impasse X"],
    patterns.BIRTH: ["née le 12/03/1985", "Born 1985-03-12", "date de naissance : 01.02.1950"],
}
SILENT = [
    "", "34001_0001", "75056_JUS1", "14118_01.1", "103|frederikshavn midt", "1. Østerbro", "2018-01-01",
    "3401",
    "26410.123456789012", "0,0612345678", "1063607", "340010000", "LISTE LRDA", "DÉCROISSANCE 2019",
    "Saint-Martin-de-Londres", "2016-2020", "185033400100126", "12 Nord", "place 4", "2023-06-30T10:00:00",
    "MÉLENCHON", "FR7630006000011234567890188",
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in SAYING.items() for text in texts])
def test_what_tells_of_a_person_is_told_by_its_form(kind: str, text: str) -> None:
    assert kind_of(text) == kind
    column = pa.chunked_array([["x", None], ["y", f"- {text} ;"]])
    assert found_in(column) == Found(kind, 3)


@pytest.mark.parametrize("text", SILENT)
def test_codes_figures_and_names_of_places_tell_of_nobody(text: str) -> None:
    assert kind_of(text) is None


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.from_regex(r"[0-9A-Z]{5}_[0-9]{4}", fullmatch=True))
def test_counts_shares_and_stations_are_never_taken_for_a_person(
    count: int, other: int, station: str
) -> None:
    share = f"{100 * count / (1 + other):.2f}"
    for text in (str(count), share, share.replace(".", ","), f"{share}%", repr(count / (1 + other)), station):
        assert kind_of(text) is None, text


def test_a_column_of_days_of_decades_is_one_of_births_and_one_of_rounds_is_not() -> None:
    births = [f"{year}-05-1{year % 10}" for year in range(1940, 2000, 7)]
    assert found_in(pa.chunked_array([births])) == Found(patterns.BIRTH, 0)
    rounds = ["2014-05-25", "2017-04-23", "2017-05-07", "2019-05-26", "2022-04-10", "2022-04-24"]
    assert found_in(pa.chunked_array([rounds])) is None
    assert found_in(pa.chunked_array([[1.5, 2.5]])) is None
    assert found_in(pa.chunked_array([[185033400100125]])) == Found(patterns.SECURITY, 0)


@pytest.mark.parametrize(
    "header",
    ["Nom", "Prénom", "nomNaissance", "first_name", "PrÃ©nom", "E-mail", "TELEPHONE", "tel_portable", "NIR",
     "date_naissance", "dateNaissance", "Date de naissance", "adresse", "id_electeur", "code_menage", "sexe",
     "zoe@mairie.example", "0612345678", "Fødselsdato født"],
)  # fmt: skip
def test_names_of_columns_tell_of_persons(header: str) -> None:
    assert tells_of(header)


@pytest.mark.parametrize(
    "header",
    ["nom_commune", "Nom du bureau", "nomDepartement", "libelle", "NBMENFISC19", "P18_RP_PROP", "inscrits",
     "storkreds", "ratio_votants_inscrits", "surface", "kreds_id", "LIBGEO", "NAISD18"],
)  # fmt: skip
def test_names_of_columns_of_places_and_figures_do_not(header: str) -> None:
    assert tells_of(header) is None


@pytest.mark.parametrize(
    "name",
    [
        "Jean Dupont.csv",
        "0612345678.txt",
        "electeurs de Zoe.geojson",
        "12-03-1985.csv",
        "zoe@a.example.csv",
        "é~.x",
    ],
)
def test_a_file_that_may_be_called_like_a_person_goes_by_another_name(name: str) -> None:
    shown = shown_name(name)
    assert shown.startswith("file-") and shown == shown_name(name) != shown_name(f"2 {name}")
    assert not any(part in shown.lower() for part in ("dupont", "zoe", "0612", "1985"))
    assert shown_name(name, [name]) == name


@pytest.mark.parametrize(
    "name",
    ["MN14_Bvot_T1T2_HERAULT.txt", "resultats-definitifs-par-bureau-de-vote.csv", "brest_contours.geojson",
     "Résultats définitifs (1er tour).txt", "20220612_legislatives.csv"],
)  # fmt: skip
def test_the_names_of_published_files_stay(name: str) -> None:
    assert shown_name(name) == name


def told(folder: Path, territory: str, *sheets: Sheet) -> IsoloirError | Ingested:
    """What an ingest of the sheets into an empty home came to; what is refused leaves nothing behind."""
    (folder / "in").mkdir()
    for sheet in sheets:
        write(sheet, folder / "in")
    home = folder / "home"
    try:
        return ingest(Home(home), load_territory(territory), folder / "in", lambda _: None)
    except IsoloirError as error:
        assert not [path for path in home.rglob("*") if path.is_file()]
        return error


def with_column(sheet: Sheet, name: str, value: str, row: int) -> Sheet:
    rows = tuple((*one, value if i == row else "") for i, one in enumerate(sheet.rows))
    return replace(sheet, header=(*sheet.header, name), rows=rows)


def in_cell(sheet: Sheet, column: str, row: int, value: str) -> Sheet:
    place = sheet.header.index(column)
    rows = tuple(
        (*one[:place], value, *one[place + 1 :]) if i == row else one for i, one in enumerate(sheet.rows)
    )
    return replace(sheet, rows=rows)


GENERAL, CANDIDATES = results(".csv")
READERS: dict[str, tuple[str, Callable[[Callable[[Sheet], Sheet]], tuple[Sheet, ...]]]] = {
    "CSV": ("demo", lambda change: (change(GENERAL), CANDIDATES)),
    "Parquet": ("demo", lambda change: (change(results(".parquet")[0]), results(".parquet")[1])),
    "census": ("demo", lambda change: (change(CENSUS), GENERAL, CANDIDATES)),
    "tidy": ("dk", lambda change: (change(TIDY[0]), TIDY[1])),
    "constituencies": ("fr", lambda change: with_results(change(CONSTITUENCIES))),
    "contours": ("fr", lambda change: with_results(change(CONTOURS))),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_column_that_is_about_persons_is_refused_by_its_name(reader: str, tmp_path: Path) -> None:
    territory, sheets = READERS[reader]
    error = told(tmp_path, territory, *sheets(lambda s: with_column(s, "date_naissance", "x", 1)))
    assert isinstance(error, PrivacyError) and error.exit_code == 7
    assert "by its name it is about a date of birth" in error.what and "not shown" in error.what
    assert "sum the rows up to polling stations" in error.remedy and error.where


@pytest.mark.parametrize("reader", READERS)
def test_an_undeclared_column_that_holds_personal_data_is_refused_with_its_row(
    reader: str, tmp_path: Path
) -> None:
    territory, sheets = READERS[reader]
    error = told(tmp_path, territory, *sheets(lambda s: with_column(s, "x", "zoe@mairie.example", 2)))
    assert isinstance(error, PrivacyError)
    assert "holds an e-mail address (not shown)" in error.what
    assert error.where.endswith(", row 3" if reader != "contours" else ", feature 3")
    assert "zoe" not in str(error)


@pytest.mark.parametrize("reader", READERS)
def test_another_undeclared_column_is_counted_and_never_kept(reader: str, tmp_path: Path) -> None:
    territory, sheets = READERS[reader]
    done = told(tmp_path, territory, *sheets(lambda s: with_column(s, "Remarques de Zoe", "Vrokmanzel", 2)))
    assert isinstance(done, Ingested)
    (line,) = done.dropped
    assert "no source declares" in line and "Zoe" not in line
    for path in (p for p in (tmp_path / "home").rglob("*") if p.is_file()):
        assert b"Vrokmanzel" not in path.read_bytes() and b"Zoe" not in path.read_bytes()


@pytest.mark.parametrize(
    ("sheet", "column", "value"),
    [
        (GENERAL, "id_brut_miom", "Jean Dupont"),
        (GENERAL, "id_brut_miom", "D1001_Dupont"),
        (GENERAL, "code_commune", "Dupont"),
        (GENERAL, "code_circonscription", "DUPON"),
        (GENERAL, "code_departement", "Zoe"),
        (GENERAL, "inscrits", "612345678"),
        (CANDIDATES, "no_panneau", "612345678"),
        (CANDIDATES, "id_brut_miom", "Jean Dupont"),
        (CANDIDATES, "nuance", "DUPONT"),
        (CANDIDATES, "nuance", "ROY"),
    ],
)
def test_a_cell_that_is_no_code_is_refused_and_not_shown(
    sheet: Sheet, column: str, value: str, tmp_path: Path
) -> None:
    other = CANDIDATES if sheet is GENERAL else GENERAL
    error = told(tmp_path, "demo", in_cell(sheet, column, 1, value), other)
    assert isinstance(error, SourceError)
    assert "row 2" in error.where and value not in str(error) and error.remedy


def test_of_a_list_that_is_declared_by_its_beginning_only_that_is_kept() -> None:
    france = load_territory("fr")
    door = Door(france.calendar, tuple(france.groupings.values()), france.label_kind)
    said = ["PACE AVEC ZOE MARTIN", "PACE", "EUROPE ÉCOLOGIE 12 rue X", None, "RENAISSANCE, ZOE"]
    labels, withheld = door.labels(
        pa.chunked_array([["2019_euro_t1"] * len(said)]), pa.chunked_array([said]), "x", 0
    )
    assert labels.to_pylist() == ["PACE", "PACE", "EUROPE ÉCOLOGIE", None, "RENAISSANCE"]
    assert not withheld


def test_a_cell_of_a_known_column_that_tells_of_a_person_is_refused_as_such(tmp_path: Path) -> None:
    error = told(tmp_path, "demo", in_cell(GENERAL, "code_commune", 4, "06 12 34 56 78"), CANDIDATES)
    assert isinstance(error, PrivacyError)
    assert "the column of commune_code holds a telephone number" in error.what
    assert error.where.endswith("row 5")


def test_a_sound_source_beside_one_that_is_refused_leaves_nothing_either(tmp_path: Path) -> None:
    error = told(tmp_path, "demo", with_column(CENSUS, "nom", "x", 0), GENERAL, CANDIDATES)
    assert isinstance(error, PrivacyError)
    home = Home(tmp_path / "home")
    (tmp_path / "in" / CENSUS.name).unlink()
    done = ingest(home, load_territory("demo"), tmp_path / "in", lambda _: None)
    before = {p: p.read_bytes() for p in home.path.rglob("*") if p.is_file()}
    write(with_column(CENSUS, "nom", "x", 0), tmp_path / "in")
    with pytest.raises(PrivacyError):
        ingest(home, load_territory("demo"), tmp_path / "in", lambda _: None)
    assert {p: p.read_bytes() for p in home.path.rglob("*") if p.is_file()} == before and done.stations


def times(sheet: Sheet, count: int) -> Sheet:
    return replace(sheet, rows=tuple(row for row in sheet.rows for _ in range(count)))


def ballots(sheet: Sheet) -> Sheet:
    """A row for each vote."""
    place = sheet.header.index("voix")
    rows = tuple((*row[:place], "1", *row[place + 1 :]) for row in sheet.rows for _ in range(int(row[place])))
    return replace(sheet, rows=rows)


PERSONS = {
    "a row per elector of a station": ("demo", (times(GENERAL, 20), CANDIDATES), "stations of"),
    "a row per ballot": ("demo", (GENERAL, ballots(CANDIDATES)), "stations and labels"),
    "a row per ballot of a tidy table": ("dk", (times(TIDY[0], 9), TIDY[1]), "stations and labels"),
    "a row per address in a geography": ("dk", (TIDY[0], times(TIDY[1], 9)), "stations"),
    "a row per address": ("fr", with_results(times(CONSTITUENCIES, 9)), "stations"),
    "a row per household of a commune": ("fr", with_results(times(INCOMES, 4)), "areas"),
    "a row per elector of a commune": ("fr_communes", (times(COMMUNES, 4),), "communes of"),
    "a row per elector in a census": (
        "demo",
        (times(CENSUS, 4), GENERAL, CANDIDATES),
        "communes and vintages",
    ),
    "a row per elector in the Ministry's": (
        "fr",
        with_results(times(ministry("legi", "LG17_burvot_t1.txt"), 9)),
        "stations",
    ),
    "a shape per house": ("fr", with_results(times(CONTOURS, 9)), "stations"),
}


@pytest.mark.parametrize("what", PERSONS)
def test_what_is_finer_than_a_station_is_refused_with_an_explanation(what: str, tmp_path: Path) -> None:
    territory, sheets, of = PERSONS[what]
    error = told(tmp_path, territory, *sheets)
    assert isinstance(error, PrivacyError), error
    assert "finer than a polling station" in error.what and of in error.what
    assert "sum the rows up" in error.remedy and error.where


def test_a_column_before_the_candidates_of_a_file_of_the_ministry_is_looked_at(tmp_path: Path) -> None:
    sheet = ministry("legi", "LG17_burvot_t1.txt")

    def with_one(name: str, value: str) -> Sheet:
        rows = tuple((*row[:4], value, *row[4:]) for row in sheet.rows)
        return replace(sheet, header=(*sheet.header[:4], name, *sheet.header[4:]), rows=rows)

    for number, (name, value) in enumerate(
        [("Email", "x"), ("x", "06 12 34 56 78"), ("Divers", "Vrokmanzel")]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        came = told(folder, "fr", *with_results(with_one(name, value)))
        if name == "Divers":
            assert isinstance(came, Ingested) and "number 5" in came.dropped[0]
        else:
            assert isinstance(came, PrivacyError) and "column 5" in came.what


def test_files_that_are_not_read_are_named_only_if_their_name_is_nobodys(tmp_path: Path) -> None:
    strays = (replace(CENSUS, name="Jean Dupont.csv"), replace(CENSUS, name="notes.csv"))
    done = told(tmp_path, "demo", GENERAL, CANDIDATES, *strays)
    assert isinstance(done, Ingested) and len(done.unread) == 2
    assert not any("Dupont" in line for line in done.unread)
    assert any("number 1 by name in its folder" in line for line in done.unread)


def test_the_command_says_what_is_wrong_and_ends_with_a_status_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for sheet in (with_column(GENERAL, "courriel", "vrokmanzel@courriel.example", 3), CANDIDATES):
        write(sheet, tmp_path / "in")
    said = isoloir("ingest", "demo", "--from", tmp_path / "in", "--home", tmp_path / "home")
    assert said.status == 7
    assert "column 15 is not declared" in said.err and "general_results.csv" in said.err
    assert "vrokmanzel" not in said.out + said.err
    # Prefect's history of the flow tells of the refusal, too.
    for path in (p for p in (tmp_path / "home").rglob("*") if p.is_file()):
        assert b"vrokmanzel" not in path.read_bytes().lower(), path
