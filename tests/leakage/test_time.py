"""Nothing that was not public before the cut changes a forecast by one bit."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import (
    CALENDAR,
    CONTESTS,
    SETTINGS,
    TARGET,
    bits,
    lessons,
    notice_of,
    random_ledger,
    scenario,
    scrambled,
)

from isoloir.domain.election import AsOf
from isoloir.domain.errors import LeakageError
from isoloir.domain.ledger import Ledger, Notice, Past
from isoloir.domain.panel import build_panel
from isoloir.features.history import build_history
from isoloir.features.matrix import build
from isoloir.models.protocol import TrainingSet
from isoloir.models.registry import candidates

SEED = st.integers(0, 2**32 - 1)
NATIONAL = scenario(0.55, [0.3, 0.4, 0.3])


def forecasts(ledger: Ledger, cut: AsOf, notice: Notice) -> dict[str, bytes]:
    """The bytes of the panel, both histories, every feature, and the forecast of every fitted candidate."""
    past = ledger.as_of(cut)
    panel = build_panel(past, notice)
    reference = CALENDAR.reference_of(notice.contest)
    matrix = build(past, notice, reference.key if reference else None)
    learnable = [m for m in lessons(ledger, cut) if cut.sees(m.outcomes.contest.results_known_on)]
    training = TrainingSet(notice.contest, cut, tuple(learnable))
    said = {m.name: bits(m.fit(training).predict(matrix, NATIONAL)) for m in candidates(SETTINGS)}
    said |= {f"feature {name}": matrix.column(name).tobytes() for name in matrix.names}
    said["panel"] = bits(panel)
    said["history"] = bits(build_history(panel, witness=False))
    said["history, witnessed"] = bits(build_history(panel, witness=True))
    return said


def with_days(ledger: Ledger, days: list[int]) -> Ledger:
    """All but the first record become public ``days`` after the cut (the first stays: rules need a past)."""
    first, *others = ledger.records
    moved = [
        dataclasses.replace(r, known_on=TARGET.eve.day + timedelta(days=d))
        for r, d in zip(others, days, strict=True)
    ]
    return Ledger(ledger.blocs, (first, *moved))


DAYS = st.lists(st.sampled_from([-1, 0, 1]), min_size=len(CONTESTS) - 1, max_size=len(CONTESTS) - 1).map(
    lambda days: [*days[:2], max(0, days[2]), *days[3:]]  # the target's own results come on the day or later
)


@given(seed=SEED, other=SEED, days=DAYS)
def test_rows_on_or_after_the_cut_change_no_bit_of_anything(seed: int, other: int, days: list[int]) -> None:
    ledger = with_days(random_ledger(seed), days)
    cut = TARGET.eve
    notice = notice_of(ledger)
    seen = forecasts(ledger, cut, notice)
    changed = tuple(
        r if r.known_on < cut.day else scrambled(r, other + i) for i, r in enumerate(ledger.records)
    )
    assert forecasts(Ledger(ledger.blocs, changed), cut, notice) == seen
    dropped = tuple(r for r in ledger.records if r.known_on < cut.day)
    assert forecasts(Ledger(ledger.blocs, dropped), cut, notice) == seen


@given(seed=SEED, day=st.sampled_from([-1, 0, 1]))
def test_a_record_is_seen_from_the_day_after_it_became_public(seed: int, day: int) -> None:
    ledger = with_days(random_ledger(seed), [day, 1, 1, 1])
    seen = [c.key for c in ledger.as_of(TARGET.eve).contests]
    assert seen == [c.key for c in CONTESTS[: 2 if day < 0 else 1]]


def test_what_was_public_before_the_cut_does_change_the_panel() -> None:
    """Without this, a panel that ignores everything would pass the tests above."""
    ledger = with_days(random_ledger(1), [-1, 0, 0, 0])
    first, second, *later = ledger.records
    changed = Ledger(ledger.blocs, (first, scrambled(second, 2), *later))
    notice = notice_of(ledger)
    before, after = (forecasts(one, TARGET.eve, notice) for one in (ledger, changed))
    same = {name for name in before if before[name] == after[name]}
    assert same and all(name.removeprefix("feature ").startswith(OF_NO_RESULT) for name in same)


OF_NO_RESULT = (
    *("standing", "blocs_standing", "registered", "commune_registered", "commune_stations"),
    *(
        "history_",
        "reference_own",
        "later_round",
        "years_since",
        "turnout_kind",
        "turnout_first",
        "turnout_lag2",
    ),
    *("share_kind", "share_first", "swing_last", "strength_missing"),
)
"""Features of the roll, the offer, the calendar, or of the one contest that stays the same."""


@given(seed=SEED, other=SEED)
def test_permuting_what_the_target_came_to_changes_no_candidates_forecast(seed: int, other: int) -> None:
    ledger = random_ledger(seed)
    order = np.random.default_rng(other).permutation(len(notice_of(ledger).registered))
    permuted = Ledger(
        ledger.blocs,
        tuple(
            dataclasses.replace(r, voters=r.voters[order], valid=r.valid[order], votes=r.votes[order])
            if r.contest == TARGET
            else r
            for r in ledger.records
        ),
    )
    assert bits(notice_of(permuted)) == bits(notice_of(ledger))
    cut = TARGET.eve
    assert forecasts(permuted, cut, notice_of(permuted)) == forecasts(ledger, cut, notice_of(ledger))


@pytest.mark.parametrize(("day", "allowed"), [(-1, False), (0, False), (1, True)])
def test_outcomes_are_refused_until_the_day_after_they_became_public(day: int, allowed: bool) -> None:
    ledger = random_ledger(3)
    cut = dataclasses.replace(TARGET.eve, day=TARGET.results_known_on + timedelta(days=day))
    if allowed:
        assert ledger.outcomes(TARGET, cut).contest == TARGET
    else:
        with pytest.raises(LeakageError, match="not public before"):
            ledger.outcomes(TARGET, cut)


@given(seed=SEED, day=st.sampled_from([0, 1, 100]))
def test_a_past_cannot_be_made_with_a_late_record_in_it(seed: int, day: int) -> None:
    ledger = with_days(random_ledger(seed), [day, -1, 0, 0])
    with pytest.raises(LeakageError, match=CONTESTS[1].key):
        Past(TARGET.eve, ledger.blocs, ledger.records[:2])
