"""Votes of earlier labels given to the blocs that inherit them, under stated assumptions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .ledger import Counts
from .scenario import Inheritance


def weights_of(
    inheritances: Sequence[Inheritance], contest: str, label: str, blocs: Sequence[str]
) -> NDArray[np.float64] | None:
    """The weight [B] with which each bloc inherits ``label`` of the contest; None if nothing is said of it.

    The weights sum to 1. What nothing is said of stays with the bloc that the grouping puts it in.
    """
    for one in inheritances:
        if one.label == label and contest in one.contests:
            heirs = dict(one.heirs)
            return np.array([heirs.get(bloc, 0.0) for bloc in blocs])
    return None


def parted(votes: Counts, weights: NDArray[np.float64]) -> Counts:
    """The ``votes`` [S] as whole votes of the blocs [S × B] by ``weights`` [B], each station's sum kept.

    By largest remainder at each station (Hamilton); of equal remainders the earlier bloc's counts first.
    """
    exact = votes[:, None].astype(np.float64) * weights
    # A part that is whole but for the last bit of a float stays whole.
    whole = np.floor(exact + 1e-9)
    left = votes - whole.sum(axis=1).astype(np.int64)
    order = np.argsort(whole - exact, axis=1, kind="stable")
    extra = np.zeros_like(whole)
    np.put_along_axis(extra, order, (np.arange(len(weights)) < left[:, None]).astype(np.float64), axis=1)
    return (whole + extra).astype(np.int32)
