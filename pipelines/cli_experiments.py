"""Trying other settings: a training under an experiment, and the leaderboard of what was tried."""

from __future__ import annotations

from typing import Annotated

import typer

from .cli_options import (
    DEFAULT_HOME,
    Asked,
    ConfigsOption,
    HomeOption,
    JsonOption,
    Manner,
    QuietOption,
    Territory,
    opened,
)

DEFAULT = "default"
"""The experiment that is no experiment; named here, as the configs take a while to import."""

ExperimentOption = Annotated[
    str | None,
    typer.Option(help="Train under this experiment's settings; logged in MLflow, never registered."),
]


def try_out(asked: Asked, name: str, manner: Manner) -> None:
    """Train under the experiment ``name``, unless that was done, and say what came out."""
    from isoloir.configs.experiment import load_experiment
    from isoloir.pipelines.experiments import under
    from isoloir.pipelines.tracking_runs import logged_before

    experiment = load_experiment(name, asked.configs)
    bench, plan = under(*asked.plan(manner), experiment)
    found = logged_before(asked.home, asked.territory, plan.digest)
    again = found is not None
    if found is None:
        from isoloir.pipelines.flows.experiment import experiment_flow

        trials = 2 * experiment.search.trials if experiment.search else 0
        with manner.progress(2 * len(plan.lessons) + 3 + trials) as say:
            experiment_flow(bench, plan, experiment, say)
        found = logged_before(asked.home, asked.territory, plan.digest)
    assert found is not None
    tags = found.tags
    manner.tell(
        {
            "experiment": f"{name} ({tags['experiment_digest']})",
            "champion": tags["champion"],
            "regret": f"{_percent(tags['mean_regret.turnout'])} (turnout), "
            f"{_percent(tags['mean_regret.swing'])} (shares), mean at earlier targets",
            "run": found.run_id,
            "training": plan.digest,
            "again": again,
            "registered": "no: an experiment is only logged, score and publish use the models' own settings",
        }
    )


def _percent(said: str) -> str:
    return f"{float(said):.1%}"


def experiments(
    territory: Territory,
    target: Annotated[str | None, typer.Option(help="Only of this target; default: of all.")] = None,
    home: HomeOption = DEFAULT_HOME,
    configs: ConfigsOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what was trained, one line per target and experiment, the least regret at earlier targets first.

    Errors are means over earlier targets, each forecast from what was known before it, national level given.

    Example: isoloir train fr --target 2022_pres_t1 --experiment larger-trees, then: isoloir experiments fr
    """
    manner = Manner(quiet, as_json)
    _, config = opened(territory, home, configs)
    wanted = config.calendar[target].key if target else None

    from isoloir.configs.experiment import experiment_names
    from isoloir.pipelines.leaderboard import check_any, leaderboard, shown
    from isoloir.pipelines.tracking_runs import runs_of

    table = leaderboard(runs_of(home, territory), wanted)
    check_any(table, territory, wanted)
    if as_json:
        print(table.to_json(orient="records", double_precision=6))
        return
    print(shown(table))
    left = [name for name in experiment_names(configs) if name not in set(table["experiment"])]
    if left:
        manner.note(f"not tried: {', '.join(left)}")
