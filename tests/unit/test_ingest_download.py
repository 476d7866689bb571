"""Ingesting what is downloaded from a real server on this machine: as reading a folder; no original stays."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from publisher import BODY, MODIFIED, Shelf, published

from isoloir.configs.load import TerritoryConfig, load_territory
from isoloir.domain.errors import SourceError, UsageError
from isoloir.pipelines import cli
from isoloir.pipelines.demo import write_demo
from isoloir.pipelines.fetch import is_replaced, wanted_files
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import Ingested, ingest, ingest_published
from isoloir.pipelines.sources.download import PACE, Pace, Progress, Unchanged, Wanted
from isoloir.pipelines.sources.raw import Original


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[Shelf]:
    with published(tmp_path / "published") as shelf:
        yield shelf


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("country")
    write_demo(folder, n_stations=300)
    return folder


@pytest.fixture
def demo() -> TerritoryConfig:
    return load_territory("demo")


def said_in(path: Path) -> Any:
    """What a JSON file says."""
    return json.loads(path.read_text(encoding="utf-8"))


def files_of(home: Home) -> list[str]:
    return sorted(str(p.relative_to(home.path)) for p in home.path.rglob("*") if p.is_file())


def test_a_download_comes_to_what_reading_the_folder_does_and_keeps_no_original(
    publisher: Shelf, country: Path, demo: TerritoryConfig, tmp_path: Path
) -> None:
    # Outlines are read where they lie, and no address of them is declared.
    here = tmp_path / "country"
    shutil.copytree(country, here, ignore=shutil.ignore_patterns("*.geojson"))
    publisher.folder = here
    mirror = f"{publisher.address}/files"
    said: list[str] = []
    home = Home(tmp_path / "home")
    got = ingest_published(home, demo, said.append, mirror)
    other = Home(tmp_path / "other")
    ingest(other, demo, here, lambda _: None)
    assert files_of(home) == files_of(other)
    assert not (home.path / "raw" / ".incoming").exists()
    assert any("fetching candidats_results.parquet" in line for line in said)
    places = {said_in(p)["from"] for p in home.path.glob("raw/demo/*/origin.json")}
    assert places == {f"{mirror}/{name}_results.parquet" for name in ("general", "candidats")}
    read = {i["path"] for i in said_in(got.folder / "ingest.json")["inputs"]}
    assert read == places | {f"{mirror}/census.csv"}
    assert ingest_published(home, demo, said.append, mirror).again


@pytest.mark.parametrize("missing", ["general_results.parquet", "candidats_results.parquet"])
def test_a_file_that_is_not_there_leaves_nothing_of_the_other(
    publisher: Shelf, country: Path, demo: TerritoryConfig, missing: str, tmp_path: Path
) -> None:
    publisher.folder = tmp_path / "published"
    shutil.copytree(country, publisher.folder)
    (publisher.folder / missing).unlink()
    home = Home(tmp_path / "home")
    with pytest.raises(SourceError, match=f"{missing} could not be fetched: the publisher answers 404"):
        ingest_published(home, demo, lambda _: None, f"{publisher.address}/files")
    assert files_of(home) == []
    assert not (home.path / "raw" / ".incoming").exists()


def test_a_damaged_original_is_refused_by_its_address_and_deleted(
    publisher: Shelf, demo: TerritoryConfig, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    with pytest.raises(SourceError, match="no readable Parquet") as caught:
        ingest_published(home, demo, lambda _: None, f"{publisher.address}/ok")
    assert caught.value.where == f"{publisher.address}/ok/general_results.parquet"
    assert files_of(home) == []


def test_what_is_pinned_and_there_is_not_fetched_again(
    publisher: Shelf, country: Path, tmp_path: Path
) -> None:
    publisher.folder = country
    lines = ["publisher: datagouv", "licence: none", "attribution: nobody"]
    for part, name in (("general", "general_results"), ("candidates", "candidats_results")):
        sha256 = hashlib.sha256((country / f"{name}.parquet").read_bytes()).hexdigest()
        lines += [f"{part}:", f"  file: {name}.parquet", f"  sha256: {sha256}"]
    path = tmp_path / "configs" / "territories" / "demo" / "sources.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(lines), encoding="utf-8")
    pinned, home = load_territory("demo", tmp_path / "configs"), Home(tmp_path / "home")
    first = ingest_published(home, pinned, lambda _: None, f"{publisher.address}/files")
    asked = len(publisher.asked)
    second = ingest_published(home, pinned, lambda _: None, f"{publisher.address}/files")
    assert (second.folder, second.again, len(publisher.asked)) == (first.folder, True, asked)


def test_a_territory_without_addresses_is_to_be_read_from_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"dk declares no address for denmark\.parquet") as caught:
        ingest_published(Home(tmp_path / "home"), load_territory("dk"), lambda _: None)
    assert "isoloir ingest dk --from DIR" in caught.value.remedy


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["isoloir", "ingest", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


@pytest.fixture
def filled(country: Path, demo: TerritoryConfig, tmp_path: Path) -> Home:
    """A home with the demo's results, without its census."""
    home, folder = Home(tmp_path / "home"), tmp_path / "results"
    folder.mkdir()
    for name in ("general_results.parquet", "candidats_results.parquet"):
        shutil.copy(country / name, folder / name)
    ingest(home, demo, folder, lambda _: None)
    return home


