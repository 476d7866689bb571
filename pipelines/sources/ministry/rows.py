"""The rows of a Ministry file, cut into fields in chunks: a damaged one is refused with its line."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from isoloir.domain.errors import SourceError
from isoloir.pipelines.sources.tables import Opened

from .layouts import Layout

LONGEST = 1 << 20
"""Bytes of a line: the longest published one has some 12,000."""

CHUNK = 1 << 22
"""Characters that are cut and read at a time: about 50 MB of fields."""

FETCH = "fetch the file again from its publisher, or correct that line"
NO_END = "the last line has no end: the file may have been cut"
END_IT = "fetch the file again; if its last line is whole, end it with a line break"
_ENDED = re.compile(r"[.,][0-9]{2}%?")
_LIKE_A_ROW = re.compile(r"\"?[0-9]{1,2}\"?[;\t]|(?:[^;]*;){8}|(?:[^\t]*\t){8}")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows as fields, all texts, and the number of the line of each in its file, from 1."""

    line: list[int]
    fields: list[list[str]]


def head_of(path: Path, size: int = 1 << 18) -> list[str]:
    """The first lines of a file without their mark of encoding, as far as ``size`` bytes go."""
    with path.open("rb") as file:
        start = file.read(size)
    return _text(start).split("\n")


def is_ended(path: Path) -> bool:
    """Whether the last line has an end: if not, the file may have been cut."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) in b"\r\n"


def refused(what: str, file: Opened, line: int, remedy: str = FETCH) -> SourceError:
    """The error about a line of a file."""
    return SourceError(what, where=f"{file.where}, line {line}", remedy=remedy)


def chunks(file: Opened, layout: Layout) -> Iterator[Chunk]:
    """The rows of ``file`` in order, every one with as many fields as its layout has."""
    numbers: list[int] = []
    fields: list[list[str]] = []
    size = number = 0
    line = ""
    for number, line in _lines(file):
        if number <= layout.head:
            _check_head(line, layout, file, number)
        elif line.strip(f"{layout.delimiter} \t"):
            numbers.append(number)
            fields.append(_cut(line, layout, file, number))
            size += len(line)
        if size > CHUNK:
            yield Chunk(numbers, fields)
            numbers, fields, size = [], [], 0
    if number > layout.head:
        _check_end(line, layout, file, number)
    if fields:
        yield Chunk(numbers, fields)


def _text(line: bytes) -> str:
    """The line with one character per byte: separators and figures read so whatever the encoding."""
    return line.removeprefix(b"\xef\xbb\xbf").decode("latin-1")


def _lines(file: Opened) -> Iterator[tuple[int, str]]:
    with file.path.open("rb") as opened:
        number = 0
        while line := opened.readline(LONGEST + 1):
            number += 1
            if len(line) > LONGEST:
                raise refused(f"the line has more than {LONGEST:,} bytes", file, number)
            if b"\0" in line:
                raise refused("the line holds a zero byte, which no text has", file, number)
            yield number, _text(line).rstrip("\r\n")


def _check_head(line: str, layout: Layout, file: Opened, number: int) -> None:
    if (layout.long or number < layout.head) and _LIKE_A_ROW.match(line):
        raise refused("a line before the header or the first row looks like a row", file, number)


def _cut(line: str, layout: Layout, file: Opened, number: int) -> list[str]:
    """The fields of a line; SourceError if there are too few, too many or part of a candidate's."""
    fields = _quoted(line, layout) if layout.quoted else line.split(layout.delimiter)
    if _fits(fields, layout):
        return fields
    # A field may hold the separator: certain only if the row fits without it.
    for again in (_without_inner_tabs(line, layout), _quoted(line, layout)):
        if _fits(again, layout):
            return again
    wanted = str(layout.length) if layout.length else f"{layout.start} and {layout.block.width} per candidate"
    raise refused(f"the line has {len(fields)} fields, not {wanted}", file, number)


def _fits(fields: list[str], layout: Layout) -> bool:
    if layout.length is not None:
        return len(fields) == layout.length
    rest = len(fields) - layout.start
    return rest >= 0 and rest % layout.block.width == 0


def _quoted(line: str, layout: Layout) -> list[str]:
    if '"' not in line:
        return []
    try:
        return next(csv.reader([line], delimiter=layout.delimiter, strict=True), [])
    except csv.Error:
        return []


def _without_inner_tabs(line: str, layout: Layout) -> list[str]:
    """The fields where a tab between blanks is part of the text, as in the first round of 2020."""
    return line.replace(" \t ", " ").split("\t") if layout.delimiter == "\t" else []


def _check_end(line: str, layout: Layout, file: Opened, number: int) -> None:
    """Refuse a last line without an end whose last field is empty, or may have been cut."""
    if is_ended(file.path):
        return
    cut = layout.ragged and not _ENDED.fullmatch(line[-3 - line.endswith("%") :])
    if cut or line.endswith(layout.delimiter):
        raise refused(NO_END, file, number, END_IT)
