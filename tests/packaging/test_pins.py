"""constraints.txt names versions, nothing else, and covers what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path


def pins(repository: Path) -> list[str]:
    lines = (repository / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_pin_is_a_bare_version(repository: Path) -> None:
    odd = [line for line in pins(repository) if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", line)]
    assert not odd


def test_every_direct_dependency_is_pinned(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    asked = project["dependencies"] + project["optional-dependencies"]["dev"]
    names = {canonical(re.match(r"[A-Za-z0-9._-]+", requirement)[0]) for requirement in asked}
    assert names <= {canonical(line.split("==")[0]) for line in pins(repository)}, "run `make lock`"
