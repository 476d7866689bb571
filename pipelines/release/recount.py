"""What is wrong with the abstention, ranks, tiers and reserves of a table of units, from that table alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

CLOSE = 1e-9


def recounted(table: pd.DataFrame, blocs: list[str], valid_rate: float) -> list[str]:
    """A line for each thing that does not follow from the columns beside it."""
    index = 1 - table["turnout_pred"] - table["abstention_structural_share"]
    beyond = table["abstention_conjunctural_share"]
    tests = {
        "conjunctural abstention is not what the structural leaves": not _same(index.clip(lower=0), beyond),
        "a rank is not that of the abstention beside it": not all(
            _is_ranked(table, index, area) for area in ("department", "constituency")
        ),
        "a tier does not hold a quarter of the electors, or not the right ones": not _in_tiers(table, index),
        "a reserve is not its bloc's part of the conjunctural abstainers": not all(
            _same(
                beyond * table["registered"] * valid_rate * table[f"share_{b}_pred"],
                table[f"reserve_{b}_votes"],
            )
            for b in blocs
        ),
        "a reserve lies outside its assumptions": not all(_is_held(table, b) for b in blocs),
    }
    return [what for what, failed in tests.items() if failed]


def _same(one: pd.Series, other: pd.Series) -> bool:
    return bool(np.allclose(one, other, rtol=CLOSE, atol=CLOSE, equal_nan=True))


def _is_ranked(table: pd.DataFrame, index: pd.Series, area: str) -> bool:
    name = f"rank_{area}"
    rank = index.groupby(table[f"{area}_code"]).rank(method="min", ascending=False)
    low, high = table[f"{name}_lo90"], table[f"{name}_hi90"]
    held = (low >= 1) & (low <= table[name]) & (table[name] <= high)
    return _same(rank, table[name]) and bool((held | rank.isna()).all())


def _in_tiers(table: pd.DataFrame, index: pd.Series) -> bool:
    """Each tier has a quarter, give or take a unit, and no unit with more than one of the tier before."""
    if not (table["tier"].isna() == index.isna()).all():
        return False
    known = table.assign(index=index).dropna(subset="index")
    if not len(known):
        return True
    by = known.groupby("tier")
    held = by["registered"].sum().reindex(list("ABCD"), fill_value=0)
    far = (held - known["registered"].sum() / 4).abs().max() > known["registered"].max()
    ends = by["index"].agg(["min", "max"]).sort_index()
    return (
        set(known["tier"]) <= set("ABCD")
        and not far
        and bool((ends["min"].to_numpy()[:-1] >= ends["max"].to_numpy()[1:]).all())
    )


def _is_held(table: pd.DataFrame, bloc: str) -> bool:
    low, said, high = (table[f"reserve_{bloc}{end}_votes"] for end in ("_low", "", "_high"))
    return bool((said.isna() | ((low <= said + CLOSE) & (said <= high + CLOSE))).all())
