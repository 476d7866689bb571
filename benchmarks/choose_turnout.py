"""Choose the kernel of a commune's past (``COMMUNE_KERNEL`` of features/nested.py) on the bench of communes.

Sixty kernels drawn from a grid with a seed, and the one of stations, forecast the turnout of every sixth
commune at each contest of 2004 to 2019; 2022 is not looked at. The national turnout is given. The error is
the mean absolute one, weighted by registered electors, in pp; regret is error / least error of any − 1.

    isoloir ingest fr_communes --from DIR
    python benchmarks/choose_turnout.py --home isoloir-home
"""

from __future__ import annotations

import argparse
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from isoloir.configs.load import load_territory
from isoloir.domain.election import Contest
from isoloir.domain.ledger import Ledger
from isoloir.domain.station import positions
from isoloir.features.history import smoothed_logit
from isoloir.features.nested import COMMUNE_KERNEL
from isoloir.features.prior import TURNOUT_KERNEL, Kernel, weights_where
from isoloir.models.reconcile import meet_turnout
from isoloir.pipelines.bench import open_bench
from isoloir.pipelines.home import Home

Floats = NDArray[np.float64]

DRAWN, SEED, EVERY, YEARS = 60, 0, 6, range(2004, 2020)
GRID = (
    (0.3, 1.0),
    (0.1, 0.3, 0.6, 1.0, 1.5),
    (0.0, 0.3, 0.6, 1.2),
    (0.1, 0.3, 0.6, 1.0, 1.5),
    (2.0, 4.0, 8.0, 15.0),
    (0.1, 0.2, 0.4, 0.8),
)
"""What is tried of each of a kernel's figures, in their order."""


@dataclass(frozen=True, slots=True)
class Past:
    """Registered and voters [N × C] of communes at contests in order of day; 0 where nothing is known."""

    contests: tuple[Contest, ...]
    registered: NDArray[np.int64]
    voters: NDArray[np.int64]


def kernels() -> tuple[Kernel, ...]:
    """The candidates: that of stations first, then those drawn, each once."""
    rng = np.random.default_rng(SEED)
    drawn = [Kernel(*(float(rng.choice(values)) for values in GRID)) for _ in range(DRAWN)]
    return tuple(dict.fromkeys([TURNOUT_KERNEL, *drawn]))


def past_of(ledger: Ledger) -> Past:
    """Every sixth commune of all that stand in some contest."""
    records = sorted(ledger.records, key=lambda r: (r.contest.held_on, r.contest.key))
    codes = np.unique(np.concatenate([r.stations.commune_code for r in records]))[::EVERY]
    registered, voters = (np.zeros((len(codes), len(records)), np.int64) for _ in range(2))
    for c, record in enumerate(records):
        at = positions(codes, record.stations.commune_code)
        registered[:, c] = np.where(at >= 0, record.registered[at], 0)
        voters[:, c] = np.where(at >= 0, record.voters[at], 0)
    return Past(tuple(r.contest for r in records), registered, voters)


def errors(kernel: Kernel, past: Past, targets: list[int]) -> Floats:
    """The error of turnout at each target, in pp."""
    nation = past.voters.sum(axis=0) / past.registered.sum(axis=0)
    deviation = smoothed_logit(past.voters, past.registered, nation) - logit(nation)
    made = []
    for t in targets:
        target = past.contests[t]
        before = [i for i, c in enumerate(past.contests) if target.eve.sees(c.results_known_on)]
        known, there = past.registered[:, before] > 0, past.registered[:, t] > 0
        weight = weights_where(kernel, tuple(past.contests[i] for i in before), target, known)
        carried = (weight * np.where(known, deviation[:, before], 0.0)).sum(axis=1)
        registered = past.registered[there, t]
        turnout = meet_turnout(carried[there], registered, nation[t])
        missed = np.abs(turnout - past.voters[there, t] / registered)
        made.append(100 * float(missed @ registered) / registered.sum())
    return np.array(made)


def main() -> None:
    """Print the candidates, the one of least mean regret first."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--home", type=Path, default=Path("isoloir-home"))
    bench = open_bench(Home(parser.parse_args().home), load_territory("fr_communes"), None, None)
    past, tried = past_of(bench.ledger), kernels()
    targets = [i for i, c in enumerate(past.contests) if c.held_on.year in YEARS]
    made = np.stack([errors(kernel, past, targets) for kernel in tried])
    regret = (made / made.min(axis=0) - 1).mean(axis=1)
    print(f"{len(targets)} contests, {len(past.registered)} communes; common kind ballot time scale nugget")
    for k in np.argsort(regret):
        used = {TURNOUT_KERNEL: " of stations", COMMUNE_KERNEL: " in use"}.get(tried[k], "")
        print(f"regret {regret[k]:.4f}, error {made[k].mean():.3f} pp: {astuple(tried[k])}{used}")


if __name__ == "__main__":
    main()
