"""The door: which labels may come in. One that is neither declared nor a nuance may be a person's name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from isoloir.domain.bloc import SHORT_CODE, BlocMap
from isoloir.domain.election import Calendar
from isoloir.domain.errors import SourceError

ANSWERS = frozenset({"OUI", "NON"})
"""What a referendum is answered with."""


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
        """``label`` less what may be a name, and how many rows of each contest have none left (null).

        ``row``: rows of the file before these. SourceError, with the first row, on what must be declared.
        """
        withheld: Counter[str] = Counter()
        pairs = pa.table({"contest": contest, "label": label}).group_by(["contest", "label"]).aggregate([])
        for key, name in zip(pairs["contest"].to_pylist(), pairs["label"].to_pylist(), strict=True):
            kept = self._kept(key, name) if name else name
            if kept == name:
                continue
            of_it = pc.and_(pc.equal(contest, key), pc.equal(label, name)).fill_null(False)
            if kept is None:
                if self._spoken_of(key):
                    self._refuse(key, where, row + 1 + int(np.flatnonzero(of_it.to_numpy())[0]))
                withheld[key] += int(pc.sum(of_it).as_py())
            label = pc.if_else(of_it, pa.scalar(kept, pa.string()), label)
        return label, withheld

    def _spoken_of(self, key: str) -> bool:
        return key in self.kind and any(m.speaks_of(self.calendar[key]) for m in self.groupings)

    def _kept(self, key: str, label: str) -> str | None:
        """The label as it may be kept; None where it may be a name.

        Of a label that is declared by its beginning only that is kept: what follows may name a person.
        """
        if key not in self.kind:
            return None
        contest = self.calendar[key]
        spoken = [rule for m in self.groupings if m.speaks_of(contest) for rule in m.rules]
        matching = [rule for rule in spoken if rule.matches(contest, label)]
        if any(label in rule.labels for rule in matching):
            return label
        begun = [start for rule in matching for start in rule.prefixes if label.startswith(start)]
        if begun:
            # The longest: every grouping puts it where it puts the whole.
            return max(begun, key=len)
        # The name of a list may look like a nuance, and a surname of three letters, too.
        short = self.kind[key] != "list" and SHORT_CODE.match(label) is not None
        known = label.isdigit() or (not self._spoken_of(key) and self._is_known(label))
        return label if short and known else None

    def _is_known(self, label: str) -> bool:
        """Whether some contest of the territory has the label, of a candidate, a pair or a list."""
        labels = (one for grouping in self.groupings for rule in grouping.rules for one in rule.labels)
        return label in ANSWERS or any(_bare(one) == _bare(label) for one in labels)

    def _refuse(self, key: str, where: str, row: int) -> None:
        folder = f"configs/territories/{self.calendar.territory}/blocs"
        raise SourceError(
            f"a label of {key} is neither a nuance nor declared: not shown, it may be a name",
            where=f"{where}, row {row}",
            remedy=f"look at that row: declare the label in {folder}, or correct the file",
        )


def _bare(label: str) -> str:
    """The label without what tells that it is a list's or a pair's: LRN, BC-RN and RN are of one party."""
    return re.sub("^(?:BC-|M-|L)(?=[A-Z]{2})", "", label)
