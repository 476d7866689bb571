"""Set what was ingested beside the official national turnout: a round that misses it is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from isoloir.domain.national import NationalFigure

CLOSE_PP = 0.3
"""Percentage points within which the turnout of the stations is the official one."""


def beside_official(core: Path, partial: Sequence[str], figures: Sequence[NationalFigure]) -> list[str]:
    """One line for all whole contests of a core that agree with the official turnout, and one for each other.

    Contests without an official figure of the whole country, or that cover a part of the territory only, are
    not compared.
    """
    official = {f.key: f.turnout for f in figures if f.scope == "country" and f.turnout is not None}
    agree, said = 0, []
    for path in sorted(core.glob("*.parquet")):
        if path.stem not in official or path.stem in partial:
            continue
        table = pq.read_table(path, columns=["registered", "voters"])
        ours = pc.sum(table["voters"]).as_py() / max(1, pc.sum(table["registered"]).as_py())
        apart = 100 * (ours - official[path.stem])
        if abs(apart) <= CLOSE_PP:
            agree += 1
        else:
            there = official[path.stem]
            said.append(f"{path.stem}: turnout {ours:.2%} here, {there:.2%} officially ({apart:+.2f} pp)")
    if agree:
        said.insert(0, f"turnout of {agree} contest(s) is the official one, within {CLOSE_PP} pp")
    return said
