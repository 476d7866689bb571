"""The commands that look back: the worth of sources, how far stations are followed, transfers of votes."""

from __future__ import annotations

import json
from typing import Annotated

import typer

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
    TargetOption,
    Territory,
    bench_of,
    opened,
)


def ablate(
    territory: Territory,
    targets: Annotated[str, typer.Option(help="Past contests, separated by commas.")],
    home: HomeOption = DEFAULT_HOME,
    configs: ConfigsOption = None,
    grouping: GroupingOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Forecast past contests with all sources and with each left out: what is each of them worth?

    Left out in turn: succession (stations followed through renumberings), communes (history known by commune
    only), census, offer (who stands where). The champion is chosen anew each time, by earlier contests alone.

    Example: isoloir ablate fr --targets 2019_euro_t1,2022_pres_t1
    """
    from isoloir.pipelines.ablation import shown
    from isoloir.pipelines.bench import SOURCES
    from isoloir.pipelines.flows.ablation import ablation_flow

    manner = Manner(quiet, as_json)
    _, config = opened(territory, home, configs)
    wanted = [config.calendar[key.strip()].key for key in targets.split(",") if key.strip()]
    bench = bench_of(territory, home, configs, grouping, manner)
    with manner.progress((len(SOURCES) + 1) * (2 * len(bench.ledger.records) + 1)) as say:
        done = ablation_flow(bench, wanted, say)
    if as_json:
        print(done.errors.to_json(orient="records"))
    else:
        print(shown(done))


def succession(
    territory: Territory,
    target: TargetOption,
    as_of: AsOfOption = None,
    home: HomeOption = DEFAULT_HOME,
    configs: ConfigsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how far the stations of a target can be followed back: registered electors by method and step.

    exact: code and registered agree; aligned: another code, by the order in the commune; split, merged;
    whole: all of a commune with one station; doubtful: the code is found again with other electors; commune:
    no partner is known, the commune's past stands in; none: no past.
    A release holds every pair in succession.parquet.
    """
    from isoloir.domain.lineage import steps
    from isoloir.pipelines.release.succession import reach

    manner = Manner(as_json=as_json)
    with manner.progress(1) as say:
        say("following stations from roll to roll")
        _, plan = Asked(territory, target, None, as_of, home, configs, None).plan(manner)
        table = reach(steps(plan.target.past, plan.target.notice))
    if as_json:
        print(json.dumps(table.astype(object).where(table.notna(), None).to_dict("records")))
        return
    table["step"] = table["from_contest"] + " → " + table["to_contest"]
    order = list(dict.fromkeys(table["step"]))
    wide = table.pivot(index="step", columns="method", values="registered_share").fillna(0.0).loc[order]
    print("share of registered electors by method, %")
    print((wide * 100).round(2).to_string())


def transfers(
    territory: Territory,
    first: Annotated[str, typer.Option(help="The first round, such as 2022_pres_t1.")],
    second: Annotated[str, typer.Option(help="The second round of the same election.")],
    home: HomeOption = DEFAULT_HOME,
    configs: ConfigsOption = None,
    grouping: GroupingOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Estimate where the votes of a first round went at the second: by constituency and above, never below.

    Ecological inference from tables of areas, not from what any person did: an order of magnitude, with an
    interval and the bounds that are sure. Written to home's transfers/<territory>/<second>/transfers.parquet.

    Example: isoloir transfers fr --first 2022_pres_t1 --second 2022_pres_t2
    """
    from isoloir.pipelines.transfers import make_transfers, shown

    manner = Manner(quiet, as_json)
    _, config = opened(territory, home, configs)
    rounds = config.calendar[first.strip()], config.calendar[second.strip()]
    bench = bench_of(territory, home, configs, grouping, manner)
    with manner.progress(1) as say:
        made = make_transfers(bench, *rounds, say)
    if as_json:
        print(made.rows[made.rows["area_level"] == "nation"].to_json(orient="records"))
        return
    print(shown(made))
    print(f"\ntransfers: {made.path}")
