"""The command that tells what a forecast rests on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

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
)

if TYPE_CHECKING:
    import pandas as pd


def explain(
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
    """Tell what a trained target's forecast rests on: what matters over contests, what moves it, and how far.

    Effects of places on a model, not of persons (ecological fallacy). The champion is explained, and the
    boosted trees beside it where it is none. What drives each station's forecast is kept inside home.

    Example: isoloir explain fr --target 2027_pres_t1
    """
    from isoloir.models.explain import WARNING
    from isoloir.pipelines.explain import DRIVERS, explained, shown

    manner = Manner(quiet, as_json)
    bench, plan = Asked(territory, target, scenario, as_of, home, configs, grouping).plan(manner)
    done = explained(bench, plan)
    again = done is not None
    if done is None:
        from isoloir.pipelines.explain import explain as explained_anew
        from isoloir.pipelines.flows.recorded import as_task, of_target

        with manner.progress(2 * len(plan.lessons) + 10) as say:
            done = of_target(
                bench, plan, "explain", lambda: as_task("explain", lambda: explained_anew(bench, plan, say))
            )
    said: dict[str, object] = {"warning": WARNING}
    if as_json:
        said |= {"importance": _rows(done.importance), "partial_effects": _rows(done.partial_effects)}
    else:
        print(shown(done) + "\n")
        said.clear()
    manner.tell(said | {"tables": str(done.folder), "drivers": str(done.drivers / DRIVERS), "again": again})


def _rows(table: pd.DataFrame) -> object:
    """The rows of a table as JSON has them: what is missing is null."""
    return json.loads(table.to_json(orient="records"))
