"""The options that several commands share, and how commands open what they work on and say what came out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoloir.domain.errors import UsageError

from .progress import Say, progress, silent

if TYPE_CHECKING:
    from isoloir.configs.load import TerritoryConfig
    from isoloir.pipelines.bench import Bench
    from isoloir.pipelines.home import Home
    from isoloir.pipelines.train import Plan

HomeOption = Annotated[Path, typer.Option("--home", envvar="ISOLOIR_HOME", help="Where everything is kept.")]
ConfigsOption = Annotated[
    Path | None,
    typer.Option("--configs", envvar="ISOLOIR_CONFIGS", help="Laid over the shipped configs, file by file."),
]
GroupingOption = Annotated[
    str | None, typer.Option(help="Grouping of labels into blocs; default: the territory's.")
]
TargetOption = Annotated[str, typer.Option(help="The contest to forecast, such as 2027_pres_t1.")]
ScenarioOption = Annotated[
    str | None, typer.Option(help="Name or path of a scenario; none: the level is carried.")
]
AsOfOption = Annotated[
    str | None, typer.Option(help="Look from this day (YYYY-MM-DD); default: the target's.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what came out.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Say what came out as one JSON object.")]
Territory = Annotated[str, typer.Argument(help="Key of a territory, such as fr, dk or demo.")]
DEFAULT_HOME = Path("isoloir-home")


@dataclass(frozen=True, slots=True)
class Manner:
    """How a command speaks: ``quiet`` without progress, ``as_json`` one object on stdout."""

    quiet: bool = False
    as_json: bool = False

    @contextmanager
    def progress(self, steps: int) -> Iterator[Say]:
        """A function that tells on stderr what is under way."""
        if self.quiet or self.as_json:
            yield silent
        else:
            with progress(steps) as say:
                yield say

    def tell(self, said: dict[str, object]) -> None:
        """What came out, on stdout."""
        if self.as_json:
            print(json.dumps(said, ensure_ascii=False))
            return
        for name, value in said.items():
            print(f"{name + ':':13} {value}")

    def note(self, text: str) -> None:
        """A thing to know, on stderr."""
        if not self.quiet and not self.as_json:
            print(text, file=sys.stderr)


def opened(territory: str, home: Path, configs: Path | None) -> tuple[Home, TerritoryConfig]:
    """Home and the territory's configuration."""
    from isoloir.configs.load import load_territory
    from isoloir.pipelines.home import Home

    return Home(home), load_territory(territory, configs)


def bench_of(territory: str, home: Path, configs: Path | None, grouping: str | None, manner: Manner) -> Bench:
    """The opened territory; rounds that the grouping does not speak of are told."""
    from isoloir.domain.bloc import unspoken
    from isoloir.pipelines.bench import open_bench

    kept, config = opened(territory, home, configs)
    bench = open_bench(kept, config, grouping, configs)
    silent_on = unspoken(bench.blocs, (r.contest for r in bench.ledger.records))
    if silent_on and not config.turnout_only:
        manner.note(
            f"grouping {bench.blocs.grouping} does not speak of {len(silent_on)} ingested contest(s), whose "
            f"turnout is used and whose shares are missing: {', '.join(silent_on)}"
        )
    return bench


@dataclass(frozen=True, slots=True)
class Asked:
    """A territory, a target in it, and what to look at it with."""

    territory: str
    target: str
    scenario: str | None
    as_of: str | None
    home: Path
    configs: Path | None
    grouping: str | None

    def plan(self, manner: Manner) -> tuple[Bench, Plan]:
        """The opened territory and the plan of the target; nothing is built yet."""
        from isoloir.configs.load import load_scenario, load_territory
        from isoloir.domain.election import AsOf
        from isoloir.pipelines.bench import Request, check_request, offer_of, with_heirs
        from isoloir.pipelines.train import plan_training

        config = load_territory(self.territory, self.configs)
        contest = config.calendar[self.target]
        spec = load_scenario(config, self.scenario) if self.scenario else None
        looked_from = AsOf(day_of(self.as_of) or contest.held_on)
        request = Request(contest, looked_from, spec, config.grouping(self.grouping).grouping)
        check_request(config, request)
        bench = bench_of(self.territory, self.home, self.configs, self.grouping, manner)
        bench = with_heirs(bench, offer_of(bench, request))
        return bench, plan_training(bench, request)


def day_of(text: str | None) -> date | None:
    """The day that ``text`` writes; UsageError if it writes none."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no day", remedy="write it as 2027-04-01") from error
