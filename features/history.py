"""Deviations of stations from the nation at earlier contests, with their gaps filled, flagged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from isoloir.domain.ledger import Mask
from isoloir.domain.panel import Panel, Totals, Traced

Floats = NDArray[np.float64]

EXACT, REPAIRED, COMMUNE, DEPARTMENT, NONE = 0, 1, 2, 3, 4
"""Where a station's history comes from; repaired: from stations of other codes."""

SMOOTHING = 10.0
"""Pseudo-electors at the national figure keep a logit finite: their pull fades above a few dozen electors."""


@dataclass(frozen=True, slots=True)
class History:
    """Deviations from the nation [S × C (× B)] at the panel's contests, and their sources [S × C].

    ``turnout``: difference of logits. ``shares``: log of the bloc's share over its share where it stood; NaN
    where it stood neither in the station, nor its commune, nor its department. ``stood`` [C × B]: stood
    anywhere.
    """

    turnout: Floats
    turnout_from: NDArray[np.int8]
    shares: Floats
    stood: Mask


def smoothed_logit(voters: Floats, registered: Floats, national: Floats) -> Floats:
    """The logit of turnout, shrunk to ``national`` by :data:`SMOOTHING` pseudo-electors."""
    return np.asarray(logit((voters + SMOOTHING * national) / (registered + SMOOTHING)))


def build_history(panel: Panel, traced: Traced) -> History:
    """The history of the panel's stations as ``traced`` has it, gaps filled from commune, then department.

    A station's own deviation counts where it is known at all, however unsure: to mix it with the commune's by
    confidence was tried, and was worse at every French contest of 2017 and 2019.
    """
    turnout, came_from = _turnout(panel, traced)
    return History(turnout, came_from, _shares(panel, traced), panel.nation.valid_where[0] > 0)


def national_turnout(panel: Panel) -> Floats:
    """National turnout of each contest of the panel [C]."""
    return np.asarray(panel.nation.voters[0] / np.maximum(1, panel.nation.registered[0]))


def national_shares(panel: Panel) -> Floats:
    """Each bloc's share where it stood [C × B]; 0 where it stood nowhere."""
    return np.asarray(panel.nation.votes[0] / np.maximum(1, panel.nation.valid_where[0]))


def turnout_deviation(panel: Panel, voters: NDArray[np.integer], registered: NDArray[np.integer]) -> Floats:
    """Deviation from the nation's turnout [N × C] of counts of stations or areas at the panel's contests."""
    national = np.clip(national_turnout(panel), 1e-6, 1 - 1e-6)
    smoothed = smoothed_logit(voters.astype(np.float64), registered.astype(np.float64), national)
    return np.asarray(smoothed - logit(national))


def share_index(panel: Panel, votes: NDArray[np.integer], valid: NDArray[np.integer]) -> Floats:
    """Log of each bloc's share over the nation's [N × C × B] where it stood, smoothed as the turnout is."""
    national = np.maximum(national_shares(panel), 1e-9)
    share = (votes + SMOOTHING * national) / (valid + SMOOTHING)
    return np.asarray(np.log(np.maximum(share, 1e-6) / national))


def _turnout(panel: Panel, traced: Traced) -> tuple[Floats, NDArray[np.int8]]:
    def of_area(totals: Totals, row: NDArray[np.intp]) -> tuple[Floats, Mask]:
        return turnout_deviation(panel, totals.voters, totals.registered)[row], totals.registered[row] > 0

    own = traced.known
    commune, in_commune = of_area(panel.communes, panel.commune_row)
    department, in_department = of_area(panel.departments, panel.department_row)
    station = turnout_deviation(panel, traced.voters, traced.registered)
    filled = np.where(own, station, np.where(in_commune, commune, np.where(in_department, department, 0.0)))
    known = [own & traced.exact, own, in_commune, in_department]
    source = np.select(known, [EXACT, REPAIRED, COMMUNE, DEPARTMENT], NONE)
    return filled, source.astype(np.int8)


def _shares(panel: Panel, traced: Traced) -> Floats:
    covered = traced.known[:, :, None] & traced.standing & traced.shares_known[:, :, None]
    filled = np.full(traced.votes.shape, np.nan)
    for totals, row in ((panel.departments, panel.department_row), (panel.communes, panel.commune_row)):
        known = totals.valid_where[row] > 0
        filled = np.where(known, share_index(panel, totals.votes, totals.valid_where)[row], filled)
    station = share_index(panel, traced.votes, traced.valid[:, :, None])
    return np.where(covered, station, filled)
