"""Constituencies: derived from who stands together, read from the table of 2024, and carried."""

from __future__ import annotations

import dataclasses
import random
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import CONTESTS, TARGET, bits, notice_of, record

from isoloir.configs.load import load_territory
from isoloir.configs.sources import ContextFile
from isoloir.domain.errors import SourceError
from isoloir.domain.facts import Belonging, Context
from isoloir.domain.ledger import Ledger, Record
from isoloir.domain.station import Stations
from isoloir.pipelines.placement import METHODS, placement
from isoloir.pipelines.sources import datagouv
from isoloir.pipelines.sources.candidacies import Candidacies, named
from isoloir.pipelines.sources.constituencies import read_constituencies
from isoloir.pipelines.sources.door import Door
from isoloir.pipelines.sources.returns import Read, Returns, check, refuse
from isoloir.pipelines.sources.tables import Opened

KEY = "2022_legi_t1"
Row = tuple[int, str, str]
"""A station's position, and the surname and first name of one who stands there."""


def groups_of(rows: list[Row], departments: list[str], salt: bytes | None = None) -> list[str]:
    """The groups that the reader makes of these rows, in batches of three."""
    found = Candidacies.of({KEY: len(departments)}, salt)
    for start in range(0, len(rows), 3):
        batch = rows[start : start + 3]
        table = pa.table(
            {
                "contest": pa.array([KEY] * len(batch)),
                "surname": pa.array([r[1] for r in batch]),
                "first_name": pa.array([r[2] for r in batch]),
            }
        )
        who = found.digested(table)["who"].to_numpy()
        found.add(KEY, np.array([r[0] for r in batch]), who)
    return found.groups(KEY, np.array(departments)).tolist()


ROWS: list[Row] = [
    (0, "ROUX", "Anne"), (0, "PETIT", "Luc"),
    (1, "PETIT", "Luc"), (1, "ROUX", "Anne"),
    (2, "ROUX", "Anne"),
    (3, "ROUX", "Anne"), (3, "PETIT", "Luc"),
    (4, "ROUX", "Jean"),
]  # fmt: skip


def test_stations_of_one_department_with_the_same_candidates_are_one_group() -> None:
    # The fourth has the candidates of the first, in another department; the last shares a surname only.
    departments = ["01", "01", "01", "02", "01", "01"]
    assert groups_of(ROWS, departments) == ["01-x01", "01-x01", "01-x02", "02-x01", "01-x03", ""]


def test_a_station_with_a_row_that_names_nobody_is_in_no_group() -> None:
    assert groups_of([*ROWS, (2, "", ""), (5, " ", "")], ["01"] * 6)[2::3] == ["", ""]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ABCDE"), st.sampled_from("xy")), unique=True),
    st.randoms(),
    st.binary(min_size=32, max_size=32),
)
def test_groups_depend_neither_on_the_order_of_rows_nor_on_the_salt(
    rows: list[Row], shuffle: random.Random, salt: bytes
) -> None:
    departments = ["01", "01", "01", "02", "02", "02"]
    other = list(rows)
    shuffle.shuffle(other)
    found = groups_of(rows, departments)
    assert groups_of(other, departments, salt) == found
    sets = [frozenset(r[1:] for r in rows if r[0] == s) for s in range(6)]
    for a in range(6):
        assert (found[a] == "") == (not sets[a])
        for b in range(6):
            alike = bool(sets[a]) and sets[a] == sets[b] and departments[a] == departments[b]
            assert (found[a] == found[b] != "") == alike


def test_nothing_of_a_digest_can_be_looked_up_without_the_salt() -> None:
    table = pa.table({"contest": [KEY], "surname": ["ROUX"], "first_name": ["Anne"]})
    sums = {Candidacies.of({KEY: 1}).digested(table)["who"][0].as_py() for _ in range(5)}
    assert len(sums) == 5


def returns(contest: str, codes: list[str], registered: list[int], departments: list[str]) -> Returns:
    size = len(codes)
    ids = np.array([f"{department}001_{n:04d}" for n, department in enumerate(departments)])
    counts = np.array(registered, np.int32)
    zero = np.zeros(size, np.int32)
    return Returns(
        contest,
        Stations(ids, np.array([i[:5] for i in ids]), np.array(departments), np.array(codes, dtype=np.str_)),
        counts, zero, zero, (), np.zeros((size, 0), np.int32), np.zeros((size, 0), np.bool_),
        np.arange(1, size + 1),
    )  # fmt: skip


