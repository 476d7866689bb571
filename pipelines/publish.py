"""Publish a scored target: partition into units, tables, manifest; verified, then put in place."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from isoloir.configs.load import config_digest, load_release
from isoloir.domain.bloc import unspoken
from isoloir.domain.forecast import Scenario
from isoloir.domain.ledger import Notice
from isoloir.domain.lineage import steps
from isoloir.domain.units import WITHHELD, Units, told
from isoloir.models.level import turnout_band
from isoloir.models.saved import Mark

from .attack.public import Ingested
from .bench import Bench, Request
from .context import GEO
from .home import read_json
from .parts import SAID as PART
from .pieces import Terms, terms_of
from .progress import Say
from .protect import protected
from .release.scores import Published
from .release.succession import reach
from .release.training import training_set
from .release.verify import verify
from .release.writer import Draft, point, write_release
from .score import Scored
from .store import code_digest, stamp
from .train import Plan, commit
from .units import digest_of, fixed_units, known_units, places, policy_of, units_of


def release_id(bench: Bench, score_digest: str, units: str) -> str:
    """The id of a release: 12 hex of the digest of forecast, units, policy, licence and writing code."""
    config, used = bench.config, _terms(bench)
    policy = config_digest(load_release(bench.overlay))
    code = code_digest("pipelines.publish")
    return stamp(code, score_digest, units, policy, config.not_scored, used)[:12]


def planned_release(bench: Bench, notice: Notice, score_digest: str) -> Path | None:
    """Where the release lies, or will; None before the target's first release has fixed its units."""
    units = known_units(bench, notice)
    if units is None:
        return None
    name = release_id(bench, score_digest, digest_of(units, notice.stations))
    return bench.home.planned("releases", bench.key, notice.contest.key, name)


def standing_release(final: Path | None) -> bool:
    """Whether the release is there, verified again, and made the current one."""
    if final is None or not (final / "manifest.json").is_file():
        return False
    verify(final)
    point(final)
    return True


def publish(bench: Bench, plan: Plan, scored: Scored, say: Say) -> Path:
    """Write the release, or find it; its path. Nothing is in place before all of it was verified."""
    notice, policy = scored.matrix.notice, policy_of(bench)
    fixed = fixed_units(bench, scored.matrix)
    name = release_id(bench, scored.digest, digest_of(fixed, notice.stations))
    final = bench.home.planned("releases", bench.key, notice.contest.key, name)
    if standing_release(final):
        return final
    place = places(bench.core, notice.stations)
    units, forecast = protected(scored.forecast, notice, scored.scenario, fixed, policy, place)
    followed = steps(plan.target.past, plan.target.notice)
    published = Published(
        scored.matrix,
        forecast,
        scored.scenario,
        scored.turnout.learnt,
        told(units, fixed),
        f"{bench.blocs.grouping}@{bench.blocs.version}",
        scored.model_version,
        followed,
        why=units.reason,
    )
    manifest = _manifest(bench, plan, scored, units) | {
        "release_id": final.name,
        "schema_version": load_release(bench.overlay).schema_version,
        "policy": asdict(policy),
        "units_digest": digest_of(fixed, notice.stations),
        "succession": reach(followed).astype(object).where(lambda t: t.notna(), None).to_dict("records"),
    }
    training = training_set(bench, plan, scored, units, lambda m: units_of(bench, m), say)
    draft = Draft(published, training, manifest | {"training": training.said()}, model_card(plan, scored))
    say("writing and attacking the release")
    return write_release(draft, Ingested(bench.core), final)


def inputs_of(bench: Bench) -> list[dict[str, object]]:
    """Every file that was read: name, sha256, size, terms, address if it was fetched, day of reading.

    Where it lay on this machine is nobody's business.
    """
    said = read_json(bench.core / "ingest.json")
    days: dict[str, str] = {}
    for name in said["parts"].values():
        part = bench.home.planned("parts", bench.key, name) / PART
        if part.is_file():  # it may have been cleared away since
            read = read_json(part)
            days |= {one["sha256"]: read["read_on"] for one in read["inputs"]}
    return [
        {k: one[k] for k in ("file", "sha256", "bytes", "licence", "attribution")}
        | {"url": one["path"] if one["path"].startswith(("https://", "http://")) else None}
        | {"read_on": days.get(one["sha256"])}
        for one in said["inputs"]
    ]


def _terms(bench: Bench) -> list[Terms]:
    """The terms of every source in core/ that a forecast may rest on: outlines of stations are none."""
    parts = read_json(bench.core / "ingest.json")["parts"]
    folders = {role: bench.home.planned("parts", bench.key, name) for role, name in parts.items()}
    return [terms_of(bench.config, r) for r, folder in folders.items() if not any(folder.glob(f"*{GEO}"))]


