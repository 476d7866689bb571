"""Who stands in a vote to come, area by area, and what a new label inherits."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import CONTESTS, DAY, record

from isoloir.configs.load import TerritoryConfig, load_offer, load_territory
from isoloir.domain.bloc import BlocMap, BlocRule
from isoloir.domain.election import AsOf, Contest
from isoloir.domain.errors import ConfigError
from isoloir.domain.inheritance import parted, weights_of
from isoloir.domain.ledger import Ledger, Notice
from isoloir.domain.scenario import Candidacy, Inheritance, OfferSpec
from isoloir.pipelines.notices import carried_notice

TERRITORY = {
    "territory.yaml": "name: Tiny\ndefault_grouping: research\n",
    "elections.yaml": (
        "contests:\n"
        "  2024_legi_t1: {held_on: 2024-06-30, labels: nuance}\n"
        "  2029_legi_t1: {held_on: 2029-06-10, labels: nuance}\n"
        "  2029_legi_t2: {held_on: 2029-06-17, labels: nuance}\n"
    ),
    "sources.yaml": (
        "publisher: datagouv\nlicence: test\nattribution: test\n"
        "general: {file: g.csv}\ncandidates: {file: c.csv}\n"
    ),
    "blocs/research.yaml": (
        "grouping: research\nversion: 1\nabout: test\nblocs: {left: L, centre: C, right: R}\n"
        "unlabelled: [NC]\nrules:\n"
        "  - {bloc: left, labels: [UG, LFI, PS]}\n"
        "  - {bloc: centre, labels: [ENS]}\n"
        "  - {bloc: right, labels: [LR]}\n"
    ),
}
HEAD = "target: 2029_legi_t1\nabout: test\n"


def offered(folder: Path, text: str, **tables: str) -> OfferSpec:
    """What the loader makes of an offer that says ``text``, with CSV ``tables`` beside it."""
    return load_offer(territory(folder, text, **tables), "one", "2029_legi_t1")


def territory(folder: Path, text: str, **tables: str) -> TerritoryConfig:
    files = {**TERRITORY, "offers/one.yaml": HEAD + text}
    for name, said in {**files, **{f"offers/{n}.csv": t for n, t in tables.items()}}.items():
        path = folder / "territories" / "tiny" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(said, encoding="utf-8")
    return load_territory("tiny", folder)


def test_rows_of_the_file_and_of_the_table_beside_it_are_one_offer(tmp_path: Path) -> None:
    rows = "rows:\n  - {label: LR}\n  - {label: LFI, area: 'department:01'}\ntable: more.csv\n"
    table = "label,area_level,area\nPS,constituency,0101\nENS,country,\n"
    offer = offered(tmp_path, rows, more=table)
    assert offer.rows == (
        Candidacy("LR"),
        Candidacy("LFI", "department", "01"),
        Candidacy("PS", "constituency", "0101"),
        Candidacy("ENS"),
    )
    assert offer.labels == ("LR", "LFI", "PS", "ENS")
    assert offer.assumptions == ()


def test_an_offer_by_path_takes_the_table_beside_it(tmp_path: Path) -> None:
    config = territory(tmp_path, "rows: [{label: LR}]\n")
    (tmp_path / "mine.yaml").write_text(HEAD + "table: mine.csv\n", encoding="utf-8")
    (tmp_path / "mine.csv").write_text("label,area_level,area\nPS,department,01\n", encoding="utf-8")
    offer = load_offer(config, tmp_path / "mine.yaml", "2029_legi_t1")
    assert offer.rows == (Candidacy("PS", "department", "01"),)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("", "names nobody"),
        ("rows: [{label: LR}, {label: LR}]\n", "stand twice: LR in country"),
        ("rows: [{label: LR, area: 'canton:1'}]\n", "rows.0.area"),
        ("table: none.csv\n", "none.csv is not beside this file"),
        ("table: ../more.csv\n", "table"),
        ("table: header.csv\n", "line 1: must read label,area_level,area"),
        ("table: more.csv\n", "line 2: label is no code"),
        ("table: more.csv\n", "line 3: area_level is"),
        ("table: more.csv\n", "line 4: has 2 fields, not 3"),
        ("rows: [{label: LR}]\ntable: twice.csv\n", "line 2: LR stands twice in country"),
        ("table: strange.csv\n", "ZZZ has no bloc in grouping 'research'"),
    ],
)
def test_an_offer_that_cannot_be_is_refused_and_shows_no_name(tmp_path: Path, rows: str, told: str) -> None:
    head = "label,area_level,area\n"
    with pytest.raises(ConfigError) as caught:
        offered(
            tmp_path,
            rows,
            header="label,area\nLR,country\n",
            more=head + "Jeanne Dupont,country,\nLR,canton,1\nLR,country\n",
            twice=head + "LR,country,\n",
            strange=head + "ZZZ,country,\n",
        )
    assert told in str(caught.value)
    assert "Dupont" not in str(caught.value)


HEIRS = (
    "rows: [{label: LFI}, {label: LR}]\n"
    "heirs_of:\n"
    "  - assumption: ug-parted\n    contests: [2024_legi_t1]\n    label: UG\n"
    "    heirs: {LFI: 0.25, centre: 0.5, left: 0.25}\n    source: a guess\n"
)


def test_heirs_are_labels_or_blocs_and_labels_of_one_bloc_are_summed(tmp_path: Path) -> None:
    offer = offered(tmp_path, HEIRS)
    heirs = (("left", 0.5), ("centre", 0.5))
    assert offer.inheritances == (Inheritance("ug-parted", ("2024_legi_t1",), "UG", heirs, "a guess"),)
    assert offer.assumptions == ("ug-parted",)


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("left: 0.25", "left: 0.2", "weights sum to 0.950000, not to 1"),
        ("LFI: 0.25", "PS: 0.25", "is no label of this offer and no bloc"),
        ("label: UG", "label: Dupont", "has no bloc in 2024_legi_t1"),
        ("label: UG", "label: NC", "has no bloc in 2024_legi_t1"),
        ("2024_legi_t1", "2029_legi_t2", "is not earlier than 2029_legi_t1"),
        ("2024_legi_t1", "2023_legi_t1", "is no contest of tiny"),
        ("[2024_legi_t1]", "[2024_legi_t1, 2024_legi_t1]", "speaks twice of one label"),
    ],
)
def test_heirs_that_cannot_be_are_refused(tmp_path: Path, was: str, now: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        offered(tmp_path, HEIRS.replace(was, now))
    assert told in str(caught.value)
    assert "Dupont" not in str(caught.value)


def test_votes_are_parted_by_largest_remainder() -> None:
    # 10: 2.5, 5, 2.5 -> the remainder of equals goes to the earlier; 7: 1.75, 3.5, 1.75.
    weights = np.array([0.25, 0.5, 0.25])
    found = parted(np.array([10, 7, 1, 0], np.int32), weights)
    assert found.tolist() == [[3, 5, 2], [2, 3, 2], [0, 1, 0], [0, 0, 0]]
    assert parted(np.array([10], np.int32), np.array([0.3, 0.0, 0.7])).tolist() == [[3, 0, 7]]


@given(
    st.lists(st.integers(0, 200_000), min_size=1, max_size=5),
    st.lists(st.integers(0, 50), min_size=2, max_size=5).filter(any),
)
def test_no_vote_is_lost_or_made_and_none_goes_to_who_inherits_nothing(
    votes: list[int], parts: list[int]
) -> None:
    weights = np.array(parts) / sum(parts)
    found = parted(np.array(votes, np.int32), weights)
    assert found.sum(axis=1).tolist() == votes
    assert (np.abs(found - np.array(votes)[:, None] * weights) < 1 + 1e-6).all()
    assert not found[:, weights == 0].any()


def test_only_the_stated_label_of_the_stated_contest_is_inherited() -> None:
    one = Inheritance("a", ("2024_legi_t1",), "UG", (("left", 0.5), ("right", 0.5)), "x")
    blocs = ("left", "centre", "right")
    found = weights_of([one], "2024_legi_t1", "UG", blocs)
    assert found is not None
    assert found.tolist() == [0.5, 0, 0.5]
    assert weights_of([one], "2024_legi_t1", "LR", blocs) is None
    assert weights_of([one], "2022_legi_t1", "UG", blocs) is None


NEXT = Contest("xx", "2025_legi_t1", "legi", 1, DAY.replace(year=2025))
MAP = BlocMap(
    "g",
    1,
    ("left", "right"),
    (BlocRule("left", frozenset({"PS", "LFI"})), BlocRule("right", frozenset({"LR"}))),
)


def carried(*rows: Candidacy, target: Contest = NEXT) -> Notice:
    """The notice of ``target`` by these rows: stations of A01, A02, none known; B01."""
    codes = ["A-1-0", "A-1-1", "A-1-2", "B-1-0"]
    roll = record(CONTESTS[0], codes, [100, 200, 300, 400], [2] * 4, [[1, 1]] * 4)
    areas = np.array(["A01", "A02", "", "B01"])
    roll = dataclasses.replace(roll, stations=dataclasses.replace(roll.stations, constituency_code=areas))
    past = Ledger(("left", "right"), (roll,)).as_of(AsOf(target.held_on))
    return carried_notice(past, target, MAP, OfferSpec(target.key, rows))


def test_a_bloc_stands_where_a_row_of_its_country_department_or_constituency_says_so() -> None:
    notice = carried(
        Candidacy("LR"),
        Candidacy("PS", "constituency", "A02"),
        Candidacy("LFI", "department", "B"),
    )
    # Whether the third has somebody of the left is not known: one stands in its department.
    assert notice.standing.tolist() == [[False, True], [True, True], [True, True], [True, True]]
    assert notice.offer_from == (
        "the scenario's offer file; 1 station(s) (300 registered) are of unknown constituency: "
        "every bloc that stands in their department"
    )


def test_where_no_row_speaks_of_constituencies_an_unknown_one_is_no_matter() -> None:
    notice = carried(Candidacy("LR"), Candidacy("PS", "department", "A"))
    assert notice.standing.tolist() == [[True, True]] * 3 + [[False, True]]
    assert notice.offer_from == "the scenario's offer file"


def test_an_area_without_a_station_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="constituency:A11") as caught:
        carried(Candidacy("LR"), Candidacy("PS", "constituency", "A11"))
    assert "did you mean constituency:A01" in caught.value.remedy


def test_somebody_stands_everywhere_in_a_first_round() -> None:
    with pytest.raises(ConfigError, match=r"nobody stands at 1 station\(s\), of B01"):
        carried(Candidacy("LR", "department", "A"))


def test_a_second_round_is_not_held_where_nobody_stands() -> None:
    second = dataclasses.replace(NEXT, key="2025_legi_t2", round=2)
    notice = carried(
        Candidacy("LR", "constituency", "A02"), Candidacy("PS", "department", "B"), target=second
    )
    assert notice.stations.station_id.tolist() == ["A-1-1", "A-1-2", "B-1-0"]
    assert notice.registered.tolist() == [200, 300, 400]
    assert notice.standing.tolist() == [[False, True], [False, True], [True, False]]
    assert notice.offer_from.endswith("; no vote at 1 station(s), where nobody stands")
