"""The layouts of the Ministry of the Interior's files of one election, told by header and first rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from .hints import NOTHING, Hints, hints_in

STANDARD = ("registered", "voters", "abstentions", "blank", "null", "valid")
"""The counts of a station, in the order in which they are handed on."""

BEFORE = 200
"""Lines among which a header or the first row must be."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A percentage that a file states beside its counts: ``part`` of ``whole``, at ``place`` in the row.

    It is the witness that no two columns changed places.
    """

    part: str
    whole: str
    place: int


@dataclass(frozen=True, slots=True)
class Block:
    """The fields of one candidate or list: ``width``, and the places of what may be read, from 0.

    ``numbers_panels``: the number is that of the panel, and not one of deposit.
    """

    width: int
    votes: int
    panel: int | None
    nuance: int | None
    list: int | None
    numbers_panels: bool
    ratios: tuple[Ratio, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is written and what may be read of it; names of candidates have no place here.

    ``kinds``: kinds of contests that were published so, between ``since`` and ``until``. ``head``: lines
    before the first row. ``start``: fields before the first block. ``length``: fields of every row, None
    where each has as many as it has candidates. ``long``: one row per candidate. ``area``: columns of the
    area in which a number always stands for the same label; None where the file does not state it.
    ``strange``: places and names of the columns before the first block that no layout ever had.
    """

    name: str
    kinds: frozenset[str]
    since: date
    until: date
    delimiter: str
    quoted: bool
    head: int
    department: int
    commune: int
    station: int
    constituency: int | None
    canton: int | None
    round: int | None
    counts: tuple[int | None, ...]
    ratios: tuple[Ratio, ...]
    area: tuple[int, ...] | None
    start: int
    block: Block
    length: int | None
    long: bool
    hints: Hints = NOTHING
    strange: tuple[tuple[int, str], ...] = ()

    @property
    def ragged(self) -> bool:
        """Whether a row that was cut between two candidates looks whole."""
        return self.length is None


_LISTS = Layout(
    name="one row per list",
    kinds=frozenset({"muni", "euro", "regi", "dpmt"}),
    since=date(2014, 1, 1),
    until=date(2015, 12, 31),
    delimiter=";",
    quoted=False,
    head=0,
    department=1,
    commune=2,
    station=4,
    constituency=None,
    canton=None,
    round=0,
    counts=(5, 6, None, None, None, 7),
    ratios=(),
    area=(1,),
    start=8,
    block=Block(5, 4, 0, 3, None, False, ()),
    length=13,
    long=True,
)
_CANDIDATES = replace(
    _LISTS,
    name="one row per candidate",
    kinds=frozenset({"pres", "legi"}),
    since=date(2012, 1, 1),
    until=date(2012, 12, 31),
    station=6,
    constituency=4,
    canton=5,
    counts=(7, 8, None, None, None, 9),
    area=None,
    start=10,
    length=15,
)
_ANSWERS = replace(
    _CANDIDATES,
    name="one row per answer",
    kinds=frozenset({"refe"}),
    since=date(2005, 1, 1),
    until=date(2005, 12, 31),
    department=2,
    commune=6,
    station=9,
    constituency=None,
    counts=(10, 11, 12, None, None, 13),
    start=14,
    block=Block(2, 1, None, 0, None, False, ()),
    length=16,
)
_CODE, _BV, _N, _TEXT = "[0-9A-Z]{1,3}", "[0-9A-Za-z.-]{1,6}", "[0-9]{1,8}", "[^;]*"
_COMMUNE = "[0-9]{1,3}(?:[A-Z]{2}[0-9]{2})?"
_DEPOSITED = f"{_N};{_TEXT};{_TEXT};{_TEXT};{_N}"
_ROWS = {
    f"[12];{_CODE};{_COMMUNE};{_TEXT};{_BV};{_N};{_N};{_N};{_DEPOSITED}": _LISTS,
    f"[12];{_CODE};{_COMMUNE};{_TEXT};{_N};{_TEXT};{_BV};{_N};{_N};{_N};{_DEPOSITED}": _CANDIDATES,
    f"[12];{_TEXT};{_CODE};{_TEXT};{_TEXT};{_TEXT};{_COMMUNE};{_N};{_TEXT};{_BV};{_N};{_N};{_N};{_N};"
    f"[A-Za-z]{{3}};{_N}": _ANSWERS,
}
"""What a row of a file without header looks like."""


def without_header(lines: Sequence[str]) -> Layout | None:
    """The layout that the first rows tell after any number of lines of free text; None if there are none."""
    for head, line in enumerate(lines[:BEFORE]):
        for form, layout in _ROWS.items():
            if re.fullmatch(form, line.rstrip("\r\n")):
                return replace(layout, head=head, hints=hints_in("\n".join(lines[:head])))
    return None
