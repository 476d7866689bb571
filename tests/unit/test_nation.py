"""What was ingested beside the official national turnout."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from isoloir.domain.national import NationalFigure
from isoloir.pipelines.nation import beside_official

FIGURE = NationalFigure(
    key="2020_legi_t1",
    kind="legi",
    round=1,
    held_on=date(2020, 6, 7),
    known_on=date(2020, 6, 12),
    turnout=0.6,
    registered=None,
    voters=None,
    valid=None,
    shares=(),
    scope="country",
    source="invented",
    checked=True,
)


def core(folder: Path, **voters: int) -> Path:
    for key, number in voters.items():
        table = pa.table({"registered": [400, 600], "voters": [number, 300]})
        pq.write_table(table, folder / f"{key.removeprefix('c')}.parquet")
    return folder


def test_a_turnout_that_is_the_official_one_is_counted_and_another_is_told(tmp_path: Path) -> None:
    figures = [FIGURE, replace(FIGURE, key="2021_pres_t1"), replace(FIGURE, key="2022_euro_t1")]
    folder = core(tmp_path, c2020_legi_t1=302, c2021_pres_t1=250, c2022_euro_t1=100, c2023_regi_t1=100)
    assert beside_official(folder, ("2022_euro_t1",), figures) == [
        "turnout of 1 contest(s) is the official one, within 0.3 pp",
        "2021_pres_t1: turnout 55.00% here, 60.00% officially (-5.00 pp)",
    ]


def test_the_mainland_s_turnout_is_not_the_country_s(tmp_path: Path) -> None:
    folder = core(tmp_path, c2020_legi_t1=250)
    assert beside_official(folder, (), [replace(FIGURE, scope="mainland")]) == []
