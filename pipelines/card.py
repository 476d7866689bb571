"""The scorecard of a backtest as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from isoloir.models.crowned import CHAMPION

MOST_COLUMNS = 12
"""Targets that are shown side by side; more are shown one below the other."""

METRICS = (("turnout_mae_pp", "turnout error, pp"), ("votes_misallocated", "votes misallocated, %"))
"""The metrics, and what a title calls them."""


def shown(scorecard: pd.DataFrame) -> str:
    """The scorecard over all stations, one table per metric and level that it has: models by targets."""
    return "\n".join(line for title, table in _tables(scorecard) for line in (f"\n{title}", table))


def _tables(scorecard: pd.DataFrame) -> Iterator[tuple[str, str]]:
    overall = scorecard[scorecard["stratum"] == "all"]
    of_champion = overall[(overall["model"] == CHAMPION) & (overall["level"] == "given")]
    for metric, unit in METRICS:
        for level in ("given", "carried"):
            part = overall[(overall["metric"] == metric) & (overall["level"] == level)]
            yield from _table(f"{unit}, national level {level}", part, "model", 2)
        part = of_champion[of_champion["metric"] == f"{metric}_carried_roll"]
        yield from _table(
            f"{unit}, champion, level given, with the roll of an earlier contest", part, "model", 2
        )
    part = of_champion[of_champion["metric"].str.contains("coverage|width")]
    title = "champion's intervals, level given: part of the stations held, mean width in pp"
    yield from _table(title, part, "metric", 3)


def _table(title: str, part: pd.DataFrame, index: str, digits: int) -> Iterator[tuple[str, str]]:
    if not part.empty:
        table = part.pivot(index=index, columns="target", values="value").round(digits)
        yield title, (table if table.shape[1] <= MOST_COLUMNS else table.T).to_string()
