"""How earlier stations became those of a notice over several steps: by hand, and against slow loops."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import BLOCS, LONG_AGO, TARGET, bits, full_ledger, notice_of, random_ledger, record

from isoloir.domain.election import AsOf, Contest
from isoloir.domain.facts import Context, Movements
from isoloir.domain.ledger import Ledger, Notice, Past, Record
from isoloir.domain.lineage import COMPLETE, WITNESS_GAP, Link, lineage, steps
from isoloir.domain.pairs import EXACT, METHODS, Roll
from isoloir.domain.panel import Traced, build_panel
from isoloir.domain.succession import step

Pair = tuple[str, str]
Electors = dict[str, int]
SEED = st.integers(0, 2**32 - 1)


def vote(year: int, kind: str = "pres", number: int = 1, day: tuple[int, int] = (4, 10)) -> Contest:
    return Contest("xx", f"{year}_{kind}_t{number}", kind, number, date(year, *day))


NOW = vote(2022)


def held(contest: Contest, electors: Electors) -> Record:
    """A record of stations by code; everyone voted, for the first of two blocs."""
    codes = sorted(electors)
    counts = [electors[c] for c in codes]
    return record(contest, codes, counts, counts, [[n, 0] for n in counts])


def past_of(*records: Record, movements: tuple[Movements, ...] = (), follow: bool = True) -> Past:
    """What was public before 2022, whatever their day."""
    whole = Ledger(("left", "right"), records, context=Context(movements=movements), follow=follow)
    return whole.as_of(NOW.eve)


def notice(electors: Electors, contest: Contest = NOW) -> Notice:
    found = Ledger(("left", "right"), (held(contest, electors),)).notice(contest)
    assert found is not None
    return found


def told(link: Link, old: Record, new: Notice, what: str = "weight") -> dict[Pair, float]:
    """By names of old and new station: the weight, ``sure`` or ``exact``, where there is any."""
    part = getattr(link, what).toarray()
    return {
        (str(old.stations.station_id[r]), str(new.stations.station_id[s])): round(float(part[s, r]), 9)
        for s, r in zip(*np.nonzero(part), strict=True)
    }


# Chains.

# Communes of one station, too small to tell how rolls drift: the confidence is 1 less the gap.
ONE = "A-1-0"


def test_over_two_steps_confidences_multiply() -> None:
    """From 100 electors to 200, to 500: half sure, then by two fifths."""
    first, second = held(vote(2012), {ONE: 100}), held(vote(2017), {ONE: 200})
    now = notice({ONE: 500})
    of_first, of_second = lineage(past_of(first, second), now)
    assert told(of_second, second, now, "sure") == {(ONE, ONE): 0.4}
    assert told(of_first, first, now, "sure") == {(ONE, ONE): 0.2}
    assert told(of_first, first, now) == told(of_first, first, now, "exact") == {(ONE, ONE): 1}


HALVES = {"A-1-1": 100, "A-1-2": 300}


def test_over_two_steps_weights_multiply() -> None:
    """A-1-0 was split into a quarter and three, and these were put together again."""
    first, second = held(vote(2012), {ONE: 400}), held(vote(2017), HALVES)
    now = notice({"A-1-9": 400})
    of_first, of_second = lineage(past_of(first, second), now)
    assert told(of_second, second, now) == {("A-1-1", "A-1-9"): 1, ("A-1-2", "A-1-9"): 1}
    assert told(of_first, first, now) == {(ONE, "A-1-9"): 1}, "¼ · 1 + ¾ · 1"
    two = notice(HALVES)
    of_first, _ = lineage(past_of(first, second), two)
    assert told(of_first, first, two) == {(ONE, "A-1-1"): 0.25, (ONE, "A-1-2"): 0.75}


def test_a_station_whose_code_changed_once_is_no_longer_exact() -> None:
    """A-1-0 was renumbered before 2017, and kept its code since; A-2-0 kept it always."""
    first = held(vote(2012), {ONE: 200, "A-2-0": 200})
    second = held(vote(2017), {"A-1-7": 200, "A-2-0": 200})
    now = notice({"A-1-7": 200, "A-2-0": 200})
    of_first, of_second = lineage(past_of(first, second), now)
    assert told(of_first, first, now) == {(ONE, "A-1-7"): 1, ("A-2-0", "A-2-0"): 1}
    assert told(of_first, first, now, "exact") == {("A-2-0", "A-2-0"): 1}
    assert told(of_second, second, now, "exact") == {("A-1-7", "A-1-7"): 1, ("A-2-0", "A-2-0"): 1}
    # And back: a code that is given again is found again, and proves nothing of the step between.
    back = notice({ONE: 200, "A-2-0": 200})
    of_first, _ = lineage(past_of(first, second), back)
    assert told(of_first, first, back, "exact") == {("A-2-0", "A-2-0"): 1}
    panel = build_panel(past_of(first, second), back)
    assert panel.followed.exact[:, 0].tolist() == [False, True]
    assert panel.followed.registered[:, 0].tolist() == [200, 200]


TOWN = [810, 640, 1020, 905, 733, 1190, 560, 870]


def town(first: int) -> Electors:
    """A town whose stations are numbered from ``first``."""
    return {f"A-1-{first + n}": electors for n, electors in enumerate(TOWN)}


def test_stations_found_by_their_order_are_not_exact_and_what_follows_isn_t_either() -> None:
    past = past_of(held(vote(2012), town(10)), held(vote(2017), town(50)))
    now = notice(town(50))
    followed = build_panel(past, now).followed
    assert followed.registered.tolist() == [[n, n] for n in TOWN]
    assert followed.exact.tolist() == [[False, True]] * len(TOWN)
    assert (followed.confidence > 0.5).all()
    assert [METHODS[m] for m in steps(past, now)[0].pairs.method] == ["aligned"] * len(TOWN)


def test_a_department_that_had_no_vote_in_between_keeps_its_past() -> None:
    """Electors abroad have no part in regional elections, and the same stations before and after."""
    first, second = held(vote(2017), {"A-1-0": 9000, "Z-1-0": 200}), held(vote(2021, "regi"), {"A-1-0": 9000})
    now = notice({"A-1-0": 9000, "Z-1-0": 200})
    of_first, _ = lineage(past_of(first, second), now)
    assert told(of_first, first, now) == {("A-1-0", "A-1-0"): 1, ("Z-1-0", "Z-1-0"): 1}


# The spine.


def test_a_second_round_hangs_on_the_complete_roll_nearest_to_its_day() -> None:
    """Between 2012 and 2017 the station of A-1 was renumbered; each second round goes by the codes it had."""
    first = held(vote(2012), {ONE: 100, "A-2-0": 200})
    later = held(vote(2012, number=2, day=(4, 24)), {ONE: 100})
    other = held(vote(2017), {"A-1-1": 100, "A-2-0": 200})
    near = held(vote(2017, number=2, day=(4, 24)), {"A-1-1": 100})
    now = notice({"A-1-1": 100, "A-2-0": 200})
    past = past_of(first, later, other, near)
    assert [s.old for s in steps(past, now)] == ["2012_pres_t1", "2017_pres_t1"]
    links = dict(zip([c.key for c in past.contests], lineage(past, now), strict=True))
    assert told(links["2012_pres_t2"], later, now) == {(ONE, "A-1-1"): 1}
    assert told(links["2012_pres_t2"], later, now, "exact") == {}
    assert told(links["2017_pres_t2"], near, now, "exact") == {("A-1-1", "A-1-1"): 1}


def test_a_second_round_takes_the_confidence_of_both_its_hops() -> None:
    first = held(vote(2017), {ONE: 200})
    later = held(vote(2017, number=2, day=(4, 24)), {ONE: 100})
    now = notice({ONE: 400})
    _, link = lineage(past_of(first, later), now)
    assert told(link, later, now, "sure") == {(ONE, ONE): 0.25}


def test_a_second_round_goes_by_the_nearest_roll_though_another_is_more_like_it() -> None:
    """From 200 to 100, to 250, to 500: ½ · ⅖ · ½. By way of 2017 at once it would be 1 · ½."""
    first, later = held(vote(2012), {ONE: 100}), held(vote(2012, number=2, day=(4, 24)), {ONE: 200})
    other, now = held(vote(2017), {ONE: 250}), notice({ONE: 500})
    _, link, _ = lineage(past_of(first, later, other), now)
    assert told(link, later, now, "sure") == {(ONE, ONE): pytest.approx(0.5 * 0.4 * 0.5)}


def test_a_roll_of_a_part_of_the_country_is_no_step() -> None:
    """Just under nine tenths of the largest before it is a part; nine tenths are not."""
    whole = held(vote(2012), {ONE: 100, "A-2-0": 900})
    part = held(vote(2015, "dpmt"), {"A-2-0": 899})
    now = notice({ONE: 100, "A-2-0": 900})
    past = past_of(whole, part)
    assert [(s.old, s.new) for s in steps(past, now)] == [("2012_pres_t1", "2022_pres_t1")]
    of_whole, of_part = lineage(past, now)
    assert told(of_part, part, now) == {("A-2-0", "A-2-0"): 1}
    assert (ONE, ONE) in told(of_whole, whole, now), "the part does not break the chain of the rest"
    assert COMPLETE == 0.9
    enough = held(vote(2015, "dpmt"), {"A-2-0": 900})
    assert [s.old for s in steps(past_of(whole, enough), now)] == ["2012_pres_t1", "2015_dpmt_t1"]


def test_a_roll_is_measured_by_those_before_it_alone() -> None:
    """The country grew: an early roll is not made a part by a later one."""
    past = past_of(held(vote(2012), {ONE: 100}), held(vote(2017), {ONE: 200}))
    assert [s.old for s in steps(past, notice({ONE: 300}))] == ["2012_pres_t1", "2017_pres_t1"]


def test_where_no_first_round_is_known_the_largest_roll_is_the_step() -> None:
    small = held(vote(2012, number=2), {ONE: 100})
    large = held(vote(2014, number=2), {ONE: 100, "A-2-0": 900})
    third = held(vote(2017, number=2), {ONE: 100, "A-2-0": 300})
    now = notice({ONE: 100, "A-2-0": 900})
    past = past_of(small, large, third)
    assert [s.old for s in steps(past, now)] == ["2014_pres_t2"]
    assert [set(told(link, r, now)) for link, r in zip(lineage(past, now), past.records, strict=True)] == [
        {(ONE, ONE)},
        {(ONE, ONE), ("A-2-0", "A-2-0")},
        {(ONE, ONE), ("A-2-0", "A-2-0")},
    ]


@given(seed=SEED)
def test_steps_follow_on_one_another_and_end_at_the_notice(seed: int) -> None:
    ledger = full_ledger(seed)
    past, now = ledger.as_of(TARGET.eve), notice_of(ledger)
    chain = steps(past, now)
    assert [s.old for s in chain[1:]] == [s.new for s in chain[:-1]]
    assert chain[-1].new == TARGET.key
    assert bits(chain[-1].new_roll) == bits(Roll(now.stations, now.registered))
    records = {r.contest.key: r for r in past.records}
    for one in chain:
        assert records[one.old].contest.round == 1
        assert bits(one.old_roll) == bits(Roll(records[one.old].stations, records[one.old].registered))
        assert (one.pairs.old < len(one.old_roll.registered)).all()
        assert (one.pairs.new < len(one.new_roll.registered)).all()


# Communes that became others.

SINCE, UNTIL = date(2017, 4, 10), NOW.held_on
GREW = {"A-2-0": 200}


def moved(*rows: tuple[date, str, str]) -> tuple[Movements, ...]:
    days, old, new = zip(*rows, strict=True)
    return (Movements("m", LONG_AGO, np.array(days, "datetime64[D]"), np.array(old), np.array(new)),)


@pytest.mark.parametrize(
    ("day", "within"),
    [
        (SINCE - timedelta(days=1), False),
        (SINCE, False),
        (SINCE + timedelta(days=1), True),
        (UNTIL, True),
        (UNTIL + timedelta(days=1), False),
    ],
)
def test_a_merger_counts_if_it_took_place_after_the_one_roll_and_by_the_other(
    day: date, within: bool
) -> None:
    """A-1 with 80 electors went into A-2 with 120. Else A-2 grew by itself, and who knows how."""
    old = held(vote(2017), {ONE: 80, "A-2-0": 120})
    now = notice(GREW)
    (link,) = lineage(past_of(old, movements=moved((day, "A-1", "A-2"))), now)
    if within:
        assert told(link, old, now, "sure") == {(ONE, "A-2-0"): 1, ("A-2-0", "A-2-0"): 1}
        assert told(link, old, now, "exact") == {}
    else:
        assert told(link, old, now, "sure") == {("A-2-0", "A-2-0"): 0.6}
        assert told(link, old, now, "exact") == {("A-2-0", "A-2-0"): 1}


def test_a_merger_counts_in_the_step_it_falls_into_and_in_no_other() -> None:
    first, second = held(vote(2012), {ONE: 80, "A-2-0": 120}), held(vote(2017), GREW)
    now = notice(GREW)
    for day, merged in ((date(2014, 1, 1), True), (date(2019, 1, 1), False), (date(2010, 1, 1), False)):
        of_first, _ = lineage(past_of(first, second, movements=moved((day, "A-1", "A-2"))), now)
        assert ((ONE, "A-2-0") in told(of_first, first, now)) == merged, day


def test_a_commune_that_became_several_is_followed_nowhere() -> None:
    old = held(vote(2017), {ONE: 200, "A-2-0": 300})
    now = notice({"A-2-0": 500, "A-3-0": 200})
    day = SINCE + timedelta(days=100)
    for others in ("A-2", "A-3"):
        movements = moved((day, "A-1", "A-2"), (day + timedelta(days=1), "A-1", others))
        (link,) = lineage(past_of(old, movements=movements), now)
        assert (ONE in {pair[0] for pair in told(link, old, now)}) == (others == "A-2")


def test_a_commune_that_became_one_that_became_another_is_followed_to_the_end() -> None:
    old, now = held(vote(2017), {ONE: 200}), notice({"A-3-0": 200})
    day = SINCE + timedelta(days=100)
    (link,) = lineage(past_of(old, movements=moved((day, "A-1", "A-2"), (day, "A-2", "A-3"))), now)
    assert told(link, old, now) == {(ONE, "A-3-0"): 1}


# Equal codes alone.


@given(seed=SEED)
def test_unfollowed_a_station_is_the_code_found_again_with_as_many_electors(seed: int) -> None:
    ledger = dataclasses.replace(random_ledger(seed), follow=False)
    past, now = ledger.as_of(TARGET.eve), notice_of(ledger)
    followed = build_panel(past, now).followed
    for c, (link, one) in enumerate(zip(lineage(past, now), past.records, strict=True)):
        at = {str(code): i for i, code in enumerate(one.stations.station_id)}
        expected = {}
        for code, electors in zip(now.stations.station_id.tolist(), now.registered.tolist(), strict=True):
            then = int(one.registered[at[code]]) if code in at else 0
            if then > 0 and abs(then - electors) <= WITNESS_GAP * max(then, electors):
                expected[code] = at[code]
        assert told(link, one, now) == {(code, code): 1 for code in expected}
        assert told(link, one, now, "sure") == told(link, one, now, "exact") == told(link, one, now)
        for s, code in enumerate(now.stations.station_id.tolist()):
            row = expected.get(code)
            assert followed.known[s, c] == followed.exact[s, c] == (row is not None)
            assert followed.confidence[s, c] == (row is not None)
            assert followed.voters[s, c] == (0 if row is None else one.voters[row])
            assert followed.votes[s, c].tolist() == ([0] * 3 if row is None else one.votes[row].tolist())
            assert followed.shares_known[s, c] == (row is not None and one.shares_known[row])


@pytest.mark.parametrize(
    ("then", "now", "same"), [(80, 100, True), (79, 100, False), (100, 80, True), (0, 0, False)]
)
def test_as_many_electors_are_those_within_a_fifth(then: int, now: int, same: bool) -> None:
    old, new = held(vote(2017), {ONE: then}), notice({ONE: now})
    (link,) = lineage(past_of(old, follow=False), new)
    assert bool(told(link, old, new)) == same


# Against slow loops.


Hop = list[tuple[int, int, tuple[float, float, float]]]
"""Old station, new station; the weight, the weight times the confidence, and the exact weight."""


def slow_complete(past: Past, now: Notice) -> list[int]:
    firsts = [i for i, r in enumerate(past.records) if r.contest.round == 1]
    areas = {i: set(past.records[i].stations.department_code.tolist()) for i in firsts}
    usual = [d for d in set().union(*areas.values()) if 2 * sum(d in areas[i] for i in firsts) >= len(firsts)]
    complete, largest = [], 0
    for i in firsts:
        registered = int(past.records[i].registered.sum())
        if registered >= 0.9 * largest and all(d in areas[i] for d in usual):
            complete.append(i)
        largest = max(largest, registered)
    if not complete:
        complete = [int(np.argmax([r.registered.sum() for r in past.records]))]
    # A roll that is carried ends the chain: nothing after it lies on the way.
    for i, one in enumerate(past.records):
        if one.contest.key == now.roll_from:
            return [*(j for j in complete if j < i), i]
    return complete


def slow_hop(past: Past, one: Record, roll: Roll, until: date) -> Hop:
    became: dict[str, set[str]] = {}
    for m in past.context.movements:
        for on, old, new in zip(m.held_on.tolist(), m.old.tolist(), m.new.tolist(), strict=True):
            if one.contest.held_on < on <= until:
                became.setdefault(old, set()).add(new)
    only = sorted((old, *new) for old, new in became.items() if len(new) == 1)
    codes = (np.array([o for o, _ in only]), np.array([n for _, n in only])) if only else None
    p = step(roll_of(one), roll, codes)
    return [
        (int(o), int(n), (float(w), float(w * c), float(w) if m == EXACT else 0.0))
        for o, n, w, m, c in zip(p.old, p.new, p.weight, p.method, p.confidence, strict=True)
    ]


def roll_of(one: Record | Notice) -> Roll:
    return Roll(one.stations, one.registered)


def slow_links(past: Past, now: Notice) -> list[dict[str, np.ndarray]]:
    """The chain by loops over pairs: from each record, hop by hop, all ways to each station of the notice."""
    complete, out = slow_complete(past, now), []
    for i, one in enumerate(past.records):
        days = [abs((past.records[j].contest.held_on - one.contest.held_on).days) for j in complete]
        begin = i if i in complete else complete[int(np.argmin(days))]
        route: list[Record | Notice] = [past.records[j] for j in complete if j > begin or j == begin != i]
        made = np.stack([np.eye(len(one.stations))] * 3)
        here = one
        for there in [*route, now]:
            further = np.zeros((3, len(there.stations), len(one.stations)))
            for old, new, parts in slow_hop(past, here, roll_of(there), there.contest.held_on):
                for which, part in enumerate(parts):
                    further[which, new] += part * made[which, old]
            made = further
            here = there if isinstance(there, Record) else here
        out.append(dict(zip(("weight", "sure", "exact"), made, strict=True)))
    return out


def slow_counts(
    weight: np.ndarray, one: Record, s: int
) -> tuple[float, float, list[float], list[bool], bool]:
    """Registered, voters, votes, who stood and whether shares are known, at one station of the notice."""
    registered = voters = 0.0
    votes, stood = [0.0] * len(BLOCS), [False] * len(BLOCS)
    sources = [r for r in range(len(one.stations)) if weight[s, r] > 0]
    for r in sources:
        registered += weight[s, r] * float(one.registered[r])
        voters += weight[s, r] * float(one.voters[r])
        for b in range(len(BLOCS)):
            votes[b] += weight[s, r] * float(one.votes[r, b])
            stood[b] |= bool(one.standing[r, b])
    return registered, voters, votes, stood, bool(sources) and all(bool(one.shares_known[r]) for r in sources)


@given(seed=SEED)
def test_links_and_carried_counts_agree_with_slow_loops(seed: int) -> None:
    ledger = full_ledger(seed)
    past, now = ledger.as_of(AsOf(date(2030, 1, 1))), notice_of(ledger)
    followed = build_panel(past, now).followed
    slow = slow_links(past, now)
    for c, (link, one, made) in enumerate(zip(lineage(past, now), past.records, slow, strict=True)):
        for name, expected in made.items():
            assert np.allclose(getattr(link, name).toarray(), expected, rtol=0, atol=1e-12), name
        for s in range(len(now.stations)):
            registered, voters, votes, stood, known = slow_counts(made["weight"], one, s)
            # Rounded: to half an elector, and to the last bit.
            assert abs(followed.registered[s, c] - registered) <= 0.5 + 1e-6
            assert abs(followed.voters[s, c] - voters) <= 0.5 + 1e-6
            assert np.allclose(followed.votes[s, c], votes, rtol=0, atol=0.5 + 1e-6)
            assert followed.standing[s, c].tolist() == stood
            assert followed.shares_known[s, c] == known


def test_random_worlds_hold_every_method() -> None:
    """Without this, the test above might have compared codes found again alone."""
    found = set()
    for seed in range(100):
        ledger = full_ledger(seed)
        chain = steps(ledger.as_of(TARGET.eve), notice_of(ledger))
        found |= {METHODS[m] for one in chain for m in one.pairs.method}
    assert found >= {"exact", "aligned", "whole", "doubtful"}


# What always holds.


def carried(past: Past, now: Notice) -> Traced:
    return build_panel(past, now).followed


@given(seed=SEED)
def test_nobody_is_carried_twice(seed: int) -> None:
    """No station gives more than itself; the country never grows by it, but for rounding."""
    ledger = full_ledger(seed)
    past, now = ledger.as_of(AsOf(date(2030, 1, 1))), notice_of(ledger)
    followed = carried(past, now)
    for c, (link, one) in enumerate(zip(lineage(past, now), past.records, strict=True)):
        weight, sure, exact = (getattr(link, n).toarray() for n in ("weight", "sure", "exact"))
        assert (weight.sum(axis=0) <= 1 + 1e-9).all()
        assert (weight >= 0).all() and (sure >= 0).all() and (exact >= 0).all()
        assert (sure <= weight + 1e-12).all() and (exact <= weight + 1e-12).all()
        for name in ("registered", "voters", "valid"):
            total = int(getattr(one, name).sum())
            assert getattr(followed, name)[:, c].sum() <= total + 0.5 * len(now.stations), name
    assert ((followed.confidence >= 0) & (followed.confidence <= 1)).all()
    assert (followed.voters <= followed.registered).all() and (followed.valid <= followed.voters).all()
    assert not followed.standing[~followed.known & (followed.confidence > 0)].any()


@given(seed=SEED)
def test_a_roll_that_becomes_itself_carries_its_counts_unchanged(seed: int) -> None:
    ledger = random_ledger(seed)
    past = Past(AsOf(date(2030, 1, 1)), BLOCS, ledger.records[:1])
    (one,) = past.records
    now = dataclasses.replace(notice_of(ledger, one.contest), contest=TARGET)
    followed, by_code = carried(past, now), build_panel(past, now).by_code
    for name in ("registered", "voters", "valid", "votes", "standing", "shares_known"):
        assert np.array_equal(getattr(followed, name)[:, 0], getattr(one, name)), name
        assert np.array_equal(getattr(by_code, name)[:, 0], getattr(one, name)), name
    assert followed.exact.all() and (followed.confidence > 0.5).all()


def shuffled(one: Record, seed: int) -> tuple[Record, np.ndarray]:
    """The record with its communes in another order, each one's stations in theirs; and the rows taken."""
    communes = np.unique(one.stations.commune_code)
    place = dict(zip(communes.tolist(), np.random.default_rng(seed).permutation(len(communes)), strict=True))
    rows = np.argsort([place[str(c)] for c in one.stations.commune_code], kind="stable")
    return (
        dataclasses.replace(
            one,
            stations=one.stations.take(rows),
            registered=one.registered[rows],
            voters=one.voters[rows],
            valid=one.valid[rows],
            votes=one.votes[rows],
            standing=one.standing[rows],
            shares_known=one.shares_known[rows],
        ),
        rows,
    )


