"""The schema of an exported table for tools that read CSV: Frictionless Table Schema.

https://specs.frictionlessdata.io/table-schema/.
"""

from __future__ import annotations

import json

from isoloir.domain.tables import Column, DType, Table

TYPES: dict[DType, str] = {"text": "string", "count": "integer", "number": "number", "flag": "boolean"}


def table_schema(table: Table) -> str:
    """The columns as JSON: type, unit, limits and meaning; the key, where no part of it can be missing."""
    said: dict[str, object] = {
        "$schema": "https://specs.frictionlessdata.io/schemas/table-schema.json",
        "fields": [_field(column) for column in table.columns],
        "missingValues": [""],
    }
    if table.key and not any(c.nullable for c in table.columns if c.name in table.key):
        said["primaryKey"] = list(table.key)
    return json.dumps(said, indent=1, ensure_ascii=False) + "\n"


def _field(column: Column) -> dict[str, object]:
    limits = {"required": not column.nullable, "minimum": column.low, "maximum": column.high}
    said: dict[str, object] = {"name": column.name, "type": TYPES[column.dtype]}
    said |= {"description": column.text, "unit": column.unit}
    if column.dtype == "flag":
        said |= {"trueValues": ["True"], "falseValues": ["False"]}
    return said | {"constraints": {name: end for name, end in limits.items() if end is not None}}
