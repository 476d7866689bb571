"""The layered prior of turnout: departments, communes in them, stations in these, each with their own past.

    turnout deviation = department(t) + commune(t) + station(t),    each kriged over contests (kriging.py)

The two upper layers reach further back than stations do: contests of which only communes are known count, and
renumbering does not touch them. What is not known of a layer is 0: the place is as what lies around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from isoloir.domain.election import Contest

from .catalogue import feature
from .history import national_turnout, smoothed_logit, turnout_deviation
from .kriging import Kernel, Kriged, kriged
from .view import View

Floats = NDArray[np.float64]
Counted = NDArray[np.int64]

# By maximum likelihood on contests before 2020: `python benchmarks/choose_turnout.py` prints them.
# Departments have 0.1 more in common than was found: their level comes from their past, not the nation.
DEPARTMENT_KERNEL = Kernel(
    common=0.1132, slow=0.0033, fast=0.0008, kind=0.0046, kind_slow=0.0006, round=0.0004,
    ballot=0.0004, season=0.0003, nugget=0.0016,
)  # fmt: skip
COMMUNE_KERNEL = Kernel(
    common=0.0387, slow=0.0123, fast=0.0010, kind=0.0139, kind_slow=0.0020, round=0.0005,
    ballot=0.0008, season=0.0003, nugget=0.0016,
)  # fmt: skip
STATION_KERNEL = Kernel(
    common=0.0318, slow=0.0045, fast=0.0014, kind=0.0016, kind_slow=0.0015, round=0.0004,
    ballot=0.0016, season=0.0006, nugget=0.0005,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layers:
    """What the upper layers were at D contests, those known by commune only last; ``nation`` [D] is turnout.

    ``communes`` [G × D] and ``departments`` [H × D] are deviations from the nation; electors beside them.
    """

    contests: tuple[Contest, ...]
    nation: Floats
    communes: Floats
    commune_registered: Counted
    departments: Floats
    department_registered: Counted
    department_of: NDArray[np.intp]


def layers_of(view: View) -> Layers:
    """The upper layers of a view; departments are summed from communes where only these are known."""
    panel = view.panel
    coarse, communes, departments = panel.coarse, panel.communes, panel.departments
    of = panel.commune_department
    counts = []
    for summed, own in ((coarse.registered, departments.registered), (coarse.voters, departments.voters)):
        total = np.zeros((len(departments.codes), len(coarse.contests)), np.int64)
        np.add.at(total, of, summed)
        counts.append(np.concatenate((own, total), axis=1))
    nation = np.concatenate((national_turnout(panel), coarse.nation))
    commune_registered = np.concatenate((communes.registered, coarse.registered), axis=1)
    commune_voters = np.concatenate((communes.voters, coarse.voters), axis=1)
    return Layers(
        (*panel.contests, *coarse.contests),
        nation,
        _deviation(commune_voters, commune_registered, nation),
        commune_registered,
        _deviation(counts[1], counts[0], nation),
        counts[0],
        of,
    )


def _deviation(voters: Counted, registered: Counted, nation: Floats) -> Floats:
    level = np.clip(nation, 1e-6, 1 - 1e-6)
    counted = voters.astype(np.float64), registered.astype(np.float64)
    return np.asarray(smoothed_logit(*counted, level) - logit(level))


def _kriged(view: View) -> tuple[Kriged, ...]:
    """What each layer says at the stations: departments, communes in them, stations in these."""
    layers, target, panel = layers_of(view), view.notice.contest, view.panel
    above, contests, nation = layers.departments[layers.department_of], layers.contests, layers.nation
    departments = kriged(
        DEPARTMENT_KERNEL, contests, target, layers.departments, layers.department_registered, nation
    )
    communes = kriged(
        COMMUNE_KERNEL, contests, target, layers.communes - above, layers.commune_registered, nation
    )
    last = len(panel.contests)
    # A station that came from elsewhere may have a past where its commune has none.
    counted = np.where(panel.communes.registered[panel.commune_row] > 0, panel.followed.registered, 0)
    own = view.followed.turnout - layers.communes[panel.commune_row, :last]
    stations = kriged(STATION_KERNEL, panel.contests, target, own, counted, nation[:last])
    rows = ((departments, panel.department_row), (communes, panel.commune_row))
    return (*(Kriged(one.mean[row], one.variance[row]) for one, row in rows), stations)


@feature("logit")
def turnout_layered(view: View) -> Floats:
    """The layered prior's deviation of turnout: the department's, its commune's, the station's in that."""
    return np.asarray(np.sum([layer.mean for layer in _kriged(view)], axis=0))


@feature("logit²", low=0)
def turnout_variance(view: View) -> Floats:
    """The variance that the layered prior leaves, summed over its layers."""
    return np.asarray(np.sum([layer.variance for layer in _kriged(view)], axis=0))


@feature("logit")
def first_round_department(view: View) -> Floats:
    """The department's deviation at the first round of the same ballot; missing for a first round."""
    return _first(view, _of_first(view)[0])


@feature("logit")
def first_round_commune(view: View) -> Floats:
    """What set the commune apart from its department in that round; missing for a first round."""
    department, commune = _of_first(view)
    return _first(view, commune - department)


@feature("logit")
def first_round_station(view: View) -> Floats:
    """What set the station apart from its commune in that round; missing for a first round."""
    return _first(view, view.followed.turnout[:, view.first_round] - _of_first(view)[1])


ORPHAN_PRIOR = 50.0
"""Valid votes at its commune's shares that a station's own of the first round are mixed with."""


@feature("share", low=0, high=1)
def orphaned_share(view: View) -> Floats:
    """Part of the first round's votes that went to blocs that do not stand now; missing for a first round."""
    panel, at = view.panel, view.first_round
    votes = panel.communes.votes[panel.commune_row, at]
    # The valid votes of a commune are also those of stations whose shares are not known.
    around = votes / np.maximum(1, votes.sum(axis=1, keepdims=True))
    own = panel.followed
    known = np.where(own.shares_known[:, at], own.valid[:, at], 0)
    mixed = np.where(known[:, None] > 0, own.votes[:, at], 0) + ORPHAN_PRIOR * around
    gone = (mixed * ~view.notice.standing).sum(axis=1) / (known + ORPHAN_PRIOR)
    return _first(view, gone)


def _of_first(view: View) -> tuple[Floats, Floats]:
    """Deviations of department and commune at the first round [S]; an unknown commune is its department."""
    panel, at = view.panel, view.first_round
    departments = turnout_deviation(panel, panel.departments.voters, panel.departments.registered)
    communes = turnout_deviation(panel, panel.communes.voters, panel.communes.registered)
    department = departments[panel.department_row, at]
    known = panel.communes.registered[panel.commune_row, at] > 0
    return department, np.where(known, communes[panel.commune_row, at], department)


def _first(view: View, values: Floats) -> Floats:
    return values if view.first_round >= 0 else np.full(len(view.notice.stations), np.nan)
