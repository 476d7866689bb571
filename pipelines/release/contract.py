"""The contract of a release: its tables in the Open Data Contract Standard, from their one declaration.

https://bitol-io.github.io/open-data-contract-standard/v3.1.0/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from isoloir.domain.errors import ReleaseError
from isoloir.domain.tables import Column, DType, Table

from .rules import Facts, Rule, rules_of

STANDARD = "v3.1.0"
FILE = "contract.yaml"

TYPES: dict[DType, tuple[str, str]] = {
    "text": ("string", "STRING"),
    "count": ("integer", "INT32"),
    "number": ("number", "DOUBLE"),
    "flag": ("boolean", "BOOLEAN"),
}
"""Of a declared type, the standard's logical one and Parquet's."""

UNITS = {
    "share": "a part of the whole, 0 to 1",
    "pp": "percentage points: 100 times a difference of shares",
    "count": "a number of electors, votes, stations or places; not whole where it is expected",
    "share or count": "a share where the quantity is one, else a count",
    "logit": "log of odds: log(share / (1 - share)), or a difference of two",
    "logit²": "a variance on the scale of logits",
    "log": "natural logarithm, or a difference of two",
    "part": "a part of a whole, 0 to 1, that is no share of votes: a weight",
    "years": "years between two days",
    "flag": "true or false, or 1 or 0",
    "code": "text as published: leading zeros and letters are part of it",
}

FOREIGN = {("units.parquet", "unit_id"): "scores.unit_id"}
"""Columns that lead to another table."""

LIMITS = (
    "Forecasts, conditional on the national figures of the scenario; small and near-unanimous stations are "
    "merged or withheld. Not to be linked to persons, nor used for messages or advertisements to persons."
)


def facts_of(manifest: Mapping[str, Any]) -> Facts:
    """What the contract says beside its tables, as the manifest states it; KeyError where it does not."""
    policy = manifest["policy"]
    return Facts(
        schema_version=str(manifest["schema_version"]),
        territory=str(manifest["territory"]),
        target=str(manifest["target"]),
        held_on=str(manifest["held_on"]),
        as_of=str(manifest["as_of"]),
        release_id=str(manifest["release_id"]),
        licence=str(manifest["licence"]),
        attribution=str(manifest["attribution"]),
        grouping=str(manifest["grouping"]),
        blocs=tuple(str(bloc) for bloc in manifest["blocs"]),
        valid_rate=float(manifest["scenario"]["valid_rate"]),
        min_registered=int(policy["min_registered"]),
        min_valid=float(policy["min_valid"]),
    )


def contract(tables: Sequence[Table], facts: Facts) -> str:
    """The text of contract.yaml; the same for the same tables and facts."""
    said = {
        "apiVersion": STANDARD,
        "kind": "DataContract",
        "id": f"isoloir-{facts.territory}-{facts.target}",
        "name": f"Isoloir: forecast of {facts.territory}/{facts.target}",
        "version": facts.schema_version,
        "status": "active",
        "domain": "elections",
        "description": {
            "purpose": "Forecast turnout and shares of blocs per published unit of polling stations.",
            "usage": "Aggregate analysis of elections; read it together with model_card.md and audit.json.",
            "limitations": LIMITS,
        },
        "servers": [{"server": "release", "type": "local", "path": "./*.parquet", "format": "parquet"}],
        "schema": [_table(table, facts) for table in tables],
        "slaProperties": _service(facts),
        "customProperties": _custom(_beside(facts)),
    }
    return yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=110)


@dataclass(frozen=True, slots=True)
class Contract:
    """What a reader takes from contract.yaml: of which release it is, and its tables."""

    version: str
    target: str
    release_id: str
    tables: tuple[Table, ...]


def read_contract(text: str) -> Contract:
    """What contract.yaml says; ReleaseError for a text that is no contract of ours."""
    try:
        said = yaml.safe_load(text)
        beside = _read_custom(said)
        tables = tuple(_read_table(one) for one in said["schema"])
        return Contract(str(said["version"]), str(beside["target"]), str(beside["releaseId"]), tables)
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError, StopIteration) as error:
        raise ReleaseError(
            f"{FILE} can't be read as a contract of Isoloir: {type(error).__name__}", where=FILE
        ) from error


def _custom(said: Mapping[str, object]) -> list[dict[str, object]]:
    return [{"property": name, "value": value} for name, value in said.items()]


def _beside(facts: Facts) -> dict[str, object]:
    return {
        "territory": facts.territory,
        "target": facts.target,
        "heldOn": facts.held_on,
        "releaseId": facts.release_id,
        "licence": facts.licence,
        "attribution": facts.attribution,
        "grouping": facts.grouping,
        "blocs": list(facts.blocs),
        "definitions": UNITS,
    }


def _service(facts: Facts) -> list[dict[str, str]]:
    return [
        {
            "property": "timeliness",
            "value": facts.as_of,
            "description": "All that the forecast rests on was public before this day.",
        },
        {
            "property": "immutability",
            "value": "release",
            "description": "A release never changes; another one has another id, and stands beside it.",
        },
        {
            "property": "compatibility",
            "value": "SemVer",
            "description": "A minor version adds columns, files or values of text columns; a reader of an "
            "earlier minor reads it. Features in training.parquet are those of the release, and may go.",
        },
    ]


def _table(table: Table, facts: Facts) -> dict[str, object]:
    return {
        "name": table.name.removesuffix(".parquet"),
        "physicalName": table.name,
        "logicalType": "object",
        "physicalType": "file",
        "description": f"One row per {table.grain}.",
        "dataGranularityDescription": table.grain,
        "properties": [_property(table, column) for column in table.columns],
        "quality": [_not_empty(), *(_quality(rule) for rule in rules_of(table, facts))],
        "customProperties": _custom({"sortedBy": list(table.key), "sinceMinor": table.since}),
    }


def _property(table: Table, column: Column) -> dict[str, object]:
    logical, physical = TYPES[column.dtype]
    said: dict[str, object] = {"name": column.name, "logicalType": logical, "physicalType": physical}
    said |= {"required": not column.nullable, "description": column.text}
    # A key with a missing value in it is none to the standard: a rule says that its rows differ.
    if column.name in table.key and not any(c.nullable for c in table.columns if c.name in table.key):
        said |= {"primaryKey": True, "primaryKeyPosition": table.key.index(column.name) + 1}
        said |= {"unique": True} if len(table.key) == 1 else {}
    ends = {"minimum": column.low, "maximum": column.high}
    if limits := {name: end for name, end in ends.items() if end is not None}:
        said["logicalTypeOptions"] = limits
    if to := FOREIGN.get((table.name, column.name)):
        said["relationships"] = [{"type": "foreignKey", "to": to}]
    beside: dict[str, object] = {"unit": column.unit}
    beside |= {"sinceMinor": column.since} if column.since else {}
    return said | {"customProperties": _custom(beside)}


def _not_empty() -> dict[str, object]:
    return {
        "name": "not_empty",
        "type": "library",
        "metric": "rowCount",
        "mustBeGreaterThan": 0,
        "dimension": "completeness",
        "severity": "error",
    }


def _quality(rule: Rule) -> dict[str, object]:
    return {
        "name": rule.name,
        "type": "sql",
        "description": rule.text,
        "query": rule.query,
        "mustBe": 0,
        "dimension": rule.dimension,
        "severity": "error",
    }


def _read_table(said: Mapping[str, Any]) -> Table:
    beside = _read_custom(said)
    return Table(
        str(said["physicalName"]),
        str(said["dataGranularityDescription"]),
        tuple(_read_column(one) for one in said["properties"]),
        tuple(str(name) for name in beside["sortedBy"]),
        int(beside["sinceMinor"]),
    )


def _read_column(said: Mapping[str, Any]) -> Column:
    beside, ends = _read_custom(said), said.get("logicalTypeOptions", {})
    physical = (said["logicalType"], said["physicalType"])
    return Column(
        str(said["name"]),
        next(dtype for dtype, names in TYPES.items() if names == physical),
        str(beside["unit"]),
        str(said["description"]),
        not said["required"],
        ends.get("minimum"),
        ends.get("maximum"),
        int(beside.get("sinceMinor", 0)),
    )


def _read_custom(said: Mapping[str, Any]) -> dict[str, Any]:
    return {one["property"]: one["value"] for one in said["customProperties"]}
