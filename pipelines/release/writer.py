"""Write a release aside, check it, and put it in place by one rename."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from isoloir.domain.tables import Table
from isoloir.pipelines.home import set_in_place, write_json, write_text
from isoloir.pipelines.sources.tables import sha256_of

from .aggregates import aggregates
from .columns import schema_of, tables_of
from .outlook import outlook
from .scores import Published, counted, scores, unit_table
from .standing import with_standing
from .succession import succession
from .verify import verify


def write_release(published: Published, manifest: dict[str, object], card: str, final: Path) -> Path:
    """Write the release ``final`` and point ``current`` beside it at it; its path.

    Nothing is in place before all files were written and verified. An existing release is never changed.
    """
    said = {
        key: str(manifest[key]) for key in ("schema_version", "territory", "target", "release_id", "licence")
    }
    with set_in_place(final, "manifest.json") as aside:
        ahead, blocs = outlook(published), published.notice.blocs
        table = with_standing(published, scores(published), ahead)
        areas = aggregates(published, table, ahead)
        made = (table, unit_table(published), areas, succession(published.steps))
        for declared, rows in zip(tables_of(blocs), made, strict=True):
            _write(rows, declared, aside, said)
        write_json(aside / "audit.json", _audit(published, table, manifest))
        write_text(aside / "model_card.md", card)
        files = {p.name: _file(p) for p in sorted(aside.iterdir())}
        write_json(aside / "manifest.json", manifest | {"files": files, "blocs": list(blocs)})
        verify(aside)
    point(final)
    return final


def _file(path: Path) -> dict[str, object]:
    said: dict[str, object] = {"sha256": sha256_of(path), "bytes": path.stat().st_size}
    return said | {"rows": pq.read_metadata(path).num_rows} if path.suffix == ".parquet" else said


def point(final: Path) -> None:
    """Make ``current`` beside ``final`` lead to it, at once, unless it does."""
    current = final.with_name("current")
    if current.is_symlink() and os.readlink(current) == final.name:
        return
    aside = final.with_name(f".current.{os.getpid()}")
    aside.unlink(missing_ok=True)
    aside.symlink_to(final.name)
    os.replace(aside, current)


def _write(rows: pd.DataFrame, declared: Table, folder: Path, said: dict[str, str]) -> None:
    schema = schema_of(declared)
    arrow = pa.Table.from_pandas(rows[list(declared.names)], schema=schema, preserve_index=False)
    pq.write_table(arrow.replace_schema_metadata(said), folder / declared.name, compression="zstd")


def _audit(published: Published, table: pd.DataFrame, manifest: dict[str, object]) -> dict[str, object]:
    return {
        "policy": manifest["policy"],
        "stations": counted(published.units, published.notice.registered),
        "published_units": len(table),
        "smallest_unit_registered": int(table["registered"].min()),
        "smallest_unit_expected_valid": float(table["expected_voters"].min() * published.scenario.valid_rate),
        "covers_registered": int(table["registered"].sum()),
        "roll_registered": int(published.notice.registered.sum()),
    }
