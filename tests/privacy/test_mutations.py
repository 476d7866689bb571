"""Personal data planted anywhere in an input reaches no file of home and no line that is printed."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from planting import Mutation, Outcome, Planted, ingested, invented, leaks, mutated, written
from small_inputs import Input, inputs, write

from isoloir.configs.load import TerritoryConfig, load_scenario, load_territory
from isoloir.configs.national import load_national
from isoloir.configs.offers import offer_beside
from isoloir.domain.election import AsOf
from isoloir.domain.errors import IsoloirError
from isoloir.domain.national import NationalFigure
from isoloir.pipelines.bench import Request, check_offer, check_request

SEED = 20_270_411
SLICE = 160
CAMPAIGN = int(os.environ.get("ISOLOIR_MUTATIONS", "10000"))
SOUND = inputs()


@cache
def territory(key: str) -> TerritoryConfig:
    return load_territory(key)


@cache
def national(key: str) -> tuple[NationalFigure, ...]:
    return load_national(territory(key))


@pytest.fixture(autouse=True)
def yaml_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """National figures are the same in every mutation, and take longer to parse than all else together."""
    for module in ("ingest", "merge"):
        monkeypatch.setattr(f"isoloir.pipelines.{module}.load_national", lambda config: national(config.key))


def tried(mutation: Mutation, folder: Path) -> tuple[Outcome, list[str]]:
    """What came of a mutated input, and where its planted value was found again; ``folder`` is emptied."""
    shutil.rmtree(folder, ignore_errors=True)
    source, home = folder / "in", folder / "home"
    source.mkdir(parents=True)
    written(mutation, source)
    outcome = ingested(home, territory(mutation.input.territory), source)
    found = leaks(mutation.planted, home, outcome)
    if outcome.error is not None:
        found += [f"left behind: {path.name}" for path in home.rglob("*") if path.is_file()]
    return outcome, found


def mutations(count: int, first: int = 0) -> Iterator[tuple[int, Mutation]]:
    for number in range(first, first + count):
        yield number, mutated(np.random.default_rng([SEED, number]), SOUND)


def failures(count: int, folder: Path, first: int = 0) -> tuple[list[str], Counter[str]]:
    """The mutations whose planted value was found again, by number, and how all of them ended."""
    found, ended = [], Counter[str]()
    for number, mutation in mutations(count, first):
        outcome, where = tried(mutation, folder)
        ended["kept" if outcome.error is None else type(outcome.error).__name__] += 1
        if where:
            found.append(
                f"{number}: {mutation.planted.kind} by {mutation.how} in {mutation.input.name}: {where}"
            )
    return found, ended


SCENARIO = """name: try
target: 2027_pres_t1
source: "@source"
dated: 2026-11-01
grouping: research
turnout: 0.7
shares: {left: 0.3, centre: 0.3, right: 0.1, far_right: 0.2, other: 0.1}
offer_file: try.yaml
"""
OFFER = """target: 2027_pres_t1
about: a try
table: try.csv
heirs_of:
  - {assumption: one, contests: [2022_pres_t1], label: "1", heirs: {left: 1.0}, source: "@heirs"}
