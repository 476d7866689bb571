"""What free text (the lines before the rows, a file's name) says of an election: a hint, and never more."""

from __future__ import annotations

import re
from dataclasses import dataclass

_YEAR = re.compile(r"(?<![0-9])(20[0-9]{2})(?![0-9])")
_SHORT_YEAR = re.compile(r"(?<![A-Za-z])(?:PR|LG|EU|ER|RG|DP|CN|MN|RF)([0-9]{2})(?![0-9])")
_ROUND = re.compile(r"(?<![a-z])t(?:our)?[ _-]?([12])(?![0-9])", re.IGNORECASE)
_ORDINAL = re.compile(r"(?<![0-9])([12])(?:er|e|nd|de|eme|ème)?[ _-]tour(?![a-z])", re.IGNORECASE)
_KIND = {
    "pres": r"PR(?=[0-9]{2})|pr.{1,2}sid",
    "legi": r"LG(?=[0-9]{2})|leg(?=[_-])|l.{1,2}gislat",
    "euro": r"E[UR](?=[0-9]{2})|europ",
    "regi": r"RG(?=[0-9]{2})|r.{1,2}gional",
    "dpmt": r"DP(?=[0-9]{2})|d.{1,2}partemental",
    "cant": r"CN(?=[0-9]{2})|cantonal",
    "muni": r"MN(?=[0-9]{2})|municip",
    "refe": r"RF(?=[0-9]{2})|r.{1,2}f.{1,2}rendum",
}


@dataclass(frozen=True, slots=True)
class Hints:
    """Years, rounds and kinds that a text speaks of; empty where it says nothing."""

    years: frozenset[int] = frozenset()
    rounds: frozenset[int] = frozenset()
    kinds: frozenset[str] = frozenset()

    def allows(self, year: int, kind: str, number: int) -> bool:
        """Whether a contest is among those that the text speaks of."""
        spoken = ((self.years, year), (self.kinds, kind), (self.rounds, number))
        return all(not said or value in said for said, value in spoken)


NOTHING = Hints()


def hints_in(text: str) -> Hints:
    """What ``text`` says; nothing of it is kept."""
    years = {int(year) for year in _YEAR.findall(text)}
    years |= {2000 + int(year) for year in _SHORT_YEAR.findall(text)}
    rounds = {int(n) for form in (_ROUND, _ORDINAL) for n in form.findall(text)}
    kinds = {
        kind for kind, form in _KIND.items() if re.search(f"(?<![A-Za-z])(?:{form})", text, re.IGNORECASE)
    }
    return Hints(frozenset(years), frozenset(rounds), frozenset(kinds))
