"""Home's core/context/: figures of areas, the areas of stations, movements of areas; one Parquet a table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isoloir.domain.facts import Belonging, Context, Facts, Movements

SAID = b"isoloir"
WITHHELD = "withheld:"
GEO = ".geo.parquet"
"""Ends the names of files of shapes, which lie beside the tables and are none."""

Kept = Facts | Belonging | Movements


def write_context(tables: Iterable[Kept], directory: Path) -> None:
    """Write each table into ``directory`` as ``<name>.parquet``."""
    for one in tables:
        kind, columns, said = _columns(one)
        said |= {"kind": kind, "name": one.name, "known_on": one.known_on.isoformat()}
        table = pa.table(columns).replace_schema_metadata({SAID: json.dumps(said)})
        pq.write_table(table, directory / f"{one.name}.parquet", compression="zstd")


def _columns(one: Kept) -> tuple[str, dict[str, pa.Array], dict[str, object]]:
    if isinstance(one, Facts):
        columns = {"code": pa.array(one.codes)}
        for k, name in enumerate(one.columns):
            columns[name] = pa.array(np.ascontiguousarray(one.values[:, k]))
            columns[WITHHELD + name] = pa.array(np.ascontiguousarray(one.withheld[:, k]))
        return "facts", columns, {"level": one.level, "describes": one.describes}
    if isinstance(one, Belonging):
        columns = {"station_id": pa.array(one.station_id), "area": pa.array(one.area)}
        return "belonging", columns | {"weight": pa.array(one.weight)}, {"level": one.level}
    columns = {"held_on": pa.array(one.held_on.astype("datetime64[D]"))}
    return "movements", columns | {"old": pa.array(one.old), "new": pa.array(one.new)}, {}


def read_context(directory: Path) -> Context:
    """Every table of ``directory`` in order of its name, no shapes; none where there is no such folder."""
    paths = [p for p in sorted(directory.glob("*.parquet")) if not p.name.endswith(GEO)]
    found = [_read(p) for p in paths]
    return Context(
        tuple(f for f in found if isinstance(f, Facts)),
        tuple(f for f in found if isinstance(f, Belonging)),
        tuple(f for f in found if isinstance(f, Movements)),
    )


def _read(path: Path) -> Kept:
    table = pq.read_table(path)
    said = json.loads(table.schema.metadata[SAID])
    known_on = date.fromisoformat(said["known_on"])
    if said["kind"] == "facts":
        names = tuple(n for n in table.column_names if n != "code" and not n.startswith(WITHHELD))
        shape = (table.num_rows, len(names))
        values, withheld = np.empty(shape), np.empty(shape, np.bool_)
        for k, name in enumerate(names):
            values[:, k] = table[name].to_numpy()
            withheld[:, k] = table[WITHHELD + name].to_numpy()
        codes = _text(table, "code")
        return Facts(said["name"], said["level"], said["describes"], known_on, codes, names, values, withheld)
    if said["kind"] == "belonging":
        station, area = _text(table, "station_id"), _text(table, "area")
        return Belonging(said["name"], said["level"], known_on, station, area, table["weight"].to_numpy())
    days = table["held_on"].to_numpy().astype("datetime64[D]")
    return Movements(said["name"], known_on, days, _text(table, "old"), _text(table, "new"))


def _text(table: pa.Table, name: str) -> NDArray[np.str_]:
    return np.asarray(table[name].to_numpy(), dtype=np.str_)


def line(one: Kept) -> str:
    """One line for a person."""
    if isinstance(one, Facts):
        secret = (
            f", {int(one.withheld.any(axis=1).sum())} with a figure withheld" if one.withheld.any() else ""
        )
        what = f"{len(one.codes)} areas ({one.level}), {len(one.columns)} figures{secret}"
    elif isinstance(one, Belonging):
        what = f"{len(np.unique(one.station_id))} stations in {len(np.unique(one.area))} areas"
    else:
        what = f"{len(one.old)} movements of areas"
    return f"{one.name}: {what}, public from {one.known_on}"
