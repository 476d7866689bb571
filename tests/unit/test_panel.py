"""Earlier contests carried to the target's stations: by hand, and against a slow loop."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from worlds import COARSE, CONTESTS, DAY, TARGET, commune_record, notice_of, random_ledger, record

from isoloir.domain.election import AsOf
from isoloir.domain.ledger import Ledger, Past
from isoloir.domain.panel import Totals, build_panel


def test_a_panel_by_hand() -> None:
    old = record(
        CONTESTS[0],
        ["A-1-0", "A-1-1", "A-2-0"],
        registered=[100, 200, 400],
        voters=[50, 120, 300],
        votes=[[30, 20], [60, 50], [300, 0]],
        standing=[[True, True], [True, True], [True, False]],
        shares_known=[True, False, True],
    )
    new = record(
        TARGET,
        ["A-1-0", "A-1-1", "B-1-0"],
        registered=[120, 260, 50],
        voters=[1, 1, 1],
        votes=[[1, 0]] * 3,
    )
    ledger = Ledger(("left", "right"), (old, new), follow=False)
    panel = build_panel(ledger.as_of(TARGET.eve), notice_of(ledger))
    code, followed = panel.by_code, panel.followed
    assert code.confidence[:, 0].tolist() == [1, 1, 0]
    assert code.known[:, 0].tolist() == code.exact[:, 0].tolist() == [True, True, False]
    assert code.registered[:, 0].tolist() == [100, 200, 0]
    assert code.voters[:, 0].tolist() == [50, 120, 0]
    assert code.valid[:, 0].tolist() == [50, 110, 0]
    assert code.votes[:, 0].tolist() == [[30, 20], [60, 50], [0, 0]]
    assert code.standing[:, 0].tolist() == [[True, True], [True, True], [False, False]]
    assert code.shares_known[:, 0].tolist() == [True, False, False]
    # 100 → 120 is a gap of 17 %, 200 → 260 one of 23 %: the code alone is no proof.
    assert followed.confidence[:, 0].tolist() == [1, 0, 0]
    assert followed.known[:, 0].tolist() == followed.exact[:, 0].tolist() == [True, False, False]
    assert followed.registered[:, 0].tolist() == [100, 0, 0]
    assert followed.voters[:, 0].tolist() == [50, 0, 0]
    assert followed.valid[:, 0].tolist() == [50, 0, 0]
    assert followed.votes[:, 0].tolist() == [[30, 20], [0, 0], [0, 0]]
    assert followed.standing[:, 0].tolist() == [[True, True], [False, False], [False, False]]
    assert followed.shares_known[:, 0].tolist() == [True, False, False]
    assert panel.communes.codes.tolist() == ["A-1", "B-1"]
    assert panel.communes.registered[:, 0].tolist() == [300, 0]
    assert panel.communes.votes[:, 0].tolist() == [[30, 20], [0, 0]], "shares of A-1-1 are not known"
    # The station A-2-0 is gone, and counts in its department and in the nation still.
    assert panel.departments.registered[:, 0].tolist() == [700, 0]
    assert panel.departments.valid_where[:, 0].tolist() == [[350, 50], [0, 0]]
    assert panel.nation.voters[:, 0].tolist() == [470]
    assert panel.nation.votes[:, 0].tolist() == [[330, 20]]
    assert panel.commune_row.tolist() == [0, 0, 1]
    assert panel.department_row.tolist() == [0, 0, 1]
    assert panel.position(CONTESTS[0]) == 0
    assert panel.position(TARGET) == -1


def test_a_commune_in_two_halves_and_one_made_of_two_by_hand() -> None:
    """A-1 was one station of 200, and is two of 50 and 150. B-1 was two stations, and is one."""
    old = record(
        CONTESTS[0],
        ["A-1-0", "B-1-0", "B-1-1"],
        registered=[200, 100, 60],
        voters=[101, 50, 31],
        votes=[[60, 41], [50, 0], [11, 20]],
        standing=[[True, True], [True, False], [True, True]],
        shares_known=[True, True, False],
    )
    new = record(TARGET, ["A-1-8", "A-1-9", "B-1-5"], [50, 150, 160], [1] * 3, [[1, 0]] * 3)
    ledger = Ledger(("left", "right"), (old, new))
    panel = build_panel(ledger.as_of(TARGET.eve), notice_of(ledger))
    followed = panel.followed
    assert followed.registered[:, 0].tolist() == [50, 150, 160]
    # A quarter and three quarters of 101 voters are 25.25 and 75.75.
    assert followed.voters[:, 0].tolist() == [25, 76, 81]
    assert followed.votes[:, 0].tolist() == [[15, 10], [45, 31], [61, 20]]
    assert followed.valid[:, 0].tolist() == [25, 76, 81]
    # The right stood in one of the two that B-1-5 is made of; of one of them no shares are known.
    assert followed.standing[:, 0].tolist() == [[True, True]] * 3
    assert followed.shares_known[:, 0].tolist() == [True, True, False]
    assert followed.confidence[:, 0].tolist() == [1, 1, 1]
    assert not followed.exact.any(), "no code was found again"
    assert not panel.by_code.known.any() and not panel.by_code.confidence.any()


def test_a_bloc_that_stood_in_none_of_those_that_came_together_did_not_stand() -> None:
    old = record(
        *(CONTESTS[0], ["B-1-0", "B-1-1"], [100, 60], [50, 30], [[50, 0], [30, 0]]),
        standing=[[True, False], [True, False]],
    )
    new = record(TARGET, ["B-1-5"], [160], [1], [[1, 0]])
    ledger = Ledger(("left", "right"), (old, new))
    followed = build_panel(ledger.as_of(TARGET.eve), notice_of(ledger)).followed
    assert followed.standing[:, 0].tolist() == [[True, False]]
    assert followed.shares_known[:, 0].tolist() == [True]


def test_a_station_of_nowhere_and_one_without_electors_have_no_past() -> None:
    """Sure of nothing: no electors came, or none there were."""
    old = record(CONTESTS[0], ["A-1-0", "A-2-0"], [0, 100], [0, 40], [[0, 0], [20, 20]])
    new = record(TARGET, ["A-1-0", "A-2-0", "Z-1-0"], [0, 100, 100], [0, 1, 1], [[0, 0], [1, 0], [1, 0]])
    ledger = Ledger(("left", "right"), (old, new))
    panel = build_panel(ledger.as_of(TARGET.eve), notice_of(ledger))
    for traced in (panel.followed, panel.by_code):
        assert traced.known[:, 0].tolist() == [False, True, False]
        assert traced.registered[:, 0].tolist() == [0, 100, 0]
        assert not traced.standing[2].any() and not traced.shares_known[2].any()
    assert panel.followed.confidence[[0, 2], 0].tolist() == [0, 0]


def test_contests_known_by_commune_stand_at_the_communes_of_the_notice() -> None:
    ledger = Ledger(
        ("left", "right"),
        (record(TARGET, ["A-1-0", "A-1-1", "B-1-0"], [1] * 3, [1] * 3, [[1, 0]] * 3),),
        (
            commune_record(COARSE[1], {"A-1": (300, 100), "B-1": (100, 80)}),
            commune_record(COARSE[0], {"A-1": (200, 50), "A-9": (200, 150)}),
        ),
    )
    coarse = build_panel(ledger.as_of(TARGET.eve), notice_of(ledger)).coarse
    assert coarse.contests == COARSE, "in order of day"
    assert coarse.registered.tolist() == [[200, 300], [0, 100]]
    assert coarse.voters.tolist() == [[50, 100], [0, 80]]
    # A-9 is no commune of the notice, and part of the nation.
    assert coarse.nation.tolist() == [0.5, 0.45]


def slow_totals(past: Past, codes: list[str], parts: int) -> Totals:
    """Totals over the areas named by the first ``parts`` pieces of a station's code, one number at a time."""
    shape = (len(codes), len(past.records))
    flat = {name: np.zeros(shape, np.int64) for name in ("registered", "voters", "valid")}
    votes = np.zeros((*shape, len(past.blocs)), np.int64)
    where = np.zeros_like(votes)
    for c, one in enumerate(past.records):
        for i, station in enumerate(one.stations.station_id):
            area = "-".join(str(station).split("-")[:parts])
            if area not in codes:
                continue
            g = codes.index(area)
            for name, sums in flat.items():
                sums[g, c] += int(getattr(one, name)[i])
            for b in range(len(past.blocs)):
                if one.shares_known[i]:
                    votes[g, c, b] += int(one.votes[i, b])
                    where[g, c, b] += int(one.valid[i]) if one.standing[i, b] else 0
    return Totals(np.array(codes), flat["registered"], flat["voters"], flat["valid"], votes, where)


