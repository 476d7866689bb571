"""Ingest: what was published comes in whole and without names; what cannot be true leaves nothing behind."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from isoloir.configs.load import load_territory
from isoloir.domain.bloc import Scope, unspoken
from isoloir.domain.errors import MissingInputError, SourceError
from isoloir.pipelines import core
from isoloir.pipelines.demo import PLANTED_NAMES, DemoTruth, write_demo
from isoloir.pipelines.home import Home, set_in_place
from isoloir.pipelines.ingest import Ingested, ingest, row_counts
from isoloir.pipelines.sources import tables

DEMO = load_territory("demo")
GENERAL, CANDIDATES = "general_results.parquet", "candidats_results.parquet"
ROUND = "2022_legi_t1"
SECOND = "2022_legi_t2"


def said(_: str) -> None:
    """Progress that nobody reads."""


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DemoTruth]:
    folder = tmp_path_factory.mktemp("country")
    return folder, write_demo(folder, n_stations=300)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home") / "isoloir")


@pytest.fixture(scope="module")
def done(country: tuple[Path, DemoTruth], home: Home) -> Ingested:
    return ingest(home, DEMO, country[0], said)


@pytest.fixture
def copy(country: tuple[Path, DemoTruth], tmp_path: Path) -> Path:
    for name in (GENERAL, CANDIDATES):
        shutil.copy(country[0] / name, tmp_path / name)
    return tmp_path


def rewrite(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    table = pq.read_table(path)
    frame = change(table.to_pandas())
    schema = pa.schema([field for field in table.schema if field.name in frame.columns])
    pq.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False), path)


def at(frame: pd.DataFrame) -> int:
    """The place of the first station of ROUND where somebody voted."""
    votes = "exprimes" if "exprimes" in frame else "voix"
    return int(np.flatnonzero((frame["id_election"] == ROUND) & (frame[votes] > 10))[0])


def columns_of(path: Path) -> dict[str, object]:
    columns: dict[str, object] = pq.read_table(path).to_pydict()
    return columns


def rows_of(query: str) -> list[tuple[Any, ...]]:
    """A plain count by another reader."""
    return duckdb.connect().execute(query).fetchall()


def test_every_contest_of_the_files_is_ingested(done: Ingested, country: tuple[Path, DemoTruth]) -> None:
    assert set(done.contests) == set(country[1].contests)
    assert not done.again and not done.left_out
    assert not any(finding.refused for finding in done.findings)
    assert sum(row_counts(done.folder).values()) == done.stations


def test_totals_equal_a_plain_count_over_the_published_files(
    done: Ingested, country: tuple[Path, DemoTruth]
) -> None:
    general, candidates = (str(country[0] / name) for name in (GENERAL, CANDIDATES))
    counted = rows_of(
        "select id_election, count(*), sum(inscrits), sum(votants), sum(exprimes) "
        f"from '{general}' group by 1"
    )
    by_label = rows_of(
        "select id_election, coalesce(nuance, no_panneau::varchar), sum(voix), "
        f"count(distinct id_brut_miom) from '{candidates}' group by 1, 2"
    )
    assert len(counted) == len(done.contests)
    ours = {key: pq.read_table(done.folder / f"{key}.parquet") for key in done.contests}
    for key, *expected in counted:
        table = ours[key]
        sums = [int(np.asarray(table[name]).sum()) for name in core.COUNTS]
        assert [table.num_rows, *sums] == expected, key
    for key, label, votes, stations in by_label:
        column = ours[key][core.LABEL + label]
        assert int(column.drop_null().to_numpy().sum()) == votes, (key, label)
        assert len(column) - column.null_count == stations, (key, label)
    kept = sum(sum(n.startswith(core.LABEL) for n in table.column_names) for table in ours.values())
    assert kept == len(by_label)


def test_the_ledger_of_what_was_ingested_holds_every_vote(
    done: Ingested, country: tuple[Path, DemoTruth]
) -> None:
    ledger = core.read_ledger(done.folder, DEMO.calendar, DEMO.groupings["research"])
    [(votes,)] = rows_of(f"select sum(voix) from '{country[0] / CANDIDATES}'")
    assert sum(int(record.votes.sum()) for record in ledger.records) == votes


def test_beyond_the_scope_of_a_grouping_turnout_is_kept_and_shares_are_missing(done: Ingested) -> None:
    whole = DEMO.groupings["research"]
    narrow = replace(whole, scope=Scope(since=DEMO.calendar[ROUND].held_on, without=frozenset({SECOND})))
    before = core.read_ledger(done.folder, DEMO.calendar, whole)
    after = core.read_ledger(done.folder, DEMO.calendar, narrow)
    silent = unspoken(narrow, (record.contest for record in after.records))
    assert ROUND not in silent and SECOND in silent and len(silent) > 3
    for old, new in zip(before.records, after.records, strict=True):
        spoken = new.contest.key not in silent
        for name in core.COUNTS:
            np.testing.assert_array_equal(getattr(new, name), getattr(old, name))
        for name in ("votes", "standing", "shares_known"):
            expected = getattr(old, name) if spoken else np.zeros_like(getattr(old, name))
            np.testing.assert_array_equal(getattr(new, name), expected)


def test_within_the_scope_a_label_without_a_bloc_is_refused(done: Ingested) -> None:
    narrow = replace(DEMO.groupings["research"], rules=(), scope=Scope(contests=frozenset({ROUND})))
    with pytest.raises(SourceError, match=f"of {ROUND} have no bloc") as caught:
        core.read_ledger(done.folder, DEMO.calendar, narrow)
    assert caught.value.where == f"{ROUND}.parquet"


OLD_ROUNDS = {
    "2002_pres_t1": ("no_panneau", ["1", "16"]),
    "2007_legi_t1": ("nuance", ["SOC", "UDFD"]),
    "2015_dpmt_t1": ("nuance", ["BC-FN", "MARTIN"]),
}


def write_old_rounds(folder: Path) -> None:
    """One station each, 40 votes for each of two candidates."""
    rows = [(key, column, label) for key, (column, labels) in OLD_ROUNDS.items() for label in labels]
    candidates = pd.DataFrame({"id_election": [key for key, _, _ in rows], "id_brut_miom": "01001_0001"})
    panels = [int(n) if column == "no_panneau" else None for _, column, n in rows]
    candidates["no_panneau"] = pd.array(panels, "Int32")
    candidates["nuance"] = [n if column == "nuance" else None for _, column, n in rows]
    general = pd.DataFrame({"id_election": list(OLD_ROUNDS), "id_brut_miom": "01001_0001"})
    general = general.assign(code_departement="01", code_commune="01001", inscrits=100, votants=90)
    general.assign(exprimes=80).to_csv(folder / "general_results.csv", sep=";", index=False)
    candidates.assign(voix=40).to_csv(folder / "candidats_results.csv", sep=";", index=False)


def test_rounds_that_no_grouping_speaks_of_come_in_without_what_may_be_a_name(tmp_path: Path) -> None:
    write_old_rounds(tmp_path)
    france = load_territory("fr")
    read = ingest(Home(tmp_path / "home"), france, tmp_path, said)
    assert read.withheld == {"2007_legi_t1": 1, "2015_dpmt_t1": 1}
    assert any("2015_dpmt_t1: the label of 1 row" in note for note in read.notes())
    table = pq.read_table(read.folder / "2007_legi_t1.parquet")
    assert [n for n in table.column_names if n.startswith(core.LABEL)] == ["label:", "label:SOC"]
    ledger = core.read_ledger(read.folder, france.calendar, france.grouping())
    assert [int(r.voters.sum()) for r in ledger.records] == [90, 90, 90]
    assert not any(r.shares_known.any() or r.standing.any() for r in ledger.records)
    assert unspoken(france.grouping(), (r.contest for r in ledger.records)) == tuple(OLD_ROUNDS)


def test_a_round_that_goes_by_party_cannot_come_from_these_files(tmp_path: Path) -> None:
    write_old_rounds(tmp_path)
    for path in tmp_path.glob("*.csv"):
        path.write_text(path.read_text(encoding="utf-8").replace("2002_pres", "2027_pres"), encoding="utf-8")
    with pytest.raises(SourceError, match="2027_pres_t1 are declared as party") as caught:
        ingest(Home(tmp_path / "home"), load_territory("fr"), tmp_path, said)
    assert "elections.yaml" in caught.value.remedy


def test_no_name_of_a_candidate_is_in_any_file_of_home(done: Ingested, home: Home) -> None:
    names = re.compile("|".join(PLANTED_NAMES).encode(), re.IGNORECASE)
    read = 0
    for path in (p for p in home.path.rglob("*") if p.is_file()):
        read += 1
        assert not names.search(path.read_bytes()), path
        if path.suffix == ".parquet":
            # Compressed pages hide what they hold from the search above.
            text = repr(pq.read_metadata(path).metadata) + repr(columns_of(path))
            assert not names.search(text.encode()), path
    assert read > len(done.contests)


def test_the_search_for_names_finds_them_in_the_published_file(country: tuple[Path, DemoTruth]) -> None:
    text = repr(pq.read_table(country[0] / CANDIDATES, columns=["nom"]).to_pydict())
    assert any(name in text for name in PLANTED_NAMES)


def test_a_second_ingest_of_the_same_bytes_says_again(
    done: Ingested, home: Home, country: tuple[Path, DemoTruth]
) -> None:
    second = ingest(home, DEMO, country[0], said)
    assert second.again
    assert (second.folder, second.stations, second.findings) == (done.folder, done.stations, done.findings)
    assert home.current_core("demo") == done.folder


def test_home_is_closed_to_other_users(done: Ingested, home: Home) -> None:
    assert home.path.stat().st_mode & 0o777 == 0o700
    assert done.folder.stat().st_mode & 0o777 == 0o700


def test_before_the_first_ingest_the_remedy_is_to_ingest(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="isoloir ingest demo"):
        Home(tmp_path).current_core("demo")


def set_count(column: str, change: Callable[[pd.Series], int]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def damage(frame: pd.DataFrame) -> pd.DataFrame:
        place = at(frame)
        frame.loc[frame.index[place], column] = change(frame.iloc[place])
        return frame

    return damage


def repeat(frame: pd.DataFrame) -> pd.DataFrame:
    place = at(frame)
    return pd.concat([frame.iloc[: place + 1], frame.iloc[place:]], ignore_index=True)


def set_text(column: str, text: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def damage(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[frame.index[at(frame)], column] = text
        return frame

    return damage


DAMAGES = {
    "more voters than registered": (GENERAL, set_count("votants", lambda r: r["inscrits"] + 1)),
    "votes miss the valid ones by more than 2": (CANDIDATES, set_count("voix", lambda r: r["voix"] + 3)),
    "a negative count": (GENERAL, set_count("inscrits", lambda r: -r["inscrits"])),
    "state no votes, or a negative count": (CANDIDATES, set_count("voix", lambda r: -r["voix"])),
    "voters and abstentions miss the registered by more than 2": (
        GENERAL,
        set_count("abstentions", lambda r: r["abstentions"] + 3),
    ),
    "blank, null and valid votes miss the voters by more than 2": (
        GENERAL,
        set_count("blancs", lambda r: r["blancs"] + 3),
    ),
    "stand twice": (GENERAL, repeat),
    "are of no station of the other file": (CANDIDATES, set_text("id_brut_miom", "99999_0001")),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_what_cannot_be_true_is_refused_with_station_row_and_remedy_and_leaves_nothing(
    what: str, copy: Path, tmp_path: Path
) -> None:
    name, damage = DAMAGES[what]
    place = at(pq.read_table(copy / name).to_pandas())
    rewrite(copy / name, damage)
    station = str(pq.read_table(copy / name)["id_brut_miom"][place])
    # The general file states the row of the station, also where the votes of its candidates are wrong.
    row = place + (2 if damage is repeat else 1)
    if what.startswith("votes miss"):
        general = pq.read_table(copy / GENERAL).to_pandas()
        row = 1 + int(
            np.flatnonzero((general["id_election"] == ROUND) & (general["id_brut_miom"] == station))[0]
        )
    refused(copy, tmp_path, re.escape(what), station, f"row {row}")


def refused(folder: Path, tmp_path: Path, what: str, *told: str) -> SourceError:
    home = Home(tmp_path / "home")
    with pytest.raises(SourceError, match=what) as caught:
        ingest(home, DEMO, folder, said)
    for each in told:
        assert re.search(rf"{re.escape(each)}\b", str(caught.value)), (each, str(caught.value))
    assert caught.value.where and caught.value.remedy
    assert not [p for p in home.path.rglob("*") if p.is_file() or p.name.startswith(".")]
    return caught.value


@pytest.mark.parametrize("name", [GENERAL, CANDIDATES])
def test_a_contest_that_is_not_declared_is_refused(name: str, copy: Path, tmp_path: Path) -> None:
    place = at(pq.read_table(copy / name).to_pandas())
    rewrite(copy / name, set_text("id_election", "1999_euro_t1"))
    refused(copy, tmp_path, "1999_euro_t1", f"row {place + 1}")


NAMED = {
    "contest of the results": (GENERAL, "id_election", "ZZTOPSECRET Jean"),
    "contest of the candidates": (CANDIDATES, "id_election", "ZZTOPSECRET Jean"),
    "contest that looks like the Senate's": (GENERAL, "id_election", "ZZTOPSECRET_sena_t1"),
    "the same of the candidates": (CANDIDATES, "id_election", "2023_sena_ZZTOPSECRET"),
    "station of the candidates": (CANDIDATES, "id_brut_miom", "ZZTOPSECRET Jean"),
}


@pytest.mark.parametrize("what", NAMED)
def test_a_name_in_a_column_of_codes_is_refused_and_not_shown(what: str, copy: Path, tmp_path: Path) -> None:
    name, column, text = NAMED[what]
    place = at(pq.read_table(copy / name).to_pandas())
    rewrite(copy / name, set_text(column, text))
    error = refused(copy, tmp_path, "not shown: it may be a name", name, f"row {place + 1}")
    assert "ZZTOP" not in str(error)


@pytest.mark.parametrize("station", ["ZZTOPSECRET Jean", "ZZTOPSECRET_2", "01001_MARTIN"])
def test_a_name_for_a_station_is_refused_and_not_shown(station: str, copy: Path, tmp_path: Path) -> None:
    old = str(pq.read_table(copy / GENERAL)["id_brut_miom"][0])
    for name in (GENERAL, CANDIDATES):
        rewrite(copy / name, lambda f: f.assign(id_brut_miom=f["id_brut_miom"].replace(old, station)))
    error = refused(copy, tmp_path, "hold no station_id.*not shown: it may be a name", "row 1")
    assert station not in str(error)


def test_rows_of_the_senate_are_left_out_and_counted(copy: Path, tmp_path: Path) -> None:
    for name in (GENERAL, CANDIDATES):
        rewrite(
            copy / name,
            lambda f: pd.concat([f, f.iloc[:2].assign(id_election="2023_sena_t1")], ignore_index=True),
        )
    assert ingest(Home(tmp_path / "home"), DEMO, copy, said).left_out == {"2023_sena_t1": 2}


@pytest.mark.parametrize(("name", "column"), [(GENERAL, "votants"), (CANDIDATES, "voix")])
def test_a_missing_column_is_refused_by_its_name(name: str, column: str, copy: Path, tmp_path: Path) -> None:
    rewrite(copy / name, lambda f: f.drop(columns=column))
    refused(copy, tmp_path, f"the column {column}", name)


def test_a_file_that_is_cut_short_is_refused(copy: Path, tmp_path: Path) -> None:
    (copy / CANDIDATES).write_bytes((copy / CANDIDATES).read_bytes()[:5000])
    refused(copy, tmp_path, "no readable Parquet", CANDIDATES)


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, tmp_path, "no general_results.parquet or general_results.csv")


def test_a_label_that_may_be_a_name_is_refused_and_not_shown(copy: Path, tmp_path: Path) -> None:
    place = at(pq.read_table(copy / CANDIDATES).to_pandas())
    for name in (PLANTED_NAMES[0], "ROUX", "LEROY"):
        rewrite(copy / CANDIDATES, set_text("nuance", name))
        error = refused(copy, tmp_path, f"a label of {ROUND} is neither", "blocs", f"row {place + 1}")
        assert name not in str(error)


def test_a_csv_row_that_cannot_be_read_is_refused_without_being_quoted(copy: Path, tmp_path: Path) -> None:
    text = as_csv(copy / CANDIDATES).read_text(encoding="utf-8").splitlines()
    text[7] = f"{PLANTED_NAMES[0]};only two"
    (copy / "candidats_results.csv").write_text("\n".join(text), encoding="utf-8")
    error = refused(copy, tmp_path, "another number of fields", "candidats_results.csv")
    assert PLANTED_NAMES[0] not in str(error)


def as_csv(path: Path) -> Path:
    """Write the table beside itself as the publisher's CSV, and take the Parquet away."""
    twin = path.with_suffix(".csv")
    pc.write_csv(pq.read_table(path), twin, pc.WriteOptions(delimiter=";", quoting_style="needed"))
    path.unlink()
    return twin


