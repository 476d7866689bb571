"""Nothing that was not public before the cut changes a forecast by one bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import date, timedelta
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import (
    CENSUS,
    COARSE,
    CONTESTS,
    LAST,
    SETTINGS,
    TARGET,
    bits,
    full_ledger,
    matrix_of,
    notice_of,
    random_ledger,
    random_record,
    reference_of,
    scenario,
    scrambled,
    stations,
)

from isoloir.domain.election import AsOf, Contest
from isoloir.domain.errors import LeakageError
from isoloir.domain.facts import Belonging, Context, Facts, Movements
from isoloir.domain.ledger import CommuneRecord, Ledger, Notice, Past, Record
from isoloir.domain.lineage import lineage, steps
from isoloir.domain.united import united_notice
from isoloir.domain.units import Units
from isoloir.features.catalogue import CONTEXTUAL
from isoloir.features.matrix import build, with_context
from isoloir.features.view import look
from isoloir.models.registry import candidates
from isoloir.models.selection import LEARNED
from isoloir.pipelines.folds import Learned, Lessons
from isoloir.pipelines.matrices import MatrixPlan
from isoloir.pipelines.placement import placement

Dated = TypeVar("Dated", Record, CommuneRecord, Facts, Belonging, Movements)
SEED = st.integers(0, 2**32 - 1)
NATIONAL = scenario(0.55, [0.3, 0.4, 0.3])
EARLY = (
    Contest("xx", "2008_pres_t1", "pres", 1, TARGET.held_on - timedelta(days=4300)),
    Contest("xx", "2012_pres_t1", "pres", 1, TARGET.held_on - timedelta(days=2900)),
)
"""So that there are lessons enough before the target for trees."""
KEPT = len(EARLY) + 1
"""Records that stay public whatever becomes of the others: without a past there is nothing to forecast."""


def deep_ledger(seed: int) -> Ledger:
    """As :func:`worlds.full_ledger`, with a longer past, in which B-2 was called B-0."""
    rng, ledger = np.random.default_rng([seed, 2]), full_ledger(seed)
    first, *others = ledger.records
    early = [*(random_record(c, rng, patchy=True) for c in EARLY), first]
    return dataclasses.replace(ledger, records=(*(renamed(r, "B-2", "B-0") for r in early), *others))


def renamed(one: Record, old: str, new: str) -> Record:
    """The record with a commune called otherwise."""
    return dataclasses.replace(
        one, stations=stations([str(s).replace(old, new) for s in one.stations.station_id])
    )


def learned(ledger: Ledger, cut: AsOf) -> tuple[Learned, ...]:
    """Every contest with a past whose results were public before ``cut``, planned as pipelines plan it."""
    found = []
    for contest in ledger.as_of(cut).contests:
        past, notice = ledger.as_of(contest.eve), notice_of(ledger, contest)
        if past.records and cut.sees(contest.results_known_on):
            plan = MatrixPlan(notice, past, reference_of(contest), "", ())
            found.append(Learned(plan, matrix_of(ledger, contest), ledger.outcomes(contest, cut)))
    return tuple(found)


def forecasts(ledger: Ledger, cut: AsOf, notice: Notice) -> dict[str, bytes]:
    """The bytes of the panel, both histories, the lineage, every feature, where stations lie, every lesson,
    and the forecast of every fitted candidate; and of the matrix of stations united in pairs.
    """
    past = ledger.as_of(cut)
    view = look(past, notice, reference_of(notice.contest))
    matrix = build(past, notice, reference_of(notice.contest))
    training = Lessons(learned(ledger, cut), ledger.context).before(notice.contest, cut)
    models = candidates(SETTINGS, census=True)
    said = {m.name: bits(m.fit(training).predict(matrix, NATIONAL)) for m in models}
    said |= {f"feature {name}": matrix.column(name).tobytes() for name in matrix.names}
    said |= {f"panel {f.name}": bits(getattr(view.panel, f.name)) for f in dataclasses.fields(view.panel)}
    said |= {"history, plain": bits(view.plain), "history, followed": bits(view.followed)}
    said["lineage"] = b"|".join(link.sure.toarray().tobytes() for link in lineage(past, notice))
    said["steps"] = b"|".join(bits(step) for step in steps(past, notice))
    said["placement"] = bits(placement(notice, past))
    said["united"] = bits(build(past, in_pairs(notice), reference_of(notice.contest)))
    said["lessons"] = b"|".join(bits(lesson) for lesson in training.lessons)
    return said


def in_pairs(notice: Notice) -> Notice:
    """The notice with every station united with the next one, the last withheld."""
    head = np.arange(len(notice.stations)) // 2 * 2
    if len(head) > 1:
        head[-1] = -1
    return united_notice(notice, Units(head, np.full(len(head), "")))


def mapped(ledger: Ledger, change: Callable[[Dated], list[Dated]]) -> Ledger:
    """The ledger with every record and table of context changed to none or one, the first records kept."""

    def each(held: tuple[Dated, ...]) -> tuple[Dated, ...]:
        return tuple(new for one in held for new in change(one))

    said = ledger.context
    return dataclasses.replace(
        ledger,
        records=(*ledger.records[:KEPT], *each(ledger.records[KEPT:])),
        communes=each(ledger.communes),
        context=Context(each(said.facts), each(said.belongings), each(said.movements)),
    )


def with_days(ledger: Ledger, days: list[int]) -> Ledger:
    """All become public ``days`` after the cut, but for the first records.

    In this order: the other records, those by commune, and the tables of context. Who has no day stays.
    """
    left = iter(days)
    day = TARGET.eve.day

    def dated(one: Dated) -> list[Dated]:
        after = next(left, None)
        return [one if after is None else dataclasses.replace(one, known_on=day + timedelta(days=after))]

    return mapped(ledger, dated)


def name_of(one: Dated) -> str:
    return one.contest.key if isinstance(one, Record | CommuneRecord) else one.name


def scrambled_too(one: Dated, seed: int) -> Dated:
    """The same name, day and codes, and otherwise nothing that was there before."""
    rng = np.random.default_rng(seed)
    if isinstance(one, Record):
        return scrambled(one, seed)
    if isinstance(one, CommuneRecord):
        voters = rng.integers(0, one.registered + 1).astype(np.int32)
        return dataclasses.replace(one, voters=voters, registered=one.registered + 100)
    if isinstance(one, Facts):
        return dataclasses.replace(
            one, values=rng.uniform(0.1, 0.9, one.values.shape), withheld=~one.withheld & np.isnan(one.values)
        )
    if isinstance(one, Belonging):
        return dataclasses.replace(one, area=np.roll(one.area, 1 + int(rng.integers(len(one.area) - 1))))
    return dataclasses.replace(one, old=one.new, new=one.old)


TABLES = 7
"""Of the context of :func:`worlds.full_ledger`."""
DATED = len(CONTESTS) - 1 + len(COARSE) + TABLES
DAYS = st.lists(st.sampled_from([-1, 0, 1]), min_size=DATED, max_size=DATED).map(
    lambda days: [*days[:2], max(0, days[2]), *days[3:]]  # the target's own results come on the day or later
)


def test_every_table_of_the_world_has_a_day() -> None:
    ledger = deep_ledger(1)
    assert len(ledger.context.all()) == len(set(ledger.context.names)) == TABLES
    moved = with_days(ledger, [0] * DATED)
    late = (*moved.records[KEPT:], *moved.communes, *moved.context.all())
    assert len(late) == DATED and {one.known_on for one in late} == {TARGET.eve.day}


@settings(max_examples=40)
@given(seed=SEED, other=SEED, days=DAYS, follow=st.booleans())
def test_what_is_public_on_or_after_the_cut_changes_no_bit_of_anything(
    seed: int, other: int, days: list[int], follow: bool
) -> None:
    ledger = with_days(dataclasses.replace(deep_ledger(seed), follow=follow), days)
    cut = TARGET.eve
    notice = notice_of(ledger)
    seen = forecasts(ledger, cut, notice)
    changed = mapped(ledger, lambda one: [one if one.known_on < cut.day else scrambled_too(one, other)])
    assert forecasts(changed, cut, notice) == seen
    dropped = mapped(ledger, lambda one: [one] if one.known_on < cut.day else [])
    assert forecasts(dropped, cut, notice) == seen


@given(seed=SEED, day=st.sampled_from([-1, 0, 1]))
def test_a_record_is_seen_from_the_day_after_it_became_public(seed: int, day: int) -> None:
    ledger = with_days(deep_ledger(seed), [day, 1, 1, 1])
    seen = ledger.as_of(TARGET.eve).contests
    assert seen == (*EARLY, *CONTESTS[: 2 if day < 0 else 1])


@given(seed=SEED, days=DAYS)
def test_all_else_is_seen_from_the_day_after_it_became_public(seed: int, days: list[int]) -> None:
    ledger = with_days(deep_ledger(seed), days)
    past = ledger.as_of(TARGET.eve)
    first = len(CONTESTS) - 1
    public = [d < 0 for d in days[first:]]
    held = (*ledger.communes, *ledger.context.all())
    assert [*past.communes, *past.context.all()] == [h for h, seen in zip(held, public, strict=True) if seen]


def differing(ledger: Ledger, change: Callable[[Dated], list[Dated]]) -> set[str]:
    """What a change of the ledger changes of the target's forecast."""
    notice = notice_of(ledger)
    before, after = (forecasts(one, TARGET.eve, notice) for one in (ledger, mapped(ledger, change)))
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


