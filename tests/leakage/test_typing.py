"""Mypy refuses every cheat of typing_must_fail.py, and nothing else in it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

CHEATS = Path(__file__).with_name("typing_must_fail.py")


def linked(repository: Path) -> None:
    """The links through which mypy finds isoloir.<folder>, as the Makefile makes them."""
    links = repository / ".typing" / "isoloir"
    links.mkdir(parents=True, exist_ok=True)
    for folder in ("domain", "features", "models", "configs", "pipelines"):
        link = links / folder
        if not link.exists():
            link.symlink_to(Path("..", "..", folder))


@pytest.mark.slow
def test_every_cheat_is_refused_by_mypy_and_nothing_else(repository: Path) -> None:
    linked(repository)
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-pretty", "--no-error-summary", str(CHEATS)],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = CHEATS.read_text(encoding="utf-8").splitlines()
    marked = {
        (number, found[1])
        for number, line in enumerate(lines, start=1)
        if (found := re.search(r"# refused: ([a-z-]+)$", line))
    }
    errors = {
        (int(found[1]), found[2])
        for line in ran.stdout.splitlines()
        if (found := re.match(rf".*{CHEATS.name}:(\d+): error: .*\[([a-z-]+)\]$", line))
    }
    assert marked, "no line is marked"
    assert errors == marked, ran.stdout + ran.stderr
    assert ran.returncode == 1
