"""What a step is known by: a digest of all that went into it, so that a rerun does only what changed."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = "isoloir"


def stamp(*parts: object) -> str:
    """16 hex of the digest of ``parts``, each by its text."""
    said = hashlib.sha256()
    for part in parts:
        text = str(part).encode()
        said.update(f"{len(text)}:".encode() + text)
    return said.hexdigest()[:16]


@cache
def code_digest(*modules: str) -> str:
    """The digest of the sources of ``modules`` (below isoloir) and of all of ours that they import."""
    found: set[str] = set()
    for module in modules:
        _gather(module, found)
    return stamp(*(f"{name}\n{_source(name)}" for name in sorted(found)))


def _gather(module: str, found: set[str]) -> None:
    if module in found or not _path(module).is_file():
        return
    found.add(module)
    for name in _imports(module):
        _gather(name, found)


@cache
def _imports(module: str) -> frozenset[str]:
    """What a module imports of ours, dotted, below the package; a name that is no module is harmless."""
    package = module if _path(module).name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(_source(module))):
        if isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).strip(".")
            elif base.split(".")[0] == PACKAGE:
                base = base.removeprefix(PACKAGE).removeprefix(".")
            else:
                continue
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return frozenset(found - {""})


def _path(module: str) -> Path:
    folder = ROOT.joinpath(*module.split("."))
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


@cache
def _source(module: str) -> str:
    return _path(module).read_text(encoding="utf-8")
