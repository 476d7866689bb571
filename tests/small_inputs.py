"""One small, sound input for every reader: tables as text, written as their publishers write them."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from ministry_files import FORMS, stations_of

Row = tuple[str, ...]


def words(text: str) -> Row:
    """Names of columns, as blanks part them."""
    return tuple(text.split())


@dataclass(frozen=True)
class Sheet:
    """A file: its header (empty where it has none) and rows as text, and how it is written.

    ``counts``: columns that are whole numbers in Parquet. ``before``: lines before the rows. ``said``: what
    stands beside the rows, in the metadata of Parquet or at the top of GeoJSON. ``fixed``: columns before the
    first that repeats.
    """

    name: str
    header: Row
    rows: tuple[Row, ...]
    delimiter: str = ","
    encoding: str = "utf-8"
    counts: frozenset[str] = frozenset()
    before: tuple[str, ...] = ()
    said: str = ""
    fixed: int | None = None
    crlf: bool = False


@dataclass(frozen=True)
class Input:
    """Files that are ingested together into a territory; ``main``: the places of those to plant in."""

    name: str
    territory: str
    sheets: tuple[Sheet, ...]
    main: tuple[int, ...] = field(default=(0,))


def write(sheet: Sheet, folder: Path) -> None:
    """Write the file into ``folder``, as its suffix says."""
    path = folder / sheet.name
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        _parquet(sheet, path)
    elif suffix == ".geojson":
        path.write_text(json.dumps(_geojson(sheet), ensure_ascii=False), encoding="utf-8")
    elif suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{path.stem}.CSV", _csv(sheet))
    else:
        path.write_bytes(_csv(sheet))


def _csv(sheet: Sheet) -> bytes:
    text = io.StringIO()
    end = "\r\n" if sheet.crlf else "\n"
    text.writelines(f"{line}{end}" for line in sheet.before)
    writer = csv.writer(text, delimiter=sheet.delimiter, lineterminator=end, quoting=csv.QUOTE_MINIMAL)
    writer.writerows([*([sheet.header] if sheet.header else []), *sheet.rows])
    return text.getvalue().encode(sheet.encoding, errors="replace")


def _parquet(sheet: Sheet, path: Path) -> None:
    columns = [_column(sheet, place) for place in range(len(sheet.header))]
    metadata = {"note": sheet.said} if sheet.said else None
    table = pa.Table.from_arrays(columns, names=list(sheet.header)).replace_schema_metadata(metadata)
    pq.write_table(table, path)


def _column(sheet: Sheet, place: int) -> pa.Array:
    texts = [row[place] or None if place < len(row) else None for row in sheet.rows]
    if sheet.header[place] in sheet.counts:
        try:
            return pa.array([None if t is None else int(t) for t in texts], pa.int64())
        except (ValueError, OverflowError, pa.ArrowInvalid):
            pass
    return pa.array(texts, pa.string())


def _geojson(sheet: Sheet) -> dict[str, object]:
    features = []
    for i, row in enumerate(sheet.rows):
        x = -4.5 + i / 100
        square = [[x, 48.4], [x + 0.01, 48.4], [x + 0.01, 48.41], [x, 48.41], [x, 48.4]]
        properties = dict(zip(sheet.header, row, strict=False))
        geometry = {"type": "Polygon", "coordinates": [square]}
        features.append({"type": "Feature", "properties": properties, "geometry": geometry})
    beside = {"name": sheet.said, "description": sheet.said} if sheet.said else {}
    return {"type": "FeatureCollection", **beside, "features": features}


def rows_of(text: str) -> tuple[Row, ...]:
    """The lines of a plain table with commas."""
    return tuple(tuple(line.split(",")) for line in text.strip().splitlines())


GENERAL_HEADER = words(
    "id_election id_brut_miom code_departement libelle_departement code_commune libelle_commune "
    "code_circonscription code_bv inscrits abstentions votants blancs nuls exprimes"
)
CANDIDATES_HEADER = words(
    "id_election id_brut_miom code_departement code_commune code_bv no_panneau voix nuance sexe nom prenom "
    "libelle_abrege_liste nom_tete_liste"
)
STATIONS = (("D1001", "0001"), ("D1001", "0002"), ("D1002", "0001"), ("2A003", "BV01"))
NUANCES = ("LRDA", "LGRA", "LBLA")
COUNTS = frozenset({"inscrits", "abstentions", "votants", "blancs", "nuls", "exprimes", "no_panneau", "voix"})


def general_rows() -> tuple[Row, ...]:
    """Four stations in three rounds, each with 100 voters of 180 registered, of whom 90 vote for a label."""
    made = []
    for contest in ("2019_euro_t1", "2022_pres_t1", "2022_legi_t1"):
        for commune, bv in STATIONS:
            place = (commune[:2], "Amont", commune, f"Commune {commune}", f"{commune[:2]}01", bv)
            counts = ("180", "80", "100", "6", "4", "90")
            made.append((contest, f"{commune}_{bv}", *place, *counts))
    return tuple(made)


def candidate_rows() -> tuple[Row, ...]:
    """The three labels or panels of each of them."""
    made = []
    for contest in ("2019_euro_t1", "2022_pres_t1", "2022_legi_t1"):
        for commune, bv in STATIONS:
            for i, nuance in enumerate(NUANCES):
                label = {"euro": nuance, "legi": nuance[1:]}.get(contest[5:9], "")
                panel = "" if contest.startswith("2022_legi") else str(i + 1)
                who = ("F", "ZZNOMTEMOIN1", "Zoe", f"LISTE {nuance}", "ZZNOMTEMOIN2")
                place = (commune[:2], commune, bv)
                made.append((contest, f"{commune}_{bv}", *place, panel, "30", label, *who))
    return tuple(made)


def results(suffix: str) -> tuple[Sheet, Sheet]:
    """The two tables of results of the demo, as CSV or Parquet."""
    return (
        Sheet(f"general_results{suffix}", GENERAL_HEADER, general_rows(), ";", counts=COUNTS),
        Sheet(f"candidats_results{suffix}", CANDIDATES_HEADER, candidate_rows(), ";", counts=COUNTS),
    )


CENSUS = Sheet(
    "census.csv",
    ("commune_code", "describes", "known_on", "population", "median_income", "owner_share"),
    rows_of(
        "D1001,2018-01-01,2021-06-30,500,20000,0.5\nD1002,2018-01-01,2021-06-30,800,21000,0.4\n"
        "2A003,2018-01-01,2021-06-30,300,s,0.7"
    ),
)
_LABELS = ("A", "B", "C")
TIDY = (
    Sheet(
        "denmark.parquet",
        words("source election_type year round region station registered voters expressed party votes"),
        tuple(
            ("denmark", "FT", "2022", "1", "1. Frederikshavn", f"10{n}|by{n}", "100", "80", "60", label, "20")
            for n in range(4)
            for label in _LABELS
        ),
        counts=frozenset({"year", "round", "registered", "voters", "expressed", "votes"}),
    ),
    Sheet(
        "denmark_geo.parquet",
        ("station", "area", "kreds_id", "kreds", "storkreds"),
        tuple((f"10{n}|by{n}", f"By {n}", "111", "9. Nord", "Fyns Storkreds") for n in range(4)),
    ),
)
COMMUNES = Sheet(
    "commune_turnout_1999_2022.parquet",
    ("id_election", "code_departement", "code_commune", "inscrits", "abstentions", "votants"),
    tuple(
        (contest, "34", f"3400{n}", "200", "100", "100")
        for contest in ("2017_pres_t1", "2019_euro_t1", "2022_pres_t1")
        for n in range(1, 5)
    ),
    counts=COUNTS,
)
INCOMES = Sheet(
    "FILO2021_DEC_COM.csv",
    words("CODGEO LIBGEO NBMEN21 Q221 D121 D921 PACT21 PPEN21 PCHO21 PAUT21"),
    rows_of(
        "01001,L'Abergement,346,26410,12000,45000,70,25,3,2\n01002,Ambleon,115,s,s,s,s,s,s,s\n"
        "01004,Amberieu,6800,22000,11000,41000,74,20,4,2"
    ),
    ";",
    "utf-8-sig",
)
INCOMES_IRIS = Sheet(
    "FILO2015_IRIS_revenus.csv",
    words("IRIS LIBIRIS COM LIBCOM DISP_TP6015 DISP_MED15 DISP_D115 DISP_D915 DISP_PACT15 DISP_PPEN15"),
    rows_of(
        "010040101,Les Perouses,01004,Amberieu,12,19000,9000,34000,70,30\n"
        "010040102,Longeray,01004,Amberieu,18,18000,9100,33000,71,29"
    ),
)
BASE = Sheet(
    "base_cc_comparateur_csv.zip",
    words("CODGEO P18_POP P13_POP SUPERF NAIS1318 P18_RP P18_RP_PROP P18_CHOM1564 P18_ACT1564 MED19 TP6019"),
    rows_of("01001,776,767,15.9,40,320,270,33,370,24310,\n01002,248,241,9.1,10,110,90,10,120,23000,12"),
    ";",
)
CONSTITUENCIES = Sheet(
    "bureaux-de-vote-circonscriptions.csv",
    words("codeDepartement nomDepartement codeCommune nomCommune codeBureauVote codeCirconscription"),
    rows_of(
        "34,Herault,34001,Abeilhan,34001_0001,3405\n34,Herault,34002,Adissan,34002_0001,3404\n"
        "34,Herault,34003,Agde,34003_0001,3407"
    ),
)
IRIS_OF_STATION = Sheet(
    "liaison-iris-bureaux-de-vote.csv",
    ("id_brut_miom", "code_iris", "part_bv"),
    rows_of("34001_0001,340010000,1\n34002_0001,340020000,0.4\n34002_0001,340020102,0.6"),
)
MOVEMENTS = Sheet(
    "v_mvt_commune_2026.csv",
    words("MOD DATE_EFF TYPECOM_AV COM_AV LIBELLE_AV TYPECOM_AP COM_AP LIBELLE_AP"),
    rows_of(
        "32,2016-01-01,COM,01015,Arbignieu,COM,01015,Arboys\n32,2016-01-01,COM,01340,Saint-Bois,COM,01015,Arboys"
    ),
)
CONTOURS = Sheet(
    "brest_contours.geojson",
    ("codeBureauVote", "llieu", "nomCommune"),
    rows_of("29019_0001,GS KERINOU,Brest\n29019_0002,GS KERINOU,Brest\n29019_0003,MAIRIE,Brest"),
)


def ministry(form: str, name: str) -> Sheet:
    """A file of the Ministry's in one of its layouts."""
    made = FORMS[form]
    rows = [tuple(row) for row in made.rows(stations_of(form))]
    header = () if made.long else rows.pop(0)
    return Sheet(
        name,
        header,
        tuple(rows),
        made.delimiter,
        made.encoding,
        before=tuple(made.preamble.splitlines()),
        fixed=len(made.fixed) or None,
        crlf=True,
    )


