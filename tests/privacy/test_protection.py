"""What a forecast looks like once it is under the policy, and a partition that its first release fixes."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from isoloir.configs.load import load_scenario, load_territory
from isoloir.configs.report import copy_out
from isoloir.domain.election import AsOf, Contest
from isoloir.domain.errors import ConfigError, MissingInputError, PrivacyError
from isoloir.domain.forecast import Forecast, Scenario
from isoloir.domain.ledger import Notice
from isoloir.domain.privacy import NEAR, Policy, is_protected
from isoloir.domain.station import Stations
from isoloir.domain.units import Units
from isoloir.models.clip import clipped, least_shares
from isoloir.models.reconcile import combined
from isoloir.pipelines.bench import Bench, Request, open_bench
from isoloir.pipelines.home import Home
from isoloir.pipelines.protect import protected
from isoloir.pipelines.run import run
from isoloir.pipelines.units import digest_of, fixed_units, known_units, made_units, units_file

DEMO = load_territory("demo")
CONTEST: Contest = DEMO.calendar["2027_pres_t1"]
POLICY = Policy(1)
BLOCS = ("red", "green", "blue")


def notice_of(registered: list[int], standing: list[list[bool]]) -> Notice:
    ids = np.array([f"A{i // 3:04}_{i:04}" for i in range(len(registered))])
    stations = Stations(ids, np.array([i[:5] for i in ids]), np.full(len(ids), "A"), np.full(len(ids), ""))
    return Notice(
        CONTEST, BLOCS, stations, np.array(registered, np.int32), np.array(standing), "roll", "offer"
    )


def scenario(turnout: float, *shares: float) -> Scenario:
    return Scenario("test", "given", "a test", turnout, np.array(shares), 0.98)


SHARES = st.lists(st.floats(-9, 9), min_size=3, max_size=3)
STATIONS = st.lists(
    st.tuples(st.integers(200, 1500), st.floats(-4, 4), SHARES, st.booleans()), min_size=12, max_size=30
)


@given(STATIONS)
def test_a_clipped_forecast_leaves_room_and_still_meets_its_scenario(
    rows: list[tuple[int, float, list[float], bool]],
) -> None:
    standing = [[True, True, blue] for *_, blue in rows]
    standing[:4] = [[True, True, True]] * 4
    notice = notice_of([r for r, *_ in rows], standing)
    given_ = scenario(0.6, 0.5, 0.45, 0.05)
    raw = np.exp(np.array([s for _, _, s, _ in rows])) * notice.standing
    turnout = 1 / (1 + np.exp(-np.array([t for _, t, _, _ in rows])))
    try:
        ahead = combined(turnout, raw / raw.sum(axis=1, keepdims=True), notice, given_)
    except ConfigError:
        reject()  # blue stands at too few places for its figure
    found = clipped(ahead, notice, given_, 0.01)
    assert (found.turnout >= 0.01 * (1 - 1e-3)).all() and (found.turnout <= 0.99 + 1e-5).all()
    np.testing.assert_allclose(found.shares.sum(axis=1), 1, atol=1e-9)
    assert (found.shares[notice.standing] >= 0.01 * (1 - 1e-3)).all()
    assert (found.shares[~notice.standing] == 0).all()
    assert found.turnout @ notice.registered / notice.registered.sum() == pytest.approx(0.6, abs=1e-9)
    votes = found.expected_valid @ found.shares / found.expected_valid.sum()
    np.testing.assert_allclose(votes, given_.shares, atol=1e-8)


def test_what_leaves_room_already_is_not_touched() -> None:
    notice = notice_of([500] * 6, [[True, True, True]] * 6)
    given_ = scenario(0.5, 0.4, 0.4, 0.2)
    ahead = combined(np.full(6, 0.5), np.full((6, 3), 1 / 3), notice, given_)
    assert clipped(ahead, notice, given_, 0.01) is ahead


def test_a_small_bloc_keeps_half_of_its_own_figure_at_least() -> None:
    assert least_shares(scenario(0.5, 0.99, 0.006, 0.004), 0.01).tolist() == [0.01, 0.003, 0.002]
    assert least_shares(scenario(0.5, 0.6, 0.4, 0.0), 0.01).tolist() == [0.01, 0.01, 0.0]


def test_where_one_bloc_stands_alone_its_share_stays_whole() -> None:
    notice = notice_of([500] * 6, [[True, False, False]] + [[True, True, True]] * 5)
    given_ = scenario(0.5, 0.4, 0.4, 0.2)
    shares = np.full((6, 3), 1 / 3)
    shares[0] = [1, 0, 0]
    shares[1] = [0.0001, 0.0001, 0.9998]
    found = clipped(combined(np.full(6, 0.5), shares, notice, given_), notice, given_, 0.01)
    assert found.shares[0].tolist() == [1, 0, 0]
    assert found.shares[1].min() >= 0.00999


def ahead_of(turnout: list[float], shares: list[list[float]], notice: Notice) -> tuple[Forecast, Scenario]:
    """A forecast, and the scenario that it meets as it is."""
    rate, valid = np.array(turnout), np.array(turnout) * notice.registered * 0.98
    total = valid @ np.array(shares) / valid.sum()
    said = scenario(float(rate @ notice.registered / notice.registered.sum()), *total)
    return Forecast(rate, np.array(shares), valid), said


def test_a_near_unanimous_station_is_joined_to_its_sibling_and_told_as_protected() -> None:
    notice = notice_of([800, 800, 800], [[True, True, False]] * 3)
    ahead, said = ahead_of([0.6] * 3, [[0.5, 0.5, 0], [0.97, 0.03, 0], [0.6, 0.4, 0]], notice)
    alone = Units(np.arange(3), np.full(3, ""))
    units, found = protected(ahead, notice, said, alone, POLICY)
    assert units.head.tolist() == [0, 2, 2]
    assert units.reason[1] == NEAR
    np.testing.assert_allclose(found.shares, ahead.shares, atol=1e-6)
    # Without that rule it stands alone.
    free, _ = protected(ahead, notice, said, alone, dataclasses.replace(POLICY, near_share=2.0))
    assert free.head.tolist() == [0, 1, 2]


def test_where_one_bloc_stands_turnout_alone_is_tested() -> None:
    notice = notice_of([800, 800, 800], [[True, False, False]] * 3)
    one = [[1.0, 0, 0]] * 3
    ahead, said = ahead_of([0.5, 0.6, 0.7], one, notice)
    alone = Units(np.arange(3), np.full(3, ""))
    units, _ = protected(ahead, notice, said, alone, POLICY)
    assert units.head.tolist() == [0, 1, 2]
    most = dataclasses.replace(POLICY, near_turnout=0.69)
    units, _ = protected(ahead, notice, said, alone, most)
    assert units.head.tolist() == [0, 1, 1]


def test_a_unit_grows_until_it_hides_its_small_stations() -> None:
    """20 of 320 electors, of which 2 votes for blue are expected: they join 800 more, with 40."""
    notice = notice_of([300, 20, 800], [[True, True, True]] * 3)
    shares = [[0.5, 0.49, 0.01], [0.5, 0.49, 0.01], [0.5, 0.4, 0.1]]
    ahead, said = ahead_of([0.6] * 3, shares, notice)
    fixed = Units(np.array([0, 0, 2]), np.array(["joined by a small one", "too few electors", ""]))
    units, _ = protected(ahead, notice, said, fixed, POLICY)
    assert len(set(units.head)) == 1
    free, _ = protected(
        ahead, notice, said, fixed, dataclasses.replace(POLICY, hidden_persons=0, hidden_part=0)
    )
    assert free.head.tolist() == [0, 0, 2]


def test_a_scenario_under_which_nothing_may_be_published_is_refused() -> None:
    notice = notice_of([60, 60], [[True, True, True]] * 2)
    ahead, said = ahead_of([0.1] * 2, [[0.4, 0.4, 0.2]] * 2, notice)
    with pytest.raises(PrivacyError, match="every station is too small"):
        protected(ahead, notice, said, Units(np.arange(2), np.full(2, "")), POLICY)


@pytest.fixture
def bench(demo_run: Any, tmp_path: Path) -> Iterator[Bench]:
    home = tmp_path / "home"
    shutil.copytree(demo_run.home, home, symlinks=True)
    yield open_bench(Home(home), DEMO, None, None)


def request(turnout: float) -> Request:
    spec = load_scenario(DEMO, "example")
    return Request(
        CONTEST, AsOf(CONTEST.held_on), dataclasses.replace(spec, name="other", turnout=turnout), "research"
    )


def said(_: str) -> None:
    """Nothing is listened to."""


def test_the_first_release_fixes_the_partition_and_later_ones_leave_it(bench: Bench) -> None:
    path = units_file(bench, CONTEST.key)
    before = path.read_bytes()
    release = run(bench, request(0.5), said).release
    assert path.read_bytes() == before
    table = pq.read_table(path).to_pandas().set_index("station_id")
    units = pd.read_parquet(release / "units.parquet").set_index("station_id")
    assert list(units.index) == sorted(table.index)
    # Whole units of it: nobody of one fixed unit is in two published ones.
    assert (units["unit_id"].groupby(table["unit_id"]).nunique() <= 1).all()
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["policy"] == dataclasses.asdict(Policy(2))
    assert run(bench, request(0.5), said).again


def test_a_partition_that_was_fixed_otherwise_is_kept(demo_run: Any, bench: Bench) -> None:
    """Two large stations were one unit in the first release: they are so in every later one."""
    path = units_file(bench, CONTEST.key)
    table = pq.read_table(path).to_pandas()
    alone = table[table["unit_id"].map(table["unit_id"].value_counts()) == 1]
    one, other = alone["station_id"].iloc[[0, 1]]
    table.loc[table["station_id"] == other, "unit_id"] = one
    table.to_parquet(path)
    release = run(bench, request(0.69), said).release
    units = pd.read_parquet(release / "units.parquet").set_index("station_id")["unit_id"]
    assert units[one] == units[other] == one
    assert release.name != demo_run.release.name


def test_a_damaged_partition_is_never_made_anew(bench: Bench) -> None:
    path = units_file(bench, CONTEST.key)
    path.write_bytes(b"PAR1 nothing")
    with pytest.raises(MissingInputError, match="restore it from a copy"):
        run(bench, request(0.5), said)


def test_stations_that_are_new_are_added_and_the_others_stay(bench: Bench) -> None:
    from isoloir.pipelines.matrices import built
    from isoloir.pipelines.train import plan_training

    matrix = built(bench, plan_training(bench, request(0.5)).target, said)
    path = units_file(bench, CONTEST.key)
    whole = pq.read_table(path).to_pandas()
    made = made_units(bench, matrix)
    assert digest_of(made, matrix.notice.stations) == digest_of(
        fixed_units(bench, matrix), matrix.notice.stations
    )
    gone = whole["station_id"].iloc[::7]
    whole[~whole["station_id"].isin(gone)].to_parquet(path)
    assert known_units(bench, matrix.notice) is None
    again = fixed_units(bench, matrix)
    assert len(pq.read_table(path)) == len(whole)
    protected_rows = is_protected(again.reason)
    assert (protected_rows == is_protected(made.reason)).all()
    np.testing.assert_array_equal(again.head, made.head)


def test_another_version_of_the_policy_has_a_partition_of_its_own(bench: Bench, tmp_path: Path) -> None:
    overlay = tmp_path / "configs"
    copy_out(overlay)
    text = (overlay / "release.yaml").read_text(encoding="utf-8")
    text = text.replace("policy_version: 2", "policy_version: 3").replace(
        "min_registered: 50", "min_registered: 900"
    )
    (overlay / "release.yaml").write_text(text, encoding="utf-8")
    stricter = open_bench(bench.home, load_territory("demo", overlay), None, overlay)
    release = run(stricter, request(0.6), said).release
    files = sorted(p.name for p in release.parent.glob("units-policy*.parquet"))
    assert files == ["units-policy2.parquet", "units-policy3.parquet"]
    assert pd.read_parquet(release / "scores.parquet")["registered"].min() >= 900
