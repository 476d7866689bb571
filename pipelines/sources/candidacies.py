"""Constituencies that no row states, derived while reading: who stands together, votes together."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from isoloir.domain.ledger import Mask
from isoloir.domain.lineage import WITNESS_GAP
from isoloir.domain.station import Stations, Text, positions

from .returns import Derivation, Returns
from .tables import Form

NAMES: Mapping[str, tuple[str, ...]] = {"surname": ("nom", "Nom"), "first_name": ("prenom", "Prénom")}
"""The columns that tell candidates apart. Read for their digest, and dropped before anything else is done."""

WHO = "who"
"""The column of digests that takes their place; 0 where a row names nobody."""

MAJORITY = 0.8
"""A group takes a code if at least this part of its electors, those with a code, had it before."""

STRAY = 0.05
"""A second group of one code is a misspelt candidate if it has at most this part of the first's electors."""


def with_names(form: Form) -> Form:
    """The form, and the columns that :meth:`Candidacies.digested` takes away again."""
    types = {**form.types, **dict.fromkeys(NAMES, pa.string())}
    return Form({**form.columns, **NAMES}, types, form.required, form.left_out, form.forms)


@dataclass(frozen=True, slots=True)
class Candidacies:
    """Who stands at the S stations of each contest, as sums modulo 2^64 of digests of the candidates.

    A digest is keyed by ``salt``, which is made anew for each reading and kept nowhere: nobody can look up
    whom it is of. ``sums`` [S] do not depend on the order of rows. ``seen`` [S]: some row stood there;
    ``nameless`` [S]: one that named nobody, so that the sum tells nothing.
    """

    salt: bytes
    sums: dict[str, NDArray[np.uint64]]
    seen: dict[str, Mask]
    nameless: dict[str, Mask]

    @classmethod
    def of(cls, stations: Mapping[str, int], salt: bytes | None = None) -> Candidacies:
        """Nobody yet, at that many stations of each contest; ``salt`` (None: random) is for tests."""
        return cls(
            salt or secrets.token_bytes(32),
            {key: np.zeros(n, np.uint64) for key, n in stations.items()},
            {key: np.zeros(n, np.bool_) for key, n in stations.items()},
            {key: np.zeros(n, np.bool_) for key, n in stations.items()},
        )

    def __bool__(self) -> bool:
        return bool(self.sums)

    def digested(self, table: pa.Table) -> pa.Table:
        """The table with :data:`WHO` in place of the names."""
        wanted = pc.is_in(table["contest"], value_set=pa.array(list(self.sums), pa.string()))
        rows = np.flatnonzero(wanted.to_numpy())
        who = np.zeros(len(table), np.uint64)
        if len(rows):
            parts = [table[name].take(pa.array(rows)).fill_null("") for name in NAMES]
            names = pc.binary_join_element_wise(*parts, "\x1f").combine_chunks().dictionary_encode()
            found = np.array([self._digest(name) for name in names.dictionary.to_pylist()], np.uint64)
            who[rows] = found[names.indices.to_numpy()]
        return table.drop_columns(list(NAMES)).append_column(WHO, pa.array(who))

    def _digest(self, name: str) -> int:
        if not name.strip("\x1f "):
            return 0
        return int.from_bytes(blake2b(name.encode(), digest_size=8, key=self.salt).digest()) or 1

    def add(self, key: str, at: NDArray[np.intp], who: NDArray[np.uint64]) -> None:
        """Take in rows of the contest ``key``, which stand ``at`` these stations."""
        np.add.at(self.sums[key], at, who)
        self.seen[key][at] = True
        self.nameless[key][at[who == 0]] = True

    def groups(self, key: str, departments: Text) -> Text:
        """Per station [S] its group ``<department>-x<number>``, "" where nothing is known of who stands.

        Stations of one department with the same candidates are one group; numbers follow its first stations.
        """
        rows = np.flatnonzero(self.seen[key] & ~self.nameless[key])
        pairs = pd.MultiIndex.from_arrays([departments[rows], self.sums[key][rows]])
        number, distinct = pd.factorize(pairs)
        department = pd.Series(distinct.get_level_values(0), dtype=object)
        rank = department.groupby(department).cumcount() + 1
        names = (department + "-x" + rank.astype(str).str.zfill(2)).to_numpy(dtype=object)
        codes = np.full(len(departments), "", dtype=object)
        codes[rows] = names[number]
        return np.asarray(codes, dtype=np.str_)


