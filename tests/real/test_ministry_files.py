"""The Ministry's files of one election: what comes in is what a plain reader counts there, and no name.

The plain reader shares nothing with the product: the csv module, positions written down by hand.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from isoloir.configs.load import TerritoryConfig, load_territory
from isoloir.domain.errors import SourceError
from isoloir.pipelines.sources.door import Door
from isoloir.pipelines.sources.ministry import reader as ministry
from isoloir.pipelines.sources.returns import Read, Returns, check, refuse
from isoloir.pipelines.sources.tables import Opened

pytestmark = pytest.mark.real


@dataclass(frozen=True)
class Plain:
    """A file by hand: fixed places, first block, width, and places in a block; ``names`` to look for."""

    contests: dict[str, str]
    encoding: str
    code: tuple[int, int, int]  # department, commune, station
    counts: tuple[int, int, int]  # registered, voters, valid
    start: int
    width: int
    label: int
    votes: int
    names: tuple[int, ...]
    stations: dict[str, int] = field(default_factory=dict)


WIDE = {"encoding": "latin-1", "counts": (7, 10, 18), "start": 21}
FILES = {
    "DP21_burvot_t1": Plain(
        {"": "2021_dpmt_t1"}, **WIDE, code=(0, 4, 6), width=6, label=2, votes=3, names=(1,),
        stations={"2021_dpmt_t1": 924},
    ),
    "ER14_BVOT": Plain(
        {"1": "2014_euro_t1"}, "latin-1", (1, 2, 4), (5, 6, 7), 8, 5, 3, 4, (1, 2), {"2014_euro_t1": 860}
    ),
    "EU19_resultats-par-bureau-de-vote": Plain(
        {"": "2019_euro_t1"}, "latin-1", (0, 2, 4), (5, 8, 16), 19, 7, 1, 4, (3,), {"2019_euro_t1": 913}
    ),
    "EU24_bureau_de_vote": Plain(
        {"": "2024_euro_t1"}, "utf-8-sig", (2, 4, 6), (7, 8, 12), 21, 8, 1, 4, (), {"2024_euro_t1": 965}
    ),
    "LG22_burvot_t1": Plain(
        {"": "2022_legi_t1"}, **WIDE, code=(0, 4, 6), width=8, label=4, votes=5, names=(2, 3),
        stations={"2022_legi_t1": 943},
    ),
    "LG24_bureau_de_vote_t1": Plain(
        {"": "2024_legi_t1"}, "utf-8-sig", (0, 2, 4), (5, 6, 10), 19, 9, 1, 5, (2, 3),
        {"2024_legi_t1": 965},
    ),
    "Leg_2017_Resultats_BVT_T1_c": Plain(
        {"": "2017_legi_t1"}, **WIDE, code=(0, 4, 6), width=8, label=4, votes=5, names=(2, 3),
        stations={"2017_legi_t1": 912},
    ),
    "MN14_Bvot_T1T2": Plain(
        {"1": "2014_muni_t1", "2": "2014_muni_t2"}, "latin-1", (1, 2, 4), (5, 6, 7), 8, 5, 3, 4, (1, 2),
        {"2014_muni_t1": 860, "2014_muni_t2": 487},
    ),
    "MN20_bvot_t2": Plain(
        {"": "2020_muni_t2"}, "latin-1", (0, 2, 4), (5, 8, 16), 19, 9, 1, 6, (3, 4),
        {"2020_muni_t2": 388},
    ),
    "PR17_BVot_T1": Plain(
        {"": "2017_pres_t1"}, **WIDE, code=(0, 4, 6), width=7, label=0, votes=4, names=(2, 3),
        stations={"2017_pres_t1": 912},
    ),
    "PR22_burvot_t1": Plain(
        {"": "2022_pres_t1"}, **WIDE, code=(0, 4, 6), width=7, label=0, votes=4, names=(2, 3),
        stations={"2022_pres_t1": 943},
    ),
    "RG21_burvot_t1": Plain(
        {"": "2021_regi_t1"}, "latin-1", (0, 3, 5), (6, 9, 17), 20, 8, 1, 5, (4,), {"2021_regi_t1": 924}
    ),
}  # fmt: skip

SHARED = ["2014_euro_t1", "2017_pres_t1", "2017_legi_t1", "2019_euro_t1", "2022_pres_t1", "2022_legi_t1"]


@dataclass
class Counted:
    """What the plain reader counts of a contest: registered, voters, valid per station; votes per label."""

    figures: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    votes: Counter[tuple[str, str]] = field(default_factory=Counter)
    stands: set[tuple[str, str]] = field(default_factory=set)
    names: set[str] = field(default_factory=set)


def path_of(shared_data: Path, name: str) -> Path:
    found = [p for p in (shared_data / "ministry").glob(f"{name}_HERAULT*") if p.is_file()]
    if not found:
        pytest.skip(f"needs the published file {name} of Hérault")
    return found[0]


def plain_rows(path: Path, plain: Plain) -> Iterator[list[str]]:
    with path.open(encoding=plain.encoding, newline="") as file:
        for row in csv.reader(file, delimiter=";", quoting=csv.QUOTE_NONE):
            if len(row) > 12 and not row[0].startswith("Code"):
                yield row


def counted(path: Path, plain: Plain) -> dict[str, Counted]:
    found = {key: Counted() for key in plain.contests.values()}
    for row in plain_rows(path, plain):
        one = found[plain.contests["" if "" in plain.contests else row[0]]]
        department, commune, station = (row[i] for i in plain.code)
        code = (commune if len(commune) == 5 else department + commune) + "_" + station
        registered, voters, valid = (int(row[i]) for i in plain.counts)
        assert one.figures.setdefault(code, (registered, voters, valid)) == (registered, voters, valid)
        for start in range(plain.start, len(row), plain.width):
            block = row[start : start + plain.width]
            if block[plain.votes] != "":
                label = block[plain.label]
                one.votes[code, label] += int(block[plain.votes])
                one.stands.add((code, label))
                one.names |= {block[i] for i in plain.names}
    return found


@pytest.fixture(scope="module")
def france() -> TerritoryConfig:
    return load_territory("fr")


def opened(france: TerritoryConfig, path: Path, kept: list[pa.Table]) -> Read:
    layout = ministry.recognise(path, france.calendar)
    assert layout is not None
    door = Door(france.calendar, tuple(france.groupings.values()), france.label_kind)
    return ministry.read_returns(Opened(path, keep=kept.append), layout, door)


@cache
def read(path: Path) -> tuple[Read, pa.Table]:
    kept: list[pa.Table] = []
    france = load_territory("fr")
    return opened(france, path, kept), pa.concat_tables(kept)


def lost(label: str) -> str:
    """A list's name with every letter that is not ASCII lost, as these copies have it."""
    return re.sub(r"[^ -~]", "?", label)


