"""Names of files as they may be kept and shown: a file that somebody named may bear a person's name."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from .patterns import kind_of

_CODES = (
    "pr lg eu er ur rg dp cn mn rf p l e r t bv bvt bvot burvot tt com iris dec disp filo base td cc ic leg"
)
_WORDS = (
    "resultat resultats result results election elections vote votes voting scrutin tour par de des du la "
    "le les et of the by for fr dk en niveau bureau bureaux station stations commune communes departement "
    "departements department region regions circonscription circonscriptions legislatives presidentielle "
    "presidentielles europeennes regionales departementales cantonales municipales referendum definitif "
    "definitifs provisoire france entiere metropole outre mer subcom candidats candidat general liste "
    "listes contours contour limites adm outlines geo census turnout file files data copy copie new old "
    "reconstructed revenus csv txt xls xlsx ods json geojson parquet zip readme md a b c d labels seen "
    "changelog license notes extrait part demo test round first second premier er eme city ville other "
    "autre incomes people homes work degrees movements annexe empty text streets rues"
)
_PLACES = (
    "ain aisne allier alpes haute hautes haut bas ardeche ardennes ariege aube aude aveyron bouches rhone "
    "calvados cantal charente maritime maritimes cher correze corse sud nord cote or cotes armor creuse "
    "dordogne doubs drome eure loir finistere gard garonne gers gironde herault ille vilaine indre loire "
    "isere jura landes lot lozere maine manche marne mayenne meurthe moselle meuse morbihan nievre oise "
    "orne pas calais puy dome pyrenees orientales atlantiques rhin saone sarthe savoie seine sevres somme "
    "tarn var vaucluse vendee vienne vosges yonne territoire belfort essonne val guadeloupe martinique "
    "guyane reunion mayotte denmark bretagne normandie occitanie paris lyon marseille toulouse bordeaux "
    "nantes rennes brest lille strasbourg montpellier"
)
_OLD_DAY = re.compile("19[0-9]{2}[-_. ]?[0-9]{2}[-_. ]?[0-9]{2}|[0-9]{2}[-_. ]?[0-9]{2}[-_. ]?19[0-9]{2}")
"""A day before the first results that are published: it may be that of a birth."""
_LETTERS = re.compile("[A-Za-z]+")
_HARMLESS = frozenset(f"{_CODES} {_WORDS} {_PLACES}".split())


def shown_name(name: str, declared: Iterable[str] = ()) -> str:
    """The name of a file as it may be kept: itself if it is ``declared`` or of known words, else a digest's.

    The same name always becomes the same, so that a file which comes again takes its own place.
    """
    named = frozenset(declared)
    words = frozenset(word.lower() for one in named for word in _LETTERS.findall(_plain(one)))
    if name in named or Path(name).stem in {Path(one).stem for one in named} or _is_harmless(name, words):
        return name
    suffix = Path(name).suffix.lower()
    kept = suffix if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix) and suffix[1:] in _HARMLESS else ""
    return f"file-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}{kept}"


def _is_harmless(name: str, words: frozenset[str]) -> bool:
    """Whether the name is made of words of elections, of places that publishers name, and short numbers."""
    plain = _plain(name)
    parts = [part.lower() for part in _LETTERS.findall(plain)]
    known = all(part in _HARMLESS or part in words for part in parts)
    numbers = re.findall("[0-9]+", plain)
    short = all(len(n) <= 6 or (len(n) == 8 and n.startswith("20")) for n in numbers)
    return known and short and plain.isascii() and not _OLD_DAY.search(plain) and kind_of(name) is None


def _plain(name: str) -> str:
    """The name without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
