"""What tells of a person by its form: e-mail, telephone, social security number, account, address, birth.

A name has no form that tells it from a place or a party: that is why columns that are kept have forms of
their own (see :mod:`.cells`), and why the others are never kept, whatever this finds.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc
from stdnum import iban
from stdnum.dk import cpr
from stdnum.fr import nir

EMAIL = "an e-mail address"
PHONE = "a telephone number"
SECURITY = "a social security number"
ACCOUNT = "a bank account"
ADDRESS = "a postal address"
BIRTH = "a date of birth"

MOST = 20_000
"""Distinct texts of a column that are looked at one by one, of those that may be something."""

# The digits of a fraction are no number of their own.
_START, _END = "(?<![0-9])(?<![0-9][.,])", "(?![.,]?[0-9])"
_AT = r"(?:@|\s?[(\[]\s?(?:at|arobase)\s?[)\]]\s?)"
_EMAIL = rf"[\w+-][\w.+-]*{_AT}[\w-]+(?:\.[\w-]+)+"
_INTERNATIONAL = rf"(?:\+|{_START}00)[1-9][0-9]{{0,2}}[ .()/-]{{0,2}}[0-9][0-9 .()/-]{{6,16}}"
_NATIONAL = rf"{_START}0[1-9](?:[ .-]?[0-9]{{2}}){{4}}{_END}"
_SECURITY = (
    rf"{_START}[1-478] ?[0-9]{{2}} ?(?:0[1-9]|1[0-2]|[2-9][0-9]) ?(?:2[AB]|[0-9]{{2}}) ?"
    rf"[0-9]{{3}} ?[0-9]{{3}}(?: ?[0-9]{{2}})?{_END}"
)
_CPR = rf"{_START}[0-3][0-9][01][0-9]{{3}}-[0-9]{{4}}{_END}"
_ACCOUNT = r"\b[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]{4}){3,7}(?: ?[0-9A-Z]{1,4})?\b"
_WAY = (
    "rue|avenue|av|bd|bld|boulevard|chemin|impasse|all[ée]e|place|route|quai|cours|square|passage|lotissement|"
    "r[ée]sidence|hameau|lieu[ -]dit|street|road|lane"
)
_ADDRESS = rf"(?:^|[^0-9])[0-9]{{1,4}} ?(?:bis|ter|quater|[a-d])?,? +(?:{_WAY})\.? +[^\W\d_]"
_YEAR, _MONTH, _DAY_OF = "(?:19|20)[0-9]{2}", "(?:0[1-9]|1[0-2])", "[0-3][0-9]"
_DAY = f"(?:{_YEAR}[-/.]{_MONTH}[-/.]{_DAY_OF}|{_DAY_OF}[-/.]{_MONTH}[-/.]{_YEAR})"
_BIRTH = rf"(?:\bn[ée](?:\(?e\)?)?\b|\bborn\b|\bnaissance\b|\bf[øo]dt\b)[^0-9]{{0,20}}{_DAY}"

_FORMS = tuple(
    (kind, re.compile(form, re.IGNORECASE))
    for kind, form in (
        (EMAIL, _EMAIL),
        (SECURITY, _SECURITY),
        (SECURITY, _CPR),
        (PHONE, _INTERNATIONAL),
        (PHONE, _NATIONAL),
        (ACCOUNT, _ACCOUNT),
        (ADDRESS, _ADDRESS),
        (BIRTH, _BIRTH),
    )
)
_MAY_BE = r"(?i)@|\bat\b|arobase|[0-9](?:[ .()/-]{0,2}[0-9]){8}|[0-9] ?[a-z]*,? +[a-z]|[a-zé)] .*[0-9]{4}"
"""What every one of the forms has in it: most texts have it not."""

_FRACTION = r"^-?[0-9]{0,9}[.,][0-9]+(?:[eE][+-]?[0-9]+)?$"
"""A figure with its fraction, whose digits look like anything."""

_ONLY_DAY = re.compile(_DAY)
FEW_DAYS, YEARS_APART = 5, 15
"""So many days, so many years apart, in a column of days alone: votes are not that long apart in one file."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found first in a column, and in which of its rows, from 0."""

    kind: str
    row: int


def kind_of(text: str) -> str | None:
    """What in ``text`` tells of a person; None if nothing does that has a form."""
    plain = unicodedata.normalize("NFKC", text)
    for kind, form in _FORMS:
        for match in form.finditer(plain):
            if _is_one(kind, match[0]):
                return kind
    return None


def found_in(column: pa.ChunkedArray) -> Found | None:
    """The first of a column's texts or numbers in which something tells of a person; None if none does."""
    text = _as_text(column)
    if text is None:
        return None
    encoded = pc.utf8_normalize(text, form="NFKC").combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    distinct = encoded.dictionary
    maybe = pc.match_substring_regex(distinct, _MAY_BE)
    fraction = pc.match_substring_regex(distinct, _FRACTION)
    likely = pc.indices_nonzero(pc.and_(maybe, pc.invert(fraction)).fill_null(False))
    for place in likely.to_pylist()[:MOST]:
        kind = kind_of(distinct[place].as_py())
        if kind is not None:
            return Found(kind, pc.index(encoded.indices, pa.scalar(place, encoded.indices.type)).as_py())
    return Found(BIRTH, 0) if _days_of_lives(distinct) else None


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """The column as text; None where it holds fractions, days or what has no text."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)):
        return None
    return column.cast(pa.string())


def _days_of_lives(distinct: pa.Array) -> bool:
    """Whether the texts are days, and as far apart as those of births are."""
    some = [text.strip() for text in distinct[:1000].to_pylist() if text and text.strip()]
    days = [text for text in some if _ONLY_DAY.fullmatch(text)]
    if len(days) < FEW_DAYS or len(days) < 0.9 * len(some):
        return False
    years = [int(year) for text in days for year in re.findall("(?:19|20)[0-9]{2}", text)[:1]]
    return max(years) - min(years) >= YEARS_APART


def _is_one(kind: str, text: str) -> bool:
    """Whether what has the form is one, where a check of its digits or the plan of numbers tells."""
    if kind == PHONE:
        return _is_phone(text.strip())
    if kind == SECURITY:
        digits = re.sub("[^0-9AB]", "", text.upper())
        # Without its two digits of control nothing but the form is left.
        return cpr.is_valid(digits) if len(digits) == 10 else len(digits) == 13 or nir.is_valid(digits)
    return iban.is_valid(text) if kind == ACCOUNT else True


def _is_phone(text: str) -> bool:
    plain = re.sub("^[^0-9+]+|[^0-9]+$", "", text)
    try:
        number = phonenumbers.parse(re.sub("^00", "+", plain), "FR")
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_possible_number(number)
