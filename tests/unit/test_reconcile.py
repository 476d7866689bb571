"""Forecasts meet national figures exactly, or say why they cannot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, rel_entr

from isoloir.domain.errors import ConfigError
from isoloir.models.reconcile import meet_shares, meet_turnout

SEED = st.integers(0, 2**32 - 1)


@given(seed=SEED, turnout=st.floats(0.01, 0.99), stations=st.integers(1, 40))
def test_turnout_meets_its_total(seed: int, turnout: float, stations: int) -> None:
    rng = np.random.default_rng(seed)
    registered = rng.integers(1, 2000, stations, dtype=np.int32)
    met = meet_turnout(rng.normal(0, 1.5, stations), registered, turnout)
    assert met @ registered / registered.sum() == pytest.approx(turnout, abs=1e-9)
    assert ((met > 0) & (met < 1)).all()


@given(seed=SEED, stations=st.integers(1, 30), blocs=st.integers(2, 6))
def test_shares_meet_their_totals_and_the_offer(seed: int, stations: int, blocs: int) -> None:
    rng = np.random.default_rng(seed)
    standing = rng.random((stations, blocs)) < 0.7
    standing[:, 0] = True
    standing[0] = True
    weight = rng.uniform(1, 1000, stations)
    # Targets made from shares inside the offer: so there is an answer.
    some = np.where(standing, rng.uniform(0.1, 1, standing.shape), 0)
    shares = weight @ (some / some.sum(axis=1, keepdims=True)) / weight.sum()
    met = meet_shares(rng.normal(0, 1, standing.shape), weight, shares, standing)
    assert np.abs(weight @ met / weight.sum() - shares).max() < 1e-9
    assert np.abs(met.sum(axis=1) - 1).max() < 1e-9
    assert (met[~standing] == 0).all()
    assert ((met >= 0) & (met <= 1)).all()


def test_deviations_that_meet_the_total_already_are_left_alone() -> None:
    deviation = np.array([-0.3, 0.1, 0.8])
    registered = np.array([100, 200, 300], np.int32)
    total = float(registered @ expit(deviation) / 600)
    assert meet_turnout(deviation, registered, total) == pytest.approx(expit(deviation), abs=1e-12)


def test_shares_agree_with_an_independent_solver() -> None:
    """Proportional fitting is the least relative entropy to the start under the same totals."""
    score = np.array([[0.5, -0.2, 0.1], [-1.0, 0.3, 0.6]])
    weight, shares = np.array([300.0, 700.0]), np.array([0.2, 0.5, 0.3])
    met = meet_shares(score, weight, shares, np.ones((2, 3), np.bool_))
    mass = (weight / weight.sum())[:, None]
    start = mass * np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
    found = minimize(
        lambda x: rel_entr(x.reshape(2, 3), start).sum(),
        start.ravel(),
        method="SLSQP",
        bounds=[(1e-9, 1)] * 6,
        constraints=[
            {"type": "eq", "fun": lambda x: x.reshape(2, 3).sum(axis=1) - mass[:, 0]},
            {"type": "eq", "fun": lambda x: x.reshape(2, 3).sum(axis=0)[:2] - shares[:2]},
        ],
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert found.success
    assert met == pytest.approx(found.x.reshape(2, 3) / mass, abs=1e-5)


def test_a_target_beyond_the_stations_where_the_bloc_stands_is_refused() -> None:
    standing = np.array([[True, True], [True, False]])
    with pytest.raises(ConfigError, match="no station shares meet"):
        meet_shares(np.zeros((2, 2)), np.array([1.0, 3.0]), np.array([0.5, 0.5]), standing)


def test_a_station_where_only_blocs_without_votes_stand_is_refused() -> None:
    standing = np.array([[True, True], [False, True]])
    with pytest.raises(ConfigError, match="give every bloc that stands a share"):
        meet_shares(np.zeros((2, 2)), np.array([1.0, 1.0]), np.array([1.0, 0.0]), standing)


def test_a_station_where_nobody_stands_offers_every_bloc() -> None:
    standing = np.array([[True, True], [False, False]])
    met = meet_shares(np.zeros((2, 2)), np.array([1.0, 1.0]), np.array([0.4, 0.6]), standing)
    assert met == pytest.approx(np.array([[0.4, 0.6], [0.4, 0.6]]), abs=1e-9)
