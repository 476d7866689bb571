"""Published tables, Parquet or CSV, read batch by batch: the declared columns and no others."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from isoloir.domain.errors import SourceError

from .gate.cells import check_counts, check_forms
from .gate.columns import LOOKED_AT, counted, look_at, undeclared

BATCH = 1 << 19

Keep = Callable[[pa.Table], None]
"""Takes rows that were read, names removed."""


Note = Callable[[str], None]
"""Takes a line for a person on what was not kept."""


def keep_nothing(table: pa.Table) -> None:
    """Read, and keep no copy."""


def note_nothing(line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Form:
    """The contract of a table: which columns may be read, and which are known and left out.

    ``columns``: our name to the publisher's known spellings; ``required`` must be there. ``left_out``:
    columns that the publisher is known to have and that are never read, such as names. Any other column is
    looked at by the gate, and never kept. ``forms``: of texts, by our name, how they are written.
    """

    columns: Mapping[str, tuple[str, ...]]
    types: Mapping[str, pa.DataType]
    required: frozenset[str]
    left_out: frozenset[str] = frozenset()
    forms: Mapping[str, re.Pattern[str]] = field(default_factory=dict)

    @property
    def declared(self) -> frozenset[str]:
        """Every column that the publisher is known to have."""
        return self.left_out.union(*self.columns.values())


@dataclass(frozen=True, slots=True)
class Opened:
    """A published file to be read: where it lies, how it is written if CSV, and what keeps the allowed rows.

    ``shown``: how messages call it, where that is not its path. ``note`` takes lines on what was not kept.
    """

    path: Path
    delimiter: str = ";"
    encoding: str = "utf-8"
    keep: Keep = keep_nothing
    shown: str = ""
    note: Note = note_nothing

    @property
    def where(self) -> str:
        """The file's name in messages."""
        return self.shown or str(self.path)


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def locate(directory: Path, name: str) -> Path:
    """The file ``name`` in ``directory``, or its CSV or Parquet twin; SourceError if none is there."""
    stem = Path(name).stem
    for candidate in (name, f"{stem}.parquet", f"{stem}.csv"):
        if (directory / candidate).is_file():
            return directory / candidate
    raise SourceError(
        f"there is no {stem}.parquet or {stem}.csv",
        where=str(directory),
        remedy="give the folder that holds the publisher's files with --from",
    )


def batches(opened: Opened, form: Form) -> Iterator[pa.Table]:
    """The allow-listed columns of a file under our names, cast to their declared types, in batches.

    A declared column that is missing is refused if required, else null. One that is not declared is looked at
    by the gate and goes no further: PrivacyError if it tells of persons, as for a cell not of its form.
    """
    yield from _parquet(opened, form) if opened.path.suffix == ".parquet" else _csv(opened, form)


def _parquet(opened: Opened, form: Form) -> Iterator[pa.Table]:
    try:
        file = pq.ParquetFile(opened.path)
    except (pa.ArrowInvalid, OSError):
        raise SourceError(
            "this is no readable Parquet file", where=opened.where, remedy="fetch it again"
        ) from None
    names = file.schema_arrow.names
    strange = undeclared(names, form.declared, opened.where)
    chosen = _choose(names, form, opened, "fetch the file again")
    if strange:
        _look_at_parquet(file, strange, opened)
    row = 0
    for batch in file.iter_batches(batch_size=BATCH, columns=list(chosen.values())):
        yield _declared(pa.Table.from_batches([batch]), chosen, form, opened, row)
        row += batch.num_rows


