"""Turnout per commune, as summed from published results, without shares.

Either history of stations at a coarser grain, or a territory of its own whose stations are the communes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from isoloir.domain.election import Calendar
from isoloir.domain.errors import SourceError
from isoloir.domain.ledger import Counts
from isoloir.domain.station import Stations, Text

from .datagouv_columns import COMMUNE, DEPARTMENT
from .gate.grain import refuse_finer
from .returns import Read, Returns
from .tables import Form, Opened, batches

COUNTS = ("registered", "voters")
FORM = Form(
    columns={
        "contest": ("id_election",),
        "department_code": ("code_departement",),
        "commune_code": ("code_commune",),
        "registered": ("inscrits",),
        "voters": ("votants",),
    },
    types={
        **{name: pa.string() for name in ("contest", "department_code", "commune_code")},
        **{name: pa.int32() for name in COUNTS},
    },
    required=frozenset({"contest", "department_code", "commune_code", *COUNTS}),
    left_out=frozenset(
        {"abstentions", "blancs", "nuls", "exprimes", "libelle_commune", "libelle_departement"}
    ),
    forms={"department_code": DEPARTMENT, "commune_code": COMMUNE},
)


OUT_OF_PROPORTION, AT_AN_END, FEW = 3.0, 10.0, 1000
"""Registered electors above so many times those of the contests before and after are a slip of the pen.

At the first or last contest, with one neighbour only, ten times; and so many above them at least.
"""


@dataclass(frozen=True, slots=True)
class CommuneCounts:
    """Registered and voters [N] of the communes of one contest, in order of codes; ``row`` in the file."""

    contest: str
    commune_code: Text
    department_code: Text
    registered: Counts
    voters: Counts
    row: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Counted:
    """The counts of every contest in a file, and lines for a person on what was not kept."""

    counts: list[CommuneCounts]
    notes: tuple[str, ...]


def read_counts(file: Opened, calendar: Calendar) -> Counted:
    """The counts of every contest in the file; communes where nobody is registered are left out, counted.

    SourceError on a contest that is not declared, a commune that stands twice, or counts that can't be.
    """
    parts = []
    for part in batches(file, FORM):
        file.keep(part)
        parts.append(part)
    table = pa.concat_tables(parts)
    table = table.append_column("row", pa.array(np.arange(1, len(table) + 1)))
    made, empty = [], 0
    for key in sorted(pc.unique(table["contest"].fill_null("")).to_pylist()):
        of_it = table.filter(pc.equal(table["contest"].fill_null(""), key))
        if key not in calendar:
            raise SourceError(
                f"{len(of_it)} row(s) are of a contest that is not declared",
                where=f"{file.where}, row {of_it['row'][0].as_py()}",
                remedy="add it to the territory's elections.yaml, with its date and source",
            )
        one, without = _counts(key, of_it, file.where)
        made.append(one)
        empty += without
    made, impossible = _without_impossible(made, calendar)
    notes = [f"{empty} commune(s) of a contest have nobody registered: left out"] if empty else []
    notes += impossible
    return Counted(made, tuple(notes))


def read_returns(file: Opened, calendar: Calendar) -> Read:
    """The counts of every contest, each commune taken for a station: no labels, and no valid votes known.

    Errors as in :func:`read_counts`.
    """
    counted = read_counts(file, calendar)
    return Read([_as_stations(one) for one in counted.counts], {}, {}, notes=counted.notes)


def _as_stations(counts: CommuneCounts) -> Returns:
    code, size = counts.commune_code, len(counts.commune_code)
    return Returns(
        contest=counts.contest,
        stations=Stations(code, code, counts.department_code, np.full(size, "")),
        registered=counts.registered,
        voters=counts.voters,
        valid=np.zeros(size, np.int32),
        labels=(),
        votes=np.zeros((size, 0), np.int32),
        present=np.zeros((size, 0), np.bool_),
        row=counts.row,
    )


def _without_impossible(
    counts: list[CommuneCounts], calendar: Calendar
) -> tuple[list[CommuneCounts], list[str]]:
    """The counts less those whose registered are out of all proportion with the contests before and after.

    And one line each, for a person, on what was left out. A commune that took in others stays large.
    """
    ordered = sorted(counts, key=lambda c: (calendar[c.contest].held_on, c.contest))
    commune = np.concatenate([c.commune_code for c in ordered])
    registered = np.concatenate([c.registered for c in ordered])
    by_commune = pd.Series(registered).groupby(pd.factorize(commune)[0])
    # Two on each side, as a part of a commune votes in some contests.
    around = np.stack([by_commune.shift(n) for n in (-2, -1, 1, 2)])
    beside = np.where(np.isnan(around).all(axis=0), np.inf, np.nan_to_num(around).max(axis=0))
    times = np.where(np.isnan(around[1:3]).any(axis=0), AT_AN_END, OUT_OF_PROPORTION)
    wrong = registered > np.maximum(times * beside, beside + FEW)
    kept, said, start = [], [], 0
    for one in ordered:
        here = slice(start, start + len(one.registered))
        start = here.stop
        said += [
            f"{one.contest}, commune {commune[i]}: {registered[i]} registered, {beside[i]:.0f} "
            "in the contests around it: left out"
            for i in np.flatnonzero(wrong[here]) + here.start
        ]
        kept.append(_taken(one, np.flatnonzero(~wrong[here])))
    return kept, said


def _taken(one: CommuneCounts, rows: NDArray[np.intp]) -> CommuneCounts:
    return CommuneCounts(
        one.contest,
        one.commune_code[rows],
        one.department_code[rows],
        one.registered[rows],
        one.voters[rows],
        one.row[rows],
    )


def _counts(key: str, table: pa.Table, where: str) -> tuple[CommuneCounts, int]:
    codes = _text(table, "commune_code")
    order = np.argsort(codes, kind="stable")
    row = table["row"].to_numpy()[order]
    refuse_finer(len(codes), len(np.unique(codes)), 2.0, f"communes of {key}", where)
    codes, departments = codes[order], _text(table, "department_code")[order]
    registered, voters = (table[name].fill_null(-1).to_numpy()[order] for name in COUNTS)
    _refuse(codes == "", key, "states no commune", where, row)
    _refuse(np.append(False, codes[1:] == codes[:-1]), key, "is of a commune that stands twice", where, row)
    _refuse((registered < 0) | (voters < 0), key, "states no count, or a negative one", where, row)
    _refuse(voters > registered, key, "has more voters than registered", where, row)
    some = registered > 0
    return (
        CommuneCounts(key, codes[some], departments[some], registered[some], voters[some], row[some]),
        int((~some).sum()),
    )


def _text(table: pa.Table, name: str) -> Text:
    return np.asarray(table[name].fill_null("").to_numpy(), dtype=np.str_)


def _refuse(bad: NDArray[np.bool_], key: str, what: str, where: str, row: NDArray[np.int64]) -> None:
    if bad.any():
        raise SourceError(
            f"{int(bad.sum())} row(s) of {key}: the first {what}",
            where=f"{where}, row {int(row[np.flatnonzero(bad)[0]])}",
            remedy="correct the row, or fetch the file again",
        )
