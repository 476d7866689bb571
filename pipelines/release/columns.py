"""The tables of a release, each column declared once: type, unit, range and text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module

import pyarrow as pa

from isoloir.domain.errors import ReleaseError
from isoloir.domain.tables import Column, DType, Table

from .training_columns import training_table

# Registers every feature: the columns of the training set are of them.
import_module("isoloir.features.matrix")

SCHEMA = (1, 2)
"""Major and minor version of the schema declared here: what today's writer writes and reader knows."""

ARROW: dict[DType, pa.DataType] = {
    "text": pa.string(),
    "count": pa.int32(),
    "number": pa.float64(),
    "flag": pa.bool_(),
}


def _text(name: str, text: str, *, nullable: bool = False) -> Column:
    return Column(name, "text", "code", text, nullable)


def _number(name: str, unit: str, text: str, *, nullable: bool = False) -> Column:
    low, high = RANGES.get(unit, (None, None))
    return Column(name, "number", unit, text, nullable, low, high)


def _count(name: str, text: str, *, nullable: bool = False) -> Column:
    return Column(name, "count", "count", text, nullable, low=0)


def _since(minor: int, columns: Iterable[Column]) -> tuple[Column, ...]:
    return tuple(replace(column, since=minor) for column in columns)


RANGES = {"share": (0.0, 1.0), "count": (0.0, None)}
"""What every column of a unit lies in."""


BOUNDS = (("lo50", 0.5, "lower"), ("hi50", 0.5, "upper"), ("lo90", 0.1, "lower"), ("hi90", 0.1, "upper"))


NO_PAST = "; null where no past of the kind is known"

STANDING = (
    _number(
        "abstention_structural_share",
        "share",
        "lowest abstention at earlier rounds of the same kind, of its members by registered" + NO_PAST,
        nullable=True,
    ),
    _number(
        "abstention_conjunctural_share",
        "share",
        "1 less turnout_pred less the structural share, at least 0" + NO_PAST,
        nullable=True,
    ),
    _number(
        "volatility_share",
        "share",
        "mean Pedersen index between earlier contests of the same kind and round; null if fewer than two",
        nullable=True,
    ),
    *(
        column
        for area in ("department", "constituency")
        for column in (
            _count(
                f"rank_{area}",
                f"place in its {area}, 1: most abstention beyond the structural; null if either is unknown",
                nullable=True,
            ),
            *(
                _count(
                    f"rank_{area}_{end}",
                    f"{side} end of the rank in 90% of joint draws, stretched to hold the rank",
                    nullable=True,
                )
                for end, side in (("lo90", "lower"), ("hi90", "upper"))
            ),
        )
    ),
    _text(
        "tier",
        "A to D: quarters of registered electors, A with most abstention beyond the structural" + NO_PAST,
        nullable=True,
    ),
    _number(
        "tier_confidence",
        "share",
        "part of the joint draws in which it is in this tier, tiers made anew in each" + NO_PAST,
        nullable=True,
    ),
    _text("profile", "what the ground is like, what people live on, how it votes: see docs/scores.md"),
)
"""How a unit stands to its own past, and to other units."""


def scores_table(blocs: tuple[str, ...]) -> Table:
    """scores.parquet: one row per published unit."""
    columns = (
        _text("unit_id", "the unit: the id of the first of its stations"),
        _text("unit_level", "station, or merged for a unit of several stations"),
        _count("n_members", "stations in the unit"),
        _text("territory", "territory key"),
        _text("target", "contest that is forecast"),
        _text("department_code", "larger area"),
        _text("commune_code", "smaller area; null if the unit lies in several", nullable=True),
        _text("constituency_code", "constituency; null if unknown or several", nullable=True),
        _count("registered", "electors on the roll"),
        _text("scenario", "the national figures that the forecast is conditional on"),
        _text("level", "given by a scenario, carried from the reference contest, or partly each"),
        _text("grouping", "grouping of labels into blocs, and its version"),
        _number("turnout_pred", "share", "forecast turnout, voters / registered"),
        *(
            _number(f"turnout_{end}", "share", f"{side} bound, {1 - alpha:.0%} interval under the scenario")
            for end, alpha, side in BOUNDS
        ),
        _number("turnout_deviation_pp", "pp", "turnout less the national turnout of the scenario"),
        _number("expected_voters", "count", "turnout_pred times registered"),
        *(column for bloc in blocs for column in _bloc_columns(bloc)),
        *_since(1, STANDING),
        *_since(1, (column for bloc in blocs for column in _reserve_columns(bloc))),
        _text("reference_contest", "contest that swings are counted from", nullable=True),
        _text(
            "history",
            "exact, repaired (by succession), commune, department or none: the weakest source of its past",
        ),
        _text("flags", "what to be careful of, separated by spaces; empty if nothing"),
        _text("model_version", "what forecast turnout and shares, and the digest of its training"),
    )
    return Table("scores.parquet", "unit", columns, ("unit_id",))


