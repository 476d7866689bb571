"""Areas that became others: of which known areas a wanted one consists, or in which it lies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.facts import Movements
from isoloir.domain.station import Text, positions

Rows = NDArray[np.intp]
Steps = Mapping[str, list[str]]
"""From a code to those that it became, or that became it."""


def parts_of(wanted: Text, known: Text, movements: tuple[Movements, ...]) -> tuple[Rows, Rows]:
    """Pairs [P] of a row of ``wanted`` (distinct) and a row of ``known``: the areas whose figures serve it.

    It is the area of the same code, with those merged into it that ``known`` still has, unless they are
    wanted themselves; else the one it was merged into; else the one it was split from. A wanted area may
    have no pair. Of several tables of movements the newest counts.
    """
    same = positions(wanted, known)
    if not movements:
        left = np.flatnonzero(same >= 0).astype(np.intp)
        return left, same[left]
    onward, back = _steps(max(movements, key=lambda m: m.known_on))
    own, there = set(wanted.tolist()), {code: row for row, code in enumerate(known.tolist())}
    pairs = []
    for row, code in enumerate(wanted.tolist()):
        found = [there[code]] if code in there else []
        found += [there[c] for c in _reached(code, back, lambda c: c not in own) if c in there]
        for steps in (onward, back):
            if not found:
                found = [there[c] for c in _reached(code, steps, lambda c: True) if c in there][:1]
        pairs += [(row, one) for one in sorted(found)]
    both = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _reached(code: str, steps: Steps, through: Callable[[str], bool]) -> Iterator[str]:
    """The codes that ``code`` comes to, the nearest first, by steps on codes that are let ``through``."""
    seen, edge = {code}, [code]
    while edge:
        edge = sorted(
            {then for one in edge for then in steps.get(one, ()) if then not in seen and through(then)}
        )
        seen |= set(edge)
        yield from edge


def _steps(movements: Movements) -> tuple[Steps, Steps]:
    """Steps from old to new, and back, less what a later movement has undone."""
    latest: dict[tuple[str, str], int] = {}
    days = movements.held_on.astype("datetime64[D]").astype(np.int64)
    for old, new, day in zip(movements.old.tolist(), movements.new.tolist(), days.tolist(), strict=True):
        latest[old, new] = max(day, latest.get((old, new), day))
    onward, back = defaultdict(list), defaultdict(list)
    for (old, new), day in latest.items():
        if latest.get((new, old), day) <= day:
            onward[old].append(new)
            back[new].append(old)
    return onward, back
