"""The Ministry's layouts, codes and contests, on small files of our own making with invented names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ministry_files import FORMS, LABELS, NAME, Station, Votes, moved, stations_of, truth_of

from isoloir.configs.load import load_territory
from isoloir.domain.election import Calendar, Contest
from isoloir.domain.errors import SourceError
from isoloir.pipelines.sources.door import Door
from isoloir.pipelines.sources.ministry import reader as ministry
from isoloir.pipelines.sources.ministry.codes import commune_code, constituency_code, department_of
from isoloir.pipelines.sources.ministry.hints import Hints, hints_in
from isoloir.pipelines.sources.ministry.labels import mended, with_letters
from isoloir.pipelines.sources.returns import Read, check
from isoloir.pipelines.sources.tables import Opened

FRANCE = load_territory("fr")
DOOR = Door(FRANCE.calendar, tuple(FRANCE.groupings.values()), FRANCE.label_kind)
WITH_2005 = Calendar("fr", (*FRANCE.calendar, Contest("fr", "2005_refe_t1", "refe", 1, date(2005, 5, 29))))
DOOR_2005 = Door(WITH_2005, DOOR.groupings, {**DOOR.kind, "2005_refe_t1": "nuance"})


def given_file(tmp_path: Path, form: str, content: bytes, name: str = "") -> Path:
    path = tmp_path / (name or FORMS[form].name)
    path.write_bytes(content)
    return path


def read(
    path: Path,
    said: Mapping[str, str] | None = None,
    kept: list[pa.Table] | None = None,
    door: Door = DOOR_2005,
) -> Read:
    layout = ministry.recognise(path, door.calendar)
    assert layout is not None
    rows = [] if kept is None else kept
    return ministry.read_returns(Opened(path, keep=rows.append), layout, door, said or {})


def changed(form: str, row: int, column: int, value: str, seed: int = 0) -> bytes:
    """The small file with one field changed; rows from 0, the header first where there is one."""
    rows = FORMS[form].rows(stations_of(form, seed))
    rows[row][column] = value
    lines = [*FORMS[form].preamble.splitlines(), *(FORMS[form].delimiter.join(r) for r in rows)]
    return "\r\n".join([*lines, ""]).encode(FORMS[form].encoding)


@pytest.mark.parametrize("form", FORMS)
def test_every_layout_gives_its_counts_and_votes(tmp_path: Path, form: str) -> None:
    stations, kept = stations_of(form), list[pa.Table]()
    path = given_file(tmp_path, form, FORMS[form].written(stations))
    made = read(path, kept=kept)
    (one,) = made.returns
    truth = truth_of(stations)
    assert one.contest == LABELS[form][0]
    ids = one.stations.station_id.tolist()
    figures = zip(one.registered.tolist(), one.voters.tolist(), one.valid.tolist(), strict=True)
    assert dict(zip(ids, figures, strict=True)) == truth.figures
    votes = {(ids[s], one.labels[b]): int(one.votes[s, b]) for s, b in np.argwhere(one.present).tolist()}
    assert votes == dict(truth.votes)
    assert made.withheld == ({"2012_pres_t1": 70} if form == "pres12" else {})
    assert not made.left_out and check(one, multi_seat=False) == []
    rows = pa.concat_tables(kept)
    assert rows.num_rows == 7 * len(LABELS[form][1]) and rows.schema == pa.schema(
        list(ministry.FORM.types.items())
    )
    assert not any(NAME[:4] in text for text in (str(rows.to_pylist()), repr(made)))


def test_rows_are_lines_of_the_file(tmp_path: Path) -> None:
    path = given_file(tmp_path, "legi", FORMS["legi"].written(stations_of("legi")))
    assert read(path).returns[0].row.tolist() == [2, 3, 4, 5, 6, 7, 8]
    path = given_file(tmp_path, "euro14", FORMS["euro14"].written(stations_of("euro14")))
    assert read(path).returns[0].row.tolist() == [5 + 9 * n for n in range(7)]


def test_candidates_of_one_label_are_summed_and_a_row_of_no_votes_is_present(tmp_path: Path) -> None:
    stations = stations_of("legi")
    first = replace(
        stations[0],
        candidates=tuple(replace(c, votes=0 if c.label == "FN" else 7) for c in stations[0].candidates),
    )
    stations[0] = replace(first, registered=300)
    one = read(given_file(tmp_path, "legi", FORMS["legi"].written(stations))).returns[0]
    dvg, fn = one.labels.index("DVG"), one.labels.index("FN")
    assert (one.votes[0, dvg], one.votes[0, fn]) == (14, 0)
    assert one.present[0, fn] and one.present.all()


def test_both_rounds_of_one_file_become_two_contests(tmp_path: Path) -> None:
    stations = stations_of("muni14")
    second = [replace(s, round=2, candidates=s.candidates[:2]) for s in stations[:3]]
    made = read(given_file(tmp_path, "muni14", FORMS["muni14"].written([*stations, *second])))
    assert [(r.contest, len(r.stations)) for r in made.returns] == [("2014_muni_t1", 7), ("2014_muni_t2", 3)]
    assert made.returns[1].votes.sum() == sum(c.votes for s in second for c in s.candidates)


@pytest.mark.parametrize("key", ["2014_muni_t1", "2014_muni_t2"])
def test_saying_one_round_of_a_file_of_two_says_both(tmp_path: Path, key: str) -> None:
    stations = [replace(s, candidates=s.candidates[:3]) for s in stations_of("muni14")]
    second = [replace(s, round=2) for s in stations]
    content = FORMS["muni14"].written([*stations, *second]).split(b"\r\n", 4)[4]
    made = read(given_file(tmp_path, "muni14", content, "a.txt"), {"a.txt": key})
    assert [r.contest for r in made.returns] == ["2014_muni_t1", "2014_muni_t2"]


def test_several_votes_per_voter_keep_the_turnout(tmp_path: Path) -> None:
    stations = [replace(s, valid_given=max(c.votes for c in s.candidates)) for s in stations_of("muni")]
    (one,) = read(given_file(tmp_path, "muni", FORMS["muni"].written(stations))).returns
    (finding,) = check(one, multi_seat=FRANCE.calendar[one.contest].multi_seat)
    assert "several votes per voter" in finding.check and not finding.refused and finding.stations == 7


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("form", ["legi", "euro", "euro24", "muni"])
def test_the_encoding_is_told_by_the_bytes(tmp_path: Path, form: str, encoding: str) -> None:
    text = FORMS[form].written(stations_of(form)).decode(FORMS[form].encoding)
    (one,) = read(given_file(tmp_path, form, text.encode(encoding))).returns
    assert set(one.labels) == set(LABELS[form][1])


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("form", FORMS)
def test_both_line_ends_are_read(tmp_path: Path, form: str, ending: str) -> None:
    content = FORMS[form].written(stations_of(form)).replace(b"\r\n", ending.encode())
    assert len(read(given_file(tmp_path, form, content)).returns[0].stations) == 7


def test_a_whole_last_line_without_an_end_is_read_where_its_neighbours_vouch_for_it(tmp_path: Path) -> None:
    for form in ("legi", "euro", "dpmt", "euro14"):
        content = FORMS[form].written(stations_of(form)).removesuffix(b"\r\n")
        assert len(read(given_file(tmp_path, form, content)).returns[0].stations) == 7


def test_a_double_encoding_is_mended_and_lost_letters_found_in_what_is_declared(tmp_path: Path) -> None:
    text = FORMS["euro"].written(stations_of("euro")).decode("latin-1")
    twice = text.encode("utf-8").decode("latin-1").encode("utf-8")
    through_cp1252 = text.replace("\u00c8", "È").encode("utf-8").decode("cp1252", "ignore").encode("utf-8")
    lost = text.encode("ascii", "replace")
    marks = text.encode("ascii", "replace").replace(b"?", "\ufffd".encode())
    again = marks.decode("latin-1").encode("utf-8")
    for content in (twice, through_cp1252, lost, marks, again):
        (one,) = read(given_file(tmp_path, "euro", content)).returns
        assert set(one.labels) == set(LABELS["euro"][1])


@pytest.mark.parametrize("raw", ["É", "Ã\x89", "Ã\x83Â\x89", "Ã\x83â\x80°"])
def test_a_text_is_mended_from_any_depth(raw: str) -> None:
    assert mended(raw) == "É"


@given(st.text(st.characters(codec="cp1252", exclude_categories=["C"])))
def test_what_was_written_once_is_read_as_it_was_meant(text: str) -> None:
    encoded = text.encode("utf-8").decode("latin-1")
    once = mended(encoded)
    assert once == text or mended(text.encode("cp1252").decode("latin-1")) == once


def test_lost_letters_are_only_found_where_one_declared_label_fits() -> None:
    contest = FRANCE.calendar["2019_euro_t1"]
    assert with_letters(contest, "?COLOGIE", DOOR.groupings) == "?COLOGIE"
    assert with_letters(contest, "?VOLUTION CITOYENNE", DOOR.groupings) == "ÉVOLUTION CITOYENNE"
    assert with_letters(contest, "PACE?", DOOR.groupings) == "PACE?"


def test_an_undeclared_name_of_a_list_is_refused_with_its_line_and_not_shown(tmp_path: Path) -> None:
    stations = stations_of("euro")
    stations = [
        replace(s, candidates=tuple(replace(c, label=NAME) if c.panel == 4 else c for c in s.candidates))
        for s in stations
    ]
    with pytest.raises(SourceError, match="not shown") as caught:
        read(given_file(tmp_path, "euro", FORMS["euro"].written(stations)))
    assert NAME not in str(caught.value) and caught.value.where.endswith("row 2")


def test_a_tab_inside_a_field_is_part_of_it(tmp_path: Path) -> None:
    stations = stations_of("muni")
    content = FORMS["muni"].written(stations)
    inner = content.replace(b"AVEC ZZNOMTEMOIN\t", b"AVEC \t ZZNOMTEMOIN\t", 3)
    assert inner != content
    assert (read(given_file(tmp_path, "muni", inner)).returns[0].votes == read(
        given_file(tmp_path, "muni", content)
    ).returns[0].votes).all()  # fmt: skip
    with pytest.raises(SourceError, match="line 2"):
        read(given_file(tmp_path, "muni", content.replace(b"AVEC ZZ", b"AVEC\tZZ", 1)))


def test_a_copy_padded_with_empty_fields_and_a_quoted_one_are_read(tmp_path: Path) -> None:
    content = FORMS["legi"].written(stations_of("legi"))
    padded = content.replace(b"\r\n", b";" * 16 + b"\r\n")
    quoted = b"".join(b'"' + line.replace(b";", b'";"') + b'"\r\n' for line in content.splitlines())
    for copy in (padded, quoted):
        one = read(given_file(tmp_path, "legi", copy)).returns[0]
        assert one.votes.sum() == sum(truth_of(stations_of("legi")).votes.values())


def test_titles_before_a_header_are_passed_over_but_not_rows(tmp_path: Path) -> None:
    content = FORMS["legi"].written(stations_of("legi"))
    titled = "Résultats par bureau de vote\r\n\r\n".encode("latin-1") + content
    assert read(given_file(tmp_path, "legi", titled)).returns[0].row[0] == 4
    lines = content.splitlines(keepends=True)
    with pytest.raises(SourceError, match="looks like a row") as caught:
        read(given_file(tmp_path, "legi", lines[1] + content))
    assert caught.value.where.endswith("line 1")


PLACES = [
    ("ZA", "101", "97101", "971"), ("ZB", "209", "97209", "972"), ("ZC", "302", "97302", "973"),
    ("ZD", "411", "97411", "974"), ("ZM", "601", "97601", "976"), ("ZN", "801", "98801", "988"),
    ("ZP", "711", "98711", "987"), ("ZS", "502", "97502", "975"), ("ZW", "601", "98601", "986"),
    ("ZX", "701", "97701", "977"), ("ZX", "801", "97801", "978"), ("ZZ", "001", "ZZ001", "ZZ"),
    ("971", "101", "97101", "971"), ("977", "701", "97701", "977"), ("977", "801", "97801", "978"),
    ("978", "801", "97801", "978"), ("988", "801", "98801", "988"), ("987", "711", "98711", "987"),
    ("986", "601", "98601", "986"), ("99", "001", "ZZ001", "ZZ"), ("1", "1001", "01001", "01"),
    ("971", "97101", "97101", "971"), ("ZA", "97101", "97101", "971"), ("ZX", "97801", "97801", "978"),
    ("ZX", "ZX701", "97701", "977"), ("ZZ", "ZZ012", "ZZ012", "ZZ"), ("977", "97701", "97701", "977"),
    ("2A", "004", "2A004", "2A"), ("2B", "33", "2B033", "2B"), ("1", "1", "01001", "01"),
    ("01", "1", "01001", "01"), ("75", "056", "75056", "75"), ("75", "056SR04", "75056", "75"),
    ("34", "34001", "34001", "34"), ("2A", "2A004", "2A004", "2A"), ("69", "123", "69123", "69"),
]  # fmt: skip


@pytest.mark.parametrize(("department", "commune", "code", "area"), PLACES)
def test_codes_of_every_system_become_insees(department: str, commune: str, code: str, area: str) -> None:
    assert (commune_code(department, commune), department_of(code)) == (code, area)


@pytest.mark.parametrize(
    ("department", "commune"),
    [
        ("20", "001"), ("96", "001"), ("00", "001"), ("034", "001"), ("34", "0001"), ("34", "35001"),
        ("34", ""), ("", "001"), ("ZA", "201"), ("971", "201"), ("ZX", "901"), ("ZX", "101"), ("978", "701"),
        ("ZY", "001"), ("977", "97101"), ("34", "A01"), ("ZA", "97201"), (NAME, "001"), ("34", NAME),
        ("989", "901"), ("971", "01"), ("34", "4001"),
    ],
)  # fmt: skip
def test_codes_that_contradict_each_other_are_no_place(department: str, commune: str) -> None:
    assert commune_code(department, commune) is None


@pytest.mark.parametrize(
    ("commune", "number", "code"),
    [
        ("34001", "07", "3407"), ("34001", "7", "3407"), ("2A004", "1", "2A01"), ("97101", "02", "97102"),
        ("97701", "01", "97701"), ("97801", "01", "97701"), ("ZZ001", "11", "ZZ11"), ("98601", "1", "98601"),
        ("34001", "", ""), ("34001", "3407", "3407"), ("97502", "97501", "97501"), ("34001", "007", None),
        ("34001", "A", None), ("34001", "34", None), ("34001", "00", None),
    ],
)  # fmt: skip
def test_constituencies_go_by_the_code_of_the_aggregated_files(
    commune: str, number: str, code: str | None
) -> None:
    assert constituency_code(commune, number) == code


@pytest.mark.parametrize("figures_only", [True, False])
def test_a_copy_that_lost_its_zeros_gets_them_back(tmp_path: Path, figures_only: bool) -> None:
    """Codes of figures only lose them all, those of other stations' letters keep theirs."""
    codes = ["0001", "0002", "0011", "0012", "0013", "0001", "0002"]
    if not figures_only:
        codes[3] = "028B"
    stations = [
        replace(
            s, department="1", commune=str(int(s.commune)), code=code.lstrip("0") if figures_only else code
        )
        for s, code in zip(stations_of("muni14"), codes, strict=True)
    ]
    (one,) = read(given_file(tmp_path, "muni14", FORMS["muni14"].written(stations))).returns
    communes = ["01001"] * 2 + ["01017"] * 3 + ["01300"] * 2
    assert one.stations.station_id.tolist() == sorted(
        f"{commune}_{code}" for commune, code in zip(communes, codes, strict=True)
    )


