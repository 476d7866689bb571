"""Readers of published tables: only what is declared is read, and each check finds what it is for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from isoloir.configs.load import TerritoryConfig, load_territory
from isoloir.configs.sources import TidySource
from isoloir.domain.errors import SourceError
from isoloir.domain.station import Stations
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import ingest
from isoloir.pipelines.sources import tidy
from isoloir.pipelines.sources.door import Door
from isoloir.pipelines.sources.returns import CODE, NOT_SHOWN, Returns, check, refuse, shown, without
from isoloir.pipelines.sources.tables import Form, Opened, batches

FORM = Form(
    {"code": ("code", "Code"), "n": ("n",), "extra": ("extra",)},
    {"code": pa.string(), "n": pa.int32(), "extra": pa.int32()},
    frozenset({"code", "n"}),
)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    return path


def read(path: Path, delimiter: str = ";", encoding: str = "utf-8") -> list[dict[str, object]]:
    opened = Opened(path, delimiter, encoding)
    rows: list[dict[str, object]] = pa.concat_tables(batches(opened, FORM)).to_pylist()
    return rows


def test_codes_in_csv_keep_their_zeros_and_an_undeclared_column_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path, "Code;note;n\n01;ZZNOMTEMOIN01;7\n2A;ZZNOMTEMOIN02;\n")
    assert read(path) == [{"code": "01", "n": 7, "extra": None}, {"code": "2A", "n": None, "extra": None}]


def test_a_byte_order_mark_and_quotes_in_the_header_are_no_part_of_a_name(tmp_path: Path) -> None:
    assert read(written(tmp_path, '\ufeff"code";"n"\n"01";7\n'))[0]["code"] == "01"


def test_a_csv_is_read_as_it_was_declared_to_be_written(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("n|code\n7|é\n".encode("latin-1"))
    assert read(path, "|", "latin-1") == [{"code": "é", "n": 7, "extra": None}]


def test_another_delimiter_than_the_declared_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="the column code or Code; n is missing") as caught:
        read(written(tmp_path, "code,n\n01,7\n"))
    assert "delimiter in sources.yaml (it says ';')" in caught.value.remedy


def test_bytes_of_another_encoding_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("code;n\né;7\n".encode("latin-1"))
    with pytest.raises(SourceError, match="no utf-8"):
        read(path)


def test_a_count_that_is_no_number_is_refused_with_its_column_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="the column n holds what is no int32") as caught:
        read(written(tmp_path, "code;n\n01;ZZNOMTEMOIN01\n"))
    assert "ZZNOMTEMOIN" not in str(caught.value)


def test_a_required_column_that_is_missing_is_named_in_all_its_spellings(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="the column code or Code is missing"):
        read(written(tmp_path, "n\n1\n"))


def returns(**changed: object) -> Returns:
    """Two sound stations with two labels each."""
    text = np.array(["c", "c"])
    sound = Returns(
        "2022_legi_t1",
        Stations(np.array(["c_1", "c_2"]), text, text, text),
        registered=np.array([100, 200], np.int32),
        voters=np.array([60, 90], np.int32),
        valid=np.array([50, 80], np.int32),
        labels=("A", "B"),
        votes=np.array([[20, 30], [80, 0]], np.int32),
        present=np.array([[True, True], [True, False]]),
        row=np.array([1, 2]),
        abstentions=np.array([40, 110], np.int32),
        blank_null=np.array([10, 10], np.int32),
    )
    counts: dict[str, Any] = {name: np.array(value, np.int32) for name, value in changed.items()}
    return replace(sound, **counts)


def test_sound_returns_have_no_finding() -> None:
    assert check(returns(), multi_seat=False) == []


@pytest.mark.parametrize("miss", [1, 2, 3])
@pytest.mark.parametrize(
    ("name", "sound", "what"),
    [
        ("abstentions", [40, 110], "voters and abstentions miss the registered"),
        ("blank_null", [10, 10], "blank, null and valid votes miss the voters"),
        ("votes", [[20, 30], [80, 0]], "votes miss the valid ones"),
    ],
)
def test_a_sum_is_refused_beyond_the_rounding_and_listed_within(
    miss: int, name: str, sound: list[object], what: str
) -> None:
    changed = np.array(sound, np.int32)
    changed.reshape(2, -1)[1, 0] += miss
    (finding,) = check(returns(**{name: changed}), multi_seat=False)
    assert (finding.first, finding.row, finding.refused) == ("c_2", 2, miss > 2)
    assert finding.check == f"{what} by {'more than' if miss > 2 else 'at most'} 2"
    if miss > 2:
        with pytest.raises(SourceError, match="c_2"):
            refuse([finding], where="here")
    else:
        refuse([finding], where="here")


@pytest.mark.parametrize("name", ["registered", "voters", "valid"])
def test_a_negative_count_is_refused(name: str) -> None:
    found = check(returns(**{name: [-1, 1]}), multi_seat=True)
    assert [f.first for f in found if f.check == "a negative count" and f.refused] == ["c_1"]


def test_negative_votes_are_refused_though_the_sum_is_right() -> None:
    found = check(returns(votes=[[20, 30], [90, -10]]), multi_seat=False)
    assert [(f.check, f.first, f.refused) for f in found] == [("a negative count", "c_2", True)]


def test_a_sum_whose_part_is_not_stated_is_not_checked() -> None:
    unstated = returns(abstentions=[-1, -1], blank_null=[-1, -1])
    assert check(unstated, multi_seat=False) == []
    assert check(replace(unstated, abstentions=None, blank_null=None), multi_seat=False) == []


def test_several_votes_per_voter_are_listed_only_where_there_are_several_seats() -> None:
    several = returns(votes=[[20, 30], [80, 60]])
    assert [f.refused for f in check(several, multi_seat=False)] == [True]
    assert [f.refused for f in check(several, multi_seat=True)] == [False]


def test_a_station_left_out_takes_all_its_figures_with_it() -> None:
    kept, (finding,) = without(returns(registered=[100, -1]), ("c_2", "elsewhere"))
    assert (finding.first, finding.stations, finding.refused) == ("c_2", 1, False)
    assert kept.stations.station_id.tolist() == ["c_1"]
    assert kept.abstentions is not None and kept.blank_null is not None
    assert (kept.abstentions.tolist(), kept.blank_null.tolist()) == ([40], [10])
    assert check(kept, multi_seat=False) == []


@pytest.mark.parametrize("station", ["01001_0001", "c_2", "s8", "103|brønden", "DK-12/4.1"])
def test_a_station_that_goes_by_a_code_is_shown(station: str) -> None:
    assert shown(station, CODE) == station


NAMES = ["ZZTOPSECRET Jean", "ZZTOPSECRET", "Jean-ZZTOPSECRET", "01001 ZZTOPSECRET", "ZZTOPSECRET2", "12\nA"]


@pytest.mark.parametrize("name", NAMES)
def test_a_finding_never_shows_what_may_be_a_name(name: str) -> None:
    text = np.array(["c", "c"])
    named = replace(returns(voters=[60, 300]), stations=Stations(np.array(["c_1", name]), text, text, text))
    for found in (check(named, multi_seat=True), without(named, (name,))[1]):
        assert [(f.first, f.row) for f in found][:1] == [(NOT_SHOWN, 2)]
        assert not any(name in f.line() for f in found) and "(row 2)" in found[0].line()
    with pytest.raises(SourceError, match="not shown") as caught:
        refuse(check(named, multi_seat=True), where="here")
    assert name not in str(caught.value)


TINY = {
    "territory.yaml": "name: Tiny\ndefault_grouping: research\n",
    "elections.yaml": "contests:\n  2020_muni_t1: {held_on: 2020-03-15, labels: nuance}\n",
    "sources.yaml": (
        "publisher: tidy\nlicence: none\nattribution: nobody\n"
        'results: {file: r.csv, contest: "{year}_{kind:lower}_t1", station: s, commune: c,\n'
        "          registered: r, voters: v, valid: e, label: l, votes: n}\n"
        "geography: {file: g.csv, station: s, department: d}\n"
        "contradictory: {2020_muni_t1: [s9]}\n"
    ),
    "blocs/research.yaml": (
        "grouping: research\nversion: 1\nabout: two blocs\nblocs: {left: one side, right: the other}\n"
        "rules:\n  - {bloc: left, labels: [DVG]}\n  - {bloc: right, labels: [DVD]}\n"
    ),
}
ROWS = (
    "year,kind,s,c,r,v,e,l,n\n"
    "2020,MUNI,s2,01,100,60,50,DVG,20\n"
    "2020,MUNI,s1,01,200,90,80,DVG,80\n"
    "2020,MUNI,s2,01,100,60,50,DVD,30\n"
)


@pytest.fixture
def tiny(tmp_path: Path) -> TerritoryConfig:
    for name, text in TINY.items():
        path = tmp_path / "configs" / "territories" / "tiny" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "g.csv").write_text("s,d\ns1,D1\ns2,D2\ns9,D9\n", encoding="utf-8")
    (tmp_path / "r.csv").write_text(ROWS, encoding="utf-8")
    return load_territory("tiny", tmp_path / "configs")


def read_tidy(config: TerritoryConfig, folder: Path) -> list[Returns]:
    assert isinstance(config.source, TidySource)
    files = [Opened(folder / "r.csv", ","), Opened(folder / "g.csv", ",")]
    door = Door(config.calendar, tuple(config.groupings.values()), config.label_kind)
    return tidy.read_returns(files, config.source, door).returns


def test_tidy_rows_become_stations_and_labels(tiny: TerritoryConfig, tmp_path: Path) -> None:
    (one,) = read_tidy(tiny, tmp_path)
    assert (one.contest, one.labels) == ("2020_muni_t1", ("DVD", "DVG"))
    assert one.stations.station_id.tolist() == ["s1", "s2"]
    assert one.stations.commune_code.tolist() == ["01", "01"]
    assert one.stations.department_code.tolist() == ["D1", "D2"]
    assert one.registered.tolist() == [200, 100]
    assert one.votes.tolist() == [[0, 80], [30, 20]]
    assert one.present.tolist() == [[False, True], [True, True]]
    assert one.row.tolist() == [2, 1]


def test_stations_declared_contradictory_are_left_out_and_listed(
    tiny: TerritoryConfig, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text(ROWS + "2020,MUNI,s9,01,10,60,50,DVG,50\n", encoding="utf-8")
    done = ingest(Home(tmp_path / "home"), tiny, tmp_path, lambda _: None)
    assert [(f.contest, f.first, f.row, f.refused) for f in done.findings] == [
        ("2020_muni_t1", "s9", 4, False)
    ]
    kept = pq.read_table(done.folder / "2020_muni_t1.parquet")
    assert kept["station_id"].to_pylist() == ["s1", "s2"]


def test_a_contradictory_station_that_is_not_declared_is_refused(
    tiny: TerritoryConfig, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text(ROWS + "2020,MUNI,s8,01,10,60,50,DVG,50\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"more voters than registered.*s8 \(row 4\)"):
        ingest(Home(tmp_path / "home"), tiny, tmp_path, lambda _: None)


def test_several_figures_for_one_station_are_refused(tiny: TerritoryConfig, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(ROWS.replace("100,60,50,DVD", "100,61,50,DVD"), encoding="utf-8")
    with pytest.raises(SourceError, match=r"station s2 .* several figures of voters") as caught:
        read_tidy(tiny, tmp_path)
    assert caught.value.where.endswith("row 3") and caught.value.remedy


@pytest.mark.parametrize("row", ["2020,MUNI,,01,9,9,9,DVG,9", "2020,MUNI,s3,01,9,9,9,DVG,"])
def test_a_tidy_row_without_station_or_votes_is_refused(
    row: str, tiny: TerritoryConfig, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text(f"{ROWS}{row}\n", encoding="utf-8")
    with pytest.raises(SourceError, match="no station, label or votes") as caught:
        read_tidy(tiny, tmp_path)
    assert caught.value.where.endswith("row 4")


def test_a_tidy_contest_that_is_not_declared_is_refused(tiny: TerritoryConfig, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(ROWS.replace("2020,", "2014,"), encoding="utf-8")
    with pytest.raises(SourceError, match=r"not declared: 2014_muni_t1\n") as caught:
        read_tidy(tiny, tmp_path)
    assert caught.value.where.endswith("row 1")


@pytest.mark.parametrize("shifted", ["ZZTOPSECRET,MUNI", "2020,ZZTOPSECRET", "2020,ZZTOPSECRET Jean"])
def test_a_name_among_the_parts_of_a_tidy_contest_is_not_shown(
    shifted: str, tiny: TerritoryConfig, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text(f"{ROWS}{shifted},s1,01,9,9,9,DVG,9\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"not declared: \(not shown") as caught:
        read_tidy(tiny, tmp_path)
    assert "zztop" not in str(caught.value).lower()
    assert caught.value.where.endswith("row 4") and caught.value.remedy


def test_a_name_among_tidy_stations_is_not_shown(tiny: TerritoryConfig, tmp_path: Path) -> None:
    text = ROWS.replace("100,60,50,DVD", "100,61,50,DVD").replace("s2", "ZZTOPSECRET Jean")
    (tmp_path / "r.csv").write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=r"hold no station .*not shown") as caught:
        read_tidy(tiny, tmp_path)
    assert "ZZTOP" not in str(caught.value) and caught.value.where.endswith("row 1")
