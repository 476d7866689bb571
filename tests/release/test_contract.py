"""contract.yaml follows the standard, says what the files hold, and its rules hold of them and can fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from forging import copy_of, count, manifest_of, restated, rewritten
from hypothesis import given
from hypothesis import strategies as st

from isoloir.domain.errors import ReleaseError
from isoloir.domain.tables import GRAINS, Column, Table
from isoloir.pipelines.release.columns import minor_of, schema_of, tables_of
from isoloir.pipelines.release.contract import FILE, TYPES, UNITS, contract, facts_of, read_contract
from isoloir.pipelines.release.rules import Facts, rules_of
from isoloir.pipelines.release.verify import verify

FACTS = Facts(
    "1.2.0", "fr", "2027_pres_t1", "2027-04-11", "2027-04-11", "0123456789ab", "Licence Ouverte 2.0",
    "Ministère de l'Intérieur", "research@1", ("red", "blue"), 0.98, 50, 30.0,
)  # fmt: skip

text = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=40)
name = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
ends = st.none() | st.floats(allow_nan=False, allow_infinity=False)
columns = st.lists(
    st.builds(
        Column, name, st.sampled_from(sorted(TYPES)), st.sampled_from(sorted(UNITS)), text, st.booleans(),
        ends, ends, st.integers(0, 9),
    ),
    unique_by=lambda column: column.name,
    min_size=1,
    max_size=8,
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> Table:
    held = tuple(draw(columns))
    key = tuple(draw(st.lists(st.sampled_from([c.name for c in held]), unique=True)))
    grain, since = draw(st.sampled_from(GRAINS)), draw(st.integers(0, 9))
    return Table(f"{draw(name)}.parquet", grain, held, key, since)


@pytest.fixture
def copied(demo_run: Any, tmp_path: Path) -> Path:
    return copy_of(demo_run.release, tmp_path)


def standard() -> dict[str, Any]:
    """The standard's own JSON schema, as the package of its maintainers brings it."""
    pytest.importorskip("open_data_contract_standard", reason="needs open-data-contract-standard")
    return dict(json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text("utf-8")))


@given(tables())
def test_a_table_comes_back_from_its_contract_as_it_was_declared(table: Table) -> None:
    said = contract([table], FACTS)
    assert read_contract(said).tables == (table,)
    assert contract([table], FACTS) == said


