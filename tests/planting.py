"""Invented personal data, planted into sound inputs in every way thought of, and looked for afterwards."""

from __future__ import annotations

import contextlib
import io
import re
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
from small_inputs import Input, Row, Sheet, replaced, words, write

from isoloir.configs.load import TerritoryConfig
from isoloir.domain.errors import IsoloirError
from isoloir.pipelines.cli_sources import _counts, _lines
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import ingest

Random = np.random.Generator
CONSONANTS, VOWELS = "bdfgjklmnprtvxz", "aeiouy"


@dataclass(frozen=True)
class Planted:
    """A value that tells of a person, what it is, and the ``marks`` by which it is found again."""

    kind: str
    value: str
    marks: tuple[str, ...]


def invented(random: Random) -> Planted:
    """One value of one kind; no two have the same name or number."""
    kind = str(random.choice([*KINDS]))
    return KINDS[kind](random)


def _pick(random: Random, texts: list[str]) -> str:
    return texts[int(random.integers(len(texts)))]


def surname(random: Random) -> str:
    """A name that nobody has: four syllables."""
    return "".join(_pick(random, [*CONSONANTS]) + _pick(random, [*VOWELS]) for _ in range(5)).capitalize()


def _name(random: Random) -> Planted:
    last, first = surname(random), surname(random)
    forms = [
        f"{first} {last}", f"{last.upper()} {first}", f"M. {last}", f"{last}, {first}", last.upper(), last,
        f"{first}é {last}", f"Mme {first}-Zoé {last}", f"{first[0]}. {last}", f"{last.lower()}",
    ]  # fmt: skip
    return Planted("name", _pick(random, forms), (last.lower(),))


def _email(random: Random) -> Planted:
    last = surname(random).lower()
    at = _pick(random, ["@", "@", "@", " [at] ", "(at)", "\uff20"])
    return Planted("e-mail", f"{last}{at}courriel.example", (last,))


def _phone(random: Random) -> Planted:
    digits = f"{random.integers(10_000_000, 99_999_999)}"
    plain = f"06{digits}"
    pairs = [plain[i : i + 2] for i in range(0, 10, 2)]
    forms = [
        plain,
        " ".join(pairs),
        ".".join(pairs),
        f"+336{digits}",
        f"+33 6 {' '.join(pairs[1:])}",
        f"00336{digits}",
    ]
    return Planted(
        "telephone", _pick(random, forms), (f"6{digits}", " ".join(pairs[1:]), ".".join(pairs[1:]))
    )


def _security(random: Random) -> Planted:
    number = f"{random.integers(1, 3)}{random.integers(30, 99)}{random.integers(1, 13):02}34"
    number += f"{random.integers(100, 999)}{random.integers(100, 999)}"
    key = f"{97 - int(number) % 97:02}"
    spaced = f"{number[0]} {number[1:3]} {number[3:5]} {number[5:7]} {number[7:10]} {number[10:]} {key}"
    return Planted("NIR", _pick(random, [number + key, number, spaced, f"{number} {key}"]), (number, spaced))


def _birth(random: Random) -> Planted:
    year, month, day = random.integers(1931, 1998), random.integers(1, 13), random.integers(1, 29)
    iso, french = f"{year}-{month:02}-{day:02}", f"{day:02}/{month:02}/{year}"
    return Planted("birth", _pick(random, [iso, french, f"née le {french}"]), (iso, french))


def _address(random: Random) -> Planted:
    street = surname(random)
    number, way = random.integers(1, 200), _pick(random, ["rue", "avenue", "bis rue", "impasse", "chemin"])
    return Planted("address", f"{number} {way} {street}", (street.lower(),))


def _text(random: Random) -> Planted:
    last = surname(random)
    forms = [
        f"Electeur radie : {last}", f"voir le dossier de {last} (opposition)", f"procuration donnee a {last}",
        f"{last} a vote en double; {last}@mail.example", f'"{last}"', f"0001 {last}", f"01001_{last}",
        f"LISTE {last.upper()}", f"<{last}>", f"{last}\t{last}", f"1{last}",
    ]  # fmt: skip
    return Planted("free text", _pick(random, forms), (last.lower(),))


KINDS: dict[str, Callable[[Random], Planted]] = {
    "name": _name,
    "e-mail": _email,
    "telephone": _phone,
    "NIR": _security,
    "birth": _birth,
    "address": _address,
    "free text": _text,
}

PERSONAL = words(
    "nom prénom prenom Nom_Usage nomNaissance email courriel téléphone tel_portable NIR num_secu ddn adresse "
    "date_naissance DateNaissance adresse_electeur civilite sexe id_electeur numero_electeur first_name "
    "lastName phone birthdate household_id code_menage"
)
NEUTRAL = words("remarque commentaire divers x colonne_17 info note V1 observations ID ref")


