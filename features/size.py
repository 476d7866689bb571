"""How large a station was at the contest that swings are counted from: what disclosure control asks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isoloir.domain.ledger import Counts

from .catalogue import feature
from .view import View

Floats = NDArray[np.float64]


@feature("count", low=0)
def reference_registered(view: View) -> Floats:
    """Electors on the roll at the reference contest; missing where no past of the station's own is known."""
    panel, at = view.panel, view.reference
    return _least(view, panel.followed.registered[:, at], panel.by_code.registered[:, at])


@feature("count", low=0)
def reference_valid(view: View) -> Floats:
    """Valid votes at the reference contest; missing where no past of the station's own is known."""
    panel, at = view.panel, view.reference
    return _least(view, panel.followed.valid[:, at], panel.by_code.valid[:, at])


def _least(view: View, followed: Counts, by_code: Counts) -> Floats:
    """The smaller of the two: who looks a station up finds that of its code, whosever electors these were."""
    found = []
    for traced, counts in ((view.panel.followed, followed), (view.panel.by_code, by_code)):
        found.append(np.where(traced.known[:, view.reference], counts.astype(np.float64), np.nan))
    return np.asarray(np.fmin(*found))
