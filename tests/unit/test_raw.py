"""raw/: the allow-listed columns of each original with its origin, and never more."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from isoloir.configs.load import TerritoryConfig, load_territory
from isoloir.domain.errors import SourceError
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import Ingested, ingest
from isoloir.pipelines.sources import datagouv, tables
from isoloir.pipelines.sources.raw import _published_names
from isoloir.pipelines.sources.tables import Form, sha256_of

DAY = date(2026, 1, 2)
STATION = {"id_brut_miom": "01001_0001", "code_departement": "01", "code_commune": "01001"}
LABELS = {
    "2019_euro_t1": (None, "DEBOUT LA FRANCE"),
    "2020_muni_t2": ("LDVG", "ENSEMBLE AVEC ZZNOMTEMOIN"),
    "2022_pres_t1": ("ZZNOMTEMOIN", "ZZNOMTEMOIN"),
    "2023_sena_t1": ("ZZNOMTEMOIN", "ZZNOMTEMOIN"),
}
"""Nuance and name of the list of one candidate per round; only the one that the round goes by may be kept."""


def written(folder: Path, rounds: Iterable[str] = LABELS) -> Path:
    """The two published files, one station and one candidate per round, with names all over."""
    keys = list(rounds)
    general = pd.DataFrame({"id_election": keys, **STATION, "libelle_commune": "ZZNOMTEMOIN"})
    general.assign(inscrits=100, votants=90, exprimes=80).to_parquet(folder / "general_results.parquet")
    candidates = pd.DataFrame(
        {
            "id_election": keys,
            **STATION,
            "no_panneau": pd.array([3] * len(keys), "Int32"),
            "voix": 80,
            "nuance": [LABELS[key][0] for key in keys],
            "nom": "ZZNOMTEMOIN",
            "nom_tete_liste": "ZZNOMTEMOIN",
            "libelle_abrege_liste": [LABELS[key][1] for key in keys],
            "libelle_etendu_liste": "ZZNOMTEMOIN",
        }
    )
    candidates.to_parquet(folder / "candidats_results.parquet")
    return folder


@pytest.fixture
def france() -> TerritoryConfig:
    return load_territory("fr")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def taken_in(home: Home, config: TerritoryConfig, folder: Path) -> Ingested:
    return ingest(home, config, folder, lambda _: None, DAY)


def of(home: Home, name: str) -> Path:
    """The folder in raw/ that holds ``name``."""
    (path,) = home.path.glob(f"raw/*/*/{name}")
    return path.parent


def said_in(path: Path) -> Any:
    """What a JSON file says."""
    return json.loads(path.read_text(encoding="utf-8"))


def state(home: Home) -> dict[Path, tuple[int, int]]:
    return {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in home.path.rglob("*") if p.is_file()}


def test_raw_keeps_the_allowed_columns_under_the_publishers_names(
    home: Home, france: TerritoryConfig, tmp_path: Path
) -> None:
    taken_in(home, france, written(tmp_path))
    for name, form in (
        ("general_results.parquet", datagouv.GENERAL),
        ("candidats_results.parquet", datagouv.CANDIDATES),
    ):
        schema = pq.read_schema(of(home, name) / name)
        assert schema.names == [spellings[0] for spellings in form.columns.values()]
        assert schema.types == [form.types[ours] for ours in form.columns]


def test_a_text_is_kept_only_where_the_round_goes_by_it(
    home: Home, france: TerritoryConfig, tmp_path: Path
) -> None:
    taken_in(home, france, written(tmp_path))
    name = "candidats_results.parquet"
    rows = pq.read_table(of(home, name) / name).to_pylist()
    assert [(r["id_election"], r["nuance"], r["libelle_abrege_liste"], r["voix"]) for r in rows] == [
        ("2019_euro_t1", None, "DEBOUT LA FRANCE", 80),
        ("2020_muni_t2", "LDVG", None, 80),
        ("2022_pres_t1", None, None, 80),
        ("2023_sena_t1", None, None, 80),
    ]


def test_no_file_of_home_holds_a_name(home: Home, france: TerritoryConfig, tmp_path: Path) -> None:
    taken_in(home, france, written(tmp_path))
    for path in state(home):
        text = repr(pq.read_table(path).to_pydict()) if path.suffix == ".parquet" else path.read_text()
        assert "ZZNOMTEMOIN" not in text, path


def test_the_origin_says_where_the_rows_came_from(
    home: Home, france: TerritoryConfig, tmp_path: Path
) -> None:
    taken_in(home, france, written(tmp_path))
    original = tmp_path / "candidats_results.parquet"
    folder = of(home, original.name)
    origin = said_in(folder / "origin.json")
    assert folder.name == sha256_of(original)[:12]
    assert folder.parent == home.path / "raw" / "fr"
    expected = {
        "file": original.name,
        "from": str(original),
        "sha256": sha256_of(original),
        "bytes": original.stat().st_size,
        "read_on": "2026-01-02",
        "licence": "Licence Ouverte 2.0",
        "rows": 4,
    }
    assert {name: origin[name] for name in expected} == expected
    assert "data.gouv.fr" in origin["attribution"]


def test_raw_read_again_gives_the_same_returns(home: Home, france: TerritoryConfig, tmp_path: Path) -> None:
    first = taken_in(home, france, written(tmp_path))
    again = tmp_path / "again"
    again.mkdir()
    for name in ("general_results.parquet", "candidats_results.parquet"):
        (again / name).write_bytes((of(home, name) / name).read_bytes())
    second = taken_in(Home(tmp_path / "other"), france, again)
    assert second.contests == first.contests
    for key in first.contests:
        assert pq.read_table(second.folder / f"{key}.parquet") == pq.read_table(
            first.folder / f"{key}.parquet"
        )


def test_rows_are_kept_in_order_however_they_are_read(
    home: Home, france: TerritoryConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "BATCH", 1)
    taken_in(home, france, written(tmp_path))
    name = "general_results.parquet"
    assert pq.read_table(of(home, name) / name)["id_election"].to_pylist() == list(LABELS)
    assert said_in(of(home, name) / "origin.json")["rows"] == len(LABELS)


def test_a_second_ingest_writes_nothing(home: Home, france: TerritoryConfig, tmp_path: Path) -> None:
    taken_in(home, france, written(tmp_path))
    before = state(home)
    assert ingest(home, france, tmp_path, lambda _: None, date(2026, 5, 5)).again
    assert state(home) == before


def test_what_is_missing_in_raw_is_read_again(home: Home, france: TerritoryConfig, tmp_path: Path) -> None:
    taken_in(home, france, written(tmp_path))
    (of(home, "general_results.parquet") / "origin.json").unlink()
    assert not taken_in(home, france, tmp_path).again
    assert (of(home, "general_results.parquet") / "origin.json").is_file()


def test_another_kind_of_label_keeps_the_rows_anew(
    home: Home, france: TerritoryConfig, tmp_path: Path
) -> None:
    taken_in(home, france, written(tmp_path, ["2020_muni_t2"]))
    kinds = dict(france.label_kind) | {"2020_muni_t2": "panel"}
    blocs = france.grouping()
    changed = replace(france, label_kind=kinds, groupings={blocs.grouping: blocs})
    name = "candidats_results.parquet"
    for config, kept in ((changed, [None]), (france, ["LDVG"])):
        # The second time only raw/ has to be written: core/ has both.
        assert not taken_in(home, config, tmp_path).again
        assert pq.read_table(of(home, name) / name)["nuance"].to_pylist() == kept


@pytest.mark.parametrize(("column", "wrong"), [("votants", 200), ("id_election", "2005_ref_t1")])
def test_a_refused_ingest_leaves_nothing(
    home: Home, france: TerritoryConfig, tmp_path: Path, column: str, wrong: int | str
) -> None:
    written(tmp_path, ["2019_euro_t1"])
    path = tmp_path / "general_results.parquet"
    pd.read_parquet(path).assign(**{column: wrong}).to_parquet(path)
    with pytest.raises(SourceError):
        taken_in(home, france, tmp_path)
    assert not [p for p in home.path.rglob("*") if p.is_file() or p.parent.name == "fr"]


def test_an_undeclared_list_is_refused_though_it_looks_like_a_nuance(
    home: Home, france: TerritoryConfig, tmp_path: Path
) -> None:
    written(tmp_path, ["2020_muni_t2", "2019_euro_t1"])
    path = tmp_path / "candidats_results.parquet"
    pd.read_parquet(path).assign(libelle_abrege_liste="ROY").to_parquet(path)
    with pytest.raises(SourceError, match="a label of 2019_euro_t1") as caught:
        taken_in(home, france, tmp_path)
    assert caught.value.where == f"{path}, row 2"
    assert "ROY" not in str(caught.value)


def test_raw_is_closed_to_other_users(home: Home, france: TerritoryConfig, tmp_path: Path) -> None:
    taken_in(home, france, written(tmp_path))
    folders = [home.path / "raw", *(p for p in (home.path / "raw").rglob("*") if p.is_dir())]
    assert len(folders) == 4
    assert {p.stat().st_mode & 0o777 for p in folders} == {0o700}


def test_originals_that_a_killed_download_left_are_removed(
    home: Home, france: TerritoryConfig, tmp_path: Path
) -> None:
    root = home.folder("raw", ".incoming")
    for process in ("999999999", str(os.getppid())):
        (root / process).mkdir()
        (root / process / "candidats_results.parquet").write_text("ZZNOMTEMOIN")
    taken_in(home, france, written(tmp_path))
    # The one that still runs keeps its own.
    assert [p.name for p in root.iterdir()] == [str(os.getppid())]


def test_raw_of_tidy_tables_keeps_the_declared_columns(home: Home, tmp_path: Path) -> None:
    config = load_territory("dk")
    columns = "source,election_type,year,round,region,station,registered,voters,expressed,party,votes,note"
    pd.DataFrame(
        [["x", "FT", "2022", "1", "1. Vest", "001|s", 10, 8, 7, "A", 7, "ZZNOMTEMOIN"]],
        columns=columns.split(","),
    ).to_parquet(tmp_path / "denmark.parquet")
    pd.DataFrame(
        [["001|s", "Fyns Storkreds", "ZZNOMTEMOIN"]], columns=["station", "storkreds", "area"]
    ).to_parquet(tmp_path / "denmark_geo.parquet")
    taken_in(home, config, tmp_path)
    kept = pq.read_table(of(home, "denmark.parquet") / "denmark.parquet")
    assert set(kept.column_names) == set(columns.split(",")) - {"source", "note"}
    assert kept["party"].to_pylist() == ["A"]
    assert pq.read_table(of(home, "denmark_geo.parquet") / "denmark_geo.parquet").to_pylist() == [
        {"station": "001|s", "storkreds": "Fyns Storkreds"}
    ]


def test_a_column_that_serves_twice_is_kept_once() -> None:
    form = Form({"commune": ("area",), "station": ("s", "S"), "department": ("area",)}, {}, frozenset())
    assert _published_names(form) == {"commune": "area", "station": "s"}
