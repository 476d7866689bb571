"""What each source is worth: past targets forecast with all of them, and with each left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from isoloir.domain.errors import UsageError
from isoloir.domain.ledger import Mask
from isoloir.domain.lineage import steps, weakest
from isoloir.domain.pairs import METHODS
from isoloir.models.crowned import CHAMPION, Crowned, crowned
from isoloir.models.scorecard import turnout_error_pp, votes_misallocated

from .bench import SOURCES, Bench, left_without
from .folds import FOREVER, folds_of, learned, plan_lessons
from .home import replaced, write_json
from .matrices import Hidden
from .progress import Say
from .release.succession import COMMUNE

ABLATION, BY_METHOD = "ablation.parquet", "by_method.parquet"
NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Ablation:
    """``errors`` of the champion and of every candidate at each target, level given, one row each.

    And the same turnout errors ``by_method``: see :func:`by_method`.
    """

    errors: pd.DataFrame
    by_method: pd.DataFrame


def ablate(bench: Bench, targets: Sequence[str], say: Say) -> Ablation:
    """Forecast past targets with every source, and with each left out.

    ``left_out`` is ``nothing`` or one of :data:`.bench.SOURCES`. The champion is chosen anew each time, by
    what the candidates did before the target under the same sources. Kept in home's backtest/.
    """
    plans = plan_lessons(bench, FOREVER, Hidden(False))
    known = [p.contest.key for p in plans if bench.ledger.outcomes(p.contest, FOREVER).shares_known.any()]
    strange = [t for t in targets if t not in known]
    if strange or not targets:
        raise UsageError(
            f"{strange[0] if strange else 'nothing'} can't be forecast here: no results, no earlier contest, "
            "or no bloc in this grouping",
            remedy=f"one of: {', '.join(known)}" if known else "ingest earlier contests",
        )
    parts = []
    for name in (NOTHING, *SOURCES):
        say(f"without {name}")
        one = left_without(bench, [] if name == NOTHING else [name])
        parts += [row.assign(left_out=name) for row in _errors(one, targets, say)]
    table, methods = pd.concat(parts, ignore_index=True), by_method(bench, targets, say)
    final = bench.home.folder("backtest", bench.key) / f"{bench.label}-ablation"
    with replaced(final) as aside:
        table.to_parquet(aside / ABLATION, index=False)
        methods.to_parquet(aside / BY_METHOD, index=False)
        write_json(aside / "ablation.json", {"grouping": bench.grouping, "targets": list(targets)})
    return Ablation(table, methods)


def _errors(bench: Bench, targets: Sequence[str], say: Say) -> list[pd.DataFrame]:
    past = learned(bench, plan_lessons(bench, FOREVER, Hidden(False)), FOREVER, say)
    crowns = crowned(folds_of(bench, past, say))
    return [_of_target(one) for one in crowns if one.fold.outcomes.contest.key in targets]


def by_method(bench: Bench, targets: Sequence[str], say: Say) -> pd.DataFrame:
    """Turnout errors with and without succession, by how stations are followed back to the first roll.

    One row per target, method (``commune``: not followed) and model: stations, their share of registered,
    the error in pp with succession and without it. The same stations stand in both.
    """
    made = {}
    for name in (NOTHING, "succession"):
        one = left_without(bench, [] if name == NOTHING else [name])
        past = learned(one, plan_lessons(one, FOREVER, Hidden(False)), FOREVER, say)
        made[name] = {c.fold.outcomes.contest.key: c for c in crowned(folds_of(one, past, say))}
        if name == NOTHING:
            plans = {p.contest.key: p.plan for p in past}
    rows = []
    for key in targets:
        chain = steps(plans[key].past, plans[key].notice)
        method = np.array([*METHODS, COMMUNE])[weakest(chain)]
        for name in (*METHODS, COMMUNE):
            rows += _compared(key, name, method == name, made[NOTHING][key], made["succession"][key])
    return pd.DataFrame(rows)


def _compared(key: str, method: str, rows: Mask, one: Crowned, other: Crowned) -> list[dict[str, object]]:
    registered = one.fold.outcomes.registered
    if not registered[rows].sum():
        return []
    return [
        {
            "target": key,
            "method": method,
            "model": model,
            "stations": int(rows.sum()),
            "registered_share": float(registered[rows].sum() / registered.sum()),
            "with_succession": turnout_error_pp(said[0], one.fold.outcomes, rows),
            "without": turnout_error_pp(said[1], other.fold.outcomes, rows),
        }
        for model, said in {
            CHAMPION: (one.forecast, other.forecast),
            "prior": (one.fold.given["prior"], other.fold.given["prior"]),
        }.items()
    ]


def _of_target(one: Crowned) -> pd.DataFrame:
    judgement, outcomes = one.fold.judgement, one.fold.outcomes
    turnout = {**judgement.turnout, CHAMPION: turnout_error_pp(one.forecast, outcomes)}
    votes = {**judgement.shares, CHAMPION: votes_misallocated(one.forecast, outcomes)}
    rows = pd.DataFrame({"turnout_mae_pp": turnout, "votes_misallocated": votes})
    return (
        rows.rename_axis("model")
        .reset_index()
        .assign(
            target=outcomes.contest.key,
            champion_turnout=one.champion.turnout,
            champion_shares=one.champion.shares,
        )
    )


MODELS = ("prior", "boosted_{}", "boosted_{}_census", "layered", "layered_mean", "transition", "transported")
"""The prior, the trees on it, these with census; the layers of departments and communes; their likes."""


def _by_model(table: pd.DataFrame) -> list[str]:
    """The errors of candidates, nothing left out; one is missing where it had nothing to learn from."""
    lines, whole = [], table[table["left_out"] == NOTHING]
    for metric, quantity, unit in (
        ("turnout_mae_pp", "turnout", "turnout error, pp"),
        ("votes_misallocated", "shares", "votes misallocated, %"),
    ):
        names = [name.format(quantity) for name in (*MODELS, CHAMPION)]
        part = whole.pivot(index="model", columns="target", values=metric)
        found = part.loc[[name for name in names if name in part.index]]
        lines += [f"\n{unit}, level given, by candidate, nothing left out", found.round(3).to_string()]
    return lines


def shown(done: Ablation) -> str:
    """The champion's and the prior's errors as a person reads them: what is left out by targets."""
    lines, table = [], done.errors
    order = [NOTHING, *SOURCES]
    for model in (CHAMPION, "prior"):
        for metric, unit in (
            ("turnout_mae_pp", "turnout error, pp"),
            ("votes_misallocated", "votes misallocated, %"),
        ):
            part = table[table["model"] == model].pivot(index="left_out", columns="target", values=metric)
            lines += [f"\n{unit}, level given, {model}", part.loc[order].round(3).to_string()]
    lines += _by_model(table)
    chosen = table[table["model"] == CHAMPION].assign(
        champion=lambda t: t["champion_turnout"] + " / " + t["champion_shares"]
    )
    lines += ["\nchampion (turnout / shares)"]
    lines += [chosen.pivot(index="left_out", columns="target", values="champion").loc[order].to_string()]
    methods = done.by_method.set_index(["target", "method", "model"])
    lines += [
        "\nturnout error by how stations are followed back to the first roll, with and without succession"
    ]
    lines += [methods.round(3).to_string()]
    return "\n".join(lines)
