"""Damaged Ministry files: the right numbers or a refusal with its remedy; no wrong number and no name."""

from __future__ import annotations

import random
import string
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ministry_files import FORMS, LABELS, NAME, Truth, stations_of, truth_of

from isoloir.configs.load import load_territory
from isoloir.domain.errors import IsoloirError
from isoloir.pipelines.sources.door import Door
from isoloir.pipelines.sources.ministry import reader as ministry
from isoloir.pipelines.sources.returns import Returns, check, refuse
from isoloir.pipelines.sources.tables import Opened

FRANCE = load_territory("fr")
DOOR = Door(FRANCE.calendar, tuple(FRANCE.groupings.values()), FRANCE.label_kind)
LAYOUTS = [name for name in FORMS if name != "refe05"]
LONG = {name for name in LAYOUTS if FORMS[name].long}
ONE_OFFER = {"pres", "legi", "euro", "dpmt", "regi", "euro24", "euro14"}
"""Layouts in which a number's label is known from other stations; elsewhere another label can't be told."""

Lines = list[bytes]
Damage = Callable[[Lines, int, bytes, random.Random], bytes]


def joined(lines: Lines) -> bytes:
    return b"".join(line + b"\r\n" for line in lines)


def pick(lines: Lines, head: int, rng: random.Random) -> int:
    return rng.randrange(head, len(lines))


def truncated(lines: Lines, head: int, sep: bytes, rng: random.Random) -> bytes:
    whole = joined(lines)
    last = len(whole) - len(lines[-1]) - 2
    return whole[: rng.randrange(last, len(whole) - 2)]


def line_cut_short(lines: Lines, head: int, sep: bytes, rng: random.Random) -> bytes:
    i = pick(lines, head, rng)
    lines[i] = lines[i][: rng.randrange(len(lines[i]))]
    return joined(lines)


def another_separator(lines: Lines, head: int, sep: bytes, rng: random.Random) -> bytes:
    other = rng.choice([b",", b"|", b"\t", b";", b" "])
    i = pick(lines, 0, rng)
    if rng.random() < 0.3:
        return joined([line.replace(sep, other) for line in lines])
    lines[i] = lines[i].replace(sep, other, rng.randrange(1, 20))
    return joined(lines)


