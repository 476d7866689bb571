"""The command that explains a trained target: what it prints, what it keeps, and where."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from commands import Said, isoloir

from isoloir.models.explain import WARNING
from isoloir.pipelines.demo import write_demo
from isoloir.pipelines.flows.engine import engine

# Prefect's clients leave the closing of some sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

CONTESTS = (
    "2012_pres_t1", "2014_euro_t1", "2015_regi_t1", "2017_pres_t1", "2019_euro_t1", "2022_pres_t1",
    "2022_pres_t2", "2024_euro_t1",
)  # fmt: skip
"""Enough of the demo for trees to be grown, and a second round that a first one has nothing to do with."""

TARGET = "2027_pres_t1"
BLOCS = ("red", "green", "blue", "gold", "grey")


@dataclass(frozen=True)
class House:
    """A home in which a target was trained and explained; what the command said, before and after."""

    home: Path
    early: Said
    champion: dict[str, str]
    said: Said

    def folder(self, name: str) -> Path:
        lines = [line for line in self.said.out.splitlines() if line.startswith(f"{name}:")]
        return Path(lines[0].split(":", 1)[1].strip())

    @property
    def importance(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder("tables") / "importance.parquet")

    @property
    def effects(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder("tables") / "partial_effects.parquet")

    @property
    def explained(self) -> list[str]:
        """The roles whose drivers are kept."""
        return sorted(path.name for path in self.folder("drivers").parent.iterdir())


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    whole, country = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("country")
    home = tmp_path_factory.mktemp("explained") / "home"
    write_demo(whole, n_stations=300)
    for name in ("general_results.parquet", "candidats_results.parquet"):
        table = pq.read_table(whole / name)
        pq.write_table(table.filter(pc.is_in(table["id_election"], pa.array(CONTESTS))), country / name)
    with engine(home):
        assert isoloir("ingest", "demo", "--from", country, "--home", home).status == 0
        asked = ("explain", "demo", "--target", TARGET, "--home", home)
        early = isoloir(*asked)
        trained = isoloir("train", "demo", "--target", TARGET, "--home", home, "--json")
        champion = dict(
            zip(("turnout", "swing"), json.loads(trained.out)["champion"].split("+"), strict=True)
        )
        yield House(home, early, champion, isoloir(*asked))


def test_a_target_that_was_not_trained_is_refused_with_the_command_that_trains_it(house: House) -> None:
    assert house.early.status == 5
    assert "was trained for 2027_pres_t1" in house.early.err
    assert "isoloir train demo --target 2027_pres_t1" in house.early.err


def test_the_warning_stands_above_every_table(house: House) -> None:
    assert house.said.status == 0, house.said.err
    lines = house.said.out.splitlines()
    titles = [i for i, line in enumerate(lines) if line.startswith(("importance of", "partial effects,"))]
    wanted = WARNING.splitlines()
    assert len(titles) == 2 * house.importance[["quantity", "role"]].drop_duplicates().shape[0] >= 4
    assert all(lines[i - len(wanted) : i] == wanted for i in titles)


def test_the_champion_is_explained_and_trees_beside_one_that_is_none(house: House) -> None:
    of_champion = house.importance[house.importance["role"] == "champion"]
    assert dict(zip(of_champion["quantity"], of_champion["model"], strict=True)) == house.champion
    for quantity, name in house.champion.items():
        beside = house.importance.query("quantity == @quantity and role == 'boosted'")["model"].unique()
        assert len(beside) == (0 if name.startswith("boosted") else 1)
        assert all(
            b.startswith("boosted_turnout" if quantity == "turnout" else "boosted_shares") for b in beside
        )


def test_importance_is_a_mean_over_held_out_first_rounds(house: House) -> None:
    """The target is a first round: so are the contests; the first of all had no past to be forecast by."""
    assert (house.importance["contests"] <= len(CONTESTS) - 2).all()
    assert house.importance["contests"].max() == len(CONTESTS) - 2
    assert (house.importance["least"] <= house.importance["increase"]).all()
    main = house.importance.groupby(["quantity", "role"])["increase"].max()
    assert (main > 0).all()


def test_partial_effects_are_of_the_mean_and_cross_nought(house: House) -> None:
    assert set(house.effects["of"]) == {"turnout", *BLOCS}
    for _, part in house.effects.groupby(["role", "of", "feature"]):
        assert part["quantile"].is_monotonic_increasing and part["at"].is_monotonic_increasing
        assert np.isfinite(part[["effect", "effect_pp"]]).all(axis=None)
    linear = house.effects[house.effects["feature"] == "turnout_anchor"]
    assert linear.empty or (linear["effect_pp"].min() < 0 < linear["effect_pp"].max())


def test_what_leaves_home_has_no_stations_and_carries_the_warning(house: House) -> None:
    for path in house.folder("tables").glob("*.parquet"):
        schema = pq.read_schema(path)
        assert not {"station_id", "commune_code"} & set(schema.names)
        assert schema.metadata[b"warning"].decode() == WARNING
    # A theme of the importance and a bloc of the effects are all that tells a row apart.
    assert len(house.effects) < 5 * 300


def test_the_drivers_of_stations_stay_inside_one_row_each(house: House) -> None:
    path = house.folder("drivers")
    assert path.is_relative_to(house.home / "forecasts")
    assert all(stat.S_IMODE(f.stat().st_mode) == 0o700 for f in (path.parent, path.parent.parent, house.home))
    table = pd.read_parquet(path)
    assert table["station_id"].is_unique and len(table) > 200
    stems = ("turnout", *(f"share_{b}" for b in BLOCS))
    wanted = [f"{s}_{what}" for s in stems for i in (1, 2, 3) for what in (f"driver_{i}", f"effect_{i}_pp")]
    assert table.columns.tolist() == ["station_id", *wanted]
    effects = table[[f"turnout_effect_{i}_pp" for i in (1, 2, 3)]].abs().to_numpy()
    # The most first; fewer than three where there are no more.
    both = ~np.isnan(effects[:, :-1]) & ~np.isnan(effects[:, 1:])
    assert (effects[:, :-1][both] >= effects[:, 1:][both]).all()
    assert table["turnout_driver_1"].notna().mean() > 0.9 and np.nanmax(effects) < 100
    trees = any(not name.startswith("boosted") for name in house.champion.values())
    assert ("drivers_boosted.parquet" in house.explained) == trees


def test_a_second_call_reads_what_is_kept_and_says_the_same(house: House) -> None:
    again = isoloir("explain", "demo", "--target", TARGET, "--home", house.home)
    assert again.out == house.said.out.replace("again:        False", "again:        True")
    assert again.out != house.said.out


def test_as_json_the_warning_comes_with_both_tables(house: House) -> None:
    told = json.loads(isoloir("explain", "demo", "--target", TARGET, "--home", house.home, "--json").out)
    assert told["warning"] == WARNING
    assert len(told["importance"]) == len(house.importance)
    assert len(told["partial_effects"]) == len(house.effects)
