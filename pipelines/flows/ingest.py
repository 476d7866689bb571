"""The flow of `isoloir ingest`: a task that reads and, where files are fetched, one more for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from isoloir.configs.load import TerritoryConfig
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import Ingested, ingest, ingest_published, row_counts
from isoloir.pipelines.progress import Say
from isoloir.pipelines.sources.download import UnreachableError, download

from .engine import Subject, engine, flow_of, stage, table_artifact


def ingest_flow(home: Home, config: TerritoryConfig, directory: Path, say: Say) -> Ingested:
    """Read the territory's files in ``directory``."""

    def body() -> Ingested:
        return stage(ingest, name="read and check")(home, config, directory, say)

    return _recorded(home, config, body)


def ingest_published_flow(home: Home, config: TerritoryConfig, say: Say, mirror: str | None) -> Ingested:
    """Fetch the files, each up to three times if the other side is silent, and read them."""

    def body() -> Ingested:
        fetch = stage(download, name="download", retries=2, retry_on=UnreachableError)
        return stage(ingest_published, name="fetch and check")(home, config, say, mirror, fetch=fetch)

    return _recorded(home, config, body)


def _recorded(home: Home, config: TerritoryConfig, body: Callable[[], Ingested]) -> Ingested:
    def shown() -> Ingested:
        done = body()
        table_artifact(f"ingested {config.key}", by_contest(done), f"{config.name}: what was ingested")
        return done

    with engine(home.path):
        return flow_of(shown, name="ingest", subject=Subject(config.key))()


def by_contest(done: Ingested) -> pd.DataFrame:
    """One row per contest: its stations, those that are odd, and the rows and labels that were not kept."""
    odd: Counter[str] = Counter()
    for finding in done.findings:
        odd[finding.contest] += finding.stations
    stations = row_counts(done.folder)
    return pd.DataFrame(
        {
            "contest": list(done.contests),
            "stations": [stations[contest] for contest in done.contests],
            "odd": [odd[contest] for contest in done.contests],
            "rows left out": [done.left_out.get(contest, 0) for contest in done.contests],
            "labels withheld": [done.withheld.get(contest, 0) for contest in done.contests],
        }
    )
