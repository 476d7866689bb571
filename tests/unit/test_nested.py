"""The nested prior: a commune's past and what sets a station apart in it, by hand and against slow loops."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit
from worlds import (
    COARSE,
    CONTESTS,
    LAST,
    TARGET,
    commune_record,
    full_ledger,
    notice_of,
    random_ledger,
    record,
    reference_of,
    stations,
)

from isoloir.domain.election import AsOf, Contest
from isoloir.domain.ledger import CommuneRecord, Ledger, Notice, Past
from isoloir.features.history import NONE
from isoloir.features.nested import COMMUNE_KERNEL, LOCAL_KERNEL, turnout_nested
from isoloir.features.prior import Kernel, weighted_turnout
from isoloir.features.view import View, look

SEED = st.integers(0, 2**32 - 1)
Seen = list[tuple[Contest, float]]
"""Contests and the deviations at them."""


def deviation(voters: float, registered: float, nation: float) -> float:
    return float(logit((voters + 10 * nation) / (registered + 10)) - logit(nation))


def covariance(kernel: Kernel, a: Contest, b: Contest) -> float:
    days = abs((a.held_on - b.held_on).days)
    same = a.kind == b.kind
    return (
        kernel.common
        + (kernel.kind if same else 0)
        + (kernel.ballot if same and days <= 120 else 0)
        + kernel.time * float(np.exp(-days / 365.25 / kernel.scale))
    )


def kriged(kernel: Kernel, target: Contest, seen: Seen) -> float:
    """K⁻¹k of what is seen, and 0 of nothing."""
    if not seen:
        return 0.0
    contests = [c for c, _ in seen]
    inside = [
        [covariance(kernel, a, b) + (kernel.nugget if a == b else 0) for b in contests] for a in contests
    ]
    towards = [covariance(kernel, a, target) for a in contests]
    return float(np.linalg.solve(np.array(inside), np.array(towards)) @ [d for _, d in seen])


def view_of(ledger: Ledger, contest: Contest = TARGET, notice: Notice | None = None) -> View:
    return look(ledger.as_of(contest.eve), notice or notice_of(ledger, contest), reference_of(contest))


def slow_nested(past: Past, view: View, s: int) -> float:
    """The nested prior of one station, from records; who it was before is asked of the panel."""
    stations_now, target = view.notice.stations, view.notice.contest
    commune, department = str(stations_now.commune_code[s]), str(stations_now.department_code[s])
    of_commune: Seen = []
    of_department: Seen = []
    apart: Seen = []
    for c, one in enumerate(past.records):
        nation = float(one.voters.sum() / one.registered.sum())
        in_commune = [i for i, code in enumerate(one.stations.commune_code) if code == commune]
        in_department = [i for i, code in enumerate(one.stations.department_code) if code == department]
        for rows, found in ((in_commune, of_commune), (in_department, of_department)):
            electors = int(one.registered[rows].sum())
            if electors > 0:
                found.append((one.contest, deviation(int(one.voters[rows].sum()), electors, nation)))
        traced = view.panel.followed
        if traced.registered[s, c] > 0 and one.registered[in_commune].sum() > 0:
            own = deviation(float(traced.voters[s, c]), float(traced.registered[s, c]), nation)
            apart.append((one.contest, own - of_commune[-1][1]))
    for coarse in past.communes:
        nation = float(coarse.voters.sum() / coarse.registered.sum())
        for code, registered, voters in zip(
            coarse.commune_code, coarse.registered, coarse.voters, strict=True
        ):
            if code == commune:
                of_commune.append((coarse.contest, deviation(int(voters), int(registered), nation)))
    if not of_commune:
        return kriged(COMMUNE_KERNEL, target, of_department)
    return kriged(COMMUNE_KERNEL, target, of_commune) + kriged(LOCAL_KERNEL, target, apart)


def with_strangers(notice: Notice) -> Notice:
    """The notice with stations of communes and of a department that nobody knows, one without electors."""
    more = ["A-9-0", "A-gone-0", "Z-1-0", "Z-1-1"]
    codes = sorted([*notice.stations.station_id.tolist(), *more])
    known = dict(zip(notice.stations.station_id.tolist(), notice.registered.tolist(), strict=True))
    registered = [known.get(code, 0 if code == "Z-1-1" else 500) for code in codes]
    return dataclasses.replace(
        notice,
        stations=stations(codes),
        registered=np.array(registered, np.int32),
        standing=np.ones((len(codes), len(notice.blocs)), np.bool_),
    )


@given(seed=SEED, contest=st.sampled_from([TARGET, LAST]), follow=st.booleans())
def test_the_nested_prior_agrees_with_slow_loops(seed: int, contest: Contest, follow: bool) -> None:
    ledger = dataclasses.replace(full_ledger(seed), follow=follow)
    view = view_of(ledger, contest, with_strangers(notice_of(ledger, contest)))
    expected = [slow_nested(ledger.as_of(contest.eve), view, s) for s in range(len(view.notice.stations))]
    made = turnout_nested(view)
    assert made == pytest.approx(np.array(expected), abs=1e-9)
    assert np.isfinite(made).all()


@given(seed=SEED)
def test_stations_of_nowhere_get_their_department_s_past_or_the_nation(seed: int) -> None:
    ledger = random_ledger(seed)
    view = view_of(ledger, notice=with_strangers(notice_of(ledger)))
    made = dict(zip(view.notice.stations.station_id.tolist(), turnout_nested(view).tolist(), strict=True))
    assert made["Z-1-0"] == made["Z-1-1"] == 0
    department = [i for i, c in enumerate(view.panel.departments.codes) if c == "A"]
    totals = view.panel.departments
    seen: Seen = []
    for c, contest in enumerate(view.panel.contests):
        registered, voters = totals.registered[department, c], totals.voters[department, c]
        nation = view.panel.nation.voters[0, c] / view.panel.nation.registered[0, c]
        if registered > 0:
            seen.append((contest, deviation(float(voters[0]), float(registered[0]), float(nation))))
    assert made["A-9-0"] == made["A-gone-0"] == pytest.approx(kriged(COMMUNE_KERNEL, TARGET, seen), abs=1e-9)


def one_each(contest: Contest, turnout: Sequence[int]) -> Ledger:
    """Communes of one station with 1000 electors each, in their contest."""
    codes = [f"A-{n}-0" for n in range(len(turnout))]
    return Ledger(
        ("left", "right"),
        (record(contest, codes, [1000] * len(codes), turnout, [[n, 0] for n in turnout]),),
    )


VOTED = ((700, 500, 300), (400, 600, 500), (650, 450, 400))


def villages() -> Ledger:
    parts = [one_each(c, turnout) for c, turnout in zip(CONTESTS, (*VOTED, (1, 1, 1)), strict=False)]
    return Ledger(("left", "right"), tuple(r for part in parts for r in part.records))


def test_of_communes_of_one_station_it_is_the_kriging_of_the_commune() -> None:
    """Nothing sets the station apart, and no contest is known by commune alone."""
    view = view_of(villages())
    expected = []
    for n in range(3):
        seen = [
            (c, deviation(turnout[n], 1000, sum(turnout) / 3000))
            for c, turnout in zip(CONTESTS, VOTED, strict=False)
        ]
        expected.append(kriged(COMMUNE_KERNEL, TARGET, seen))
    assert turnout_nested(view) == pytest.approx(expected, abs=1e-12)
    of_station = weighted_turnout(COMMUNE_KERNEL, view.followed.turnout, view.panel.contests, TARGET)
    assert turnout_nested(view) == pytest.approx(of_station, abs=1e-12)


@given(seed=SEED)
def test_of_any_communes_of_one_station_it_is_the_kriging_of_the_commune(seed: int) -> None:
    ledger = random_ledger(seed)
    alone = tuple(
        dataclasses.replace(r, stations=dataclasses.replace(r.stations, commune_code=r.stations.station_id))
        for r in ledger.records
    )
    view = view_of(dataclasses.replace(ledger, records=alone))
    # Where a contest lacks the commune, the history has its department's instead.
    known = view.panel.followed.known.all(axis=1)
    expected = weighted_turnout(COMMUNE_KERNEL, view.followed.turnout, view.panel.contests, TARGET)
    assert turnout_nested(view)[known] == pytest.approx(expected[known], abs=1e-9)


def test_a_contest_known_by_commune_moves_its_communes_and_no_others() -> None:
    ledger = villages()
    bare = turnout_nested(view_of(ledger))
    known = commune_record(COARSE[0], {"A-0": (1000, 900), "A-7": (1000, 100)})
    told = turnout_nested(view_of(dataclasses.replace(ledger, communes=(known,))))
    assert told[0] > bare[0] and told[1:].tolist() == bare[1:].tolist()
    # A contest that is not public yet moves nothing.
    late = dataclasses.replace(known, known_on=TARGET.held_on)
    assert turnout_nested(view_of(dataclasses.replace(ledger, communes=(late,)))).tolist() == bare.tolist()


def test_a_commune_known_by_a_coarse_contest_alone_speaks_for_itself_and_not_its_department() -> None:
    """Its stations are new: 900 of 1000 voted, where the nation came to half."""
    coarse = commune_record(COARSE[1], {"A-9": (1000, 900), "A-0": (1000, 100)})
    ledger = dataclasses.replace(villages(), communes=(coarse,))
    codes = ["A-0-0", "A-9-0", "A-9-1"]
    now = dataclasses.replace(
        notice_of(ledger),
        stations=stations(codes),
        registered=np.array([1000, 500, 500], np.int32),
        standing=np.ones((3, 2), np.bool_),
    )
    made = turnout_nested(view_of(ledger, notice=now))
    expected = kriged(COMMUNE_KERNEL, TARGET, [(COARSE[1], deviation(900, 1000, 0.5))])
    assert made[1:].tolist() == pytest.approx([expected] * 2, abs=1e-12)


def test_what_sets_two_stations_apart_is_kriged_by_itself() -> None:
    """One contest: 700 and 300 of 1000 in one commune, which voted as the nation did."""
    codes = ["A-1-0", "A-1-1"]
    old = record(CONTESTS[0], codes, [1000, 1000], [700, 300], [[700, 0], [300, 0]])
    new = record(TARGET, codes, [1000, 1000], [1, 1], [[1, 0], [1, 0]])
    view = view_of(Ledger(("left", "right"), (old, new)))
    k = LOCAL_KERNEL
    towards = k.common + k.kind + k.time * np.exp(-2000 / 365.25 / k.scale)
    weight = towards / (k.common + k.kind + k.ballot + k.time + k.nugget)
    far = deviation(700, 1000, 0.5)
    assert turnout_nested(view) == pytest.approx([weight * far, -weight * far], abs=1e-12)


def test_an_unfollowed_station_is_as_its_commune() -> None:
    """Its code was found again with other electors: nothing is known to set it apart."""
    codes = ["A-1-0", "A-1-1", "B-1-0"]
    old = record(CONTESTS[0], codes, [1000, 1000, 1000], [700, 300, 800], [[700, 0], [300, 0], [800, 0]])
    new = record(TARGET, codes, [1000, 400, 1000], [1, 1, 1], [[1, 0]] * 3)
    view = view_of(Ledger(("left", "right"), (old, new), follow=False))
    around = kriged(COMMUNE_KERNEL, TARGET, [(CONTESTS[0], deviation(1000, 2000, 0.6))])
    made = turnout_nested(view)
    assert made[1] == pytest.approx(around, abs=1e-12)
    assert made[0] > around


def test_a_past_of_contests_by_commune_without_electors_is_none() -> None:
    empty = CommuneRecord(
        *(COARSE[0], COARSE[0].results_known_on, np.array(["A-0"]), np.array(["A"])),
        *(np.zeros(1, np.int32), np.zeros(1, np.int32)),
    )
    ledger = villages()
    bare = turnout_nested(view_of(ledger))
    assert turnout_nested(view_of(dataclasses.replace(ledger, communes=(empty,)))) == pytest.approx(bare)


def test_nobody_knows_a_station_in_an_unknown_country() -> None:
    """No commune and no department of the notice was there at the one contest that is known."""
    old = record(CONTESTS[0], ["Y-1-0"], [1000], [500], [[500, 0]])
    new = record(TARGET, ["Z-1-0"], [1000], [1], [[1, 0]])
    ledger = Ledger(("left", "right"), (old, new))
    view = view_of(ledger)
    assert turnout_nested(view).tolist() == [0]
    assert (view.followed.turnout_from == NONE).all()
    assert len(ledger.as_of(AsOf(TARGET.held_on)).records) == 1
