"""Every model that may become champion; a naive rule may win, and is then what gets published."""

from __future__ import annotations

from dataclasses import dataclass

from .baselines import POOLED, PRIOR, RULES
from .boosting import Boosting
from .layered import LAYERED, LAYERED_KIND, LAYERED_MEAN
from .protocol import StationModel
from .selection import CENSUS
from .swing import BoostedShares
from .transition import Transition
from .transport import Transported
from .turnout import BoostedTurnout


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """The settings of the learned models: turnout, and the shares of blocs."""

    turnout: Boosting
    swing: Boosting


def candidates(settings: ModelSettings, *, census: bool, shares: bool = True) -> tuple[StationModel, ...]:
    """The candidates, unfitted: ours first, then the naive rules.

    With ``census``, the trees that use it are among them; without ``shares``, no model of shares alone is.
    """
    learned: tuple[StationModel, ...] = (BoostedTurnout(settings.turnout), BoostedShares(settings.swing))
    if census:
        learned += (
            BoostedTurnout(settings.turnout.with_census(), name=f"boosted_turnout{CENSUS}"),
            BoostedShares(settings.swing.with_census(), name=f"boosted_shares{CENSUS}"),
        )
    ours = (Transported(),) if shares else ()
    used = (model for model in learned if shares or not isinstance(model, BoostedShares))
    return (PRIOR, POOLED, LAYERED, LAYERED_MEAN, LAYERED_KIND, Transition(), *ours, *used, *RULES)


def is_taught(model: StationModel) -> bool:
    """Whether a fitted model is what it is meant to be: one of second rounds is none before it saw one."""
    return not isinstance(model, Transition) or model.taught


RULE_NAMES = tuple(rule.name for rule in RULES)
"""The names of the naive rules."""
