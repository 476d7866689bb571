"""Contests at the grain of units: members' counts are summed before anything is made of them."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import logit
from worlds import (
    BLOCS,
    CONTESTS,
    LONG_AGO,
    TARGET,
    bits,
    full_ledger,
    matrix_of,
    notice_of,
    record,
    reference_of,
    stations,
)

from isoloir.domain.facts import Context, Facts
from isoloir.domain.ledger import Ledger, Notice, Past, Record
from isoloir.domain.lineage import lineage, steps
from isoloir.domain.panel import Traced, build_panel
from isoloir.domain.united import members_of, united_notice, united_outcomes
from isoloir.domain.units import Units
from isoloir.features.catalogue import CONTEXTUAL
from isoloir.features.matrix import build

SEED = st.integers(0, 2**32 - 1)
FIRST, SECOND = CONTESTS[0], CONTESTS[1]


def units(head: list[int] | NDArray[np.intp]) -> Units:
    return Units(np.array(head, np.intp), np.full(len(head), ""))


def some_units(stations: int, seed: int) -> Units:
    """Stations thrown into units, some in none, at least one in one; a unit's name is any of its members'."""
    rng = np.random.default_rng(seed)
    group = rng.integers(-1, max(1, stations // 2), stations)
    group[0] = 0
    head = np.full(stations, -1)
    for one in np.unique(group[group >= 0]):
        held = np.flatnonzero(group == one)
        head[held] = rng.choice(held)
    return units(head)


# A-1 has two small stations and a large one, B-1 one.
CODES = ["A-1-1", "A-1-2", "A-1-3", "B-1-1"]
THEN = record(
    FIRST,
    CODES,
    [100, 300, 1000, 500],
    [80, 120, 500, 250],
    [[20, 30, 30], [60, 60, 0], [200, 200, 100], [100, 100, 50]],
)
NOW = Notice(
    SECOND,
    BLOCS,
    stations(CODES),
    np.array([100, 300, 1000, 500], np.int32),
    np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [1, 1, 1]], np.bool_),
    "x",
    "x",
)


def past_of(*records: Record) -> Past:
    return Ledger(BLOCS, records).as_of(SECOND.eve)


def test_a_unit_has_the_sums_of_its_members_and_is_named_by_one() -> None:
    made = united_notice(NOW, units([2, 2, 2, 3]))
    assert made.stations.station_id.tolist() == ["A-1-3", "B-1-1"]
    assert made.registered.tolist() == [1400, 500] and made.registered.dtype == np.int32
    assert made.standing.tolist() == [[True, True, True], [True, True, True]]
    assert united_notice(NOW, units([0, 0, 2, -1])).standing.tolist() == [[True, True, False], [True] * 3]


def test_withheld_stations_are_in_no_unit_and_count_nowhere() -> None:
    made = united_notice(NOW, units([1, 1, -1, 3]))
    assert made.registered.tolist() == [400, 500]
    panel = build_panel(past_of(THEN), made)
    assert panel.followed.registered[:, 0].tolist() == [400, 500]
    # The areas are whole all the same: they are no unit's figures, but what lies around it.
    assert panel.communes.registered[panel.commune_row, 0].tolist() == [1400, 500]


def test_a_constituency_that_members_do_not_share_is_unknown() -> None:
    there = dataclasses.replace(NOW.stations, constituency_code=np.array(["A01", "A02", "A01", "B01"]))
    placed = dataclasses.replace(NOW, stations=there)
    assert united_notice(placed, units([0, 0, 2, 3])).stations.constituency_code.tolist() == [
        "",
        "A01",
        "B01",
    ]
    assert united_notice(placed, units([0, 1, 0, 3])).stations.constituency_code.tolist() == [
        *("A01", "A02", "B01")
    ]


def test_a_feature_of_a_unit_is_made_of_sums_and_is_no_mean_of_features() -> None:
    """200 of 400 voted in the first two, 950 of 1,900 everywhere: none, though the members have one."""
    past = past_of(THEN)
    made = build(past, united_notice(NOW, units([0, 0, 2, 3])), None)
    alone = build(past, NOW, None)
    for name in ("turnout_last_round", "turnout_lag1", "turnout_prior"):
        assert made.column(name)[0] == pytest.approx(0, abs=1e-12)
        assert made.column(name)[1:].tolist() == alone.column(name)[2:].tolist()
    one, two = (logit((v + 5) / (r + 10)) for v, r in ((80, 100), (120, 300)))
    assert alone.column("turnout_last_round")[:2].tolist() == pytest.approx([one, two])
    assert abs((one + two) / 2) > 0.2
    assert made.column("registered_log")[0] == np.log(400)
    # 80 of 200 valid votes, smoothed by ten votes at the nation's 380 of 950.
    assert made.column("share_last_round_left")[0] == pytest.approx(0, abs=1e-12)


def test_shares_are_known_where_they_are_of_every_member() -> None:
    unknown = dataclasses.replace(THEN, shares_known=np.array([False, True, True, True]))
    panel = build_panel(past_of(unknown), united_notice(NOW, units([0, 0, 2, 3])))
    assert panel.followed.shares_known[:, 0].tolist() == [False, True, True]
    assert panel.by_code.shares_known[:, 0].tolist() == [False, True, True]
    outcomes = Ledger(BLOCS, (unknown,)).outcomes(FIRST, SECOND.eve)
    made = united_outcomes(outcomes, members_of(NOW, units([0, 0, 2, 3])))
    assert made.shares_known.tolist() == [False, True, True]
    assert made.voters.tolist() == [200, 500, 250] and made.votes[0].tolist() == [80, 90, 30]


def test_a_member_without_a_past_leaves_the_unit_that_of_the_others() -> None:
    fewer = record(FIRST, CODES[1:], [300, 1000, 500], [120, 500, 250], [[60, 60, 0]] * 3)
    panel = build_panel(past_of(fewer), united_notice(NOW, units([0, 0, 2, 3])))
    for traced in (panel.followed, panel.by_code):
        assert traced.registered[:, 0].tolist() == [300, 1000, 500]
        assert traced.shares_known[:, 0].all()


@pytest.mark.parametrize(("secret", "owners"), [([False, False], 0.3), ([True, False], None)])
def test_of_rates_a_unit_has_the_mean_of_its_members_and_none_where_one_is_secret(
    secret: list[bool], owners: float | None
) -> None:
    values = np.array([[np.nan if s else v] for s, v in zip(secret, (0.6, 0.2), strict=True)])
    facts = Facts(
        *("cells", "station", "2010", LONG_AGO, np.array(CODES[:2])),
        *(("owner_share",), values, np.array([[s] for s in secret])),
    )
    ledger = Ledger(BLOCS, (THEN,), context=Context((facts,)))
    made = build(ledger.as_of(SECOND.eve), united_notice(NOW, units([0, 0, 2, 3])), None)
    said = made.column("census_owner_share")
    assert np.isnan(said[1:]).all()
    assert np.isnan(said[0]) if owners is None else said[0] == pytest.approx(owners)
    assert made.column("census_withheld")[0] == float(owners is None)


@given(seed=SEED, follow=st.booleans())
def test_units_of_one_station_each_have_the_matrix_of_stations_to_the_last_bit(
    seed: int, follow: bool
) -> None:
    ledger = dataclasses.replace(full_ledger(seed), follow=follow)
    notice = notice_of(ledger)
    united = united_notice(notice, units(np.arange(len(notice.stations))))
    one, two = matrix_of(ledger, TARGET), matrix_of(ledger, TARGET, united)
    assert one.names == two.names
    assert [n for n in one.names if one.column(n).tobytes() != two.column(n).tobytes()] == []
    assert bits(dataclasses.replace(two, notice=notice)) == bits(one)


@given(seed=SEED, other=SEED, follow=st.booleans())
def test_whatever_the_units_are_their_past_is_the_sum_of_their_members(
    seed: int, other: int, follow: bool
) -> None:
    ledger = dataclasses.replace(full_ledger(seed), follow=follow)
    notice, past = notice_of(ledger), ledger.as_of(TARGET.eve)
    chosen = some_units(len(notice.stations), other)
    united, members = united_notice(notice, chosen), members_of(notice, chosen)
    assert united.registered.sum() == notice.registered[chosen.kept].sum()
    assert bits(steps(past, united)) == bits(steps(past, notice))
    for whole, part in zip(lineage(past, united), lineage(past, notice), strict=True):
        assert np.allclose(whole.weight.toarray(), members.matrix @ part.weight.toarray())
    alone, made = build_panel(past, notice), build_panel(past, united)
    assert bits(made.communes) == bits(alone.communes) and bits(made.nation) == bits(alone.nation)
    _sums(made.by_code, alone.by_code, members.matrix.toarray(), 0)
    # Followed counts are rounded once, after they are summed.
    _sums(made.followed, alone.followed, members.matrix.toarray(), len(notice.stations))


def _sums(made: Traced, alone: Traced, matrix: NDArray[np.float64], slack: float) -> None:
    for name in ("registered", "voters", "valid", "votes"):
        whole = np.tensordot(matrix, getattr(alone, name), axes=1)
        assert np.abs(getattr(made, name) - whole).max(initial=0) <= slack
    assert (made.standing <= (np.tensordot(matrix, alone.standing, axes=1) > 0)).all()


@given(seed=SEED, other=SEED)
def test_every_feature_of_units_lies_in_its_range(seed: int, other: int) -> None:
    ledger = full_ledger(seed)
    notice = notice_of(ledger)
    united = united_notice(notice, some_units(len(notice.stations), other))
    made = build(ledger.as_of(TARGET.eve), united, reference_of(TARGET))
    assert made.values.shape[0] == len(united.stations)
    for name in ("abstention_structural", "history_depth", "reference_own", *CONTEXTUAL):
        known = made.column(name)[~np.isnan(made.column(name))]
        assert np.isfinite(known).all()
    assert ((made.column("history_depth") >= 0) & (made.column("history_depth") <= 1)).all()


def test_what_became_public_on_the_day_changes_no_unit() -> None:
    """As of stations; tests/leakage asks it of units for every table and day."""
    ledger = full_ledger(5)
    late = dataclasses.replace(ledger.records[0], known_on=TARGET.held_on)
    early = dataclasses.replace(ledger.records[0], known_on=TARGET.held_on - timedelta(days=1))
    notice = notice_of(ledger)
    united = united_notice(notice, some_units(len(notice.stations), 1))

    def made(first: Record) -> bytes:
        held = dataclasses.replace(ledger, records=(first, *ledger.records[1:]))
        return bits(build(held.as_of(TARGET.eve), united, reference_of(TARGET)))

    more = dataclasses.replace(late, voters=late.registered)
    assert made(late) == made(more)
    assert made(early) != made(dataclasses.replace(early, voters=early.registered))
