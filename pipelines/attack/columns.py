"""Planted personal columns: columns and files that nothing declares, and names that only a person has."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from isoloir.pipelines.release.columns import minor_of, tables_of

from .finding import Attacked, Finding
from .opened import Opened

ATTACK = "personal columns"
FILES = {"manifest.json", "audit.json", "audit.html", "report.html", "model_card.md", "contract.yaml"}
# fmt: off
PERSONAL = frozenset((
    "nom", "noms", "prenom", "prenoms", "patronyme", "surname", "surnames", "firstname",
    "lastname", "forename", "email", "emails", "mail", "courriel", "phone", "telephone",
    "tel", "mobile", "birth", "birthday", "birthdate", "naissance", "dob", "address",
    "adresse", "street", "rue", "nir", "ssn", "sexe", "sex", "gender",
    "civilite", "person", "personne", "voter", "elector", "electeur", "citizen", "passport",
    "iban",
))
# fmt: on
"""Words that a column about places does not have."""
PAIRS = (
    frozenset(("first", "last", "family", "given", "birth", "full", "middle")),
    frozenset(("name", "names")),
)


def personal_columns(release: Opened) -> Attacked:
    """Columns that the declaration of the release's schema, or its contract, has not; files likewise."""
    declared = _declared(release)
    found, tried = _files(release.path, set(declared)), 0
    for name, columns in declared.items():
        path = release.path / name
        if path.is_file():
            seen = list(_fields(pq.read_schema(path)))
            tried += len(seen)
            found += [_found("a column that is not declared", name, c) for c in seen if c not in columns]
            found += [_found("a column with a name for a person", name, c) for c in seen if is_personal(c)]
    for path in sorted(release.path.glob("*.json")):
        keys = set(_keys(json.loads(path.read_text(encoding="utf-8"))))
        tried += len(keys)
        found += [
            _found("a key with a name for a person", path.name, k) for k in sorted(keys) if is_personal(k)
        ]
    return Attacked(ATTACK, tried, tuple(found))


def _found(what: str, file: str, name: str) -> Finding:
    return Finding(ATTACK, what, f"{file}: {name}" if re.fullmatch(r"\w{1,60}", name) else file)


def _declared(release: Opened) -> dict[str, set[str]]:
    """The columns of each table: those of the schema version, or fewer if the release's contract says so."""
    tables = tables_of(release.blocs, minor_of(str(release.manifest["schema_version"])))
    declared = {table.name: {c.name for c in table.columns} for table in tables}
    contract = release.path / "contract.yaml"
    if contract.is_file():
        said = yaml.safe_load(contract.read_text(encoding="utf-8"))
        for table in said.get("schema", []):
            names = {str(p.get("name", "")) for p in table.get("properties", [])}
            for key in (table.get("physicalName"), table.get("name"), f"{table.get('name')}.parquet"):
                if key in declared:
                    declared[key] &= names
    return declared


def _files(folder: Path, tables: set[str]) -> list[Finding]:
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    strange = [n for n in names if n not in FILES | tables]
    return [_found("a file that is not declared", n.replace("/", " "), "") for n in strange]


def _fields(schema: pa.Schema) -> Iterator[str]:
    """The names of all columns, those within a column too."""
    rest = list(schema)
    while rest:
        field = rest.pop()
        yield field.name
        rest += (
            [field.type.field(i) for i in range(field.type.num_fields)]
            if pa.types.is_nested(field.type)
            else []
        )


def _keys(value: Any) -> Iterator[str]:
    """The keys at any depth of a JSON value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def is_personal(name: str) -> bool:
    """Whether a column's name speaks of a person: by its words, accents and case aside."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", plain).lower())
    first, second = PAIRS
    pair = any(a in first and b in second for a, b in pairwise(words))
    return pair or bool(PERSONAL & set(words))
