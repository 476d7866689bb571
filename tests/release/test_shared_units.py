"""All releases of a target share their units, wherever they are pushed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from commands import isoloir
from deliveries import TARGET, files_of, seen_in

from isoloir.configs.load import load_release
from isoloir.domain.errors import MissingInputError, PrivacyError
from isoloir.pipelines.release.deliver import deliver
from isoloir.pipelines.release.place import place_of
from isoloir.pipelines.release.shared_units import joined

UNITS = f"units-policy{load_release(None).policy_version}.parquet"


def quiet(_: str) -> None:
    """Progress that nobody reads."""


def with_units(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """The partition beside releases, changed."""
    units = pd.read_parquet(folder / UNITS)
    change(units).to_parquet(folder / UNITS)


def swapped(units: pd.DataFrame) -> pd.DataFrame:
    """A merged station stands alone."""
    merged = units.index[units["unit_id"] != units["station_id"]][0]
    units.loc[merged, "unit_id"] = units.loc[merged, "station_id"]
    return units


def test_another_partition_of_units_is_refused(two_releases: Any, house: Path, tmp_path: Path) -> None:
    deliver(two_releases.old, place_of(str(tmp_path / "out")), quiet)
    before = files_of(tmp_path / "out")
    with_units(house, swapped)
    said = isoloir("releases", "push", house / "current", "--to", tmp_path / "out", "--quiet")
    assert (said.status, said.out) == (7, "")
    assert "units there are others: two partitions can be subtracted from one another" in said.err
    assert "raise policy_version" in said.err
    assert files_of(tmp_path / "out") == before


def test_a_partition_that_knows_more_stations_is_joined(
    two_releases: Any, house: Path, tmp_path: Path
) -> None:
    with_units(house, lambda units: units.iloc[5:])
    deliver((house / "current").resolve(), place_of(str(tmp_path / "out")), quiet)
    assert len(pd.read_parquet(tmp_path / "out" / TARGET / UNITS)) < len(
        pd.read_parquet(two_releases.new.parent / UNITS)
    )
    deliver(two_releases.old, place_of(str(tmp_path / "out")), quiet)
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "out" / TARGET / UNITS), pd.read_parquet(two_releases.new.parent / UNITS)
    )


def table(**units: str | None) -> pd.DataFrame:
    said = {"station_id": list(units), "unit_id": list(units.values()), "reason": [""] * len(units)}
    return pd.DataFrame(said)


def test_partitions_join_by_their_units_and_not_by_their_names() -> None:
    ours, theirs = table(a="c", b="c", c="c", d="d", w=None), table(a="a", b="a", e="e", w=None)
    expected = table(a="a", b="a", c="a", d="d", e="e", w=None)
    pd.testing.assert_frame_equal(joined(ours, theirs, "there"), expected)


@pytest.mark.parametrize(
    "theirs", [{"a": "a", "b": "b"}, {"b": "b", "d": "b"}, {"a": None}, {"a": "a", "w": "a"}, {"w": "w"}]
)
def test_partitions_that_differ_at_a_station_do_not_join(theirs: dict[str, str | None]) -> None:
    with pytest.raises(PrivacyError, match="units there are others"):
        joined(table(a="a", b="a", d="d", w=None), table(**theirs), "there")


def test_a_release_without_the_partition_of_its_home_is_refused(house: Path, tmp_path: Path) -> None:
    (house / UNITS).unlink()
    with pytest.raises(MissingInputError, match="push it from the home that it was published in"):
        deliver((house / "current").resolve(), place_of(str(tmp_path / "out")), quiet)
    assert not (tmp_path / "out").exists()


def without_digest(release: Path) -> Path:
    """As a release was made before releases shared their units."""
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    del manifest["units_digest"]
    (release / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return release


def test_a_release_from_before_units_were_shared_is_pushed_where_none_are(
    two_releases: Any, house: Path, tmp_path: Path
) -> None:
    (house / UNITS).unlink()
    release = without_digest((house / "current").resolve())
    deliver(release, place_of(str(tmp_path / "out")), quiet)
    assert not (tmp_path / "out" / TARGET / UNITS).exists()
    deliver(two_releases.old, place_of(str(tmp_path / "shared")), quiet)
    with pytest.raises(MissingInputError, match="partition of units"):
        deliver(release, place_of(str(tmp_path / "shared")), quiet)
    assert seen_in(tmp_path / "shared").led_to == [two_releases.old.name]
