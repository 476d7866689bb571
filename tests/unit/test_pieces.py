"""What lies in folders of published files: what is read together, what is not read and why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from ministry_files import FORMS, stations_of

from isoloir.configs.load import load_territory
from isoloir.domain.errors import SourceError, UsageError
from isoloir.pipelines.pieces import UNSTATED, lying_in, terms_of

FRANCE = load_territory("fr")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The two files of results, of which nobody reads here what is in them."""
    made = tmp_path / "results"
    made.mkdir()
    for name in ("general_results.parquet", "candidats_results.parquet"):
        (made / name).write_bytes(name.encode())
    return made


def roles(*folders: Path) -> list[str]:
    return [piece.role for piece in lying_in(FRANCE, folders)[0]]


def unread(*folders: Path) -> list[str]:
    return lying_in(FRANCE, folders)[1]


def elsewhere(tmp_path: Path, name: str, content: bytes) -> Path:
    path = tmp_path / "elsewhere" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path.parent


def geojson(*properties: dict[str, str]) -> bytes:
    features = [{"type": "Feature", "properties": said, "geometry": None} for said in properties]
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


STATION = {"codeBureauVote": "29019_0001"}


def test_the_files_of_each_source_make_a_piece_and_folders_are_read_as_one(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "commune_turnout_1999_2022.csv").write_bytes(b"c")
    other = elsewhere(tmp_path, "FILO2021_DEC_COM.csv", b"i")
    elsewhere(tmp_path, "round.txt", FORMS["legi"].written(stations_of("legi")))
    assert roles(folder, other) == ["results", "communes", "context/incomes_2021", "ministry/round.txt"]
    assert unread(folder, other) == []


def test_the_two_files_of_results_may_lie_in_two_folders(folder: Path, tmp_path: Path) -> None:
    other = elsewhere(tmp_path, "candidats_results.parquet", b"v")
    (folder / "candidats_results.parquet").unlink()
    (piece,) = lying_in(FRANCE, (folder, other))[0]
    assert [o.path.parent.name for o in piece.originals] == ["results", "elsewhere"]
    with pytest.raises(SourceError, match="lies here without candidats_results"):
        lying_in(FRANCE, (folder,))


def test_a_file_that_no_source_speaks_of_is_named(folder: Path) -> None:
    (folder / "labels.csv").write_bytes(b"a;b\n1;2\n")
    assert unread(folder) == ["labels.csv: no source of fr speaks of it"]


def test_the_twin_of_a_file_that_was_read_is_named_as_such(folder: Path) -> None:
    (folder / "general_results.csv").write_bytes(b"twin")
    (told,) = unread(folder)
    assert told == "general_results.csv: general_results.parquet, which lies beside it, was read"


def test_files_of_one_name_that_differ_are_refused_with_both_folders(folder: Path, tmp_path: Path) -> None:
    other = elsewhere(tmp_path, "general_results.parquet", b"another")
    with pytest.raises(UsageError, match=r"two files are called general_results\.parquet") as caught:
        lying_in(FRANCE, (folder, other))
    assert str(folder) in caught.value.where and str(other) in caught.value.where


def test_files_of_one_name_of_which_none_is_read_are_no_matter(folder: Path, tmp_path: Path) -> None:
    (folder / "README.md").write_bytes(b"one")
    other = elsewhere(tmp_path, "README.md", b"two")
    assert unread(folder, other) == ["README.md: no source of fr speaks of it"]


def test_a_folder_that_is_given_twice_or_copied_is_read_once(folder: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "copy"))
    assert roles(folder, folder) == roles(folder, copied) == ["results"]
    assert unread(folder, copied) == []


def test_outlines_of_stations_are_recognised_by_what_is_in_them(folder: Path) -> None:
    (folder / "Brest métropole.geojson").write_bytes(geojson(STATION))
    (folder / "other.geojson").write_bytes(geojson({"codeCommune": "29019", "numeroBureauVote": "1"}))
    (folder / "streets.geojson").write_bytes(geojson({"codeCommune": "29019", "name": "a street"}))
    (folder / "empty.geojson").write_bytes(geojson())
    (folder / "text.geojson").write_bytes(b"no JSON")
    assert roles(folder) == ["results", "context/Brest métropole", "context/other"]
    assert [told.partition(":")[0] for told in unread(folder)] == [
        "empty.geojson", "streets.geojson", "text.geojson",
    ]  # fmt: skip


def test_outlines_that_an_entry_declares_are_taken_by_its_name_even_if_damaged(folder: Path) -> None:
    (folder / "contours-france-entiere-latest-v2.geojson").write_bytes(b"no JSON")
    assert roles(folder) == ["results", "context/contours_2022"]


def test_outlines_called_like_a_declared_entry_do_not_take_its_place(folder: Path) -> None:
    (folder / "incomes_2021.geojson").write_bytes(geojson(STATION))
    (folder / "FILO2021_DEC_COM.csv").write_bytes(b"i")
    assert roles(folder) == ["results", "context/incomes_2021", "context/incomes_2021_contours"]


def test_a_file_of_a_single_round_may_have_any_name(folder: Path) -> None:
    name = "Résultats définitifs (1er tour).txt"
    (folder / name).write_bytes(FORMS["pres"].written(stations_of("pres")))
    assert roles(folder) == ["results", f"ministry/{name}"]


def test_the_terms_of_what_no_entry_declares_are_unstated() -> None:
    assert terms_of(FRANCE, "context/brest_contours") == UNSTATED
    assert terms_of(FRANCE, "context/incomes_2021").attribution.startswith("INSEE-DGFiP")
    assert terms_of(FRANCE, "ministry/a.txt").licence == "Licence Ouverte 2.0"


def test_a_folder_that_is_none_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such folder"):
        lying_in(FRANCE, (folder, tmp_path / "nowhere"))
