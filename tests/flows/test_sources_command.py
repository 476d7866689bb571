"""`isoloir sources` and what `isoloir ingest` says: what there is, whom it reaches, what two sources tell."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from commands import isoloir
from ministry_files import FORMS, stations_of
from publisher import Shelf, published

from isoloir.configs.load import load_territory
from isoloir.configs.sources import SourceFile
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import ingest
from isoloir.pipelines.inventory import NOBODY, Inventory, Listed, inventory, looked_up
from isoloir.pipelines.parts import Input

FRANCE = load_territory("fr")
CONTEST = "2022_legi_t1"
REGISTERED = {"34172_0001": 100, "34172_0002": 200, "75056_0321": 300, "2A004_0001": 400}
"""A thousand electors: two stations of Montpellier, one of Paris, third arrondissement, one of Ajaccio."""

HEADER = "CODGEO;LIBGEO;Q221;D121;D921;PACT21;PCHO21;PPEN21;PAUT21\n"
# Public for Montpellier and the third arrondissement, withheld for Ajaccio; all of Paris has no row.
PUBLIC, SECRET = "20000;5000;40000;60;5;20;5", "s;s;s;s;s;s;s"
INCOMES = f"{HEADER}34172;x;{PUBLIC}\n75103;x;{PUBLIC}\n2A004;x;{SECRET}\n"
IRIS = "IRIS,DISP_TP6015,DISP_MED15,DISP_D115,DISP_D915,DISP_PACT15,DISP_PPEN15,DISP_PPSOC15\n"


def results(folder: Path) -> Path:
    folder.mkdir()
    ids = list(REGISTERED)
    general = pd.DataFrame(
        {"id_election": CONTEST, "id_brut_miom": ids, "inscrits": list(REGISTERED.values())}
    )
    general = general.assign(code_departement=[i[:2] for i in ids], code_commune=[i[:5] for i in ids])
    general.assign(votants=90, exprimes=80).to_csv(folder / "general_results.csv", sep=";", index=False)
    votes = pd.DataFrame({"id_election": CONTEST, "id_brut_miom": ids * 2, "voix": 40})
    votes = votes.assign(nuance=["NUP"] * len(ids) + ["ENS"] * len(ids))
    votes.to_csv(folder / "candidats_results.csv", sep=";", index=False)
    return folder


def further(folder: Path) -> Path:
    """A round of the Ministry's, turnout by commune, two tables of incomes, outlines, a stray file."""
    folder.mkdir()
    (folder / "a.txt").write_bytes(FORMS["legi"].written(stations_of("legi")))
    # By commune: one voter less in Montpellier than in its stations, and a round that stations do not have.
    rows = [(CONTEST, "34", "34172", 300, 179), ("2012_legi_t1", "2A", "2A004", 390, 200)]
    names = ["id_election", "code_departement", "code_commune", "inscrits", "votants"]
    pd.DataFrame(rows, columns=names).to_csv(folder / "commune_turnout_1999_2022.csv", index=False)
    (folder / "FILO2021_DEC_COM.csv").write_text(INCOMES, encoding="utf-8")
    (folder / "FILO2015_IRIS_revenus.csv").write_text(f"{IRIS}341720101,10,20000,5000,40000,60,20,5\n")
    ring = [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]
    shape = {"type": "Polygon", "coordinates": ring}
    feature = {"type": "Feature", "properties": {"codeBureauVote": "34172_0001"}, "geometry": shape}
    text = json.dumps({"type": "FeatureCollection", "features": [feature]})
    (folder / "city.geojson").write_text(text, encoding="utf-8")
    (folder / "notes.txt").write_text("nothing\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("published")
    return results(place / "results"), further(place / "further")


@pytest.fixture(scope="module")
def home(folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home(tmp_path_factory.mktemp("sources") / "home")
    ingest(made, FRANCE, folders, lambda _: None, date(2026, 1, 2))
    return made


@pytest.fixture(scope="module")
def told(home: Home) -> dict[str, Any]:
    """What the command says as JSON, the sources by their name."""
    said = isoloir("sources", "fr", "--home", home.path, "--json")
    assert (said.status, said.err, said.out.count("\n")) == (0, "", 1)
    told: dict[str, Any] = json.loads(said.out)
    return told | {"sources": {one["name"]: one for one in told["sources"]}}


def test_before_an_ingest_the_declarations_are_shown_and_no_home_is_made(tmp_path: Path) -> None:
    said = isoloir("sources", "fr", "--home", tmp_path / "home")
    assert (said.status, said.err) == (0, "")
    for name in ("results", "ministry", "communes", *FRANCE.source.context):
        assert f"\n{name} " in said.out
    assert "Nothing of fr was ingested" in said.out and "reaches:" not in said.out
    assert not (tmp_path / "home").exists()


def test_the_table_fits_a_screen_of_110_columns(home: Home, tmp_path: Path) -> None:
    for place in (home.path, tmp_path / "home"):
        for line in isoloir("sources", "fr", "--home", place).out.splitlines():
            assert len(line) <= 110 or line.startswith("Nothing of fr"), line


def test_shares_are_of_the_electors_of_the_roll(told: dict[str, Any]) -> None:
    assert told["roll"] == {"contest": CONTEST, "registered": 1000}
    reaches = {name: one["reaches"] for name, one in told["sources"].items() if one["in_home"]}
    assert reaches == pytest.approx(
        {
            "results": 1.0,
            # Its file is of other communes of the same department.
            "ministry": 0.0,
            # 34172 in one round, 2A004 in the other.
            "communes": 0.7,
            # Montpellier by its commune, the third arrondissement by the number of its station.
            "incomes_2021": 0.6,
            "incomes_iris_2015": 0.0,
            "city": 0.1,
        }
    )
    assert told["sources"]["incomes_2021"]["reach"] == pytest.approx(
        {"declared_incomes_2021": 0.3, "declared_incomes_2021_parts": 0.3}
    )


def test_contests_are_told_with_their_source(told: dict[str, Any]) -> None:
    assert [(c["contest"], c["source"], c["stations"], c["reaches"]) for c in told["contests"]] == [
        ("2017_legi_t1", "ministry/a.txt", 7, 0.0),
        (CONTEST, "results", 4, 1.0),
    ]
    assert told["by_commune"] == {"2012_legi_t1": 0.4}


def test_what_home_has_is_told_with_day_and_digest(told: dict[str, Any], home: Home) -> None:
    one = told["sources"]["incomes_2021"]
    assert (one["read_on"], one["in_home"][0]["file"]) == ("2026-01-02", "FILO2021_DEC_COM.csv")
    out = isoloir("sources", "fr", "--home", home.path).out
    assert one["in_home"][0]["sha256"][:8] in out and "2026-01-02" in out
    assert told["sources"]["people_iris_2022"]["in_home"] == []
    assert told["sources"]["city"]["declared"] is False
    assert "licence of city: unstated" in out


def test_untried_readers_are_listed_in_words(told: dict[str, Any], home: Home) -> None:
    out = " ".join(isoloir("sources", "fr", "--home", home.path).out.split())
    for name, one in told["sources"].items():
        listed = out.partition("untried: ")[2].partition(": its reader")[0].split(", ")
        assert (name in listed) is not one["tried"], name
    assert "never ran on the publisher's own" in out


def test_what_is_old_or_reaches_nobody_or_has_a_newer_one_is_to_be_looked_at(home: Home) -> None:
    found = {one.name: one for one in inventory(home, FRANCE, date(2026, 1, 2)).sources}
    assert found["incomes_iris_2015"].remarks == (
        NOBODY,
        "a newer one of its kind is declared: incomes_iris_2021",
        "public for 6 years: look for a newer one",
    )
    assert found["incomes_2021"].remarks == ()
    # Public on 19 July 2024, so for five years and a day in July 2029.
    then = {one.name: one for one in inventory(home, FRANCE, date(2029, 7, 21)).sources}
    assert then["incomes_2021"].remarks == ("public for 5 years: look for a newer one",)
    before = {one.name: one for one in inventory(home, FRANCE, date(2029, 7, 18)).sources}
    assert before["incomes_2021"].remarks == ()


def test_the_demo_s_census_and_outlines_reach_whom_they_are_of(demo_run: Any) -> None:
    said = json.loads(isoloir("sources", "demo", "--home", demo_run.home, "--json").out)
    one = {source["name"]: source for source in said["sources"]}
    assert one["results"]["reaches"] == 1.0
    core = Home(demo_run.home).current_core("demo")
    roll = pd.read_parquet(core / f"{said['roll']['contest']}.parquet").set_index("station_id")["registered"]
    outlined = pd.read_parquet(core / "context" / "contours.geo.parquet", columns=["station_id"])[
        "station_id"
    ]
    share = roll[roll.index.isin(outlined)].sum() / roll.sum()
    assert one["contours"]["reaches"] == pytest.approx(share) and 0.5 < share < 1


def test_a_home_that_does_not_tell_what_it_has_says_what_to_do(home: Home, tmp_path: Path) -> None:
    copied = Home(Path(shutil.copytree(home.path, tmp_path / "home")))
    shutil.rmtree(copied.current_core("fr"))
    said = isoloir("sources", "fr", "--home", copied.path)
    assert (said.status, said.out) == (5, "")
    assert "isoloir ingest fr --from DIR" in said.err


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[Shelf]:
    with published(tmp_path) as shelf:
        yield shelf


def listed(url: str, size: int, etag: str | None) -> Listed:
    file = SourceFile.model_construct(file="x.csv", url=url, sha256=None)
    read = Input("x.csv", url, "0" * 64, size, "l", "a", etag)
    return Listed("x", "a file", (file,), "l", "a", inputs=(read,))


def test_a_check_asks_each_publisher_and_fetches_nothing(publisher: Shelf) -> None:
    address = f"{publisher.address}/ok/x.csv"
    same, other = (listed(address, len(publisher.body), etag) for etag in ('"one"', '"old"'))
    gone = listed(f"{publisher.address}/404/x.csv", 1, None)
    not_there = replace(other, inputs=())
    asked: list[str] = []
    found = looked_up(Inventory((same, other, gone, not_there)), asked.append)
    assert [one.remarks for one in found.sources] == [
        (),
        ("the publisher of x.csv has another version by now",),
        ("x.csv could not be fetched: the publisher answers 404: it was moved or withdrawn",),
        (),
    ]
    assert len(publisher.asked) == len(asked) == 3


def test_an_ingest_tells_each_kind_of_thing_by_its_name(home: Home, folders: tuple[Path, Path]) -> None:
    # All was read before: no server is started for it.
    said = isoloir("ingest", "fr", "--from", folders[0], "--from", folders[1], "--home", home.path)
    assert (said.status, said.err) == (0, "")
    lines = said.out.splitlines()
    kinds = {line.partition(":")[0] for line in lines if not line.startswith(" ")}
    assert {"read", "different", "not read", "contests", "again"} <= kinds
    text = " ".join(said.out.split())
    assert (
        "contours of city: 1 of 2 stations of the roll of 2022_legi_t1 have one; 0 contours match none"
        in text
    )
    assert "of 1 communes 1 differ, first 34172 (voters: 1)" in text
    assert "not read: notes.txt: no source of fr speaks of it" in text
    assert all(len(line) <= 110 for line in lines if not line.startswith("core:"))
    assert "again: True" in text


def test_the_json_of_an_ingest_counts_what_the_screen_lists(home: Home, folders: tuple[Path, Path]) -> None:
    sources = ("--from", folders[0], "--from", folders[1])
    said = json.loads(isoloir("ingest", "fr", *sources, "--home", home.path, "--json").out)
    counts = {name: said[name] for name in ("contests", "station rows", "differences", "communes", "unread")}
    assert counts == {"contests": 2, "station rows": 11, "differences": 1, "communes": 2, "unread": 1}
    # Of 34, 75 and 2A the file of the Ministry has one: less than half.
    assert said["partial"] == 1 and said["again"] is True


def test_a_long_list_is_cut_and_says_where_the_rest_is(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    home, folder = Home(tmp_path / "home"), Path(shutil.copytree(folders[0], tmp_path / "results"))
    for number in range(15):
        (folder / f"copie{number:02}.csv").write_text("a,b\n", encoding="utf-8")
    ingest(home, FRANCE, folder, lambda _: None)
    out = isoloir("ingest", "fr", "--from", folder, "--home", home.path).out
    assert [line[14:22] for line in out.splitlines() if line.startswith("not read:")] == [
        f"copie{number:02}." for number in range(12)
    ]
    assert "… and 3 more: look into the folder" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--download", "--only", "incomes_2020"), "did you mean incomes_2021"),
        (("--download", "--only", "ministry"), "isoloir ingest fr --from DIR"),
        (("--download", "--only", "communes_2018"), "declares no address for base_cc_comparateur_csv.zip"),
        (("--from", ".", "--only", "results"), "isoloir ingest fr --download --only results"),
    ],
)
def test_what_cannot_be_fetched_is_refused_before_anything_is_started(
    arguments: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    said = isoloir("ingest", "fr", *arguments, "--home", tmp_path / "home")
    assert (said.status, said.out) == (2, "")
    assert told in said.err and not (tmp_path / "home").exists()
