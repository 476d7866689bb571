"""The published files of France, ingested once for all tests that only read."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoloir.configs.load import load_territory
from isoloir.domain.ledger import Ledger
from isoloir.pipelines.core import read_ledger
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import Ingested, ingest


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def france(shared_data: Path, home: Home) -> Ingested:
    if not (shared_data / "france").is_dir():
        pytest.skip("needs the published files of France in the folder france")
    return ingest(home, load_territory("fr"), shared_data / "france", lambda _: None)


@pytest.fixture(scope="session")
def ledger(france: Ingested) -> Ledger:
    config = load_territory("fr")
    return read_ledger(france.folder, config.calendar, config.groupings["research"])