"""
TABLE = "label,area_level,area\nSOC,country,\nREM,country,\nLR,country,\nRN,country,\nDIV,country,\n"


def planted_text(random: np.random.Generator, text: str, value: str) -> str:
    """The value in the place of a word, after one, on a line of its own, or as a key."""
    lines = text.splitlines()
    at = int(random.integers(len(lines)))
    words = lines[at].split(" ")
    word = int(random.integers(len(words)))
    quoted = '"' + value.replace('"', "") + '"'
    chosen = int(random.integers(5))
    if chosen == 0:
        words[word] = value
    elif chosen == 1:
        words[word] += f" {value}"
    elif chosen == 2:
        words[word] = quoted
    elif chosen == 3:
        return text + f"{quoted}: {quoted}\n"
    else:
        return text.replace("@source", value).replace("@heirs", value).replace("LR,", f"{value},")
    lines[at] = " ".join(words)
    return "\n".join(lines) + "\n"


def test_planted_values_in_what_people_write_are_neither_shown_nor_let_into_a_release(tmp_path: Path) -> None:
    config, found, refused = territory("fr"), [], 0
    for number in range(300):
        random = np.random.default_rng([SEED, 1, number])
        planted = invented(random)
        if planted.value.islower() and planted.value.isalpha():
            continue  # As a key it is a word like any other: what a person misspelt is shown.
        texts = [SCENARIO, OFFER, TABLE]
        which = int(random.integers(3))
        texts[which] = planted_text(random, texts[which], planted.value)
        for name, text in zip(("mine.yaml", "try.yaml", "try.csv"), texts, strict=True):
            (tmp_path / name).write_text(text, encoding="utf-8")
        said = ""
        try:
            spec = load_scenario(config, tmp_path / "mine.yaml")
            target = config.calendar[spec.target]
            check_request(config, Request(target, AsOf(target.held_on), spec, "research"))
            offer = offer_beside(config, "try.yaml", spec.target, "research", tmp_path / "try.yaml")
            check_offer(offer)
            # A name in free text has no form: `isoloir attack` looks for those that are known.
            said = repr((spec, offer)) if planted.kind in ("e-mail", "telephone", "NIR", "address") else ""
        except IsoloirError as error:
            said, refused = str(error), refused + 1
        if any(mark in said.lower() for mark in planted.marks):
            found.append(f"{number}: {planted} in {which}: {said}")
    assert not found, "\n".join(found[:20])
    assert refused > 100


@pytest.mark.parametrize("sound", SOUND, ids=lambda one: one.name)
def test_every_small_input_is_sound(sound: Input, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for sheet in sound.sheets:
        write(sheet, tmp_path / "in")
    outcome = ingested(tmp_path / "home", territory(sound.territory), tmp_path / "in")
    assert outcome.error is None, outcome.told
    assert "not kept" not in outcome.told and "not read" not in outcome.told


def test_planted_values_reach_neither_home_nor_screen(tmp_path: Path) -> None:
    found, ended = failures(SLICE, tmp_path / "one")
    assert not found, "\n".join(found)
    # Some are refused for what they tell of persons, some for what they are not, and of some nothing is kept.
    assert min(ended["PrivacyError"], ended["SourceError"], ended["kept"]) >= 10, ended


@pytest.mark.campaign
@pytest.mark.parametrize("part", range(10))
def test_ten_thousand_mutations_let_nothing_in(part: int, tmp_path: Path) -> None:
    size = CAMPAIGN // 10
    found, _ = failures(size, tmp_path / "one", first=part * size)
    assert not found, f"{len(found)} of {size}:\n" + "\n".join(found[:20])


FORMS = ("sources.tables.check_forms", "sources.datagouv.check_forms", "sources.tidy.check_free")


@pytest.mark.parametrize("part", ["forms of cells", "names of files"])
def test_the_search_finds_what_comes_in_where_the_gate_is_open(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof that the tests above can fail: without a part of the gate, planted values are found."""
    if part == "names of files":
        monkeypatch.setattr("isoloir.pipelines.pieces.shown_name", lambda name, _: name)
    for name in FORMS if part == "forms of cells" else ():
        monkeypatch.setattr(f"isoloir.pipelines.{name}", lambda *_: None)
    found, _ = failures(60, tmp_path / "one")
    assert len(found) >= 3
    assert any("core/" in one for one in found) and any("parts/" in one for one in found)


def test_planted_values_are_found_in_every_kind_of_file(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    planted = Planted("name", "Zoe Vrokmanzel", ("vrokmanzel",))
    quiet = Outcome(None, "")
    for name in ("text", "column", "meta", "name", "number"):
        (tmp_path / name).mkdir()
    (tmp_path / "text" / "a.json").write_text('{"a": "Zoe VROKMANZEL"}', encoding="utf-16")
    pq.write_table(
        pa.table({"a": ["Zoe Vrokmanzel"] * 99}), tmp_path / "column" / "a.parquet", compression="zstd"
    )
    meta = pa.table({"a": [1]}).replace_schema_metadata({"k": "Zoe Vrokmanzel"})
    pq.write_table(meta, tmp_path / "meta" / "a.parquet")
    (tmp_path / "name" / "vrokmanzel.txt").write_text("x", encoding="utf-8")
    for name in ("text", "column", "meta", "name"):
        assert leaks(planted, tmp_path / name, quiet), name
    pq.write_table(pa.table({"a": [612345678]}), tmp_path / "number" / "a.parquet")
    assert leaks(Planted("telephone", "0612345678", ("612345678",)), tmp_path / "number", quiet)
    assert leaks(planted, tmp_path / "nothing", Outcome(None, "of Zoe Vrokmanzel")) == ["told"]