@pytest.mark.parametrize("name", FILES)
def test_every_count_is_that_of_a_plain_reader(shared_data: Path, france: TerritoryConfig, name: str) -> None:
    path, plain = path_of(shared_data, name), FILES[name]
    by_hand = counted(path, plain)
    both, _ = read(path)
    assert {one.contest: len(one.stations) for one in both.returns} == plain.stations
    for one in both.returns:
        expected = by_hand[one.contest]
        ids = one.stations.station_id.tolist()
        figures = zip(one.registered.tolist(), one.voters.tolist(), one.valid.tolist(), strict=True)
        assert ids == sorted(ids) and dict(zip(ids, figures, strict=True)) == expected.figures
        labels = [lost(label) for label in one.labels]
        votes = {(ids[s], labels[b]): int(one.votes[s, b]) for s, b in np.argwhere(one.present).tolist()}
        assert votes == {key: expected.votes[key] for key in expected.stands}
        assert not one.votes[~one.present].any()
        refuse(check(one, multi_seat=france.calendar[one.contest].multi_seat), where=name)


@pytest.mark.parametrize("name", FILES)
def test_the_kept_rows_are_the_candidacies_without_names(shared_data: Path, name: str) -> None:
    path, plain = path_of(shared_data, name), FILES[name]
    blocks = 0
    for row in plain_rows(path, plain):
        starts = range(plain.start, len(row), plain.width)
        blocks += sum(row[start + plain.votes] != "" for start in starts)
    _, rows = read(path)
    assert (rows.num_rows, rows.column_names) == (blocks, list(ministry.FORM.types))
    assert pc.sum(rows["votes"]).as_py() == sum(int(one.votes.sum()) for one in read(path)[0].returns)


def shouted(texts: Iterator[str]) -> set[str]:
    """The words of surnames: they stand in capitals, with at least four letters."""
    plain = (
        "".join(c for c in unicodedata.normalize("NFKD", t) if not unicodedata.combining(c)) for t in texts
    )
    return {word for text in plain for word in re.findall(r"(?<![A-Za-z])[A-Z]{4,}(?![A-Za-z])", text)}


