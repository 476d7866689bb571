"""What the invented country votes on: ballots, the codes on its ballot papers, and names nobody bears."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

BLOCS = ("red", "green", "blue", "gold", "grey")

SURNAMES = tuple(f"ZZNOMTEMOIN{number:02d}" for number in range(1, 61))
FIRST_NAMES = tuple(f"Zzprenomtemoin{number:02d}" for number in range(1, 21))
PLANTED_NAMES = SURNAMES + FIRST_NAMES
"""Every name in the candidates' file: none of these may be found in anything made from it."""


@dataclass(frozen=True, slots=True)
class DemoContest:
    """One round of one ballot; ``ballot`` is shared by its two rounds."""

    kind: str
    round: int
    held_on: date
    ballot: int

    @property
    def key(self) -> str:
        """The publisher's ``id_election``."""
        return f"{self.held_on.year}_{self.kind}_t{self.round}"


_BALLOTS: tuple[tuple[str, tuple[date, ...]], ...] = (
    ("euro", (date(2009, 6, 7),)),
    ("regi", (date(2010, 3, 14), date(2010, 3, 21))),
    ("pres", (date(2012, 4, 22), date(2012, 5, 6))),
    ("legi", (date(2012, 6, 10), date(2012, 6, 17))),
    ("euro", (date(2014, 5, 25),)),
    ("dpmt", (date(2015, 3, 22), date(2015, 3, 29))),
    ("regi", (date(2015, 12, 6), date(2015, 12, 13))),
    ("pres", (date(2017, 4, 23), date(2017, 5, 7))),
    ("legi", (date(2017, 6, 11), date(2017, 6, 18))),
    ("euro", (date(2019, 5, 26),)),
    ("regi", (date(2021, 6, 20), date(2021, 6, 27))),
    ("pres", (date(2022, 4, 10), date(2022, 4, 24))),
    ("legi", (date(2022, 6, 12), date(2022, 6, 19))),
    ("euro", (date(2024, 6, 9),)),
    ("legi", (date(2024, 6, 30), date(2024, 7, 7))),
    ("dpmt", (date(2026, 3, 15), date(2026, 3, 22))),
)
CONTESTS = tuple(
    DemoContest(kind, turn, day, number)
    for number, (kind, days) in enumerate(_BALLOTS)
    for turn, day in enumerate(days, start=1)
)
"""The rounds that have been held, in order of day."""

FUTURE_CONTESTS = ("2027_pres_t1", "2027_pres_t2")

PANEL_LETTERS = dict(zip("RGBOX", BLOCS, strict=True))
PANELS = {
    "2012_pres_t1": "BRXGORXB",
    "2012_pres_t2": "BR",
    "2017_pres_t1": "GRBOXORXG",
    "2017_pres_t2": "GO",
    "2022_pres_t1": "RGOXBROXR",
    "2022_pres_t2": "GO",
}
"""The bloc of each position on the panels of a presidential round, one letter each."""

ZERO_FILLED = ("2014_euro_t1",)
"""Rounds in which every nuance has a row in every station, whether it stood there or not."""

POSTAL_CONTESTS = ("2019_euro_t1", "2022_pres_t1", "2022_pres_t2")
"""Rounds in which the postal station, which is no place, is counted."""

BLANKS_COUNTED_SINCE = date(2014, 6, 1)
"""Before, blank and null votes are not published, though voters and valid votes are."""

CROSSED_ON = date(2017, 1, 1)
"""The day from which the nuance UNI is counted with the green bloc, no longer with the blue one."""

_NUANCES: dict[str, tuple[str, ...]] = {
    "red": ("RDA", "RDB", "RDC"),
    "green": ("GRA", "GRB"),
    "blue": ("BLA", "BLB"),
    "gold": ("GOA", "GOB"),
    "grey": ("DIV", "REG"),
}
_PREFIXES = {"legi": "", "euro": "L", "regi": "L", "dpmt": "BC-"}


def nuances(bloc: str, contest: DemoContest) -> tuple[str, ...]:
    """The codes of ``bloc`` in ``contest``, the leading one first; a presidential round has none."""
    crossing = "green" if contest.held_on >= CROSSED_ON else "blue"
    codes = _NUANCES[bloc] + (("UNI",) if bloc == crossing else ())
    return tuple(_PREFIXES[contest.kind] + code for code in codes)