def test_the_contract_passes_the_schema_of_the_standard(demo_run: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")
    check = jsonschema.Draft201909Validator(standard())
    said = yaml.safe_load((demo_run.release / FILE).read_text(encoding="utf-8"))
    assert [error.message for error in check.iter_errors(said)] == []
    every = yaml.safe_load(contract(tables_of(("red", "blue")), FACTS))
    assert [error.message for error in check.iter_errors(every)] == []
    # The schema does refuse: a table's own property is none of a column's.
    every["schema"][0]["properties"][0]["physicalName2"] = "x"
    assert list(check.iter_errors(every))


def test_the_contract_says_each_column_of_each_file_as_the_file_does(demo_run: Any) -> None:
    said = yaml.safe_load((demo_run.release / FILE).read_text(encoding="utf-8"))
    assert (said["apiVersion"], said["kind"], said["status"]) == ("v3.1.0", "DataContract", "active")
    found = {path.name for path in demo_run.release.glob("*.parquet")}
    assert {one["physicalName"] for one in said["schema"]} == found
    for one in said["schema"]:
        schema = pq.read_schema(demo_run.release / one["physicalName"])
        assert [p["name"] for p in one["properties"]] == schema.names
        for said_of, field in zip(one["properties"], schema, strict=True):
            assert said_of["required"] is not field.nullable
            assert said_of["description"] == field.metadata[b"description"].decode()
            units = [c["value"] for c in said_of["customProperties"] if c["property"] == "unit"]
            assert units == [field.metadata[b"unit"].decode()]


def test_units_that_columns_use_are_defined(demo_run: Any) -> None:
    manifest = manifest_of(demo_run.release)
    used = {c.unit for table in tables_of(tuple(manifest["blocs"])) for c in table.columns}
    assert used <= set(UNITS)


def rules_in(release: Path) -> dict[tuple[str, str], str]:
    said = yaml.safe_load((release / FILE).read_text(encoding="utf-8"))
    return {
        (one["physicalName"], rule["name"]): rule["query"]
        for one in said["schema"]
        for rule in one["quality"]
        if rule["type"] == "sql"
    }


def test_every_rule_of_the_contract_holds_of_the_release(demo_run: Any) -> None:
    rules = rules_in(demo_run.release)
    assert len(rules) >= 16
    assert {key: count(demo_run.release, query) for key, query in rules.items()} == dict.fromkeys(rules, 0)


def lower(column: str, by: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """The first row's figure lowered."""
    return lambda t: t.assign(**{column: t[column].where(t.index > 0, t[column] * by)})


def first(column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda t: t.assign(**{column: t[column].where(t.index > 0, value)})


def second_as_first(t: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([t.iloc[[0]], t.iloc[[0]], t.iloc[2:]])


def less_of(level: str, quantity: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda t: t.assign(
        value=t["value"].where((t["area_level"] != level) | (t["quantity"] != quantity), t["value"] * 0.9)
    )


BREACHES: list[tuple[str, str, Callable[[pd.DataFrame], pd.DataFrame]]] = [
    ("scores.parquet", "key", second_as_first),
    ("scores.parquet", "shares_sum_to_one", lower("share_red_pred", 0.9)),
    ("scores.parquet", "bounds_hold", lower("share_red_hi90", 0.01)),
    ("scores.parquet", "least_registered", first("registered", 49)),
    ("scores.parquet", "least_valid", first("expected_voters", 30.0)),
    ("scores.parquet", "members", first("n_members", 9)),
    ("units.parquet", "key", second_as_first),
    ("units.parquet", "unit_is_there", first("unit_id", "nowhere")),
    ("units.parquet", "withheld_has_none", first("status", "withheld")),
    ("aggregates.parquet", "key", second_as_first),
    ("aggregates.parquet", "nation_registered", less_of("nation", "registered")),
    ("aggregates.parquet", "nation_expected_voters", less_of("nation", "expected_voters")),
    ("aggregates.parquet", "department_voters", less_of("department", "expected_voters")),
    ("aggregates.parquet", "shares_sum_to_one", less_of("commune", "share")),
    ("succession.parquet", "key", second_as_first),
    ("succession.parquet", "given_once", lambda t: t.assign(weight=t["weight"] * 1.01)),
]


@pytest.mark.parametrize(("file", "rule", "change"), BREACHES, ids=[f"{f}-{r}" for f, r, _ in BREACHES])
def test_each_rule_finds_what_breaks_it(
    copied: Path, file: str, rule: str, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    query = rules_in(copied)[(file, rule)]
    assert count(rewritten(copied, file, change), query) > 0


def test_every_rule_has_a_breach_among_these(demo_run: Any) -> None:
    tried = {(file, rule) for file, rule, _ in BREACHES}
    assert {key for key in rules_in(demo_run.release) if key[0] != "training.parquet"} == tried


def test_a_label_of_the_target_is_found() -> None:
    (rule,) = [r for r in rules_of(tables_of(("red", "blue"))[-1], FACTS) if r.name != "key"]
    for turnout, share, broken in (("NULL", "NULL", 0), ("0.5", "NULL", 1), ("NULL", "0.5", 1)):
        row = f"{turnout} AS label_turnout, NULL AS label_share_red, {share} AS label_share_blue"
        query = rule.query.replace("'training.parquet'", f"(SELECT false AS label_available, {row})")
        assert duckdb.sql(query).fetchall() == [(broken,)]


def contract_with(release: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    said = yaml.safe_load((release / FILE).read_text(encoding="utf-8"))
    change(said)
    (release / FILE).write_text(yaml.safe_dump(said, sort_keys=False), encoding="utf-8")
    return restated(release)


def _other_release(said: dict[str, Any]) -> None:
    said["version"] = "1.0.5"


def _other_unit(said: dict[str, Any]) -> None:
    said["schema"][0]["properties"][12]["customProperties"][0]["value"] = "pp"


def _other_text(said: dict[str, Any]) -> None:
    said["schema"][0]["properties"][0]["description"] = "another thing"


def _no_table(said: dict[str, Any]) -> None:
    del said["schema"][1]


def _no_column(said: dict[str, Any]) -> None:
    del said["schema"][0]["properties"][3]


def _may_be_missing(said: dict[str, Any]) -> None:
    said["schema"][0]["properties"][0]["required"] = False


def _other_key(said: dict[str, Any]) -> None:
    said["schema"][0]["customProperties"][0]["value"] = ["department_code", "unit_id"]


def _nothing(said: dict[str, Any]) -> None:
    del said["schema"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_other_release, "is that of another release"),
        (_other_unit, r"declares scores\.parquet: turnout_pred other than it is"),
        (_other_text, r"scores\.parquet says other units or texts"),
        (_no_table, r"does not declare units\.parquet"),
        (_no_column, r"declares scores\.parquet: territory other than it is"),
        (_may_be_missing, r"declares scores\.parquet: unit_id other than it is"),
        (_other_key, r"declares the rows of scores\.parquet other than they are"),
        (_nothing, "can't be read as a contract"),
    ],
)
def test_a_contract_that_says_another_thing_than_the_files_is_refused(
    copied: Path, change: Callable[[dict[str, Any]], None], told: str
) -> None:
    with pytest.raises(ReleaseError, match=told):
        verify(contract_with(copied, change))


def test_the_same_contract_written_again_is_taken(copied: Path) -> None:
    """Without this, a slip of the forger would make the test above pass."""
    verify(contract_with(copied, lambda said: None))


def test_rows_out_of_order_are_refused(copied: Path) -> None:
    with pytest.raises(ReleaseError, match=r"units\.parquet is not in order of station_id"):
        verify(rewritten(copied, "units.parquet", lambda t: t.iloc[::-1]))


def test_a_file_that_says_another_unit_than_the_contract_is_refused(copied: Path) -> None:
    table = pq.read_table(copied / "scores.parquet")
    at = table.schema.get_field_index("turnout_pred")
    field = table.schema.field(at).with_metadata({"unit": "pp", "description": "as before"})
    pq.write_table(table.set_column(at, field, table["turnout_pred"]), copied / "scores.parquet")
    with pytest.raises(ReleaseError, match="says other units or texts"):
        verify(restated(copied))


def test_not_a_number_is_no_value_of_a_column_that_must_have_one(copied: Path) -> None:
    table = pq.read_table(copied / "scores.parquet")
    values = table["expected_voters"].to_numpy().copy()
    values[3] = float("nan")
    at = table.schema.get_field_index("expected_voters")
    changed = table.set_column(at, table.schema.field(at), pa.array(values, from_pandas=False))
    pq.write_table(changed, copied / "scores.parquet")
    with pytest.raises(ReleaseError, match="expected_voters holds what is not in"):
        verify(restated(copied))


def test_the_contract_follows_from_the_manifest_and_the_declaration(demo_run: Any) -> None:
    manifest = manifest_of(demo_run.release)
    known = tables_of(tuple(manifest["blocs"]), minor_of(manifest["schema_version"]))
    assert (demo_run.release / FILE).read_text(encoding="utf-8") == contract(known, facts_of(manifest))
    for table in known:
        assert pq.read_schema(demo_run.release / table.name).equals(schema_of(table), check_metadata=False)
