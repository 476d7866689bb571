"""Second rounds moved as earlier ones moved: slopes that were planted, shrinkage by hand, and what is met."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.special import expit, logit
from worlds import CONTESTS, LAST, TARGET, bits, scenario, stations

from isoloir.domain.election import AsOf, Contest
from isoloir.domain.forecast import FeatureMatrix, National
from isoloir.domain.ledger import Notice, Outcomes
from isoloir.models.layered import LAYERED
from isoloir.models.protocol import Lesson, TrainingSet
from isoloir.models.transition import INPUTS, LAYERS, Transition, shrunk

BLOCS = ("left", "right")
SIZE = 3000
PLANTED = np.array([-0.3, -0.15, -0.5, -0.8, 0.05])
"""Slopes of department, commune, station, orphans, size."""

NAMES = (*INPUTS, "turnout_layered", "share_prior_left", "share_prior_right")


def matrix(contest: Contest, seed: int = 1, size: int = SIZE, **columns: float) -> FeatureMatrix:
    """A matrix of made-up first rounds; ``columns`` are the same at every station."""
    rng = np.random.default_rng(seed)
    registered = rng.integers(200, 2000, size)
    made = {
        "first_round_department": rng.normal(0, 0.15, size),
        "first_round_commune": rng.normal(0, 0.2, size),
        "first_round_station": rng.normal(0, 0.2, size),
        "orphaned_share": rng.uniform(0, 0.6, size),
        "registered_log": np.log(registered),
        "turnout_layered": rng.normal(0, 0.3, size),
        "share_prior_left": rng.normal(0, 0.2, size),
        "share_prior_right": rng.normal(0, 0.2, size),
    }
    values = np.stack([np.full(size, columns[n]) if n in columns else made[n] for n in NAMES], axis=1)
    notice = Notice(
        contest, BLOCS, stations([f"A-1-{n:04d}" for n in range(size)]), registered.astype(np.int32),
        np.ones((size, 2), np.bool_), contest.key, contest.key,
    )  # fmt: skip
    then = National("then", 0.5, np.array([0.5, 0.5]), 0.97)
    return FeatureMatrix(notice, NAMES, values, then, ("then",))


def first_round_less(made: FeatureMatrix, missing: str = "orphaned_share") -> FeatureMatrix:
    """The same, had there been no first round."""
    values = made.values.copy()
    values[:, [made.names.index(n) for n in (*LAYERS, missing)]] = np.nan
    return dataclasses.replace(made, values=values)


def lesson(made: FeatureMatrix, slopes: np.ndarray, level: float = 0.4, noise: float = 0.0) -> Lesson:
    """What came of it where each station moved by ``slopes``, counted to the elector."""
    registered = made.notice.registered
    moved = level + made.columns(LAYERS).sum(axis=1) + made.columns(INPUTS) @ slopes
    moved = moved + noise * np.random.default_rng(5).standard_normal(len(moved))
    voters = np.rint(registered * expit(moved)).astype(np.int32)
    contest = made.notice.contest
    votes = np.stack([voters, np.zeros_like(voters)], axis=1)
    known = np.ones(len(voters), np.bool_)
    outcomes = Outcomes(contest, registered, voters, voters, votes, made.notice.standing, known)
    return Lesson(made, outcomes, contest.eve)


def second(year: int) -> Contest:
    """The second round of a ballot of that year."""
    held_on = TARGET.held_on.replace(year=year)
    return dataclasses.replace(TARGET, key=f"{year}_legi_t2", held_on=held_on)


def taught(*lessons: Lesson) -> Transition:
    cut = AsOf(LAST.held_on)
    return Transition().fit(TrainingSet(LAST, cut, lessons))


def test_planted_slopes_are_found() -> None:
    """Two rounds that moved alike: nothing is shrunk, but for the counting to whole electors."""
    lessons = [lesson(matrix(second(year), year), PLANTED) for year in (2012, 2017)]
    made = taught(*lessons)
    # The pull of ten pseudo-electors to the nation is all that is left.
    assert made.slopes == pytest.approx(PLANTED, abs=0.03)
    assert made.taught


def test_noise_blurs_the_slopes_and_no_more() -> None:
    lessons = [lesson(matrix(second(year), year), PLANTED, noise=0.1) for year in (2012, 2017, 2019)]
    assert taught(*lessons).slopes == pytest.approx(PLANTED, abs=0.05)


def test_one_round_is_half_believed() -> None:
    one = lesson(matrix(second(2012), 1), PLANTED)
    assert taught(one).slopes == pytest.approx(PLANTED / 2, abs=0.015)


def test_shrinkage_by_hand() -> None:
    """Mean 0.4, half the squared distance of 0.2 and 0.6 over 1 is 0.08; over two lessons 0.04."""
    assert shrunk([np.array([0.4, -0.2])]) == (0.2, -0.1)
    made = shrunk([np.array([0.2, 0.5, 1.0]), np.array([0.6, 0.5, -1.0])])
    assert made == pytest.approx((0.4 * 0.16 / (0.16 + 0.04), 0.5, 0.0))
    assert shrunk([]) == (0.0,) * len(INPUTS)
    assert shrunk([np.zeros(2), np.zeros(2)]) == (0.0, 0.0)
    # Three: mean 0.3, variance 0.04 over two degrees of freedom, a third of it.
    three = shrunk([np.array([0.1]), np.array([0.3]), np.array([0.5])])
    assert three == pytest.approx((0.3 * 0.09 / (0.09 + 0.04 / 3),))


@pytest.mark.parametrize(
    "column", ["orphaned_share", "registered_log", "first_round_department", "first_round_station"]
)
def test_what_does_not_vary_has_no_slope(column: str) -> None:
    """And takes nothing of the others', whatever its level."""
    at = INPUTS.index(column)
    made = taught(*(lesson(matrix(second(year), year, **{column: 0.37}), PLANTED) for year in (2012, 2017)))
    assert made.slopes[at] == pytest.approx(0, abs=1e-9)
    rest = np.arange(len(INPUTS)) != at
    assert np.array(made.slopes)[rest] == pytest.approx(PLANTED[rest], abs=0.03)


