"""The whole way for one target: past folds, champion, forecast, release."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from isoloir.configs.load import TerritoryConfig, config_digest, load_offer, load_release
from isoloir.domain.election import AsOf, Contest
from isoloir.domain.errors import MissingInputError, UsageError
from isoloir.domain.forecast import Scenario
from isoloir.domain.ledger import Ledger
from isoloir.domain.privacy import Floors, partition
from isoloir.domain.scenario import OfferSpec, ScenarioSpec
from isoloir.models.backtest import (
    Champion,
    Fold,
    Question,
    choose,
    crown,
    level_carried,
    past_errors,
)

from .core import read_ledger
from .folds import Hidden, earlier_folds, hiding, notice_of, question_of
from .home import Home
from .release.scores import Scored
from .release.verify import verify
from .release.writer import point, publish

LAYERS = ("domain", "features", "models", "pipelines")


@dataclass(frozen=True, slots=True)
class Request:
    """What a run is asked for: the target, the day from which one looks, the scenario and the grouping."""

    target: Contest
    as_of: AsOf
    scenario: ScenarioSpec | None
    grouping: str


@dataclass(frozen=True, slots=True)
class Ran:
    """The release, and whether it was there before."""

    release: Path
    again: bool


def run(
    home: Home, config: TerritoryConfig, request: Request, overlay: Path | None, say: Callable[[str], None]
) -> Ran:
    """Forecast the target and publish the release; nothing is done again if it is there and verifies."""
    core = home.current_core(config.key)
    release_id = release_digest(core, config, request, overlay)
    final = home.folder("releases", config.key, request.target.key) / release_id
    if (final / "manifest.json").is_file():
        verify(final)
        point(final)
        return Ran(final, True)
    blocs = config.grouping(request.grouping)
    ledger = read_ledger(core, config.calendar, blocs)
    scored, manifest, card = _scored(config, ledger, request, overlay, say)
    say("writing the release")
    inputs = json.loads((core / "ingest.json").read_text(encoding="utf-8"))["inputs"]
    manifest |= {"release_id": release_id, "inputs": inputs, "git_commit": _commit()}
    return Ran(publish(scored, manifest, card, final), False)


def release_digest(core: Path, config: TerritoryConfig, request: Request, overlay: Path | None) -> str:
    """The release's id: 12 hex of the digest of inputs, configuration, request and code."""
    said = hashlib.sha256(f"{core.name} {request.target} {request.as_of} {request.grouping}".encode())
    said.update(config_digest(config, load_release(overlay)).encode())
    if request.scenario is not None:
        said.update(repr(request.scenario).encode())
        offer = _offer(config, request)
        said.update(repr(offer).encode())
    root = Path(__file__).parent.parent
    for layer in LAYERS:
        for module in sorted((root / layer).rglob("*.py")):
            said.update(module.read_bytes())
    return said.hexdigest()[:12]


def _offer(config: TerritoryConfig, request: Request) -> OfferSpec | None:
    spec = request.scenario
    if spec is None or spec.offer_file is None:
        return None
    return load_offer(config, spec.offer_file, request.target.key, request.grouping)


def _scored(
    config: TerritoryConfig,
    ledger: Ledger,
    request: Request,
    overlay: Path | None,
    say: Callable[[str], None],
) -> tuple[Scored, dict[str, object], str]:
    calendar, target = config.calendar, request.target
    hidden = hiding(calendar, target, request.as_of, ledger)
    blocs = config.grouping(request.grouping)
    notice = notice_of(ledger, target, request.as_of, blocs, _offer(config, request))
    question = question_of(ledger, calendar, notice, request.as_of, hidden)
    if question is None:
        raise MissingInputError(f"nothing was public before {target.key}", remedy="ingest earlier contests")
    cut = AsOf(min(request.as_of.day, target.held_on))
    folds = earlier_folds(ledger, calendar, cut, hidden, say)
    champion = choose(folds, target.round)
    say(f"champion: {champion.turnout} for turnout, {champion.shares} for shares")
    scenario = scenario_of(request, question)
    forecast = crown(champion, question, scenario)
    release = load_release(overlay)
    floors = Floors(release.min_registered, release.min_valid)
    no_place = np.isin(notice.stations.station_id, np.array(config.not_scored, dtype=np.str_))
    units = partition(notice.stations, notice.registered, forecast.expected_valid, no_place, floors)
    version = f"{champion.turnout}+{champion.shares}"
    grouping = f"{blocs.grouping}@{blocs.version}"
    scored = Scored(
        notice, question.panel, question.situation.reference, forecast, scenario,
        past_errors(folds), units, grouping, version,
    )  # fmt: skip
    manifest = _manifest(config, scored, folds, champion, hidden, request)
    manifest |= {"schema_version": release.schema_version}
    manifest |= {"policy": {"version": release.policy_version, **asdict(floors)}}
    return scored, manifest, model_card(scored, folds, champion, hidden)


