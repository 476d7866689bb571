"""Structural abstention and volatility: by hand, by rule, and never from the contest they are set against."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import (
    BLOCS,
    CONTESTS,
    DAY,
    LAST,
    TARGET,
    full_ledger,
    notice_of,
    random_ledger,
    random_record,
    record,
    reference_of,
    scrambled,
    stations,
)

from isoloir.domain.election import Contest
from isoloir.domain.ledger import Ledger, Notice, Record
from isoloir.features.abstention import abstention_structural, volatility_share
from isoloir.features.view import View, look

SEED = st.integers(0, 2**32 - 1)
FIRST, OTHER, ROUND_ONE = CONTESTS[:3]
NEXT = Contest("xx", "2024_legi_t1", "legi", 1, DAY + timedelta(days=1500))
CODES = ["A-1-0", "A-1-1", "B-1-0"]


def turnout_of(contest: Contest, rows: Sequence[tuple[str, int, int]]) -> Record:
    """Turnout by station; everybody votes for one bloc."""
    codes, registered, voters = (list(part) for part in zip(*rows, strict=True))
    return record(contest, codes, registered, voters, [[v, 0] for v in voters])


def view_of(ledger: Ledger, contest: Contest, notice: Notice | None = None) -> View:
    return look(ledger.as_of(contest.eve), notice or notice_of(ledger, contest), reference_of(contest))


def roll(codes: Sequence[str], registered: Sequence[int], contest: Contest = TARGET) -> Notice:
    standing = np.ones((len(codes), 2), np.bool_)
    return Notice(
        contest, ("left", "right"), stations(codes), np.array(registered, np.int32), standing, "", ""
    )


# Of 1000 electors each: at the legislative rounds 300 and 350 stay away in A-1-0, 500 and 450 in A-1-1; at
# the presidential one, 100 in both, which is another kind. A-1-9 is new, of its commune 40 % were away twice.
# B-1-0 had no electors in 2014. C is not known at all.
PAST = (
    turnout_of(FIRST, [("A-1-0", 1000, 700), ("A-1-1", 1000, 500), ("B-1-0", 0, 0)]),
    turnout_of(OTHER, [("A-1-0", 1000, 900), ("A-1-1", 1000, 900), ("B-1-0", 1000, 990)]),
    turnout_of(ROUND_ONE, [("A-1-0", 1000, 650), ("A-1-1", 1000, 550), ("B-1-0", 1000, 200)]),
)
NOW = roll(["A-1-0", "A-1-1", "A-1-9", "B-1-0", "C-1-0"], [1000] * 5)
LEDGER = Ledger(("left", "right"), PAST, follow=False)


def test_the_structural_part_is_the_lowest_abstention_of_the_kind_whatever_the_round() -> None:
    found = abstention_structural(view_of(LEDGER, TARGET, NOW))
    assert found == pytest.approx([0.30, 0.45, 0.40, 0.80, np.nan], abs=1e-12, nan_ok=True)


def test_there_is_none_for_a_kind_that_was_never_held() -> None:
    other = dataclasses.replace(TARGET, key="2020_euro_t1", kind="euro", round=1)
    notice = dataclasses.replace(NOW, contest=other)
    assert np.isnan(abstention_structural(view_of(LEDGER, other, notice))).all()


def test_the_first_round_of_the_ballot_counts_for_its_second_and_not_for_itself() -> None:
    before = view_of(LEDGER, ROUND_ONE, dataclasses.replace(NOW, contest=ROUND_ONE))
    assert abstention_structural(before)[:2] == pytest.approx([0.30, 0.50])
    assert abstention_structural(view_of(LEDGER, TARGET, NOW))[1] == pytest.approx(0.45)


def test_a_station_of_another_code_keeps_the_floor_of_its_electors() -> None:
    """Followed through a renumbering: by code it would have its commune's."""
    past = (
        turnout_of(FIRST, [("A-1-0", 1000, 800), ("A-1-1", 400, 100), ("B-1-0", 500, 250)]),
        turnout_of(ROUND_ONE, [("A-1-0", 1000, 700), ("A-1-1", 400, 200), ("B-1-0", 500, 250)]),
    )
    ledger = Ledger(("left", "right"), past)
    found = abstention_structural(
        view_of(ledger, TARGET, roll(["A-1-7", "A-1-8", "B-1-0"], [1010, 404, 500]))
    )
    assert found == pytest.approx([0.20, 0.50, 0.50], abs=1e-12)


def test_a_target_at_which_all_voted_leaves_the_floor_where_it_was() -> None:
    """The trap: a floor with the target's own result in it is the answer where abstention was lowest then."""
    target = turnout_of(TARGET, [("A-1-0", 1000, 1000), ("A-1-1", 1000, 1000), ("B-1-0", 1000, 1000)])
    later = turnout_of(LAST, [("A-1-0", 1000, 1000), ("A-1-1", 1000, 1000), ("B-1-0", 1000, 1000)])
    whole = dataclasses.replace(LEDGER, records=(*PAST, target, later))
    assert abstention_structural(view_of(whole, TARGET)) == pytest.approx([0.30, 0.45, 0.80])


