"""Tables of a verified release in other forms: CSV, Excel, Parquet by department, maps of units."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from isoloir.domain.errors import UsageError
from isoloir.pipelines.home import Home, set_in_place, write_text

from .datapackage import table_schema
from .geo import outlined, write_geo
from .geopackage import write_geopackage
from .read import Release

DEPARTMENT = "department_code"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, in ``rows`` and ``columns``; ``note``: what a person should know of it."""

    path: Path
    rows: int
    columns: int
    note: str = ""


def to_csv(release: Release, name: str, folder: Path) -> Exported:
    """A file of comma-separated values, codes as they are; its Table Schema beside it keeps the types."""
    rows, path = release.arrow(name).to_pandas(), folder / f"{name}.csv"
    rows.to_csv(path, index=False)
    (declared,) = (table for table in release.tables if table.name == f"{name}.parquet")
    write_text(folder / f"{name}.schema.json", table_schema(declared))
    return Exported(path, len(rows), len(rows.columns))


def to_excel(rows: pd.DataFrame, path: Path) -> Exported:
    """An Excel file of one sheet; codes are cells of text."""
    rows.to_excel(path, index=False)
    return Exported(path, len(rows), len(rows.columns))


def to_parquet(release: Release, name: str, folder: Path) -> Exported:
    """Hive partitions ``folder/department_code=<code>/part-0.parquet``; the code stands in the path alone.

    UsageError for a table that has no department, or where something is in the way.
    """
    table = release.arrow(name)
    if DEPARTMENT not in table.column_names:
        raise UsageError(f"the table {name} has no {DEPARTMENT}", remedy="export scores or training so")
    if folder.exists():
        raise UsageError(
            "there is something already", where=str(folder), remedy="remove it, or give another folder"
        )
    form = ds.ParquetFileFormat()
    with set_in_place(folder) as aside:
        # For others, as a file would be: what is in home is not.
        aside.chmod(0o755)
        ds.write_dataset(
            table,
            aside,
            format=form,
            file_options=form.make_write_options(compression="zstd"),
            partitioning=ds.partitioning(pa.schema([table.schema.field(DEPARTMENT)]), flavor="hive"),
            basename_template="part-{i}.parquet",
            use_threads=False,
        )
    return Exported(folder, table.num_rows, len(table.column_names))


def to_map(release: Release, home: Home, path: Path) -> Exported:
    """The units with their outline, from the outlines of stations in ``home``: GeoPackage or GeoParquet 1.1.

    The suffix of ``path`` decides. Withheld stations are no units and so not in it. UsageError where no
    outlines were ingested.
    """
    table, missing = outlined(release.arrow("scores"), release.units, outlines_in(release, home))
    if path.suffix == ".gpkg":
        write_geopackage(table, str(release.manifest["as_of"]), path)
    else:
        write_geo(table, path)
    note = f"{missing} of {table.num_rows} units have no outline: one of their stations has none"
    return Exported(path, table.num_rows, len(table.column_names), note if missing else "")


def outlines_in(release: Release, home: Home) -> list[Path]:
    """The files of outlines that home holds of the release's territory; UsageError if there is none."""
    from isoloir.pipelines.context import GEO
    from isoloir.pipelines.core import CONTEXT

    territory = str(release.manifest["territory"])
    found = sorted((home.current_core(territory) / CONTEXT).glob(f"*{GEO}"))
    if not found:
        raise UsageError(
            f"no outlines of polling stations were ingested of {territory}",
            where=str(home.path),
            remedy="ingest a file of contours: isoloir sources tells where it is published",
        )
    return found