def test_one_source_is_fetched_by_its_name_and_only_when_it_changed(
    publisher: Shelf, country: Path, demo: TerritoryConfig, filled: Home
) -> None:
    publisher.body = (country / "census.csv").read_bytes()
    mirror, said = f"{publisher.address}/ok", list[str]()
    first = ingest_published(filled, demo, said.append, mirror, only=["census"])
    assert [asked.path for asked in publisher.asked] == ["/ok/census.csv"]
    assert len(first.contests) > 3 and not first.again
    part = said_in(first.folder / "ingest.json")["inputs"][0]
    assert (part["file"], part["etag"]) == ("census.csv", publisher.etag)

    second = ingest_published(filled, demo, said.append, mirror, only=["census"])
    assert second.again and second.folder == first.folder
    assert said[-1] == "census.csv: unchanged since it was read"
    assert publisher.asked[-1].headers["If-None-Match"] == publisher.etag
    assert publisher.asked[-1].sent == 0

    # Another year of publication for every row that was public in June 2025.
    publisher.body = publisher.body.replace(b"2025-06-30", b"2025-09-30")
    publisher.etag, publisher.modified = '"two"', None
    third = ingest_published(filled, demo, said.append, mirror, only=["census"])
    assert publisher.asked[-1].sent == len(publisher.body)
    assert not third.again and third.contests == first.contests


def test_beside_a_file_that_changed_the_others_of_its_source_are_fetched_once(
    country: Path, demo: TerritoryConfig, tmp_path: Path
) -> None:
    home, asked = Home(tmp_path / "home"), list[str]()
    version = {"general_results.parquet": "1", "candidats_results.parquet": "1"}

    def fetch(wanted: Wanted, folder: Path, progress: Progress, *, pace: Pace = PACE) -> Original | Unchanged:
        if wanted.etag == version[wanted.name]:
            return Unchanged(wanted.url, wanted.etag, None)
        asked.append(wanted.name)
        path = Path(shutil.copy(country / wanted.name, folder / wanted.name))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Original(path, wanted.url, digest, path.stat().st_size, version[wanted.name])

    def take() -> Ingested:
        return ingest_published(
            home, demo, lambda _: None, "https://m.invalid", fetch=fetch, only=["results"]
        )

    take()
    version["candidats_results.parquet"] = "2"
    asked.clear()
    assert take().again
    assert sorted(asked) == ["candidats_results.parquet", "general_results.parquet"]


def test_a_home_that_does_not_tell_what_it_has_is_filled_again(
    publisher: Shelf, country: Path, demo: TerritoryConfig, filled: Home
) -> None:
    shutil.rmtree(filled.current_core("demo"))
    publisher.folder = country
    done = ingest_published(filled, demo, lambda _: None, f"{publisher.address}/files")
    assert filled.current_core("demo") == done.folder and len(done.contests) > 3


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("contours_2023", "did you mean contours_2022"),
        ("ministry", "fetch those of the round yourself"),
        ("communes", "isoloir ingest fr --from DIR"),
        ("zzz", "there is: results, communes, "),
    ],
)
def test_what_cannot_be_fetched_by_that_name_is_refused(name: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        wanted_files(load_territory("fr"), None, [name])
    assert told in caught.value.remedy


def test_a_large_source_is_fetched_by_its_name_only() -> None:
    france = load_territory("fr")
    assert "contours_2022" not in wanted_files(france, None, ())
    assert list(wanted_files(france, None, ["contours_2022", "incomes_2021"])) == [
        "contours_2022",
        "incomes_2021",
    ]


def test_what_has_no_address_comes_from_a_mirror() -> None:
    france, mirror = load_territory("fr"), "https://mirror.invalid/folder"
    (wanted,) = wanted_files(france, mirror, ["communes"])["communes"]
    assert wanted.url == f"{mirror}/commune_turnout_1999_2022.parquet"
    assert "communes" in wanted_files(france, mirror, ())
    assert "communes" not in wanted_files(france, None, ())


@pytest.mark.parametrize(
    ("turn", "known", "replaced"),
    [
        ("ok", ('"one"', None, len(BODY)), False),
        ("ok", ('"old"', None, len(BODY)), True),
        ("ok", (None, MODIFIED, len(BODY)), False),
        ("ok", (None, "Mon, 01 Jan 2001 00:00:00 GMT", len(BODY)), True),
        ("ok", (None, None, len(BODY) - 1), True),
        ("ok", (None, None, len(BODY)), None),
        ("unsized", (None, None, 1), None),
    ],
)
def test_whether_the_publisher_has_another_version(
    publisher: Shelf, turn: str, known: tuple[str | None, str | None, int], replaced: bool | None
) -> None:
    etag, modified, size = known
    wanted = Wanted("file.csv", f"{publisher.address}/{turn}/file.csv", None, etag, modified)
    assert is_replaced(wanted, size) is replaced


def test_a_file_that_was_withdrawn_is_told_so(publisher: Shelf) -> None:
    with pytest.raises(SourceError, match="it was moved or withdrawn"):
        is_replaced(Wanted("file.csv", f"{publisher.address}/404/file.csv"), 1)


@pytest.mark.parametrize("arguments", [(), ("--from", "here", "--download")])
def test_exactly_one_of_from_and_download_is_given(
    arguments: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, "demo", *arguments, "--home", tmp_path / "home") == 2
    assert "isoloir ingest demo --from DIR" in capsys.readouterr().err
    assert not (tmp_path / "home").exists()


def test_the_command_downloads_from_the_mirror_of_the_environment(
    publisher: Shelf,
    country: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    publisher.folder = country
    monkeypatch.setenv("ISOLOIR_MIRROR", f"{publisher.address}/files")
    assert call(monkeypatch, "demo", "--download", "--json", "--home", tmp_path / "home") == 0
    assert json.loads(capsys.readouterr().out)["contests"] > 3
    files = ("candidats_results.parquet", "census.csv", "general_results.parquet")
    assert sorted(asked.path for asked in publisher.asked) == [f"/files/{name}" for name in files]
