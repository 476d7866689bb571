"""Areas meet figures of their own beside the nation's, or it is said why they cannot."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit, rel_entr
from worlds import TARGET

from isoloir.domain.errors import ConfigError
from isoloir.domain.forecast import AreaFigures, Forecast, Scenario
from isoloir.domain.ledger import Notice
from isoloir.domain.station import Stations
from isoloir.models.reconcile import combined, meet_shares, meet_turnout, reconciled

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
SEED = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class World:
    """Deviations at stations of departments 01 (constituencies 0101, 0102), 02 (0201) and 03 (unknown)."""

    notice: Notice
    turnout: Floats
    score: Floats

    def met(self, scenario: Scenario) -> Forecast:
        return reconciled(self.turnout, self.score, self.notice, scenario)

    def rows(self, area: AreaFigures | None, scope: tuple[str, ...] = ()) -> Mask:
        """The stations of an area, or of the nation as far as figures are of it."""
        stations = self.notice.stations
        if area is None:
            everywhere = np.ones(len(stations), np.bool_)
            return np.isin(stations.department_code, scope) if scope else everywhere
        codes = stations.department_code if area.level == "department" else stations.constituency_code
        return np.asarray(codes == area.area)


def world(rng: np.random.Generator, stations: int = 8, blocs: int = 3) -> World:
    """Bloc 0 stands everywhere, the others at random, and all of them at the first two of every kind."""
    where = np.sort(np.arange(stations) % 4)
    departments, constituencies = (
        np.array(c)[where] for c in (["01", "01", "02", "03"], ["0101", "0102", "0201", ""])
    )
    standing = rng.random((stations, blocs)) < 0.7
    standing[:, 0] = True
    standing[np.arange(stations) % max(2, stations // 4) < 2] = True
    ids = np.array([f"{n:05d}" for n in range(stations)])
    registered = rng.integers(50, 1500, stations).astype(np.int32)
    names = tuple(f"b{b}" for b in range(blocs))
    notice = Notice(
        TARGET, names, Stations(ids, ids, departments, constituencies), registered, standing, "", ""
    )
    return World(notice, rng.normal(0, 0.7, stations), rng.normal(0, 0.7, (stations, blocs)))


def attainable(rng: np.random.Generator, w: World, areas: list[tuple[str, str]]) -> Scenario:
    """Figures that some turnout and shares within the offer have, so that there is an answer."""
    turnout = rng.uniform(0.2, 0.9, len(w.turnout))
    some = np.where(w.notice.standing, rng.uniform(0.1, 1, w.score.shape), 0)
    shares = some / some.sum(axis=1, keepdims=True)
    registered = w.notice.registered.astype(np.float64)

    def rate(rows: Mask) -> float:
        return float(turnout[rows] @ registered[rows] / registered[rows].sum())

    # The shares are met under the reconciled turnout: the valid votes of then are needed for their totals.
    named = [AreaFigures(level, code, 0.5, None) for level, code in areas]
    named = [replace(one, turnout=rate(w.rows(one))) for one in named]
    nation = np.ones(len(turnout), np.bool_)
    scenario = Scenario(
        "s", "given", "s", rate(nation), np.eye(w.score.shape[1])[0], 0.97, areas=tuple(named)
    )
    weight = w.met(replace(scenario, shares=np.zeros(0))).expected_valid

    def mean(rows: Mask) -> tuple[float, ...]:
        return tuple((weight[rows] @ shares[rows] / weight[rows].sum()).tolist())

    named = [replace(one, shares=mean(w.rows(one))) for one in named]
    return replace(scenario, shares=np.array(mean(nation)), areas=tuple(named))


AREAS = st.lists(
    st.sampled_from(
        [("department", "01"), ("department", "02"), ("constituency", "0101"), ("constituency", "0201")]
    ),
    unique=True,
    max_size=4,
)


def stated(w: World, scenario: Scenario, weight: Floats, figures: Floats) -> tuple[Floats, Floats]:
    """One row of parts of ``weight`` per figure [N × S], and what it comes to: the nation's, each area's."""
    rows = np.array([w.rows(None), *(w.rows(area) for area in scenario.areas)])
    parts = np.where(rows, weight / weight.sum(), 0.0)
    # All of department 02 is constituency 0201: stated of both, the figure is one.
    kept = np.unique(parts, axis=0, return_index=True)[1]
    return parts[kept], (figures * parts.sum(axis=1, keepdims=True))[kept]


@settings(deadline=None)
@given(seed=SEED, areas=AREAS)
def test_turnout_is_the_nearest_that_meets_the_figures(seed: int, areas: list[tuple[str, str]]) -> None:
    """Against SLSQP: the least relative entropy of a vote at each station, the stated totals met."""
    w = world(np.random.default_rng(seed))
    scenario = attainable(np.random.default_rng(seed + 1), w, areas)
    figures = np.array([[scenario.turnout], *([a.turnout] for a in scenario.areas)])
    registered = w.notice.registered.astype(np.float64)
    parts, sums = stated(w, scenario, registered, figures)
    start, mass = expit(w.turnout), registered / registered.sum()
    found = minimize(
        lambda p: float(mass @ (rel_entr(p, start) + rel_entr(1 - p, 1 - start))),
        start,
        jac=lambda p: mass * (logit(p) - logit(start)),
        method="SLSQP",
        bounds=[(1e-6, 1 - 1e-6)] * len(start),
        constraints=[{"type": "eq", "fun": lambda p: parts @ p - sums[:, 0], "jac": lambda _: parts}],
        options={"ftol": 1e-16, "maxiter": 1000},
    )
    assert parts @ found.x == pytest.approx(sums[:, 0], abs=1e-9)
    assert w.met(scenario).turnout == pytest.approx(found.x, abs=1e-6)


@settings(deadline=None)
@given(seed=SEED, areas=AREAS)
def test_shares_are_the_nearest_that_meet_the_figures(seed: int, areas: list[tuple[str, str]]) -> None:
    """Against SLSQP: the least relative entropy of the blocs that stand, totals and rows of 1 met."""
    w = world(np.random.default_rng(seed))
    scenario = attainable(np.random.default_rng(seed + 1), w, areas)
    met = w.met(scenario)
    assert (met.shares[~w.notice.standing] == 0).all()
    figures = np.array([scenario.shares, *(a.shares for a in scenario.areas)])
    parts, sums = stated(w, scenario, met.expected_valid, figures)
    station, bloc = np.nonzero(w.notice.standing)
    strength = np.where(w.notice.standing, np.exp(w.score), 0)
    start = (strength / strength.sum(axis=1, keepdims=True))[station, bloc]
    mass = (met.expected_valid / met.expected_valid.sum())[station]
    # The first bloc, which stands everywhere, follows from the rest and the rows of 1.
    wanted = [(parts[:, station] * (bloc == b), sums[:, b]) for b in range(1, w.score.shape[1])]
    wanted.append((np.eye(len(w.score))[:, station], np.ones(len(w.score))))
    A, b = np.vstack([a for a, _ in wanted]), np.concatenate([b for _, b in wanted])
    found = minimize(
        lambda p: float(mass @ rel_entr(p, start)),
        start,
        jac=lambda p: mass * (np.log(p / start) + 1),
        method="SLSQP",
        bounds=[(1e-9, 1)] * len(start),
        constraints=[{"type": "eq", "fun": lambda p: A @ p - b, "jac": lambda _: A}],
        options={"ftol": 1e-16, "maxiter": 1000},
    )
    assert A @ found.x == pytest.approx(b, abs=1e-9)
    assert met.shares[station, bloc] == pytest.approx(found.x, abs=1e-6)


@given(seed=SEED, areas=AREAS, stations=st.integers(8, 60), blocs=st.integers(2, 6))
def test_every_figure_and_the_offer_are_kept(
    seed: int, areas: list[tuple[str, str]], stations: int, blocs: int
) -> None:
    w = world(np.random.default_rng(seed), stations, blocs)
    scenario = attainable(np.random.default_rng(seed + 1), w, areas)
    met, registered = w.met(scenario), w.notice.registered
    for area in (None, *scenario.areas):
        rows, turnout, shares = w.rows(area), scenario.turnout, scenario.shares
        if area is not None:
            assert area.turnout is not None and area.shares is not None
            turnout, shares = area.turnout, np.array(area.shares)
        weight = met.expected_valid[rows]
        assert met.turnout[rows] @ registered[rows] / registered[rows].sum() == pytest.approx(
            turnout, abs=1e-9
        )
        assert weight @ met.shares[rows] / weight.sum() == pytest.approx(shares, abs=1e-9)
    assert met.shares.sum(axis=1) == pytest.approx(1, abs=1e-12)
    assert (met.shares[~w.notice.standing] == 0).all()
    again = combined(met.turnout, met.shares, w.notice, scenario)
    assert again.turnout == pytest.approx(met.turnout, abs=1e-9)
    assert again.shares == pytest.approx(met.shares, abs=1e-7)


def plain(registered: list[int], departments: list[str], constituencies: list[str] | None = None) -> World:
    """Stations that do not differ, at which two blocs stand."""
    ids = np.array([str(n) for n in range(len(registered))])
    where = Stations(ids, ids, np.array(departments), np.array(constituencies or [""] * len(ids)))
    standing = np.ones((len(ids), 2), np.bool_)
    notice = Notice(TARGET, ("red", "green"), where, np.array(registered, np.int32), standing, "", "")
    return World(notice, np.zeros(len(ids)), np.zeros((len(ids), 2)))


def said(turnout: float, *areas: AreaFigures, red: float = 0.5, scope: tuple[str, ...] = ()) -> Scenario:
    shares = np.array([red, 1 - red])
    return Scenario(
        "s", "given", "s", turnout, shares, 1.0, areas=areas, turnout_scope=scope, shares_scope=scope
    )


def department(code: str, turnout: float | None = None, red: float | None = None) -> AreaFigures:
    return AreaFigures("department", code, turnout, None if red is None else (red, 1 - red))


def constituency(code: str, turnout: float | None = None, red: float | None = None) -> AreaFigures:
    return AreaFigures("constituency", code, turnout, None if red is None else (red, 1 - red))


def test_the_rest_of_the_nation_makes_up_for_an_area() -> None:
    """Of 600 voters of 1,000 electors an area of 200 has 160: the rest has 440 of 800."""
    w = plain([200, 500, 300], ["A", "B", "C"])
    assert w.met(said(0.6, department("A", 0.8))).turnout == pytest.approx([0.8, 0.55, 0.55])
    # 600 valid votes, all turnouts 0.6: red has 300 of them, 96 of 120 in A, 204 of 480 in the rest.
    assert w.met(said(0.6, department("A", None, 0.8))).shares[:, 0] == pytest.approx([0.8, 0.425, 0.425])


def test_an_area_within_an_area_leaves_its_rest_to_the_other_stations() -> None:
    """A has 200 of 400, and its constituency 80 of 100: 120 of 300 are left; the nation has 500 of 1,000."""
    w = plain([100, 300, 600], ["A", "A", "B"], ["A1", "A2", "B1"])
    for areas in (
        (department("A", 0.5), constituency("A1", 0.8)),
        (constituency("A1", 0.8), department("A", 0.5)),
    ):
        assert w.met(said(0.5, *areas)).turnout == pytest.approx([0.8, 0.4, 0.5])


def test_areas_that_are_the_whole_nation_must_come_to_its_figure() -> None:
    """250 of 400 and 300 of 600 are 550 of 1,000, and not the 600 that the nation states."""
    w = plain([400, 600], ["A", "B"])
    areas = department("A", 0.625), department("B", 0.5)
    assert w.met(said(0.55, *areas)).turnout == pytest.approx([0.625, 0.5])
    with pytest.raises(ConfigError) as caught:
        w.met(said(0.6, *areas))
    for told in ("turnout", "department A, department B", "550.0 of 1,000.0", "600.0", "state 0.5500000 for"):
        assert told in str(caught.value)


def test_a_nation_that_leaves_less_than_nothing_to_the_rest_is_refused() -> None:
    w = plain([400, 600], ["A", "B"])
    with pytest.raises(
        ConfigError, match=r"(?s)320\.0 of 400\.0.*300\.0 of 1,000\.0.*0\.3200000 and 0\.9200000"
    ):
        w.met(said(0.3, department("A", 0.8)))
    with pytest.raises(ConfigError, match=r"the rest of the nation is to have a turnout of 0\.0000000"):
        w.met(said(0.32, department("A", 0.8)))
    with pytest.raises(ConfigError, match=r"(?s)red: .*240\.0 of 240\.0, and the nation to 60\.0 of 600\.0"):
        w.met(said(0.6, department("A", None, 1.0), red=0.1))


def test_a_constituency_that_contradicts_its_department_is_refused() -> None:
    w = plain([100, 300, 600], ["A", "A", "B"], ["A1", "A1", "B1"])
    with pytest.raises(ConfigError, match="contradict that of department A: constituency A1 come to 320"):
        w.met(said(0.5, department("A", 0.5), constituency("A1", 0.8)))


def test_a_bloc_that_stands_in_areas_only_gets_nothing_elsewhere() -> None:
    w = plain([100, 300], ["A", "B"])
    w.notice.standing[1, 1] = False
    assert w.met(said(0.6, department("A", None, 0.4), red=0.85)).shares[:, 0] == pytest.approx([0.4, 1])
    # Green has 36 of 60 in A, and can have none in B: 36 of 240 is what the nation must say.
    with pytest.raises(ConfigError, match=r"(?s)green: .*state 0\.1500000 for the nation"):
        w.met(said(0.6, department("A", None, 0.4), red=0.8))


def test_figures_that_contradict_each_other_by_rounding_only_are_met() -> None:
    """Green has 0.6666667 of a quarter of the votes, and 0.1666667 of all: 3e-8 more than there is."""
    w = plain([100, 300], ["A", "B"])
    w.notice.standing[1, 1] = False
    shares = w.met(said(0.6, department("A", None, 0.3333333), red=0.8333333)).shares
    assert shares[:, 0] == pytest.approx([0.3333333, 1], abs=1e-9)


def test_a_bloc_that_stands_nowhere_in_an_area_gets_no_figure_there() -> None:
    w = plain([100, 300], ["A", "B"])
    w.notice.standing[0, 1] = False
    with pytest.raises(
        ConfigError, match=r"green stands nowhere in department A, and is to have 60\.00000% there"
    ):
        w.met(said(0.6, department("A", None, 0.4)))
    assert w.met(said(0.6, department("A", None, 1.0), red=0.7)).shares[0].tolist() == [1, 0]


def test_an_area_where_some_station_has_nobody_to_vote_for_is_refused() -> None:
    w = plain([100, 300, 200], ["A", "A", "B"])
    w.notice.standing[0, 0] = False
    with pytest.raises(ConfigError, match=r"gives no vote: 1 station\(s\) of department A"):
        w.met(said(0.6, department("A", None, 1.0), red=0.9))


@pytest.mark.parametrize(
    ("scenario", "told"),
    [
        (said(0.5, department("1A", 0.6)), r"(?s)1 department code\(s\).*: 1A.*did you mean A"),
        (said(0.5, constituency("A9", 0.6)), r"(?s)1 constituency code\(s\).*: A9.*did you mean A1"),
        (
            said(0.5, department("A", None, 0.6), scope=("A", "ZZ")),
            r"(?s): ZZ.*codes as the roll does, such as A",
        ),
    ],
)
def test_an_area_that_holds_no_station_is_refused(scenario: Scenario, told: str) -> None:
    w = plain([100, 300], ["A", "B"], ["A1", "B1"])
    with pytest.raises(ConfigError, match=told):
        w.met(scenario)


def test_a_constituency_is_unknown_where_the_roll_states_none() -> None:
    with pytest.raises(ConfigError, match="no constituency is known there"):
        plain([100, 300], ["A", "B"]).met(said(0.5, constituency("A1", 0.6)))


def test_areas_that_cross_are_refused() -> None:
    w = plain([100, 300, 200], ["A", "B", "C"], ["X", "X", "C1"])
    with pytest.raises(
        ConfigError, match="constituency X lies partly in department A and partly in the nation"
    ):
        w.met(said(0.5, department("A", 0.6), constituency("X", 0.5)))
    with pytest.raises(
        ConfigError, match="lies partly in the nation and partly in what the scope leaves out"
    ):
        w.met(said(0.5, constituency("X", 0.5), scope=("A", "C")))


def test_stations_beyond_the_scope_move_with_those_within_it() -> None:
    """The figures are met over A alone; B differs by its own deviation and no more."""
    w = plain([100, 300, 600], ["A", "A", "B"])
    turnout, score = np.array([0.4, -0.2, -1.0]), np.array([[0.3, 0], [-0.1, 0], [1.0, 0]])
    met = reconciled(turnout, score, w.notice, said(0.7, red=0.2, scope=("A",)))
    inside, weight = met.turnout[:2] @ [100, 300] / 400, met.expected_valid[:2]
    assert inside == pytest.approx(0.7)
    assert weight @ met.shares[:2, 0] / weight.sum() == pytest.approx(0.2)
    assert logit(met.turnout) - turnout == pytest.approx(logit(met.turnout[0]) - 0.4)
    odds = np.log(met.shares[:, 0] / met.shares[:, 1]) - score[:, 0]
    assert odds == pytest.approx(odds[0])


def test_where_areas_leave_no_rest_the_others_move_as_the_scope_would_without_them() -> None:
    w = plain([100, 300, 600, 50], ["A", "B", "C", "D"])
    score = np.array([[0.1, 0], [0, 0], [0.7, 0], [0, 0]])
    w = replace(w, turnout=np.array([0.4, -0.2, -1.0, 0.3]), score=score)
    areas = department("A", 0.9, 0.8), department("B", 0.5, 0.3), department("D", 0.1)
    met = w.met(said(0.6, *areas, red=0.8 * 90 / 240 + 0.3 * 150 / 240, scope=("A", "B")))
    assert met.turnout[[0, 1, 3]] == pytest.approx([0.9, 0.5, 0.1])
    assert met.turnout[2] == pytest.approx(w.met(said(0.6, scope=("A", "B"))).turnout[2])
    assert met.shares[:2, 0] == pytest.approx([0.8, 0.3])
    level = brentq(lambda a: 90 * expit(0.1 + a) + 150 * expit(a) - 240 * 0.4875, -5, 5)
    assert met.shares[2, 0] == pytest.approx(expit(0.7 + level))


def test_a_station_beyond_the_scope_needs_a_bloc_to_vote_for_too() -> None:
    w = plain([100, 300], ["A", "B"])
    w.notice.standing[1, 0] = False
    for areas in ((), (department("A", None, 1.0),)):
        with pytest.raises(ConfigError, match=r"gives no vote: 1 station\(s\) of the rest of the nation"):
            w.met(said(0.6, *areas, red=1.0, scope=("A",)))


def test_an_area_without_electors_has_nothing_to_meet() -> None:
    """As where all of its stations are withheld: the others meet the nation by themselves."""
    w = plain([0, 300, 100], ["A", "B", "C"])
    met = w.met(said(0.5, department("A", 0.9, 0.9), department("C", 0.8)))
    assert met.turnout[1:] == pytest.approx([0.4, 0.8])
    assert met.shares[1:, 0] == pytest.approx(0.5)
    assert np.isfinite(met.turnout).all() and np.isfinite(met.shares).all()


def test_where_all_of_the_scope_is_withheld_its_figures_are_those_of_a_station_like_it() -> None:
    met = plain([0, 300], ["A", "B"]).met(said(0.6, red=0.8, scope=("A",)))
    assert met.turnout == pytest.approx(0.6)
    assert met.shares[1, 0] == pytest.approx(0.8)


def test_without_areas_the_nation_is_met_as_before_to_the_last_bit() -> None:
    w = world(np.random.default_rng(1), 40)
    scenario = Scenario("s", "given", "s", 0.6, np.array([0.5, 0.3, 0.2]), 0.97)
    met = w.met(scenario)
    turnout = meet_turnout(w.turnout, w.notice.registered, 0.6)
    assert (met.turnout == turnout).all()
    valid = turnout * w.notice.registered * 0.97
    assert (met.shares == meet_shares(w.score, valid, scenario.shares, w.notice.standing)).all()
