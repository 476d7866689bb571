"""What the champion's joint draws and its national level were worth at a past target, as scorecards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isoloir.domain.forecast import Band, Scenario
from isoloir.domain.ledger import Outcomes
from isoloir.models.area_draws import Grouping, covered, drawn
from isoloir.models.backtest import level_given
from isoloir.models.crowned import CHAMPION, Crowned
from isoloir.models.draws import draws
from isoloir.models.intervals import ALPHAS, Calibration, parts_of, plain_bounds
from isoloir.models.level import turnout_band
from isoloir.models.scorecard import coverage, long_table
from isoloir.models.spread import Errors

PLAIN = "champion_plain_conformal"
"""The champion's turnout with intervals of one width per size class."""


def with_areas(one: Crowned, errors: Sequence[Errors], learnt: Calibration) -> list[pd.DataFrame]:
    """What the champion's joint draws held of departments, constituencies and communes, level given.

    And plain split conformal beside its intervals of stations: what these are worth.
    """
    fold, stations = one.fold, one.fold.matrix.notice.stations
    outcomes, notice, parts = fold.outcomes, fold.matrix.notice, parts_of(fold.matrix)
    if not errors:
        return []
    forecast = one.forecast
    groupings = {
        name: _grouping(codes)
        for name, codes in (
            ("departments", stations.department_code),
            ("constituencies", stations.constituency_code),
            ("communes", stations.commune_code),
        )
    }
    ways = draws(forecast, notice, parts, learnt, level_given(outcomes))
    made = drawn(ways, notice.registered, list(groupings.values()))
    tables = [
        covered(CHAMPION, said, grouping, outcomes, alpha, name)
        for (name, grouping), said in zip(groupings.items(), made, strict=True)
        for alpha in ALPHAS
        if grouping.count
    ]
    width = plain_bounds([e.turnout for e in errors], notice.registered.astype(np.float64), 0.1)
    bare = Band(
        np.clip(forecast.turnout - width, 0, 1),
        np.clip(forecast.turnout + width, 0, 1),
        forecast.shares,
        forecast.shares,
    )
    plain = coverage(PLAIN, "given", 0.1, bare, outcomes)
    return [*tables, plain[plain["metric"].str.startswith("turnout")]]


def _grouping(codes: NDArray[np.str_]) -> Grouping:
    """The areas of some codes; stations whose code is unknown are in none."""
    known = codes != ""
    areas, row = np.unique(codes[known], return_inverse=True)
    out = np.full(len(codes), -1, np.intp)
    out[known] = row
    return Grouping(out, len(areas))


def national_card(carried: Scenario, outcomes: Outcomes) -> pd.DataFrame:
    """The carried national turnout with its 90 % band, the truth, and of how many changes it was learnt."""
    low, high = turnout_band(carried) if carried.turnout_sd > 0 else (np.nan, np.nan)
    rows = [
        ("national_turnout", "nation", carried.turnout),
        ("national_turnout_lo90", "nation", low),
        ("national_turnout_hi90", "nation", high),
        ("national_turnout_actual", "nation", outcomes.turnout()),
        ("national_changes", "nation", float(carried.changes or 0)),
    ]
    return long_table(rows, CHAMPION, "carried", outcomes)