@given(seed=SEED, other=SEED)
def test_the_order_of_communes_in_a_record_changes_nothing(seed: int, other: int) -> None:
    """Only the order of stations within a commune tells which became which."""
    ledger = full_ledger(seed)
    past, now = ledger.as_of(TARGET.eve), notice_of(ledger)
    mixed = [shuffled(r, other + i) for i, r in enumerate(past.records)]
    turned = dataclasses.replace(past, records=tuple(r for r, _ in mixed))
    for link, again, (_, rows) in zip(lineage(past, now), lineage(turned, now), mixed, strict=True):
        for name in ("weight", "sure", "exact"):
            one, two = getattr(link, name).toarray()[:, rows], getattr(again, name).toarray()
            assert np.allclose(one, two, rtol=0, atol=1e-9), name


@given(seed=SEED)
def test_a_step_that_was_asked_for_before_is_the_same_again(seed: int) -> None:
    """Steps are kept: what is kept must be that of the same rolls and the same movements."""
    ledger = full_ledger(seed)
    past, now = ledger.as_of(TARGET.eve), notice_of(ledger)
    before = [bits(s) for s in steps(past, now)]
    other = dataclasses.replace(now, registered=now.registered + 400)
    bare = dataclasses.replace(past, context=Context())
    steps(past, other), steps(bare, now)
    assert [bits(s) for s in steps(past, now)] == before
    for a_past, a_notice in ((past, now), (past, other), (bare, now)):
        for link, slow in zip(lineage(a_past, a_notice), slow_links(a_past, a_notice), strict=True):
            assert np.allclose(link.sure.toarray(), slow["sure"], rtol=0, atol=1e-12)


def test_a_past_of_nothing_has_no_lineage() -> None:
    assert lineage(past_of(), notice({ONE: 100})) == ()


def test_a_carried_roll_is_itself_whatever_came_after() -> None:
    """The roll of 2017 stands in for that of 2022: its stations are their own past, not those of 2019."""
    then = held(vote(2017), {"A-1-0": 800, "A-1-1": 1200, "A-1-2": 950})
    after = held(vote(2019, "euro"), {"A-1-5": 1210, "A-1-6": 640, "A-1-7": 1190})
    now = dataclasses.replace(notice({"A-1-0": 800, "A-1-1": 1200, "A-1-2": 950}), roll_from="2017_pres_t1")
    past = past_of(then, after)
    of_then, _ = lineage(past, now)
    assert told(of_then, then, now, "exact") == {(c, c): 1 for c in ("A-1-0", "A-1-1", "A-1-2")}
    assert [(s.old, s.new) for s in steps(past, now)] == [("2017_pres_t1", "2022_pres_t1")]