def test_a_group_takes_the_code_that_most_of_its_electors_had_before() -> None:
    then = returns("2017_legi_t1", ["0101", "0101", "0102", "0102"], [500, 400, 80, 700], ["01"] * 4)
    now = returns(KEY, [""] * 5, [500, 400, 80, 700, 300], ["01"] * 5)
    groups = np.array(["01-x01"] * 3 + ["01-x02"] * 2)
    stations, derivation = named(now, groups, [then])
    # The third was in the other one; the last is new and goes with those of its candidates.
    assert stations.constituency_code.tolist() == ["0101", "0101", "0101", "0102", "0102"]
    assert (derivation.groups, derivation.constituencies, derivation.derived) == (2, 2, 5)
    assert (derivation.compared, derivation.agreed) == (4, 3)
    assert derivation.agreement == pytest.approx(1600 / 1680)


def test_a_group_without_a_clear_majority_keeps_its_own_name() -> None:
    then = returns("2017_legi_t1", ["0101", "0102"], [500, 400], ["01"] * 2)
    stations, _ = named(returns(KEY, ["", ""], [500, 400], ["01"] * 2), np.array(["01-x01"] * 2), [then])
    assert stations.constituency_code.tolist() == ["01-x01"] * 2


def test_other_electors_under_the_same_code_are_no_witness() -> None:
    then = returns("2017_legi_t1", ["0101"], [500], ["01"])
    stations, derivation = named(returns(KEY, [""], [900], ["01"]), np.array(["01-x01"]), [then])
    assert (stations.constituency_code.tolist(), derivation.compared) == (["01-x01"], 0)
    assert "have the code of before" not in derivation.line()


def test_a_constituency_that_was_split_is_not_two_of_one_code_but_a_stray_station_is_no_split() -> None:
    then = returns("2017_legi_t1", ["0101"] * 4, [500, 600, 700, 20], ["01"] * 4)
    now = returns(KEY, [""] * 4, [500, 600, 700, 20], ["01"] * 4)
    stations, _ = named(now, np.array(["01-x01", "01-x02", "01-x02", "01-x03"]), [then])
    assert stations.constituency_code.tolist() == ["01-x01", "0101", "0101", "0101"]


def test_what_the_contest_states_itself_stays() -> None:
    now = returns(KEY, ["0107", ""], [500, 400], ["01"] * 2)
    stations, derivation = named(now, np.array(["01-x01"] * 2), [])
    assert stations.constituency_code.tolist() == ["0107", "0107"]
    assert (derivation.published, derivation.derived) == (1, 1)


GENERAL = (
    "id_election;id_brut_miom;code_departement;code_commune;code_circonscription;inscrits;votants;exprimes"
)
CANDIDATES = "id_election;id_brut_miom;no_panneau;voix;nuance;nom;prenom"


def read(
    folder: Path, general: list[str], candidates: list[str], spoilt: tuple[bytes, bytes] = (b"", b"")
) -> Read:
    for name, header, lines in (("g.csv", GENERAL, general), ("c.csv", CANDIDATES, candidates)):
        written = ("\n".join([header, *lines]) + "\n").encode()
        (folder / name).write_bytes(written.replace(*spoilt) if spoilt[0] else written)
    config = load_territory("fr")
    door = Door(config.calendar, tuple(config.groupings.values()), config.label_kind)
    return datagouv.read_returns(Opened(folder / "g.csv"), Opened(folder / "c.csv"), door)


