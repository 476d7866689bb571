"""The invented country's results in the layout of data.gouv.fr's « Données des élections agrégées »."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from .demo_ballots import BLANKS_COUNTED_SINCE, FIRST_NAMES, SURNAMES, ZERO_FILLED
from .demo_country import DEPARTMENTS, Country, Ints, Mask, Text
from .demo_offers import areas_of
from .demo_votes import Round

GENERAL = pa.schema(
    [
        *(
            (name, pa.string())
            for name in (
                "id_election",
                "id_brut_miom",
                "code_departement",
                "libelle_departement",
                "code_canton",
                "libelle_canton",
                "code_commune",
                "libelle_commune",
                "code_circonscription",
                "libelle_circonscription",
                "code_bv",
            )
        ),
        *(
            (name, pa.int32())
            for name in ("inscrits", "abstentions", "votants", "blancs", "nuls", "exprimes")
        ),
        *(
            (name, pa.float64())
            for name in (
                "ratio_abstentions_inscrits",
                "ratio_votants_inscrits",
                "ratio_blancs_inscrits",
                "ratio_blancs_votants",
                "ratio_nuls_inscrits",
                "ratio_nuls_votants",
                "ratio_exprimes_inscrits",
                "ratio_exprimes_votants",
            )
        ),
    ]
)
"""One row per station and round. Ratios are percentages."""

CANDIDATES = pa.schema(
    [
        *(
            (name, pa.string())
            for name in ("id_election", "id_brut_miom", "code_departement", "code_commune", "code_bv")
        ),
        ("no_panneau", pa.int32()),
        ("voix", pa.int32()),
        ("ratio_voix_inscrits", pa.float64()),
        ("ratio_voix_exprimes", pa.float64()),
        *(
            (name, pa.string())
            for name in (
                "nuance",
                "sexe",
                "nom",
                "prenom",
                "liste",
                "libelle_abrege_liste",
                "libelle_etendu_liste",
                "nom_tete_liste",
                "binome",
            )
        ),
    ]
)
"""One row per station, round and candidate. Names are invented (see PLANTED_NAMES)."""

_SURNAMES, _FIRST_NAMES = np.array(SURNAMES), np.array(FIRST_NAMES)
_DEPARTMENT_CODES = np.array([code for code, _ in DEPARTMENTS])
_DEPARTMENT_NAMES = np.array([name for _, name in DEPARTMENTS])


def general_table(country: Country, held: Round) -> pa.Table:
    """The stations of a round, in the order of their ids."""
    station, commune, code = _codes(held)
    department = _department_of(country, held)
    constituency = _area_codes(country, held, "legi") if held.contest.kind in ("pres", "legi") else None
    canton = _area_codes(country, held, "dpmt") if held.contest.kind == "dpmt" else None
    named = [
        _repeated(held.contest.key, len(station)),
        pa.array(station),
        pa.array(_DEPARTMENT_CODES[department]),
        pa.array(_DEPARTMENT_NAMES[department]),
        _text(None if canton is None else np.array([each[-2:] for each in canton]), len(station)),
        _text(None if canton is None else np.char.add("Canton ", canton), len(station)),
        pa.array(commune),
        pa.array(np.char.add("Commune ", commune)),
        _text(constituency, len(station)),
        _text(None if constituency is None else np.char.add("Circonscription ", constituency), len(station)),
        pa.array(code),
    ]
    return pa.Table.from_arrays([*named, *_count_columns(held)], schema=GENERAL)


def _count_columns(held: Round) -> list[pa.Array]:
    """From ``inscrits`` to the last ratio."""
    absent, blank, null = held.registered - held.voters, held.blank, held.null
    uncounted = held.contest.held_on < BLANKS_COUNTED_SINCE
    return [
        _count(held.registered),
        _count(absent),
        _count(held.voters),
        _count(blank, hidden=uncounted),
        _count(null, hidden=uncounted),
        _count(held.valid),
        _percentage(absent, held.registered),
        _percentage(held.voters, held.registered),
        *(
            _percentage(spoilt, whole, hidden=uncounted)
            for spoilt in (blank, null)
            for whole in (held.registered, held.voters)
        ),
        _percentage(held.valid, held.registered),
        _percentage(held.valid, held.voters),
    ]


def candidates_table(country: Country, held: Round) -> pa.Table:
    """The candidates of a round's stations, station by station in the order of the panels."""
    station, commune, code = _codes(held)
    listed = held.offer.listed[held.area]
    row, slot = np.nonzero(listed)
    votes = held.votes[row, slot]
    panel = np.cumsum(listed.astype(np.int64), axis=1)[row, slot]
    area = held.area[row]
    label = held.offer.label[area, slot]
    unnamed = held.contest.key in ZERO_FILLED
    columns = [
        _repeated(held.contest.key, len(row)),
        pa.array(station[row]),
        pa.array(_DEPARTMENT_CODES[_department_of(country, held)[row]]),
        pa.array(commune[row]),
        pa.array(code[row]),
        _count(panel, hidden=unnamed),
        _count(votes),
        _percentage(votes, held.registered[row]),
        _percentage(votes, held.valid[row]),
        _text(None if held.contest.kind == "pres" else label, len(row)),
        *_name_columns(held, area, slot, label, hidden=unnamed),
    ]
    return pa.Table.from_arrays(columns, schema=CANDIDATES)


