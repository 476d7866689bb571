"""Every model that may become champion; a naive rule may win, and is then what gets published."""

from __future__ import annotations

from dataclasses import dataclass

from .baselines import POOLED, PRIOR, RULES
from .boosting import Boosting
from .protocol import StationModel
from .swing import BoostedShares
from .turnout import BoostedTurnout


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """The settings of the learned models: turnout, and the shares of blocs."""

    turnout: Boosting
    swing: Boosting


def candidates(settings: ModelSettings) -> tuple[StationModel, ...]:
    """The candidates, unfitted: ours first, then the naive rules."""
    return (PRIOR, POOLED, BoostedTurnout(settings.turnout), BoostedShares(settings.swing), *RULES)


RULE_NAMES = tuple(rule.name for rule in RULES)
"""The names of the naive rules."""
