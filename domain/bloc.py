"""Blocs: documented groups of political labels, mapped by dated rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from .election import Contest
from .errors import SourceError

UNLABELLED = -1
"""The code of a candidate to whom no label was given: turnout is kept, shares are missing."""

LABEL_CODE = re.compile(r"^(?:[A-Z]{1,3}-)?[A-ZÆØÅ]{1,5}$|^[0-9]{1,3}$")
"""What a person may write as a label in an offer; anything else may be a person's name."""

SHORT_CODE = re.compile(r"^(?:L|BC-|M-)?[A-Z]{2,3}\Z|^[A-ZÆØÅ]\Z|^[0-9]{1,3}\Z")
"""The form of an official short code (LR, LDVG, BC-UGE), a party's letter or a panel number.

Narrower than :data:`LABEL_CODE`, as ROUX and LEROY are surnames: four letters only after the L of a list.
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """The contests that a grouping speaks of.

    Held from ``since`` on, among ``contests`` if any are named, and none of ``without``.
    """

    since: date = date.min
    contests: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()

    def reaches(self, key: str, held_on: date) -> bool:
        """Whether the contest ``key`` is one of them."""
        named = not self.contests or key in self.contests
        return named and key not in self.without and self.since <= held_on


EVERYTHING = Scope()


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

    ``version`` is part of a release's identity. Beyond ``scope`` nothing is grouped: shares are missing.
    """

    grouping: str
    version: int
    blocs: tuple[str, ...]
    rules: tuple[BlocRule, ...]
    scope: Scope = EVERYTHING

    def speaks_of(self, contest: Contest) -> bool:
        """Whether every label of ``contest`` must have a bloc here; where not, none has."""
        return self.scope.reaches(contest.key, contest.held_on)

    def code_of(self, contest: Contest, label: str) -> int | None:
        """The position of the label's bloc, :data:`UNLABELLED`, or None if no rule speaks of it."""
        if not self.speaks_of(contest):
            return None
        for rule in self.rules:
            if rule.matches(contest, label):
                return UNLABELLED if rule.bloc is None else self.blocs.index(rule.bloc)
        return None

    def shows(self, label: str) -> bool:
        """Whether ``label`` may stand in a message: a short code by its form, or written out in a rule."""
        return bool(SHORT_CODE.match(label)) or any(label in rule.labels for rule in self.rules)

    def codes(self, contest: Contest, labels: Sequence[str], *, where: str = "") -> NDArray[np.int8]:
        """Bloc codes of ``labels`` [L]; :class:`SourceError` on a label that no rule speaks of.

        The label itself is shown only where :meth:`shows` allows it, else its place among ``labels``.
        """
        folder = f"configs/territories/{contest.territory}/blocs"
        if not self.speaks_of(contest):
            raise SourceError(
                f"grouping {self.grouping!r} does not speak of {contest.key}",
                where=where,
                remedy=f"choose another grouping, or widen the scope in {folder}/{self.grouping}.yaml",
            )
        found = [self.code_of(contest, label) for label in labels]
        unknown = [i for i, code in enumerate(found) if code is None]
        if unknown:
            shown = [labels[i] if self.shows(labels[i]) else f"number {i + 1} (not shown)" for i in unknown]
            raise SourceError(
                f"{len(unknown)} label(s) of {contest.key} have no bloc in grouping "
                f"{self.grouping!r}: {', '.join(shown[:5])}",
                where=where,
                remedy=f"add a dated rule to {folder}/{self.grouping}.yaml",
            )
        return np.array(found, dtype=np.int8)


TURNOUT_ONLY = BlocMap("turnout", 1, (), (), Scope(since=date.max))
"""The grouping of a territory whose results state no labels: no blocs, and it speaks of no contest."""


def unspoken(blocs: BlocMap, contests: Iterable[Contest]) -> tuple[str, ...]:
    """Keys of the ``contests`` that the grouping does not speak of: turnout holds, shares are missing."""
    return tuple(contest.key for contest in contests if not blocs.speaks_of(contest))
