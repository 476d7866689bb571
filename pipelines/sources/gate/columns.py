"""Columns that no source declares: refused if they tell of persons, else counted and never kept."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pyarrow as pa

from isoloir.domain.errors import PrivacyError

from .patterns import found_in, kind_of

SUM_UP = "sum the rows up to polling stations, leave out what tells of persons, and ingest that file"
LOOKED_AT = 1 << 20
"""Rows of a column of its own that are looked at: it is never kept, whatever the others hold."""

_WORDS = {
    "a name": "nom noms prenom prenoms patronyme nomprenom name names firstname lastname surname forename "
    "fullname givenname middlename navn fornavn efternavn civilite conjoint signature",
    "a person": "personne person personid individu individual electeur electrice elector voter voterid "
    "citoyen citizen adherent donateur militant contact habitant beneficiaire",
    "a household": "menage household foyer famille family",
    "an e-mail address": "email mail emails courriel mel",
    "a telephone number": "tel telephone phone mobile portable gsm fax telefon",
    "a social security number": "nir ssn nss cpr numsecu secu securite passport passeport iban",
    "a date of birth": "naissance birth birthday birthdate birthyear born dob ddn datenaissance foedt fodt "
    "age",
    "a postal address": "adresse address adresses rue street voie numvoie digicode domicile residence "
    "latitude longitude",
    "sex or origin": "sexe sex gender genre nationalite nationality religion origine ethnie",
}
_KIND_OF = {word: kind for kind, words in _WORDS.items() for word in words.split()}
_PLACES = (
    "commune communes departement region circonscription canton bureau lieu pays arrondissement epci iris "
    "ville liste parti nuance area place station kreds election scrutin vote fichier source zone layer"
)
_OF_PLACES = frozenset(_PLACES.split())
"""Beside one of these a name is that of a place, a party or a vote."""
_NAMES = frozenset(("a name",))


def tells_of(header: str) -> str | None:
    """What of a person a column is about by its name, or by what stands in its place; None if nothing."""
    direct = kind_of(header)
    if direct is not None:
        return direct
    words = _words(header)
    places = not _OF_PLACES.isdisjoint(words)
    for word in (*words, *("".join(pair) for pair in pairwise(words))):
        kind = _KIND_OF.get(word)
        if kind is not None and not (kind in _NAMES and places):
            return kind
    return None


def _words(header: str) -> list[str]:
    """The words of a column's name, small and without accents, or what an encoding made of them."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", _mended(header)).replace("ø", "o").replace("Ø", "O")
    plain = unicodedata.normalize("NFKD", split)
    plain = "".join(c for c in plain if not unicodedata.combining(c)).lower()
    return re.findall("[a-z]+", plain)


def _mended(text: str) -> str:
    """``text``, read anew where UTF-8 was taken for another encoding."""
    for encoding in ("latin-1", "cp1252"):
        try:
            return text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return text


def undeclared(names: Sequence[str], declared: Iterable[str], where: str) -> list[int]:
    """Places, from 0, of the columns that are not ``declared``.

    PrivacyError if the name of one tells of persons. Names are not shown: a name may stand there.
    """
    known = {name.strip() for name in declared}
    strange = [i for i, name in enumerate(names) if name.strip() and name.strip() not in known]
    for place in strange:
        refuse_name(place, names[place], where)
    return strange


def refuse_name(place: int, name: str, where: str) -> None:
    """PrivacyError if the name of the undeclared column at ``place``, from 0, tells of persons."""
    kind = tells_of(name)
    if kind is not None:
        raise refused(f"column {place + 1} is not declared, and by its name it is about {kind}", where)


def look_at(place: int, column: pa.ChunkedArray, where: str, before: int = 0) -> None:
    """PrivacyError if something in an undeclared column, at ``place`` from 0, tells of a person.

    ``before``: rows of the file before these.
    """
    found = found_in(column)
    if found is not None:
        raise refused(
            f"column {place + 1} is not declared, and holds {found.kind}",
            f"{where}, row {before + found.row + 1}",
        )


def refused(what: str, where: str) -> PrivacyError:
    """The error about what tells of persons; it shows nothing of it."""
    return PrivacyError(f"this file tells of persons: {what} (not shown)", where=where, remedy=SUM_UP)


def counted(strange: Sequence[int], where: str) -> str:
    """The line for a person on columns that were not kept."""
    shown = ", ".join(str(place + 1) for place in strange[:10]) + (", …" if len(strange) > 10 else "")
    return f"{where}: {len(strange)} column(s) that no source declares, not kept: number {shown}"
