"""Succession on France, judged by what it does not see: the votes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from isoloir.configs.load import load_territory
from isoloir.domain.election import AsOf
from isoloir.domain.ledger import Ledger, Record
from isoloir.domain.lineage import steps
from isoloir.domain.pairs import METHODS, Pairs, Roll
from isoloir.domain.station import positions
from isoloir.domain.succession import step
from isoloir.features.matrix import build
from isoloir.features.prior import TURNOUT_KERNEL, weighted_turnout
from isoloir.features.view import look
from isoloir.models.reconcile import meet_turnout
from isoloir.pipelines.release.succession import reach

pytestmark = [pytest.mark.real, pytest.mark.slow]


def local_turnout(record: Record) -> np.ndarray:
    """What sets the logit of a station's turnout apart from its commune's mean."""
    national = record.voters.sum() / record.registered.sum()
    share = (record.voters + 10 * national) / (record.registered + 10)
    logits, weight = pd.Series(np.log(share / (1 - share))), pd.Series(record.registered.astype(float))
    commune = record.stations.commune_code
    mean = (logits * weight).groupby(commune).transform("sum") / weight.groupby(commune).transform("sum")
    return (logits - mean).to_numpy()


@dataclass(frozen=True)
class Judged:
    """A step of the chain and what turnout says of its pairs."""

    old: Record
    new: Record
    pairs: Pairs
    old_local: np.ndarray
    new_local: np.ndarray
    several: np.ndarray

    def agreement(self, rows: np.ndarray) -> float:
        """Correlation of what sets old and new station apart, in communes of three stations or more."""
        rows = rows & self.several[self.pairs.new]
        old, new = self.old_local[self.pairs.old[rows]], self.new_local[self.pairs.new[rows]]
        return float(np.corrcoef(old, new)[0, 1])


@pytest.fixture(scope="module")
def judged(ledger: Ledger) -> Judged:
    """From the European election of 2014 to the presidential one of 2017."""
    old, new = (
        next(r for r in ledger.records if r.contest.key == k) for k in ("2014_euro_t1", "2017_pres_t1")
    )
    pairs = step(Roll(old.stations, old.registered), Roll(new.stations, new.registered))
    commune = pd.Series(new.stations.commune_code)
    several = (commune.groupby(commune).transform("size") > 2).to_numpy()
    return Judged(old, new, pairs, local_turnout(old), local_turnout(new), several)


def test_votes_agree_the_more_the_surer_a_pair_is(judged: Judged) -> None:
    of = {name: judged.agreement(judged.pairs.method == m) for m, name in enumerate(METHODS)}
    assert of["exact"] > 0.68
    assert 0.5 < of["aligned"] < of["exact"]
    assert 0.2 < of["doubtful"] < of["aligned"]


def test_codes_that_are_not_believed_meant_somebody_else(judged: Judged) -> None:
    """Codes found again that succession gave to another station or to none: the votes hardly agree."""
    ids = judged.new.stations.station_id
    found = positions(ids, judged.old.stations.station_id)
    believed = np.zeros(len(ids), np.bool_)
    believed[judged.pairs.new[judged.pairs.old == found[judged.pairs.new]]] = True
    rows = np.flatnonzero((found >= 0) & ~believed & judged.several)
    assert len(rows) > 500
    agreement = np.corrcoef(judged.old_local[found[rows]], judged.new_local[rows])[0, 1]
    assert agreement < 0.35


def test_most_electors_are_followed_all_the_way(ledger: Ledger) -> None:
    target = load_territory("fr").calendar["2022_legi_t1"]
    notice = ledger.notice(target)
    assert notice is not None
    told = reach(steps(ledger.as_of(target.eve), notice))
    by_step = told.groupby("from_contest")["registered_share"].sum()
    assert np.allclose(by_step, 1.0)
    share = told.set_index(["from_contest", "method"])["registered_share"]
    assert share["2014_euro_t1", "exact"] > 0.72
    assert share["2017_pres_t1", "exact"] > 0.99
    assert share["2019_euro_t1", "exact"] > 0.9
    assert share["2019_euro_t1", "commune"] < 0.05


def errors(ledger: Ledger, key: str, communes: np.ndarray) -> tuple[float, float, float, int]:
    """Turnout error of the prior in some communes, level given: by code, by code and registered, followed."""
    target = load_territory("fr").calendar[key]
    notice = ledger.notice(target)
    assert notice is not None
    outcomes = ledger.outcomes(target, AsOf(target.results_known_on.replace(year=2100)))
    rows = np.isin(notice.stations.commune_code, communes)
    out = []
    for follow, plain in ((False, True), (False, False), (True, False)):
        view = look(replace(ledger.as_of(target.eve), follow=follow), notice, None)
        history = view.plain if plain else view.followed
        prior = weighted_turnout(TURNOUT_KERNEL, history.turnout, view.panel.contests, target)
        turnout = meet_turnout(prior, outcomes.registered, outcomes.turnout())
        miss = np.abs(turnout - outcomes.voters / np.maximum(1, outcomes.registered))
        out.append(100 * float(np.average(miss[rows], weights=outcomes.registered[rows])))
    return (*out, int(rows.sum()))


def renumbered(judged: Judged) -> np.ndarray:
    """Communes of ten stations or more that kept their electors and under four fifths of their codes."""
    counts, registered, codes = [], [], []
    for record, other in ((judged.old, judged.new), (judged.new, judged.old)):
        commune = record.stations.commune_code
        kept = np.isin(record.stations.station_id, other.stations.station_id)
        counts.append(pd.Series(kept).groupby(commune).size())
        codes.append(pd.Series(kept).groupby(commune).mean())
        registered.append(pd.Series(record.registered).groupby(commune).sum())
    table = pd.concat([*counts, *codes, *registered], axis=1, join="inner")
    table.columns = pd.Index(["n0", "n1", "kept0", "kept1", "reg0", "reg1"])
    same = np.abs(np.log(table["reg1"] / table["reg0"])) < 0.3
    chosen = (table[["n0", "n1"]].min(axis=1) >= 10) & (table[["kept0", "kept1"]].min(axis=1) < 0.8) & same
    return np.asarray(table.index[chosen], dtype=np.str_)


def test_in_renumbered_cities_a_repaired_past_does_no_harm(ledger: Ledger, judged: Judged) -> None:
    communes = renumbered(judged)
    assert 30 <= len(communes) <= 45
    by_code, witnessed, followed, stations = errors(ledger, "2019_euro_t1", communes)
    print(f"{len(communes)} communes, {stations} stations: {by_code:.3f} {witnessed:.3f} {followed:.3f}")
    assert followed < by_code
    assert followed < witnessed + 0.02


def test_the_matrix_tells_whose_past_was_repaired(ledger: Ledger) -> None:
    target = load_territory("fr").calendar["2019_euro_t1"]
    notice = ledger.notice(target)
    assert notice is not None
    source = build(ledger.as_of(target.eve), notice, None).column("history_source")
    assert 0 < (source == 1).sum() < 2000
    assert (source == 0).mean() > 0.96