def named(one: Returns, groups: Text, stated: Sequence[Returns]) -> tuple[Stations, Derivation]:
    """The stations with every constituency that can be told, and what that rests on.

    A code that the contest states itself stays. A group takes the code that the most of its electors (at
    least :data:`MAJORITY`) had in the latest of ``stated``, earlier contests that state theirs, at stations
    found again with as many electors. Where two groups of a department would take one code, the larger has
    it and the other keeps its own name, unless it is a stray of it (:data:`STRAY`).
    """
    own = one.stations.constituency_code
    before = _before(one, stated)
    given = _given(groups, one.stations.department_code, before, one.registered)
    codes = np.where(own != "", own, given)
    compared = (own == "") & (before != "") & (groups != "")
    agreed = compared & (codes == before)
    derivation = Derivation(
        contest=one.contest,
        groups=len(np.unique(groups[groups != ""])),
        constituencies=len(np.unique(codes[codes != ""])),
        published=int((own != "").sum()),
        derived=int(((own == "") & (codes != "")).sum()),
        unknown=int((codes == "").sum()),
        compared=int(compared.sum()),
        compared_registered=int(one.registered[compared].sum(dtype=np.int64)),
        agreed=int(agreed.sum()),
        agreed_registered=int(one.registered[agreed].sum(dtype=np.int64)),
    )
    stations = one.stations
    placed = Stations(stations.station_id, stations.commune_code, stations.department_code, codes)
    return placed, derivation


def _before(one: Returns, stated: Sequence[Returns]) -> Text:
    """Per station the code that it stated itself, else that of the latest of ``stated`` that knows it."""
    codes = one.stations.constituency_code.astype(object)
    now = one.registered.astype(np.float64)
    for other in reversed(stated):
        at = positions(one.stations.station_id, other.stations.station_id)
        then = other.registered[at].astype(np.float64)
        gap = np.abs(then - now) / np.maximum(1.0, np.maximum(then, now))
        found = (codes == "") & (at >= 0) & (gap <= WITNESS_GAP) & (then > 0)
        codes[found] = other.stations.constituency_code[at[found]]
    return np.asarray(codes, dtype=np.str_)


def _given(groups: Text, departments: Text, before: Text, registered: NDArray[np.int32]) -> Text:
    """Per station the code that its group takes, else the group's own name."""
    told = (groups != "") & (before != "")
    rows = pd.DataFrame({"group": groups[told], "code": before[told], "electors": registered[told]})
    sums = rows.groupby(["group", "code"])["electors"].sum().reset_index()
    most = sums.sort_values("electors", kind="stable").drop_duplicates("group", keep="last")
    most = most.set_index("group")
    most = most[most["electors"] >= MAJORITY * rows.groupby("group")["electors"].sum().reindex(most.index)]
    # Of the whole group, also of stations that are new: a new constituency must not pass for a stray.
    most["size"] = pd.Series(registered, dtype=np.int64).groupby(groups).sum().reindex(most.index)
    most["department"] = pd.Series(departments).groupby(groups).first().reindex(most.index)
    alike = most.sort_values("size", ascending=False, kind="stable").groupby(["department", "code"])
    first, largest = alike.cumcount().reindex(most.index) == 0, alike["size"].transform("max")
    taken = most["code"][first | (most["size"] <= STRAY * largest.reindex(most.index))]
    codes = pd.Series(groups, dtype=object).map(taken)
    return np.asarray(codes.where(codes.notna(), groups), dtype=np.str_)
