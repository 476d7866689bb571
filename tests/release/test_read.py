"""open_release verifies, loads a table when it is asked for, and brings none of the heavy libraries along."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from forging import copy_of, manifest_of

from isoloir.domain.errors import ReleaseError
from isoloir.pipelines.release.read import open_release

TABLES = ("scores", "units", "aggregates", "succession", "training")

HEAVY = """
import sys
from isoloir.pipelines.release.read import open_release
release = open_release(sys.argv[1])
assert len(release.scores)
heavy = ("prefect", "mlflow", "lightgbm", "sklearn", "matplotlib", "isoloir.models")
print(sorted(name for name in sys.modules if name.startswith(heavy)))
"""


def test_its_tables_are_those_of_the_files(demo_run: Any) -> None:
    release = open_release(demo_run.release)
    for name in TABLES:
        pd.testing.assert_frame_equal(
            getattr(release, name), pd.read_parquet(demo_run.release / f"{name}.parquet")
        )
        assert release.arrow(name).equals(pq.read_table(demo_run.release / f"{name}.parquet"), True)
    assert release.manifest == manifest_of(demo_run.release)
    assert release.blocs == tuple(release.manifest["blocs"])


def test_units_and_texts_come_with_arrow(demo_run: Any) -> None:
    field = open_release(demo_run.release).arrow("scores").schema.field("turnout_pred")
    assert field.metadata[b"unit"] == b"share" and field.metadata[b"description"]


def test_a_table_is_read_when_first_used_and_once(demo_run: Any, tmp_path: Path) -> None:
    release = open_release(copy_of(demo_run.release, tmp_path))
    scores = release.scores
    for path in release.path.glob("*.parquet"):
        path.unlink()
    assert release.scores is scores
    with pytest.raises(FileNotFoundError):
        _ = release.units


def test_current_is_followed_when_it_is_opened(demo_run: Any, tmp_path: Path) -> None:
    folder = copy_of(demo_run.release, tmp_path)
    (tmp_path / "current").symlink_to(folder.name)
    release = open_release(str(tmp_path / "current"))
    (tmp_path / "current").unlink()
    assert release.path.name == folder.name and len(release.scores)


def test_a_damaged_release_is_not_opened(demo_run: Any, tmp_path: Path) -> None:
    folder = copy_of(demo_run.release, tmp_path)
    with (folder / "aggregates.parquet").open("ab") as file:
        file.write(b" ")
    with pytest.raises(ReleaseError, match=r"aggregates\.parquet was changed"):
        open_release(folder)


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no release"):
        open_release(tmp_path / "missing")


def test_a_table_that_the_release_lacks_is_told_with_those_it_has(tmp_path: Path) -> None:
    frozen = Path(__file__).parent / "frozen" / "1.1.0"
    release = open_release(shutil.copytree(frozen, tmp_path / "1.1.0"))
    with pytest.raises(ReleaseError, match=r"schema 1\.1\.0 has no table 'training'") as error:
        _ = release.training
    assert "scores.parquet" in error.value.remedy


def test_reading_brings_no_heavy_library_along(demo_run: Any) -> None:
    call = [sys.executable, "-c", HEAVY, str(demo_run.release)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
