"""Home's raw/: the allow-listed columns of each original, and where it came from; never the original."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from isoloir.pipelines.home import replaced, write_json

from .tables import Form, Keep

ORIGIN = "origin.json"


@dataclass(frozen=True, slots=True)
class Original:
    """A file as its publisher wrote it: where it lies now, and the ``place`` (URL or path) it came from.

    ``etag`` and ``modified``: what the publisher called this version, and its date, if it was fetched.
    ``called``: the name under which it is kept and shown, where that is not its own.
    """

    path: Path
    place: str
    sha256: str
    bytes: int
    etag: str | None = None
    modified: str | None = None
    called: str = ""

    @property
    def name(self) -> str:
        """Its name as it may be kept and shown."""
        return self.called or self.path.name


@dataclass(frozen=True, slots=True)
class Terms:
    """What is written beside the rows of an original.

    ``rules``: digest of what decided which rows' text is kept, so that a change of it keeps them anew.
    """

    licence: str
    attribution: str
    read_on: date
    rules: str


def folder_of(raw: Path, sha256: str) -> Path:
    """Where an original's rows are kept: by its content."""
    return raw / sha256[:12]


def is_kept(raw: Path, sha256: str, rules: str) -> bool:
    """Whether the original's rows are there, kept by the same rules."""
    path = folder_of(raw, sha256) / ORIGIN
    return path.is_file() and json.loads(path.read_text(encoding="utf-8"))["rules"] == rules


@contextmanager
def keeping(raw: Path, original: Original, form: Form, terms: Terms) -> Iterator[Keep]:
    """A function that keeps batches of rows; in place, with their origin, once the block ends well."""
    names = _published_names(form)
    rows = 0
    with replaced(folder_of(raw, original.sha256)) as aside:
        schema = pa.schema([(name, form.types[ours]) for ours, name in names.items()])
        with pq.ParquetWriter(
            aside / f"{Path(original.name).stem}.parquet", schema, compression="zstd"
        ) as writer:

            def keep(table: pa.Table) -> None:
                nonlocal rows
                rows += table.num_rows
                writer.write_table(table.select(list(names)).rename_columns(list(names.values())))

            yield keep
        write_json(aside / ORIGIN, _origin(original, terms, rows, list(names.values())))


def _published_names(form: Form) -> dict[str, str]:
    """Our name of each column to the publisher's newest, so that raw/ reads as the original did."""
    ours_of: dict[str, str] = {}
    for ours, spellings in form.columns.items():
        ours_of.setdefault(spellings[0], ours)
    return {ours: name for name, ours in ours_of.items()}


def _origin(original: Original, terms: Terms, rows: int, columns: list[str]) -> dict[str, object]:
    version = {"etag": original.etag, "modified": original.modified}
    return {
        "file": original.name,
        "from": original.place,
        "sha256": original.sha256,
        "bytes": original.bytes,
        "read_on": terms.read_on.isoformat(),
        "licence": terms.licence,
        "attribution": terms.attribution,
        "rows": rows,
        "columns": columns,
        "rules": terms.rules,
        **{key: said for key, said in version.items() if said is not None},
    }
