"""The disclosure policy on one screen: what no published figure may tell, and by which numbers.

*Protected* are the stations that are small or, as forecast, near-unanimous, and inputs that a publisher
withheld. *Not protected* are observed results, which anyone can read, and what others compute from them.

A station is merged with others into one unit (units.py), or withheld. The target's own outcome decides
nothing: a backtest protects as a forecast does. See docs/privacy.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .ledger import Counts, Mask

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Reasons = NDArray[np.str_]

FEW_ELECTORS, FEW_VOTES = "too few electors", "too few valid votes"
SMALL_THEN, NEAR = "too small at the last comparable contest", "near-unanimous"
JOINED, NO_PLACE = "joined by a small one", "no place to score"
NO_OTHER = "its unit has no other to join"


@dataclass(frozen=True, slots=True)
class Policy:
    """The numbers of the policy; ``version`` names the partition that they make.

    ``min_registered``: electors on the roll, now and at the last comparable contest. Statistical offices tell
    nothing of grid cells under 11 households; a unit of 50 electors is about thirty.
    ``min_valid``: valid votes, forecast and then. Germany counts stations of fewer than 50 voters together
    with others; of 50 electors some 30 cast a valid vote.
    ``near_share``, ``near_turnout``: from there on a figure tells how, or that, nearly everyone votes.
    ``least``: no forecast says that nobody, or everybody, votes so: shares and turnout keep that far from 0
    and 1 where the offer leaves them room.
    ``hidden_persons``, ``hidden_part``: what follows of a protected station's voters, or of a bloc's votes in
    it, from all published figures must leave open so many persons, and that part of its electors.
    """

    version: int
    min_registered: int = 50
    min_valid: float = 30.0
    near_share: float = 0.95
    near_turnout: float = 0.99
    least: float = 0.01
    hidden_persons: float = 5.0
    hidden_part: float = 0.10

    def leaves_open(self, registered: Counts) -> Floats:
        """The least width [S] of what can be followed of a protected station of so many electors."""
        return np.asarray(np.maximum(self.hidden_persons, self.hidden_part * registered))


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the policy weighs of stations [S]: electors and valid votes, as forecast and ``then``.

    ``valid`` are the votes that are usual there, which no scenario moves. ``registered_then, valid_then`` at
    the last comparable contest are NaN where no past of the station's own is known.
    """

    registered: Counts
    valid: Floats
    registered_then: Floats
    valid_then: Floats

    def weights(self, policy: Policy) -> Floats:
        """Per station the four sizes over their floors [S × 4]; a unit is large enough where each sum is 1.

        What is not known of then counts as it is now.
        """
        now = np.stack([self.registered, self.valid], axis=1).astype(np.float64)
        then = np.stack([self.registered_then, self.valid_then], axis=1)
        floors = np.array([policy.min_registered, policy.min_valid])
        both = np.concatenate([now, np.where(np.isnan(then), now, then)], axis=1)
        return np.asarray(both / np.tile(floors, 2))

    def reasons(self, policy: Policy) -> Reasons:
        """Why a station is small [S]; "" where it is not."""
        under = self.weights(policy) < 1
        return np.select(
            [under[:, 0], under[:, 1], under[:, 2:].any(axis=1)], [FEW_ELECTORS, FEW_VOTES, SMALL_THEN], ""
        )


def is_protected(reason: Reasons) -> Mask:
    """Whether a station of that reason is one that the policy protects: not what it was merged into."""
    return np.asarray((reason != "") & (reason != JOINED))


@dataclass(frozen=True, slots=True)
class Sums:
    """What is published of units: ``registered`` and ``voters`` [U], ``votes`` [U × B] of the valid ones.

    ``choice`` [U]: whether more than one bloc stands. ``open_to`` [U × B]: electors where the bloc stands.
    """

    registered: Floats
    voters: Floats
    votes: Floats
    choice: Mask
    open_to: Floats

    def why_exposed(self, policy: Policy) -> Reasons:
        """Why a unit's own figures may not be published [U]; "" where they may."""
        valid = self.votes.sum(axis=1)
        unanimous = self.choice & (self.votes.max(axis=1, initial=0) >= policy.near_share * valid)
        return np.select(
            [
                self.registered < policy.min_registered,
                valid < policy.min_valid,
                unanimous | (self.voters >= policy.near_turnout * self.registered),
            ],
            [FEW_ELECTORS, FEW_VOTES, NEAR],
            "",
        )

    def hides(self, unit: Index, registered: Counts, standing: Mask, policy: Policy) -> Mask:
        """Whether a unit leaves enough open of a station in it [P], given who is on the roll of each.

        Its voters lie between those that the others can't be, and all; so do its votes for each bloc that
        stands there, of which the others cast as many as stand for it. What the roll says alone, and a bloc
        without votes, tell nothing. ``unit`` [P] is each station's, ``standing`` [P × B] who stands there.
        """
        electors = registered.astype(np.float64)
        others = self.registered[unit] - electors
        rate = self.votes.sum(axis=1) / np.maximum(self.voters, 1e-12)
        least = policy.leaves_open(registered) * (1 + 1e-6)

        def open_(total: Floats, size: Floats, rest: Floats) -> Mask:
            width = np.minimum(size, total) - np.maximum(0.0, total - rest)
            return np.asarray((total == 0) | (width >= np.minimum(size * (1 - 1e-9), least)))

        hidden = open_(self.voters[unit], electors, others)
        for bloc in range(self.votes.shape[1]):
            rest = self.open_to[unit, bloc] - electors
            hides = open_(self.votes[unit, bloc], rate[unit] * electors, rate[unit] * rest)
            hidden &= hides | ~standing[:, bloc]
        return np.asarray(hidden)