def scenario_of(request: Request, question: Question) -> Scenario:
    """The stated scenario; else the reference's figures, carried: never those of a contest already held."""
    spec = request.scenario
    carried = level_carried(question)
    if spec is None:
        return carried
    shares = np.array([spec.share_of(b) for b in question.notice.blocs])
    rate = carried.valid_rate if spec.blank_null_rate is None else 1 - spec.blank_null_rate
    return Scenario(
        spec.name,
        "given",
        spec.source,
        carried.turnout if spec.turnout is None else spec.turnout,
        shares if spec.shares else carried.shares,
        rate,
    )


def _manifest(
    config: TerritoryConfig,
    s: Scored,
    folds: list[Fold],
    champion: Champion,
    hidden: Hidden,
    request: Request,
) -> dict[str, object]:
    notice = s.notice
    withheld = s.units.status == "withheld"
    return {
        "territory": config.key,
        "target": notice.contest.key,
        "held_on": notice.contest.held_on.isoformat(),
        "as_of": request.as_of.day.isoformat(),
        "grouping": s.grouping,
        "licence": config.source.licence,
        "attribution": config.source.attribution,
        "scenario": {
            "name": s.scenario.name,
            "level": s.scenario.level,
            "source": s.scenario.source,
            "turnout": s.scenario.turnout,
            "shares": dict(zip(notice.blocs, s.scenario.shares.tolist(), strict=True)),
        },
        "roll_from": notice.roll_from,
        "offer_from": notice.offer_from,
        "roll_registered": int(notice.registered.sum()),
        "withheld_registered": int(notice.registered[withheld].sum()),
        "stations": len(notice.stations),
        "champion": asdict(champion),
        "calibrated_on": [e.contest for e in s.errors],
        "past": [c.key for c in s.panel.contests],
        "first_rounds_hidden": hidden.first_rounds,
        "config_digest": config_digest(config),
    }


def model_card(s: Scored, folds: list[Fold], champion: Champion, hidden: Hidden) -> str:
    """A page on what forecast this, how well it did before, and what it must not be used for."""
    lines = [
        f"# {s.notice.contest.key}: model card",
        "",
        f"Turnout by `{champion.turnout}`, shares by `{champion.shares}`, chosen by least mean regret at: "
        f"{', '.join(champion.judged_at) or 'no earlier target'}.",
        f"National figures: {s.scenario.name} ({s.scenario.level}), source: {s.scenario.source}.",
        f"Roll: {s.notice.roll_from}. Offer: {s.notice.offer_from}.",
        f"Intervals are local: they hold the national figures for given, and are calibrated on "
        f"{len(s.errors)} earlier contest(s).",
    ]
    if hidden.first_rounds:
        lines.append(
            "The first round is not known yet: second rounds were learnt from with their first hidden."
        )
    lines += ["", "| earlier target | turnout error, pp | best naive or pooled rule |", "|---|---|---|"]
    for fold in folds:
        best = min(fold.turnout_error.values())
        error = fold.turnout_error[champion.turnout]
        lines.append(f"| {fold.outcomes.contest.key} | {error:.2f} | {best:.2f} |")
    lines += [
        "",
        "Errors are mean absolute ones over stations weighted by registered electors, "
        "the national turnout given.",
        "",
        "Not for: messages or advertisements to persons, or linking to a list of persons. See the README.",
        "",
    ]
    return "\n".join(lines)


def _commit() -> str | None:
    """The commit of the code, where it runs from a checkout."""
    here = Path(__file__).parent
    said = subprocess.run(
        ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return said.stdout.strip() or None


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
