"""Where the station's people live: housing, work, incomes, as published before the cut and never withheld."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .catalogue import context_feature
from .figures import centred, first_known, layers_of, leveled
from .view import Place

Floats = NDArray[np.float64]

COLUMNS = (
    *("owner_share", "unemployment_share", "poverty_share", "median_income", "declared_pension_share"),
    *("elderly_share", "graduate_share", "density", "growth"),
)
"""The figures that features are made of, and of which the flags tell."""


@context_feature("share", low=0, high=1)
def census_owner_share(place: Place) -> Floats:
    """Part of the homes lived in by their owner; missing where not public."""
    return _figure(place, "owner_share")


@context_feature("share", low=0, high=1)
def census_unemployment(place: Place) -> Floats:
    """Unemployed people over those who work or look for work; missing where not public."""
    return _figure(place, "unemployment_share")


@context_feature("share", low=0, high=1)
def census_poverty(place: Place) -> Floats:
    """Part of the people below the poverty line; missing where not public, as in most small communes."""
    return _figure(place, "poverty_share")


@context_feature("log")
def census_median_income(place: Place) -> Floats:
    """Log of the median income over the mean of all electors' areas; missing where not public."""
    registered = place.notice.registered
    layers = leveled(layers_of(place.context, place.notice.stations, "median_income"), registered)
    return centred(first_known(layers, len(registered))[0], registered)


@context_feature("share", low=0, high=1)
def census_pensions(place: Place) -> Floats:
    """Part of pensions in the declared incomes; missing where not public."""
    return _figure(place, "declared_pension_share")


@context_feature("share", low=0, high=1)
def census_elderly(place: Place) -> Floats:
    """Part of the people who are 65 or older; missing where not public."""
    return _figure(place, "elderly_share")


@context_feature("share", low=0, high=1)
def census_graduates(place: Place) -> Floats:
    """Part of the adults out of school who have a degree of higher education; missing where not public."""
    return _figure(place, "graduate_share")


@context_feature("log", low=0)
def census_density(place: Place) -> Floats:
    """Log of 1 and the inhabitants per km²; missing where not public."""
    return np.asarray(np.log1p(_figure(place, "density")))


@context_feature("log")
def census_growth(place: Place) -> Floats:
    """Log of the yearly growth of the population between two censuses; missing where not public."""
    # A commune that lost everybody has no log.
    return np.asarray(np.log1p(np.maximum(_figure(place, "growth"), -0.99)))


@context_feature("flag", low=0, high=1)
def census_withheld(place: Place) -> Floats:
    """1 where a figure of the station's areas is missing because its publisher keeps it secret."""
    length = len(place.notice.stations)
    secret = np.zeros(length, np.bool_)
    for column in COLUMNS:
        layers = layers_of(place.context, place.notice.stations, column)
        missing = np.isnan(first_known(layers, length)[0])
        for layer in layers:
            secret |= missing & layer.withheld
    return secret.astype(np.float64)


@context_feature("code", low=0, high=2)
def census_fallback(place: Place) -> Floats:
    """Coarsest source of the station's figures: 0 its own cells, 1 its commune; 2 where it has none."""
    length = len(place.notice.stations)
    sources = [first_known(layers_of(place.context, place.notice.stations, c), length)[1] for c in COLUMNS]
    coarsest = np.full(length, -1.0)
    for source in sources:
        coarsest = np.where(source < 2, np.maximum(coarsest, source), coarsest)
    return np.where(coarsest < 0, 2.0, coarsest)


def _figure(place: Place, column: str) -> Floats:
    layers = layers_of(place.context, place.notice.stations, column)
    return first_known(layers, len(place.notice.stations))[0]