def test_a_record_that_was_public_before_the_cut_does_change_the_panel() -> None:
    """Without this, a panel that ignores everything would pass the tests above."""
    ledger = with_days(deep_ledger(1), [-1] + [0] * (DATED - 1))
    changed = differing(
        ledger, lambda one: [scrambled_too(one, 2) if name_of(one) == CONTESTS[1].key else one]
    )
    every = set(forecasts(ledger, TARGET.eve, notice_of(ledger)))
    same = {name.removeprefix("feature ") for name in every - changed}
    assert same and all(name.startswith(OF_NO_RESULT) for name in same), same


OF_NO_RESULT = (
    *("standing", "blocs_standing", "registered", "commune_registered", "commune_stations"),
    *("history_", "reference_own", "reference_registered", "later_round", "years_since"),
    *("turnout_first", "share_first", "strength_missing"),
    *("turnout_kind", "turnout_lag2", "share_kind", "swing_last"),
    *("first_round_", "orphaned_", "abstention_", "volatility_"),
    *("past1_weight", "past2_", "past3_"),
    *("abstention_structural", "volatility_share"),
    *("census_", "lineage", "steps", "placement"),
    *("panel stations", "panel contests", "panel blocs", "panel coarse"),
    *("panel commune_row", "panel department_row", "panel commune_department"),
)
"""What tells of the roll, the offer, the calendar, the context, or of the contests that stay the same."""

