"""Choose the kernels of the layered prior (features/layered.py) by maximum likelihood, before 2020.

Departments, and communes apart from them, are seen at the contests of 1999 to 2019 that (nearly) everybody
could vote in; stations apart from their communes at the contests that the pack has by station up to 2019. The
likelihood is that of Gaussian deviations with the covariance of features/kriging.py and known counting noise,
each class of size weighing the same; a weak prior on the logs of the variances keeps them finite. 2020 and
later are not looked at. Then the errors of the layered prior at communes, national turnout given, in pp,
beside those of the mean of all past deviations: each contest of 2007 to 2019 forecast from those before it.
The kernels saw these contests: it is a check of the form, not a forecast.

    isoloir ingest fr_communes --from DIR; isoloir ingest fr --from DIR
    python benchmarks/choose_turnout.py --home isoloir-home
"""

from __future__ import annotations

import argparse
from dataclasses import astuple, dataclass, fields
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logit

from isoloir.configs.load import load_territory
from isoloir.domain.election import AsOf, Contest
from isoloir.domain.ledger import Ledger
from isoloir.domain.station import positions
from isoloir.features.history import smoothed_logit
from isoloir.features.kriging import Kernel, covariance, kriged
from isoloir.features.layered import COMMUNE_KERNEL, DEPARTMENT_KERNEL, STATION_KERNEL
from isoloir.features.view import look
from isoloir.models.reconcile import meet_turnout
from isoloir.pipelines.bench import open_bench
from isoloir.pipelines.home import Home

Floats = NDArray[np.float64]
Counted = NDArray[np.int64]

BEFORE, SHOWN, WHOLE = 2020, range(2007, 2020), 0.9
SIZES = (100, 300, 1000, 4000, 20_000, 10**9)
START = Kernel(0.02, 0.01, 0.01, 0.01, 0.01, 0.02, 0.01, 0.005, 0.005)
ORDINARY = 0.1
"""Added to what departments share: their level is then taken from the past and not from the nation."""


@dataclass(frozen=True, slots=True)
class Places:
    """Deviations [N × C] of places at contests in order of day, their electors, the national turnouts [C]."""

    contests: tuple[Contest, ...]
    deviation: Floats
    registered: Counted
    nation: Floats


@dataclass(frozen=True, slots=True)
class Past:
    """Communes of a ledger: counts [N × C], and which department each lies in."""

    contests: tuple[Contest, ...]
    registered: Counted
    voters: Counted
    department: NDArray[np.intp]

    def departments(self) -> tuple[Counted, Counted]:
        """The counts summed over departments [D × C]."""
        made = []
        for counts in (self.registered, self.voters):
            total = np.zeros((int(self.department.max()) + 1, counts.shape[1]), np.int64)
            np.add.at(total, self.department, counts)
            made.append(total)
        return made[0], made[1]


def past_of(ledger: Ledger) -> Past:
    """Every commune that stands in some contest."""
    records = sorted(ledger.records, key=lambda r: (r.contest.held_on, r.contest.key))
    codes = np.unique(np.concatenate([r.stations.commune_code for r in records]))
    department = np.empty(len(codes), "U8")
    registered, voters = (np.zeros((len(codes), len(records)), np.int64) for _ in range(2))
    for c, record in enumerate(records):
        at = positions(codes, record.stations.commune_code)
        registered[:, c] = np.where(at >= 0, record.registered[at], 0)
        voters[:, c] = np.where(at >= 0, record.voters[at], 0)
        department[at >= 0] = record.stations.department_code[at[at >= 0]]
    contests = tuple(r.contest for r in records)
    return Past(contests, registered, voters, np.unique(department, return_inverse=True)[1])


def deviations(voters: Counted, registered: Counted, nation: Floats) -> Floats:
    """Deviations of counts from the nation, on the logit scale."""
    counted = voters.astype(np.float64), registered.astype(np.float64)
    return np.asarray(smoothed_logit(*counted, nation) - logit(nation))


def layers(past: Past) -> tuple[Places, Places]:
    """Departments, and communes apart from these."""
    nation = past.voters.sum(axis=0) / past.registered.sum(axis=0)
    registered, voters = past.departments()
    above = deviations(voters, registered, nation)
    apart = deviations(past.voters, past.registered, nation) - above[past.department]
    return (
        Places(past.contests, above, registered, nation),
        Places(past.contests, apart, past.registered, nation),
    )


