"""Chunks of text fields into arrays of codes and counts; each percentage a witness of the count beside it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from isoloir.pipelines.sources.tables import Opened

from .codes import Zeros, commune_code, constituency_code, is_canton, station_code
from .layouts import STANDARD, Layout, Ratio
from .rows import Chunk, refused

ROUNDED_PP = 0.0101
"""Percentages are published with two decimals: rounded, or cut off."""

_COUNT = "^[0-9]{1,8}$"
_PERCENTAGE = "^[0-9]{1,3}([.,][0-9]{1,4})?%?$"

Numbers = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Cells:
    """Rows [R] and candidates [C] of a chunk, or of a file: codes and counts, -1 or "" where not stated.

    ``counts`` [R × 6] in the order of STANDARD. ``at`` [C]: the row of a candidate. ``label`` [C]: numbers
    of :class:`Labels`. ``area`` [R]: numbers of areas, -1 where the layout has none.
    """

    line: NDArray[np.int64]
    station: NDArray[np.str_]
    constituency: NDArray[np.str_]
    area: Numbers
    round: Numbers
    counts: Numbers
    at: NDArray[np.int64]
    panel: Numbers
    label: Numbers
    votes: Numbers


@dataclass(slots=True)
class Memory:
    """What a file's chunks have in common: the texts seen, numbered from 0, and the places worked out."""

    labels: dict[str, int] = field(default_factory=dict)
    areas: dict[tuple[str, ...], int] = field(default_factory=dict)
    communes: dict[tuple[str, str], str | None] = field(default_factory=dict)
    zeros: Zeros = field(default_factory=Zeros)


def cells_of(chunk: Chunk, layout: Layout, label: int | None, file: Opened, memory: Memory) -> Cells:
    """The chunk's codes and counts; ``label``: the place in a block of the text that labels go by.

    SourceError, with the first line, on what is no code or count, or contradicts its percentage.
    """
    line = np.array(chunk.line, np.int64)
    columns = {name: i for name, i in zip(STANDARD, layout.counts, strict=True) if i is not None}
    counts = np.full((len(line), len(STANDARD)), -1, np.int32)
    for name, place in columns.items():
        counts[:, STANDARD.index(name)] = _counts(_column(chunk, place), name, line, file)
    _check_ratios(chunk, layout.ratios, counts, line, file)
    station = _stations(chunk, layout, file, memory)
    at, panel, labels, votes = _candidates(chunk, layout, label, counts, line, file)
    return Cells(
        line=line,
        station=station,
        constituency=_constituencies(chunk, layout, station, file),
        area=_areas(chunk, layout, memory),
        round=_rounds(chunk, layout, line, file),
        counts=counts,
        at=at,
        panel=panel,
        label=_numbered(labels, memory.labels),
        votes=votes,
    )


def joined(parts: list[Cells]) -> Cells:
    """The chunks of a file as one."""
    before = np.cumsum([0, *(len(part.line) for part in parts[:-1])])
    return Cells(
        line=np.concatenate([part.line for part in parts]),
        station=np.concatenate([part.station for part in parts]),
        constituency=np.concatenate([part.constituency for part in parts]),
        area=np.concatenate([part.area for part in parts]),
        round=np.concatenate([part.round for part in parts]),
        counts=np.concatenate([part.counts for part in parts]),
        at=np.concatenate([part.at + start for part, start in zip(parts, before, strict=True)]),
        panel=np.concatenate([part.panel for part in parts]),
        label=np.concatenate([part.label for part in parts]),
        votes=np.concatenate([part.votes for part in parts]),
    )


def _column(chunk: Chunk, place: int) -> list[str]:
    return [fields[place].strip() for fields in chunk.fields]


def _counts(texts: list[str], name: str, line: NDArray[np.int64], file: Opened) -> Numbers:
    column = pa.array(texts, pa.string())
    _refuse(_not(column, _COUNT), f"{name}: not a whole number", line, file)
    return np.asarray(column.cast(pa.int32()).to_numpy(zero_copy_only=False), dtype=np.int32)