def test_the_files_of_a_legislative_round_give_its_constituencies_and_no_name(tmp_path: Path) -> None:
    general = [f"{KEY};01001_000{n};01;01001;;100;60;60" for n in range(1, 4)]
    general += [f"2017_legi_t1;01001_000{n};01;01001;010{n};100;60;60" for n in range(1, 4)]
    candidates = [
        f"{KEY};01001_0001;;40;RN;GRANDVAL;Odile", f"{KEY};01001_0001;;20;NUP;MERCOEUR;Yann",
        f"{KEY};01001_0002;;30;NUP;MERCOEUR;Yann", f"{KEY};01001_0002;;30;RN;GRANDVAL;Odile",
        f"{KEY};01001_0003;;30;RN;TREVOUX;Odile", f"{KEY};01001_0003;;30;NUP;MERCOEUR;Yann",
    ]  # fmt: skip
    candidates += [f"2017_legi_t1;01001_000{n};;60;FN;GRANDVAL;Odile" for n in range(1, 4)]
    found = read(tmp_path, general, candidates)
    codes = {one.contest: one.stations.constituency_code.tolist() for one in found.returns}
    # The first two are half and half of 0101 and 0102: no majority, so the group keeps its own name.
    assert codes == {KEY: ["01-x01", "01-x01", "0103"], "2017_legi_t1": ["0101", "0102", "0103"]}
    told = b"".join(bits(one) for one in found.returns) + repr(found.derivations).encode()
    for name in ("GRANDVAL", "MERCOEUR", "TREVOUX", "Odile", "Yann"):
        assert name.encode() not in told and name.encode("utf-32-le") not in told


def test_names_are_not_even_read_where_every_constituency_is_published(tmp_path: Path) -> None:
    row = [f"{KEY};01001_0001;;60;RN;GRANDVAL;Odile"]
    # Bytes that are no UTF-8 stand in for a name: whoever reads the column is refused.
    spoilt = b"GRANDVAL", b"\xff"
    for constituency, told in (("0101", ""), ("", "is no utf-8")):
        general = [f"{KEY};01001_0001;01;01001;{constituency};100;60;60"]
        try:
            read(tmp_path, general, row, spoilt)
            found = ""
        except SourceError as error:
            found = str(error)
        assert (told in found) if told else not found


def test_a_round_whose_rows_name_nobody_is_left_without(tmp_path: Path) -> None:
    found = read(tmp_path, [f"{KEY};01001_0001;01;01001;;100;60;60"], [f"{KEY};01001_0001;;60;RN;;"])
    assert found.returns[0].stations.constituency_code.tolist() == [""]
    assert found.derivations[0].unknown == 1


@pytest.mark.parametrize("multi_seat", [False, True])
def test_two_ballots_of_one_day_are_told_apart_never_summed(tmp_path: Path, multi_seat: bool) -> None:
    key = "2026_muni_t1"
    general = [f"{key};75056_010{n};75;75056;;100;60;60" for n in range(1, 4)]
    rows = [f"{key};75056_010{n};1;60;LUG;;" for n in range(1, 4)]
    city = read(tmp_path, general, rows).returns[0]
    assert not check(city, multi_seat=multi_seat)
    # The list of the sector and that of the city, under one contest.
    both = read(tmp_path, general, rows + rows).returns[0]
    with pytest.raises(SourceError, match="declare two contests and never sum them: 3 station"):
        refuse(check(both, multi_seat=multi_seat), where="c.csv")
    with pytest.raises(SourceError, match="declare two contests: never sum them"):
        read(tmp_path, general + general, rows)


HEADER = (
    "codeDepartement,nomDepartement,codeCirconscription,nomCirconscription,codeCommune,nomCommune,"
    "numeroBureauVote,codeBureauVote"
)


def table(folder: Path, *lines: str) -> Belonging:
    path = folder / "bureaux-de-vote-circonscriptions.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    said = ContextFile(
        reader="constituencies", file=path.name, licence="x", attribution="x", describes="x",
        known_on=date(2024, 6, 12),
    )  # fmt: skip
    (found,) = read_constituencies(Opened(path, ","), said)
    return found