@dataclass(frozen=True)
class Mutation:
    """What was planted, how, and the input that came of it; ``extra``: further files, by name."""

    how: str
    planted: Planted
    input: Input
    extra: tuple[Sheet, ...] = ()
    xlsx: str = ""


How = Callable[[Random, Sheet, Planted], Sheet]


def _rows_with(random: Random, sheet: Sheet, change: Callable[[Row], Row]) -> Sheet:
    """Change one row, or half of them, or all."""
    chance = _pick(random, ["one", "half", "all"])
    one = int(random.integers(len(sheet.rows)))
    rows = tuple(
        change(row) if i == one or chance == "all" or (chance == "half" and random.random() < 0.5) else row
        for i, row in enumerate(sheet.rows)
    )
    return replace(sheet, rows=rows)


def _set(row: Row, place: int, text: str) -> Row:
    return (*row[:place], text, *row[place + 1 :])


def new_column(random: Random, sheet: Sheet, planted: Planted) -> Sheet:
    """A column more, anywhere."""
    width = sheet.fixed if sheet.fixed is not None else max(len(sheet.header), 1)
    place = int(random.integers(width + 1))
    name = _pick(random, [*PERSONAL, *NEUTRAL, planted.value])
    some = replace(
        sheet,
        header=(*sheet.header[:place], name, *sheet.header[place:]) if sheet.header else (),
        rows=tuple((*row[:place], "", *row[place:]) for row in sheet.rows),
        fixed=sheet.fixed + 1 if sheet.fixed is not None else None,
    )
    return _rows_with(random, some, lambda row: _set(row, place, planted.value))


def cell(random: Random, sheet: Sheet, planted: Planted) -> Sheet:
    """In the place of what stood in cells of a known column."""
    place = int(random.integers(min(len(row) for row in sheet.rows)))
    return _rows_with(random, sheet, lambda row: _set(row, place, planted.value))


def beside(random: Random, sheet: Sheet, planted: Planted) -> Sheet:
    """After or before what stands in a cell."""
    place = int(random.integers(min(len(row) for row in sheet.rows)))
    sign = _pick(random, [" ", "", ";", "_", "-", "|", "."])
    after = random.random() < 0.7

    def change(row: Row) -> Row:
        return _set(
            row,
            place,
            f"{row[place]}{sign}{planted.value}" if after else f"{planted.value}{sign}{row[place]}",
        )

    return _rows_with(random, sheet, change)


def header(random: Random, sheet: Sheet, planted: Planted) -> Sheet:
    """In the header: of a new column, or in the place of a known one."""
    if not sheet.header:
        return replace(sheet, before=(*sheet.before, planted.value))
    place = int(random.integers(len(sheet.header)))
    if random.random() < 0.5:
        return replace(sheet, header=_set(sheet.header, place, planted.value))
    return replace(sheet, header=_set(sheet.header, place, f"{sheet.header[place]} {planted.value}"))


def persons(random: Random, sheet: Sheet, planted: Planted) -> Sheet:
    """A row per person: each row many times, with or without columns that tell of them."""
    times = int(random.integers(2, 30))
    rows = tuple(row for row in sheet.rows for _ in range(times))
    many = replace(sheet, rows=rows)
    return new_column(random, many, planted) if random.random() < 0.6 else cell(random, many, planted)


def said(random: Random, sheet: Sheet, planted: Planted) -> Sheet:
    """Beside the rows: metadata, or lines before them."""
    before = (*sheet.before, planted.value) if sheet.before or random.random() < 0.2 else sheet.before
    return replace(sheet, said=planted.value, before=before)


def empty(random: Random, sheet: Sheet, planted: Planted) -> Sheet:
    """In rows that state nothing else."""
    width = len(sheet.rows[0])
    place = int(random.integers(width))
    row = tuple(planted.value if i == place else "" for i in range(width))
    return replace(sheet, rows=(*sheet.rows, row) if random.random() < 0.5 else (row, *sheet.rows))


HOW: tuple[How, ...] = (new_column, cell, cell, beside, header, persons, said, empty)


def shuffled(random: Random, sheet: Sheet) -> Sheet:
    """The same columns in another order, where the whole row is fixed."""
    if not sheet.header or sheet.fixed is not None:
        return sheet
    order = random.permutation(len(sheet.header)).tolist()
    width = len(order)
    if any(len(row) != width for row in sheet.rows):
        return sheet
    rows = tuple(tuple(row[i] for i in order) for row in sheet.rows)
    return replace(sheet, header=tuple(sheet.header[i] for i in order), rows=rows)


def rewritten(random: Random, sheet: Sheet) -> Sheet:
    """In another encoding, or once more in the wrong one."""
    if random.random() < 0.5:
        return replace(sheet, encoding=_pick(random, ["latin-1", "cp1252", "utf-8-sig", "utf-16", "utf-8"]))

    def broken(row: Row) -> Row:
        return tuple(text.encode("utf-8").decode("latin-1") for text in row)

    return replace(sheet, header=broken(sheet.header), rows=tuple(map(broken, sheet.rows)))


