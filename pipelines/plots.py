"""Pictures of a scorecard, as PNG: how far the champion was off, and how often its intervals held."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from isoloir.models.crowned import CHAMPION
from isoloir.models.registry import RULE_NAMES

Floats = NDArray[np.float64]

FLOOR, ALL, GIVEN = "noise_floor", "all", "given"
BEST_NAIVE = "best naive rule, in hindsight"
COVERED = (("turnout_coverage90", "turnout"), ("share_coverage90", "shares of the blocs that stood"))
NOMINAL = 0.9
ERRORS = {
    "turnout_mae_pp": "mean error of turnout, pp",
    "votes_misallocated": "votes misallocated, of 100",
}
INK, BLUE, ORANGE, GREY = "#222222", "#0072b2", "#d55e00", "#8a8a8a"
"""Told apart by the colour-blind, too (Okabe and Ito 2008); each has a mark of its own beside."""


def errors_picture(card: pd.DataFrame) -> bytes:
    """The champion's error at each target, the level given, beside the best naive rule's and the floor.

    ``card`` is a long scorecard: territory, target, model, level, metric, stratum, value.
    """
    told = card[(card["level"] == GIVEN) & (card["stratum"] == ALL)]
    figure = _figure(told["target"].nunique())
    for axes, (metric, label) in zip(figure.subplots(1, 2), ERRORS.items(), strict=True):
        _errors(axes, told[told["metric"] == metric], label)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle("Error at earlier targets, the national level given", color=INK)
    return _png(figure)


def coverage_picture(card: pd.DataFrame) -> bytes:
    """The part of the stations inside the champion's 90 % interval, by target: turnout, and shares."""
    told = card[(card["model"] == CHAMPION) & (card["level"] == GIVEN) & (card["stratum"] == ALL)]
    targets = _targets(told[told["metric"].isin([what for what, _ in COVERED])])
    figure = _figure(len(targets))
    for axes, (metric, label) in zip(figure.subplots(1, 2, sharex=True), COVERED, strict=True):
        part = told[told["metric"] == metric]
        _covered(axes, targets, [_values(part, "target", t) for t in targets], label)
    figure.suptitle("Part of the stations inside the champion's 90 % interval", color=INK)
    return _png(figure)


def _figure(rows: int) -> Figure:
    """A figure as high as its rows need."""
    return Figure(figsize=(9.0, max(3.6, 1.8 + 0.3 * rows)), layout="constrained")


def _values(card: pd.DataFrame, column: str, name: str) -> Floats:
    return card.loc[card[column] == name, "value"].dropna().to_numpy(dtype=np.float64)


def _targets(card: pd.DataFrame) -> list[str]:
    """The targets in the order of the scorecard, which is that of their days."""
    return [str(t) for t in card["target"].drop_duplicates()]


def _errors(axes: Axes, card: pd.DataFrame, label: str) -> None:
    targets = _targets(card)
    if not targets:
        return _nothing(axes)
    wide = card.pivot_table(index="target", columns="model", values="value").reindex(targets)
    naive = wide[[r for r in RULE_NAMES if r in wide]]
    rows = np.arange(len(targets))
    lines = {
        FLOOR: ("noise floor", GREY, "|"),
        BEST_NAIVE: (BEST_NAIVE, ORANGE, "d"),
        CHAMPION: ("champion, chosen before", BLUE, "o"),
    }
    wide = wide.assign(**{BEST_NAIVE: naive.min(axis=1)})
    for name, (said, colour, mark) in lines.items():
        if name in wide:
            axes.plot(wide[name], rows, mark, color=colour, label=said, markersize=8, mew=2, ls="none")
    farthest = wide[[name for name in lines if name in wide]].max(axis=1)
    axes.hlines(rows, 0, farthest, color=GREY, linewidth=0.5, zorder=0)
    axes.set_xlim(left=0)
    axes.set_xlabel(label)
    _rows(axes, targets)
    return None


def _covered(axes: Axes, names: Sequence[str], values: Sequence[Floats], label: str) -> None:
    if not names:
        return _nothing(axes)
    for at, some in enumerate(values):
        axes.plot(some, np.full(len(some), at), "o", color=BLUE, markersize=7, alpha=0.7)
    axes.axvline(NOMINAL, color=ORANGE, linewidth=1.2, zorder=0)
    lowest = min((float(v.min()) for v in values if len(v)), default=NOMINAL)
    axes.set_xlim(min(axes.get_xlim()[0], 0.7, lowest - 0.03), 1.01)
    axes.set_xlabel(label)
    _rows(axes, names)
    return None


def _rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK)


def _nothing(axes: Axes) -> None:
    axes.text(
        0.5, 0.5, "not in this scorecard", ha="center", va="center", color=GREY, transform=axes.transAxes
    )
    axes.set_axis_off()


def _png(figure: Figure) -> bytes:
    """The figure's bytes: the same for the same scorecard."""
    FigureCanvasAgg(figure)
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=110, metadata={"Software": None})
    return written.getvalue()
