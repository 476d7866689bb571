"""What the tests on publishing share."""

from __future__ import annotations

import dataclasses
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from deliveries import TARGET

from isoloir.configs.load import load_scenario, load_territory
from isoloir.domain.election import AsOf
from isoloir.domain.scenario import AreaTarget
from isoloir.pipelines.bench import Request, open_bench
from isoloir.pipelines.home import Home
from isoloir.pipelines.run import run

# Amazon's library reads these: nothing of this machine decides a test, and no test asks its network.
os.environ |= {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
    os.environ.pop(name, None)


@dataclass(frozen=True)
class TwoReleases:
    """Two releases of one target in a home, under two scenarios; the new one was published last."""

    home: Path
    old: Path
    new: Path

    @property
    def units(self) -> Path:
        """The partition that both are made of."""
        (found,) = self.new.parent.glob("units-policy*.parquet")
        return found


@pytest.fixture(scope="session")
def two_releases(demo_run: Any, tmp_path_factory: pytest.TempPathFactory) -> TwoReleases:
    """Shared by all tests: they change nothing in it."""
    home = tmp_path_factory.mktemp("two") / "home"
    shutil.copytree(demo_run.home, home, symlinks=True)
    demo = load_territory("demo")
    target = demo.calendar["2027_pres_t1"]
    areas = (AreaTarget("department", "D1", 0.75, ()),)
    spec = dataclasses.replace(load_scenario(demo, "example"), areas=areas)
    request = Request(target, AsOf(target.held_on), spec, "research")
    new = run(open_bench(Home(home), demo, None, None), request, lambda _: None).release
    return TwoReleases(home, home / demo_run.release.relative_to(demo_run.home), new)


@pytest.fixture
def house(two_releases: Any, tmp_path: Path) -> Path:
    """A copy of the releases of a target, to be changed; `current` leads to the newest."""
    found = two_releases.new.parent
    return Path(shutil.copytree(found, tmp_path / "home" / "releases" / TARGET, symlinks=True))