@pytest.mark.parametrize("name", FILES)
def test_no_surname_of_a_candidate_is_in_anything_that_comes_out(shared_data: Path, name: str) -> None:
    path, plain = path_of(shared_data, name), FILES[name]
    surnames = shouted(iter(set().union(*(one.names for one in counted(path, plain).values()))))
    assert len(surnames) >= 10 or not plain.names
    returns, rows = read(path)
    texts = {text for one in rows.columns if one.type == pa.string() for text in pc.unique(one).to_pylist()}
    texts |= {repr(returns), repr(ministry.recognise(path, load_territory("fr").calendar))}
    labels = {label for one in returns.returns for label in one.labels}
    # What is a party's or a list's own word is no one's name: LDVG, RENAISSANCE.
    words = set(re.findall("[A-Z]{4,}", " ".join(labels)))
    out = set(re.findall("[A-Z]{4,}", " ".join(text for text in texts if text)))
    assert not surnames & (out - words) and not surnames & words, name


@pytest.mark.parametrize("name", FILES)
def test_the_contest_is_told_under_another_name_or_asked_for(
    shared_data: Path, france: TerritoryConfig, tmp_path: Path, name: str
) -> None:
    """The content decides, or nobody does: never another contest."""
    path = tmp_path / "a.txt"
    path.write_bytes(path_of(shared_data, name).read_bytes())
    undecided = {"DP21_burvot_t1", "RG21_burvot_t1", "MN20_bvot_t2"}
    if name in undecided:
        with pytest.raises(SourceError, match="it may be") as caught:
            opened(france, path, [])
        (key,) = FILES[name].contests.values()
        assert key in str(caught.value) and "ministry: {contests: {a.txt: " in caught.value.remedy
        layout = ministry.recognise(path, france.calendar)
        door = Door(france.calendar, tuple(france.groupings.values()), france.label_kind)
        assert layout is not None
        named = ministry.read_returns(Opened(path), layout, door, {"a.txt": key})
        assert [one.contest for one in named.returns] == [key]
    else:
        told = opened(france, path, []).returns
        assert [one.contest for one in told] == list(FILES[name].contests.values())


EXCLUDED = ("2017_legi_t2", "2022_pres_t2", "2021_regi_t2", "2012_legi_t1")
UNSURE = ("RG21_burvot_t1", "2021_regi_t2")
"""Nine lists could be a second round's: that is why it is asked for."""


