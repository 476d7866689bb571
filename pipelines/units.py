"""The units of a target: one partition per policy version, fixed by its first release, used by all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.special import expit, logit

from isoloir.configs.load import load_release
from isoloir.domain.errors import MissingInputError
from isoloir.domain.forecast import FeatureMatrix
from isoloir.domain.ledger import Notice
from isoloir.domain.privacy import Policy, Sizes
from isoloir.domain.station import Stations, Text, positions
from isoloir.domain.units import Units, extended, partition

from .bench import Bench
from .context import GEO
from .core import CONTEXT
from .store import stamp

Floats = NDArray[np.float64]

COLUMNS = ("station_id", "unit_id", "reason")
"""Of the file: unit_id is null of a station that is withheld."""


def policy_of(bench: Bench) -> Policy:
    """The disclosure policy, with the floors that release.yaml states."""
    said = load_release(bench.overlay)
    return Policy(said.policy_version, said.min_registered, float(said.min_valid))


def units_file(bench: Bench, target: str) -> Path:
    """Where the partition of a target lies, or will: beside its releases, as what was published fixes it."""
    name = f"units-policy{policy_of(bench).version}.parquet"
    return bench.home.planned("releases", bench.key, target, name)


def known_units(bench: Bench, notice: Notice) -> Units | None:
    """The partition as an earlier release fixed it; None where it is not there, or lacks a station."""
    path = units_file(bench, notice.contest.key)
    if not path.is_file():
        return None
    known, unit_of, reason = _read(path)
    at = positions(notice.stations.station_id, known)
    if (at < 0).any():
        return None
    fresh = Units(np.full(len(at), -1, np.intp), reason[at])
    return extended(notice.stations, known, unit_of, fresh)


def fixed_units(bench: Bench, matrix: FeatureMatrix) -> Units:
    """The partition of a target's roll: as it was fixed; made, and fixed, for stations that are new."""
    notice = matrix.notice
    bench.home.folder("releases", bench.key, notice.contest.key)
    path = units_file(bench, notice.contest.key)
    with _locked(path.parent):
        units = known_units(bench, notice)
        if units is None:
            units = made_units(bench, matrix)
            if path.is_file():
                known, unit_of, reason = _read(path)
                units = extended(notice.stations, known, unit_of, _reasoned(units, notice, known, reason))
            _add(path, notice.stations, units)
    return units


def made_units(bench: Bench, matrix: FeatureMatrix) -> Units:
    """The partition that the policy makes of a matrix's roll, from it and the past alone."""
    stations, policy, sizes = matrix.notice.stations, policy_of(bench), sizes_of(matrix)
    no_place = np.isin(stations.station_id, np.array(bench.config.not_scored, dtype=np.str_))
    place = places(bench.core, stations)
    return partition(stations, sizes.reasons(policy), sizes.weights(policy), no_place, place)


def units_of(bench: Bench, matrix: FeatureMatrix) -> Units:
    """The partition of a contest as it was fixed, if it was a target already, else as it would be."""
    return known_units(bench, matrix.notice) or made_units(bench, matrix)


def sizes_of(matrix: FeatureMatrix) -> Sizes:
    """What the policy weighs: the roll, the votes that are usual, and the same at the reference contest."""
    then = matrix.reference
    national = np.clip(then.turnout, 1e-6, 1 - 1e-6)
    turnout = expit(matrix.column("turnout_same_kind") + logit(national))
    return Sizes(
        matrix.notice.registered,
        np.asarray(turnout * matrix.notice.registered * then.valid_rate),
        matrix.column("reference_registered"),
        matrix.column("reference_valid"),
    )


def places(core: Path, stations: Stations) -> Floats | None:
    """Longitude and latitude [S × 2] of the middle of each station's outline, NaN without one.

    None where no outlines were ingested.
    """
    shapes = sorted((core / CONTEXT).glob(f"*{GEO}"))
    if not shapes:
        return None
    place = np.full((len(stations), 2), np.nan)
    for path in shapes:
        table = pq.read_table(path, columns=["station_id", "bbox"])
        at = positions(stations.station_id, np.asarray(table["station_id"].to_numpy(), dtype=np.str_))
        box = table["bbox"].combine_chunks()
        sides = (("xmin", "xmax"), ("ymin", "ymax"))
        middle = np.stack([(box.field(a).to_numpy() + box.field(b).to_numpy()) / 2 for a, b in sides], axis=1)
        place[at >= 0] = middle[at[at >= 0]]
    return place


def digest_of(units: Units, stations: Stations) -> str:
    """16 hex that stand for a partition of these stations."""
    return stamp(stations.station_id.tolist(), units.head.tolist(), units.reason.tolist())


def _reasoned(fresh: Units, notice: Notice, known: Text, reason: Text) -> Units:
    """``fresh`` units with the reasons of before where a station stood in the partition."""
    at = positions(notice.stations.station_id, known)
    return Units(fresh.head, np.where(at >= 0, reason[at], fresh.reason))


def _read(path: Path) -> tuple[Text, Text, Text]:
    """Stations, the unit of each ("" if withheld) and its reason."""
    try:
        table = pq.read_table(path).to_pydict()
        columns = [table[name] for name in COLUMNS]
    except (pa.ArrowInvalid, KeyError) as error:
        raise MissingInputError(
            "the partition of units can't be read",
            where=str(path),
            remedy="restore it from a copy: another one, and releases can be subtracted from one another",
        ) from error
    ids, units, reasons = (np.array([v or "" for v in c], dtype=np.str_) for c in columns)
    return ids, units, reasons


def _add(path: Path, stations: Stations, units: Units) -> None:
    """Write the partition, stations that only an earlier roll had as they were; in place by one rename."""
    ids = stations.station_id
    named = np.where(units.kept, ids[np.maximum(units.head, 0)], "")
    reason = units.reason
    if path.is_file():
        known, unit_of, why = _read(path)
        gone = ~np.isin(known, ids)
        ids, named = np.concatenate([ids, known[gone]]), np.concatenate([named, unit_of[gone]])
        reason = np.concatenate([reason, why[gone]])
    order = np.argsort(ids)
    said = [None if u == "" else u for u in named[order].tolist()]
    columns = [ids[order], pa.array(said, pa.string()), reason[order]]
    table = pa.table(dict(zip(COLUMNS, columns, strict=True)))
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    # On the disk before it is in place: lost in a power cut, a new one might differ from what was published.
    with aside.open("wb") as file:
        pq.write_table(table, file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Alone in ``folder`` among processes; a lock of a process that died is none."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