def _bloc_columns(bloc: str) -> tuple[Column, ...]:
    missing = "; null where it did not stand in one of the two contests"
    return (
        _number(f"share_{bloc}_pred", "share", f"forecast share of {bloc}; 0 where it does not stand"),
        *(
            _number(
                f"share_{bloc}_{end}", "share", f"{side} bound, {1 - alpha:.0%} interval under the scenario"
            )
            for end, alpha, side in BOUNDS
        ),
        _number(
            f"swing_{bloc}_pp",
            "pp",
            f"share less its members' mean share at the reference contest, by registered{missing}",
            nullable=True,
        ),
        *(
            _number(f"swing_{bloc}_{end}_pp", "pp", f"{side} bound, {1 - alpha:.0%}{missing}", nullable=True)
            for end, alpha, side in BOUNDS
        ),
    )


def _reserve_columns(bloc: str) -> tuple[Column, ...]:
    said = f"votes for {bloc} among conjunctural abstainers, "
    warning = ": a potential under an assumption, not an effect of campaigning"
    ends = (("low", "least"), ("high", "most"))
    return (
        _number(
            f"reserve_{bloc}_votes",
            "count",
            f"{said}if they split as its forecast shares (as_here); 0 where it does not stand{warning}",
            nullable=True,
        ),
        *(
            _number(
                f"reserve_{bloc}_{end}_votes",
                "count",
                f"{said}the {word} of as_here, as_nation and as_before{warning}",
                nullable=True,
            )
            for end, word in ends
        ),
    )


UNITS = Table(
    "units.parquet",
    "station",
    (
        _text("station_id", "a station of the roll"),
        _text("unit_id", "the unit it is published in; null if withheld", nullable=True),
        _text("status", "published, merged or withheld"),
        _text("reason", "why it does not stand alone; empty if it does"),
    ),
    ("station_id",),
)

AGGREGATES = Table(
    "aggregates.parquet",
    "area",
    (
        _text("area_level", "nation, department, constituency or commune"),
        _text("area_id", "code of the area"),
        _text("quantity", "registered, expected_voters, turnout or share"),
        _text("bloc", "bloc of a share; null otherwise", nullable=True),
        _number("value", "share or count", "the sum over whole published units, divided last"),
        *(
            _number(
                end,
                "share or count",
                f"{side} bound, {1 - alpha:.0%} interval under the scenario",
                nullable=True,
            )
            for end, alpha, side in BOUNDS
        ),
    ),
    ("area_level", "area_id", "quantity", "bloc"),
)


SUCCESSION = Table(
    "succession.parquet",
    "pair of stations",
    (
        _text("from_contest", "the earlier of two complete rolls that follow on one another"),
        _text("to_contest", "the later one; the last is the target's"),
        _text("old_station_id", "a station of the earlier roll; null if none is known", nullable=True),
        _text("new_station_id", "the station of the later roll that it became, in whole or in part"),
        _number("weight", "share", "part of the old station's electors in the new one", nullable=True),
        _text(
            "method",
            "exact, aligned, split, merged, whole, doubtful; without a partner commune (its past) or none",
        ),
        _number("confidence", "share", "probability of the pair", nullable=True),
    ),
    ("from_contest", "to_contest", "new_station_id", "old_station_id"),
)


def tables_of(blocs: tuple[str, ...], minor: int = SCHEMA[1]) -> tuple[Table, ...]:
    """Every table of a release of that minor version of the schema."""
    training = replace(training_table(blocs), key=("contest", "unit_id"), since=2)
    every = (scores_table(blocs), UNITS, AGGREGATES, SUCCESSION, training)
    return tuple(table.as_of(minor) for table in every if table.since <= minor)


def minor_of(version: str, where: str = "") -> int:
    """The minor version of a release's schema; ReleaseError where its major is not the one known here."""
    major, minor = (int(part) for part in version.split(".")[:2])
    if major != SCHEMA[0]:
        raise ReleaseError(
            f"this release has schema {version}, and this Isoloir reads {SCHEMA[0]}.x.y alone",
            where=where,
            remedy="read it with a newer Isoloir"
            if major > SCHEMA[0]
            else "publish it again with this Isoloir, or read it with an older one",
        )
    return minor


def schema_of(table: Table) -> pa.Schema:
    """The Arrow schema of a declared table; unit and text of each column in its metadata."""
    return pa.schema(
        [
            pa.field(c.name, ARROW[c.dtype], c.nullable, {"unit": c.unit, "description": c.text})
            for c in table.columns
        ]
    )