@pytest.mark.parametrize(("name", "key"), [(n, k) for n in FILES for k in EXCLUDED if (n, k) != UNSURE])
def test_a_contest_that_the_content_excludes_is_refused_though_the_user_says_it(
    shared_data: Path, france: TerritoryConfig, tmp_path: Path, name: str, key: str
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(path_of(shared_data, name).read_bytes())
    layout = ministry.recognise(path, france.calendar)
    door = Door(france.calendar, tuple(france.groupings.values()), france.label_kind)
    assert layout is not None
    with pytest.raises(SourceError):
        ministry.read_returns(Opened(path), layout, door, {"a.txt": key})


@pytest.fixture(scope="module")
def aggregated(shared_data: Path) -> tuple[pa.Table, pa.Table]:
    """Hérault in the aggregated files, as published: stations, and candidates without names."""
    folder = shared_data / "france"
    if not folder.is_dir():
        pytest.skip("needs the published files of France in the folder france")
    filters = [("id_election", "in", SHARED)]
    columns = ["id_election", "id_brut_miom", "no_panneau", "nuance", "libelle_abrege_liste", "voix"]
    candidates = pq.read_table(folder / "candidats_results.parquet", columns=columns, filters=filters)
    general = pq.read_table(folder / "general_results.parquet", filters=filters)
    return tuple(table.filter(pc.starts_with(table["id_brut_miom"], "34")) for table in (general, candidates))  # type: ignore[return-value]


def of_contest(shared_data: Path, key: str) -> Returns:
    (name,) = (name for name, plain in FILES.items() if key in plain.contests.values())
    (one,) = (r for r in read(path_of(shared_data, name))[0].returns if r.contest == key)
    return one


PROVISIONAL = {
    # station: registered, voters, valid, abstentions, in the Ministry's file and in the aggregated one
    "34051_0003": ((750, 408, 391, 342), (748, 408, 391, 340)),
    "34079_0004": ((1124, 576, 559, 548), (1133, 576, 559, 557)),
    "34111_0003": ((1042, 580, 547, 462), (1039, 580, 547, 459)),
    "34153_0001": ((802, 484, 470, 318), (802, 483, 470, 319)),
    "34182_0001": ((729, 423, 401, 306), (726, 423, 401, 303)),
    "34296_0001": ((761, 417, 397, 344), (770, 417, 397, 353)),
    "34319_0001": ((125, 75, 71, 50), (121, 75, 71, 46)),
    "34344_0007": ((1290, 775, 755, 515), (1290, 775, 756, 515)),
}
PROVISIONAL_VOTES = {
    ("34003_0017", "EUROPE AU SERVICE PEUPLES"): (2, 0),
    ("34003_0017", "UDLEF"): (0, 2),
    ("34167_0001", "DÉMOCRATIE REPRÉSENTATIVE"): (0, 13),
    ("34167_0001", "RENAISSANCE"): (13, 0),
    ("34172_0052", "ALLIANCE JAUNE"): (2, 32),
    ("34172_0052", "EUROPE ÉCOLOGIE"): (116, 5),
    ("34172_0052", "PARTI ANIMALISTE"): (5, 0),
    ("34172_0052", "UNION DROITE-CENTRE"): (32, 116),
    ("34172_0052", "ÉVOLUTION CITOYENNE"): (0, 2),
    ("34253_0001", "EUROPE ÉCOLOGIE"): (6, 0),
    ("34253_0001", "PARTI ANIMALISTE"): (0, 6),
    ("34327_0006", "ESPERANTO"): (1, 0),
    ("34327_0006", "RÉVOLUTIONNAIRE"): (0, 1),
    ("34344_0007", "ALLONS ENFANTS"): (0, 1),
}
"""Where the provisional count of 2019 in the aggregated file is not the Ministry's later one; all of it."""


@pytest.mark.parametrize("key", SHARED)
def test_both_routes_give_the_same_stations_and_counts(
    shared_data: Path, france: TerritoryConfig, aggregated: tuple[pa.Table, pa.Table], key: str
) -> None:
    general, candidates = (t.filter(pc.equal(t["id_election"], key)).to_pylist() for t in aggregated)
    one = of_contest(shared_data, key)
    codes = one.stations
    ids = codes.station_id.tolist()
    areas = list(zip(codes.commune_code.tolist(), codes.department_code.tolist(), strict=True))
    by_id = {row["id_brut_miom"]: row for row in general}
    assert areas == [(by_id[i]["code_commune"], by_id[i]["code_departement"]) for i in ids]
    names = ("inscrits", "votants", "exprimes", "abstentions")
    there = {code: tuple(row[name] for name in names) for code, row in by_id.items()}
    abstentions = one.registered - one.voters if key == "2014_euro_t1" else one.abstentions
    assert abstentions is not None
    counts = (one.registered, one.voters, one.valid, abstentions)
    here = dict(zip(ids, zip(*(c.tolist() for c in counts), strict=True), strict=True))
    provisional = key == "2019_euro_t1"
    assert here.keys() == there.keys()
    differing = {code: (here[code], there[code]) for code in here if here[code] != there[code]}
    assert differing == (PROVISIONAL if provisional else {})
    kind = {"panel": "no_panneau", "nuance": "nuance", "list": "libelle_abrege_liste"}[france.label_kind[key]]
    votes: Counter[tuple[str, str]] = Counter()
    for row in candidates:
        votes[row["id_brut_miom"], str(row[kind])] += row["voix"]
    mine = {(ids[s], one.labels[b]): int(one.votes[s, b]) for s, b in np.argwhere(one.present).tolist()}
    assert mine.keys() == votes.keys()
    differing_votes = {place: (mine[place], votes[place]) for place in mine if mine[place] != votes[place]}
    assert differing_votes == (PROVISIONAL_VOTES if provisional else {})


def test_both_routes_give_the_same_constituencies(
    shared_data: Path, aggregated: tuple[pa.Table, pa.Table]
) -> None:
    general = aggregated[0].filter(pc.equal(aggregated[0]["id_election"], "2017_legi_t1")).to_pylist()
    codes = of_contest(shared_data, "2017_legi_t1").stations
    here = dict(zip(codes.station_id.tolist(), codes.constituency_code.tolist(), strict=True))
    assert here == {row["id_brut_miom"]: row["code_circonscription"] for row in general}
