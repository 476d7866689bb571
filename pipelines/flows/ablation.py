"""The flow of `isoloir ablate`."""

from __future__ import annotations

from collections.abc import Sequence

from isoloir.models.crowned import CHAMPION
from isoloir.pipelines.ablation import Ablation, ablate
from isoloir.pipelines.bench import Bench
from isoloir.pipelines.progress import Say

from .engine import Subject, table_artifact
from .recorded import as_task, recorded


def ablation_flow(bench: Bench, targets: Sequence[str], say: Say) -> Ablation:
    """Forecast past targets with all sources and with each left out; the errors are shown beside the run."""

    def body() -> Ablation:
        done = as_task("ablate", lambda: ablate(bench, targets, say))
        champions = done.errors[done.errors["model"] == CHAMPION]
        table_artifact(f"ablation {bench.key}", champions, "what each source is worth")
        return done

    return recorded(bench.home.path, "ablate", Subject(bench.key), body)
