"""One number for what was configured, so that a store can tell whether it changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date

from pydantic import BaseModel


def config_digest(*said: object) -> str:
    """The sha256, in hex, of the canonical JSON of ``said``: of what the files say, not how or where.

    Takes what the loaders return: a territory (its scenarios and offers apart), a scenario, an offer,
    models, a release, or several of them.
    """
    text = json.dumps(
        [_plain(part) for part in said], sort_keys=True, ensure_ascii=True, separators=(",", ":")
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.compare}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(str(item) for item in value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"config_digest: no canonical form for {type(value).__name__}")
