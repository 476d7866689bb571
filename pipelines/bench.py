"""What a command works on: home, the territory's configuration, the ledger of what was ingested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from threadpoolctl import threadpool_limits

from isoloir.configs.load import TerritoryConfig, config_digest, load_models, load_offer
from isoloir.configs.national import load_national
from isoloir.configs.settings import ModelConfig
from isoloir.domain.bloc import BlocMap
from isoloir.domain.election import AsOf, Contest
from isoloir.domain.errors import UsageError
from isoloir.domain.ledger import Ledger
from isoloir.domain.national import NationalSeries
from isoloir.domain.scenario import Inheritance, OfferSpec, ScenarioSpec
from isoloir.models.boosting import Boosting
from isoloir.models.registry import ModelSettings

from .core import INGESTED, read_ledger
from .home import Home, read_json
from .sources.gate.texts import refuse_text
from .sources.tables import sha256_of
from .store import stamp


@dataclass(frozen=True, slots=True)
class Bench:
    """An opened territory: the ledger under ``blocs``, published national figures, the models' settings.

    ``sha256`` of each table in core/. ``derived``: confidence in the constituencies of contests whose rows
    state none. ``heirs``: who inherits earlier labels, by the target's offer file. ``without``: what is left
    out to see what it is worth.
    """

    home: Home
    config: TerritoryConfig
    overlay: Path | None
    blocs: BlocMap
    core: Path
    ledger: Ledger
    national: NationalSeries
    sha256: dict[str, str]
    settings: ModelSettings
    derived: dict[str, float]
    heirs: tuple[Inheritance, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The territory's key."""
        return self.config.key

    @property
    def grouping(self) -> str:
        """The grouping with its version and what it says: part of the identity of all that is made."""
        said = stamp(config_digest(self.blocs), self.heirs, self.without)
        return f"{self.blocs.grouping}@{self.blocs.version}:{said}"

    @property
    def label(self) -> str:
        """The grouping, and what is left out, as folders are called by it."""
        return "-without-".join((self.blocs.grouping, *self.without))


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
    """Read the ledger; MissingInputError before the first ingest.

    From here on the process multiplies matrices on one thread: BLAS rounds otherwise on two than on one, and
    the same inputs are to give the same bytes everywhere.
    """
    threadpool_limits(1, user_api="blas")
    core, blocs, models = home.current_core(config.key), config.grouping(grouping), load_models(overlay)
    return Bench(
        home=home,
        config=config,
        overlay=overlay,
        blocs=blocs,
        core=core,
        ledger=read_ledger(core, config.calendar, blocs),
        national=NationalSeries(load_national(config)),
        sha256=_digests(core),
        settings=ModelSettings(boosting_of(models.turnout), boosting_of(models.swing)),
        derived={k: v or 0.0 for k, v in read_json(core / INGESTED).get("derived", {}).items()},
    )


SOURCES = ("succession", "communes", "census", "offer")
"""What :func:`left_without` may leave out."""


def left_without(bench: Bench, names: Sequence[str]) -> Bench:
    """The bench as if there were no succession, history by commune, census or offer; UsageError else."""
    wrong = [n for n in names if n not in SOURCES]
    if wrong:
        raise UsageError(f"{wrong[0]!r} can't be left out", remedy=f"one of: {', '.join(SOURCES)}")
    ledger = bench.ledger
    if "succession" in names:
        ledger = replace(ledger, follow=False)
    if "communes" in names:
        ledger = replace(ledger, communes=())
    if "census" in names:
        ledger = replace(ledger, context=replace(ledger.context, facts=()))
    if "offer" in names:
        ledger = replace(ledger, offers=False)
    return replace(bench, ledger=ledger, without=tuple(n for n in SOURCES if n in names))


def with_heirs(bench: Bench, offer: OfferSpec | None) -> Bench:
    """The bench with earlier labels given to the blocs that inherit them, as the offer file states."""
    if offer is None or not offer.inheritances:
        return bench
    heirs = offer.inheritances
    ledger = read_ledger(bench.core, bench.config.calendar, bench.blocs, heirs)
    return replace(bench, ledger=ledger, heirs=heirs)


def _digests(core: Path) -> dict[str, str]:
    """The sha256 of every table, by the contest's key or by folder and name."""
    paths = sorted([*core.glob("*.parquet"), *core.glob("*/*.parquet")])
    return {str(p.relative_to(core).with_suffix("")): sha256_of(p) for p in paths}


def boosting_of(config: ModelConfig) -> Boosting:
    """The settings of boosted trees that a configuration states."""
    said = config.lightgbm
    params = {k: v for k, v in said.params().items() if k != "n_estimators"}
    return Boosting(
        config.features,
        config.context,
        params,
        said.n_estimators,
        config.rows_per_contest,
        config.shrink_grid,
        config.census,
    )


def offer_of(bench: Bench, request: Request) -> OfferSpec | None:
    """The offer file that the scenario names, if it names one."""
    spec = request.scenario
    if spec is None or spec.offer_file is None:
        return None
    offer = load_offer(bench.config, spec.offer_file, request.target.key, request.grouping)
    check_offer(offer)
    return offer


def check_offer(offer: OfferSpec) -> None:
    """PrivacyError where what an assumption rests on tells of a person by its form."""
    for number, one in enumerate(offer.inheritances):
        refuse_text(one.source, f"offer of {offer.target}, heirs_of.{number}.source")


def check_request(config: TerritoryConfig, request: Request) -> None:
    """UsageError where the territory has no shares, or the scenario is of another target or grouping.

    PrivacyError where its ``source``, which a release repeats, tells of a person by its form.
    """
    if config.turnout_only:
        raise UsageError(
            f"{config.key} has no shares: its past contests can be backtested, and nothing else be done",
            remedy=f"isoloir backtest {config.key} --targets {request.target.key}",
        )
    spec = request.scenario
    if spec is None:
        return
    refuse_text(spec.source, f"scenario {spec.name}, source")
    for what, said, asked in (
        ("target", spec.target, request.target.key),
        ("grouping", spec.grouping, request.grouping),
    ):
        if said != asked:
            raise UsageError(f"scenario {spec.name} is for {what} {said}, and {asked} is asked for")
