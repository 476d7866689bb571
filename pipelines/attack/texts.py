"""Every text of a release, with the place it stands in."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

READ = (".json", ".md", ".html", ".yaml", ".yml", ".csv", ".txt", ".geojson", ".sql")


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Place and text: of a table each column's distinct values and all metadata, of other files each line."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = str(path.relative_to(folder))
        if path.suffix == ".parquet":
            yield from ((f"{name}: {where}", text) for where, text in _cells(path))
        elif path.suffix in READ:
            lines = _plain(path.suffix, path.read_text(encoding="utf-8", errors="replace")).splitlines()
            yield from ((f"{name}: line {i}", line) for i, line in enumerate(lines, start=1) if line.strip())


def _cells(path: Path) -> Iterator[tuple[str, str]]:
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        for where, said in [
            ("metadata", schema.metadata),
            *((f"field {f.name}", f.metadata) for f in schema),
        ]:
            if said:
                found = [part.decode("utf-8", "replace") for pair in said.items() for part in pair]
                yield where, "\n".join(p for p in found if not p.startswith("{"))
                yield from ((where, "\n".join(_strings(p))) for p in found if p.startswith("{"))
        yield "names of columns", "\n".join(schema.names)
        for field in schema:
            if (
                pa.types.is_string(field.type)
                or pa.types.is_large_string(field.type)
                or pa.types.is_dictionary(field.type)
            ):
                column = file.read(columns=[field.name])[field.name]
                values = pc.unique(column.cast(pa.string())).drop_null()
                yield f"column {field.name}", "\n".join(values.to_pylist())


def _strings(text: str) -> list[str]:
    """The strings of a JSON text, keys among them; the text itself where it is none."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=0).splitlines()
    except ValueError:
        return [text]


def _plain(suffix: str, text: str) -> str:
    """What a reader sees: escapes resolved, tags and styles left out, lines kept."""
    if suffix in (".json", ".geojson"):
        return "\n".join(_strings(text))
    if suffix == ".html":
        styles = re.compile(r"<(style|script)\b.*?</\1>", re.DOTALL | re.IGNORECASE)
        bare = styles.sub(lambda m: "\n" * m.group().count("\n"), text)
        bare = re.sub(r"<[^>]*>", lambda m: " " + "\n" * m.group().count("\n"), bare)
        return html.unescape(bare)
    return text
