"""All attacks on one release."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from .across import across
from .columns import personal_columns
from .differencing import differencing
from .finding import Attacked
from .homogeneity import homogeneity
from .opened import opened
from .public import NOTHING, Public
from .rows import person_rows
from .singling import singling_out
from .words import free_text

SHOWN = 10
"""Findings of an attack that the screen shows."""


def attacks(release: Path, public: Public = NOTHING) -> tuple[Attacked, ...]:
    """Every attack on the release in a folder, by somebody who knows ``public`` beside it.

    ReleaseError where the folder is none. Nothing in it is changed.
    """
    looked_at = opened(release)
    return (
        singling_out(looked_at, public),
        *differencing(looked_at, public),
        across(looked_at, public),
        homogeneity(looked_at),
        personal_columns(looked_at),
        person_rows(looked_at, public),
        free_text(looked_at, public),
    )


def lines(done: Iterable[Attacked]) -> list[str]:
    """What the attacks tried and found, for a person."""
    out = []
    for one in done:
        widths = ""
        if one.least_width is not None and one.most_width is not None:
            widths = f", known within {one.least_width:.4g} to {one.most_width:.4g} persons"
        out.append(f"{one.attack}: {one.tried} tried, {len(one.found)} found{widths}")
        out += [f"  note: {note}" for note in one.notes]
        out += [f"  found: {finding.line()}" for finding in one.found[:SHOWN]]
        if len(one.found) > SHOWN:
            out.append(f"  … and {len(one.found) - SHOWN} more (all with --json)")
    return out


def told(done: Iterable[Attacked]) -> list[dict[str, object]]:
    """The same as values for JSON."""
    return [asdict(one) for one in done]