def test_csv_gives_the_same_returns_as_parquet(done: Ingested, copy: Path, tmp_path: Path) -> None:
    for name in (GENERAL, CANDIDATES):
        as_csv(copy / name)
    theirs = ingest(Home(tmp_path / "home"), DEMO, copy, said)
    assert theirs.findings == done.findings
    for key in done.contests:
        assert columns_of(theirs.folder / f"{key}.parquet") == columns_of(done.folder / f"{key}.parquet")


OLDER = {
    "code_departement": "Code du département",
    "code_commune": "Code de la commune",
    "inscrits": "Inscrits",
    "votants": "Votants",
    "exprimes": "Exprimés",
    "no_panneau": "N°Panneau",
    "voix": "Voix",
}


def test_the_older_spelling_of_the_header_is_read(done: Ingested, copy: Path, tmp_path: Path) -> None:
    for name in (GENERAL, CANDIDATES):
        table = pq.read_table(copy / name)
        pq.write_table(table.rename_columns([OLDER.get(n, n) for n in table.column_names]), copy / name)
    theirs = ingest(Home(tmp_path / "home"), DEMO, copy, said)
    assert theirs.stations == done.stations
    key = ROUND
    assert columns_of(theirs.folder / f"{key}.parquet") == columns_of(done.folder / f"{key}.parquet")


