"""The commands that take the way from published results to a release, each step by itself or all of them."""

from __future__ import annotations

import json
from contextlib import nullcontext, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Annotated

import typer

from .cli_experiments import DEFAULT, ExperimentOption, try_out
from .cli_options import (
    DEFAULT_HOME,
    Asked,
    AsOfOption,
    ConfigsOption,
    GroupingOption,
    HomeOption,
    JsonOption,
    Manner,
    QuietOption,
    ScenarioOption,
    TargetOption,
    Territory,
    bench_of,
    opened,
)
from .cli_sources import ingest


def build(
    territory: Territory,
    target: TargetOption,
    as_of: AsOfOption = None,
    home: HomeOption = DEFAULT_HOME,
    configs: ConfigsOption = None,
    grouping: GroupingOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Build the features of every station, for the target and for each contest to learn from."""
    from isoloir.pipelines.matrices import MATRIX, folder_of, is_built

    manner = Manner(quiet, as_json)
    bench, plan = Asked(territory, target, None, as_of, home, configs, grouping).plan(manner)
    missing = [p for p in (*plan.lessons, plan.target) if not is_built(bench, p)]
    if missing:
        from isoloir.pipelines.flows.build import build_flow

        with manner.progress(len(missing)) as say:
            build_flow(bench, plan, say)
    path = folder_of(bench, plan.target) / MATRIX
    manner.tell({"matrices": len(plan.lessons) + 1, "target's": str(path), "again": not missing})


def backtest(
    territory: Territory,
    targets: Annotated[
        str, typer.Option(help="Contests, separated by commas; none: all that had a past.")
    ] = "",
    home: HomeOption = DEFAULT_HOME,
    configs: ConfigsOption = None,
    grouping: GroupingOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Forecast past contests from what was known before them; our error beside that of every naive rule."""
    from isoloir.pipelines.backtest import backtested_before
    from isoloir.pipelines.card import shown

    manner = Manner(quiet, as_json)
    _, config = opened(territory, home, configs)
    wanted = [config.calendar[key.strip()].key for key in targets.split(",") if key.strip()]
    bench = bench_of(territory, home, configs, grouping, manner)
    done = backtested_before(bench, wanted)
    again = done is not None
    if done is None:
        from isoloir.pipelines.flows.backtest import backtest_flow

        with manner.progress(2 * len(bench.ledger.records) + len(wanted)) as say:
            done = backtest_flow(bench, wanted, say)
    if not as_json:
        print(shown(done.scorecard))
        for key, champion in done.champions.items():
            shares = "" if config.turnout_only else f", {champion.shares} (shares)"
            print(f"champion of {key}: {champion.turnout} (turnout){shares}")
    said: dict[str, object] = {"scorecard": str(done.scorecard_path)}
    manner.tell(said | {"predictions": str(done.predictions_path), "again": again})


def train(
    territory: Territory,
    target: TargetOption,
    experiment: ExperimentOption = None,
    as_of: AsOfOption = None,
    home: HomeOption = DEFAULT_HOME,
    configs: ConfigsOption = None,
    grouping: GroupingOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Judge every model at earlier contests, fit the champion and register it in MLflow.

    Under an experiment other than default it is logged there and not registered: score and publish go on with
    what was. See: isoloir experiments
    """
    from isoloir.pipelines.flows.train import train_flow
    from isoloir.pipelines.train import champion_of, trained_before

    manner = Manner(quiet, as_json)
    asked = Asked(territory, target, None, as_of, home, configs, grouping)
    if experiment not in (None, DEFAULT):
        try_out(asked, experiment, manner)
        return
    bench, plan = asked.plan(manner)
    again = trained_before(bench, plan)
    if not again:
        with manner.progress(2 * len(plan.lessons) + 3) as say:
            train_flow(bench, plan, say)
    found = champion_of(bench, plan)
    said: dict[str, object] = {f.name: f"version {f.version}" for f in found}
    manner.tell(said | {"champion": found[0].tags["champion"], "training": plan.digest, "again": again})


def score(
    territory: Territory,
    target: TargetOption,
    scenario: ScenarioOption = None,
    as_of: AsOfOption = None,
    home: HomeOption = DEFAULT_HOME,
    configs: ConfigsOption = None,
    grouping: GroupingOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Forecast every station by the registered champion; kept inside home, not published."""
    from isoloir.pipelines.score import is_scored, scored

    manner = Manner(quiet, as_json)
    bench, plan = Asked(territory, target, scenario, as_of, home, configs, grouping).plan(manner)
    again = is_scored(bench, plan)
    if not again:
        from isoloir.pipelines.flows.score import score_flow

        with manner.progress(2) as say:
            score_flow(bench, plan, say)
    folder = bench.home.planned("forecasts", territory, target, scored(bench, plan).digest)
    manner.tell({"forecast": str(folder), "again": again})


def publish(
    territory: Territory,
    target: TargetOption,
    scenario: ScenarioOption = None,
    as_of: AsOfOption = None,
    home: HomeOption = DEFAULT_HOME,
    configs: ConfigsOption = None,
    grouping: GroupingOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Publish a scored target: small stations merged, checked, put in place at once."""
    from isoloir.pipelines.flows.publish import publish_flow
    from isoloir.pipelines.publish import planned_release, standing_release
    from isoloir.pipelines.score import scored

    manner = Manner(quiet, as_json)
    bench, plan = Asked(territory, target, scenario, as_of, home, configs, grouping).plan(manner)
    kept = scored(bench, plan)
    final = planned_release(bench, plan.target.notice, kept.digest)
    again = standing_release(final)
    if final is None or not again:
        with manner.progress(1) as say:
            final = publish_flow(bench, plan, kept, say)
    manner.tell({"release": str(final), "again": again, **_summary(final)})


def run(
    territory: Territory,
    target: TargetOption,
    scenario: ScenarioOption = None,
    as_of: AsOfOption = None,
    home: HomeOption = DEFAULT_HOME,
    configs: ConfigsOption = None,
    grouping: GroupingOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Forecast a contest, past or coming, and publish a verified release."""
    from isoloir.pipelines.run import done_before

    manner = Manner(quiet, as_json)
    bench, plan = Asked(territory, target, scenario, as_of, home, configs, grouping).plan(manner)
    done = done_before(bench, plan)
    if done is None:
        from isoloir.pipelines.flows.run import run_flow

        with manner.progress(2 * len(plan.lessons) + 5) as say:
            done = run_flow(bench, plan, say)
    manner.tell({"release": str(done.release), "again": done.again, **_summary(done.release)})


def _summary(release: Path) -> dict[str, object]:
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    audit = json.loads((release / "audit.json").read_text(encoding="utf-8"))
    counts = ", ".join(f"{n['stations']} {status}" for status, n in audit["stations"].items())
    scenario = manifest["scenario"]
    return {
        "stations": f"{manifest['stations']} ({counts}), in {audit['published_units']} units",
        "scenario": f"{scenario['name']} ({scenario['level']}): turnout {scenario['turnout']:.1%}",
        "level": manifest["national_level"],
        "roll, offer": f"{manifest['roll_from']}, {manifest['offer_from']}",
        "attacks": f"{sum(one['tried'] for one in audit['attacks'])} tried, none found anything",
        "merging": _merging(audit["merging"][-1]),
        "champion": f"{manifest['champion']['turnout']} (turnout), {manifest['champion']['swing']} (shares)",
    }


def _merging(mean: dict[str, float | None]) -> str:
    """What publishing units instead of stations cost at earlier contests."""
    if None in mean.values():
        return "its cost is not known: no earlier contest was judged"
    pairs = (("turnout error, pp", "turnout_mae_pp"), ("votes misallocated, %", "votes_misallocated"))
    told = [f"{what}: {mean[n]:.2f} at units, {mean[f'station_{n}']:.2f} at stations" for what, n in pairs]
    return "; ".join(told) + " (mean of earlier contests)"


def demo(
    home: HomeOption = DEFAULT_HOME,
    configs: ConfigsOption = None,
    seed: Annotated[int, typer.Option(help="The invented country's seed.")] = 1,
    stations: Annotated[int, typer.Option(min=300, max=2000, help="Its stations.")] = 600,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Go the whole way on an invented country: results, backtest, forecast of a coming vote."""
    import tempfile

    from isoloir.pipelines.demo import write_demo
    from isoloir.pipelines.flows.engine import engine

    with engine(home):
        # As JSON, the one object is the release's: what the steps before it say is dropped.
        with redirect_stdout(StringIO()) if as_json else nullcontext():
            with tempfile.TemporaryDirectory() as folder:
                write_demo(Path(folder), seed=seed, n_stations=stations)
                ingest("demo", [Path(folder)], home, configs, quiet, as_json)
            targets = "2024_euro_t1,2022_pres_t1,2022_pres_t2"
            backtest("demo", targets, home, configs, quiet=quiet, as_json=as_json)
            print()
        run("demo", "2027_pres_t1", "example", home=home, configs=configs, quiet=quiet, as_json=as_json)
    if not as_json:
        _first_lines(home / "releases" / "demo" / "2027_pres_t1" / "current" / "scores.parquet")


def _first_lines(path: Path) -> None:
    import pandas as pd

    table = pd.read_parquet(path)
    shown = ["unit_id", "registered", "turnout_pred", "turnout_lo90", "turnout_hi90"]
    shown += [name for name in table.columns if name.startswith("swing_") and name.endswith("_pp")][:1]
    print(f"\n{path}: {len(table)} rows, {len(table.columns)} columns")
    print(table[shown].head(5).round(3).to_string(index=False))