OF_COMMUNES = {
    *("panel coarse", "feature turnout_layered", "feature turnout_variance", "united"),
    *("layered", "layered_mean", "layered_kind", "transition"),
}
OF_CENSUS = {f"feature {name}" for name in CONTEXTUAL} | {
    *("lessons", "boosted_turnout_census", "boosted_shares_census", "united")
}
OF_MOVEMENTS = {"lineage", "steps", "panel followed", "history, followed", "feature turnout_prior"}


@pytest.mark.parametrize(
    ("name", "must", "may"),
    [
        ("2018_muni_t1", OF_COMMUNES, OF_COMMUNES),
        ("communes_old", {"feature census_owner_share", "lessons"}, OF_CENSUS),
        ("communes_new", {"feature census_owner_share", "lessons"}, OF_CENSUS),
        ("cells", {"feature census_median_income", "lessons"}, OF_CENSUS),
        ("stations", {"feature census_poverty", "lessons"}, OF_CENSUS),
        ("in_cells", {"feature census_density", "lessons"}, OF_CENSUS),
        ("in_constituencies", {"placement"}, {"placement"}),
        ("movements", OF_MOVEMENTS, None),
    ],
)
def test_what_was_public_before_the_cut_changes_what_it_is_of(
    name: str, must: set[str], may: set[str] | None
) -> None:
    """Some world shows each; none shows that it changes what it has no part in."""
    eve = TARGET.eve.day - timedelta(days=1)

    def public(one: Dated) -> list[Dated]:
        seen = name_of(one) == name or not isinstance(one, Record | CommuneRecord)
        return [dataclasses.replace(one, known_on=eve) if seen else one]

    def change(one: Dated) -> list[Dated]:
        return [scrambled_too(one, 1) if name_of(one) == name else one]

    changed: set[str] = set()
    for seed in range(6):
        ledger = with_days(deep_ledger(seed), [0] * DATED)
        changed |= differing(mapped(ledger, public), change)
    assert changed >= must
    assert may is None or changed <= may


def test_trees_that_learned_something_are_among_those_tested() -> None:
    """Without this, candidates that always fall back to their anchor would pass the tests above."""
    grown: set[str] = set()
    for seed in range(8):
        ledger = deep_ledger(seed)
        training = Lessons(learned(ledger, TARGET.eve), ledger.context).before(TARGET, TARGET.eve)
        fits = [m.fit(training) for m in candidates(SETTINGS, census=True)]
        grown |= {m.name for m in fits if getattr(m, "trees", "")}
    assert grown == set(LEARNED)


@settings(max_examples=40)
@given(seed=SEED, other=SEED, follow=st.booleans())
def test_permuting_what_the_target_came_to_changes_no_candidates_forecast(
    seed: int, other: int, follow: bool
) -> None:
    ledger = dataclasses.replace(deep_ledger(seed), follow=follow)
    order = np.random.default_rng(other).permutation(len(notice_of(ledger).registered))

    def permuted(r: Dated) -> list[Dated]:
        if not isinstance(r, Record) or r.contest != TARGET:
            return [r]
        return [dataclasses.replace(r, voters=r.voters[order], valid=r.valid[order], votes=r.votes[order])]

    changed, cut = mapped(ledger, permuted), TARGET.eve
    assert bits(notice_of(changed)) == bits(notice_of(ledger))
    assert forecasts(changed, cut, notice_of(changed)) == forecasts(ledger, cut, notice_of(ledger))