def with_results(*sheets: Sheet) -> tuple[Sheet, ...]:
    """The sheets before the tables of results of France, which a core needs."""
    general, candidates = results(".parquet")
    contest = "2022_legi_t1"
    stations = tuple(
        (contest, f"34{n:03}_0001", "34", "Herault", f"34{n:03}", "Ville", "", "0001", *row[8:])
        for n, row in enumerate(general.rows[:3], start=1)
    )
    votes = tuple(
        (
            contest,
            f"34{n:03}_0001",
            "34",
            f"34{n:03}",
            "0001",
            "",
            "30",
            nuance,
            "F",
            "ZZNOMTEMOIN1",
            "Zoe",
            "",
            "",
        )
        for n in range(1, 4)
        for nuance in ("NUP", "ENS", "RN")
    )
    return (
        *sheets,
        Sheet(general.name, general.header, stations, ";", counts=COUNTS),
        Sheet(candidates.name, candidates.header, votes, ";", counts=COUNTS),
    )


def inputs() -> tuple[Input, ...]:
    """All of them."""
    made = [
        Input("results in Parquet", "demo", results(".parquet"), (0, 1)),
        Input("results in CSV", "demo", results(".csv"), (0, 1)),
        Input("census", "demo", (CENSUS, *results(".parquet"))),
        Input("tidy tables", "dk", TIDY, (0, 1)),
        Input("communes", "fr_communes", (COMMUNES,)),
        Input("communes beside results", "fr", with_results(COMMUNES)),
    ]
    for sheet in (
        *(INCOMES, INCOMES_IRIS, BASE, CONSTITUENCIES, IRIS_OF_STATION, MOVEMENTS, CONTOURS),
        ministry("legi", "LG17_burvot_t1.txt"),
        ministry("pres", "PR17_BVot_T1.txt"),
        ministry("regi", "RG21_burvot_t2.txt"),
        ministry("euro", "EU19_burvot.txt"),
        ministry("legi24", "LG24_bureau_de_vote_t1.csv"),
        ministry("euro14", "ER14_BVOT.txt"),
    ):
        made.append(Input(sheet.name, "fr", with_results(sheet)))
    return tuple(made)


def replaced(input_: Input, place: int, sheets: Sequence[Sheet]) -> Input:
    """The input with other sheets in the place of one."""
    before, after = input_.sheets[:place], input_.sheets[place + 1 :]
    return Input(input_.name, input_.territory, (*before, *sheets, *after), input_.main)