def _not(column: pa.Array, form: str) -> NDArray[np.bool_]:
    return ~np.asarray(pc.match_substring_regex(column, form).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _refuse(bad: NDArray[np.bool_], what: str, line: NDArray[np.int64], file: Opened) -> None:
    if bad.any():
        raise refused(f"{what} ({int(bad.sum())} in these lines)", file, int(line[np.flatnonzero(bad)[0]]))


def _check_ratios(
    chunk: Chunk, ratios: tuple[Ratio, ...], counts: Numbers, line: NDArray[np.int64], file: Opened
) -> None:
    for ratio in ratios:
        if min(counts[0, STANDARD.index(ratio.part)], counts[0, STANDARD.index(ratio.whole)]) >= 0:
            part, whole = (counts[:, STANDARD.index(name)] for name in (ratio.part, ratio.whole))
            _check_ratio(_column(chunk, ratio.place), part, whole, f"{ratio.part}/{ratio.whole}", line, file)


def _check_ratio(
    texts: list[str], part: Numbers, whole: Numbers, name: str, line: NDArray[np.int64], file: Opened
) -> None:
    column = pa.array(texts, pa.string())
    of_nothing = whole == 0
    _refuse(_not(column, _PERCENTAGE) & ~of_nothing, f"the percentage {name} is none", line, file)
    plain = pc.replace_substring(pc.utf8_rtrim(column, "%"), ",", ".")
    stated = pc.if_else(pa.array(of_nothing), pa.scalar("0"), plain).cast(pa.float64()).to_numpy()
    gap = np.abs(stated - 100.0 * part / np.maximum(whole, 1))
    off = (gap > ROUNDED_PP) & ~of_nothing
    _refuse(off, f"the counts contradict the percentage {name} beside them", line, file)


def _stations(chunk: Chunk, layout: Layout, file: Opened, memory: Memory) -> NDArray[np.str_]:
    """The ids: the commune's five characters, and the station's code."""
    known = memory.communes
    ids = []
    places = {"department": layout.department, "commune": layout.commune, "station": layout.station}
    for name, place in places.items():
        memory.zeros.note(name, _column(chunk, place), chunk.line)
    for number, fields in zip(chunk.line, chunk.fields, strict=True):
        written = (fields[layout.department].strip(), fields[layout.commune].strip())
        if written not in known:
            known[written] = commune_code(*written)
        commune, station = known[written], station_code(fields[layout.station].strip())
        canton = fields[layout.canton].strip() if layout.canton is not None else ""
        if commune is None or station is None or (canton and not is_canton(canton)):
            raise refused(
                "these are no codes of a department, a commune and a station, or of its canton", file, number
            )
        ids.append(f"{commune}_{station}")
    return np.array(ids, np.str_)


def _constituencies(
    chunk: Chunk, layout: Layout, station: NDArray[np.str_], file: Opened
) -> NDArray[np.str_]:
    if layout.constituency is None:
        return np.full(len(station), "", np.str_)
    codes = []
    texts = _column(chunk, layout.constituency)
    for number, one, text in zip(chunk.line, station.tolist(), texts, strict=True):
        code = constituency_code(one[:5], text)
        if code is None:
            raise refused("this is no code of a constituency", file, number)
        codes.append(code)
    return np.array(codes, np.str_)


def _areas(chunk: Chunk, layout: Layout, memory: Memory) -> Numbers:
    if layout.area is None:
        return np.full(len(chunk.line), -1, np.int32)
    known, places = memory.areas, layout.area
    keys = [tuple([fields[i].strip() for i in places]) for fields in chunk.fields]
    return np.array([known.setdefault(key, len(known)) for key in keys], np.int32)


def _rounds(chunk: Chunk, layout: Layout, line: NDArray[np.int64], file: Opened) -> Numbers:
    if layout.round is None:
        return np.zeros(len(line), np.int32)
    said = _counts(_column(chunk, layout.round), "round", line, file)
    _refuse((said != 1) & (said != 2), "round: neither 1 nor 2", line, file)
    return said


def _candidates(
    chunk: Chunk,
    layout: Layout,
    label: int | None,
    counts: Numbers,
    line: NDArray[np.int64],
    file: Opened,
) -> tuple[NDArray[np.int64], Numbers, list[str], Numbers]:
    """Row, number, label and votes of each candidate; blocks of empty fields only fill up a row."""
    block, start = layout.block, layout.start
    width = block.width
    votes = _block(chunk, start + block.votes, width)
    blocks = [(len(fields) - start) // width for fields in chunk.fields]
    at = np.repeat(np.arange(len(line)), blocks)
    panel = _block(chunk, start + block.panel, width) if block.panel is not None else [""] * len(votes)
    labels = _block(chunk, start + label, width) if label is not None else [""] * len(votes)
    stated = [_block(chunk, start + ratio.place, width) for ratio in block.ratios]
    full = np.array([any(cells) for cells in zip(votes, panel, labels, *stated, strict=True)], np.bool_)
    if not full.all():
        keep = np.flatnonzero(full).tolist()
        at, votes = at[full], [votes[i] for i in keep]
        panel, labels = [panel[i] for i in keep], [labels[i] for i in keep]
        stated = [[texts[i] for i in keep] for texts in stated]
    lines = line[at]
    count = _counts(votes, "votes", lines, file)
    number = np.full(len(votes), -1, np.int32)
    if block.panel is not None:
        number = _counts(panel, "number of a candidate or list", lines, file)
    for ratio, texts in zip(block.ratios, stated, strict=True):
        whole = counts[at, STANDARD.index(ratio.whole)]
        _check_ratio(texts, count, whole, f"votes/{ratio.whole}", lines, file)
    return at, number, labels, count


def _block(chunk: Chunk, first: int, width: int) -> list[str]:
    texts: list[str] = []
    for fields in chunk.fields:
        texts += fields[first::width]
    return [text.strip() for text in texts]


def _numbered(texts: list[str], known: dict[str, int]) -> Numbers:
    """The texts by number; one that is new gets the next."""
    encoded = pa.array(texts, pa.string()).dictionary_encode()
    numbers = [known.setdefault(text, len(known)) for text in encoded.dictionary.to_pylist()]
    return np.array(numbers, np.int32)[encoded.indices.to_numpy()] if numbers else np.zeros(0, np.int32)
