"""Reading YAML as people write it, in two layers, with every problem kept and told at the end."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from isoloir.domain.errors import ConfigError, UsageError

M = TypeVar("M", bound=BaseModel)

KEY = re.compile(
    r"[a-z][a-z0-9_]{0,40}|[a-z]+(?:-[a-z0-9]+){1,5}|[0-9]{1,3}|\[key\]|[0-9]{4}_[a-z]+_t[0-9]|[A-Z]{1,5}"
)
"""Keys of files that messages may show: words of ours, contests and labels."""


class _PlainLoader(yaml.SafeLoader):
    """A safe loader in which ``no``, ``01``, ``2020_1`` and dates stay text, and a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping of ``node``; a ConstructorError where a key stands twice."""
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {shown_key(key)!r} is not text: quote it", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {shown_key(key)!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


# A list of its own: that of SafeLoader is shared by every user of the library.
_PlainLoader.yaml_implicit_resolvers = {}


def _resolve(tag: str, pattern: str, first: str) -> None:
    _PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


_resolve("bool", r"^(?:true|false)$", "tf")
_resolve("int", r"^-?(?:0|[1-9][0-9]*)$", "-0123456789")
_resolve("float", r"^-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?$", "-0123456789")
_resolve("null", r"^(?:null|~|)$", "n~")
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^$"), [""])


@dataclass(slots=True)
class Problems:
    """What is wrong with the files read so far: one line per problem, with file and field."""

    lines: list[str] = field(default_factory=list)

    def add(self, file: str, where: str, what: str) -> None:
        """Keep one problem."""
        self.lines.append(f"{file}: {where}: {what}" if where else f"{file}: {what}")

    def raise_if_any(self) -> None:
        """One :class:`ConfigError` that tells all of them; nothing if there are none."""
        if self.lines:
            count = f"{len(self.lines)} problem{'s' if len(self.lines) > 1 else ''} in the configuration"
            raise ConfigError("\n".join([f"{count}:", *(f"  {line}" for line in self.lines)]))


@dataclass(frozen=True, slots=True)
class Layers:
    """The shipped files and, over them file by file, those of ``overlay``."""

    shipped: Traversable
    overlay: Path | None = None

    @classmethod
    def over_package(cls, overlay: Path | None) -> Layers:
        """The package's own files under ``overlay``; UsageError if that is no directory."""
        if overlay is not None and not overlay.is_dir():
            raise UsageError(
                "the directory of configurations does not exist",
                where=str(overlay),
                remedy="create one with `isoloir config init DIR`",
            )
        return cls(files("isoloir.configs"), overlay)

    def find(self, path: str) -> tuple[Traversable, str] | None:
        """The file at ``path`` in the topmost layer that has it, with the name to show; else None."""
        if self.overlay is not None and (self.overlay / path).is_file():
            return self.overlay / path, str(self.overlay / path)
        shipped = self.shipped.joinpath(path)
        return (shipped, f"configs/{path}") if shipped.is_file() else None

    def names(self, folder: str) -> list[str]:
        """Names of what ``folder`` holds in either layer, sorted; dunder names left out."""
        roots: list[Traversable] = [self.shipped.joinpath(folder)]
        if self.overlay is not None:
            roots.append(self.overlay / folder)
        found = {entry.name for root in roots if root.is_dir() for entry in root.iterdir()}
        return sorted(name for name in found if not name.startswith(("_", ".")))

    def stems(self, folder: str) -> list[str]:
        """Names, without suffix, of the YAML files of ``folder``."""
        return [name.removesuffix(".yaml") for name in self.names(folder) if name.endswith(".yaml")]


def parse(file: Traversable, shown: str, problems: Problems) -> object | None:
    """What the YAML ``file`` says; None, and a problem kept, if it cannot be read."""
    try:
        said: object = yaml.load(file.read_text(encoding="utf-8"), Loader=_PlainLoader)
        return said
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f"line {mark.line + 1}" if mark is not None else ""
        problems.add(shown, line, error.problem or "is not YAML")
    except (yaml.YAMLError, UnicodeDecodeError):
        problems.add(shown, "", "is not YAML in UTF-8")
    return None


def shown_key(key: object) -> object:
    """``key`` as messages may show it: where a person writes anything, a name may stand."""
    return key if not isinstance(key, str) or KEY.fullmatch(key) else "(not shown: it may be a name)"


def validate(model: type[M], said: object, shown: str, problems: Problems) -> M | None:
    """``said`` as ``model``; None, and each fault kept, if it does not fit. Values are not repeated."""
    try:
        return model.model_validate(said if said is not None else {})
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False, include_context=False):
            where = ".".join(str(shown_key(part)) for part in fault["loc"])
            problems.add(shown, where, _told(fault["type"], fault["msg"]))
    return None


def read(layers: Layers, path: str, model: type[M], problems: Problems) -> M | None:
    """The file at ``path`` as ``model``; None, and the problems kept, if it is missing or wrong."""
    found = layers.find(path)
    if found is None:
        problems.add(f"configs/{path}", "", "is missing")
        return None
    before = len(problems.lines)
    said = parse(*found, problems)
    return validate(model, said, found[1], problems) if len(problems.lines) == before else None


def _told(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "is not a known key"
    if kind == "string_type":
        return f"{message}: quote it"
    return message.removeprefix("Value error, ")


def shown_name(layers: Layers, path: str) -> str:
    """The name under which the file at ``path`` is shown in a problem."""
    found = layers.find(path)
    return found[1] if found else f"configs/{path}"


def walk(
    folder: Traversable, suffixes: tuple[str, ...], above: str = ""
) -> Iterator[tuple[str, Traversable]]:
    """Relative path and file of everything under ``folder`` that ends in one of ``suffixes``, sorted."""
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        path = f"{above}{entry.name}"
        if entry.is_dir():
            yield from walk(entry, suffixes, f"{path}/")
        elif entry.name.endswith(suffixes):
            yield path, entry
