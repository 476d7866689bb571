"""Labels of Ministry files as they were meant: accents that an encoding broke are mended where certain."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa

from isoloir.domain.bloc import BlocMap
from isoloir.domain.election import Contest
from isoloir.pipelines.sources.door import Door

LOST = "?\ufffd"
"""What stands for a letter that an encoding lost."""


def mended(raw: str) -> str:
    """The text of a field that was read one character per byte, whatever it was encoded in, once or twice."""
    text = raw
    for encoding in ("latin-1", "cp1252", "latin-1"):
        if text.isascii():
            break
        try:
            text = text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return text.encode("latin-1").decode("cp1252", "replace") if text == raw else text


def with_letters(contest: Contest, label: str, groupings: tuple[BlocMap, ...]) -> str:
    """``label`` with its lost letters, if exactly one declared label or beginning fits; else as it is."""
    plain = label.replace("ï¿½", LOST[1])
    if not any(c in LOST for c in plain) or any(m.code_of(contest, label) is not None for m in groupings):
        return label
    declared = {
        beginning
        for grouping in groupings
        if grouping.speaks_of(contest)
        for rule in grouping.rules
        if not rule.contests or contest.key in rule.contests
        for beginning in (*rule.labels, *rule.prefixes)
    }
    fitting = {beginning + plain[len(beginning) :] for beginning in declared if _fits(plain, beginning)}
    return fitting.pop() if len(fitting) == 1 else label


def _fits(label: str, beginning: str) -> bool:
    """Whether ``label`` begins so, lost letters being any that are not ASCII."""
    if len(label) < len(beginning) or not beginning:
        return False
    return all(a == b or (a in LOST and not b.isascii()) for a, b in zip(label, beginning, strict=False))


def through(door: Door, contest: str, label: str, where: str, line: int) -> str | None:
    """The label if the door lets it in, None where it is withheld; SourceError with its line if refused."""
    key, text = (pa.chunked_array([pa.array([value], pa.string())]) for value in (contest, label))
    withheld: Counter[str]
    let_in, withheld = door.labels(key, text, where, line - 1)
    return None if withheld[contest] else let_in[0].as_py()
