"""What every test may rely on: no telemetry, Prefect's home and our cache its own, published files if any."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).resolve().parent.parent

# Before anything imports Prefect or MLflow: both read these once. Each pytest-xdist worker has its own home.
PREFECT_HOME = Path(tempfile.mkdtemp(prefix="isoloir-test-prefect-"))
CACHE = Path(tempfile.mkdtemp(prefix="isoloir-test-cache-"))
os.environ |= {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_HOME": str(PREFECT_HOME),
    "ISOLOIR_CACHE": str(CACHE),
    "MPLBACKEND": "Agg",
}
# A person's own settings must not decide a test.
for name in ("ISOLOIR_HOME", "ISOLOIR_CONFIGS", "PREFECT_API_URL", "PREFECT_PROFILE", "MLFLOW_TRACKING_URI"):
    os.environ.pop(name, None)

# `ci` is Hypothesis' own profile (the same examples each time); --hypothesis-profile has the last word.
settings.register_profile("local", deadline=None)
settings.register_profile(
    "campaign", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("local")


def pytest_unconfigure() -> None:
    for folder in (PREFECT_HOME, CACHE):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Iterator[Path]:
    """The publishers' files, as downloaded: ../shared/data beside the repository, or ISOLOIR_TEST_DATA."""
    folder = Path(os.environ.get("ISOLOIR_TEST_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(
            "needs the published files: none in ../shared/data, and ISOLOIR_TEST_DATA names no folder"
        )
    yield folder


@dataclass(frozen=True)
class DemoRun:
    """The demo's files, the home they were ingested into, and the release of 2027_pres_t1 in it."""

    country: Path
    home: Path
    release: Path


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """The demo written, ingested and run once. Shared by all tests: they change nothing in it."""
    from isoloir.configs.load import load_scenario, load_territory
    from isoloir.domain.election import AsOf
    from isoloir.pipelines.bench import Request, open_bench
    from isoloir.pipelines.demo import write_demo
    from isoloir.pipelines.home import Home
    from isoloir.pipelines.ingest import ingest
    from isoloir.pipelines.run import run

    country, home = tmp_path_factory.mktemp("country"), tmp_path_factory.mktemp("run") / "home"
    write_demo(country, n_stations=300)
    config = load_territory("demo")
    ingest(Home(home), config, country, lambda _: None)
    target = config.calendar["2027_pres_t1"]
    request = Request(target, AsOf(target.held_on), load_scenario(config, "example"), "research")
    bench = open_bench(Home(home), config, None, None)
    return DemoRun(country, home, run(bench, request, lambda _: None).release)
