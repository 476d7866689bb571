"""The examples of docs/reading.md: run in the folder of a release, with what the page says that they print.

    python tests/reading.py RELEASE

writes the page anew with what they print of that release, which is to be one of the demo of 300 stations.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb

from isoloir.pipelines.release.export import to_csv
from isoloir.pipelines.release.read import open_release

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reading.md"
BLOCK = re.compile(r"```(?P<language>\w+)\n(?P<code>.*?)```\n(?:\n```text\n(?P<stated>.*?)```\n)?", re.DOTALL)
RUN = ("python", "sql")
"""What runs anywhere; R and GDAL are tools of the system."""


@dataclass(frozen=True)
class Example:
    """A piece of code and what it is said to print; None where nothing is said."""

    language: str
    code: str
    stated: str | None


def examples(page: Path = PAGE) -> list[Example]:
    """The page's examples in order."""
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Example(one["language"], one["code"], one["stated"]) for one in found]


def printed(example: Example, release: Path) -> str:
    """What a piece of Python, SQL or R prints in the folder of a release, for R with its scores as CSV."""
    with contextlib.chdir(release):
        if example.language == "r":
            said = subprocess.run(
                ["Rscript", "-e", example.code], capture_output=True, text=True, check=False
            )
            return said.stdout + said.stderr
        if example.language == "sql":
            return _table(example.code)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(example.code, PAGE.name, "exec"), {})
        return out.getvalue()


def _table(query: str) -> str:
    with duckdb.connect() as connection:
        found = connection.sql(query)
        lines = [tuple(found.columns), *found.fetchall()]
    return "".join(" | ".join(str(cell) for cell in line) + "\n" for line in lines)


def rewritten(page: str, release: Path, csv: Path) -> str:
    """The page with what its examples print in the folder of a release; R in that of its scores as CSV."""

    def told(found: re.Match[str]) -> str:
        if found["stated"] is None or (found["language"] == "r" and shutil.which("Rscript") is None):
            return found[0]
        folder = csv if found["language"] == "r" else release
        out = printed(Example(found["language"], found["code"], None), folder)
        return f"```{found['language']}\n{found['code']}```\n\n```text\n{out}```\n"

    return BLOCK.sub(told, page)


if __name__ == "__main__":
    release = open_release(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        to_csv(release, "scores", Path(folder))
        text = rewritten(PAGE.read_text(encoding="utf-8"), release.path, Path(folder))
    PAGE.write_text(text, encoding="utf-8")