@pytest.mark.parametrize("column", ["abstentions", "nuls"])
def test_a_sum_that_misses_by_one_is_kept_and_listed(column: str, copy: Path, tmp_path: Path) -> None:
    rewrite(copy / GENERAL, set_count(column, lambda r: r[column] + 1))
    findings = ingest(Home(tmp_path / "home"), DEMO, copy, said).findings
    assert [(f.contest, f.stations) for f in findings if "by at most 2" in f.check] == [(ROUND, 1)]


def test_blank_votes_without_null_ones_are_not_compared(copy: Path, tmp_path: Path) -> None:
    rewrite(copy / GENERAL, lambda f: f.assign(nuls=None))
    done = ingest(Home(tmp_path / "home"), DEMO, copy, said)
    assert not [f for f in done.findings if "blank" in f.check]


@pytest.mark.parametrize("column", ["inscrits", "id_brut_miom"])
def test_rows_are_numbered_over_the_whole_file_however_it_is_read(
    column: str, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "BATCH", 700)
    damage = set_count(column, lambda r: 0) if column == "inscrits" else set_text(column, "99999_0001")
    name = GENERAL if column == "inscrits" else CANDIDATES
    place = at(pq.read_table(copy / name).to_pandas())
    rewrite(copy / name, damage)
    refused(copy, tmp_path, ROUND, f"row {place + 1}")


def test_a_column_of_another_type_is_refused_with_the_rows_it_was_met_in(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "BATCH", 700)
    table = pq.read_table(copy / GENERAL)
    text = table["votants"].cast(pa.string()).to_pylist()
    text[1500] = PLANTED_NAMES[0]
    at_column = table.column_names.index("votants")
    pq.write_table(table.set_column(at_column, "votants", pa.array(text)), copy / GENERAL)
    error = refused(copy, tmp_path, "the column votants holds", "between rows 1401 and 2100")
    assert PLANTED_NAMES[0] not in str(error)


def test_what_a_killed_process_left_aside_is_removed_by_the_next(tmp_path: Path) -> None:
    final = tmp_path / "release"
    left = tmp_path / ".release.999999999"
    left.mkdir()
    with set_in_place(final) as aside:
        (aside / "file").write_text("whole", encoding="utf-8")
    assert not left.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["release"]
