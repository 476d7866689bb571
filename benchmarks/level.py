"""Hold the carried national level (models/level.py) against every round since 1990, from what was before it.

Reads the national figures of configs/ alone. First the recipes that were tried, by the mean log density of
the logit of turnout at the rounds before 2020, on which RECIPE was chosen; then, for each target, the 90 %
band, its width, the truth and the number of earlier changes; then coverage. Rounds of 2020 and after stand
apart: nothing was chosen on them. Second rounds forecast before their first are counted by themselves.

    python benchmarks/level.py
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product

import numpy as np
from scipy.special import logit
from scipy.stats import t as student

from isoloir.configs.load import load_territory
from isoloir.configs.national import load_national
from isoloir.domain.election import AsOf, Contest
from isoloir.domain.national import NationalFigure, NationalSeries
from isoloir.models.level import RECIPE, Level, Recipe, level_of

TERRITORIES, SINCE, CHOSEN_BEFORE = ("fr", "dk"), date(1990, 1, 1), date(2020, 1, 1)
BALLOT = timedelta(days=120)
TRIED = [Recipe(*r) for r in product((3.0, 4.0, 6.0), (0.0, 0.3, 0.6, 1.0, 1.5), (0.0, 3.0, np.inf))]


@dataclass(frozen=True, slots=True)
class Judged:
    """A round and what was said of it before."""

    territory: str
    figure: NationalFigure
    level: Level

    @property
    def band(self) -> tuple[float, float]:
        return self.level.quantile(0.05), self.level.quantile(0.95)

    @property
    def held(self) -> bool:
        return self.band[0] <= self.figure.turnout <= self.band[1]

    @property
    def density(self) -> float:
        off = logit(self.figure.turnout) - logit(self.level.turnout)
        spread = self.level.spread
        return float(student.logpdf(off / spread.scale, spread.df) - np.log(spread.scale))

    def line(self) -> str:
        f, count = self.figure, len(self.level.spread.changes)
        said = f"{self.territory} {f.key:13} from {self.level.source:13} {count:3}  "
        if not self.level.estimable:
            return f"{said} level not estimable             {100 * f.turnout:5.1f}"
        low, high = (100 * b for b in self.band)
        inside = "yes" if self.held else "NO"
        return f"{said} {low:5.1f} to {high:5.1f}  {high - low:5.1f} pp  {100 * f.turnout:5.1f}  {inside}"


def judged(territory: str, figures: Sequence[NationalFigure], recipe: Recipe, early: bool) -> list[Judged]:
    """Every round since 1990 that has a carried level; ``early``: second rounds before their first."""
    series, said = NationalSeries(tuple(figures)), []
    for f in figures:
        first = [g for g in figures if (g.kind, g.round) == (f.kind, 1)]
        first = [g for g in first if timedelta(0) < f.held_on - g.held_on <= BALLOT] if f.round == 2 else []
        if f.held_on < SINCE or (early and not first):
            continue
        cut = AsOf(first[0].held_on if early else f.held_on)
        level = level_of(series.known(cut), Contest("", f.key, f.kind, f.round, f.held_on), recipe)
        if level is not None:
            said.append(Judged(territory, f, level))
    return said


def everything(recipe: Recipe, early: bool = False) -> list[Judged]:
    """Every round of every territory."""
    series = {t: load_national(load_territory(t)) for t in TERRITORIES}
    return [one for t, figures in series.items() for one in judged(t, figures, recipe, early)]


def summary(title: str, some: Iterable[Judged]) -> str:
    """How many of the estimable ones were held, and the mean width of the band."""
    known = [one for one in some if one.level.estimable]
    if not known:
        return f"{title:42} none"
    widths = [100 * (one.band[1] - one.band[0]) for one in known]
    held = sum(one.held for one in known)
    missed = np.mean([100 * abs(one.figure.turnout - one.level.turnout) for one in known])
    share = f"{held} of {len(known)} held ({held / len(known):.0%})"
    return f"{title:42} {share:23} width {np.mean(widths):4.1f} pp, mean error {missed:4.1f} pp"


def recipes() -> list[str]:
    """Each recipe tried, best first."""
    rows = []
    for recipe in TRIED:
        before = [one for one in everything(recipe) if one.figure.held_on < CHOSEN_BEFORE]
        known = [one for one in before if one.level.estimable]
        used = "  in use" if recipe == RECIPE else ""
        density = np.mean([one.density for one in known])
        held = np.mean([one.held for one in known])
        rows.append((density, f"log density {density:+.3f}, held {held:.0%} of {len(known)}: {recipe}{used}"))
    return [line for _, line in sorted(rows, reverse=True)]


def main() -> None:
    print(f"recipes, at rounds before {CHOSEN_BEFORE.year}", *recipes(), "", sep="\n")
    usual, early = everything(RECIPE), everything(RECIPE, early=True)
    print("target, carried from, earlier changes, 90 % band, width, truth, inside")
    for apart in (False, True):
        print(f"-- rounds of {CHOSEN_BEFORE.year} and after" if apart else "-- rounds before")
        print(*(one.line() for one in usual if (one.figure.held_on >= CHOSEN_BEFORE) == apart), sep="\n")
    print("-- second rounds forecast before their first", *(one.line() for one in early), "", sep="\n")
    kinds = sorted({(one.territory, one.figure.kind, one.figure.round) for one in usual})
    for t, kind, turn in kinds:
        some = [o for o in usual if (o.territory, o.figure.kind, o.figure.round) == (t, kind, turn)]
        print(summary(f"{t} {kind} t{turn}", some))
    for title, some in (("all", usual), ("second rounds forecast before their first", early)):
        print(summary(title, some))
        print(summary("  before 2000", [o for o in some if o.figure.held_on.year < 2000]))
        print(summary("  2000 to 2019", [o for o in some if 2000 <= o.figure.held_on.year < 2020]))
        print(summary("  2020 and after", [o for o in some if o.figure.held_on.year >= 2020]))
        print(summary("  2000 and after", [o for o in some if o.figure.held_on.year >= 2000]))


if __name__ == "__main__":
    main()