def _csv(opened: Opened, form: Form) -> Iterator[pa.Table]:
    with opened.path.open(encoding=_with_mark(opened.encoding), errors="replace", newline="\n") as file:
        header = [name.strip('"') for name in file.readline().rstrip("\r\n").split(opened.delimiter)]
    remedy = f"fetch the file again, or correct its delimiter in sources.yaml (it says {opened.delimiter!r})"
    strange = undeclared(header, form.declared, opened.where)
    chosen = _choose(header, form, opened, remedy)
    if strange:
        _look_at_csv(opened, len(header), strange)
    # Everything enters as text: an inferred type would drop the zeros of the codes.
    convert = pc.ConvertOptions(
        include_columns=list(chosen.values()),
        column_types={name: pa.string() for name in chosen.values()},
        strings_can_be_null=True,
        null_values=[""],
    )
    parse = pc.ParseOptions(delimiter=opened.delimiter, newlines_in_values=False)
    read = pc.ReadOptions(block_size=1 << 24, encoding=opened.encoding)
    try:
        row = 0
        for batch in pc.open_csv(opened.path, read, parse_options=parse, convert_options=convert):
            yield _declared(pa.Table.from_batches([batch]), chosen, form, opened, row)
            row += batch.num_rows
    except (pa.ArrowInvalid, UnicodeDecodeError):
        # Arrow's message quotes the row, which may hold a name: no log may have it as the cause of ours.
        raise SourceError(
            f"a row has another number of fields than the header, or a count that is no number, "
            f"or is no {opened.encoding} (separator {opened.delimiter!r})",
            where=opened.where,
            remedy="fetch the file again, or correct the row",
        ) from None


def _look_at_parquet(file: pq.ParquetFile, strange: list[int], opened: Opened) -> None:
    """PrivacyError if an undeclared column tells of persons; a note that it is not kept otherwise."""
    names, row = file.schema_arrow.names, 0
    for batch in file.iter_batches(batch_size=BATCH, columns=[names[place] for place in strange]):
        # By place: two columns may have one name.
        for at, name in enumerate(batch.schema.names):
            look_at(names.index(name), pa.chunked_array([batch.column(at)]), opened.where, row)
        row += batch.num_rows
        if row >= LOOKED_AT:
            break
    opened.note(counted(strange, opened.where))


def _look_at_csv(opened: Opened, width: int, strange: list[int]) -> None:
    """As for Parquet. Columns go by their places, as two may have one name."""
    names = [f"c{place}" for place in range(width)]
    read = pc.ReadOptions(block_size=1 << 24, encoding=opened.encoding, column_names=names, skip_rows=1)
    convert = pc.ConvertOptions(
        include_columns=[names[place] for place in strange], column_types=dict.fromkeys(names, pa.string())
    )
    parse = pc.ParseOptions(delimiter=opened.delimiter, newlines_in_values=False)
    row = 0
    try:
        for batch in pc.open_csv(opened.path, read, parse_options=parse, convert_options=convert):
            for place in strange:
                look_at(place, pa.chunked_array([batch.column(names[place])]), opened.where, row)
            row += batch.num_rows
            if row >= LOOKED_AT:
                break
    except (pa.ArrowInvalid, UnicodeDecodeError):
        # What is wrong with the file is told where its rows are read.
        return
    opened.note(counted(strange, opened.where))


def _with_mark(encoding: str) -> str:
    """The encoding that also reads the mark which some programs put before UTF-8."""
    return "utf-8-sig" if encoding.lower().replace("-", "") == "utf8" else encoding


def _choose(names: list[str], form: Form, opened: Opened, remedy: str) -> dict[str, str]:
    chosen = {}
    for ours, spellings in form.columns.items():
        found = [name for name in spellings if name in names]
        if found:
            chosen[ours] = found[0]
    missing = sorted(form.required - chosen.keys())
    if missing:
        wanted = "; ".join(" or ".join(form.columns[name]) for name in missing)
        raise SourceError(f"the column {wanted} is missing", where=opened.where, remedy=remedy)
    twice = sorted(name for name in chosen.values() if names.count(name) > 1)
    if twice:
        raise SourceError(
            f"the column {twice[0]} stands twice: which is right can't be told",
            where=opened.where,
            remedy=remedy,
        )
    return chosen


def _declared(table: pa.Table, chosen: dict[str, str], form: Form, opened: Opened, row: int) -> pa.Table:
    columns = {}
    for ours, wanted in form.types.items():
        if ours not in chosen:
            columns[ours] = pa.nulls(table.num_rows, wanted)
            continue
        column = table.column(chosen[ours])
        try:
            columns[ours] = column.cast(wanted)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise SourceError(
                f"the column {chosen[ours]} holds what is no {wanted}",
                where=f"{opened.where}, between rows {row + 1} and {row + table.num_rows}",
                remedy="correct the row, or fetch the file again",
            ) from None
        check_counts(columns[ours], chosen[ours], opened.where, row)
    made = pa.table(columns)
    check_forms(made, form.forms, opened.where, row)
    return made
