"""The flow of `isoloir ingest`: a task that reads and, where files are fetched, one more for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from isoloir.configs.load import TerritoryConfig
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import Ingested, ingest, ingest_published, row_counts
from isoloir.pipelines.progress import Say
from isoloir.pipelines.sources.download import download_if_changed

from .engine import Subject, engine, flow_of, stage, table_artifact


def ingest_flow(home: Home, config: TerritoryConfig, folders: Path | Sequence[Path], say: Say) -> Ingested:
    """Read the territory's files in ``folders``."""

    def body() -> Ingested:
        return stage(ingest, name="read and check")(home, config, folders, say)

    return _recorded(home, config, body)


def ingest_published_flow(
    home: Home, config: TerritoryConfig, say: Say, mirror: str | None, only: Sequence[str] = ()
) -> Ingested:
    """Fetch the files, or those of sources called ``only``, and read them.

    A download tries again by itself, from where it broke off.
    """

    def body() -> Ingested:
        fetch = stage(download_if_changed, name="download")
        read = stage(ingest_published, name="fetch and check")
        return read(home, config, say, mirror, fetch=fetch, only=only)

    return _recorded(home, config, body)


def _recorded(home: Home, config: TerritoryConfig, body: Callable[[], Ingested]) -> Ingested:
    def shown() -> Ingested:
        done = body()
        table_artifact(f"ingested {config.key}", by_contest(done), f"{config.name}: what was ingested")
        return done

    with engine(home.path):
        return flow_of(shown, name="ingest", subject=Subject(config.key))()


def by_contest(done: Ingested) -> pd.DataFrame:
    """One row per contest: source, stations, those that are odd, and rows and labels that were not kept."""
    odd: Counter[str] = Counter()
    for finding in done.findings:
        odd[finding.contest] += finding.stations
    stations = row_counts(done.folder)
    return pd.DataFrame(
        {
            "contest": list(done.contests),
            "source": [done.source_of[contest] for contest in done.contests],
            "stations": [stations[contest] for contest in done.contests],
            "odd": [odd[contest] for contest in done.contests],
            "rows left out": [done.left_out.get(contest, 0) for contest in done.contests],
            "labels withheld": [done.withheld.get(contest, 0) for contest in done.contests],
        }
    )
