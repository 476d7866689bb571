"""The Ministry of the Interior's files of one election, 2012 to 2024, into returns.

They come within a week of a vote, years before the aggregated files. Their names, years and layouts differ; a
layout is told by the header or the first rows, the contest by the content (see ``contests.py``).

Refused are damaged rows, a row or a candidate that stands twice, columns that changed places, and a file that
was cut. A whole line that is missing can't be seen: its station is missing then, and no number is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isoloir.domain.bloc import SHORT_CODE
from isoloir.domain.election import Calendar, Contest
from isoloir.domain.errors import SourceError
from isoloir.domain.station import CODES, Stations
from isoloir.pipelines.sources.door import Door
from isoloir.pipelines.sources.gate.columns import counted, look_at, refuse_name
from isoloir.pipelines.sources.returns import Read, Returns
from isoloir.pipelines.sources.tables import BATCH, Form, Opened

from .cells import Cells, Memory, cells_of, joined
from .checks import Grouped, check_labels, check_long_sums, check_whole, evidence_of, grouped
from .codes import STATION_ID, department_of
from .contests import NUANCES, contests_of, could_be
from .header import with_header
from .labels import mended, through, with_letters
from .layouts import STANDARD, Layout, without_header
from .rows import Chunk, chunks, head_of, refused

__all__ = ["FORM", "Layout", "read_returns", "recognise"]

NOBODY: Mapping[str, str] = MappingProxyType({})
"""Nothing said of the files' contests."""

# Rows that this reader makes: one per station and candidate or list, in columns of our own, without names.
FORM = Form(
    columns={
        name: (name,)
        for name in (
            "contest",
            "station_id",
            "department_code",
            "commune_code",
            "constituency_code",
            *STANDARD,
            "panel",
            "label",
            "votes",
        )
    },
    types={
        **{n: pa.string() for n in ("contest", "station_id", "department_code", "commune_code")},
        "constituency_code": pa.string(),
        **{name: pa.int32() for name in (*STANDARD, "panel")},
        "label": pa.string(),
        "votes": pa.int32(),
    },
    required=frozenset({"contest", "station_id", "registered", "voters", "valid", "votes"}),
)


def recognise(path: Path, calendar: Calendar) -> Layout | None:
    """The layout of a file by its header or first rows, never its name; None if it is none of the Ministry's.

    None, too, if the calendar has no kind of contest at all that was published so.
    """
    lines = head_of(path)
    layout = with_header(lines) or without_header(lines)
    if layout is None or layout.kinds.isdisjoint({contest.kind for contest in calendar}):
        return None
    return layout


def read_returns(file: Opened, layout: Layout, door: Door, contest_of: Mapping[str, str] = NOBODY) -> Read:
    """The returns of the one or two contests in a file; ``contest_of``: contests by the names of files.

    SourceError, with file, line and remedy, on whatever could be a wrong number or a wrong contest.
    """
    label = _label_place(layout, door, file, contest_of)
    memory = Memory()
    parts = [cells_of(chunk, layout, label, file, memory) for chunk in _admitted(file, layout)]
    if not parts:
        raise SourceError("the file has no rows", where=file.where, remedy="fetch the file again")
    lost = memory.zeros.contradiction()
    if lost is not None:
        raise refused("a code has lost the zeros in front of it, and others have not", file, lost)
    cells = joined(parts)
    groups = grouped(cells, layout, file)
    check_whole(cells, groups, layout, file)
    content = _Content(file, layout, door, cells, groups, [mended(raw) for raw in memory.labels])
    evidence = evidence_of(cells, groups, content.texts)
    contests = contests_of(evidence, layout, door, file, contest_of)
    if not layout.long or contests[min(contests)].kind in ("euro", "regi"):
        check_labels(cells, groups, layout, file)
    made: list[Returns] = []
    withheld: dict[str, int] = {}
    for number, contest in contests.items():
        one, out = _returns(contest, number, content)
        if layout.long and not contest.multi_seat:
            check_long_sums(one, file)
        made.append(one)
        withheld |= {contest.key: out} if out else {}
    return Read(made, {}, withheld)


def _admitted(file: Opened, layout: Layout) -> Iterator[Chunk]:
    """The rows; PrivacyError if a column that no layout ever had tells of persons. None such is kept."""
    strange = [place for place, name in layout.strange if name]
    for place, name in layout.strange:
        refuse_name(place, name, file.where)
    for chunk in chunks(file, layout):
        for place in strange:
            texts = pa.chunked_array([pa.array([fields[place] for fields in chunk.fields], pa.string())])
            look_at(place, texts, file.where, chunk.line[0] - 1)
        yield chunk
    if strange:
        file.note(counted(strange, file.where))


@dataclass(frozen=True, slots=True)
class _Content:
    """What was read of a file; ``texts``: the labels that its candidates have by number."""

    file: Opened
    layout: Layout
    door: Door
    cells: Cells
    groups: Grouped
    texts: list[str]


def _label_place(layout: Layout, door: Door, file: Opened, contest_of: Mapping[str, str]) -> int | None:
    """Where in a block the text stands that labels go by; None if none does, or labels are panel numbers."""
    said = contest_of.get(file.path.name) or contest_of.get(Path(file.where).name)
    kinds = {door.kind[c.key] for c in could_be(layout, door) if said in (None, c.key)} - {"panel"}
    places = {"nuance": layout.block.nuance, "list": layout.block.list}
    unread = sorted(kind for kind in kinds if kind not in places or places[kind] is None)
    if len(kinds) > 1 or unread:
        raise SourceError(
            f"the labels of such contests are declared as {' and '.join(sorted(kinds))}: this file has "
            f"{' and '.join(sorted(k for k, place in places.items() if place is not None)) or 'panel'}",
            where=file.where,
            remedy="correct labels in elections.yaml, or say the contest of this file in sources.yaml",
        )
    return places[kinds.pop()] if kinds else None


