"""Homogeneity: does a published number tell how, or that, nearly everyone votes?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from isoloir.domain.privacy import Policy

from .areas import figures
from .finding import Attacked, Finding
from .opened import Floats, Mask, Opened

ATTACK = "homogeneity"
LIMITS = Policy(0)
"""What is near-unanimous, and how far from 0 and 1 a forecast must stay."""
SLACK = 1e-3
"""The part of its least by which a forecast may miss it: to meet the scenario all move a little."""


def homogeneity(release: Opened) -> Attacked:
    """Near-unanimous forecasts of units and areas, and forecasts nearer to 0 or 1 than the offer makes them.

    Bounds of intervals are no forecast. Where one bloc stands alone its share says nothing: turnout only.
    """
    names = release.scores["unit_id"].astype(str)
    turnout = release.scores["turnout_pred"].to_numpy(np.float64)
    # Whoever divides the published voters by the electors must not learn more than the turnout says.
    divided = release.voters / np.maximum(release.registered, 1)
    found = _near("a unit", names, release.shares, np.maximum(turnout, divided))
    found += _outside(release, names, turnout)
    areas = figures(release)
    said = areas[[f"share {b}" for b in release.blocs]].to_numpy(np.float64)
    places = (areas["area_level"] + " " + areas["area_id"]).str.strip()
    found += _near("an area", places, said, areas["turnout"].to_numpy(np.float64))
    return Attacked(ATTACK, (len(names) + len(areas)) * (1 + len(release.blocs)), tuple(found))


def _named(what: str, names: Iterable[str], rows: Mask) -> list[Finding]:
    return [Finding(ATTACK, what, str(n)) for n in np.asarray(list(names), dtype=object)[rows]]


def _near(kind: str, names: Iterable[str], shares: Floats, turnout: Floats) -> list[Finding]:
    names, choice = list(names), (shares > 0).sum(axis=1) > 1
    near = choice & (np.nan_to_num(shares).max(axis=1, initial=0) >= LIMITS.near_share)
    found = _named(f"near-unanimous share of a bloc in {kind}", names, near)
    return found + _named(f"near-unanimous turnout of {kind}", names, turnout >= LIMITS.near_turnout)


def least_shares(release: Opened) -> Floats:
    """The least share of each bloc [B]: that of the policy, or half of the bloc's own in the scenario."""
    said = release.manifest["scenario"]
    stated = [[said["shares"][b] for b in release.blocs]]
    stated += [area["shares"] for area in said.get("areas", []) if area.get("shares") is not None]
    figures_ = np.array(stated, dtype=np.float64)
    return np.asarray(np.minimum(LIMITS.least, np.where(figures_ > 0, figures_, np.inf).min(axis=0) / 2))


def _outside(release: Opened, names: Iterable[str], turnout: Floats) -> list[Finding]:
    """Forecasts of units that are nearer to 0 or 1 than the policy lets them come."""
    names, least = list(names), LIMITS.least
    floor = least_shares(release) * (1 - SLACK)
    shares, free = release.shares, (release.shares > 0) & (release.shares < 1)
    # In several constituencies a bloc may stand in a part of the unit only, which the offer makes small.
    whole = release.scores["constituency_code"].notna().to_numpy() | (
        release.scores["n_members"].to_numpy(np.int64) == 1
    )
    low = (free & (shares < floor)).any(axis=1) & whole
    high = (free & (shares > 1 - least * (1 - SLACK))).any(axis=1)
    out = np.abs(turnout - 0.5) > 0.5 - least * (1 - SLACK)
    return [
        *_named("share too near to 0 or 1 in a unit", names, low | high),
        *_named("turnout too near to 0 or 1 in a unit", names, out),
    ]
