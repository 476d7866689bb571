"""Earlier contests carried to the target's stations: by hand, and against a slow loop."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from worlds import CONTESTS, DAY, TARGET, notice_of, random_ledger, record

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
    ledger = Ledger(("left", "right"), (old, new))
    panel = build_panel(ledger.as_of(TARGET.eve), notice_of(ledger))
    assert panel.linked[:, 0].tolist() == [True, True, False]
    # 100 → 120 is a gap of 17 %, 200 → 260 one of 23 %: the code alone is no proof.
    assert panel.same[:, 0].tolist() == [True, False, False]
    assert panel.registered[:, 0].tolist() == [100, 200, 0]
    assert panel.voters[:, 0].tolist() == [50, 120, 0]
    assert panel.valid[:, 0].tolist() == [50, 110, 0]
    assert panel.votes[:, 0].tolist() == [[30, 20], [60, 50], [0, 0]]
    assert panel.standing[:, 0].tolist() == [[True, True], [True, True], [False, False]]
    assert panel.shares_known[:, 0].tolist() == [True, False, False]
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
            assert panel.linked[s, c] == (i is not None)
            assert panel.voters[s, c] == (0 if i is None else one.voters[i])
            assert panel.votes[s, c].tolist() == ([0, 0, 0] if i is None else one.votes[i].tolist())


def test_a_panel_of_no_past_has_no_columns() -> None:
    ledger = random_ledger(5)
    panel = build_panel(ledger.as_of(AsOf(DAY.replace(year=1990))), notice_of(ledger))
    stations = len(panel.stations)
    assert panel.contests == ()
    assert panel.votes.shape == panel.standing.shape == (stations, 0, 3)
    assert panel.registered.shape == panel.linked.shape == (stations, 0)
