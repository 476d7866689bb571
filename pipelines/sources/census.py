"""A tidy census: one row per commune and vintage, with what it describes and when it became public."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd

from isoloir.configs.sources import ContextFile
from isoloir.domain.errors import SourceError
from isoloir.domain.facts import Facts

from .figures import Figure, facts_of, named, names_of, number, read_sheet, refuse
from .gate.grain import refuse_finer
from .returns import shown
from .tables import Opened

KEYS = ("commune_code", "describes", "known_on")
COUNTED = ("population", "median_income", "density")
SHARES = (
    "owner_share",
    "unemployment_share",
    "poverty_share",
    "young_share",
    "elderly_share",
    "graduate_share",
)
RATES = ("growth",)
"""The figures that may stand in the file: the others are not read. Shares in [0, 1], incomes in money."""

CODE_FORM = re.compile(r"[A-Za-z]{0,3}[0-9](?:[0-9]{0,8}|[0-9A-Za-z]{0,4}(?:[._-][0-9]{1,6}){0,2})")
"""A figure after three letters at most, and no more than nine of them: ten are a telephone number."""
VINTAGE = re.compile(r"(?:19|20)[0-9]{2}(?:-(?:19|20)[0-9]{2}|-[01][0-9]-[0-3][0-9])?")
YEAR = re.compile(r"(?:19|20)[0-9]{2}")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_census(opened: Opened, said: ContextFile) -> tuple[Facts, ...]:
    """One table per vintage, in order of the day it became public; ``s`` marks what is kept secret."""
    names = names_of(opened)
    wanted = [name for name in (*COUNTED, *SHARES, *RATES) if name in names]
    if not wanted:
        raise SourceError(
            f"there is no column of figures: {', '.join((*COUNTED, *SHARES, *RATES))}",
            where=opened.where,
            remedy=f"fetch the file again, or correct its delimiter in sources.yaml ({opened.delimiter!r})",
        )
    sheet = read_sheet(opened, (*KEYS, *wanted))
    rows = pd.DataFrame({name: sheet.text(name) for name in KEYS})
    _refuse(rows, said, opened.where)
    figures = [_bounded(number(sheet, name)) for name in wanted]
    for figure in figures:
        # Here, where the row is still that of the file.
        bad = (figure.values < figure.low) | (figure.values > figure.high)
        refuse(opened.where, bad, f"hold a {figure.name} that cannot be")
    tables = []
    for (day, what), part in rows.groupby(["known_on", "describes"], sort=True):
        at = part.index.to_numpy()
        taken = [replace(f, values=f.values[at], withheld=f.withheld[at]) for f in figures]
        codes = np.asarray(part["commune_code"], dtype=np.str_)
        known_on = date.fromisoformat(str(day))
        tables.append(facts_of(f"census_{what}", "commune", str(what), known_on, codes, taken, opened.where))
    return tuple(tables)


def _refuse(rows: pd.DataFrame, said: ContextFile, where: str) -> None:
    """SourceError on rows that do not say of what commune and vintage they are, or when it became public."""
    for name, form, what in (
        ("commune_code", CODE_FORM, "state no code of a commune"),
        ("describes", VINTAGE, "describe no day and no years, such as 2018-01-01 or 2016-2020"),
        ("known_on", DAY, "state no day of publication (known_on) such as 2021-06-30"),
    ):
        fits = rows[name].map(lambda text, form=form: form.fullmatch(text) is not None)
        refuse(where, ~fits.to_numpy(np.bool_), what)
    refuse(where, ~rows["known_on"].map(_is_day).to_numpy(np.bool_), "state a day that is in no calendar")
    repeated = rows.duplicated(["commune_code", "describes"]).to_numpy()
    refuse_finer(len(rows), int((~repeated).sum()), 2.0, "communes and vintages", where)
    if repeated.any():
        code = shown(str(rows["commune_code"].to_numpy()[repeated][0]), CODE_FORM)
        refuse(where, repeated, f"repeat a commune and vintage, first {code}", "keep one of them")
    years = frozenset(YEAR.findall(said.describes))
    if years:
        # A day of another year may be that of a birth.
        strange = ~rows["describes"].map(lambda text: not years.isdisjoint(YEAR.findall(text)))
        refuse(where, strange.to_numpy(np.bool_), "describe a year of which the file's entry says nothing")
    first = rows.groupby("describes")["known_on"].transform("first")
    refuse(
        where,
        (first != rows["known_on"]).to_numpy(np.bool_),
        "state another day of publication than their vintage",
        "give a vintage one day, the last on which any of it became public",
    )


def _bounded(figure: Figure) -> Figure:
    high = 1.0 if figure.name in SHARES else np.inf
    return named(figure, figure.name, 1.0, -1.0 if figure.name in RATES else 0.0, high)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
