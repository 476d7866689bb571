"""The page of a training: what was chosen, under which experiment, and how the champions of then did."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isoloir.configs.experiment import Experiment
from isoloir.models.saved import Mark, SavedModel

CARD = "model_card.md"


def regret_of(record: Sequence[Mark]) -> float:
    """The mean of error / least error of any candidate − 1 at earlier targets; NaN where there is none."""
    regrets = [mark.error / max(mark.least, 1e-9) - 1 for mark in record]
    finite = [regret for regret in regrets if np.isfinite(regret)]
    return float(np.mean(finite)) if finite else float("nan")


def training_card(turnout: SavedModel, swing: SavedModel, experiment: Experiment) -> str:
    """Markdown: the champion, the experiment, and a table of the earlier targets for each quantity."""
    lines = [
        f"# {turnout.target.key}: training",
        "",
        f"Turnout by `{turnout.model.name}`, shares by `{swing.model.name}`, chosen by least mean regret at "
        f"{len(turnout.record)} earlier target(s).",
        f"Experiment: {experiment.name} ({experiment.about}), digest {experiment.digest}.",
    ]
    if experiment.candidates:
        lines.append(f"Only these might become champion: {', '.join(experiment.candidates)}.")
    if experiment.without:
        lines.append(f"Left out: {', '.join(experiment.without)}.")
    for title, model in (("turnout error, pp", turnout), ("votes misallocated, %", swing)):
        lines += [
            "",
            f"| earlier target | {title} | least of any candidate | 90 % interval held |",
            "|---|---|---|---|",
            *(_row(mark) for mark in model.record),
            "",
            f"Mean regret: {regret_of(model.record):.1%}.",
        ]
    lines += ["", "Each was forecast from what was public before it, the national figures given.", ""]
    return "\n".join(lines)


def _row(mark: Mark) -> str:
    held = "–" if mark.coverage90 is None else f"{mark.coverage90:.0%}"
    return f"| {mark.contest} | {mark.error:.2f} | {mark.least:.2f} | {held} |"
