"""The published national turnouts against the sums of the published station files."""

from __future__ import annotations

from functools import reduce
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from isoloir.configs.load import load_territory
from isoloir.configs.national import load_national
from isoloir.domain.national import NationalFigure

pytestmark = pytest.mark.real

FIGURES = {f.key: f for f in load_national(load_territory("fr"))}

WHOLE = 0.0003
"""The ten rounds by station are whole; published figures are rounded to a hundredth of a point."""

PARTIAL = 0.003
"""What the commune file lacks (abroad, part of overseas) hardly moves a local election."""

# Rounds of the commune file that miss the published turnout by more, in points, and why.
APART = {
    # Abroad votes half as much as the rest, and part of overseas less: both are missing, so the sum is above.
    "no abroad, part of overseas": {
        "1999_euro_t1": 0.97,
        "2002_pres_t1": 1.24,
        "2002_pres_t2": 1.24,
        "2002_legi_t1": 0.71,
        "2002_legi_t2": 0.44,
        "2004_euro_t1": 0.54,
        "2007_pres_t1": 1.57,
        "2007_pres_t2": 1.34,
        "2007_legi_t1": 0.54,
        "2007_legi_t2": 0.31,
        "2009_euro_t1": 0.68,
        "2012_pres_t1": 1.89,
        "2012_pres_t2": 1.60,
        "2012_legi_t1": 1.51,
        "2012_legi_t2": 1.22,
        "2014_euro_t1": 1.80,
        "2017_pres_t1": 2.25,
        "2017_pres_t2": 1.70,
        "2017_legi_t1": 1.51,
        "2017_legi_t2": 0.93,
        "2019_euro_t1": 2.08,
        "2022_pres_t1": 2.50,
        "2022_pres_t2": 2.05,
        "2022_legi_t1": 1.53,
        "2022_legi_t2": 1.13,
    },
    # Small communes, which vote most, are not in it, or only those of them that had a second round.
    "larger communes only": {
        "2008_muni_t1": -5.60,
        "2008_muni_t2": -3.46,
        "2014_muni_t2": -0.43,
        "2020_muni_t2": -0.51,
    },
}


# Rows of the commune file whose registered cannot be true: 1,016,829 in 59512, which had 46,619 in June.
IMPOSSIBLE = {
    "2004_regi_t1": ["59512"],
    "2004_regi_t2": ["59005", "59230", "59526"],
    "2008_muni_t1": ["92019"],
}


def turnouts(table: pa.Table) -> dict[str, float]:
    """Voters / registered of each round in a published table."""
    summed = table.group_by("id_election").aggregate([("inscrits", "sum"), ("votants", "sum")]).to_pydict()
    return {
        key: voters / registered
        for key, voters, registered in zip(
            summed["id_election"], summed["votants_sum"], summed["inscrits_sum"], strict=True
        )
    }


@pytest.fixture(scope="module")
def communes(shared_data: Path) -> pa.Table:
    return pq.read_table(shared_data / "france" / "commune_turnout_1999_2022.parquet")


def impossible(communes: pa.Table) -> pa.ChunkedArray:
    """Which rows are among those whose registered cannot be true."""
    election, commune = communes["id_election"].cast(pa.string()), communes["code_commune"].cast(pa.string())
    chosen = [
        pc.and_(pc.equal(election, key), pc.is_in(commune, value_set=pa.array(codes)))
        for key, codes in IMPOSSIBLE.items()
    ]
    return reduce(pc.or_, chosen)


def known(key: str) -> NationalFigure:
    return FIGURES[key]


def test_each_round_by_station_sums_to_the_published_turnout(shared_data: Path) -> None:
    found = turnouts(pq.read_table(shared_data / "france" / "general_results.parquet"))
    assert len(found) == 10
    missed = {key: turnout for key, turnout in found.items() if abs(turnout - known(key).turnout) > WHOLE}
    assert not missed


def test_the_counts_of_whole_rounds_are_the_published_ones(shared_data: Path) -> None:
    table = pq.read_table(shared_data / "france" / "general_results.parquet")
    columns = ("inscrits", "votants", "exprimes")
    summed = table.group_by("id_election").aggregate([(c, "sum") for c in columns]).to_pylist()
    compared = 0
    for row in summed:
        published = known(row["id_election"])
        stated = (published.registered, published.voters, published.valid)
        # 2019_euro is the provisional count in the file.
        if None not in stated and published.kind == "pres":
            assert stated == tuple(row[f"{c}_sum"] for c in columns), row["id_election"]
            compared += 1
    assert compared == 4


def test_each_round_by_commune_agrees_or_misses_by_what_is_known_to_be_missing(communes: pa.Table) -> None:
    found = turnouts(communes.filter(pc.invert(impossible(communes))))
    assert len(found) == 51
    apart = {key: points for rounds in APART.values() for key, points in rounds.items()}
    assert apart.keys() <= found.keys()
    off = {key: turnout - known(key).turnout - apart.get(key, 0.0) / 100 for key, turnout in found.items()}
    assert not {key: round(100 * gap, 2) for key, gap in off.items() if abs(gap) > PARTIAL}
    # And what is said to miss does miss.
    assert not [key for key in apart if abs(found[key] - known(key).turnout) <= PARTIAL]


def test_the_published_figure_gives_away_rows_that_cannot_be_true(communes: pa.Table) -> None:
    wrong = communes.filter(impossible(communes))
    assert wrong.num_rows == 5
    found = turnouts(communes)
    assert round(100 * (found["2004_regi_t1"] - known("2004_regi_t1").turnout), 1) == -1.3
    assert round(100 * (found["2004_regi_t2"] - known("2004_regi_t2").turnout), 1) == -2.7
