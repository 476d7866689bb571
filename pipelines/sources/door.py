"""The door: which labels may come in. One that is neither declared nor a nuance may be a person's name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from isoloir.domain.bloc import SHORT_CODE, BlocMap
from isoloir.domain.election import Calendar
from isoloir.domain.errors import SourceError


@dataclass(frozen=True, slots=True)
class Door:
    """What is declared of a territory's labels: the ``kind`` of each contest, and the groupings.

    Where some grouping speaks of a contest, a strange label is refused. Where none does, the label serves
    nothing: it is withheld, and its votes are counted as those of no label.
    """

    calendar: Calendar
    groupings: tuple[BlocMap, ...]
    kind: Mapping[str, str]

    def of_kind(self, contest: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
        """Which rows are of a contest whose labels are of ``kind``."""
        keys = [key for key, its in self.kind.items() if its == kind]
        return pc.is_in(contest, value_set=pa.array(keys, pa.string()))

    def labels(
        self, contest: pa.ChunkedArray, label: pa.ChunkedArray, where: str, row: int
    ) -> tuple[pa.ChunkedArray, Counter[str]]:
        """``label`` less what may be a name, null there, and how many rows of each contest that was.

        ``row``: rows of the file before these. SourceError, with the first row, on what must be declared.
        """
        withheld: Counter[str] = Counter()
        pairs = pa.table({"contest": contest, "label": label}).group_by(["contest", "label"]).aggregate([])
        for key, name in zip(pairs["contest"].to_pylist(), pairs["label"].to_pylist(), strict=True):
            if not name or self._lets_in(key, name):
                continue
            of_it = pc.and_(pc.equal(contest, key), pc.equal(label, name)).fill_null(False)
            if self._spoken_of(key):
                self._refuse(key, where, row + 1 + int(np.flatnonzero(of_it.to_numpy())[0]))
            withheld[key] += int(pc.sum(of_it).as_py())
            label = pc.if_else(of_it, pa.scalar(None, pa.string()), label)
        return label, withheld

    def _spoken_of(self, key: str) -> bool:
        return key in self.kind and any(m.speaks_of(self.calendar[key]) for m in self.groupings)

    def _lets_in(self, key: str, label: str) -> bool:
        if key not in self.kind:
            return False
        # The name of a list may look like a nuance, so it must be declared.
        if self.kind[key] != "list" and SHORT_CODE.match(label):
            return True
        return any(m.code_of(self.calendar[key], label) is not None for m in self.groupings)

    def _refuse(self, key: str, where: str, row: int) -> None:
        folder = f"configs/territories/{self.calendar.territory}/blocs"
        raise SourceError(
            f"a label of {key} is neither a nuance nor declared: not shown, it may be a name",
            where=f"{where}, row {row}",
            remedy=f"look at that row: declare the label in {folder}, or correct the file",
        )
