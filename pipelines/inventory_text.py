"""An inventory of sources as the screen shows it, and as one JSON object."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from .inventory import Held, Inventory, Listed

WIDTHS = (23, 41, 10, 8, 10, 7)
HEADINGS = ("source", "what it is", "public on", "get it", "in home", "reaches")
"""Of the columns; with two blanks between them, 109 characters."""

WIDTH = 109


def as_text(found: Inventory, territory: str, home: str) -> Iterator[str]:
    """The lines: a table of sources, what to know of them, the contests in home."""
    yield from _row([[heading] for heading in HEADINGS])
    yield "-" * WIDTH
    for one in found.sources:
        yield from _row(_cells(one))
    yield ""
    yield from _notes(found, territory, home)
    if found.roll is not None:
        yield ""
        yield from _contests(found)


def _row(cells: Sequence[Sequence[str]]) -> Iterator[str]:
    for line in zip_longest(*cells, fillvalue=""):
        yield "  ".join(f"{text:{width}}" for text, width in zip(line, WIDTHS, strict=True)).rstrip()


def _cells(one: Listed) -> list[list[str]]:
    usual = "each vote" if one.declared else "unstated"
    known = [one.known_on.isoformat() if one.known_on else usual]
    get = ["url" if one.has_url else "--from"] + (["large"] if one.large else [])
    return [
        textwrap.wrap(one.name, WIDTHS[0]),
        textwrap.wrap(one.what, WIDTHS[1]),
        known + ([] if one.checked else ["unchecked"]),
        get + ([] if one.tried else ["untried"]),
        _in_home(one),
        ["" if one.reaches is None else _share(one.reaches)],
    ]


def _in_home(one: Listed) -> list[str]:
    if not one.inputs:
        return ["no"]
    day = [one.read_on.isoformat()] if one.read_on else ["yes"]
    if len(one.inputs) > 2:
        return [*day, f"{len(one.inputs)} files"]
    return day + [i.sha256[:8] for i in one.inputs]


def _share(share: float) -> str:
    """In per cent; never 100 where somebody is missing, never 0 where somebody is reached."""
    shown = min(share, 0.999) if share < 1 else 1.0
    shown = max(shown, 0.001) if share > 0 else 0.0
    return f"{shown:7.1%}"


def _notes(found: Inventory, territory: str, home: str) -> Iterator[str]:
    if found.roll is None:
        yield f"Nothing of {territory} was ingested into {home}: this is what is declared."
    else:
        roll = f"the roll of {found.roll.contest} ({int(found.roll.registered.sum()):,} registered electors)"
        yield from _wrapped(f"reaches: of {roll}, the part that some figure, outline or count is about.")
    yield from _licences(found)
    unchecked = [one.name for one in found.sources if not one.checked]
    if unchecked:
        yield from _wrapped(
            f"unchecked: {', '.join(unchecked)}: the day on which it became public was not found in a "
            "published source"
        )
    untried = [one.name for one in found.sources if not one.tried]
    if untried:
        yield from _wrapped(
            f"untried: {', '.join(untried)}: its reader follows a description of the file, and never ran on "
            "the publisher's own; look twice at what comes of it"
        )
    for one in found.sources:
        for remark in one.remarks:
            yield from _wrapped(f"look at {one.name}: {remark}")


def _licences(found: Inventory) -> Iterator[str]:
    """Which sources are under which licence, that of most of them last."""
    names: dict[str, list[str]] = {}
    for one in found.sources:
        names.setdefault(one.licence, []).append(one.name)
    *others, usual = sorted(names, key=lambda licence: len(names[licence]))
    for licence in others:
        yield from _wrapped(f"licence of {', '.join(names[licence])}: {licence}")
    yield from _wrapped(f"licence of all{' others' if others else ''}: {usual}")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _contests(found: Inventory) -> Iterator[str]:
    width = max(len(held.source) for held in found.contests)
    yield f"{'contest':13}  {'stations':>8}  {'reaches':>7}  {'source':{width}}".rstrip()
    for held in found.contests:
        yield f"{held.contest:13}  {held.stations:8,}  {_share(held.reaches)}  {held.source}"
    if found.coarse:
        shares = [share for _, share in found.coarse]
        span = f"{_share(min(shares)).strip()} to {_share(max(shares)).strip()}"
        yield f"and {len(shares)} contests by commune only, which reach {span}"


def as_object(found: Inventory) -> dict[str, object]:
    """The same as plain values, for JSON."""
    roll = found.roll
    return {
        "roll": roll and {"contest": roll.contest, "registered": int(roll.registered.sum())},
        "sources": [_object(one) for one in found.sources],
        "contests": [_held(one) for one in found.contests],
        "by_commune": dict(found.coarse),
    }


def _held(one: Held) -> dict[str, object]:
    return {
        "contest": one.contest,
        "source": one.source,
        "stations": one.stations,
        "reaches": one.reaches,
    }


def _object(one: Listed) -> dict[str, object]:
    return {
        "name": one.name,
        "declared": one.declared,
        "what": one.what,
        "files": [{"file": f.file, "url": f.url} for f in one.files],
        "licence": one.licence,
        "attribution": one.attribution,
        "known_on": one.known_on and one.known_on.isoformat(),
        "checked": one.checked,
        "tried": one.tried,
        "large": one.large,
        "in_home": [{"file": i.file, "sha256": i.sha256, "from": i.path} for i in one.inputs],
        "read_on": one.read_on and one.read_on.isoformat(),
        "reaches": one.reaches,
        "reach": dict(one.reach),
        "remarks": list(one.remarks),
    }
