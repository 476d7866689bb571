"""The Ministry of the Interior's codes of places, in all its systems, into INSEE's, as the aggregated files.

Until 2022 a commune is its department and three digits (34, 001), overseas departments go by letters (ZA) or,
in 2014, by INSEE's number (971), and zeros get lost in copies. From 2024 on communes are written out (34001).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

OVERSEAS = {
    "ZA": "971",
    "ZB": "972",
    "ZC": "973",
    "ZD": "974",
    "ZM": "976",
    "ZN": "988",
    "ZP": "987",
    "ZS": "975",
    "ZW": "986",
}
"""The Ministry's letters of overseas departments and collectivities; ZX stands for two of them."""

ABROAD = "ZZ"
SAINTS = ("977", "978")
"""Saint-Barthélemy and Saint-Martin share one code (ZX, or 977 in 2014): the commune tells them apart."""

STATION_ID = re.compile(r"(?:[0-9]{2}|2[AB]|ZZ)[0-9]{3}_(?=.*[0-9])[0-9A-Za-z.-]{4,6}")
"""A commune's code and the station's number in it."""

_MAINLAND = frozenset({f"{n:02d}" for n in range(1, 96)} - {"20"} | {"2A", "2B"})
_NUMBERED = frozenset({*OVERSEAS.values(), *SAINTS})
_SECTOR = re.compile(r"([0-9]{3})[A-Z]{2}[0-9]{2}")
"""A commune that votes by sectors (Paris, Lyon, Marseille), with the sector: the station tells that, too."""
_STATION = re.compile(r"(?=.*[0-9])[0-9A-Za-z.-]{4,6}")


def department_of(commune: str) -> str:
    """The department of a commune of five characters, as INSEE has it: 34, 2A, 971, ZZ."""
    return commune[:3] if commune.startswith(("97", "98")) else commune[:2]


def commune_code(department: str, commune: str) -> str | None:
    """The five characters of a commune, given both codes as a file writes them; None if they are no codes.

    None, too, where they contradict each other: a shifted row must not become another place.
    """
    department = department.zfill(2)
    sector = _SECTOR.fullmatch(commune)
    commune = sector[1] if sector else commune
    if department in (ABROAD, "99"):
        return _after(ABROAD, commune, (ABROAD, "99"))
    if department in _MAINLAND:
        return _after(department, commune, (department,))
    if department == "ZX" or department in SAINTS:
        return _saint(department, commune)
    number = OVERSEAS.get(department, department)
    return _overseas(number, department, commune) if number in _NUMBERED else None


def _after(prefix: str, commune: str, written: tuple[str, ...]) -> str | None:
    """``prefix`` and the three digits of a commune, which may be written in full."""
    if len(commune) == 4 and prefix.startswith("0") and commune.startswith(prefix[1]):
        commune = commune[1:]  # 1001, which was 01001.
    if len(commune) == 5 and commune.startswith(written):
        commune = commune[2:]
    return prefix + commune.zfill(3) if re.fullmatch("[0-9]{1,3}", commune) else None


def _overseas(number: str, written: str, commune: str) -> str | None:
    if commune.startswith(written) and len(commune) == 5 and not written.isdigit():
        commune = commune[2:]
    if re.fullmatch("[0-9]{3}", commune):
        commune = number[:2] + commune
    return commune if re.fullmatch(number + "[0-9]{2}", commune) else None


def _saint(written: str, commune: str) -> str | None:
    """Of 701, 97701, ZX701 (Saint-Barthélemy), and 801 (Saint-Martin), which must not become 97701."""
    if len(commune) == 5:
        commune = commune[2:] if commune.startswith(("97", "ZX")) else ""
    return f"97{commune}" if commune in ("701", "801") and (written != "978" or commune == "801") else None


def constituency_code(commune: str, number: str) -> str | None:
    """The code of a constituency as the aggregated files have it (3407, 97501, ZZ09), "" if none is stated.

    Of the Saints it is 97701 for both. None if ``number`` is none: no department ever had more than 24.
    """
    if not number:
        return ""
    department = department_of(commune)
    within = "977" if department in SAINTS else department
    for prefix in (within, commune[:2]):
        if len(number) > 2 and number.startswith(prefix):
            number = number.removeprefix(prefix)
            break
    return within + number.zfill(2) if re.fullmatch("0?[1-9]|1[0-9]|2[0-4]", number) else None


def station_code(code: str) -> str | None:
    """A station's code in its commune exactly as it is written: 0001, 01.1, 028B, BV01; None if it is none.

    Published codes have four characters at least and a figure among them. A shorter number is that of a copy
    which lost its zeros: they are put back. A sex, a name or a party must not become a station.
    """
    if re.fullmatch("[0-9]{1,3}", code):
        return code.zfill(4)
    return code if _STATION.fullmatch(code) else None


def is_canton(code: str) -> bool:
    """Whether this may be a canton's code: a commune's, of three digits, must not stand in its place."""
    return re.fullmatch("[0-9]{1,2}", code) is not None


@dataclass(slots=True)
class Zeros:
    """Which columns of codes have kept their zeros in front, and the line where each first lacks one."""

    kept: set[str] = field(default_factory=set)
    lost: dict[str, int] = field(default_factory=dict)

    def note(self, name: str, codes: Sequence[str], lines: Sequence[int]) -> None:
        """Take note of the codes of a department, a commune or a station, and of their lines."""
        distinct = set(codes)
        # A commune written out beside one of one or two digits is no better than one with its zeros.
        if any(code.startswith("0") for code in distinct) or (name == "commune" and _mixed(distinct)):
            self.kept.add(name)
        short = {code for code in distinct if _SHORT[name].fullmatch(code)}
        if short and name not in self.lost:
            self.lost[name] = next(line for code, line in zip(codes, lines, strict=True) if code in short)

    def contradiction(self) -> int | None:
        """The first line that lacks a zero where the file has kept others; None if it lost all or none.

        A short code is that of a copy without zeros, or another column's figure in this one's place.
        """
        kept_here = self.kept | ({*self.lost} if "commune" in self.kept else set())
        return min((line for name, line in self.lost.items() if name in kept_here), default=None)


def _mixed(communes: set[str]) -> bool:
    lengths = {len(code) for code in communes}
    return 5 in lengths and bool(lengths & {1, 2})


_SHORT = {
    "department": re.compile("[0-9]"),
    "commune": re.compile("[0-9]{1,2}|[0-9]{4}"),
    "station": re.compile("[0-9]{1,3}"),
}
