"""Blocs: documented groups of political labels, mapped by dated rules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from .election import Contest
from .errors import SourceError

UNLABELLED = -1
"""The code of a candidate to whom no label was given: turnout is kept, shares are missing."""

LABEL_CODE = re.compile(r"^(?:[A-Z]{1,3}-)?[A-ZÆØÅ]{1,5}$|^[0-9]{1,3}$")
"""The form of a label code or a panel number; anything else may be a person's name and is never shown."""


@dataclass(frozen=True, slots=True)
class BlocRule:
    """Labels that belong to ``bloc`` (None: no label given), for contests held in [since, until].

    ``contests`` narrows the rule to named contests; a label matches exactly or by one of ``prefixes``.
    """

    bloc: str | None
    labels: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    contests: frozenset[str] = frozenset()
    since: date = date.min
    until: date = date.max

    def matches(self, contest: Contest, label: str) -> bool:
        """Whether this rule speaks of ``label`` in ``contest``."""
        if self.contests and contest.key not in self.contests:
            return False
        if not self.since <= contest.held_on <= self.until:
            return False
        return label in self.labels or any(label.startswith(p) for p in self.prefixes)


@dataclass(frozen=True, slots=True)
class BlocMap:
    """A grouping of labels into blocs: ``blocs`` in order, and rules of which the first match holds.

    ``version`` is part of a release's identity.
    """

    grouping: str
    version: int
    blocs: tuple[str, ...]
    rules: tuple[BlocRule, ...]

    def code_of(self, contest: Contest, label: str) -> int | None:
        """The position of the label's bloc, :data:`UNLABELLED`, or None if no rule speaks of it."""
        for rule in self.rules:
            if rule.matches(contest, label):
                return UNLABELLED if rule.bloc is None else self.blocs.index(rule.bloc)
        return None

    def codes(self, contest: Contest, labels: Sequence[str], *, where: str = "") -> NDArray[np.int8]:
        """Bloc codes of ``labels`` [L]; :class:`SourceError` on a label that no rule speaks of.

        The label itself is shown only where it has the form of a code: it may be a person's name.
        """
        found = [self.code_of(contest, label) for label in labels]
        unknown = [i for i, code in enumerate(found) if code is None]
        if unknown:
            shown = [labels[i] for i in unknown if LABEL_CODE.match(labels[i])]
            named = ", ".join(shown[:5]) if shown else "not shown (it may be a person's name)"
            folder = f"configs/territories/{contest.territory}/blocs"
            raise SourceError(
                f"{len(unknown)} label(s) of {contest.key} have no bloc in grouping "
                f"{self.grouping!r}: {named}",
                where=where,
                remedy=f"add a dated rule to {folder}/{self.grouping}.yaml",
            )
        return np.array(found, dtype=np.int8)