def _returns(contest: Contest, number: int, content: _Content) -> tuple[Returns, int]:
    """The returns of one contest, and the rows whose label was withheld; its rows are kept."""
    cells, groups = content.cells, content.groups
    chosen = np.flatnonzero(groups.round == number)
    chosen = chosen[np.argsort(groups.station[chosen], kind="stable")]
    position = np.full(len(groups.station), -1, np.int64)
    position[chosen] = np.arange(len(chosen))
    at = position[groups.of_row[cells.at]]
    mine = np.flatnonzero(at >= 0)
    labelled = _labelled(contest, mine, content)
    returns = _summed(contest.key, groups, chosen, at[mine], labelled, cells.votes[mine])
    counts = groups.counts[chosen]
    _keep(content.file, returns, counts, at[mine], cells.panel[mine], labelled, cells.votes[mine])
    return returns, int(labelled.withheld.sum())


@dataclass(frozen=True, slots=True)
class _Labelled:
    """The labels of a contest in order; of each candidate [C] which of them, and whether it is withheld."""

    names: tuple[str, ...]
    code: NDArray[np.int64]
    withheld: NDArray[np.bool_]


def _labelled(contest: Contest, mine: NDArray[np.intp], content: _Content) -> _Labelled:
    """The labels of the candidates ``mine``."""
    cells = content.cells
    by_panel = content.door.kind[contest.key] == "panel"
    seen, first, code = np.unique(
        (cells.panel if by_panel else cells.label)[mine], return_index=True, return_inverse=True
    )
    if by_panel and not content.layout.block.numbers_panels:
        # What stands for a candidate here is a number of deposit or part of a name.
        let_in: list[str | None] = [None] * len(seen)
    elif by_panel:
        let_in = [str(number) for number in seen.tolist()]
    else:
        lines = cells.line[cells.at[mine[first]]].tolist()
        let_in = [_let_in(contest, i, n, content) for i, n in zip(seen.tolist(), lines, strict=True)]
    names = tuple(sorted({name or "" for name in let_in}))
    number = np.array([names.index(name or "") for name in let_in], np.int64)
    out = np.array([name is None for name in let_in], np.bool_)
    return _Labelled(names, number[code], out[code])


def _let_in(contest: Contest, number: int, line: int, content: _Content) -> str | None:
    """The label as it was meant, None where it is withheld; SourceError with its first line if refused."""
    label = with_letters(contest, content.texts[number], content.door.groupings)
    form = NUANCES.get(contest.kind)
    if form is not None and label and SHORT_CODE.match(label) and not form.fullmatch(label):
        # A number of seats, a sex, a code of a place: the door would take them for a panel or a party.
        raise refused("what stands where a label belongs is no nuance of such a contest", content.file, line)
    return through(content.door, contest.key, label, content.file.where, line)


def _summed(
    key: str,
    groups: Grouped,
    chosen: NDArray[np.intp],
    at: NDArray[np.int64],
    labelled: _Labelled,
    votes: NDArray[np.int32],
) -> Returns:
    """Candidates of one label in one station, summed."""
    shape = (len(chosen), len(labelled.names))
    flat = at * shape[1] + labelled.code
    sums = np.bincount(flat, weights=votes, minlength=shape[0] * shape[1])
    rows = np.bincount(flat, minlength=shape[0] * shape[1]) > 0
    registered, voters, abstentions, blank, null, valid = groups.counts[chosen].T.copy()
    ids = groups.station[chosen]
    places = [(one[:5], department_of(one)) for one in ids.tolist()]
    communes, departments = (np.array(codes, np.str_) for codes in zip(*places, strict=True))
    return Returns(
        contest=key,
        stations=Stations(ids, communes, departments, groups.constituency[chosen]),
        registered=registered,
        voters=voters,
        valid=valid,
        labels=labelled.names,
        votes=sums.astype(np.int32).reshape(shape),
        present=rows.reshape(shape),
        row=groups.line[chosen],
        abstentions=abstentions,
        blank_null=np.where((blank < 0) | (null < 0), np.int32(-1), blank + null),
        id_form=STATION_ID,
    )


def _keep(
    file: Opened,
    returns: Returns,
    counts: NDArray[np.int32],
    at: NDArray[np.int64],
    panel: NDArray[np.int32],
    labelled: _Labelled,
    votes: NDArray[np.int32],
) -> None:
    """Hand on the rows by candidate, a batch at a time, in the columns of FORM."""
    names = np.array(labelled.names, np.str_)
    for start in range(0, len(at), BATCH):
        part = slice(start, start + BATCH)
        place = at[part]
        table = {"contest": pa.array([returns.contest] * len(place))}
        table |= {name: pa.array(getattr(returns.stations, name)[place]) for name in CODES}
        table |= {
            name: pa.array(counts[place, i], mask=counts[place, i] < 0) for i, name in enumerate(STANDARD)
        }
        table["panel"] = pa.array(panel[part], mask=panel[part] < 0)
        table["label"] = pa.array(names[labelled.code[part]], mask=labelled.withheld[part])
        table["votes"] = pa.array(votes[part])
        file.keep(pa.table(table).select(list(FORM.types)).cast(pa.schema(list(FORM.types.items()))))
