"""What a feature may look at: a past and a notice of poll, and what follows from these two alone."""

from __future__ import annotations

from dataclasses import dataclass

from isoloir.domain.election import Contest, first_round_among
from isoloir.domain.facts import Context
from isoloir.domain.ledger import Notice, Past
from isoloir.domain.panel import Panel, build_panel

from .history import History, build_history


@dataclass(frozen=True, slots=True)
class Place:
    """A notice's stations, and what was public of the areas they lie in: nothing of any result."""

    notice: Notice
    context: Context


@dataclass(frozen=True, slots=True)
class View:
    """A past carried to the notice's stations.

    ``plain`` joins stations by equal codes, as naive rules do; ``followed`` follows them
    through renumberings, splits and mergers. ``reference`` is the
    panel's column of the contest that swings are counted from, and ``first_round`` that of the first round of
    the same ballot, or -1.
    """

    notice: Notice
    panel: Panel
    plain: History
    followed: History
    reference: int
    first_round: int


def look(past: Past, notice: Notice, reference_key: str | None) -> View:
    """The view of a notice's contest; the past must hold at least one contest.

    Where the past lacks the reference contest: the last one of the same kind and round, else the last.
    """
    panel = build_panel(past, notice)
    first = first_round_among(panel.contests, notice.contest)
    return View(
        notice=notice,
        panel=panel,
        plain=build_history(panel, panel.by_code),
        followed=build_history(panel, panel.followed),
        reference=_reference(panel.contests, notice.contest, reference_key),
        first_round=-1 if first is None else panel.position(first),
    )


def _reference(past: tuple[Contest, ...], target: Contest, key: str | None) -> int:
    same = [i for i, c in enumerate(past) if (c.kind, c.round) == (target.kind, target.round)]
    named = [i for i, c in enumerate(past) if c.key == key]
    return (named or same or [len(past) - 1])[-1]