def _name_columns(held: Round, area: Ints, slot: Ints, label: Text, *, hidden: bool) -> Sequence[pa.Array]:
    """From ``sexe`` to ``binome``: whichever of them the kind of ballot fills."""
    n, kind = len(slot), held.contest.kind
    number, first = held.offer.surname[area, slot], held.offer.first_name[area, slot]
    surname, first_name = _SURNAMES[number], _FIRST_NAMES[first]
    full = np.char.add(np.char.add(surname, " "), first_name)
    none = _text(None, n)
    if hidden:
        return [none] * 8
    if kind in ("pres", "legi"):
        sex = np.where(first % 2 == 0, "F", "M")
        return [pa.array(sex), pa.array(surname), pa.array(first_name), *[none] * 5]
    if kind == "dpmt":
        partner = np.char.add(_SURNAMES[(number + 7) % len(_SURNAMES)], " Zzprenomtemoin01")
        return [*[none] * 7, pa.array(np.char.add(np.char.add(full, " et "), partner))]
    short = pa.array(np.char.add("LISTE ", label))
    extended = pa.array(np.char.add("LISTE INVENTEE ", np.char.add(label, np.char.add(" DE ", surname))))
    return [none, none, none, none, short, extended, pa.array(full), none]


def _codes(held: Round) -> tuple[Text, Text, Text]:
    """Ids of the stations, their communes' codes and their own."""
    station = held.geography.station_id[held.stations]
    parts = np.char.partition(station, "_")
    return station, parts[:, 0], parts[:, 2]


def _first_patch(held: Round) -> Ints:
    return np.unique(held.geography.station_of_patch, return_index=True)[1][held.stations]


def _department_of(country: Country, held: Round) -> Ints:
    return country.communes.department[country.patches.commune[_first_patch(held)]]


def _area_codes(country: Country, held: Round, kind: str) -> Text:
    areas = areas_of(country, kind)
    return areas.code[areas.of_patch[_first_patch(held)]]


def _repeated(text: str, n: int) -> pa.Array:
    return pa.repeat(pa.scalar(text), n)


def _text(values: Text | None, n: int) -> pa.Array:
    return pa.nulls(n, pa.string()) if values is None else pa.array(values)


def _count(values: Ints, *, hidden: bool = False) -> pa.Array:
    return pa.nulls(len(values), pa.int32()) if hidden else pa.array(values.astype(np.int32))


def _percentage(part: Ints, whole: Ints, *, hidden: bool = False) -> pa.Array:
    missing: Mask = (whole == 0) | hidden
    return pa.array(np.round(100 * part / np.where(whole == 0, 1, whole), 2), mask=missing)
