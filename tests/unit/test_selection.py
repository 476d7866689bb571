"""The champion where candidates were not judged at every target, and those that are of turnout alone."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from worlds import CONTESTS, LAST, TARGET

from isoloir.domain.election import Contest
from isoloir.models.layered import LAYERED, LAYERED_KIND, LAYERED_MEAN
from isoloir.models.selection import LEARNED, MARGIN, OF_TURNOUT, SAME_KIND, Judgement, choose
from isoloir.models.transition import Transition

FIRST, SECOND = CONTESTS[1], CONTESTS[3]


def judgement(
    contest: Contest, turnout: Mapping[str, float], shares: Mapping[str, float] | None = None
) -> Judgement:
    return Judgement(contest, turnout, turnout if shares is None else shares)


def test_candidates_for_turnout_alone_are_those_whose_shares_are_the_priors() -> None:
    models = (LAYERED, LAYERED_MEAN, LAYERED_KIND, Transition())
    assert tuple(m.name for m in models) == OF_TURNOUT
    assert all(m.shares == ("prior",) for m in models)


def test_an_untaught_candidate_is_judged_where_it_was_taught() -> None:
    """Regrets: prior 0, 0.2 and 0; transition (of the last alone) 0.1; layered 0.05, 0 and 0.3."""
    earlier = [
        judgement(SECOND, {"prior": 2.0, "layered": 2.1}),
        judgement(SECOND, {"prior": 2.4, "layered": 2.0}),
        judgement(SECOND, {"prior": 2.0, "layered": 2.6, "transition": 2.2}),
    ]
    assert choose(earlier, TARGET).turnout == "prior"
    # A better third one: of all that were judged at least once it is the best.
    better = [*earlier[:2], judgement(SECOND, {"prior": 2.0, "layered": 2.6, "transition": 1.9})]
    assert choose(better, TARGET).turnout == "transition"
    assert choose(better[:2], TARGET).turnout in ("prior", "layered"), (
        "one that was never judged is not chosen"
    )


def test_the_order_of_judgements_does_not_matter() -> None:
    """Also where the first lacks a candidate, or has one more than the rest."""
    with_it = judgement(SECOND, {"prior": 2.0, "transition": 1.5})
    without = judgement(SECOND, {"prior": 1.0, "layered": 1.2})
    assert choose([with_it, without], TARGET).turnout == choose([without, with_it], TARGET).turnout
    assert choose([without, with_it], TARGET).turnout == "transition"


def test_shares_never_choose_a_candidate_for_turnout() -> None:
    said = {"prior": 5.0, "pooled": 6.0, **dict.fromkeys(OF_TURNOUT, 1.0)}
    champion = choose([judgement(SECOND, said)], TARGET)
    assert champion.shares == "prior" and champion.turnout in OF_TURNOUT
    # Nor do they set what others are compared with.
    one = judgement(SECOND, {"prior": 1.0}, {"prior": 2.0, "pooled": 1.0, "layered": 0.1})
    other = judgement(SECOND, {"prior": 1.0}, {"prior": 1.0, "pooled": 2.05, "layered": 1.0})
    assert choose([one, other], TARGET).shares == "prior"


def test_the_pool_is_chosen_where_nothing_can_be_said() -> None:
    assert choose([], TARGET) == choose([], LAST)
    nothing = judgement(SECOND, {"prior": 1.0}, {"prior": math.nan, "layered": math.nan})
    champion = choose([nothing], TARGET)
    assert (champion.turnout, champion.shares) == ("prior", "pooled")


def test_second_rounds_alone_count_for_second_rounds() -> None:
    earlier = [
        judgement(FIRST, {"prior": 1.0, "transition": 9.0}),
        judgement(SECOND, {"prior": 1.1, "transition": 1.0}),
    ]
    assert choose(earlier, TARGET).turnout == "transition"
    assert choose(earlier, LAST).turnout == "prior"
    assert choose(earlier[:1], TARGET).turnout == "prior", "first rounds count where there are no second ones"


def test_what_is_fitted_by_trees_has_to_be_better_by_a_margin_and_the_transition_has_not() -> None:
    assert "transition" not in LEARNED
    for name, gain, chosen in (
        ("boosted_turnout", MARGIN / 2, False),
        ("boosted_turnout", MARGIN * 2, True),
        ("transition", MARGIN / 2, True),
    ):
        said = {"prior": 1.0 + gain, name: 1.0}
        assert (choose([judgement(SECOND, said)], TARGET).turnout == name) == chosen, (name, gain)


SECOND_KIND = dataclasses.replace(TARGET, kind="other")


def test_targets_of_the_same_kind_count_twice() -> None:
    """Regrets of `mine` 0 and 1, of `theirs` 0.7 and 0: equal weights choose `theirs`, these do not."""
    of_kind = judgement(TARGET, {"mine": 1.0, "theirs": 1.7})
    other = judgement(SECOND_KIND, {"mine": 2.0, "theirs": 1.0})
    assert SAME_KIND == 2.0
    assert choose([of_kind, other], TARGET).turnout == "mine"
    assert choose([of_kind, other, other], TARGET).turnout == "theirs"
    # Seen from the other kind it is the other way round.
    assert choose([of_kind, other], SECOND_KIND).turnout == "theirs"
