"""The flow of `isoloir backtest`."""

from __future__ import annotations

from collections.abc import Sequence

from isoloir.pipelines.backtest import Backtest, backtest
from isoloir.pipelines.bench import Bench
from isoloir.pipelines.progress import Say

from .engine import Subject, table_artifact
from .recorded import as_task, recorded


def backtest_flow(bench: Bench, targets: Sequence[str], say: Say) -> Backtest:
    """Forecast past targets; the scorecard over all stations is shown beside the run."""

    def body() -> Backtest:
        done = as_task("backtest", lambda: backtest(bench, targets, say))
        overall = done.scorecard[done.scorecard["stratum"] == "all"]
        table_artifact(f"scorecard {bench.key}", overall, f"scorecard of {bench.key}, all stations")
        return done

    return recorded(bench.home.path, "backtest", Subject(bench.key), body)
