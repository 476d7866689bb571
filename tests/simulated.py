"""Errors of forecasts drawn from the model of models/spread.py, for tests of what is learnt from errors."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from isoloir.models.spread import Sample


def simulated(
    seed: int,
    scale: tuple[float, float] = (1.0, 0.5),
    components: tuple[float, float, float] = (0.3, 0.3, 0.4),
    size: float = 0.02,
    electors: tuple[int, int] = (100, 1500),
    areas: tuple[int, int, int] = (60, 20, 4),
) -> Sample:
    """Errors drawn from the model: departments, communes in each, stations in each of these."""
    departments, communes, each = areas
    rng, count = np.random.default_rng(seed), departments * communes * each
    department = np.repeat(np.arange(departments), communes * each)
    commune = np.repeat(np.arange(departments * communes), each)
    parts = size * rng.uniform(0.2, 2, (count, 2))
    shared = np.sqrt(parts @ scale)
    step = (
        np.sqrt(components[0]) * rng.standard_normal(departments)[department]
        + np.sqrt(components[1]) * rng.standard_normal(departments * communes)[commune]
        + np.sqrt(components[2]) * rng.standard_normal(count)
    )
    counted = rng.integers(*electors, count)
    said = expit(rng.normal(0, 0.5, count))
    voted = rng.binomial(counted, expit(logit(said) + shared * step))
    return Sample(said, voted / counted, counted.astype(np.float64), parts, commune, department)