def marked(lines: Lines, head: int, sep: bytes, rng: random.Random) -> bytes:
    mark = rng.choice([b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf\xef\xbb\xbf"])
    return mark + joined(lines)


def nul(lines: Lines, head: int, sep: bytes, rng: random.Random) -> bytes:
    whole = bytearray(joined(lines))
    for _ in range(rng.randrange(1, 4)):
        whole.insert(rng.randrange(len(whole)), 0)
    return bytes(whole)


def huge(lines: Lines, head: int, sep: bytes, rng: random.Random) -> bytes:
    i = pick(lines, head, rng)
    at = rng.randrange(len(lines[i]))
    lines[i] = lines[i][:at] + rng.choice([b"9", b"A", sep]) * (1 << 20) + lines[i][at:]
    return joined(lines)


def encoded_otherwise(lines: Lines, head: int, sep: bytes, rng: random.Random) -> bytes:
    text = joined(lines).decode("latin-1")
    return text.encode(rng.choice(["utf-8", "utf-16", "utf-8-sig", "utf-32"]))


def accents_lost(lines: Lines, head: int, sep: bytes, rng: random.Random) -> bytes:
    lost = rng.choice([b"?", b"\xef\xbf\xbd", b"\xc3\xaf\xc2\xbf\xc2\xbd"])
    return b"".join(lost if byte > 127 else bytes([byte]) for byte in joined(lines))


def columns_swapped(lines: Lines, head: int, sep: bytes, rng: random.Random) -> bytes:
    """Two columns change places in every row, but not in the header."""
    width = min(line.count(sep) for line in lines[head:]) + 1
    a, b = two(width, rng)
    return joined([*lines[:head], *(swapped(line, sep, a, b) for line in lines[head:])])


def fields_swapped(lines: Lines, head: int, sep: bytes, rng: random.Random) -> bytes:
    i = pick(lines, head, rng)
    a, b = two(lines[i].count(sep) + 1, rng)
    lines[i] = swapped(lines[i], sep, a, b)
    return joined(lines)


def two(width: int, rng: random.Random) -> tuple[int, int]:
    """Two places among ``width``; the same one if there is no other."""
    return rng.randrange(width), rng.randrange(width)


def swapped(line: bytes, sep: bytes, a: int, b: int) -> bytes:
    fields = line.split(sep)
    fields[a], fields[b] = fields[b], fields[a]
    return sep.join(fields)


def header_swapped(lines: Lines, head: int, sep: bytes, rng: random.Random) -> bytes:
    names = lines[0].split(sep)
    lines[0] = swapped(lines[0], sep, *two(len(names), rng))
    return joined(lines)


def lines_deleted(lines: Lines, head: int, sep: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.randrange(1, 4)):
        del lines[pick(lines, 0, rng)]
    return joined(lines)


def lines_doubled(lines: Lines, head: int, sep: bytes, rng: random.Random) -> bytes:
    i, j = pick(lines, head, rng), pick(lines, 0, rng)
    lines.insert(j, lines[i])
    return joined(lines)


def shifted(lines: Lines, head: int, sep: bytes, rng: random.Random) -> bytes:
    """A field more or less, in one row or in all."""
    width = min(line.count(sep) for line in lines[head:]) + 1
    at, more, extra = rng.randrange(width), rng.random() < 0.5, rng.choice([b"", b"0", b"12", b"A"])
    rows = range(head, len(lines)) if rng.random() < 0.5 else [pick(lines, head, rng)]
    for i in rows:
        fields = lines[i].split(sep)
        fields[at : at + (not more)] = [extra] if more else []
        lines[i] = sep.join(fields)
    return joined(lines)


def field_changed(lines: Lines, head: int, sep: bytes, rng: random.Random) -> bytes:
    i = pick(lines, head, rng)
    fields = lines[i].split(sep)
    values = [
        b"",
        b"0",
        b"-5",
        b"12",
        b"1e3",
        b"NaN",
        b"3.0",
        b" 7",
        NAME.encode(),
        b"99999999999",
        b"\xc3\xa9",
    ]
    fields[rng.randrange(len(fields))] = rng.choice(values)
    lines[i] = sep.join(fields)
    return joined(lines)


def block_moved(lines: Lines, head: int, sep: bytes, rng: random.Random) -> bytes:
    """A run of fields is left out or stands twice."""
    i = pick(lines, head, rng)
    fields = lines[i].split(sep)
    width = rng.choice([1, 2, 5, 6, 7, 8, 9, 14])
    at = rng.randrange(len(fields))
    fields[at:at] = fields[at : at + width] if rng.random() < 0.5 else []
    del fields[at : at + width * (rng.random() < 0.5)]
    lines[i] = sep.join(fields)
    return joined(lines)


def bytes_changed(lines: Lines, head: int, sep: bytes, rng: random.Random) -> bytes:
    whole = bytearray(joined(lines))
    for _ in range(rng.randrange(1, 3)):
        whole[rng.randrange(len(whole))] = rng.randrange(256)
    return bytes(whole)


def breaks_changed(lines: Lines, head: int, sep: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return joined(lines).replace(b"\r\n", rng.choice([b"\n", b"\r", b"\r\r\n", b"\n\n", b"\r\n;;;\r\n"]))
    i = pick(lines, head, rng)
    at = rng.randrange(len(lines[i]))
    lines[i] = lines[i][:at] + rng.choice([b"\n", b"\r\n", b"\r", b"\x1a"]) + lines[i][at:]
    return joined(lines)


def quoted(lines: Lines, head: int, sep: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return joined([b'"' + line.replace(sep, b'"' + sep + b'"') + b'"' for line in lines])
    i = pick(lines, head, rng)
    at = rng.randrange(len(lines[i]))
    lines[i] = lines[i][:at] + b'"' + lines[i][at:]
    return joined(lines)


DAMAGES: list[Damage] = [
    truncated, line_cut_short, another_separator, marked, nul, huge, encoded_otherwise, accents_lost,
    columns_swapped, fields_swapped, header_swapped, lines_deleted, lines_doubled, shifted, field_changed,
    block_moved, bytes_changed, breaks_changed, quoted,
]  # fmt: skip
RENAMES = {bytes_changed, field_changed}
"""Damages after which a station may go by another valid code, which no file can tell.

Nor can it tell, of columns swapped, that two candidates changed labels or, in 2012, department and canton.
"""


def outcome(path: Path) -> list[Returns] | IsoloirError | None:
    """What ingest would come to: None if the file is not recognised."""
    kept: list[pa.Table] = []
    try:
        layout = ministry.recognise(path, FRANCE.calendar)
        if layout is None:
            return None
        read = ministry.read_returns(Opened(path, keep=kept.append), layout, DOOR)
        for one in read.returns:
            refuse(check(one, multi_seat=FRANCE.calendar[one.contest].multi_seat), where=str(path))
    except IsoloirError as error:
        return error
    assert not any(NAME in str(table) for table in kept) and NAME not in repr(read)
    return read.returns


def judge(
    found: list[Returns] | IsoloirError | None,
    form: str,
    truth: Truth,
    *,
    renames: bool = False,
    relabels: bool = False,
) -> str:
    """Fails on a wrong number; else what became of the file."""
    if found is None:
        return "unknown"
    if isinstance(found, IsoloirError):
        assert NAME not in str(found) and found.remedy and FORMS[form].name in found.where
        return "refused"
    assert [one.contest for one in found] == [LABELS[form][0]]
    (one,) = found
    ids = one.stations.station_id.tolist()
    figures = dict(
        zip(
            ids,
            zip(one.registered.tolist(), one.voters.tolist(), one.valid.tolist(), strict=True),
            strict=True,
        )
    )
    for i, station in enumerate(ids):
        here = {label: int(v) for label, v in zip(one.labels, one.votes[i], strict=True) if v}
        there = [votes_of(truth, k) for k in ([station] if station in truth.figures else truth.figures)]
        if station in truth.figures:
            assert figures[station] == truth.figures[station]
        else:
            assert renames and figures[station] in truth.figures.values()
        assert here.keys() <= {*LABELS[form][1]} or form not in ONE_OFFER
        if here and sum(here.values()) > one.valid[i] and FRANCE.calendar[one.contest].multi_seat:
            continue  # Taken for several votes per voter: no share comes of it.
        if relabels:
            assert any(near(here, votes, 0) for votes in there)
        elif form in ONE_OFFER or form == "pres12":
            assert here in there
        else:
            assert any(near(here, votes, 2 * FRANCE.calendar[one.contest].multi_seat) for votes in there)
    return "read"


def votes_of(truth: Truth, station: str) -> dict[str, int]:
    return {label: votes for (code, label), votes in truth.votes.items() if code == station and votes}


def near(here: dict[str, int], there: dict[str, int], slack: int) -> bool:
    """The same votes whatever their labels; some two may miss a sum where it is not exact."""
    if slack == 0:
        return Counter(here.values()) == Counter(there.values()) or sum(here.values()) == sum(there.values())
    return abs(sum(here.values()) - sum(there.values())) <= slack


def damaged(tmp_path: Path, form: str, damage: Damage, seed: int) -> str:
    stations = stations_of(form, seed)
    written = FORMS[form].written(stations)
    lines = written.split(b"\r\n")[:-1]
    head = len(FORMS[form].preamble.splitlines()) if FORMS[form].long else 1
    path = tmp_path / FORMS[form].name
    path.write_bytes(damage(lines, head, FORMS[form].delimiter.encode(), random.Random(seed)))
    truth, relabels = truth_of(stations), damage is columns_swapped
    renames = damage in RENAMES or (relabels and form == "pres12")
    return judge(outcome(path), form, truth, renames=renames, relabels=relabels)


@pytest.mark.parametrize("form", LAYOUTS)
def test_the_sound_file_is_read(tmp_path: Path, form: str) -> None:
    path = tmp_path / FORMS[form].name
    path.write_bytes(FORMS[form].written(stations_of(form)))
    found = outcome(path)
    assert isinstance(found, list), found
    assert judge(found, form, truth_of(stations_of(form))) == "read"
    assert len(found[0].stations) == 7


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("form", LAYOUTS)
def test_damage_gives_the_right_numbers_or_a_refusal(tmp_path: Path, form: str, damage: Damage) -> None:
    for seed in range(2 if damage is huge else 3):
        damaged(tmp_path, form, damage, seed)


@pytest.mark.campaign
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("form", LAYOUTS)
def test_no_damage_of_thousands_gives_a_wrong_number(tmp_path: Path, form: str, damage: Damage) -> None:
    for seed in range(5 if damage is huge else 150):
        damaged(tmp_path, form, damage, 1000 + seed)


@pytest.mark.parametrize("form", LAYOUTS)
def test_a_file_that_was_cut_in_its_last_line_is_refused_wherever(tmp_path: Path, form: str) -> None:
    stations = stations_of(form)
    whole = FORMS[form].written(stations)
    lines = whole.split(b"\r\n")[:-1]
    path = tmp_path / FORMS[form].name
    for end in range(len(whole) - len(lines[-1]) - 1, len(whole) - 2):
        path.write_bytes(whole[:end])
        assert isinstance(outcome(path), IsoloirError), end


@pytest.mark.parametrize("form", LAYOUTS)
def test_a_line_that_stands_twice_is_refused(tmp_path: Path, form: str) -> None:
    for seed in range(5):
        assert damaged(tmp_path, form, lines_doubled, seed) == "refused"


@pytest.mark.parametrize("form", sorted(set(LAYOUTS) - LONG))
def test_a_station_whose_line_is_gone_is_gone(tmp_path: Path, form: str) -> None:
    stations = stations_of(form)
    path = tmp_path / FORMS[form].name
    path.write_bytes(FORMS[form].written(stations[:3] + stations[4:]))
    found = outcome(path)
    assert isinstance(found, list) and len(found[0].stations) == 6
    assert judge(found, form, truth_of(stations)) == "read"


@settings(max_examples=60)
@given(
    form=st.sampled_from(LAYOUTS),
    seed=st.integers(0, 1 << 20),
    damages=st.lists(st.sampled_from([d for d in DAMAGES if d is not huge]), min_size=2, max_size=3),
)
def test_several_damages_at_once(
    tmp_path_factory: pytest.TempPathFactory, form: str, seed: int, damages: list[Damage]
) -> None:
    """After several damages a row may be another sound one: nothing but errors of ours, and no name."""
    stations = stations_of(form, seed)
    written = FORMS[form].written(stations)
    rng = random.Random(seed)
    for damage in damages:
        lines = written.split(b"\r\n")[:-1] or [b""]
        head = min(1, len(lines) - 1)
        written = damage([line or b" " for line in lines], head, FORMS[form].delimiter.encode(), rng)
    path = tmp_path_factory.mktemp("damaged") / FORMS[form].name
    path.write_bytes(written)
    found = outcome(path)
    if isinstance(found, IsoloirError):
        assert NAME not in str(found) and found.remedy


@settings(max_examples=60)
@given(
    form=st.sampled_from(LAYOUTS),
    tail=st.one_of(st.binary(max_size=300), st.text(string.printable + "é;\t", max_size=300)),
)
def test_whatever_follows_a_header(
    tmp_path_factory: pytest.TempPathFactory, form: str, tail: bytes | str
) -> None:
    head = FORMS[form].written(stations_of(form)).split(b"\r\n")[0]
    path = tmp_path_factory.mktemp("any") / FORMS[form].name
    path.write_bytes(head + b"\r\n" + (tail if isinstance(tail, bytes) else tail.encode()))
    found = outcome(path)
    assert found is None or isinstance(found, IsoloirError)
