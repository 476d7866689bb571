"""The audit of a release: what went in, what is protected, what was attacked, how well it did before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from isoloir.domain.privacy import Reasons
from isoloir.domain.units import MERGED, PUBLISHED, WITHHELD, Units
from isoloir.pipelines.attack.finding import Attacked

from .scores import Published
from .training_scores import UnitScore, mean_of

LIMITS = (
    "Observed results are public and not protected: what is protected are forecasts and what follows from "
    "them. Whoever computes a forecast of their own from public results is not hindered by this release.",
    "Every figure holds under the scenario that the release names. Where the national level was carried, "
    "its band is wide, and a poll or a judgement of your own as a scenario is worth more.",
    "Intervals were calibrated on few earlier contests; a kind of vote that moves otherwise than all before "
    "it is not in them. What they held before is in the table of errors.",
    "Figures describe places. Nothing follows from them about who in a place votes, or how (the ecological "
    "fallacy).",
)
USE = (
    "Do not link the figures to a list of persons, nor use them to single out, address or score individuals. "
    "Do not use them to choose the audience of political advertisements by political opinion, which "
    "Regulation (EU) 2024/900 forbids. They are made for research, newsrooms, and the logistics of campaigns "
    "and elections."
)


def audit(
    published: Published,
    table: pd.DataFrame,
    manifest: Mapping[str, Any],
    attacked: Sequence[Attacked],
    merging: Sequence[UnitScore],
) -> dict[str, Any]:
    """``audit.json`` as values. ``merging``: errors at earlier contests, of units and of stations."""
    units, registered = published.units, published.notice.registered
    votes = table[[f"share_{b}_pred" for b in published.notice.blocs]].to_numpy()
    votes = votes * table[["expected_voters"]].to_numpy() * published.scenario.valid_rate
    return {
        "policy": manifest["policy"],
        "units_digest": manifest["units_digest"],
        "stations": by_status(units, registered),
        "reasons": by_reason(units.reason if published.why is None else published.why, registered),
        "published_units": len(table),
        "smallest_unit_registered": int(table["registered"].min()),
        "smallest_unit_expected_valid": float(table["expected_voters"].min() * published.scenario.valid_rate),
        "smallest_votes_of_a_bloc": float(votes[votes > 0].min()),
        "covers_registered": int(table["registered"].sum()),
        "roll_registered": int(registered.sum()),
        "inputs": manifest["inputs"],
        "attacks": [asdict(one) for one in attacked],
        "measured": manifest["measured"],
        "merging": [asdict(one) for one in (*merging, mean_of(merging))],
        "limits": list(LIMITS),
        "use": USE,
    }


def by_status(units: Units, registered: NDArray[np.int32]) -> dict[str, dict[str, int]]:
    """Stations and registered electors that are published alone, merged, or withheld."""
    return {s: _counted(units.status == s, registered) for s in (PUBLISHED, MERGED, WITHHELD)}


def by_reason(reason: Reasons, registered: NDArray[np.int32]) -> dict[str, dict[str, int]]:
    """The same by why they do not stand alone."""
    return {str(r): _counted(reason == r, registered) for r in np.unique(reason) if r}


def _counted(rows: NDArray[np.bool_], registered: NDArray[np.int32]) -> dict[str, int]:
    return {"stations": int(rows.sum()), "registered": int(registered[rows].sum())}


def page(said: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """The audit as a page that stands alone: HTML 5, no script, nothing fetched."""
    environment = Environment(
        loader=PackageLoader("isoloir.pipelines.release"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("audit.html").render(audit=said, manifest=manifest)
