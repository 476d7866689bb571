"""Bring a forecast under the disclosure policy: what may be published, of which units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isoloir.domain.errors import PrivacyError
from isoloir.domain.forecast import Floats, Forecast, Scenario
from isoloir.domain.ledger import Mask, Notice
from isoloir.domain.privacy import Policy, Sums, is_protected
from isoloir.domain.units import Units, coarsened
from isoloir.models.clip import clipped
from isoloir.models.reconcile import combined


def protected(
    forecast: Forecast,
    notice: Notice,
    scenario: Scenario,
    fixed: Units,
    policy: Policy,
    place: Floats | None = None,
) -> tuple[Units, Forecast]:
    """The units that may be published, each whole ones of ``fixed``, and the forecast whose units they are.

    Units whose own figures are exposed are joined to others until none is. The forecast is clipped, and its
    published stations meet the scenario by themselves. PrivacyError where nothing is left to publish.
    """
    units, kept = fixed, fixed.kept
    ahead = _alone(forecast, notice, scenario, kept, policy)
    while True:
        exposed, reason = _exposed(units, notice, ahead, policy)
        if not exposed.any():
            return units, ahead
        # Joining units ends: each time there are fewer of them, or fewer stations.
        units = coarsened(Units(units.head, reason), notice.stations, exposed, place)
        if (units.kept != kept).any():
            kept = units.kept
            ahead = _alone(forecast, notice, scenario, kept, policy)


def _exposed(units: Units, notice: Notice, ahead: Forecast, policy: Policy) -> tuple[Mask, np.ndarray]:
    """Stations [S] whose unit may not be published as it is, and why each station is protected now [S]."""
    rows = np.flatnonzero(units.kept)
    heads, unit = np.unique(units.head[rows], return_inverse=True)

    def summed(values: np.ndarray) -> Floats:
        return np.bincount(unit, values[rows].astype(np.float64), len(heads)).astype(np.float64)

    blocs = range(len(notice.blocs))
    stands = np.stack([summed(notice.standing[:, b]) for b in blocs], axis=1) > 0
    sums = Sums(
        summed(notice.registered),
        summed(ahead.turnout * notice.registered),
        np.stack([summed(ahead.shares[:, b] * ahead.expected_valid) for b in blocs], axis=1),
        stands.sum(axis=1) > 1,
        np.stack([summed(notice.registered * notice.standing[:, b]) for b in blocs], axis=1),
    )
    why, reason = sums.why_exposed(policy)[unit], units.reason.astype(object)
    reason[rows] = np.where((why != "") & ~is_protected(units.reason[rows]), why, reason[rows])
    inside = is_protected(reason[rows].astype(np.str_)) & (np.bincount(unit)[unit] > 1)
    open_ = np.zeros(len(heads), np.bool_)
    members = rows[inside]
    hidden = sums.hides(unit[inside], notice.registered[members], notice.standing[members], policy)
    open_[unit[inside][~hidden]] = True
    exposed = np.zeros(len(units.head), np.bool_)
    exposed[rows] = (why != "") | open_[unit]
    return exposed, reason.astype(np.str_)


def _alone(forecast: Forecast, notice: Notice, scenario: Scenario, kept: Mask, policy: Policy) -> Forecast:
    """The forecast, clipped, and moved so that it meets the scenario without the stations that are withheld.

    Were they counted, the scenario less the units would tell what is forecast of them.
    """
    if not kept.any():
        raise PrivacyError(
            "under this scenario every station is too small to be published",
            remedy="correct the scenario's turnout, or the floors in release.yaml",
        )
    if kept.all():
        return clipped(forecast, notice, scenario, policy.least)
    published = replace(notice, registered=np.where(kept, notice.registered, 0).astype(np.int32))
    moved = combined(forecast.turnout, forecast.shares, published, scenario)
    return clipped(moved, published, scenario, policy.least)
