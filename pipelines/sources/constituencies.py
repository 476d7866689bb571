"""The constituency of each polling station, as data.gouv.fr published it before the vote of June 2024."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from isoloir.configs.sources import ContextFile
from isoloir.domain.errors import SourceError
from isoloir.domain.facts import Belonging
from isoloir.domain.ledger import Mask
from isoloir.domain.station import Text

from .datagouv_columns import STATION_ID
from .gate.grain import refuse_finer
from .ministry.codes import ABROAD, commune_code, constituency_code
from .returns import shown
from .tables import Form, Opened, batches

TABLE = Form(
    columns={
        "station_id": ("codeBureauVote", "code_bureau_vote", "id_brut_miom"),
        "commune_code": ("codeCommune", "code_commune"),
        "constituency_code": ("codeCirconscription", "code_circonscription"),
    },
    types=dict.fromkeys(("station_id", "commune_code", "constituency_code"), pa.string()),
    required=frozenset({"station_id", "commune_code", "constituency_code"}),
    left_out=frozenset(
        f"{what}{area}"
        for what in ("code", "nom", "libelle", "code_", "nom_", "libelle_")
        for area in (
            *("Departement", "Commune", "Circonscription", "BureauVote", "departement", "commune"),
            *("circonscription", "bureau_vote", "region", "Region", "canton", "Canton"),
        )
    )
    | {"numeroBureauVote", "numero_bureau_vote", "libelle_bureau_vote"},
)
"""Names of departments, communes and constituencies stand beside these and are not read."""

MOST_ROWS = 1.5
"""Rows per station, on average: a table with one row per address says of each the same."""

CODE = re.compile(r"(?:[0-9]{2,3}|2[AB]|Z[A-Z])[0-9]{2}")
"""A constituency as the table has it: the department as the Ministry or INSEE writes it, and two digits."""


def read_constituencies(opened: Opened, said: ContextFile) -> tuple[Belonging, ...]:
    """The constituency of each station, spelt as the results spell it (3407, 97101, ZZ09), weight 1.

    The table was made of the results of June 2022, so it lists the stations of then. SourceError on a code
    that is none, and on a station in two constituencies. Source: « Liste des bureaux de vote associés à leur
    circonscription législative », data.gouv.fr, 2024-06-12; tried on its layout, not on the original.
    """
    table = pa.concat_tables(batches(opened, TABLE))
    opened.keep(table)
    station, commune, written = (_text(table[name]) for name in TABLE.types)
    _refuse(opened, station, ~_fit(table["station_id"], STATION_ID), "name no station")
    known = _fit(table["constituency_code"], CODE)
    _refuse(opened, station, ~known, "name no constituency: a department and two digits")
    area = _areas(commune, written)
    _refuse(opened, station, area == "", "name a constituency that does not fit their commune")
    order = np.argsort(station, kind="stable")
    again = np.zeros(len(order), np.bool_)
    again[1:] = station[order][1:] == station[order][:-1]
    differs = np.zeros(len(order), np.bool_)
    differs[order[1:]] = again[1:] & (area[order][1:] != area[order][:-1])
    _refuse(opened, station, differs, "name a second constituency of a station")
    kept = order[~again]
    refuse_finer(len(order), len(kept), MOST_ROWS, "stations", opened.where)
    weight = np.ones(len(kept))
    return (
        Belonging(
            "constituencies of stations", "constituency", said.known_on, station[kept], area[kept], weight
        ),
    )


def _text(column: pa.ChunkedArray) -> Text:
    """The column's codes; those abroad by letters, as the results have them."""
    codes = pc.replace_substring_regex(
        column.fill_null(""), pattern="^99([0-9]{3})", replacement=rf"{ABROAD}\1"
    )
    return np.asarray(codes.to_numpy(), dtype=np.str_)


def _fit(column: pa.ChunkedArray, form: re.Pattern[str]) -> Mask:
    fits = pc.match_substring_regex(column.fill_null(""), pattern=f"^(?:{form.pattern})$")
    return np.asarray(fits.to_numpy(), dtype=np.bool_)


def _areas(commune: Text, written: Text) -> Text:
    """The results' code of each row's constituency; "" where its department is not that of the commune."""
    pairs = np.char.add(np.char.add(commune, " "), written)
    distinct, row = np.unique(pairs, return_inverse=True)
    parts = [pair.rpartition(" ") for pair in distinct.tolist()]
    codes = [
        (constituency_code(place, code[-2:]) or "") if commune_code(code[:-2], place[2:]) == place else ""
        for place, _, code in parts
    ]
    return np.asarray(codes, dtype=np.str_)[row]


def _refuse(opened: Opened, station: Text, bad: Mask, what: str) -> None:
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise SourceError(
            f"{int(bad.sum())} row(s) {what}, first that of station {shown(str(station[first]), STATION_ID)}",
            where=f"{opened.where}, row {first + 1}",
            remedy="fetch the file again, or correct the row",
        )
