"""Headers of the Ministry's files: which column is which, in all spellings, and which contests have them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from .layouts import BEFORE, STANDARD, Block, Layout, Ratio

_FIXED = {
    "department": ("Code du département", "Code département"),
    "commune": ("Code de la commune", "Code commune"),
    "station": ("Code du b.vote", "Code B.Vote", "Code BV"),
    "constituency": ("Code de la circonscription",),
    "canton": ("Code du canton",),
    "section": ("Libellé de la section électorale",),
    "place": ("Code localisation",),
    "registered": ("Inscrits",),
    "voters": ("Votants",),
    "abstentions": ("Abstentions",),
    "blank": ("Blancs",),
    "null": ("Nuls",),
    "valid": ("Exprimés",),
    "abstentions/registered": ("% Abs/Ins", "% Abstentions"),
    "voters/registered": ("% Vot/Ins", "% Votants"),
    "blank/registered": ("% Blancs/Ins", "% Blancs/inscrits"),
    "blank/voters": ("% Blancs/Vot", "% Blancs/votants"),
    "null/registered": ("% Nuls/Ins", "% Nuls/inscrits"),
    "null/voters": ("% Nuls/Vot", "% Nuls/votants"),
    "valid/registered": ("% Exp/Ins", "% Exprimés/inscrits"),
    "valid/voters": ("% Exp/Vot", "% Exprimés/votants"),
}
_BLOCK = {
    "panel": ("N°Panneau", "N.Pan.", "N°Liste", "Numéro de panneau"),
    "nuance": ("Nuance", "Code Nuance", "Nuance Liste", "Nuance candidat"),
    "list": ("Libellé Abrégé Liste", "Libellé abrégé de liste"),
    "votes": ("Voix",),
    "votes/registered": ("% Voix/Ins", "% Voix/inscrits"),
    "votes/valid": ("% Voix/Exp", "% Voix/exprimés"),
}
# What only tells the kinds apart, or nothing: these columns are never read.
_TELLING = {
    "person": ("Nom", "Nom candidat"),
    "first name": ("Prénom", "Prénom candidat"),
    "sex": ("Sexe", "Sexe candidat"),
    "list in full": ("Libellé Etendu Liste", "Libellé de liste"),
    "head of a list": ("Nom Tête de Liste",),
    "pair": ("Binôme", "Binôme de candidats"),
    "elected": ("Elu",),
    "seats": ("Sièges",),
    "seats of the commune": ("Sièges au CM", "Sièges au CC", "Sièges Secteur"),
    "list of a person": ("Liste",),
}
# Names of places, known and never read.
_PLACES = {
    "department's name": ("Libellé du département", "Libellé département"),
    "constituency's name": ("Libellé de la circonscription", "Libellé circonscription"),
    "canton's name": ("Libellé du canton", "Libellé canton"),
    "commune's name": ("Libellé de la commune", "Libellé commune"),
    "place's name": ("Libellé localisation",),
    "sector": ("Code secteur", "Libellé secteur"),
    "state": ("Etat saisie", "État saisie"),
}
_REQUIRED = ("department", "commune", "station", "registered", "voters", "valid")
_RATIOS = {
    "voters": ("voters/registered",),
    "abstentions": ("abstentions/registered",),
    "blank": ("blank/registered", "blank/voters"),
    "null": ("null/registered", "null/voters"),
    "valid": ("valid/registered", "valid/voters"),
}


def _order(counts: str) -> tuple[str, ...]:
    places = ("place", "department", "constituency", "canton", "section", "commune", "station", "registered")
    return (*places, *(name for count in counts.split() for name in (count, *_RATIOS[count])))


_ORDER = _order("abstentions voters blank null valid"), _order("voters abstentions valid blank null")
"""Our names of the fixed columns in the two orders that were published: until 2022, and from 2024 on."""


def _key(name: str) -> str:
    """What is left of a column's name once accents, or what an encoding made of them, are gone."""
    kept = re.sub(r"[^A-Za-z0-9%/.]", "", name)
    return kept.replace(".", "").lower()


