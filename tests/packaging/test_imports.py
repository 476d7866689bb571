"""Rules on imports that import-linter cannot state: those on a part of a library."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

INNER = ("domain", "features", "models", "configs")
OF_THE_WORLD = ("urllib.request.", "http.client.", "pyarrow.dataset.", "pyarrow.fs.", "pyarrow.flight.")


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def worldly(source: str) -> list[str]:
    return [name for name in imported(source) if f"{name}.".startswith(OF_THE_WORLD)]


@pytest.mark.parametrize("folder", INNER)
def test_only_pipelines_reach_for_the_network_and_for_datasets(repository: Path, folder: str) -> None:
    offences = {
        str(path.relative_to(repository)): names
        for path in sorted((repository / folder).rglob("*.py"))
        if (names := worldly(path.read_text(encoding="utf-8")))
    }
    assert not offences, f"move this to pipelines and pass the value on: {offences}"


@pytest.mark.parametrize(
    "source",
    [
        "import urllib.request",
        "from urllib.request import urlopen",
        "from pyarrow import dataset",
        "import pyarrow.fs as files",
    ],
)
def test_the_rule_sees_each_way_to_write_an_import(source: str) -> None:
    assert worldly(source)


def test_the_rule_lets_harmless_parts_of_a_library_pass() -> None:
    assert not worldly("from urllib.parse import urlsplit\nimport pyarrow as pa\nfrom .urllib import request")
