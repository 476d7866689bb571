"""INSEE's census by IRIS, the IRIS of polling stations, and communes that became others.

Written to the layouts that the publishers state: none of these was tried on the original file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from isoloir.configs.sources import ContextFile
from isoloir.domain.errors import SourceError
from isoloir.domain.facts import Belonging, Facts, Movements
from isoloir.domain.station import Text, grouped

from .datagouv_columns import STATION_ID
from .figures import Figure, codes_of, facts_of, named, names_of, number, ratio, read_sheet, refuse
from .gate.grain import refuse_finer
from .insee import COMMUNE, IRIS, LEFT_OUT, communes_and_parts, year_in
from .tables import Opened


@dataclass(frozen=True, slots=True)
class Theme:
    """One of the census' files by IRIS: how its year is told, and our shares: name, parts, whole."""

    name: str
    tells: str
    shares: tuple[tuple[str, tuple[str, ...], str], ...]
    population: str = ""

    def columns(self, year: str) -> tuple[str, ...]:
        """The columns to be read, in order, each once."""
        every = [self.population] if self.population else []
        every += [column for _, parts, whole in self.shares for column in (*parts, whole)]
        return tuple(dict.fromkeys(column.format(year=year) for column in every))


# Columns of origin (POP_FR, POP_ETR, POP_IMM) stand in the first of these files, and are not read.
THEMES = (
    Theme(
        "people",
        r"P(\d\d)_POP65P",
        (
            ("young_share", ("P{year}_POP1529",), "P{year}_POP"),
            ("elderly_share", ("P{year}_POP65P",), "P{year}_POP"),
        ),
        "P{year}_POP",
    ),
    Theme("homes", r"P(\d\d)_RP_PROP", (("owner_share", ("P{year}_RP_PROP",), "P{year}_RP"),)),
    Theme("work", r"P(\d\d)_CHOM1564", (("unemployment_share", ("P{year}_CHOM1564",), "P{year}_ACT1564"),)),
    Theme(
        "degrees",
        r"P(\d\d)_NSCOL15P_SUP5",
        (
            (
                "graduate_share",
                ("P{year}_NSCOL15P_SUP2", "P{year}_NSCOL15P_SUP34", "P{year}_NSCOL15P_SUP5"),
                "P{year}_NSCOL15P",
            ),
        ),
    ),
)


def read_iris_census(opened: Opened, said: ContextFile) -> tuple[Facts, ...]:
    """Shares of the census by IRIS, and by commune: the sums of its IRIS (a small commune is one IRIS).

    Source: INSEE, base-ic-evol-struct-pop, base-ic-logement, base-ic-activite-residents and
    base-ic-diplomes-formation: counts, weighted and so not whole, in a zip.
    """
    names = names_of(opened)
    theme = next((t for t in THEMES if any(re.fullmatch(t.tells, name) for name in names)), None)
    if theme is None:
        raise SourceError(
            "no column tells which of the census' files by IRIS this is",
            where=opened.where,
            remedy=f"fetch the file again, or correct its delimiter in sources.yaml ({opened.delimiter!r})",
        )
    year = year_in(names, theme.tells, said, opened)
    columns = theme.columns(year)
    sheet = read_sheet(opened, ("IRIS", *columns), LEFT_OUT)
    codes = codes_of(sheet, "IRIS", IRIS)
    counts = [number(sheet, column) for column in columns]
    for count in counts:
        refuse(opened.where, count.values < 0, f"hold a negative {count.name}")
    name, describes = f"{theme.name}_20{year}", f"20{year}"
    cells = facts_of(
        f"cell_{name}", "cell", describes, said.known_on, codes, _shares(theme, counts, year), opened.where
    )
    communes, sums = _by_commune(codes, counts)
    tables = communes_and_parts(
        f"commune_{name}",
        describes,
        said.known_on,
        communes,
        _shares(theme, sums, year),
        sheet,
    )
    return (cells, *tables)


def _shares(theme: Theme, counts: Sequence[Figure], year: str) -> list[Figure]:
    by_column = {count.name: count for count in counts}
    made = []
    if theme.population:
        made.append(named(by_column[theme.population.format(year=year)], "population", 1.0, 0.0, np.inf))
    for name, parts, whole in theme.shares:
        columns = [by_column[part.format(year=year)] for part in parts]
        total = replace(
            columns[0],
            values=np.sum([c.values for c in columns], axis=0),
            withheld=np.any([c.withheld for c in columns], axis=0),
        )
        made.append(ratio(name, total, by_column[whole.format(year=year)]))
    return made


def _by_commune(codes: Text, counts: Sequence[Figure]) -> tuple[Text, list[Figure]]:
    """The sums over each commune's IRIS; missing, and withheld, where one of them is: no total by halves."""
    communes, row = grouped(np.array([code[:5] for code in codes.tolist()], dtype=np.str_))
    summed = []
    for count in counts:
        # A sum with NaN in it is NaN.
        values = np.bincount(row, weights=count.values, minlength=len(communes)).astype(np.float64)
        withheld = np.bincount(row, weights=count.withheld, minlength=len(communes)) > 0
        summed.append(Figure(count.name, values, withheld))
    return communes, summed


