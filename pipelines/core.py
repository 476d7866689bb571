"""Home's core/: the returns of each contest, one Parquet a contest, and the ledger made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isoloir.domain.bloc import UNLABELLED, BlocMap
from isoloir.domain.election import Calendar, Contest
from isoloir.domain.errors import MissingInputError
from isoloir.domain.inheritance import parted, weights_of
from isoloir.domain.ledger import CommuneRecord, Counts, Ledger, Mask, Record
from isoloir.domain.scenario import Inheritance
from isoloir.domain.station import CODES, Stations

from .context import read_context
from .home import read_json
from .sources.communes import CommuneCounts
from .sources.returns import Returns

LABEL = "label:"
COUNTS = ("registered", "voters", "valid")
INGESTED = "ingest.json"
COMMUNES, CONTEXT = "communes", "context"
"""Folders of core/ beside the contests' own files."""


def returns_table(returns: Returns) -> pa.Table:
    """The returns as a table: codes, counts, and a column ``label:<label>`` each, null where no row stood."""
    columns: dict[str, pa.Array] = {name: pa.array(getattr(returns.stations, name)) for name in CODES}
    columns |= {name: pa.array(getattr(returns, name)) for name in COUNTS}
    for i, label in enumerate(returns.labels):
        columns[LABEL + label] = pa.array(returns.votes[:, i], mask=~returns.present[:, i])
    return pa.table(columns)


def write_returns(returns: Returns, directory: Path) -> Path:
    """Write ``<contest>.parquet`` into ``directory``; its path."""
    path = directory / f"{returns.contest}.parquet"
    pq.write_table(returns_table(returns), path, compression="zstd")
    return path


def write_counts(counts: CommuneCounts, directory: Path) -> Path:
    """Write ``<contest>.parquet`` into ``directory``; its path."""
    path = directory / f"{counts.contest}.parquet"
    names = ("commune_code", "department_code", "registered", "voters")
    pq.write_table(pa.table({n: pa.array(getattr(counts, n)) for n in names}), path, compression="zstd")
    return path


def read_ledger(
    directory: Path, calendar: Calendar, blocs: BlocMap, heirs: tuple[Inheritance, ...] = ()
) -> Ledger:
    """Every ingested contest of ``calendar``, its labels grouped by ``blocs``, or given to their ``heirs``.

    Of a contest that the grouping does not speak of, the turnout is there and all shares are missing: see
    :func:`isoloir.domain.bloc.unspoken`. A contest that covers a part of the territory only has no national
    figures, and is not in it: see :func:`partial`.
    """
    cover = partial(directory)
    found = [c for c in calendar if (directory / f"{c.key}.parquet").is_file() and c.key not in cover]
    if not found:
        raise MissingInputError(
            f"nothing of {calendar.territory} was ingested",
            remedy=f"isoloir ingest {calendar.territory} --from DIR",
        )
    coarse = [c for c in calendar if (directory / COMMUNES / f"{c.key}.parquet").is_file() and c not in found]
    return Ledger(
        blocs.blocs,
        tuple(_record(directory / f"{c.key}.parquet", c, blocs, heirs) for c in found),
        tuple(_commune_record(directory / COMMUNES / f"{c.key}.parquet", c) for c in coarse),
        read_context(directory / CONTEXT),
    )


def partial(directory: Path) -> dict[str, str]:
    """Contests that cover a part of the territory only, and which part, in words."""
    said: dict[str, str] = read_json(directory / INGESTED).get("partial", {})
    return said


def _commune_record(path: Path, contest: Contest) -> CommuneRecord:
    table = pq.read_table(path)
    return CommuneRecord(
        contest,
        contest.results_known_on,
        _codes(table, "commune_code"),
        _codes(table, "department_code"),
        table["registered"].to_numpy().astype(np.int32),
        table["voters"].to_numpy().astype(np.int32),
    )


def _record(path: Path, contest: Contest, blocs: BlocMap, heirs: tuple[Inheritance, ...]) -> Record:
    table = pq.read_table(path)
    counts = {name: np.asarray(table[name].combine_chunks()).astype(np.int32) for name in COUNTS}
    votes, standing, known = _grouped(table, contest, blocs, heirs, path.name)
    several = votes.sum(axis=1, dtype=np.int64) > counts["valid"] + 2
    # Where every vote went to one bloc, the grouping tells nothing of shares.
    known &= (votes.sum(axis=0, dtype=np.int64) > 0).sum() > 1
    return Record(
        contest=contest,
        known_on=contest.results_known_on,
        stations=Stations(*(_codes(table, name) for name in CODES)),
        votes=votes,
        standing=standing,
        shares_known=known & ~several & (counts["valid"] > 0),
        **counts,
    )


def _grouped(
    table: pa.Table, contest: Contest, blocs: BlocMap, heirs: tuple[Inheritance, ...], where: str
) -> tuple[Counts, Mask, Mask]:
    """Votes and standing [S × B], and where no vote went to a label without a bloc [S]."""
    shape = (table.num_rows, len(blocs.blocs))
    votes, standing = np.zeros(shape, np.int32), np.zeros(shape, np.bool_)
    if not blocs.speaks_of(contest):
        return votes, standing, np.zeros(table.num_rows, np.bool_)
    names = [n for n in table.column_names if n.startswith(LABEL)]
    code = blocs.codes(contest, [n.removeprefix(LABEL) for n in names], where=where)
    unlabelled = np.zeros(table.num_rows, np.bool_)
    for name, bloc in zip(names, code, strict=True):
        column = table[name].combine_chunks()
        present = np.asarray(column.is_valid())
        weights = weights_of(heirs, contest.key, name.removeprefix(LABEL), blocs.blocs)
        if weights is not None:
            votes += parted(np.asarray(column.fill_null(0)), weights)
            standing |= present[:, None] & (weights > 0)
        elif bloc == UNLABELLED:
            unlabelled |= present
        else:
            votes[:, bloc] += np.asarray(column.fill_null(0))
            standing[:, bloc] |= present
    return votes, standing, ~unlabelled


def _codes(table: pa.Table, name: str) -> NDArray[np.str_]:
    return np.asarray(table[name].to_numpy(), dtype=np.str_)
