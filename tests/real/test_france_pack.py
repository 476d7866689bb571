"""The published files of France: what comes in is what a count by hand found in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from isoloir.configs.load import load_territory
from isoloir.pipelines.core import LABEL
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import Ingested, ingest, row_counts
from isoloir.pipelines.sources.datagouv import CANDIDATES
from isoloir.pipelines.sources.tables import batches

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


@pytest.fixture(scope="module")
def france(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    home = Home(tmp_path_factory.mktemp("home"))
    return ingest(home, load_territory("fr"), shared_data / "france", lambda _: None)


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


def test_the_csv_of_2026_is_read_without_its_names(shared_data: Path, tmp_path: Path) -> None:
    lines = (shared_data / "vintages" / "candidats_results_2026.csv").read_bytes().splitlines(keepends=True)
    path = tmp_path / "candidats_results.csv"
    # What follows the rows in this sample is a note on where the whole file is.
    path.write_bytes(b"".join(line for line in lines if line.startswith((b"id_election", b"2026_"))))
    rows = pa.concat_tables(batches(path, CANDIDATES))
    assert (rows.num_rows, set(rows.column_names)) == (8, set(CANDIDATES.columns))
    assert rows.slice(0, 1).select(["contest", "station_id", "panel", "nuance", "votes"]).to_pylist() == [
        {"contest": "2026_muni_t2", "station_id": "01160_0001", "panel": 1, "nuance": "LDVC", "votes": 257}
    ]
    assert not {"nom", "prenom", "sexe", "nom_tete_liste", "binome"} & {
        spelling for spellings in CANDIDATES.columns.values() for spelling in spellings
    }