STATION = ("id_brut_miom", "codeBureauVote", "code_bureau_vote", "code_bv", "bureau_de_vote", "id_bv", "bv")
CELL = ("code_iris", "codeIris", "CODE_IRIS", "iris", "IRIS")
WEIGHT = ("part_bv", "part_bureau", "part_population_bv", "poids_bv", "population", "poids", "weight")
BESIDE = (*STATION, *CELL, *WEIGHT, "codeCommune", "code_commune", "nom_commune", "libelle_commune", "annee")
"""Names under which the station, the IRIS, and the part of the station's people in it may be published."""


def read_iris_of_station(opened: Opened, said: ContextFile) -> tuple[Belonging, ...]:
    """The IRIS that each station's people live in, and the part of them in each.

    Source: « Liaison IRIS / bureaux de vote de 2024 », data.gouv.fr: estimated from a grid of 200 m. People,
    or parts of them, are brought to a sum of 1 per station.
    """
    names = names_of(opened)
    station, cell, weight = (_spelling(names, known, opened) for known in (STATION, CELL, WEIGHT))
    sheet = read_sheet(opened, (station, cell, weight), BESIDE)
    ids, areas = sheet.text(station), sheet.text(cell)
    refuse(opened.where, ~_fits(ids, STATION_ID), f"of {station} hold no code of a station")
    refuse(opened.where, ~_fits(areas, IRIS), f"of {cell} hold no code of an IRIS")
    pairs = len(pd.MultiIndex.from_arrays([ids, areas]).unique())
    refuse_finer(len(ids), pairs, 2.0, "stations and areas", opened.where)
    refuse(
        opened.where,
        pd.DataFrame({"station": ids, "area": areas}).duplicated().to_numpy(),
        "repeat a station and its IRIS",
        "keep one row per station and IRIS",
    )
    people = number(sheet, weight)
    refuse(opened.where, ~(people.values >= 0), f"of {weight} hold no part of a station's people")
    stations, row = grouped(ids)
    total = np.bincount(row, weights=people.values, minlength=len(stations))[row]
    kept = np.flatnonzero((people.values > 0) & (total > 0))
    kept = kept[np.lexsort((areas[kept], ids[kept]))]
    share = people.values[kept] / total[kept]
    return (Belonging("cells_of_stations", "cell", said.known_on, ids[kept], areas[kept], share),)


def _spelling(names: Sequence[str], known: Sequence[str], opened: Opened) -> str:
    found = next((name for name in known if name in names), None)
    if found is None:
        raise SourceError(
            f"no column is called {' or '.join(known)}",
            where=opened.where,
            remedy="fetch the file again; if its layout is another one, tell the maintainers",
        )
    return found


def _fits(codes: Text, form: re.Pattern[str]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.fromiter((form.fullmatch(code) is not None for code in codes.tolist()), np.bool_, len(codes))


EVENTS = {
    "10": "another name",
    "20": "created",
    "21": "created again",
    "30": "dissolved",
    "31": "merged",
    "32": "merged into a new commune",
    "33": "merged, associated",
    "34": "association ended by merger",
    "35": "delegate commune dissolved",
    "41": "code of another department",
    "50": "code of another seat",
    "70": "associate turned delegate commune",
    "71": "delegate commune created again",
}
"""What may happen to a commune. Source: INSEE, « Liste de modalités des fichiers du COG », 2023 and later."""

MOVED = tuple(f"{what}_{side}" for what in ("TNCC", "NCC", "NCCENR", "LIBELLE") for side in ("AV", "AP"))
"""Names of the communes, which are not read."""
DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def read_movements(opened: Opened, said: ContextFile) -> tuple[Movements, ...]:
    """Communes whose code became another: mergers, splits, changes of code; each pair once per day.

    Parts of communes (delegates, associates, arrondissements) and mere names are left out. An event that is
    not declared is refused. Source: INSEE, « Code officiel géographique », v_mvt_commune.
    """
    columns = ("MOD", "DATE_EFF", "TYPECOM_AV", "COM_AV", "TYPECOM_AP", "COM_AP")
    sheet = read_sheet(opened, columns, MOVED)
    event, day, before, old, after, new = (sheet.text(name) for name in columns)
    refuse(
        opened.where,
        ~np.isin(event, list(EVENTS)),
        "are of a kind of event (MOD) that is not declared",
        "look up the kind at the publisher and declare it in EVENTS",
    )
    moved = (before == "COM") & (after == "COM") & (old != new)
    refuse(opened.where, moved & ~(_fits(old, COMMUNE) & _fits(new, COMMUNE)), "hold no code of a commune")
    dated = np.asarray(pc.match_substring_regex(pc.utf8_trim_whitespace(sheet.table["DATE_EFF"]), DAY))
    refuse(opened.where, moved & ~dated.astype(np.bool_), "state no day as 2026-01-31")
    pairs = pd.DataFrame({"day": day[moved], "old": old[moved], "new": new[moved]})
    pairs = pairs.drop_duplicates().sort_values(["day", "old", "new"])
    held_on = pairs["day"].to_numpy(dtype="datetime64[D]")
    texts = (np.asarray(pairs[name], dtype=np.str_) for name in ("old", "new"))
    return (Movements("movements", said.known_on, held_on, *texts),)
