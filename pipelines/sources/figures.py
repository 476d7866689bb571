"""Published figures of areas: a CSV file, plain or zipped, whose cells may be kept secret, into Facts."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
from numpy.typing import NDArray

from isoloir.domain.errors import SourceError
from isoloir.domain.facts import Facts, Mask
from isoloir.domain.station import Text

from .gate.columns import counted, look_at, undeclared
from .gate.grain import refuse_finer
from .returns import shown
from .tables import Opened

Floats = NDArray[np.float64]

SECRET = ("s", "ns", "nd", "c")
"""What publishers write where a figure is kept secret, or is too uncertain to be shown."""
ABSENT = ("", "so")
"""What they write where there is no figure: ``so``, a ratio without a denominator."""
LARGEST = 1 << 30
"""Bytes that a file may have once unzipped: the largest that is declared has 60 million."""
HEADER = 1 << 16
VARIABLE = re.compile(r"[A-Z][A-Z0-9]{0,11}(?:_[A-Z0-9]{1,12}){0,4}")
"""How publishers call a column of figures: P18_RP_PROP, MED19, DISP_TP6015."""
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError)
"""What reading a damaged zip, or one with a password, raises."""

REMEDY = "fetch the file again, or correct the row"


@dataclass(frozen=True, slots=True)
class Sheet:
    """The wanted columns of a file as text, null nowhere; rows are numbered from 1 below the header."""

    table: pa.Table
    where: str

    def text(self, name: str) -> Text:
        """A column as it stands, without the spaces around it."""
        return np.asarray(pc.utf8_trim_whitespace(self.table[name]).to_numpy(), dtype=np.str_)


@dataclass(frozen=True, slots=True)
class Figure:
    """A column of figures [N], NaN where missing; ``low`` and ``high`` bound what can be true."""

    name: str
    values: Floats
    withheld: Mask
    low: float = 0.0
    high: float = 1.0


def names_of(opened: Opened) -> tuple[str, ...]:
    """The names of the columns: of the file, or of the member of the zip that has the most of them."""
    return max(_headers(opened).values(), key=len, default=())


def read_sheet(opened: Opened, wanted: Sequence[str], left_out: Collection[str] = ()) -> Sheet:
    """The columns ``wanted`` and no others; SourceError if no member of the file has all of them.

    Further columns are those ``left_out``, or are named as variables are (:data:`VARIABLE`) and hold figures;
    what else there is is looked at by the gate, and never kept. PrivacyError if a column tells of persons.
    """
    headers = _headers(opened)
    found = [member for member, names in headers.items() if set(wanted) <= set(names)]
    if not found:
        widest = max(headers.values(), key=len, default=())
        missing = [name for name in wanted if name not in widest]
        raise SourceError(
            f"the column {'; '.join(missing[:5])} is missing",
            where=opened.where,
            remedy=f"fetch the file again, or correct its delimiter in sources.yaml ({opened.delimiter!r})",
        )
    content, names = _bytes(opened, found[0], LARGEST), headers[found[0]]
    strange = undeclared(names, {*wanted, *left_out}, opened.where)
    _refuse_twice(names, wanted, opened)
    places = [f"c{place}" for place in range(len(names))]
    chosen = [places[names.index(name)] for name in wanted]
    whole = _parsed(content, opened, places, [*chosen, *(places[place] for place in strange)])
    for place in strange:
        look_at(place, whole[places[place]], opened.where)
    unknown = [place for place in strange if not VARIABLE.fullmatch(names[place])]
    if unknown:
        opened.note(counted(unknown, opened.where))
    table = whole.select(chosen).rename_columns(list(wanted))
    if table.num_rows:
        filled = [pc.not_equal(pc.utf8_trim_whitespace(column), "") for column in table.columns]
        some = filled[0]
        for one in filled[1:]:
            some = pc.or_(some, one)
        # A spreadsheet's empty last lines are no rows; an empty line between others would move their numbers.
        last = int(np.flatnonzero(some.to_numpy())[-1]) + 1 if pc.any(some).as_py() else 0
        table = table.slice(0, last)
    opened.keep(table)
    return Sheet(table, opened.where)


def _headers(opened: Opened) -> dict[str, tuple[str, ...]]:
    """By member ("" where the file is no zip), the names in its first line."""
    return {member: _names(_bytes(opened, member, HEADER), opened) for member in _members(opened)}


def _members(opened: Opened) -> list[str]:
    if not zipfile.is_zipfile(opened.path):
        return [""]
    with zipfile.ZipFile(opened.path) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith((".csv", ".txt"))]
    # Some zips hold several files of one layout: then the entry's name of the file says which.
    return [name for name in names if Path(name).name.lower() == opened.path.name.lower()] or names


def _bytes(opened: Opened, member: str, most: int) -> bytes:
    """The first ``most`` bytes of the file or member; a damaged or a huge one is refused."""
    try:
        if not member:
            with opened.path.open("rb") as file:
                content = file.read(most + 1)
        else:
            with zipfile.ZipFile(opened.path) as archive, archive.open(member) as file:
                content = file.read(most + 1)
    except DAMAGED:
        raise SourceError(
            "this file cannot be read or unzipped", where=opened.where, remedy="fetch it again"
        ) from None
    if len(content) > most == LARGEST:
        raise SourceError(
            f"this file has more than {LARGEST >> 20} MB", where=opened.where, remedy="fetch it again"
        )
    return content[:most]


def _names(start: bytes, opened: Opened) -> tuple[str, ...]:
    line = start.split(b"\n", 1)[0].decode(opened.encoding, errors="replace")
    line = line.removeprefix("\ufeff").rstrip("\r")
    return tuple(name.strip().strip('"') for name in line.split(opened.delimiter))


def _refuse_twice(names: Sequence[str], wanted: Sequence[str], opened: Opened) -> None:
    twice = [name for name in wanted if names.count(name) > 1]
    if twice:
        raise SourceError(
            f"the column {twice[0]} stands twice: which is right can't be told",
            where=opened.where,
            remedy=REMEDY,
        )


def _parsed(content: bytes, opened: Opened, names: list[str], wanted: Sequence[str]) -> pa.Table:
    """The columns ``wanted``, called by the ``names`` of their places: two may have one name in the file."""
    convert = pcsv.ConvertOptions(
        include_columns=list(wanted),
        column_types={name: pa.string() for name in wanted},
        strings_can_be_null=False,
    )
    # Some names are followed by labels with line breaks in them, in no column that is read.
    parse = pcsv.ParseOptions(delimiter=opened.delimiter, newlines_in_values=True)
    read = pcsv.ReadOptions(column_names=names, skip_rows=1, encoding=opened.encoding)
    try:
        return pcsv.read_csv(BytesIO(content), read, parse_options=parse, convert_options=convert)
    except (pa.ArrowInvalid, UnicodeDecodeError):
        # Arrow's message quotes the row.
        raise SourceError(
            f"a row has another number of fields than the header, or is no {opened.encoding} "
            f"(separator {opened.delimiter!r})",
            where=opened.where,
            remedy=REMEDY,
        ) from None


def number(sheet: Sheet, column: str) -> Figure:
    """The figures of ``column`` as published, decimal commas read; refused, with its row, if no number."""
    text = sheet.table[column]
    if isinstance(text, pa.ChunkedArray):
        text = text.combine_chunks()
    text = pc.utf8_trim_whitespace(text)
    withheld = pc.is_in(text, value_set=pa.array(SECRET))
    absent = pc.or_(withheld, pc.is_in(text, value_set=pa.array(ABSENT)))
    plain = pc.replace_substring(text, ",", ".")
    # Nine figures and more are a telephone number, or no figure of a place.
    good = pc.or_(
        absent, pc.match_substring_regex(plain, r"^-?[0-9]{1,8}(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,2})?$")
    )
    refuse(sheet.where, ~_mask(good), f"of {column} hold no number and no sign of a withheld figure")
    cast = pc.if_else(absent, pa.scalar(None, pa.string()), plain).cast(pa.float64())
    values = np.asarray(cast.fill_null(np.nan).to_numpy(zero_copy_only=False), dtype=np.float64)
    return Figure(column, values, _mask(withheld), -np.inf, np.inf)


def _mask(array: pa.Array) -> Mask:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.bool_)


def named(figure: Figure, name: str, scale: float, low: float, high: float) -> Figure:
    """The figure under our name, times ``scale``, with the bounds of what can be true."""
    return Figure(name, figure.values * scale, figure.withheld, low, high)


def ratio(name: str, part: Figure, whole: Figure, high: float = 1.0) -> Figure:
    """``part`` over ``whole``; missing where either is, or the whole is 0; withheld where either is."""
    known = whole.values > 0
    values = np.where(known, part.values / np.where(known, whole.values, 1.0), np.nan)
    return Figure(name, values, part.withheld | whole.withheld, 0.0, high)


def refuse(where: str, bad: Mask, what: str, remedy: str = REMEDY) -> None:
    """SourceError with the count of ``bad`` rows [N] and the first of them, if any is."""
    if bad.any():
        raise SourceError(
            f"{int(bad.sum())} row(s) {what}",
            where=f"{where}, row {int(np.flatnonzero(bad)[0]) + 1}",
            remedy=remedy,
        )


def codes_of(sheet: Sheet, column: str, form: re.Pattern[str]) -> Text:
    """The codes of the rows, all of ``form``, each once; refused otherwise."""
    codes = sheet.text(column)
    fits = np.fromiter((form.fullmatch(code) is not None for code in codes.tolist()), np.bool_, len(codes))
    refuse(sheet.where, ~fits, f"of {column} hold no code of an area")
    distinct, first = np.unique(codes, return_index=True)
    repeated = np.ones(len(codes), np.bool_)
    repeated[first] = False
    refuse_finer(len(codes), len(distinct), 2.0, "areas", sheet.where)
    if len(distinct) < len(codes):
        which = shown(str(codes[np.flatnonzero(repeated)[0]]), form)
        refuse(sheet.where, repeated, f"repeat the code of an area, first {which}", "keep one row per area")
    return codes


def facts_of(
    name: str,
    level: str,
    describes: str,
    known_on: date,
    codes: Text,
    figures: Iterable[Figure],
    where: str,
) -> Facts:
    """The figures in order of the codes; refused, with its row, if one cannot be true."""
    listed = tuple(figures)
    for figure in listed:
        # NaN is neither below nor above.
        bad = (figure.values < figure.low) | (figure.values > figure.high)
        refuse(where, bad, f"hold a {figure.name} that cannot be: not in {figure.low:g} to {figure.high:g}")
    order = np.argsort(codes, kind="stable")
    return Facts(
        name,
        level,
        describes,
        known_on,
        codes[order],
        tuple(figure.name for figure in listed),
        np.stack([figure.values[order] for figure in listed], axis=1),
        np.stack([figure.withheld[order] for figure in listed], axis=1),
    )
