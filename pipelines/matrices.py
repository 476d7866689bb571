"""Home's features/: one matrix per contest and what was known before it, built once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from isoloir.domain.election import AsOf, Contest
from isoloir.domain.errors import MissingInputError
from isoloir.domain.forecast import FeatureMatrix, National
from isoloir.domain.ledger import Notice, Past
from isoloir.domain.station import CODES, Stations
from isoloir.features.matrix import build

from .bench import Bench
from .core import COMMUNES, CONTEXT
from .home import set_in_place
from .placement import placement
from .store import code_digest, stamp

SAID = b"isoloir"
MATRIX = "matrix.parquet"
FORMAT = 2
"""Of the files written here: raise it with what they hold."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """Whether second rounds are forecast, and learnt from, as if their first rounds were not held yet."""

    first_rounds: bool


@dataclass(frozen=True, slots=True)
class MatrixPlan:
    """A matrix to be built: the notice and the past that make it, and the digest it is kept under.

    ``constituencies``: of how many stations theirs is known, by method.
    """

    notice: Notice
    past: Past
    reference: str | None
    digest: str
    constituencies: tuple[tuple[str, int], ...]

    @property
    def contest(self) -> Contest:
        """The contest that it is of."""
        return self.notice.contest


def hiding(bench: Bench, contest: Contest, as_of: AsOf) -> Hidden:
    """First rounds are hidden when ``contest`` is a later round whose first is not known at ``as_of``."""
    first = bench.config.calendar.first_round_of(contest)
    known = {c.key for c in bench.ledger.as_of(as_of).contests}
    return Hidden(first is not None and first.key not in known)


def past_of(bench: Bench, contest: Contest, as_of: AsOf, hidden: Hidden) -> Past:
    """What a forecast of ``contest`` may see: public before its day and before ``as_of``."""
    cut = AsOf(min(as_of.day, contest.held_on))
    first = bench.config.calendar.first_round_of(contest)
    if hidden.first_rounds and first is not None:
        cut = AsOf(min(cut.day, first.held_on))
    return bench.ledger.as_of(cut)


def plan_matrix(bench: Bench, notice: Notice, as_of: AsOf, hidden: Hidden) -> MatrixPlan | None:
    """The plan of the notice's contest, or None where nothing was public before it."""
    contest = notice.contest
    past = past_of(bench, contest, as_of, hidden)
    if not past.records:
        return None
    found = placement(notice, past, bench.derived)
    reference = bench.config.calendar.reference_of(contest)
    key = reference.key if reference else None
    digest = stamp(
        (FORMAT, code_digest("features.matrix", "domain.ledger", "pipelines.core", "pipelines.placement")),
        bench.grouping,
        contest,
        key,
        [(c, bench.sha256[c.key]) for c in past.contests],
        [(c.contest.key, bench.sha256[f"{COMMUNES}/{c.contest.key}"]) for c in past.communes],
        [(name, bench.sha256[f"{CONTEXT}/{name}"]) for name in past.context.names],
        (notice.roll_from, bench.sha256.get(notice.roll_from)),
        (notice.offer_from, hashlib.sha256(np.packbits(notice.standing).tobytes()).hexdigest()),
        notice.stations.station_id.tolist(),
        found.constituency_code.tolist(),
    )
    return MatrixPlan(found.put(notice), past, key, digest, found.counts())


def is_built(bench: Bench, plan: MatrixPlan) -> bool:
    """Whether the matrix is kept."""
    return (folder_of(bench, plan) / MATRIX).is_file()


def folder_of(bench: Bench, plan: MatrixPlan) -> Path:
    """Where the matrix lies, or will."""
    return bench.home.planned("features", bench.key, plan.digest)


def built(bench: Bench, plan: MatrixPlan, say: Callable[[str], None]) -> FeatureMatrix:
    """The matrix: read if it was built before, else built and kept."""
    final = folder_of(bench, plan)
    if not is_built(bench, plan):
        say(f"features of {plan.contest.key}")
        matrix = build(plan.past, plan.notice, plan.reference)
        bench.home.folder("features", bench.key)
        with set_in_place(final, MATRIX) as aside:
            write_matrix(matrix, plan.past.as_of, aside / MATRIX)
    return read_matrix(final / MATRIX, plan.contest)


def write_matrix(matrix: FeatureMatrix, as_of: AsOf, path: Path) -> None:
    """One row per station: codes, registered, every feature; what it rests on in the metadata."""
    stations, then = matrix.notice.stations, matrix.reference
    columns: dict[str, pa.Array] = {name: pa.array(getattr(stations, name)) for name in CODES}
    columns["registered"] = pa.array(matrix.notice.registered)
    columns |= {n: pa.array(np.ascontiguousarray(matrix.column(n))) for n in matrix.names}
    said = {
        "contest": matrix.notice.contest.key,
        "as_of": as_of.day.isoformat(),
        "blocs": matrix.notice.blocs,
        "roll_from": matrix.notice.roll_from,
        "offer_from": matrix.notice.offer_from,
        "reference": asdict(then) | {"shares": then.shares.tolist()},
        "past": matrix.past,
    }
    table = pa.table(columns).replace_schema_metadata({SAID: json.dumps(said)})
    pq.write_table(table, path, compression="zstd")


def read_matrix(path: Path, contest: Contest) -> FeatureMatrix:
    """The matrix that was written for ``contest``; MissingInputError if the file says another."""
    table = pq.read_table(path)
    said = json.loads(table.schema.metadata[SAID])
    if said["contest"] != contest.key:
        raise MissingInputError(
            f"the matrix of {contest.key} holds {said['contest']}", where=str(path), remedy="remove it"
        )
    names = tuple(n for n in table.column_names if n not in (*CODES, "registered"))
    values = np.empty((table.num_rows, len(names)))
    for i, name in enumerate(names):
        values[:, i] = table[name].to_numpy()
    blocs = tuple(said["blocs"])
    standing = values[:, [names.index(f"standing_{b}") for b in blocs]] > 0
    codes = [np.asarray(table[c].to_numpy(), dtype=np.str_) for c in CODES]
    notice = Notice(
        contest, blocs, Stations(*codes), table["registered"].to_numpy().astype(np.int32), standing,
        said["roll_from"], said["offer_from"],
    )  # fmt: skip
    reference = National(**said["reference"] | {"shares": np.array(said["reference"]["shares"])})
    return FeatureMatrix(notice, names, values, reference, tuple(said["past"]))
