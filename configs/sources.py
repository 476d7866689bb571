"""What a territory's ``sources.yaml`` may say: where its results are published and how they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .schema import ContestKey, Day, FileName, Name, NonEmpty, Text


class SourceFile(Text):
    """A file of results: its name in the store, where it is published, and how it is written if CSV."""

    file: FileName
    url: Annotated[str, Field(pattern=r"^https://")] | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    encoding: NonEmpty = "utf-8"


ContextReader = Literal[
    "census",
    "commune_base",
    "constituencies",
    "contours",
    "filosofi_commune",
    "filosofi_iris",
    "iris_census",
    "iris_of_station",
    "movements",
]
"""What reads a file of context: each of these is one function of ``pipelines/sources``."""


class ContextFile(SourceFile):
    """Context that is no result: what it describes and, apart from it, the day it became public.

    ``checked``: whether that day was found in a published source. ``tried``: whether its reader was ever run
    on the publisher's own file. ``large``: fetched only when asked for by name.
    """

    reader: ContextReader
    licence: NonEmpty
    attribution: NonEmpty
    describes: NonEmpty
    known_on: Day
    checked: bool = True
    tried: bool = True
    large: bool = False


class CommuneResults(SourceFile):
    """Results known per commune only: turnout, no shares; history of stations where theirs is not known."""

    licence: NonEmpty
    attribution: NonEmpty


class MinistryFiles(Text):
    """Files of single rounds, recognised by what is in them.

    ``contests``: by name of file, the contest it is of, where its content does not tell.
    """

    licence: NonEmpty
    attribution: NonEmpty
    contests: dict[NonEmpty, ContestKey] = Field(default_factory=dict)


class _Source(Text):
    """``contradictory``: stations whose published counts cannot be true: left out of it and listed.

    ``communes`` and ``ministry``: further sources of results. Where a round stands in several, the stations
    of the main source win, then those of ``ministry``; the differences are listed.
    """

    licence: NonEmpty
    attribution: NonEmpty
    ministry: MinistryFiles | None = None
    communes: CommuneResults | None = None
    context: dict[Name, ContextFile] = Field(default_factory=dict)
    contradictory: dict[NonEmpty, tuple[NonEmpty, ...]] = Field(default_factory=dict)


class DatagouvSource(_Source):
    """``sources.yaml`` for data.gouv.fr's « Données des élections agrégées »: two tables of results."""

    publisher: Literal["datagouv"]
    general: SourceFile
    candidates: SourceFile


TidyArea = Literal["station", "commune", "department", "constituency"]


class _Tidy(SourceFile):
    """``left_out``: columns that the file is known to have, and that are never read.

    ``forms``: how the texts of a column are written, a regular expression without lookaround. Without one a
    text must begin as a code does, with three letters at most before a figure: else it may be a name.
    """

    left_out: tuple[NonEmpty, ...] = ()
    forms: dict[TidyArea, NonEmpty] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _forms_compile(self) -> Self:
        for name, form in self.forms.items():
            try:
                re.compile(form)
            except re.error as error:
                raise ValueError(f"forms.{name}: is no regular expression") from error
        return self


class TidyResults(_Tidy):
    """One row per station, contest and label. Each key names a column of the file.

    ``contest`` is a template over columns, such as ``{year}_{election_type:lower}_t{round}``; ``:lower`` is
    the only thing that may follow a column. ``commune`` and ``department`` may come from the geography.
    """

    contest: NonEmpty
    station: NonEmpty
    commune: NonEmpty | None = None
    department: NonEmpty | None = None
    constituency: NonEmpty | None = None
    registered: NonEmpty
    voters: NonEmpty
    valid: NonEmpty
    label: NonEmpty
    votes: NonEmpty

    @model_validator(mode="after")
    def _template_reads(self) -> TidyResults:
        try:
            parts = list(Formatter().parse(self.contest))
        except ValueError as error:
            raise ValueError("contest: is no template of columns") from error
        fields = [(name, spec, turn) for _, name, spec, turn in parts if name is not None]
        if not fields or any(not name or spec not in ("", "lower") or turn for name, spec, turn in fields):
            raise ValueError("contest: must name columns in braces, {column} or {column:lower}")
        return self

    def contest_columns(self) -> tuple[str, ...]:
        """The columns that the contest's key is made of, in order, each once."""
        return tuple(dict.fromkeys(name for _, name, _, _ in Formatter().parse(self.contest) if name))

    def contest_key(self, values: Mapping[str, object]) -> str:
        """The key of the contest of a row, given the values of :meth:`contest_columns`."""
        key = ""
        for literal, name, spec, _ in Formatter().parse(self.contest):
            value = str(values[name]) if name else ""
            key += literal + (value.lower() if spec == "lower" else value)
        return key


class TidyGeography(_Tidy):
    """One row per station: the areas it lies in. Each key names a column of the file."""

    station: NonEmpty
    commune: NonEmpty | None = None
    department: NonEmpty | None = None
    constituency: NonEmpty | None = None


class TidySource(_Source):
    """``sources.yaml`` for tidy tables, whose columns are declared here."""

    publisher: Literal["tidy"]
    results: TidyResults
    geography: TidyGeography | None = None

    @model_validator(mode="after")
    def _areas_have_a_column(self) -> TidySource:
        for area in ("commune", "department"):
            stated = [t for t in (self.results, self.geography) if t is not None and getattr(t, area)]
            if len(stated) != 1:
                raise ValueError(f"{area}: must be a column of the results or of the geography, not of both")
        return self


class CommunesSource(_Source):
    """``sources.yaml`` for turnout by commune: communes are taken for stations; there are no blocs."""

    publisher: Literal["communes"]
    results: SourceFile

    @model_validator(mode="after")
    def _is_the_only_source(self) -> CommunesSource:
        if self.ministry is not None or self.communes is not None:
            raise ValueError("ministry, communes: can't be added, as communes are taken for stations here")
        return self


Source = DatagouvSource | TidySource | CommunesSource

SOURCES: dict[str, type[DatagouvSource] | type[TidySource] | type[CommunesSource]] = {
    "datagouv": DatagouvSource,
    "tidy": TidySource,
    "communes": CommunesSource,
}
"""The form of ``sources.yaml`` by its ``publisher``."""
