"""INSEE's figures of communes and of IRIS (cells of about 2,000 people): the census, and incomes (FiLoSoFi).

Which columns may be read is said here, one by one. What stands for a person's origin (immigrants, foreigners,
nationality) is not among them and never will be: it would stand for a category that the law protects.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from isoloir.configs.sources import ContextFile
from isoloir.domain.errors import SourceError
from isoloir.domain.facts import Belonging, Facts, Mask
from isoloir.domain.station import Stations, Text

from .figures import Figure, Sheet, codes_of, facts_of, named, names_of, number, ratio, read_sheet
from .tables import Opened

COMMUNE = re.compile(r"(?:[0-9]{2}|2[AB])[0-9]{3}")
IRIS = re.compile(r"(?:[0-9]{2}|2[AB])[0-9]{7}")
ARRONDISSEMENT = re.compile(r"751(?:0[1-9]|1[0-9]|20)|6938[1-9]|132(?:0[1-9]|1[0-6])")
"""Paris, Lyon, Marseille: parts of a commune, which have rows of their own beside it."""

LEFT_OUT = ("LIBGEO", "LIBIRIS", "LIBCOM", "COM", "REG", "DEP", "ARR", "CV", "TYP_IRIS", "LAB_IRIS")
"""Names and codes of places that stand beside the figures, and are never read."""

YEAR = r"(\d\d)"
CENSUS_GAP = 5
"""Years between the two censuses of a file of communes."""


@dataclass(frozen=True, slots=True)
class Share:
    """A column in per cent, our name of it, and how many per cent it can have."""

    column: str
    name: str
    low: float = 0.0
    high: float = 1.0


# Shares of the disposable income: taxes, which are negative, are a part, so that others may pass 1.
DISPOSABLE = (
    Share("TP60{year}", "poverty_share"),
    Share("PACT{year}", "activity_income_share", -1.0, 3.0),
    Share("PPEN{year}", "pension_income_share", -1.0, 3.0),
    Share("PPSOC{year}", "benefit_income_share", -1.0, 3.0),
)
DECLARED = (
    Share("PACT{year}", "declared_activity_share"),
    Share("PPEN{year}", "declared_pension_share"),
    Share("PCHO{year}", "declared_unemployment_share"),
)
BASE = ("P{year}_POP", "SUPERF", "P{year}_RP", "P{year}_RP_PROP", "P{year}_CHOM1564", "P{year}_ACT1564")
INCOME = ("MED{year}", "TP60{year}")
READ = (
    *("CODGEO", "IRIS", *BASE, *INCOME, "Q2{year}", "D1{year}", "D9{year}"),
    *("DISP_MED{year}", "DISP_D1{year}", "DISP_D9{year}"),
    *(f"{start}{s.column}" for s in (*DISPOSABLE, *DECLARED) for start in ("", "DISP_")),
)
"""Every column that this module may read, ``year`` being its two last digits."""


def read_commune_base(opened: Opened, said: ContextFile) -> tuple[Facts, ...]:
    """Census and incomes of communes, and the same of the parts of the three communes that have some.

    Source: INSEE, « Comparateur de territoires ». Incomes are empty where secret: the file does not tell
    that from missing.
    """
    names = names_of(opened)
    year = year_in(names, r"P(\d\d)_RP_PROP", said, opened)
    income = year_in(names, r"MED(\d\d)", said, opened)
    before = f"P{int(year) - CENSUS_GAP:02d}_POP"
    census = tuple(c.format(year=year) for c in BASE)
    sheet = read_sheet(
        opened, ("CODGEO", *census, before, *(c.format(year=income) for c in INCOME)), LEFT_OUT
    )
    codes = codes_of(sheet, "CODGEO", COMMUNE)
    people, area, homes, owned, jobless, active = (number(sheet, column) for column in census)
    counted = (
        named(people, "population", 1.0, 0.0, np.inf),
        ratio("owner_share", owned, homes),
        ratio("unemployment_share", jobless, active),
        ratio("density", people, area, np.inf),
        _growth(people, number(sheet, before)),
    )
    earned = (
        named(number(sheet, f"MED{income}"), "median_income", 1.0, 0.0, np.inf),
        named(number(sheet, f"TP60{income}"), "poverty_share", 0.01, 0.0, 1.0),
    )
    parts = (("census", year, counted), ("incomes", income, earned))
    return tuple(
        table
        for what, years, figures in parts
        for table in communes_and_parts(
            f"{what}_20{years}", f"20{years}", said.known_on, codes, figures, sheet
        )
    )


def read_filosofi_commune(opened: Opened, said: ContextFile) -> tuple[Facts, ...]:
    """Incomes of communes and parts of communes, declared (before taxes and benefits) or disposable.

    A file of declared incomes has a share of other incomes (``PAUT``), one of disposable incomes has none.
    Source: INSEE, FiLoSoFi, FILO<year>_DEC_COM and FILO<year>_DISP_COM.
    """
    names = names_of(opened)
    year = year_in(names, r"Q2(\d\d)", said, opened)
    declared = f"PAUT{year}" in names
    shares: tuple[Share, ...] = DECLARED if declared else DISPOSABLE
    kind = "declared_" if declared else ""
    columns = tuple(s.column.format(year=year) for s in shares)
    present = tuple(s for s, column in zip(shares, columns, strict=True) if column in names)
    wanted = ("CODGEO", f"Q2{year}", f"D1{year}", f"D9{year}")
    sheet = read_sheet(opened, (*wanted, *(s.column.format(year=year) for s in present)), LEFT_OUT)
    codes = codes_of(sheet, "CODGEO", COMMUNE)
    figures = _incomes(sheet, wanted[1:], kind, present, "", year)
    name = f"{kind or 'disposable_'}incomes_20{year}"
    return communes_and_parts(name, f"20{year}", said.known_on, codes, figures, sheet)


def read_filosofi_iris(opened: Opened, said: ContextFile) -> tuple[Facts, ...]:
    """Disposable incomes of the IRIS of larger communes.

    Source: INSEE, FiLoSoFi, BASE_TD_FILO_IRIS_<year>_DISP; also the same columns of another file.
    """
    names = names_of(opened)
    year = year_in(names, r"DISP_MED(\d\d)", said, opened)
    wanted = ("IRIS", f"DISP_MED{year}", f"DISP_D1{year}", f"DISP_D9{year}")
    present = tuple(s for s in DISPOSABLE if f"DISP_{s.column.format(year=year)}" in names)
    sheet = read_sheet(opened, (*wanted, *(f"DISP_{s.column.format(year=year)}" for s in present)), LEFT_OUT)
    codes = codes_of(sheet, "IRIS", IRIS)
    figures = _incomes(sheet, wanted[1:], "", present, "DISP_", year)
    name = f"cell_incomes_20{year}"
    return (facts_of(name, "cell", f"20{year}", said.known_on, codes, figures, sheet.where),)


def _incomes(
    sheet: Sheet, columns: Sequence[str], kind: str, shares: Sequence[Share], start: str, year: str
) -> list[Figure]:
    """The median, the ninth decile over the first, and the shares of income."""
    median, first, ninth = (number(sheet, column) for column in columns)
    figures = [
        named(median, f"{kind}median_income", 1.0, 0.0, np.inf),
        ratio(f"{kind}decile_ratio", ninth, first, np.inf),
    ]
    for share in shares:
        published = number(sheet, start + share.column.format(year=year))
        figures.append(named(published, share.name, 0.01, share.low, share.high))
    return figures


def _growth(now: Figure, before: Figure) -> Figure:
    """Yearly growth rate between two censuses; missing where nobody lived."""
    known = (now.values > 0) & (before.values > 0)
    change = np.where(known, now.values / np.where(known, before.values, 1.0), np.nan)
    rate = change ** (1 / CENSUS_GAP) - 1
    return Figure("growth", rate, now.withheld | before.withheld, -1.0, np.inf)


def communes_and_parts(
    name: str, describes: str, known_on: date, codes: Text, figures: Sequence[Figure], sheet: Sheet
) -> tuple[Facts, ...]:
    """The rows of communes, and apart from them those of parts of communes, where there are any."""
    part = np.array([ARRONDISSEMENT.fullmatch(code) is not None for code in codes.tolist()], np.bool_)
    whole = facts_of(name, "commune", describes, known_on, codes, figures, sheet.where)
    kept = np.isin(whole.codes, codes[~part])
    tables = [_rows(whole, kept, name, "commune")]
    if part.any():
        tables.append(_rows(whole, ~kept, f"{name}_parts", "cell"))
    return tuple(tables)


def _rows(facts: Facts, kept: Mask, name: str, level: str) -> Facts:
    values, withheld = facts.values[kept], facts.withheld[kept]
    return Facts(
        name, level, facts.describes, facts.known_on, facts.codes[kept], facts.columns, values, withheld
    )


def year_in(names: Sequence[str], pattern: str, said: ContextFile, opened: Opened) -> str:
    """The two digits of the newest year that the columns are of; refused if ``describes`` has another year.

    A publisher puts each new vintage behind the same address: its day of publication would be wrong.
    """
    years = sorted(found.group(1) for name in names if (found := re.fullmatch(pattern, name)))
    if not years:
        raise SourceError(
            f"no column is called {pattern.replace(YEAR, '<year>')}",
            where=opened.where,
            remedy=f"fetch the file again, or correct its delimiter in sources.yaml ({opened.delimiter!r})",
        )
    if f"20{years[-1]}" not in said.describes:
        raise SourceError(
            f"the file is about 20{years[-1]}, of which its entry says nothing ({said.describes})",
            where=f"{opened.where}, sources.yaml, {said.file}",
            remedy="give this vintage an entry of its own, with the day on which it became public",
        )
    return years[-1]


PARTS_SINCE = date(1970, 1, 1)
"""They are older than any roll and any table of IRIS, which so counts more where it has a station."""
FOUR_DIGITS = re.compile(r"[0-9]{4}")
PARTS = (("75056", "751", 20), ("69123", "6938", 9), ("13055", "132", 16))
"""Communes with parts: the code, how the codes of its parts begin, how many there are."""


def arrondissements_of(stations: Stations) -> Belonging:
    """The arrondissement of each station of Paris, Lyon and Marseille: the first two of its four digits.

    Source: the numbering of stations there (in Paris all 896 agree with the city's own files). What has
    another number (prisoners' votes, Lyon's 00) lies in none.
    """
    inside = np.flatnonzero(np.isin(stations.commune_code, [code for code, _, _ in PARTS]))
    ids, areas = [], []
    for row in inside.tolist():
        station, commune = str(stations.station_id[row]), str(stations.commune_code[row])
        begin, count = next((begin, count) for code, begin, count in PARTS if code == commune)
        digits = station.rpartition("_")[2]
        if FOUR_DIGITS.fullmatch(digits) and 1 <= int(digits[:2]) <= count:
            ids.append(station)
            areas.append(begin + str(int(digits[:2])).zfill(5 - len(begin)))
    return Belonging(
        "arrondissements",
        "cell",
        PARTS_SINCE,
        np.array(ids, dtype=np.str_),
        np.array(areas, dtype=np.str_),
        np.ones(len(ids)),
    )