def test_a_code_without_its_zeros_among_others_with_them_is_refused(tmp_path: Path) -> None:
    for column, value in ((0, "3"), (4, "7"), (6, "7")):
        with pytest.raises(SourceError, match="has lost the zeros") as caught:
            read(given_file(tmp_path, "legi", changed("legi", 3, column, value)))
        assert caught.value.where.endswith("line 4")


def test_a_number_where_a_commune_is_written_out_elsewhere_is_no_commune(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has lost the zeros") as caught:
        read(given_file(tmp_path, "legi24", changed("legi24", 3, 2, "9")))
    assert caught.value.where.endswith("line 4")


@pytest.mark.parametrize(
    ("form", "label"),
    [("euro24", "FE"), ("euro24", "0"), ("dpmt", "RN"), ("regi", "BC-RN"), ("legi", "BC-RN"), ("muni", "F")],
)
def test_a_nuance_of_another_kind_of_contest_is_refused(tmp_path: Path, form: str, label: str) -> None:
    stations = [
        replace(
            s, candidates=tuple(replace(c, label=label if c.panel == 1 else c.label) for c in s.candidates)
        )
        for s in stations_of(form)
    ]
    with pytest.raises(SourceError, match=r"is no nuance of such a contest|no declared contest fits"):
        read(given_file(tmp_path, form, FORMS[form].written(stations)))


def test_a_sex_where_a_nuance_belongs_is_refused(tmp_path: Path) -> None:
    rows = FORMS["legi"].rows(stations_of("legi"))
    for row in rows[1:]:
        row[22], row[25] = row[25], row[22]
    path = given_file(tmp_path, "legi", "".join(";".join(r) + "\r\n" for r in rows).encode("latin-1"))
    with pytest.raises(SourceError, match="is no nuance of such a contest") as caught:
        read(path)
    assert caught.value.where.endswith("line 2")


@pytest.mark.parametrize("form", ["legi", "euro", "muni", "euro14", "muni14"])
def test_stations_overseas_and_abroad_go_by_insees_codes(tmp_path: Path, form: str) -> None:
    letters = [
        ("ZA", "101", "97101"), ("ZX", "701", "97701"), ("ZX", "801", "97801"), ("ZN", "801", "98801"),
        ("ZZ", "001", "ZZ001"), ("2A", "004", "2A004"), ("01", "004", "01004"),
    ]  # fmt: skip
    numbers = {"ZA": "971", "ZX": "977", "ZN": "988", "ZZ": "99"}
    stations = [
        moved(s, numbers.get(d, d) if form.endswith("14") else d, c, f"{code}_{s.code}")
        for s, (d, c, code) in zip(stations_of(form), letters, strict=True)
    ]
    (one,) = read(given_file(tmp_path, form, FORMS[form].written(stations))).returns
    assert one.stations.station_id.tolist() == sorted(s.id for s in stations)
    assert one.stations.commune_code.tolist() == sorted(code for _, _, code in letters)
    areas = dict(zip(one.stations.commune_code.tolist(), one.stations.department_code.tolist(), strict=True))
    assert areas == {
        "97101": "971", "97701": "977", "97801": "978", "98801": "988", "ZZ001": "ZZ", "2A004": "2A",
        "01004": "01",
    }  # fmt: skip


def two(form: str, labels: tuple[str, str]) -> list[Station]:
    """A second round of two candidates."""
    return [
        replace(s, candidates=(Votes(1, labels[0], 60), Votes(2, labels[1], 40)), registered=300)
        for s in stations_of(form)
    ]


def test_presidential_rounds_are_told_by_their_panels(tmp_path: Path) -> None:
    twelve = [replace(s, candidates=(*s.candidates, Votes(12, "12", 5))) for s in stations_of("pres")]
    (one,) = read(given_file(tmp_path, "pres", FORMS["pres"].written(twelve))).returns
    assert one.contest == "2022_pres_t1"
    ten = [replace(s, candidates=s.candidates[:10]) for s in stations_of("pres")]
    with pytest.raises(SourceError, match="no declared contest fits"):
        read(given_file(tmp_path, "pres", FORMS["pres"].written(ten)))


def test_a_second_round_is_asked_for_unless_its_name_or_the_user_tells(tmp_path: Path) -> None:
    content = FORMS["pres"].written(two("pres", ("1", "2")))
    with pytest.raises(SourceError, match="may be 2017_pres_t2 or 2022_pres_t2") as caught:
        read(given_file(tmp_path, "pres", content, "a.txt"))
    assert "ministry: {contests: {a.txt: 2017_pres_t2}}" in caught.value.remedy
    (said,) = read(given_file(tmp_path, "pres", content, "a.txt"), {"a.txt": "2022_pres_t2"}).returns
    (named,) = read(given_file(tmp_path, "pres", content, "PR22_burvot_t2.txt")).returns
    (other,) = read(given_file(tmp_path, "pres", content, "PR17_BVot_T2.txt")).returns
    assert [r.contest for r in (said, named, other)] == ["2022_pres_t2", "2022_pres_t2", "2017_pres_t2"]


def test_the_name_breaks_a_tie_and_nothing_else(tmp_path: Path) -> None:
    content = FORMS["legi"].written(stations_of("legi"))
    (one,) = read(given_file(tmp_path, "legi", content, "LG22_burvot_t2.txt")).returns
    assert one.contest == "2017_legi_t1"


@pytest.mark.parametrize("key", ["2022_legi_t1", "2017_legi_t2", "2017_pres_t1", "1992_legi_t1"])
def test_the_user_cannot_say_what_the_content_excludes(tmp_path: Path, key: str) -> None:
    path = given_file(tmp_path, "legi", FORMS["legi"].written(stations_of("legi")))
    with pytest.raises(SourceError, match="its content excludes"):
        read(path, {path.name: key})


@pytest.mark.parametrize(
    ("labels", "name", "contest"),
    [
        (("REM", "FN"), "LG17_t2.txt", "2017_legi_t2"),
        (("ENS", "RN"), "LG22_t2.txt", "2022_legi_t2"),
        (("DVG", "DVD"), "LG22_t2.txt", "2022_legi_t2"),
        (("DVG", "DVD"), "LG22.txt", None),
        (("DVG", "DVD"), "x_t2.txt", None),
        (("REM", "RN"), "LG17_t2.txt", "2022_legi_t2"),
    ],
)
def test_parties_that_did_not_exist_exclude_a_year(
    tmp_path: Path, labels: tuple[str, str], name: str, contest: str | None
) -> None:
    path = given_file(tmp_path, "legi", FORMS["legi"].written(two("legi", labels)), name)
    if contest is None or labels == ("REM", "RN"):
        with pytest.raises(SourceError, match=r"it may be|no declared contest fits"):
            read(path)
    else:
        assert [r.contest for r in read(path).returns] == [contest]


def test_departments_of_2015_are_not_taken_for_those_of_2021(tmp_path: Path) -> None:
    stations = two("dpmt", ("BC-FN", "BC-DVD"))
    path = given_file(tmp_path, "dpmt", FORMS["dpmt"].written(stations), "a_t1.txt")
    assert [r.contest for r in read(path).returns] == ["2015_dpmt_t1"]


@pytest.mark.parametrize("form", ["muni14", "euro14"])
def test_the_lines_before_the_rows_decide_what_rows_leave_open(tmp_path: Path, form: str) -> None:
    stations = [replace(s, candidates=s.candidates[:3]) for s in stations_of(form)]
    content = FORMS[form].written(stations)
    assert [r.contest for r in read(given_file(tmp_path, form, content)).returns] == [LABELS[form][0]]
    bare = content.split(b"\r\n", 4)[4]
    with pytest.raises(SourceError, match="it may be 2014_"):
        read(given_file(tmp_path, form, bare))


def test_a_contest_that_no_calendar_has_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = given_file(tmp_path, "refe05", FORMS["refe05"].written(stations_of("refe05")))
    assert ministry.recognise(path, FRANCE.calendar) is None
    assert [r.contest for r in read(path, door=DOOR_2005).returns] == ["2005_refe_t1"]


def test_a_layout_still_in_use_is_not_taken_for_its_last_contest_against_the_name(tmp_path: Path) -> None:
    content = FORMS["euro24"].written(stations_of("euro24"))
    for name in ("a.csv", "EU24.csv"):
        assert read(given_file(tmp_path, "euro24", content, name)).returns[0].contest == "2024_euro_t1"
    with pytest.raises(SourceError, match="it may be 2024_euro_t1"):
        read(given_file(tmp_path, "euro24", content, "euro-2029.csv"))
    assert read(given_file(tmp_path, "euro24", content, "euro-2029.csv"), {"euro-2029.csv": "2024_euro_t1"})


def test_candidates_without_any_nuance_are_of_no_contest_that_goes_by_nuances(tmp_path: Path) -> None:
    stations = [
        replace(s, candidates=tuple(replace(c, label="") for c in s.candidates))
        for s in stations_of("legi24")
    ]
    with pytest.raises(SourceError, match="no declared contest fits"):
        read(given_file(tmp_path, "legi24", FORMS["legi24"].written(stations)))


@pytest.mark.parametrize(
    ("text", "hints"),
    [
        ("PR17_BVot_T1_FE", Hints(frozenset({2017}), frozenset({1}), frozenset({"pres"}))),
        ("Leg_2017_Resultats_BVT_T2_c", Hints(frozenset({2017}), frozenset({2}), frozenset({"legi"}))),
        ("MN14_Bvot_T1T2", Hints(frozenset({2014}), frozenset({1, 2}), frozenset({"muni"}))),
        ("MN20_bvot_t2", Hints(frozenset({2020}), frozenset({2}), frozenset({"muni"}))),
        ("Elections européennes 2014", Hints(frozenset({2014}), frozenset(), frozenset({"euro"}))),
        ("resultats", Hints()),
        ("2nd tour des législatives de 2022", Hints(frozenset({2022}), frozenset({2}), frozenset({"legi"}))),
    ],
)
def test_hints_in_names(text: str, hints: Hints) -> None:
    assert hints_in(text) == hints


@pytest.mark.parametrize(
    ("form", "row", "column", "value", "what"),
    [
        ("legi", 3, 7, "1", "contradict the percentage"),
        ("legi", 3, 10, "", "voters: not a whole number"),
        ("legi", 3, 10, "3.0", "voters: not a whole number"),
        ("legi", 3, 10, NAME, "voters: not a whole number"),
        ("legi", 3, 0, "35A", "no codes of a department"),
        ("legi", 3, 6, "", "no codes of a department"),
        ("legi", 3, 6, "Ecole Jean Moulin", "no codes of a department"),
        ("legi", 3, 6, "M", "no codes of a department"),
        ("legi", 3, 6, "ZZNO", "no codes of a department"),
        ("legi", 3, 2, NAME, "no code of a constituency"),
        ("legi", 3, 6, "0002", "a station stands twice"),
        ("legi", 3, 26, "500", "contradict the percentage"),
        ("legi", 3, 25, "LR", "another label than its number"),
        ("legi", 3, 21, "2", "stands twice in a station"),
        ("legi", 3, 27, "12,5x", "the percentage votes/registered is none"),
        ("euro14", 12, 5, "1", "other figures than in its first row"),
        ("euro14", 12, 12, "500", "miss its valid votes"),
        ("euro14", 12, 0, "3", "round"),
        ("euro14", 12, 8, "1", "stands twice in a station"),
    ],
)
def test_a_damaged_field_is_refused_with_its_line(
    tmp_path: Path, form: str, row: int, column: int, value: str, what: str
) -> None:
    if (form, row, column, value) == ("legi", 3, 6, "0002"):
        content = FORMS["legi"].written([*stations_of("legi")[:2], *stations_of("legi")[1:]])
    else:
        content = changed(form, row, column, value)
    with pytest.raises(SourceError, match=what) as caught:
        read(given_file(tmp_path, form, content))
    assert NAME not in str(caught.value) and caught.value.remedy
    line = {"legi": 4, "euro14": 17}[form]
    assert caught.value.where.endswith((f"line {line}", "line 14"))


def test_columns_that_changed_places_are_refused(tmp_path: Path) -> None:
    """Registered and abstentions, and so on: all pairs of counts, in all rows; the header says otherwise."""
    places = (7, 8, 10, 12, 15, 18)
    for a in places:
        for b in places:
            rows = FORMS["legi"].rows(stations_of("legi"))
            for row in rows[1:]:
                row[a], row[b] = row[b], row[a]
            path = given_file(tmp_path, "legi", "".join(";".join(r) + "\r\n" for r in rows).encode("latin-1"))
            if a == b:
                assert len(read(path).returns[0].stations) == 7
            else:
                with pytest.raises(SourceError, match="contradict the percentage"):
                    read(path)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\r\n", b"\x00\x01", b"a;b;c\r\n1;2;3\r\n", b"id_election;id_brut_miom;voix\r\n",
        FORMS["legi"].written(stations_of("legi")).replace(b"Inscrits", b"Inscription"),
        FORMS["legi"].written(stations_of("legi")).replace(b"Blancs;", b"Votants;", 1),
    ],
)  # fmt: skip
def test_another_file_is_not_recognised(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "LG17_BVot_T1.txt"
    path.write_bytes(content)
    assert ministry.recognise(path, FRANCE.calendar) is None


def test_a_file_of_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    content = FORMS["legi"].written(stations_of("legi")).splitlines(keepends=True)[0]
    with pytest.raises(SourceError, match="has no rows"):
        read(given_file(tmp_path, "legi", content))


def test_withheld_labels_are_counted_where_no_grouping_speaks_of_the_round(tmp_path: Path) -> None:
    stations = [
        replace(s, candidates=(Votes(1, "BC-FN", 60), Votes(2, NAME, 40))) for s in stations_of("dpmt")
    ]
    kept: list[pa.Table] = []
    made = read(given_file(tmp_path, "dpmt", FORMS["dpmt"].written(stations), "DP15_t1.txt"), kept=kept)
    (one,) = made.returns
    assert (one.contest, one.labels, made.withheld) == ("2015_dpmt_t1", ("", "BC-FN"), {"2015_dpmt_t1": 7})
    assert one.votes.tolist() == [[40, 60]] * 7
    assert pa.concat_tables(kept)["label"].to_pylist() == ["BC-FN", None] * 7
