"""The notice of a target: what is carried into it, and from where."""

from __future__ import annotations

import dataclasses

import numpy as np
from worlds import CONTESTS, TARGET, notice_of, record

from isoloir.domain.ledger import Ledger, Record
from isoloir.pipelines.notices import placed


def with_constituencies(one: Record, codes: list[str]) -> Record:
    stations = dataclasses.replace(one.stations, constituency_code=np.array(codes, dtype=np.str_))
    return dataclasses.replace(one, stations=stations)


def test_a_constituency_is_taken_from_the_last_contest_that_states_it_for_the_same_station() -> None:
    codes = ["A-1-0", "A-1-1", "A-1-2", "A-1-3"]
    votes = [[1, 1]] * 4
    first = with_constituencies(
        record(CONTESTS[0], codes, [100] * 4, [2] * 4, votes), ["A01", "A02", "A03", "A04"]
    )
    second = with_constituencies(
        record(CONTESTS[1], codes, [100] * 4, [2] * 4, votes), ["A11", "", "A13", ""]
    )
    now = with_constituencies(
        record(TARGET, codes, [100, 100, 300, 110], [2] * 4, votes), ["", "", "", "A99"]
    )
    ledger = Ledger(("left", "right"), (first, second, now))
    notice = placed(notice_of(ledger), ledger.as_of(TARGET.eve))
    # The third has other electors now: its code is no proof. The fourth states its own.
    assert notice.stations.constituency_code.tolist() == ["A11", "A02", "", "A99"]
