"""The constituencies of 2022 as they are derived, against those that were published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from isoloir.configs.load import load_territory
from isoloir.domain.station import positions
from isoloir.pipelines.sources import datagouv
from isoloir.pipelines.sources.door import Door
from isoloir.pipelines.sources.returns import Read, Returns
from isoloir.pipelines.sources.tables import Opened

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def france(shared_data: Path) -> Read:
    config, folder = load_territory("fr"), shared_data / "france"
    door = Door(config.calendar, tuple(config.groupings.values()), config.label_kind)
    general, candidates = folder / "general_results.parquet", folder / "candidats_results.parquet"
    return datagouv.read_returns(Opened(general), Opened(candidates), door)


def of(france: Read, key: str) -> Returns:
    return next(one for one in france.returns if one.contest == key)


def test_the_groups_of_2022_are_as_many_as_were_counted_by_hand(france: Read) -> None:
    found = {d.contest: (d.groups, d.constituencies, d.unknown) for d in france.derivations}
    # The 578th lies in two overseas collectivities; five were won in the first round.
    assert found == {"2022_legi_t1": (578, 577, 0), "2022_legi_t2": (573, 572, 0)}


@pytest.mark.parametrize("key", ["2022_legi_t1", "2022_legi_t2"])
def test_derived_constituencies_are_those_published_in_2017(france: Read, key: str) -> None:
    then, now = of(france, "2017_legi_t1"), of(france, key)
    assert set(now.stations.constituency_code) <= set(then.stations.constituency_code)
    at = positions(now.stations.station_id, then.stations.station_id)
    found = at >= 0
    same = found & (now.stations.constituency_code == then.stations.constituency_code[at])
    assert found.sum() > 67_500
    # Measured: 99.955 % of the stations and 99.949 % of the registered; the rest changed under one code.
    assert same.sum() / found.sum() > 0.9995
    assert now.registered[same].sum() / now.registered[found].sum() > 0.9994


def test_derived_constituencies_of_a_department_are_those_that_its_ministry_file_states(
    france: Read, shared_data: Path
) -> None:
    path = next((shared_data / "ministry").glob("LG22_burvot_t1_*"))
    lines = path.read_text(encoding="latin-1").splitlines()[1:]
    rows = [line.split(";")[:7] for line in lines if line]
    published = {f"{r[0]}{r[4].zfill(3)}_{r[6].zfill(4)}": r[0] + r[2].zfill(2) for r in rows}
    now = of(france, "2022_legi_t1").stations
    mine = pd.Series(now.constituency_code, index=now.station_id)
    both = [station for station in published if station in mine.index]
    assert len(both) == len(published) > 800
    assert np.mean([mine[s] == published[s] for s in both]) == 1