LONG_BEFORE = Contest("xx", "2010_pres_t1", "pres", 1, DAY - timedelta(days=3000))


@given(seed=SEED, contest=st.sampled_from([TARGET, LAST]))
def test_what_the_target_came_to_changes_neither(seed: int, contest: Contest) -> None:
    """Two contests of the kind and round of the last one were held before it."""
    extra = random_record(LONG_BEFORE, np.random.default_rng(seed), patchy=False)
    ledger = random_ledger(seed)
    ledger = dataclasses.replace(ledger, records=(extra, *ledger.records))
    changed = tuple(
        scrambled(r, seed + 1) if r.contest.held_on >= contest.held_on else r for r in ledger.records
    )
    other = dataclasses.replace(ledger, records=changed)
    for made in (abstention_structural, volatility_share):
        one, again = (made(view_of(each, contest)) for each in (ledger, other))
        assert one.tobytes() == again.tobytes()
        assert (made is volatility_share and contest is TARGET) or not np.isnan(one).all()


@given(seed=SEED)
def test_no_known_abstention_of_the_kind_is_below_the_structural_part(seed: int) -> None:
    view = view_of(full_ledger(seed), TARGET)
    found, own = abstention_structural(view), view.panel.followed
    for c, contest in enumerate(view.panel.contests):
        if contest.kind != TARGET.kind:
            continue
        known = own.registered[:, c] > 0
        away = 1 - own.voters[known, c] / own.registered[known, c]
        assert (found[known] <= away + 1e-12).all()


def voted(contest: Contest, votes: Sequence[Sequence[int]], told: Sequence[bool] | None = None) -> Record:
    registered, cast = [1000] * len(votes), [sum(v) for v in votes]
    return record(contest, CODES[: len(votes)], registered, cast, votes, shares_known=told)


def volatility(*records: Record, codes: Sequence[str] = CODES) -> np.ndarray:
    blocs = tuple("abcd"[: records[0].votes.shape[1]])
    standing = np.ones((len(codes), len(blocs)), np.bool_)
    notice = Notice(NEXT, blocs, stations(codes), np.full(len(codes), 1000, np.int32), standing, "", "")
    ledger = Ledger(blocs, records, follow=False)
    return volatility_share(look(ledger.as_of(NEXT.eve), notice, None))


def test_volatility_is_half_of_what_the_shares_moved_by() -> None:
    """A-1-0: 50, 30, 20 % to 40, 50, 10 %: half of 10 + 20 + 10. A-1-1 stayed. B-1-0 turned."""
    found = volatility(
        voted(FIRST, [[50, 30, 20], [30, 60, 10], [10, 0, 0]]),
        voted(OTHER, [[0, 0, 100], [100, 0, 0], [0, 1, 0]]),
        voted(ROUND_ONE, [[40, 50, 10], [60, 120, 20], [0, 0, 80]]),
        voted(TARGET, [[0, 0, 100], [100, 0, 0], [0, 1, 0]]),
    )
    assert found == pytest.approx([0.20, 0.0, 1.0], abs=1e-12)


THIRD = Contest("xx", "2022_legi_t1", "legi", 1, DAY + timedelta(days=700))


def test_volatility_is_the_mean_over_neighbours_at_which_both_are_known() -> None:
    """B-1-0 is alone in its commune and told once: missing. A-1-1 is told once: its commune's."""
    found = volatility(
        voted(FIRST, [[60, 40], [10, 90], [50, 50]], [True, False, True]),
        voted(ROUND_ONE, [[40, 60], [10, 90], [50, 50]], [True, True, False]),
        voted(THIRD, [[50, 50], [90, 10], [50, 50]], [True, False, False]),
    )
    # 60 %, then 50 of 200, then 50 %.
    assert found == pytest.approx([(0.2 + 0.1) / 2, (0.35 + 0.25) / 2, np.nan], abs=1e-12, nan_ok=True)


def test_a_contest_of_which_nothing_is_told_is_no_bridge() -> None:
    """First and third do not follow on one another."""
    votes = [[60, 40], [60, 40], [60, 40]]
    found = volatility(voted(FIRST, votes), voted(ROUND_ONE, votes, [False] * 3), voted(THIRD, votes))
    assert np.isnan(found).all()


def test_there_is_no_volatility_without_blocs_or_before_two_contests() -> None:
    assert np.isnan(volatility(voted(FIRST, [[1, 2]] * 3))).all()
    assert np.isnan(volatility(voted(FIRST, [[]] * 3), voted(ROUND_ONE, [[]] * 3))).all()


@given(seed=SEED)
def test_volatility_does_not_depend_on_which_way_votes_moved(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = (rng.integers(0, 500, (3, len(BLOCS))).tolist() for _ in range(2))
    there = volatility(voted(FIRST, one), voted(ROUND_ONE, other))
    back = volatility(voted(FIRST, other), voted(ROUND_ONE, one))
    assert there == pytest.approx(back, abs=1e-12, nan_ok=True)
    assert ((there >= 0) & (there <= 1 + 1e-12) | np.isnan(there)).all()