def owners(name: str, known_on: date, share: float) -> Facts:
    """One commune's part of owners."""
    values = np.array([[share]])
    return Facts(
        name, "commune", name, known_on, np.array(["A-1"]), ("owner_share",), values, np.isnan(values)
    )


BETWEEN = CONTESTS[2].held_on - timedelta(days=30)
"""After the lesson of 2016, before the target."""


@pytest.mark.parametrize(("after", "seen"), [(-1, 0.3), (0, 0.2), (1, 0.2)])
def test_a_lesson_is_taught_with_what_was_public_at_the_target_and_no_later(after: int, seen: float) -> None:
    lesson, cut = CONTESTS[1], TARGET.eve
    facts = (
        owners("old", lesson.held_on - timedelta(days=100), 0.1),
        owners("between", BETWEEN, 0.2),
        owners("near", cut.day + timedelta(days=after), 0.3),
        owners("far", cut.day + timedelta(days=100), 0.4),
    )
    ledger = dataclasses.replace(random_ledger(3), context=Context(facts))
    past = learned(ledger, cut)
    lessons = Lessons(past, ledger.context)

    def told(target: Contest, at: AsOf) -> dict[str, set[float]]:
        """By lesson, what it says of the owners of A-1."""
        return {
            one.matrix.notice.contest.key: set(
                one.matrix.column("census_owner_share")[one.matrix.notice.stations.commune_code == "A-1"]
            )
            for one in lessons.before(target, at).lessons
        }

    assert told(TARGET, cut) == {CONTESTS[1].key: {seen}, CONTESTS[2].key: {seen}}
    # Of another target, from another day: what was public then, whoever asked before.
    assert told(CONTESTS[2], CONTESTS[2].eve) == {lesson.key: {0.2}}
    assert told(CONTESTS[2], AsOf(BETWEEN)) == {lesson.key: {0.1}}
    assert told(TARGET, cut) == {CONTESTS[1].key: {seen}, CONTESTS[2].key: {seen}}


def test_of_a_lesson_only_its_context_is_of_later_than_its_eve() -> None:
    """Results, rolls and who became whom are cut at the lesson."""
    ledger = deep_ledger(2)
    cut = TARGET.eve
    late = mapped(
        ledger,
        lambda one: [one if isinstance(one, Record) else dataclasses.replace(one, known_on=BETWEEN)],
    )
    training = Lessons(learned(late, cut), late.context).before(TARGET, cut)
    lesson = next(m for m in training.lessons if m.matrix.notice.contest == CONTESTS[1])
    bare = dataclasses.replace(late, communes=(), context=Context())
    assert bits(with_context(lesson.matrix, Context())) == bits(matrix_of(bare, CONTESTS[1]))
    assert not np.isnan(lesson.matrix.columns(CENSUS)).all(axis=0).any()


def test_lessons_that_were_not_public_are_not_taught() -> None:
    ledger = deep_ledger(4)
    lessons = Lessons(learned(ledger, AsOf(date.max)), ledger.context)
    assert LAST.key in lessons.before(LAST, AsOf(date.max)).contests
    assert lessons.before(TARGET, TARGET.eve).contests == tuple(
        c.key for c in (EARLY[1], *CONTESTS[:3]) if TARGET.eve.sees(c.results_known_on)
    )


@pytest.mark.parametrize(("day", "allowed"), [(-1, False), (0, False), (1, True)])
def test_outcomes_are_refused_until_the_day_after_they_became_public(day: int, allowed: bool) -> None:
    ledger = random_ledger(3)
    cut = dataclasses.replace(TARGET.eve, day=TARGET.results_known_on + timedelta(days=day))
    if allowed:
        assert ledger.outcomes(TARGET, cut).contest == TARGET
    else:
        with pytest.raises(LeakageError, match="not public before"):
            ledger.outcomes(TARGET, cut)


@given(seed=SEED, day=st.sampled_from([0, 1, 100]), which=st.integers(0, DATED - 1))
def test_a_past_cannot_be_made_with_anything_late_in_it(seed: int, day: int, which: int) -> None:
    days = [-1] * DATED
    days[which] = day
    ledger = with_days(deep_ledger(seed), days)
    held = (*ledger.records[KEPT:], *ledger.communes, *ledger.context.all())
    with pytest.raises(LeakageError, match=f"^{name_of(held[which])} was not public before"):
        Past(TARGET.eve, ledger.blocs, ledger.records, ledger.communes, ledger.context)
