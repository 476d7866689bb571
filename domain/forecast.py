"""What a forecast is made from, what it is conditional on, and what it says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .ledger import Notice

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class National:
    """The national figures of an earlier contest: ``turnout``, and ``shares`` [B] where each bloc stood."""

    contest: str
    turnout: float
    shares: Floats
    valid_rate: float


@dataclass(frozen=True, slots=True)
class FeatureMatrix:
    """One row per station of the notice, one named column per feature: ``values`` [S × F].

    ``reference`` holds the national figures of the contest that swings are counted from. ``past`` names the
    contests that were known. Nothing in it was public on the day of the notice's contest or later.
    """

    notice: Notice
    names: tuple[str, ...]
    values: Floats
    reference: National
    past: tuple[str, ...]

    def column(self, name: str) -> Floats:
        """The feature ``name`` [S]."""
        return self.values[:, self.names.index(name)]

    def columns(self, names: tuple[str, ...]) -> Floats:
        """Several features [S × N], in that order."""
        return self.values[:, [self.names.index(n) for n in names]]

    def per_bloc(self, stem: str) -> Floats:
        """A feature that has one column per bloc [S × B]."""
        return self.columns(tuple(f"{stem}_{bloc}" for bloc in self.notice.blocs))


@dataclass(frozen=True, slots=True)
class AreaFigures:
    """Figures of one area: ``level`` is ``department`` or ``constituency``, ``area`` its code.

    ``turnout`` and ``shares`` (one per bloc, summing to 1) in [0, 1]; None where nobody stated them.
    """

    level: str
    area: str
    turnout: float | None
    shares: tuple[float, ...] | None

    @property
    def name(self) -> str:
        """The area as a message names it."""
        return f"{self.level} {self.area}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """The national figures that a forecast is conditional on, and those of areas.

    ``turnout`` (voters / registered) and ``shares`` [B] (of valid votes, summing to 1) in [0, 1];
    ``valid_rate`` is valid votes / voters. ``level`` is ``given``, ``carried`` or ``partly``: whether
    somebody stated the figures or the reference contest's were carried; ``source`` says who or which.
    ``slack`` is the largest miss of a share that is taken where the shares can't be met: 0, but for a
    backtest, whose shares came about under another turnout than the one that is forecast.

    How sure the figures are: ``turnout_sd`` is the scale of the logit of turnout, ``shares_sd`` that of the
    log of each share before they are brought back to a sum of 1, both of a Student t of ``df`` degrees of
    freedom about the figures; None: Gaussian, of which they are the standard deviations. 0: taken for known.
    ``changes``: of how many earlier changes of national turnout its spread was learnt; None: it was not
    learnt. Not ``estimable``: figures were carried, and no spread of theirs could be learnt.

    ``areas`` have figures of their own. ``turnout_scope`` and ``shares_scope`` are the codes of the
    departments that the national figures are of; () is the whole country.
    """

    name: str
    level: str
    source: str
    turnout: float
    shares: Floats
    valid_rate: float
    slack: float = 0.0
    turnout_sd: float = 0.0
    shares_sd: float = 0.0
    df: float | None = None
    changes: int | None = None
    estimable: bool = True
    areas: tuple[AreaFigures, ...] = ()
    turnout_scope: tuple[str, ...] = ()
    shares_scope: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Forecast:
    """A forecast per station, row for row with the notice: ``turnout`` [S] and ``shares`` [S × B] in [0, 1].

    ``expected_valid`` [S] are the valid votes that the shares are weighted by. Shares sum to 1 where any bloc
    stands; a bloc that does not stand has 0.
    """

    turnout: Floats
    shares: Floats
    expected_valid: Floats


@dataclass(frozen=True, slots=True)
class Band:
    """Bounds of intervals: ``turnout`` [S] and ``shares`` [S × B], lower and upper, in [0, 1]."""

    turnout_lo: Floats
    turnout_hi: Floats
    shares_lo: Floats
    shares_hi: Floats