def test_the_table_gives_each_station_its_constituency_as_the_results_spell_it(tmp_path: Path) -> None:
    found = table(
        tmp_path,
        "ZZ,Abroad,ZZ09,9,ZZ001,Somewhere,0001,ZZ001_0001",
        "01,Ain,0104,4,01001,L'Abergement,0001,01001_0001",
        "ZA,Guadeloupe,ZA03,3,97101,Les Abymes,0002,97101_0002",
        "ZX,Islands,ZX01,1,97801,Saint-Martin,0001,97801_0001",
        "2A,Corse-du-Sud,2A02,2,2A004,Ajaccio,028B,2A004_028B",
        "01,Ain,0104,4,01001,L'Abergement,0001,01001_0001",
    )
    assert dict(zip(found.station_id.tolist(), found.area.tolist(), strict=True)) == {
        "01001_0001": "0104", "2A004_028B": "2A02", "97101_0002": "97103", "97801_0001": "97701",
        "ZZ001_0001": "ZZ09",
    }  # fmt: skip
    assert (found.level, found.known_on, found.weight.tolist()) == (
        "constituency",
        date(2024, 6, 12),
        [1.0] * 5,
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("01,Ain,0105,5,01001,L'Abergement,0001,01001_0001", "name a second constituency of a station"),
        ("34,Hérault,3404,4,01001,L'Abergement,0002,01001_0002", "that does not fit their commune"),
        ("01,Ain,fourth,4,01001,L'Abergement,0002,01001_0002", "name no constituency"),
        ("01,Ain,0104,4,01001,L'Abergement,0002,Jean Dupont", "name no station"),
    ],
)
def test_a_row_of_the_table_that_cannot_be_is_refused_unshown(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(SourceError, match=told) as caught:
        table(tmp_path, "01,Ain,0104,4,01001,L'Abergement,0001,01001_0001", line)
    assert "row 2" in str(caught.value) and "Dupont" not in str(caught.value)


def with_codes(one: Record, codes: list[str]) -> Record:
    stations = dataclasses.replace(one.stations, constituency_code=np.array(codes, dtype=np.str_))
    return dataclasses.replace(one, stations=stations)


def test_each_station_tells_how_its_constituency_is_known() -> None:
    codes = [f"A-1-{n}" for n in range(5)]
    earlier = with_codes(record(CONTESTS[0], codes, [100] * 5, [2] * 5, [[1, 1]] * 5), ["A01"] * 5)
    now = with_codes(
        record(TARGET, codes, [100, 100, 100, 80, 300], [2] * 5, [[1, 1]] * 5), ["A09", "A08", "", "", ""]
    )
    known = CONTESTS[0].held_on
    of_2024 = Belonging(
        "c", "constituency", known, np.array(codes[1:3]), np.array(["A02", "A03"]), np.ones(2)
    )
    ledger = Ledger(("left", "right"), (earlier, now), context=Context(belongings=(of_2024,)))
    notice, past = notice_of(ledger), ledger.as_of(TARGET.eve)

    def told(derived: dict[str, float]) -> list[tuple[str, str, float]]:
        found = placement(notice, past, derived)
        names = [METHODS[m] for m in found.method]
        return list(zip(found.constituency_code.tolist(), names, found.confidence.tolist(), strict=True))

    assert told({}) == [
        ("A09", "published", 1.0),
        ("A08", "published", 1.0),
        ("A03", "table", 1.0),
        ("A01", "carried", pytest.approx(0.8)),
        ("", "unknown", 0.0),
    ]
    # A table comes before what was derived, and what was carried is as sure as its source at most.
    assert told({TARGET.key: 0.9, CONTESTS[0].key: 0.5})[:4] == [
        ("A09", "derived", 0.9),
        ("A02", "table", 1.0),
        ("A03", "table", 1.0),
        ("A01", "carried", pytest.approx(0.4)),
    ]
    assert placement(notice, past).counts() == (
        ("unknown", 1),
        ("published", 2),
        ("table", 1),
        ("carried", 1),
    )


def test_a_table_that_was_not_public_says_nothing() -> None:
    codes = ["A-1-0"]
    earlier = record(CONTESTS[0], codes, [100], [2], [[1, 1]])
    now = record(TARGET, codes, [100], [2], [[1, 1]])
    late = Belonging("c", "constituency", TARGET.held_on, np.array(codes), np.array(["A02"]), np.ones(1))
    ledger = Ledger(("left", "right"), (earlier, now), context=Context(belongings=(late,)))
    assert placement(notice_of(ledger), ledger.as_of(TARGET.eve)).constituency_code.tolist() == [""]