def _keys(names: dict[str, tuple[str, ...]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for ours, spellings in names.items():
        for spelling in spellings:
            plain = unicodedata.normalize("NFKD", spelling.replace("°", ""))
            found |= {_key(spelling): ours, _key("".join(c for c in plain if c.isascii())): ours}
    return found


_FIXED_KEYS, _BLOCK_KEYS, _TELLING_KEYS = _keys(_FIXED), _keys(_BLOCK), _keys(_TELLING)
_DECLARED_KEYS = frozenset(_FIXED_KEYS) | frozenset(_keys(_PLACES))


def with_header(lines: Sequence[str]) -> Layout | None:
    """The layout that a header among the first lines tells; None if there is none of the Ministry's."""
    for number, line in enumerate(lines[:BEFORE]):
        layout = _headed(line)
        if layout is not None:
            return replace(layout, head=number + 1)
    return None


def _headed(header: str) -> Layout | None:
    delimiter = "\t" if header.count("\t") > header.count(";") else ";"
    quoted = header.startswith('"')
    names = [name.strip().strip('"') for name in header.rstrip(f"{delimiter}\r\n ").split(delimiter)]
    numbered = [re.fullmatch(r"(.*\S) ([0-9]+)", name) for name in names]
    start = next((i for i, name in enumerate(names) if _first_of_block(name)), None)
    if start is None or len(names) > 5000:
        return None
    repeated = numbered[start] is not None
    block = [m[1] if m else name for name, m in zip(names, numbered, strict=True)][start:]
    if repeated:
        width = next((i for i in range(1, len(block)) if _key(block[i]) == _key(block[0])), len(block))
        if len(block) % width or not _repeats(numbered[start:], block, width):
            return None
        block = block[:width]
    length = len(header.rstrip("\r\n").split(delimiter)) if repeated else None
    return _made(names[:start], block, length, delimiter, quoted)


def _first_of_block(name: str) -> bool:
    return _BLOCK_KEYS.get(_key(re.sub(r" [0-9]+$", "", name))) == "panel"


def _repeats(numbered: Sequence[re.Match[str] | None], block: list[str], width: int) -> bool:
    """Whether the columns repeat in order, numbered from 1."""
    return all(
        m is not None and int(m[2]) == i // width + 1 and _key(block[i]) == _key(block[i % width])
        for i, m in enumerate(numbered)
    )


def _made(
    fixed: list[str], block: list[str], length: int | None, delimiter: str, quoted: bool
) -> Layout | None:
    at, of = _places(fixed, _FIXED_KEYS), _places(block, _BLOCK_KEYS)
    told = _places(block, _TELLING_KEYS)
    if at is None or of is None or told is None:
        return None
    if any(name not in at for name in _REQUIRED) or "votes" not in of or "panel" not in of:
        return None
    numbered = length is not None
    # A name in another place than ever published: the names, or the columns, were mixed up.
    in_order = list(at) == [name for name in _ORDER[numbered] if name in at]
    mixed = any(_key(name) in _BLOCK_KEYS or _key(name) in _TELLING_KEYS for name in fixed)
    if not in_order or mixed or len(of) + len(told) < len(block):
        return None
    kind = _kind(frozenset(at), frozenset(of), frozenset(told), numbered)
    if kind is None:
        return None
    return Layout(
        name="numbered columns" if numbered else "candidates side by side",
        kinds=frozenset({kind}),
        since=date(2024, 1, 1) if numbered else date(2015, 1, 1),
        until=date.max if numbered else date(2023, 12, 31),
        delimiter=delimiter,
        quoted=quoted,
        head=1,
        department=at["department"],
        commune=at["commune"],
        station=at["station"],
        constituency=at.get("constituency"),
        canton=at.get("canton"),
        round=None,
        counts=tuple(at.get(name) for name in STANDARD),
        ratios=_ratios(at),
        area=_area(kind, at),
        start=len(fixed),
        block=Block(
            len(block), of["votes"], of["panel"], of.get("nuance"), of.get("list"), True, _ratios(of)
        ),
        length=length,
        long=False,
        strange=tuple((i, name) for i, name in enumerate(fixed) if _key(name) not in _DECLARED_KEYS),
    )


def _places(names: list[str], keys: dict[str, str]) -> dict[str, int] | None:
    """Our name of each column to its place; None if one stands twice: which is right can't be told."""
    found: dict[str, int] = {}
    for i, name in enumerate(names):
        ours = keys.get(_key(name))
        if ours is not None and ours in found and ours != "seats of the commune":
            return None
        if ours is not None:
            found[ours] = i
    return found


def _ratios(at: dict[str, int]) -> tuple[Ratio, ...]:
    parts = [(name.partition("/"), place) for name, place in at.items() if "/" in name]
    return tuple(Ratio(part, whole, place) for (part, _, whole), place in parts)


def _kind(at: frozenset[str], of: frozenset[str], told: frozenset[str], numbered: bool) -> str | None:
    """The kind of contest that has these columns."""
    if "pair" in told:
        return "dpmt"
    if "list of a person" in told or "seats of the commune" in told:
        return "muni"
    if "section" in at:
        return "regi"
    if "list" in of:
        return "euro" if not numbered or "place" in at else None
    if "person" in told:
        return "legi" if "nuance" in of else "pres"
    return None


def _area(kind: str, at: dict[str, int]) -> tuple[int, ...] | None:
    """Where a number always stands for the same label."""
    if kind in ("euro", "pres"):
        return ()
    name = {"legi": "constituency", "dpmt": "canton", "regi": "section"}.get(kind)
    if name is None or name not in at:
        return None
    return (at["department"], at[name])
