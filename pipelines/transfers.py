"""Vote transfers between the rounds of an election, published by constituency and above, never below."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isoloir.configs.load import TerritoryConfig
from isoloir.domain.election import AsOf, Contest
from isoloir.domain.errors import MissingInputError, UsageError
from isoloir.domain.ledger import Counts, Mask, Outcomes
from isoloir.domain.lineage import WITNESS_GAP
from isoloir.domain.privacy import Policy
from isoloir.domain.station import Text, grouped, positions
from isoloir.domain.tables import Column, Table
from isoloir.models.transfers import Estimates, Nest, Rounds, paired, transfers

from .bench import Bench
from .core import INGESTED
from .home import read_json, replaced, write_json
from .pieces import MINISTRY, RESULTS, terms_of
from .placement import placement
from .progress import Say
from .release.columns import schema_of
from .units import policy_of

Floats = NDArray[np.float64]

LABEL = "order of magnitude"
WARNING = (
    "Estimated from tables of areas, not from what any person did (the ecological fallacy): an order of "
    "magnitude. Where a bloc's voters chose otherwise in its strongholds than elsewhere the estimate is off, "
    "and its interval does not say by how much; only the bounds are sure."
)
MIN_STATIONS = 20
"""The least stations of an area whose transfers are published."""

SEED = 1
BLANK, ABSENT = "blank_or_null", "abstention"
LEVELS = ("nation", "department", "constituency")

TRANSFERS = Table(
    "transfers.parquet",
    "area",
    (
        Column("area_level", "text", "code", "nation, department or constituency"),
        Column("area_id", "text", "code", "code of the area; the territory's key for the nation"),
        Column("from", "text", "code", f"bloc at the first round, {BLANK} or {ABSENT}"),
        Column("to", "text", "code", f"bloc at the second round, {BLANK} or {ABSENT}"),
        Column("votes", "number", "count", "estimated electors, of the first round's registered", low=0.0),
        *(
            Column(name, "number", "share", text, low=0.0, high=1.0)
            for name, text in (
                ("share", "votes over all electors of `from` in the area"),
                ("lo90", "lower bound, 90% interval over stations; ecological bias is not in it"),
                ("hi90", "upper bound, 90% interval over stations; ecological bias is not in it"),
                ("bound_lo", "deterministic lower bound (Duncan & Davis), summed over stations"),
                ("bound_hi", "deterministic upper bound (Duncan & Davis), summed over stations"),
            )
        ),
        Column("stations", "count", "count", "stations that the estimate rests on", low=0),
        Column("label", "text", "code", "what the figures are worth"),
    ),
)


@dataclass(frozen=True, slots=True)
class Told:
    """What is left out: stations of one round only or without shares; in areas too small, and those areas.

    ``few``: pairs of `from` and `to` unpublished as too few electors of the area are in one of them.
    """

    stations: int
    unpaired: int
    in_small: int
    small_areas: int
    few: int


@dataclass(frozen=True, slots=True)
class Made:
    """The published rows, where they lie, and what is left out."""

    rows: pd.DataFrame
    path: Path
    told: Told


@dataclass(frozen=True, slots=True)
class Ballot:
    """The stations of both rounds: counts, names of their columns, areas; the lesser registered and valid."""

    rounds: Rounds
    names: tuple[Text, Text]
    department: Text
    constituency: Text
    registered: Counts
    valid: Counts


def make_transfers(bench: Bench, first: Contest, second: Contest, say: Say) -> Made:
    """Estimate the transfers from ``first`` to ``second`` and write them to home's transfers/.

    UsageError unless ``first`` is the first round of ``second``'s ballot and the territory has shares;
    MissingInputError where a round was not ingested, has no shares, or no area is large enough.
    """
    check_ballot(bench.config, first, second)
    policy = policy_of(bench)
    ballot, stations = ballot_of(bench, first, second)
    kept = enough(ballot, policy)
    if not kept.any():
        raise MissingInputError(f"no area has {MIN_STATIONS} stations with shares at both rounds")
    whole, small = len(ballot.registered), len(set(_cell(ballot)[~kept]))
    ballot = _at(ballot, kept)
    say("estimating transfers")
    rows, few = published(ballot, bench.key, policy)
    told = Told(stations, stations - whole, int(whole - kept.sum()), small, few)
    bench.home.folder("transfers", bench.key)
    final = bench.home.planned("transfers", bench.key, second.key)
    said = {"territory": bench.key, "first": first.key, "second": second.key, "label": LABEL}
    said |= {"grouping": bench.grouping, "warning": WARNING, "licence": _licence(bench)}
    with replaced(final) as aside:
        arrow = pa.Table.from_pandas(rows, schema=schema_of(TRANSFERS), preserve_index=False)
        pq.write_table(arrow.replace_schema_metadata(said), aside / TRANSFERS.name, compression="zstd")
        write_json(aside / "transfers.json", said | {"left_out": asdict(told)})
    return Made(rows, final / TRANSFERS.name, told)


def _licence(bench: Bench) -> str:
    """The licences of the results that were ingested."""
    parts = read_json(bench.core / INGESTED)["parts"]
    roles = [role for role in parts if role.partition("/")[0] in (RESULTS, MINISTRY)]
    return "; ".join(dict.fromkeys(terms_of(bench.config, role).licence for role in roles))


def check_ballot(config: TerritoryConfig, first: Contest, second: Contest) -> None:
    """UsageError unless ``first`` is the first round of the ballot that ``second`` ends, with shares."""
    if config.turnout_only:
        raise UsageError(f"{config.key} has no shares: nothing is known of transfers between blocs")
    opened = config.calendar.first_round_of(second)
    if opened is None or opened.key != first.key:
        raise UsageError(
            f"{first.key} and {second.key} are not the two rounds of one election",
            remedy=f"--first {opened.key}" if opened else "name a second round, such as 2022_pres_t2",
        )


def ballot_of(bench: Bench, first: Contest, second: Contest) -> tuple[Ballot, int]:
    """The stations found at both rounds by code, with like rolls and shares; and how many the second has."""
    ever = AsOf(date.max)
    then, now = (bench.ledger.outcomes(one, ever) for one in (first, second))
    one, two = (n for c in (first, second) if (n := bench.ledger.notice(c)) is not None)
    placed = placement(two, bench.ledger.as_of(ever), bench.derived).put(two).stations
    row = positions(two.stations.station_id, one.stations.station_id)
    rows = np.flatnonzero((row >= 0) & _alike(then, now, row))
    if not len(rows):
        raise MissingInputError(f"no station has shares at both {first.key} and {second.key}")
    counts = (_counts(then, row[rows]), _counts(now, rows))
    names = np.array([*bench.blocs.blocs, BLANK, ABSENT])
    used = [part.any(axis=0) for part in counts]
    return Ballot(
        paired(counts[0][:, used[0]], counts[1][:, used[1]]),
        (names[used[0]], names[used[1]]),
        placed.department_code[rows],
        placed.constituency_code[rows],
        np.minimum(then.registered[row[rows]], now.registered[rows]),
        np.minimum(then.valid[row[rows]], now.valid[rows]),
    ), len(row)


def _alike(then: Outcomes, now: Outcomes, row: NDArray[np.intp]) -> Mask:
    """Where shares are known at both rounds and the registered agree as those of one station do."""
    before, after = then.registered[row].astype(np.float64), now.registered.astype(np.float64)
    gap = np.abs(before - after) / np.maximum(1.0, np.maximum(before, after))
    known = then.shares_known[row] & now.shares_known
    return np.asarray(known & (before > 0) & (after > 0) & (gap <= WITNESS_GAP))


def _counts(outcomes: Outcomes, rows: NDArray[np.intp]) -> Floats:
    """Votes of each bloc, other voters, and who did not vote [S × (B + 2)]."""
    votes, voters = outcomes.votes[rows], outcomes.voters[rows]
    blank = np.maximum(0, voters - votes.sum(axis=1))
    absent = np.maximum(0, outcomes.registered[rows] - voters)
    return np.column_stack([votes, blank, absent]).astype(np.float64)


def _cell(ballot: Ballot) -> Text:
    """The smallest area each station may be published in: its constituency, or the rest of its department."""
    return np.char.add(np.char.add(ballot.department, " "), ballot.constituency)


def enough(ballot: Ballot, policy: Policy) -> Mask:
    """Stations [S] of cells that have stations, electors and votes enough.

    The others are in no larger area either: what a department has beyond its constituencies could be told
    by subtraction.
    """
    codes, cell = grouped(_cell(ballot))
    stations = np.bincount(cell, minlength=len(codes))
    registered = np.bincount(cell, ballot.registered, len(codes))
    valid = np.bincount(cell, ballot.valid, len(codes))
    large = (stations >= MIN_STATIONS) & (registered >= policy.min_registered) & (valid >= policy.min_valid)
    return np.asarray(large[cell])


def _at(ballot: Ballot, rows: Mask) -> Ballot:
    return Ballot(
        ballot.rounds.take(np.flatnonzero(rows)),
        ballot.names,
        ballot.department[rows],
        ballot.constituency[rows],
        ballot.registered[rows],
        ballot.valid[rows],
    )


def published(ballot: Ballot, territory: str, policy: Policy) -> tuple[pd.DataFrame, int]:
    """The rows of every area in order of level and code, and how many pairs hold too few electors."""
    _, cell, inside = np.unique(_cell(ballot), return_index=True, return_inverse=True)
    departments, department = grouped(ballot.department[cell])
    constituencies, constituency = grouped(ballot.constituency[cell])
    known = constituencies != ""
    constituency = np.where(known[constituency], constituency - int((~known).sum()), -1)
    made = transfers(ballot.rounds, Nest(inside, department), SEED)
    size, parts, few = np.bincount(inside), [], 0
    for level, codes, area in zip(
        LEVELS,
        (np.array([territory]), departments, constituencies[known]),
        (np.zeros(len(cell), np.intp), department, constituency),
        strict=True,
    ):
        stations = np.bincount(area[area >= 0], size[area >= 0], len(codes)).astype(np.int32)
        estimates = made.of_areas(area, len(codes))
        rows, unpublished = _rows(estimates, level, codes, stations, ballot.names, policy.min_valid)
        parts.append(rows)
        few += unpublished
    return pd.concat(parts, ignore_index=True), few


def _rows(
    estimates: Estimates, level: str, codes: Text, stations: Counts, names: tuple[Text, Text], least: float
) -> tuple[pd.DataFrame, int]:
    """One row for each area, `from` and `to`; without what nobody chose, or fewer than ``least`` did."""
    table = estimates.table
    origin, end = table.sum(axis=2), table.sum(axis=1)
    chosen = (origin > 0)[:, :, None] & (end > 0)[:, None, :]
    many = (origin >= least)[:, :, None] & (end >= least)[:, None, :]
    a, i, j = np.nonzero(chosen & many)
    rows = pd.DataFrame({"area_level": level, "area_id": codes[a], "from": names[0][i], "to": names[1][j]})
    rows["votes"] = table[a, i, j]
    for name, part in (
        ("share", table),
        ("lo90", estimates.lo90),
        ("hi90", estimates.hi90),
        ("bound_lo", estimates.low),
        ("bound_hi", estimates.high),
    ):
        # The last bits of a sum may lie beyond 1.
        rows[name] = np.clip(part[a, i, j] / origin[a, i], 0.0, 1.0)
    rows["stations"] = stations[a]
    return rows.assign(label=LABEL), int((chosen & ~many).sum())


def shown(made: Made) -> str:
    """The nation's shares with intervals and bounds as a person reads them, and what to think of them."""
    nation = made.rows[made.rows["area_level"] == "nation"]
    order = list(dict.fromkeys(nation["from"])), list(dict.fromkeys(nation["to"]))
    lines = [f"{LABEL}: where the electors of the first round went, % of each row"]
    for title, ends in (
        ("", ("share",)),
        ("90 % interval over stations", ("lo90", "hi90")),
        ("deterministic bounds", ("bound_lo", "bound_hi")),
    ):
        said = (100 * nation[list(ends)]).round(1).astype(str).agg("–".join, axis=1)
        wide = nation.assign(said=said).pivot(index="from", columns="to", values="said")
        lines += ["", title] if title else []
        lines.append(wide.loc[order[0], order[1]].rename_axis(index=None, columns=None).to_string())
    told, areas = made.told, made.rows.groupby("area_level")["area_id"].nunique()
    return "\n".join(
        [
            *lines,
            "",
            f"{areas.get('department', 0)} departments, {areas.get('constituency', 0)} constituencies; "
            f"{told.stations - told.unpaired - told.in_small} of {told.stations} stations",
            f"left out: {told.unpaired} stations without shares or a like roll at both rounds,",
            f"  {told.in_small} in {told.small_areas} areas too small, {told.few} pairs with too few",
            "",
            fill(WARNING, 110),
        ]
    )
