"""The layered prior (features/layered.py), alone and pooled with naive rules; shares are the prior's."""

from __future__ import annotations

from .baselines import Carried

LAYERED = Carried("layered", ("layered",), shares=("prior",))
"""Departments, communes and stations, each with their own past."""

LAYERED_MEAN = Carried("layered_mean", ("layered", "layered", "mean_deviation"), shares=("prior",))
"""Two parts of it, and one of the mean of all past deviations."""

LAYERED_KIND = Carried("layered_kind", ("layered", "same_kind"), shares=("prior",))
"""It and the last contest of the same kind, in equal parts."""
