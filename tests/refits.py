"""The examples of docs/training.md, run as a reader runs them: in a folder of its own, without Isoloir."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd

TURNOUT, SECOND_ROUNDS, SHARES = range(3)
"""The examples, in order."""


def put(folder: Path, rows: pd.DataFrame, said: dict[str, object]) -> None:
    """The two files of a release that the examples read."""
    rows.to_parquet(folder / "training.parquet")
    (folder / "manifest.json").write_text(json.dumps({"training": said}), encoding="utf-8")


def ran(repository: Path, number: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """An example, run in the folder of a release by a Python of its own."""
    text = (repository / "docs" / "training.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3 and "isoloir" not in "".join(blocks)
    return subprocess.run(
        [sys.executable, "-c", blocks[number]], cwd=folder, capture_output=True, text=True, check=False
    )
