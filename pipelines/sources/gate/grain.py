"""What a row stands for: nothing finer than a polling station comes in."""

from __future__ import annotations

from isoloir.domain.errors import PrivacyError

from .columns import SUM_UP


def refuse_finer(rows: int, places: int, most: float, what: str, where: str) -> None:
    """PrivacyError where there are more than ``most`` rows per place on average.

    ``what`` a row is to stand for, such as "stations": so many rows of one are persons, or addresses.
    """
    if places and rows > most * places:
        raise PrivacyError(
            f"{rows:,} rows of {places:,} {what}: this is finer than a polling station, as with one row per "
            "person, household, address or ballot",
            where=where,
            remedy=SUM_UP,
        )