def mutated(random: Random, sound: tuple[Input, ...]) -> Mutation:
    """One of the inputs, with something planted in it."""
    chosen = sound[int(random.integers(len(sound)))]
    planted = invented(random)
    if random.random() < 0.1:
        return named(random, chosen, planted)
    place = int(random.choice(chosen.main))
    sheet, made = chosen.sheets[place], []
    for how in [HOW[int(n)] for n in random.integers(len(HOW), size=1 + int(random.random() < 0.15))]:
        sheet = how(random, sheet, planted)
        made.append(how.__name__)
    if random.random() < 0.15:
        sheet = shuffled(random, sheet)
        made.append("shuffled")
    if random.random() < 0.15:
        sheet = rewritten(random, sheet)
        made.append("rewritten")
    return Mutation("+".join(made), planted, replaced(chosen, place, [sheet]))


def _as_file(text: str) -> str:
    return re.sub(r"[/\x00]", "-", text)


def named(random: Random, chosen: Input, planted: Planted) -> Mutation:
    """In the name of a file: of one that is read, of its twin, or of one beside it."""
    place = int(random.choice(chosen.main))
    sheet = chosen.sheets[place]
    stem, suffix = Path(sheet.name).stem, Path(sheet.name).suffix
    way = _pick(random, ["renamed", "beside", "twin", "xlsx"])
    name = _as_file(planted.value)
    if way == "renamed":
        new = _pick(random, [f"{name}{suffix}", f"{stem} {name}{suffix}", f"{stem}{suffix}.{name}"])
        return Mutation(way, planted, replaced(chosen, place, [replace(sheet, name=new)]))
    table = replace(cell(random, sheet, planted), name=f"{name}{suffix}")
    if way == "xlsx":
        return Mutation(way, planted, chosen, xlsx=f"{_pick(random, [stem, name])}.xlsx")
    if way == "twin":
        table = replace(table, name=f"{stem}{suffix}".upper())
    return Mutation(way, planted, chosen, extra=(table,))


def written(mutation: Mutation, folder: Path) -> None:
    """The mutated files, in ``folder``."""
    for sheet in (*mutation.input.sheets, *mutation.extra):
        write(sheet, folder)
    if mutation.xlsx:
        book = openpyxl.Workbook()
        assert book.active is not None
        book.active.append(["nom", mutation.planted.value])
        book.save(folder / mutation.xlsx)


@dataclass(frozen=True)
class Outcome:
    """What an ingest came to: whether it was refused, and all that was said of it."""

    error: Exception | None
    told: str


def ingested(home: Path, config: TerritoryConfig, folder: Path) -> Outcome:
    """Ingest as the command does, and everything that it would print."""
    lines: list[str] = []
    out, failed = io.StringIO(), None
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
        warnings.catch_warnings(record=True) as w,
    ):
        warnings.simplefilter("always")
        try:
            done = ingest(Home(home), config, folder, lines.append)
            lines += [*_lines(done), str(_counts(done)), *done.unread, *done.told, *done.notes()]
            lines += [finding.line() for finding in done.findings] + [d.line() for d in done.differences]
        except IsoloirError as error:
            failed = error
            # With its causes: a log shows them where a person asked for it.
            lines += [*error.lines(), *traceback.format_exception(error)]
        lines += [str(one.message) for one in w]
    return Outcome(failed, "\n".join([*lines, out.getvalue()]))


def leaks(planted: Planted, home: Path, outcome: Outcome) -> list[str]:
    """Where the planted value is found again: in what was told, and in which files of home."""
    found = ["told"] if _has(planted, outcome.told) else []
    for path in home.rglob("*") if home.is_dir() else ():
        if _has(planted, path.name):
            found.append(f"name of {path.parent.name}/…")
        if path.is_file() and any(_has(planted, text) for text in _texts(path)):
            found.append(str(path.relative_to(home)))
    return found


def _has(planted: Planted, text: str) -> bool:
    small = text.lower()
    return any(mark in small for mark in planted.marks)


def _texts(path: Path) -> Iterator[str]:
    """All that a file holds, as bytes and, of Parquet, as what its compressed pages say."""
    whole = path.read_bytes()
    yield from (whole.decode(encoding, errors="replace") for encoding in ("utf-8", "latin-1", "utf-16-le"))
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        yield (
            repr(pq.read_metadata(path).metadata) + repr(table.schema.metadata) + " ".join(table.column_names)
        )
        for column in table.columns:
            kind = column.type
            if pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_dictionary(kind):
                yield "\n".join(map(str, column.unique().to_pylist()))
