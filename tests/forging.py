"""A release taken apart in a test: a copy that says of its files what they are now, and SQL run in it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


def manifest_of(release: Path) -> dict[str, Any]:
    return dict(json.loads((release / "manifest.json").read_text(encoding="utf-8")))


def copy_of(release: Path, into: Path) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copytree(release.resolve(), into / release.resolve().name))


def restated(release: Path, **said: object) -> Path:
    """The release with a manifest of its files as they are now: only a look inside finds a forgery."""
    manifest = manifest_of(release) | said
    manifest["files"] = {
        path.name: {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        }
        for path in sorted(release.iterdir())
        if path.name != "manifest.json"
    }
    (release / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return release


def rewritten(release: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    """The release with another table, its schema and metadata as before."""
    table = pq.read_table(release / name)
    changed = pa.Table.from_pandas(change(table.to_pandas()), schema=table.schema, preserve_index=False)
    pq.write_table(changed, release / name)
    return restated(release)


def count(release: Path, query: str) -> int:
    """The number that a query over the files of a release gives."""
    return int(rows(release, query)[0][0])


def rows(release: Path, query: str) -> list[tuple[Any, ...]]:
    """What plain SQL finds where the files of a release lie."""
    with duckdb.connect() as connection:
        connection.execute(f"SET file_search_path = '{release}'")
        return list(connection.sql(query).fetchall())
