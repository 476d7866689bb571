"""Published tables, Parquet or CSV, read batch by batch: the declared columns and no others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from isoloir.domain.errors import SourceError

BATCH = 1 << 19


@dataclass(frozen=True, slots=True)
class Form:
    """Columns that may be read: our name to the publisher's known spellings; ``required`` must be there."""

    columns: Mapping[str, tuple[str, ...]]
    types: Mapping[str, pa.DataType]
    required: frozenset[str]


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


def batches(path: Path, form: Form, *, delimiter: str = ";") -> Iterator[pa.Table]:
    """The allow-listed columns of ``path`` under our names, cast to their declared types, in batches.

    Other columns are not read at all. A declared column that is missing is refused if required, else null.
    """
    if path.suffix == ".parquet":
        yield from _parquet(path, form)
    else:
        yield from _csv(path, form, delimiter)


def _parquet(path: Path, form: Form) -> Iterator[pa.Table]:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(
            "this is no readable Parquet file", where=str(path), remedy="fetch it again"
        ) from error
    chosen = _choose(file.schema_arrow.names, form, path)
    row = 0
    for batch in file.iter_batches(batch_size=BATCH, columns=list(chosen.values())):
        yield _declared(pa.Table.from_batches([batch]), chosen, form, path, row)
        row += batch.num_rows


def _csv(path: Path, form: Form, delimiter: str) -> Iterator[pa.Table]:
    with path.open("rb") as file:
        header = file.readline().decode("utf-8-sig", errors="replace").rstrip("\r\n").split(delimiter)
    chosen = _choose([name.strip('"') for name in header], form, path)
    # Everything enters as text: an inferred type would drop the zeros of the codes.
    convert = pc.ConvertOptions(
        include_columns=list(chosen.values()),
        column_types={name: pa.string() for name in chosen.values()},
        strings_can_be_null=True,
        null_values=[""],
    )
    parse = pc.ParseOptions(delimiter=delimiter, newlines_in_values=False)
    try:
        reader = pc.open_csv(
            path, pc.ReadOptions(block_size=1 << 24), parse_options=parse, convert_options=convert
        )
        row = 0
        for batch in reader:
            yield _declared(pa.Table.from_batches([batch]), chosen, form, path, row)
            row += batch.num_rows
    except pa.ArrowInvalid as error:
        # Arrow's message quotes the row, which may hold a name.
        raise SourceError(
            f"a row has another number of fields than the header, or a count that is no number, "
            f"or is no UTF-8 (separator {delimiter!r})",
            where=str(path),
            remedy="fetch the file again, or correct the row",
        ) from error.with_traceback(None)


def _choose(names: list[str], form: Form, path: Path) -> dict[str, str]:
    chosen = {}
    for ours, spellings in form.columns.items():
        found = [name for name in spellings if name in names]
        if found:
            chosen[ours] = found[0]
    missing = sorted(form.required - chosen.keys())
    if missing:
        wanted = "; ".join(" or ".join(form.columns[name]) for name in missing)
        raise SourceError(f"the column {wanted} is missing", where=str(path), remedy="fetch the file again")
    return chosen


def _declared(table: pa.Table, chosen: dict[str, str], form: Form, path: Path, row: int) -> pa.Table:
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
                where=f"{path}, between rows {row + 1} and {row + table.num_rows}",
                remedy="correct the row, or fetch the file again",
            ) from None
    return pa.table(columns)
