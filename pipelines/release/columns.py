"""The columns of a release, each declared once: type, unit, range and text."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Column:
    """One column: Arrow type, unit (share, pp, count, code, text) and what it says."""

    name: str
    type: pa.DataType
    unit: str
    text: str
    nullable: bool = False

    def field(self) -> pa.Field:
        """The Arrow field, its unit and text in the metadata."""
        return pa.field(self.name, self.type, self.nullable, {"unit": self.unit, "description": self.text})


def _text(name: str, text: str, *, nullable: bool = False) -> Column:
    return Column(name, pa.string(), "code", text, nullable)


def _number(name: str, unit: str, text: str, *, nullable: bool = False) -> Column:
    return Column(name, pa.float64(), unit, text, nullable)


def _count(name: str, text: str) -> Column:
    return Column(name, pa.int32(), "count", text)


BOUNDS = (("lo50", 0.5, "lower"), ("hi50", 0.5, "upper"), ("lo90", 0.1, "lower"), ("hi90", 0.1, "upper"))


def score_columns(blocs: tuple[str, ...]) -> tuple[Column, ...]:
    """The columns of scores.parquet: one row per published unit."""
    return (
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
        _text("level", "given by a scenario, or carried from the reference contest"),
        _text("grouping", "grouping of labels into blocs, and its version"),
        _number("turnout_pred", "share", "forecast turnout, voters / registered"),
        *(
            _number(f"turnout_{end}", "share", f"{side} bound, {1 - alpha:.0%} interval, level given")
            for end, alpha, side in BOUNDS
        ),
        _number("turnout_deviation_pp", "pp", "turnout less the national turnout of the scenario"),
        _number("expected_voters", "count", "turnout_pred times registered"),
        *(column for bloc in blocs for column in _bloc_columns(bloc)),
        _text("reference_contest", "contest that swings are counted from", nullable=True),
        _text("history", "exact, commune, department or none: the weakest source of its stations' past"),
        _text("flags", "what to be careful of, separated by spaces; empty if nothing"),
        _text("model_version", "what forecast turnout and shares"),
    )


def _bloc_columns(bloc: str) -> tuple[Column, ...]:
    missing = "; null where it did not stand in one of the two contests"
    return (
        _number(f"share_{bloc}_pred", "share", f"forecast share of {bloc}; 0 where it does not stand"),
        *(
            _number(f"share_{bloc}_{end}", "share", f"{side} bound, {1 - alpha:.0%} interval, level given")
            for end, alpha, side in BOUNDS
        ),
        _number(
            f"swing_{bloc}_pp", "pp", f"share less the share at the reference contest{missing}", nullable=True
        ),
        *(
            _number(f"swing_{bloc}_{end}_pp", "pp", f"{side} bound, {1 - alpha:.0%}{missing}", nullable=True)
            for end, alpha, side in BOUNDS
        ),
    )


UNIT_COLUMNS = (
    _text("station_id", "a station of the roll"),
    _text("unit_id", "the unit it is published in; null if withheld", nullable=True),
    _text("status", "published, merged or withheld"),
    _text("reason", "why it does not stand alone; empty if it does"),
)

AGGREGATE_COLUMNS = (
    _text("area_level", "nation, department or commune"),
    _text("area_id", "code of the area"),
    _text("quantity", "registered, expected_voters, turnout or share"),
    _text("bloc", "bloc of a share; null otherwise", nullable=True),
    _number("value", "share or count", "the sum over whole published units, divided last"),
)


def schema_of(columns: tuple[Column, ...], said: dict[str, str]) -> pa.Schema:
    """The Arrow schema of ``columns``, with ``said`` as its key-value metadata."""
    return pa.schema([c.field() for c in columns], metadata=said)
