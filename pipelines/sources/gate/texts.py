"""Free text that a release repeats: what has the form of personal data is refused; a name can't be told."""

from __future__ import annotations

from isoloir.domain.errors import PrivacyError

from .patterns import kind_of


def refuse_text(text: str, where: str) -> None:
    """PrivacyError if something in ``text``, which stands at ``where``, tells of a person by its form."""
    kind = kind_of(text)
    if kind is not None:
        raise PrivacyError(
            f"this text holds {kind} (not shown)",
            where=where,
            remedy="say where the figures are from, and nothing of a person: releases repeat it",
        )
