"""Forms of the texts that are kept: whatever else stands in a cell is refused, and never shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from isoloir.domain.errors import PrivacyError, SourceError

from .columns import SUM_UP
from .patterns import found_in, kind_of

LARGEST_COUNT = 10_000_000
"""No station or label has so many electors or votes; telephone numbers and days without dashes are above."""


def check_forms(table: pa.Table, forms: Mapping[str, re.Pattern[str]], where: str, before: int) -> None:
    """Refuse a cell that is not of its column's form, with its row.

    ``before``: rows of the file before these. PrivacyError where it tells of a person, else SourceError.
    Missing cells are of every form.
    """
    for name, form in forms.items():
        encoded = table[name].combine_chunks().dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        fits = pc.match_substring_regex(encoded.dictionary, f"^(?:{form.pattern})$")
        # RE2's $ is the end of the text, so a line break fits nothing.
        wrong = pc.indices_nonzero(pc.invert(fits))
        if len(wrong):
            _refuse(encoded, wrong, name, where, before)


def _refuse(encoded: pa.DictionaryArray, wrong: pa.Array, name: str, where: str, before: int) -> None:
    bad = pc.is_in(encoded.indices, value_set=wrong.cast(encoded.indices.type))
    rows = pc.indices_nonzero(bad)
    first = rows[0].as_py()
    kind = kind_of(encoded[first].as_py())
    place = f"{where}, row {before + first + 1}"
    if kind is not None:
        raise PrivacyError(
            f"this file tells of persons: the column of {name} holds {kind} (not shown)",
            where=place,
            remedy=SUM_UP,
        )
    raise SourceError(
        f"{len(rows)} row(s) hold no {name} as such codes are written (not shown: it may be a name)",
        where=place,
        remedy="correct the row, or fetch the file again",
    )


def check_counts(column: pa.ChunkedArray, name: str, where: str, before: int) -> None:
    """SourceError, with its row, on a count that no place has: a telephone number is one."""
    if not pa.types.is_integer(column.type) or not len(column):
        return
    most = pc.max(column).as_py()
    if most is not None and most > LARGEST_COUNT:
        first = pc.index(column, pa.scalar(most, column.type)).as_py()
        raise SourceError(
            f"the column of {name} holds what is no count: above {LARGEST_COUNT:,}",
            where=f"{where}, row {before + first + 1}",
            remedy="correct the row, or fetch the file again",
        )


def check_free(table: pa.Table, names: Iterable[str], where: str) -> None:
    """PrivacyError, with its row, where a text of these columns tells of a person, whatever its form."""
    for name in names:
        found = found_in(table[name])
        if found is not None:
            raise PrivacyError(
                f"this file tells of persons: the column of {name} holds {found.kind} (not shown)",
                where=f"{where}, row {found.row + 1}",
                remedy=SUM_UP,
            )