@given(seed=st.integers(0, 2**32 - 1))
def test_totals_and_columns_agree_with_a_slow_loop(seed: int) -> None:
    ledger = random_ledger(seed)
    past, notice = ledger.as_of(TARGET.eve), notice_of(ledger)
    panel = build_panel(past, notice)
    for totals, parts in ((panel.communes, 2), (panel.departments, 1), (panel.nation, 0)):
        codes = [str(c) for c in totals.codes]
        slow = slow_totals(past, codes, parts)
        for name in ("registered", "voters", "valid", "votes", "valid_where"):
            assert np.array_equal(getattr(totals, name), getattr(slow, name)), name
    for c, one in enumerate(past.records):
        at = {str(code): i for i, code in enumerate(one.stations.station_id)}
        for s, code in enumerate(notice.stations.station_id):
            i = at.get(str(code))
            assert panel.by_code.exact[s, c] == panel.by_code.confidence[s, c] == (i is not None)
            assert panel.by_code.voters[s, c] == (0 if i is None else one.voters[i])
            assert panel.by_code.votes[s, c].tolist() == ([0, 0, 0] if i is None else one.votes[i].tolist())


def test_a_panel_of_no_past_has_no_columns() -> None:
    ledger = random_ledger(5)
    panel = build_panel(ledger.as_of(AsOf(DAY.replace(year=1990))), notice_of(ledger))
    stations = len(panel.stations)
    assert panel.contests == ()
    for traced in (panel.by_code, panel.followed):
        assert traced.votes.shape == traced.standing.shape == (stations, 0, 3)
        assert traced.registered.shape == traced.exact.shape == traced.confidence.shape == (stations, 0)
    assert panel.coarse.registered.shape == (len(panel.communes.codes), 0)
    assert panel.coarse.nation.shape == (0,)
