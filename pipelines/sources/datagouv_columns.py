"""The contract of data.gouv.fr's two tables of results: what may be read, and what is known and left out."""

from __future__ import annotations

import re

import pyarrow as pa

from .tables import Form

_DEPARTMENT = "[0-9]{1,3}|[0-9]{1,2}[A-Z]|[A-Z][0-9A-Z]"
_COMMUNE = "[0-9A-Z]{2,3}[0-9]{2,3}"
DEPARTMENT, COMMUNE = re.compile(_DEPARTMENT), re.compile(_COMMUNE)
CONSTITUENCY = re.compile(f"(?:{_DEPARTMENT})?[0-9]{{1,2}}")
STATION_ID = re.compile(f"{_COMMUNE}_(?:[0-9A-Za-z.-]{{0,5}}[0-9][0-9A-Za-z.-]{{0,5}})")
"""A commune's code and the station's number in it, with a figure: all else may be a name, and is refused."""

PLACES = frozenset(
    {
        *("id_election", "code_bv", "Code du b.vote", "code_canton", "Code du canton"),
        *("code_departement", "Code du département", "code_commune", "Code de la commune"),
        *(f"libelle_{area}" for area in ("departement", "canton", "commune", "circonscription")),
        *("Libellé du département", "Libellé de la commune", "Libellé du canton"),
        *("code_circonscription", "Code de la circonscription", "Libellé de la circonscription"),
    }
)
RATIOS = frozenset(
    {
        *(
            f"ratio_{part}_inscrits"
            for part in ("abstentions", "votants", "blancs", "nuls", "exprimes", "voix")
        ),
        *(f"ratio_{part}_votants" for part in ("blancs", "nuls", "exprimes")),
        *("ratio_voix_exprimes", "% Abs/Ins", "% Vot/Ins", "% Blancs/Ins", "% Blancs/Vot", "% Nuls/Ins"),
        *("% Nuls/Vot", "% Exp/Ins", "% Exp/Vot", "% Voix/Ins", "% Voix/Exp"),
    }
)
"""What follows from the counts."""

GENERAL = Form(
    columns={
        "contest": ("id_election",),
        "station_id": ("id_brut_miom",),
        "department_code": ("code_departement", "Code du département"),
        "commune_code": ("code_commune", "Code de la commune"),
        "constituency_code": ("code_circonscription", "Code de la circonscription"),
        "registered": ("inscrits", "Inscrits"),
        "voters": ("votants", "Votants"),
        "abstentions": ("abstentions", "Abstentions"),
        "blank": ("blancs", "Blancs"),
        "null": ("nuls", "Nuls"),
        "valid": ("exprimes", "Exprimés"),
    },
    types={
        **{name: pa.string() for name in ("contest", "station_id", "department_code", "commune_code")},
        "constituency_code": pa.string(),
        **{n: pa.int32() for n in ("registered", "voters", "abstentions", "blank", "null", "valid")},
    },
    required=frozenset(
        {"contest", "station_id", "department_code", "commune_code", "registered", "voters", "valid"}
    ),
    left_out=PLACES | RATIOS,
)
FORMS = {
    "station_id": STATION_ID,
    "department_code": DEPARTMENT,
    "commune_code": COMMUNE,
    "constituency_code": CONSTITUENCY,
}
"""How the codes of a station's row are written: checked once the rows that are of no station are known."""

# Names, sex and heads of lists are known and left out: never kept, and not read but for a digest.
CANDIDATES = Form(
    columns={
        "contest": ("id_election",),
        "station_id": ("id_brut_miom",),
        "panel": ("no_panneau", "N°Panneau"),
        "nuance": ("nuance", "Nuance"),
        "list": ("libelle_abrege_liste", "Libellé Abrégé Liste"),
        "votes": ("voix", "Voix"),
    },
    types={
        **{name: pa.string() for name in ("contest", "station_id", "nuance", "list")},
        "panel": pa.int32(),
        "votes": pa.int32(),
    },
    required=frozenset({"contest", "station_id", "votes"}),
    left_out=PLACES
    | RATIOS
    | {
        *("nom", "Nom", "prenom", "Prénom", "sexe", "Sexe", "liste", "Liste", "binome", "Binôme"),
        *("libelle_etendu_liste", "Libellé Etendu Liste", "nom_tete_liste", "Nom Tête de Liste"),
    },
)
