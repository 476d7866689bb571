"""The figures that other people's code gave on the French files, found again by the shipped pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from isoloir.configs.load import load_territory
from isoloir.domain.ledger import Ledger
from isoloir.features.matrix import build
from isoloir.models.backtest import level_given
from isoloir.models.baselines import RULES, SIMPLE
from isoloir.models.scorecard import noise_floor, turnout_error_pp, votes_misallocated

pytestmark = [pytest.mark.real, pytest.mark.slow]

BEST_SIMPLE = {
    "2019_euro_t1": 2.93,
    "2022_pres_t1": 3.05,
    "2022_pres_t2": 2.71,
    "2022_legi_t1": 3.15,
    "2022_legi_t2": 2.35,
}
FLOOR = {
    "2019_euro_t1": 1.39,
    "2022_pres_t1": 1.18,
    "2022_pres_t2": 1.21,
    "2022_legi_t1": 1.38,
    "2022_legi_t2": 1.38,
}
MISALLOCATED = {("2022_pres_t1", "same_kind"): 7.2, ("2022_legi_t1", "last_round"): 11.6}


@dataclass(frozen=True)
class Figures:
    """Of one target: errors of each simple rule, level given, and the floor of turnout."""

    turnout: Mapping[str, float]
    shares: Mapping[str, float]
    floor: float


@pytest.fixture(scope="module")
def figures(ledger: Ledger) -> dict[str, Figures]:
    config = load_territory("fr")
    out = {}
    for key in BEST_SIMPLE:
        target = config.calendar[key]
        notice = ledger.notice(target)
        reference = config.calendar.reference_of(target)
        assert notice is not None
        matrix = build(ledger.as_of(target.eve), notice, reference.key if reference else None)
        outcomes = ledger.outcomes(target, config.calendar.contests[-1].eve)
        scenario = level_given(outcomes)
        made = {rule.name: rule.predict(matrix, scenario) for rule in RULES if rule.name in SIMPLE}
        out[key] = Figures(
            {rule: turnout_error_pp(f, outcomes) for rule, f in made.items()},
            {rule: votes_misallocated(f, outcomes) for rule, f in made.items()},
            noise_floor(outcomes)[0],
        )
    return out


@pytest.mark.parametrize("key", BEST_SIMPLE)
def test_the_best_simple_rule_errs_as_the_reference_says(figures: dict[str, Figures], key: str) -> None:
    assert min(figures[key].turnout.values()) == pytest.approx(BEST_SIMPLE[key], abs=0.1)


@pytest.mark.parametrize("key", FLOOR)
def test_the_noise_floor_is_that_of_the_reference(figures: dict[str, Figures], key: str) -> None:
    assert figures[key].floor == pytest.approx(FLOOR[key], abs=0.02)


@pytest.mark.parametrize(("key", "rule"), MISALLOCATED)
def test_votes_are_misallocated_as_the_reference_says(
    figures: dict[str, Figures], key: str, rule: str
) -> None:
    assert figures[key].shares[rule] == pytest.approx(MISALLOCATED[key, rule], abs=0.1)
