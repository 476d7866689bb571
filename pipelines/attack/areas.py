"""The figures of areas: which are sums of whole units, and what the others, and the scenario, add."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from .bounds import Sums
from .finding import Finding
from .opened import Floats, Mask, Opened, Text
from .public import Public

ATTACK = "union of units"
CLOSE = 1e-6
"""Largest relative difference of voters or votes that rounding explains."""


@dataclass(frozen=True, slots=True)
class Areas:
    """What was found of the areas; ``odd`` are the sums that those of units do not already tell."""

    tried: int
    found: tuple[Finding, ...]
    odd: Sums | None
    notes: tuple[str, ...] = ()


def sums_of_areas(release: Opened, public: Public, electors: Floats, known: Mask) -> Areas:
    """Each area against the units of its code, and the scenario against what is published."""
    wide = figures(release)
    odd = [row for level, rows in wide.groupby("area_level") for row in _odd(release, str(level), rows)]
    found = [Finding(ATTACK, f"a {level} is no sum of whole units", area or "nation") for level, area in odd]
    seats = {level: _area_of(release, public, str(level)) for level, _ in odd}
    rows = [_sum_of(wide, seats[level], level, area) for level, area in odd]
    # A figure whose electors are those of its stations is of just these; another one is of nobody knows whom.
    usable = [r for r in rows if _fits(r, electors, known)]
    notes = (
        () if len(usable) == len(rows) else (f"{len(rows) - len(usable)} of unknown stations: not bounded",)
    )
    left, more = _residuals(release, electors)
    usable += more
    return Areas(len(wide), tuple(found + left), _stacked(usable, release), notes)


@dataclass(frozen=True, slots=True)
class Figure:
    """What is said of some stations [S]: electors (NaN if unsaid), voters and votes [B]."""

    inside: Mask
    registered: float
    voters: float
    votes: Floats


def figures(release: Opened) -> pd.DataFrame:
    """One row per area: registered, expected_voters, turnout and the share of each bloc; NaN if not said."""
    areas = release.aggregates
    name = areas["quantity"].where(areas["bloc"].isna(), "share " + areas["bloc"].fillna("").astype(str))
    wide = areas.assign(name=name).pivot_table(
        index=["area_level", "area_id"], columns="name", values="value", aggfunc="first"
    )
    wanted = ["registered", "expected_voters", "turnout", *(f"share {b}" for b in release.blocs)]
    return wide.reindex(columns=wanted).reset_index()


def _odd(release: Opened, level: str, rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Level and code of the areas that are not what the units of their code sum to."""
    n = len(release.scores)
    if level == "nation":
        code = pd.Series([""] * n)
    elif f"{level}_code" in release.scores:
        code = release.scores[f"{level}_code"].reset_index(drop=True)
    else:
        return [(level, str(area)) for area in rows["area_id"]]
    sums = np.column_stack([release.registered, release.voters, release.votes])
    total = pd.DataFrame(sums).groupby(code).sum().reindex(rows["area_id"]).to_numpy()
    votes = total[:, 2:] / np.maximum(total[:, 2:].sum(axis=1, keepdims=True), 1e-12)
    said = rows.drop(columns=["area_level", "area_id"]).to_numpy(np.float64)
    is_ = np.column_stack([total[:, :2], total[:, 1] / np.maximum(total[:, 0], 1), votes])
    off = np.abs(said - is_) > CLOSE * np.maximum(np.abs(is_), 1e-3)
    off[:, 0] = said[:, 0] != total[:, 0]
    # A figure that is not said gives nothing away.
    wrong = (off & ~np.isnan(said)) | np.isnan(total[:, :1])
    return [(level, str(area)) for area in rows["area_id"][wrong.any(axis=1)]]


def _area_of(release: Opened, public: Public, level: str) -> Text:
    """The area of each station [S]: of its unit, of the public roll, or as its id begins; "" if unknown."""
    if level == "nation":
        return np.full(len(release.station), "nation")
    name = f"{level}_code"
    if name not in release.scores:
        return np.full(len(release.station), "")
    code = np.append(release.scores[name].fillna("").astype(str).to_numpy(dtype=object), "")
    of_unit = code[release.unit].astype(np.str_)
    if level != "commune":
        return of_unit
    head = np.array([s[: max(s.rfind("_"), s.rfind("-"), 0)] for s in release.station], dtype=np.str_)
    ruled = bool((head == of_unit)[of_unit != ""].mean() > 0.99) if (of_unit != "").any() else False
    guess = np.where(ruled, head, "")
    roll = public.roll(str(release.manifest["roll_from"]))
    if roll is not None:
        row = pd.Index(roll.station).get_indexer(pd.Index(release.station))
        guess = np.where(row >= 0, roll.commune[row], guess)
    return np.where(of_unit != "", of_unit, guess)


def _sum_of(wide: pd.DataFrame, seat: Text, level: str, area: str) -> Figure:
    row = wide[(wide["area_level"] == level) & (wide["area_id"] == area)].iloc[0]
    shares = row[[c for c in wide.columns if c.startswith("share ")]].to_numpy(np.float64)
    return Figure(seat == (area or "nation"), row["registered"], row["expected_voters"], shares)


def _fits(figure: Figure, electors: Floats, known: Mask) -> bool:
    rows = figure.inside
    sure = bool(known[rows].all()) and rows.any()
    return bool(rows.any()) and (not sure or abs(electors[rows].sum() - figure.registered) < 0.5)


def _residuals(release: Opened, electors: Floats) -> tuple[list[Finding], list[Figure]]:
    """What the scenario, less what is published, says of the stations that are withheld."""
    said = release.manifest["scenario"]
    hidden = release.unit < 0
    lost = float(release.manifest["roll_registered"]) - release.registered.sum()
    if not hidden.any() or lost <= 0 or said.get("turnout_scope") or said.get("turnout") is None:
        return [], []
    alone = said["turnout"] * release.registered.sum()
    left = said["turnout"] * float(release.manifest["roll_registered"]) - release.voters.sum()
    if abs(release.voters.sum() - alone) <= CLOSE * alone or not -0.5 <= left <= lost + 0.5:
        return [], []
    total = release.votes.sum(axis=0)
    whole = np.array([said["shares"][b] for b in release.blocs]) * (total.sum() + left * release.valid_rate)
    votes = np.maximum(whole - total, 0)
    what = "voters of withheld stations follow from the scenario"
    figure = Figure(hidden, lost, min(max(left, 0.0), lost), votes / max(votes.sum(), 1e-12))
    return [Finding(ATTACK, what, f"{int(hidden.sum())} station(s)")], [figure]


def _stacked(figures_: list[Figure], release: Opened) -> Sums | None:
    if not figures_:
        return None
    member = sparse.csr_array(np.stack([f.inside for f in figures_]).astype(np.float64))
    voters = np.array([f.voters for f in figures_])
    votes = np.stack([f.votes * f.voters * release.valid_rate for f in figures_])
    return Sums(member, voters, votes)