def _manifest(bench: Bench, plan: Plan, scored: Scored, units: Units) -> dict[str, object]:
    notice, scenario = scored.matrix.notice, scored.scenario
    terms = _terms(bench)
    return {
        "territory": bench.key,
        "target": notice.contest.key,
        "held_on": notice.contest.held_on.isoformat(),
        "as_of": plan.request.as_of.day.isoformat(),
        "grouping": f"{bench.blocs.grouping}@{bench.blocs.version}",
        "licence": "; ".join(dict.fromkeys(t.licence for t in terms)),
        "attribution": "; ".join(dict.fromkeys(t.attribution for t in terms)),
        "scenario": asdict(scenario)
        | {"shares": dict(zip(notice.blocs, scenario.shares.tolist(), strict=True))},
        "national_level": national_level(scenario),
        "carried": carried_inputs(plan.request, notice),
        "roll_from": notice.roll_from,
        "offer_from": notice.offer_from,
        "constituencies": dict(plan.target.constituencies),
        "assumptions": sorted({one.assumption for one in bench.heirs}),
        "reference_contest": scored.matrix.reference.contest,
        "roll_registered": int(notice.registered.sum()),
        "withheld_registered": int(notice.registered[units.status == WITHHELD].sum()),
        "stations": len(notice.stations),
        "champion": {"turnout": scored.turnout.model.name, "swing": scored.swing.model.name},
        "mlflow": scored.registered,
        "learned_from": scored.turnout.contests,
        "calibrated_on": scored.turnout.learnt.contests,
        "measured": {m.quantity: [asdict(mark) for mark in m.record] for m in (scored.turnout, scored.swing)},
        "past": scored.matrix.past,
        "no_bloc_in": unspoken(bench.blocs, plan.target.past.contests),
        "trained_as_of": scored.trained_as_of.isoformat(),
        "first_rounds_hidden": plan.hidden.first_rounds,
        "config_digest": config_digest(bench.config),
        "inputs": inputs_of(bench),
        "git_commit": commit(),
    }


def carried_inputs(request: Request, notice: Notice) -> list[str]:
    """What nobody stated for this target and an earlier contest, or nothing, stands in for."""
    spec = request.scenario
    told = {
        "roll": notice.roll_from == notice.contest.key,
        "offer": not notice.offer_from.startswith("unknown"),
        "turnout": spec is not None and spec.turnout is not None,
        "shares": spec is not None and bool(spec.shares),
        "blank and null votes": spec is not None and spec.blank_null_rate is not None,
    }
    return [name for name, stated in told.items() if not stated]


def national_level(scenario: Scenario) -> str:
    """How sure the national turnout is, for a person: its 90 % band and what it rests on."""
    unknown = "not estimable: state a scenario (--scenario FILE)"
    if not scenario.estimable and scenario.turnout_sd == 0 and scenario.changes is not None:
        return f"level {unknown}"
    told = f"national turnout {scenario.turnout:.1%}"
    shares = "" if scenario.estimable else f"; level of shares {unknown}"
    if scenario.turnout_sd == 0:
        return f"{told}, stated without uncertainty{shares}"
    low, high = turnout_band(scenario)
    whence = "as stated"
    if scenario.changes is not None:
        whence = f"learnt from {scenario.changes} earlier level changes"
    return f"{told}, 90 % band {low:.1%} to {high:.1%}, {whence}{shares}"


def model_card(plan: Plan, scored: Scored) -> str:
    """A page on what forecast this, how well it did before, and what it must not be used for."""
    notice, scenario, turnout, swing = scored.matrix.notice, scored.scenario, scored.turnout, scored.swing
    lines = [
        f"# {notice.contest.key}: model card",
        "",
        f"Turnout by `{turnout.model.name}`, shares by `{swing.model.name}`, chosen by least mean regret at "
        f"{len(turnout.record)} earlier contest(s).",
        f"National figures: {scenario.name} ({scenario.level}), source: {scenario.source}.",
        f"Level: {national_level(scenario)}.",
        f"Roll: {notice.roll_from}. Offer: {notice.offer_from}. Swing is counted from "
        f"{scored.matrix.reference.contest}.",
        "Intervals hold the errors of stations, and the doubt that the scenario states of its own figures; "
        "they are calibrated on the champion's errors at "
        f"{len(turnout.learnt.contests)} earlier contest(s).",
    ]
    if plan.hidden.first_rounds:
        lines.append(
            "The first round is not known yet: second rounds were learnt from with their first hidden, but "
            "for who stood, which is taken for known here too."
        )
    if plan.request.cut.day < notice.contest.held_on:
        lines.append(
            f"Looked at from {plan.request.cut.day}: the errors below are of forecasts made on the eve of "
            "their contest, with its own roll, and may be smaller than those of one made earlier."
        )
    for title, record in (("turnout error, pp", turnout.record), ("votes misallocated, %", swing.record)):
        lines += [
            "",
            f"| earlier target | {title} | least of any candidate | 90 % interval held |",
            "|---|---|---|---|",
        ]
        lines += [_row(mark) for mark in record]
    lines += [
        "",
        "Each earlier target was forecast from what was public before it, by the champion of then, the "
        "national figures given. Turnout errors are mean absolute ones weighted by registered electors; "
        "votes misallocated are half the sum of the blocs' absolute errors, weighted by valid votes.",
        "",
        "Not for: messages or advertisements to persons, or linking to a list of persons. See the README.",
        "",
    ]
    return "\n".join(lines)


def _row(mark: Mark) -> str:
    covered = "–" if mark.coverage90 is None else f"{mark.coverage90:.0%}"
    return f"| {mark.contest} | {mark.error:.2f} | {mark.least:.2f} | {covered} |"
