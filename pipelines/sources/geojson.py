"""The features of a GeoJSON file one after the other, whatever its lines, without holding the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from isoloir.domain.errors import SourceError

from .gate.columns import refused, tells_of
from .gate.patterns import kind_of
from .tables import Opened

CHUNK = 1 << 20
LARGEST = 1 << 26
"""Characters of the largest value that is read whole; the outlines of a station have some thousands."""

READ = frozenset(
    {"type", "coordinates", "geometry", "properties", "codeBureauVote", "codeCommune", "numeroBureauVote"}
)
"""Members of features that are kept. What is not declared, such as the names of places, goes no further."""

LEFT_OUT = frozenset(
    {
        *("id", "id_bv", "bbox", "name", "crs", "llieu", "libelle", "libelleBureauVote"),
        *("codeDepartement", "nomDepartement", "nomCommune", "codeCirconscription", "nomCirconscription"),
        *("codeRegion", "nomRegion", "code", "nom", "fid", "ogc_fid", "gid", "OBJECTID", "surface"),
    }
)
"""Members that publishers are known to have beside these: names and codes of places."""

BLANK = re.compile(r"[ \t\n\r]*")
DEGREES = re.compile(r".*(CRS84|EPSG:{1,2}4326)")


@dataclass(frozen=True, slots=True)
class _Strange:
    """Undeclared members of features, and what those of them say that hold text."""

    names: dict[str, None] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)

    def declared(self, members: list[tuple[str, Any]]) -> dict[str, Any]:
        """The declared members of an object; the others are kept here until they are looked at."""
        kept = {}
        for name, value in members:
            if name in READ:
                kept[name] = value
            elif name not in LEFT_OUT:
                self.names[name] = None
                self.texts.extend([str(value)] if isinstance(value, str | int) else [])
        return kept


def _no_number(said: str) -> float:
    raise ValueError(f"{said} is no JSON")


MEMBER = json.JSONDecoder(parse_constant=_no_number)


def features(opened: Opened) -> Iterator[dict[str, Any]]:
    """Each feature's declared members. SourceError for what is no collection of features in degrees.

    PrivacyError for a member that is not declared and tells of persons; others are counted, not kept.
    """
    with opened.path.open(encoding="utf-8-sig", newline="") as file:
        text, strange = _Sliding(file, opened.where), _Strange()
        told = 0
        try:
            for feature in _collection(text, strange):
                if strange.texts or len(strange.names) > told:
                    told = len(strange.names)
                    _look_at(strange, f"{opened.where}, feature {text.number}")
                yield feature
        except UnicodeDecodeError:
            text.refuse("is no UTF-8")
    if strange.names:
        opened.note(
            f"{opened.where}: {len(strange.names)} member(s) of features that no source declares, not kept"
        )


def _look_at(strange: _Strange, where: str) -> None:
    """PrivacyError where an undeclared member of a feature tells of a person."""
    for name in strange.names:
        kind = tells_of(name)
        if kind is not None:
            raise refused(f"a property is not declared, and by its name it is about {kind}", where)
    for text in strange.texts:
        kind = kind_of(text)
        if kind is not None:
            raise refused(f"a property is not declared, and holds {kind}", where)
    strange.texts.clear()


def _collection(text: _Sliding, strange: _Strange) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder(object_pairs_hook=strange.declared, parse_constant=_no_number)
    text.expect("{")
    found = False
    for _ in text.members("}"):
        name = text.value(MEMBER)
        text.expect(":")
        if name != "features":
            _check(text, name, text.value(MEMBER))
            continue
        found = True
        text.expect("[")
        for _ in text.members("]"):
            text.number += 1
            feature = text.value(decoder)
            if not isinstance(feature, dict) or feature.get("type") != "Feature":
                text.refuse("holds what is no feature")
            yield feature
    if not found:
        text.refuse("has no features: it is no FeatureCollection")
    if text.peek():
        text.refuse("goes on after its end")


def _check(text: _Sliding, name: object, value: object) -> None:
    if name == "type" and value != "FeatureCollection":
        text.refuse("is no FeatureCollection")
    # A member of the older GeoJSON (2008); since 2016 coordinates are degrees, and it is not written.
    if name == "crs" and value is not None:
        properties = value.get("properties") if isinstance(value, dict) else None
        crs = properties.get("name") if isinstance(properties, dict) else None
        if not isinstance(crs, str) or not DEGREES.match(crs):
            text.refuse("has coordinates in another system than longitude and latitude (CRS84)")


@dataclass(slots=True)
class _Sliding:
    """A window on a text file, from the first character that was not yet used."""

    file: IO[str]
    where: str
    number: int = 0
    buffer: str = ""
    at: int = 0

    def peek(self) -> str:
        """The next character that is no blank; "" at the end of the file."""
        while True:
            match = BLANK.match(self.buffer, self.at)
            assert match is not None
            self.at = match.end()
            if self.at < len(self.buffer) or not self._more():
                return self.buffer[self.at : self.at + 1]

    def expect(self, character: str) -> None:
        """Step over ``character``, which must come next."""
        if self.peek() != character:
            self.refuse("is broken off, or is no JSON")
        self.at += 1

    def members(self, end: str) -> Iterator[None]:
        """Once before each of the values, or names and values, that commas part and ``end`` ends."""
        if self.peek() == end:
            self.at += 1
            return
        while True:
            yield
            if self.peek() != ",":
                break
            self.at += 1
        self.expect(end)

    def value(self, decoder: json.JSONDecoder) -> Any:
        """The next value, read whole."""
        self.peek()
        while True:
            try:
                value, end = decoder.raw_decode(self.buffer, self.at)
            except (ValueError, RecursionError):
                # Broken off at the window's end, or broken: only more of the file can tell.
                if len(self.buffer) - self.at > LARGEST or not self._more():
                    self.refuse("is broken off, or is no JSON")
                continue
            # A number may go on beyond the window.
            if end < len(self.buffer) or not self._more():
                self.at = end
                return value

    def refuse(self, what: str) -> None:
        """SourceError, with the feature that is being read."""
        where = f"{self.where}, feature {self.number}" if self.number else self.where
        raise SourceError(f"the file {what}", where=where, remedy="fetch it again")

    def _more(self) -> bool:
        """Read on, by as much again as is unread: a long value is tried a few times only."""
        unread = self.buffer[self.at :]
        read = self.file.read(max(CHUNK, len(unread)))
        self.buffer, self.at = unread + read, 0
        return bool(read)
