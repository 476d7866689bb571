"""The audit of a release: its numbers are those of the tables beside it, and its page stands alone."""

from __future__ import annotations

import hashlib
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from isoloir.pipelines.release.audit import page


class Read(HTMLParser):
    """Tags in order, the cells of rows, and what a page would fetch or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.rows: list[list[str]] = []
        self.cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "onclick")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.cell = False

    def handle_data(self, data: str) -> None:
        if self.cell:
            self.rows[-1][-1] += data


def said(release: Path, name: str) -> Any:
    return json.loads((release / name).read_text(encoding="utf-8"))


def test_the_audit_counts_what_the_tables_hold(demo_run: Any) -> None:
    audit, scores = said(demo_run.release, "audit.json"), pd.read_parquet(demo_run.release / "scores.parquet")
    units = pd.read_parquet(demo_run.release / "units.parquet")
    assert audit["published_units"] == len(scores)
    assert {s: n["stations"] for s, n in audit["stations"].items() if n["stations"]} == dict(
        units["status"].value_counts()
    )
    counted = {r: n["stations"] for r, n in audit["reasons"].items()}
    assert sum(counted.values()) == (units["reason"] != "").sum()
    # Counted in the audit, named by nobody: it would be a forecast of that station.
    assert counted["near-unanimous"] == 1 and "near-unanimous" not in set(units["reason"])
    assert counted["too few electors"] == (units["reason"] == "too few electors").sum()
    assert audit["smallest_unit_registered"] == scores["registered"].min() >= 50
    assert audit["covers_registered"] == scores["registered"].sum()
    assert audit["smallest_unit_expected_valid"] >= 30


def test_every_attack_was_tried_and_found_nothing(demo_run: Any) -> None:
    attacks = said(demo_run.release, "audit.json")["attacks"]
    assert len(attacks) == 8
    assert {one["attack"] for one in attacks} >= {"singling out", "bounds", "homogeneity"}
    assert not any(one["found"] for one in attacks)
    assert all(one["tried"] > 0 for one in attacks if one["attack"] != "across releases")


def test_inputs_have_hash_licence_and_day_and_no_place_on_a_machine(demo_run: Any) -> None:
    inputs = said(demo_run.release, "audit.json")["inputs"]
    assert inputs == said(demo_run.release, "manifest.json")["inputs"]
    assert {one["file"] for one in inputs} >= {"general_results.parquet", "candidats_results.parquet"}
    for one in inputs:
        assert set(one) == {"file", "sha256", "bytes", "licence", "attribution", "url", "read_on"}
        found = demo_run.country / one["file"]
        assert hashlib.sha256(found.read_bytes()).hexdigest() == one["sha256"]
        assert one["licence"] and one["read_on"] > "2025" and one["url"] is None
    text = "".join(
        p.read_text(encoding="utf-8") for p in demo_run.release.glob("*.*") if p.suffix != ".parquet"
    )
    assert str(demo_run.country) not in text and str(demo_run.home) not in text


def test_errors_stand_by_size_and_merging_has_its_price(demo_run: Any) -> None:
    audit = said(demo_run.release, "audit.json")
    for quantity in ("turnout", "swing"):
        marks = audit["measured"][quantity]
        assert marks and all(len(mark["by_size"]) == 5 for mark in marks)
        for mark in marks:
            # Fifths by number of stations, error weighted by electors: the whole lies between them.
            errors = [error for error, _ in mark["by_size"]]
            assert min(errors) <= mark["error"] <= max(errors)
    assert audit["merging"][-1]["contest"] == "mean"
    assert audit["merging"][-1]["turnout_mae_pp"] > 0


def test_the_page_says_it_and_fetches_nothing(demo_run: Any) -> None:
    read = Read((demo_run.release / "audit.html").read_text(encoding="utf-8"))
    audit = said(demo_run.release, "audit.json")
    assert read.tags[0] == "html" and "script" not in read.tags and not read.fetched
    cells = {row[0].strip(): [c.strip() for c in row[1:]] for row in read.rows if row}
    merged = audit["stations"]["merged"]
    assert cells["merged"] == [str(merged["stations"]), str(merged["registered"])]
    for one in audit["attacks"]:
        assert cells[one["attack"]][:2] == [str(one["tried"]), "0"]
    for one in audit["inputs"]:
        assert cells[one["file"]][0] == one["sha256"]
    mark = audit["measured"]["turnout"][-1]
    assert f"{mark['error']:.2f}" in cells[mark["contest"]] or f"{mark['error']:.2f}" in str(read.rows)


@pytest.mark.parametrize("field", ["licence", "attribution", "file"])
def test_what_comes_from_a_file_is_text_and_never_markup(demo_run: Any, field: str) -> None:
    audit, manifest = said(demo_run.release, "audit.json"), said(demo_run.release, "manifest.json")
    audit["inputs"][0][field] = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    read = Read(page(audit, manifest))
    assert "script" not in read.tags and "img" not in read.tags
