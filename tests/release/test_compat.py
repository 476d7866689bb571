"""Readers and releases of other minor versions: what was frozen is read, and a reader of then reads on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from forging import copy_of, count, manifest_of, restated
from freeze import FROZEN, LARGEST, contract_of, freeze

from isoloir.configs.load import load_release
from isoloir.domain.errors import ReleaseError
from isoloir.domain.tables import Table
from isoloir.pipelines.release.columns import SCHEMA, minor_of, schema_of
from isoloir.pipelines.release.contract import FILE, Contract, facts_of, read_contract
from isoloir.pipelines.release.read import open_release
from isoloir.pipelines.release.rules import rules_of
from isoloir.pipelines.release.shapes import breaches
from isoloir.pipelines.release.training_columns import feature_names
from isoloir.pipelines.release.verify import verify

VERSIONS = sorted(path.name for path in FROZEN.iterdir() if path.is_dir())
COUNTED = {"1.0.0": (293, 301), "1.1.0": (293, 301)}
"""Units and stations of the frozen releases, as they were counted when they were made."""


def pinned(version: str) -> Contract:
    """What a reader of that version relies on."""
    return read_contract(contract_of(version))


@pytest.fixture
def copied(demo_run: Any, tmp_path: Path) -> Path:
    return copy_of(demo_run.release, tmp_path)


def test_the_declaration_is_of_the_version_that_is_written() -> None:
    major, minor, _ = (int(part) for part in load_release(None).schema_version.split("."))
    assert (major, minor) == SCHEMA


def test_each_minor_version_before_and_now_has_a_frozen_release() -> None:
    frozen = {tuple(int(part) for part in version.split(".")[:2]) for version in VERSIONS}
    assert frozen == {(SCHEMA[0], minor) for minor in range(SCHEMA[1] + 1)}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_frozen_release_is_small_and_names_no_machine(version: str) -> None:
    files = list((FROZEN / version).iterdir())
    assert sum(path.stat().st_size for path in files) <= LARGEST
    manifest = manifest_of(FROZEN / version)
    assert manifest["schema_version"] == version
    assert [one for one in manifest.get("inputs", []) if "/" in one.get("path", "")] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_today_s_reader_reads_a_frozen_release(version: str) -> None:
    release = open_release(FROZEN / version)
    units, stations = COUNTED.get(version, (len(release.scores), len(release.units)))
    assert (len(release.scores), len(release.units)) == (units, stations)
    nation = release.aggregates.query("area_level == 'nation' and quantity == 'expected_voters'")
    assert nation["value"].item() == pytest.approx(release.scores["expected_voters"].sum())
    assert set(release.units["unit_id"].dropna()) == set(release.scores["unit_id"])
    if minor_of(version) >= 2:
        assert set(release.training["contest"]) > {release.manifest["target"]}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_reader_pinned_to_an_earlier_version_reads_today_s_release(version: str, demo_run: Any) -> None:
    """It knows the columns and rules of then, and looks at no others."""
    facts = facts_of(manifest_of(demo_run.release))
    for table in pinned(version).tables:
        rows = old_read(demo_run.release, table, set(feature_names(facts.blocs)))
        assert len(rows) > 0
        broken = {rule.name: count(demo_run.release, rule.query) for rule in rules_of(table, facts)}
        assert broken == dict.fromkeys(broken, 0)


def old_read(release: Path, table: Table, free: set[str]) -> pd.DataFrame:
    """The columns that were declared then, of the types of then; missing only where they could be."""
    kept = [c for c in table.columns if c.name not in free]
    names = [c.name for c in kept]
    wanted = schema_of(Table(table.name, table.grain, tuple(kept)))
    found = pq.read_table(release / table.name, columns=names)
    assert found.schema.equals(wanted, check_metadata=False), table.name
    rows = found.to_pandas()
    for column in kept:
        values = rows[column.name].dropna()
        assert column.nullable or len(values) == len(rows), column.name
        assert column.low is None or (values >= column.low).all(), column.name
        assert column.high is None or (values <= column.high).all(), column.name
    return rows


@pytest.mark.parametrize("version", VERSIONS)
def test_today_s_contract_takes_nothing_back(version: str, demo_run: Any) -> None:
    today = read_contract((demo_run.release / FILE).read_text(encoding="utf-8"))
    free = set(feature_names(facts_of(manifest_of(demo_run.release)).blocs))
    assert breaches(today, pinned(version).tables, free, exact=False) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_contract_that_took_something_back_would_be_found(version: str, demo_run: Any) -> None:
    today = read_contract((demo_run.release / FILE).read_text(encoding="utf-8"))
    scores, *others = pinned(version).tables
    less = Contract(today.version, today.target, today.release_id, today.tables[1:])
    assert breaches(less, (scores,), set(), exact=False) == [f"{FILE} does not declare scores.parquet"]
    named = scores.columns[0]
    renamed = Table(scores.name, scores.grain, scores.columns[1:], scores.key[1:])
    changed = Contract(today.version, today.target, today.release_id, (renamed, *others))
    assert breaches(changed, (scores,), set(), exact=False) == [
        f"{FILE} declares scores.parquet: {named.name} other than it is",
        f"{FILE} declares the rows of scores.parquet other than they are",
    ]


@pytest.mark.parametrize(
    ("version", "told"),
    [("2.0.0", "read it with a newer Isoloir"), ("0.9.0", "publish it again with this Isoloir")],
)
def test_a_release_of_another_major_version_is_refused_with_what_to_do(
    copied: Path, version: str, told: str
) -> None:
    restated(copied, schema_version=version)
    with pytest.raises(ReleaseError) as error:
        open_release(copied)
    assert f"has schema {version}" in error.value.what
    assert told in error.value.remedy and str(copied) in error.value.where


def of_next_minor(release: Path, declared: bool) -> Path:
    """The release as a later minor may publish it: one more column, one more table, one more page."""
    later = f"{SCHEMA[0]}.{SCHEMA[1] + 1}.0"
    table = pq.read_table(release / "scores.parquet")
    meaning = {"unit": "share", "description": "what only the future knows"}
    field = pa.field("future_share", pa.float64(), nullable=False, metadata=meaning)
    pq.write_table(table.append_column(field, pa.array([0.5] * len(table))), release / "scores.parquet")
    said = yaml.safe_load((release / FILE).read_text(encoding="utf-8"))
    said["version"] = later
    if declared:
        said["schema"][0]["properties"].append(
            {
                "name": "future_share",
                "logicalType": "number",
                "physicalType": "DOUBLE",
                "required": True,
                "description": meaning["description"],
                "logicalTypeOptions": {"minimum": 0.0, "maximum": 1.0},
                "customProperties": [
                    {"property": "unit", "value": "share"},
                    {"property": "sinceMinor", "value": SCHEMA[1] + 1},
                ],
            }
        )
    (release / FILE).write_text(yaml.safe_dump(said, sort_keys=False), encoding="utf-8")
    (release / "report.html").write_text("<p>later</p>", encoding="utf-8")
    return restated(release, schema_version=later)


def test_today_s_reader_reads_a_later_minor(copied: Path, demo_run: Any) -> None:
    release = open_release(of_next_minor(copied, declared=True))
    assert (release.scores["future_share"] == 0.5).all()
    known = pd.read_parquet(demo_run.release / "scores.parquet")
    pd.testing.assert_frame_equal(release.scores[known.columns.tolist()], known)


def test_a_later_minor_whose_contract_does_not_say_its_columns_is_refused(copied: Path) -> None:
    with pytest.raises(ReleaseError, match=r"scores\.parquet has other columns than declared"):
        verify(of_next_minor(copied, declared=False))


def test_a_release_of_this_minor_has_no_column_of_a_later_one(copied: Path) -> None:
    of_next_minor(copied, declared=True)
    said = (copied / FILE).read_text(encoding="utf-8")
    now = manifest_of(copied) | {"schema_version": f"{SCHEMA[0]}.{SCHEMA[1]}.0"}
    text = said.replace(f"version: {SCHEMA[0]}.{SCHEMA[1] + 1}.0", f"version: {now['schema_version']}")
    (copied / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(ReleaseError, match=r"columns of scores\.parquet that are not known"):
        verify(restated(copied, schema_version=now["schema_version"]))


def test_what_is_frozen_is_verified_and_not_overwritten(copied: Path, tmp_path: Path) -> None:
    manifest = manifest_of(copied)
    # As releases of before 1.2 said it.
    manifest["inputs"] = [{"file": "census.csv", "path": "/home/somebody/census.csv"}]
    (copied / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    into = tmp_path / "frozen"
    into.mkdir()
    if sum(path.stat().st_size for path in copied.iterdir()) > LARGEST:
        with pytest.raises(SystemExit, match="too many to keep"):
            freeze(copied, into)
        return
    frozen = freeze(copied, into)
    verify(frozen)
    assert manifest_of(frozen)["inputs"][0]["path"] == "census.csv"
    with pytest.raises(SystemExit, match="never changed"):
        freeze(copied, into)
