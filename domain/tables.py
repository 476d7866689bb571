"""Columns and tables, each declared once: what they hold, in which unit and range, and of what a row is.

Types, files, checks and the data dictionary follow from the declaration. A table whose rows are persons or
households cannot be declared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from .errors import PrivacyError

DType = Literal["text", "count", "number", "flag"]
"""Text, a 32-bit whole number, a 64-bit float, or true and false. Declared, never inferred."""

GRAINS = ("station", "pair of stations", "unit", "unit × contest", "area", "contest", "contest × model")
"""All that a row may stand for. Nothing here is finer than a polling station."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its type, unit (share, pp, logit, log, count, code, …), range and what it says."""

    name: str
    dtype: DType
    unit: str
    text: str
    nullable: bool = False
    low: float | None = None
    high: float | None = None
    since: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """A table by its columns and its ``grain``; :class:`PrivacyError` for a grain not in :data:`GRAINS`.

    ``key``: the columns that tell its rows apart, by which they are sorted, missing values first. ``since``,
    of a table as of a column: the minor version of the schema that brought it.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    since: int = 0

    def __post_init__(self) -> None:
        if self.grain not in GRAINS:
            raise PrivacyError(
                f"a table with one row per {self.grain} can't be declared",
                where=self.name,
                remedy=f"sum it up to one of: {', '.join(GRAINS)}",
            )
        names = [c.name for c in self.columns]
        if len(set(names)) < len(names):
            raise ValueError(f"{self.name}: a column is declared twice")
        if not set(self.key) <= set(names):
            raise ValueError(f"{self.name}: its key is of columns that it lacks")

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(c.name for c in self.columns)

    def as_of(self, minor: int) -> Table:
        """The table as a release of that minor version of the schema has it."""
        return replace(self, columns=tuple(c for c in self.columns if c.since <= minor))