def stations(ledger: Ledger) -> Places:
    """Stations apart from their communes, at the last contest before 2020 and those before it."""
    records = [r for r in ledger.records if r.contest.held_on.year < BEFORE]
    last = max(records, key=lambda r: (r.contest.held_on, r.contest.key)).contest
    notice, outcomes = ledger.notice(last), ledger.outcomes(last, AsOf(date.max))
    assert notice is not None
    view = look(ledger.as_of(last.eve), notice, None)
    panel, nation = view.panel, view.panel.nation.voters[0] / view.panel.nation.registered[0]
    around = deviations(panel.communes.voters, panel.communes.registered, nation)[panel.commune_row]
    row, level = panel.commune_row, np.array([outcomes.turnout()])
    counts = [np.bincount(row, c).astype(np.int64)[:, None] for c in (outcomes.voters, outcomes.registered)]
    own = [c.astype(np.int64)[:, None] for c in (outcomes.voters, outcomes.registered)]
    now = deviations(own[0], own[1], level) - deviations(counts[0], counts[1], level)[row]
    several = np.bincount(row)[row] > 1
    return Places(
        (*panel.contests, last),
        np.concatenate((view.followed.turnout - around, now), axis=1)[several],
        np.concatenate((panel.followed.registered.astype(np.int64), own[1]), axis=1)[several],
        np.append(nation, level),
    )


def fitted(places: Places, sizes: tuple[int, ...]) -> Kernel:
    """The kernel of greatest likelihood of what is known whole, before 2020."""
    electors = places.registered.sum(axis=0)
    early = np.array([c.held_on.year < BEFORE for c in places.contests])
    used = np.flatnonzero(early & (electors > WHOLE * electors[early].max()))
    contests = tuple(places.contests[c] for c in used)
    spread = np.clip(places.nation * (1 - places.nation), 0.05, 0.25)[used]
    groups = []
    whole = (places.registered[:, used] > 0).all(axis=1)
    for low, high in pairwise(sizes):
        size = places.registered[:, used[-1]]
        rows = whole & (size >= low) & (size < high)
        if rows.sum() < 30:
            continue
        deviation, electors = places.deviation[rows][:, used], places.registered[rows][:, used]
        weight = electors[:, -1] / electors[:, -1].sum()
        noise = (weight[:, None] / electors).sum(axis=0) / spread
        groups.append(((deviation * weight[:, None]).T @ deviation, noise))
    start = np.log(astuple(START))

    def unlikely(logs: Floats) -> float:
        kernel = Kernel(*np.exp(logs).tolist())
        inside, total = covariance(kernel, contests, contests), 0.02 * float(((logs - start) ** 2).sum())
        for moments, noise in groups:
            whole = inside + np.diag(kernel.nugget + noise)
            total += float(np.linalg.slogdet(whole)[1] + np.trace(np.linalg.solve(whole, moments)))
        return total

    found = minimize(unlikely, start, method="L-BFGS-B", bounds=[(-12, 3)] * len(start))
    return Kernel(*np.round(np.exp(found.x), 4).tolist())


def errors(past: Past, upper: Places, lower: Places, target: int) -> tuple[float, float]:
    """The error at communes of the two upper layers, and of the mean of past deviations, in pp."""
    contest = past.contests[target]
    before = [i for i, c in enumerate(past.contests) if contest.eve.sees(c.results_known_on)]
    contests = tuple(past.contests[i] for i in before)

    def of(kernel: Kernel, places: Places) -> Floats:
        said = places.deviation[:, before], places.registered[:, before], places.nation[before]
        return kriged(kernel, contests, contest, *said).mean

    made = of(DEPARTMENT_KERNEL, upper)[past.department] + of(COMMUNE_KERNEL, lower)
    known = past.registered[:, before] > 0
    whole = upper.deviation[past.department] + lower.deviation
    mean = np.where(known, whole[:, before], 0).sum(axis=1) / np.maximum(1, known.sum(axis=1))
    there = past.registered[:, target] > 0
    registered = past.registered[there, target]
    actual = past.voters[there, target] / registered
    missed = []
    for deviation in (made, mean):
        turnout = meet_turnout(deviation[there], registered, float(upper.nation[target]))
        missed.append(100 * float(np.abs(turnout - actual) @ registered) / registered.sum())
    return missed[0], missed[1]


def main() -> None:
    """Print the kernels, those in use beside them, and the errors at communes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--home", type=Path, default=Path("isoloir-home"))
    home = Home(parser.parse_args().home)
    past = past_of(open_bench(home, load_territory("fr_communes"), None, None).ledger)
    upper, lower = layers(past)
    own = stations(open_bench(home, load_territory("fr"), None, None).ledger)
    wanted = (
        ("departments", upper, (100, 10**9), DEPARTMENT_KERNEL),
        ("communes", lower, SIZES, COMMUNE_KERNEL),
        ("stations", own, (200, 600, 900, 1300, 10**9), STATION_KERNEL),
    )
    names = " ".join(f.name for f in fields(Kernel))
    print(f"kernels ({names}); departments have {ORDINARY} more in common")
    for name, places, sizes, used in wanted:
        print(f"{name}: {astuple(fitted(places, sizes))}, in use {astuple(used)}")
    print("errors at communes, pp: layered, mean of past deviations")
    for t, contest in enumerate(past.contests):
        if contest.held_on.year in SHOWN:
            made, mean = errors(past, upper, lower, t)
            print(f"{contest.key:14} {made:.3f} {mean:.3f}")


if __name__ == "__main__":
    main()
