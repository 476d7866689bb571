"""Names and numbers of persons in free text: e-mail, telephone, NIR, birth dates, candidates."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from .finding import Attacked, Finding
from .opened import Opened
from .public import Public
from .texts import texts

ATTACK = "names in free text"

EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}")
PHONE = re.compile(r"(?<![\w.,/+-])(?:(?:\+|00)33[ .-]?|0)[1-9](?:[ .-]?\d{2}){4}(?![\w/-]|[.,]\d)")
NIR = re.compile(
    r"(?<![\w.,-])[12][ .]?\d{2}[ .]?(?:0[1-9]|1[0-2]|[2-9]\d)[ .]?(?:\d{2}|2[AB])[ .]?\d{3}[ .]?\d{3}"
    r"(?:[ .]?(\d{2}))?(?![\w-]|[.,]\d)"
)
DAY, MONTH, YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19\d{2}|200\d)"
BIRTH = re.compile(rf"(?<![\w.-])(?:{DAY}[/.-]{MONTH}[/.-]{YEAR}|{YEAR}-{MONTH}-{DAY})(?![\w-])")
DIGEST = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b")
WORD = re.compile(r"[^\W\d_]+")
LONGEST = 5
"""Words of the longest name looked for."""
FEWEST_LETTERS = 4
"""A last name alone is looked for from so many letters on."""

Name = tuple[str, ...]


def free_text(release: Opened, public: Public) -> Attacked:
    """Texts with a pattern of personal data, or with a candidate's name. The text is never told."""
    known = public.names()
    names = names_of(known)
    days = {str(release.manifest.get(k)) for k in ("held_on", "as_of", "trained_as_of")}
    found, tried = [], 0
    for where, text in texts(release.path):
        tried += 1
        what = [*_patterns(text, days), *(["a candidate's name"] if names.in_(text) else [])]
        found += [Finding(ATTACK, w, where) for w in what]
    if not known:
        return Attacked(ATTACK, tried, tuple(found), ("candidates are not known: patterns only",))
    note = (
        f"{len(names.looked_for)} names looked for; {names.excluded} last names are words of Isoloir's own "
        "and count only with a first name"
    )
    return Attacked(ATTACK, tried, tuple(found), (note,))


def _patterns(text: str, days: set[str]) -> list[str]:
    found = []
    if EMAIL.search(text):
        found.append("an e-mail address")
    if PHONE.search(text):
        found.append("a telephone number")
    if any(_is_nir(m) for m in NIR.finditer(text)):
        found.append("a social security number")
    if any(m.group() not in days for m in BIRTH.finditer(text)):
        found.append("a date as of a birth")
    return found


def _is_nir(match: re.Match[str]) -> bool:
    """Whether the control digits are right: 97 less the rest of the number by 97 (Corsica: 2A 19, 2B 18)."""
    digits = re.sub(r"[ .]", "", match.group()).upper().replace("2A", "19").replace("2B", "18")
    return len(digits) == 13 or 97 - int(digits[:13]) % 97 == int(digits[13:])


@dataclass(frozen=True, slots=True)
class Names:
    """Names as words without case and accents; ``excluded`` last names are left out when they stand alone."""

    looked_for: frozenset[Name]
    starts: frozenset[str]
    excluded: int

    def in_(self, text: str) -> bool:
        """Whether a text holds one of them, as whole words."""
        words = folded(text)
        if self.starts.isdisjoint(words):
            return False
        spans = ((i, n) for i, w in enumerate(words) if w in self.starts for n in range(1, LONGEST + 1))
        return any(tuple(words[i : i + n]) in self.looked_for for i, n in spans)


def names_of(candidates: Iterable[tuple[str, str]]) -> Names:
    """What to look for: each last name, and last and first name in both orders."""
    own, names, excluded = vocabulary(), set(), set()
    for last, first in candidates:
        surname, given = folded(last), folded(first)
        if given and surname:
            names |= {(*surname, *given), (*given, *surname)}
        alone = len(surname) > 1 or (len(surname) == 1 and len(surname[0]) >= FEWEST_LETTERS)
        if alone and own.issuperset(surname):
            excluded.add(surname)
        elif alone:
            names.add(surname)
    usable = frozenset(n for n in names if len(n) <= LONGEST)
    return Names(usable, frozenset(n[0] for n in usable), len(excluded))


def folded(text: str) -> Name:
    """The words of a text in lower case, without accents; digests have none."""
    plain = unicodedata.normalize("NFKD", DIGEST.sub(" ", text))
    kept = "".join(c for c in plain if not unicodedata.combining(c)) if not plain.isascii() else plain
    return tuple(WORD.findall(kept.casefold()))


@cache
def vocabulary() -> frozenset[str]:
    """The words of Isoloir itself: its code, pages and configuration, labels of parties among them.

    Not those of the demo, whose invented names are there to be found.
    """
    words: set[str] = set()
    rest: list[Traversable] = [
        files(f"isoloir.{p}") for p in ("domain", "features", "models", "configs", "pipelines")
    ]
    while rest:
        item = rest.pop()
        if item.is_dir():
            rest += list(item.iterdir())
        elif item.name.endswith((".py", ".yaml", ".html", ".md")) and not item.name.startswith("demo"):
            words |= set(folded(item.read_text(encoding="utf-8")))
    return frozenset(words)
