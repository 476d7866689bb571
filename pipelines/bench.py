"""What a command works on: home, the territory's configuration, the ledger of what was ingested."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from isoloir.configs.load import TerritoryConfig, config_digest, load_models, load_offer
from isoloir.configs.settings import ModelConfig
from isoloir.domain.bloc import BlocMap
from isoloir.domain.election import AsOf, Contest
from isoloir.domain.errors import UsageError
from isoloir.domain.ledger import Ledger
from isoloir.domain.scenario import OfferSpec, ScenarioSpec
from isoloir.models.boosting import Boosting
from isoloir.models.registry import ModelSettings

from .core import read_ledger
from .home import Home
from .sources.tables import sha256_of
from .store import stamp


@dataclass(frozen=True, slots=True)
class Bench:
    """An opened territory: ``sha256`` of each contest, the ledger under ``blocs``, the models' settings."""

    home: Home
    config: TerritoryConfig
    overlay: Path | None
    blocs: BlocMap
    core: Path
    ledger: Ledger
    sha256: dict[str, str]
    settings: ModelSettings

    @property
    def key(self) -> str:
        """The territory's key."""
        return self.config.key

    @property
    def grouping(self) -> str:
        """The grouping with its version and what it says: part of the identity of all that is made."""
        return f"{self.blocs.grouping}@{self.blocs.version}:{stamp(config_digest(self.blocs))}"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: the target, the day from which one looks, the scenario and the grouping."""

    target: Contest
    as_of: AsOf
    scenario: ScenarioSpec | None
    grouping: str

    @property
    def cut(self) -> AsOf:
        """The day before which all must have been public: the asked one, and the target's at the latest."""
        return AsOf(min(self.as_of.day, self.target.held_on))


def open_bench(home: Home, config: TerritoryConfig, grouping: str | None, overlay: Path | None) -> Bench:
    """Read the ledger; MissingInputError before the first ingest."""
    core, blocs, models = home.current_core(config.key), config.grouping(grouping), load_models(overlay)
    return Bench(
        home=home,
        config=config,
        overlay=overlay,
        blocs=blocs,
        core=core,
        ledger=read_ledger(core, config.calendar, blocs),
        sha256={path.stem: sha256_of(path) for path in sorted(core.glob("*.parquet"))},
        settings=ModelSettings(_boosting(models.turnout), _boosting(models.swing)),
    )


def _boosting(config: ModelConfig) -> Boosting:
    said = config.lightgbm
    params = {k: v for k, v in said.params().items() if k != "n_estimators"}
    return Boosting(
        config.features,
        config.context,
        params,
        said.n_estimators,
        config.rows_per_contest,
        config.shrink_grid,
    )


def offer_of(bench: Bench, request: Request) -> OfferSpec | None:
    """The offer file that the scenario names, if it names one."""
    spec = request.scenario
    if spec is None or spec.offer_file is None:
        return None
    return load_offer(bench.config, spec.offer_file, request.target.key, request.grouping)


def check_request(config: TerritoryConfig, request: Request) -> None:
    """UsageError where the scenario is of another target or grouping."""
    spec = request.scenario
    if spec is None:
        return
    for what, said, asked in (
        ("target", spec.target, request.target.key),
        ("grouping", spec.grouping, request.grouping),
    ):
        if said != asked:
            raise UsageError(f"scenario {spec.name} is for {what} {said}, and {asked} is asked for")
