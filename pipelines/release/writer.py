"""Write a release aside, check it, and put it in place by one rename."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from isoloir.domain.errors import PrivacyError
from isoloir.pipelines.attack.finding import Attacked
from isoloir.pipelines.attack.public import Public
from isoloir.pipelines.attack.suite import attacks
from isoloir.pipelines.home import set_in_place, write_json, write_text
from isoloir.pipelines.sources.tables import sha256_of

from .aggregates import aggregates
from .audit import audit, page
from .columns import minor_of, tables_of
from .contract import FILE as CONTRACT
from .contract import contract, facts_of
from .outlook import outlook
from .parquet import write_table
from .scores import Published, scores, unit_table
from .standing import with_standing
from .succession import succession
from .training import Training
from .verify import verify

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Draft:
    """What a release is to hold: what is published, its training set, what the manifest and the card say."""

    published: Published
    training: Training
    manifest: dict[str, Any]
    card: str


def write_release(draft: Draft, public: Public, final: Path) -> Path:
    """Write the release ``final`` and point ``current`` beside it at it; its path.

    Nothing is in place before all files were written, attacked by somebody who knows ``public``, and
    verified. An existing release is never changed. PrivacyError where an attack finds something.
    """
    with set_in_place(final, MANIFEST) as aside:
        table = _tables(draft, aside)
        write_text(aside / "model_card.md", draft.card)
        _manifest(draft, aside)
        said = audit(draft.published, table, draft.manifest, _attacked(aside, public), draft.training.scores)
        write_json(aside / "audit.json", said)
        write_text(aside / "audit.html", page(said, draft.manifest))
        _manifest(draft, aside)
        verify(aside)
    point(final)
    return final


def _tables(draft: Draft, aside: Path) -> pd.DataFrame:
    """Write every table and the contract; the scores."""
    published, manifest = draft.published, draft.manifest
    ahead, blocs, said = outlook(published), published.notice.blocs, _said(published, manifest)
    table = with_standing(published, scores(published), ahead)
    areas = aggregates(published, table, ahead)
    made = (table, unit_table(published), areas, succession(published.steps), draft.training.rows)
    tables = tables_of(blocs, minor_of(manifest["schema_version"]))
    for declared, rows in zip(tables, made, strict=True):
        write_table(rows, declared, aside / declared.name, said)
    write_text(aside / CONTRACT, contract(tables, facts_of(manifest | {"blocs": list(blocs)})))
    return table


def _manifest(draft: Draft, aside: Path) -> None:
    files = {p.name: _file(p) for p in sorted(aside.iterdir()) if p.name != MANIFEST}
    blocs = list(draft.published.notice.blocs)
    write_json(aside / MANIFEST, draft.manifest | {"files": files, "blocs": blocs})


def _attacked(aside: Path, public: Public) -> tuple[Attacked, ...]:
    done = attacks(aside, public)
    found = [finding for one in done for finding in one.found]
    if found:
        raise PrivacyError(
            f"the release would disclose {len(found)} thing(s), and is not published",
            where=found[0].line(),
            remedy="if another release of the target tells it apart: isoloir releases prune; else report it",
        )
    return done


def _file(path: Path) -> dict[str, object]:
    said: dict[str, object] = {"sha256": sha256_of(path), "bytes": path.stat().st_size}
    return said | {"rows": pq.read_metadata(path).num_rows} if path.suffix == ".parquet" else said


def point(final: Path) -> None:
    """Make ``current`` beside ``final`` lead to it, at once, unless it does."""
    current = final.with_name("current")
    if current.is_symlink() and os.readlink(current) == final.name:
        return
    aside = final.with_name(f".current.{os.getpid()}")
    aside.unlink(missing_ok=True)
    aside.symlink_to(final.name)
    os.replace(aside, current)


def _said(published: Published, manifest: dict[str, Any]) -> dict[str, str]:
    """What each table says of itself in its file."""
    names = ("schema_version", "territory", "target", "release_id", "licence", "attribution")
    models = {f"{part}_model": str(name) for part, name in manifest["champion"].items()}
    return {name: str(manifest[name]) for name in names} | models | {"model_version": published.model_version}