def test_two_inputs_that_say_the_same_share_their_slope() -> None:
    one = matrix(second(2012))
    values = one.values.copy()
    values[:, 1] = values[:, 0]
    twice = dataclasses.replace(one, values=values)
    made = taught(lesson(twice, np.array([-0.4, 0.0, -0.5, -0.8, 0.0])))
    assert made.slopes[:2] == pytest.approx([-0.1, -0.1], abs=0.02)


def test_stations_without_electors_teach_nothing() -> None:
    one = lesson(matrix(second(2012)), PLANTED)
    registered, voters = one.outcomes.registered.copy(), one.outcomes.voters.copy()
    registered[::3] = voters[::3] = 0
    emptied = dataclasses.replace(one.outcomes, registered=registered, voters=voters)
    made = taught(dataclasses.replace(one, outcomes=emptied))
    values = one.matrix.values.copy()
    values[::3] = 9.0
    wild = dataclasses.replace(one.matrix, values=values)
    assert taught(Lesson(wild, emptied, one.cut)).slopes == pytest.approx(made.slopes, abs=1e-9)
    assert made.slopes == pytest.approx(PLANTED / 2, abs=0.02)


def test_it_is_untaught_before_it_saw_a_second_round_whose_first_is_known() -> None:
    unknown = first_round_less(matrix(second(2012)))
    blank = lesson(matrix(second(2012)), PLANTED)
    nobody = dataclasses.replace(blank.outcomes, voters=np.zeros(SIZE, np.int32))
    without = Lesson(unknown, blank.outcomes, blank.cut)
    for model in (taught(), taught(without), taught(dataclasses.replace(blank, outcomes=nobody))):
        assert not model.taught and model.slopes == (0.0,) * 5
    assert taught(without, blank).taught
    # Untaught, it leaves the first round be.
    made = Transition().predict(matrix(TARGET, 7), scenario(0.5, [0.5, 0.5]))
    first = matrix(TARGET, 7).columns(LAYERS).sum(axis=1)
    assert np.ptp(logit(made.turnout) - first) == pytest.approx(0, abs=1e-9)


def test_a_first_round_is_the_layered_priors() -> None:
    model = taught(lesson(matrix(second(2012)), PLANTED))
    made, given = first_round_less(matrix(LAST, 7)), scenario(0.6, [0.45, 0.55])
    assert bits(model.predict(made, given)) == bits(LAYERED.predict(made, given))
    assert bits(model.predict(matrix(TARGET, 7), given)) != bits(LAYERED.predict(matrix(TARGET, 7), given))


def test_a_second_round_moves_as_it_learnt_and_meets_the_scenario() -> None:
    model = dataclasses.replace(Transition(), slopes=tuple(PLANTED.tolist()))
    made, given = matrix(TARGET, 7), scenario(0.47, [0.45, 0.55])
    said = model.predict(made, given)
    registered = made.notice.registered
    assert registered @ said.turnout / registered.sum() == pytest.approx(0.47, abs=1e-10)
    assert said.expected_valid @ said.shares / said.expected_valid.sum() == pytest.approx([0.45, 0.55])
    moved = logit(said.turnout) - made.columns(LAYERS).sum(axis=1) - made.columns(INPUTS) @ PLANTED
    assert np.ptp(moved) == pytest.approx(0, abs=1e-9)
    # Its shares are the prior's.
    score = np.log(said.shares[:, 1] / said.shares[:, 0])
    prior = made.per_bloc("share_prior")
    assert np.ptp(score - (prior[:, 1] - prior[:, 0])) == pytest.approx(0, abs=1e-9)


def test_what_it_learnt_forecasts_the_next_second_round_better_than_the_first_round_does() -> None:
    model = taught(*(lesson(matrix(second(year), year), PLANTED, noise=0.05) for year in (2012, 2017)))
    now = lesson(matrix(TARGET, 9), PLANTED, noise=0.05)
    given = scenario(now.outcomes.turnout(), [0.5, 0.5])
    actual = now.outcomes.voters / now.outcomes.registered

    def error(which: Transition) -> float:
        return float(np.abs(which.predict(now.matrix, given).turnout - actual).mean())

    assert error(model) < 0.3 * error(Transition())


def test_fitting_again_gives_the_same_bytes_and_leaves_the_first_alone() -> None:
    lessons = [lesson(matrix(second(year), year), PLANTED, noise=0.1) for year in (2012, 2017)]
    bare = Transition()
    cut = AsOf(LAST.held_on)
    once, again = (bare.fit(TrainingSet(LAST, cut, tuple(lessons))) for _ in range(2))
    assert bits(once) == bits(again) and bits(bare) == bits(Transition())
    assert bits(once.fit(TrainingSet(LAST, cut, tuple(lessons)))) == bits(once)
    given = scenario(0.5, [0.5, 0.5])
    assert bits(once.predict(matrix(TARGET), given)) == bits(again.predict(matrix(TARGET), given))


def test_the_level_of_a_lesson_is_not_learnt() -> None:
    """More or fewer voted in the second round: that is the scenario's to say."""
    low, high = (taught(lesson(matrix(second(2012)), PLANTED, level)) for level in (-0.4, 0.8))
    assert low.slopes == pytest.approx(high.slopes, abs=0.02)
    assert CONTESTS[3] is TARGET
