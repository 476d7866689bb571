"""The published files of France: what comes in is what a count by hand found in them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from isoloir.pipelines.core import LABEL
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import Ingested, row_counts
from isoloir.pipelines.sources.datagouv import CANDIDATES
from isoloir.pipelines.sources.tables import Opened, batches

pytestmark = pytest.mark.real

STATIONS = {
    "2014_euro_t1": 68_246,
    "2017_legi_t1": 69_242,
    "2017_legi_t2": 68_767,
    "2017_pres_t1": 69_242,
    "2017_pres_t2": 69_242,
    "2019_euro_t1": 69_297,
    "2022_legi_t1": 69_682,
    "2022_legi_t2": 69_355,
    "2022_pres_t1": 69_682,
    "2022_pres_t2": 69_682,
}


def test_each_round_has_the_stations_that_were_published(france: Ingested) -> None:
    assert row_counts(france.folder) == STATIONS
    assert france.stations == sum(STATIONS.values())


def test_nothing_is_refused_and_no_sum_misses(france: Ingested) -> None:
    assert {finding.check for finding in france.findings} == {"nobody registered", "no valid vote"}


def test_the_votes_of_june_2022_are_the_valid_ones(france: Ingested) -> None:
    table = pq.read_table(france.folder / "2022_legi_t1.parquet")
    labels = [name for name in table.column_names if name.startswith(LABEL)]
    assert pc.sum(table["valid"]).as_py() == 22_744_708
    assert sum(pc.sum(table[name]).as_py() for name in labels) == 22_744_708


@pytest.mark.parametrize("key", STATIONS)
def test_the_votes_of_every_round_sum_to_its_valid_ones(france: Ingested, key: str) -> None:
    table = pq.read_table(france.folder / f"{key}.parquet")
    labels = [name for name in table.column_names if name.startswith(LABEL)]
    votes = np.sum([table[name].fill_null(0).to_numpy() for name in labels], axis=0)
    assert (votes == table["valid"].to_numpy()).all()


def texts_of(path: Path) -> set[str]:
    """Every text that stands in a file: of Parquet the values, the names of columns and the metadata."""
    if path.suffix != ".parquet":
        return {path.read_text(encoding="utf-8")}
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    texts = {name.removeprefix(LABEL) for name in schema.names}
    for key, value in {**(file.metadata.metadata or {}), **(schema.metadata or {})}.items():
        # That of Arrow is the same schema, in base64.
        texts |= set() if key == b"ARROW:schema" else {key.decode(), value.decode()}
    for name, kind in zip(schema.names, schema.types, strict=True):
        if kind == pa.string():
            texts |= set(pc.unique(file.read([name])[name]).to_pylist()) - {None}
    return texts


def test_no_surname_of_a_candidate_stands_in_any_file_of_home(
    france: Ingested, home: Home, shared_data: Path
) -> None:
    columns = ["nom", "libelle_abrege_liste"]
    published = pq.read_table(shared_data / "france" / "candidats_results.parquet", columns=columns)
    surnames = {name.casefold() for name in pc.unique(published["nom"]).to_pylist() if name}
    lists = set(pc.unique(published["libelle_abrege_liste"]).to_pylist())
    assert len(surnames) > 5000 and "DEBOUT LA FRANCE" in lists
    read = [path for path in home.path.rglob("*") if path.is_file()]
    assert len(read) >= len(france.contests) + 6
    for path in read:
        # Names of lists are labels, and a folder's name is no candidate's.
        texts = texts_of(path) - lists
        together = "\n".join(texts).replace(str(shared_data.resolve()), "").casefold()
        # A digest may hold any two letters between its figures.
        together = re.sub(r"\b[0-9a-f]{12,64}\b", "", together)
        found = surnames & {*together.splitlines(), *re.findall(r"[^\W\d_]{2,}", together)}
        assert not found, (path, len(found))


def test_the_search_finds_the_surnames_in_the_published_file(shared_data: Path) -> None:
    assert "MACRON" in texts_of(shared_data / "france" / "candidats_results.parquet")


def test_the_csv_of_2026_is_read_without_its_names(shared_data: Path, tmp_path: Path) -> None:
    lines = (shared_data / "vintages" / "candidats_results_2026.csv").read_bytes().splitlines(keepends=True)
    path = tmp_path / "candidats_results.csv"
    # What follows the rows in this sample is a note on where the whole file is.
    path.write_bytes(b"".join(line for line in lines if line.startswith((b"id_election", b"2026_"))))
    rows = pa.concat_tables(batches(Opened(path), CANDIDATES))
    assert (rows.num_rows, set(rows.column_names)) == (8, set(CANDIDATES.columns))
    assert rows.slice(0, 1).select(["contest", "station_id", "panel", "nuance", "votes"]).to_pylist() == [
        {"contest": "2026_muni_t2", "station_id": "01160_0001", "panel": 1, "nuance": "LDVC", "votes": 257}
    ]
    assert not {"nom", "prenom", "sexe", "nom_tete_liste", "binome"} & {
        spelling for spellings in CANDIDATES.columns.values() for spelling in spellings
    }
