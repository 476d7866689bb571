"""What a territory's YAML may say: one pydantic model per file, frozen, unknown keys refused."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from isoloir.domain.bloc import LABEL_CODE

AREA = r"^(?:country|(?:department|constituency):[0-9A-Za-z._-]+)$"
"""An area of an offer, as its file names it."""

LabelKind = Literal["nuance", "panel", "list", "party"]
"""What the labels of a contest are: official codes, positions on the panels, names of lists, party keys."""

CONTEST_KEY = re.compile(r"[0-9]{4}_[a-z]+_t[1-9]")


class Text(BaseModel):
    """Base of everything read from YAML: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _iso_day(said: object) -> date:
    # pydantic alone would read 20220410 as seconds since 1970.
    if isinstance(said, date):
        return said
    if not isinstance(said, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", said):
        raise ValueError("must be a day written YYYY-MM-DD")
    return date.fromisoformat(said)


def _contest_key(said: str) -> str:
    if not CONTEST_KEY.fullmatch(said):
        raise ValueError("must read <year>_<kind>_t<round>, such as 2022_legi_t1")
    return said


def _label_code(said: str) -> str:
    # The value is not repeated: what is no code may be a person's name.
    if "\n" in said or not LABEL_CODE.match(said):
        raise ValueError("is no code (1 to 5 capitals, or a panel number); not shown, it may be a name")
    return said


Day = Annotated[date, BeforeValidator(_iso_day)]
ContestKey = Annotated[str, AfterValidator(_contest_key)]
LabelCode = Annotated[str, AfterValidator(_label_code)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Share = Annotated[float, Field(ge=0, le=1)]
Spread = Annotated[float, Field(ge=0, le=2)]
Turnout = Annotated[float, Field(gt=0, lt=1)]
NonEmpty = Annotated[str, Field(min_length=1)]
AreaCode = Annotated[str, Field(pattern=r"^[0-9A-Za-z._-]+$")]


class TerritoryText(Text):
    """``territory.yaml``: the territory's name and what holds for all its contests.

    ``default_grouping``: left out where the publisher states no labels, so that there are no blocs.
    ``elections_of``: another territory, whose ``elections.yaml`` is this one's too.
    ``results_after_days``: days from a vote until its results are public, unless a contest says otherwise.
    ``not_scored``: ids of stations that count in totals and are no place to score.
    """

    name: NonEmpty
    default_grouping: Name | None = None
    elections_of: Name | None = None
    results_after_days: int = Field(default=5, ge=1, le=365)
    not_scored: tuple[NonEmpty, ...] = ()


class ContestText(Text):
    """One contest of ``elections.yaml``; its kind and round are in its key.

    ``reference``: contest that swings are counted from, if not the last of the same kind and round.
    ``offer_published``: false where rows are zero-filled, so that presence says nothing of who stood.
    ``multi_seat_possible``: some stations vote for several names, so that votes exceed valid votes.
    ``checked``: whether the day was found in a published source, which ``source`` may name.
    """

    held_on: Day
    labels: LabelKind
    results_after_days: int | None = Field(default=None, ge=1, le=365)
    reference: ContestKey | None = None
    offer_published: bool = True
    multi_seat_possible: bool = False
    checked: bool = True
    source: NonEmpty | None = None


class ElectionsText(Text):
    """``elections.yaml``: contests by key."""

    contests: dict[ContestKey, ContestText] = Field(min_length=1)

    @model_validator(mode="after")
    def _keys_agree_with_days(self) -> ElectionsText:
        wrong = [key for key, c in self.contests.items() if int(key[:4]) != c.held_on.year]
        if wrong:
            raise ValueError(f"held in another year than the key says: {', '.join(wrong)}")
        return self


class RuleText(Text):
    """Labels, or beginnings of labels, that belong to ``bloc``; narrowed to contests or days if given."""

    bloc: Name
    labels: tuple[str, ...] = ()
    prefixes: tuple[NonEmpty, ...] = ()
    contests: tuple[ContestKey, ...] = ()
    since: Day | None = None
    until: Day | None = None
    source: NonEmpty | None = None

    @model_validator(mode="after")
    def _speaks_of_something(self) -> RuleText:
        if not self.labels and not self.prefixes:
            raise ValueError("names neither labels nor prefixes")
        if self.since and self.until and self.since > self.until:
            raise ValueError("ends before it begins")
        return self


class ScopeText(Text):
    """The rounds that a grouping speaks of: since a day, among ``contests`` if given, less ``except``."""

    since: Day | None = None
    contests: tuple[ContestKey, ...] = ()
    without: tuple[ContestKey, ...] = Field(default=(), alias="except")

    @model_validator(mode="after")
    def _narrows_something(self) -> ScopeText:
        if self.since is None and not self.contests and not self.without:
            raise ValueError("names neither since, contests nor except: leave it out to speak of every round")
        return self


class BlocsText(Text):
    """``blocs/<grouping>.yaml``: blocs in order, each with what it stands for, and the rules.

    ``scope``: the rounds that it speaks of; every one if left out. Beyond it shares are missing, not wrong.

    ``panels``: by contest, one letter of ``panel_letters`` per position on the candidates' panels.
    ``unlabelled``: labels that say that no label was given ("" is the blank one).
    Of the rules the first that matches holds.
    """

    grouping: Name
    version: int = Field(ge=1)
    about: NonEmpty
    scope: ScopeText | None = None
    blocs: dict[Name, NonEmpty] = Field(min_length=2)
    panel_letters: dict[Annotated[str, Field(min_length=1, max_length=1)], Name] = {}
    panels: dict[ContestKey, Annotated[str, Field(min_length=2, max_length=60)]] = {}
    unlabelled: tuple[str, ...] = ()
    rules: tuple[RuleText, ...] = ()


class AreaText(Text):
    """Figures of one area of a scenario: ``department`` or ``constituency`` is its code, in quotes."""

    department: AreaCode | None = None
    constituency: AreaCode | None = None
    turnout: Turnout | None = None
    shares: dict[Name, Share] = {}

    @model_validator(mode="after")
    def _one_area_with_figures_that_sum(self) -> AreaText:
        if (self.department is None) == (self.constituency is None):
            raise ValueError("name either a department or a constituency")
        if self.turnout is None and not self.shares:
            raise ValueError("states neither turnout nor shares")
        _sum_to_one(self.shares)
        return self

    @property
    def place(self) -> tuple[Literal["department", "constituency"], str]:
        """Level and code of the area."""
        if self.department is not None:
            return "department", self.department
        return "constituency", self.constituency or ""


def _codes(said: object) -> object:
    if said == "country":
        return ()
    if not isinstance(said, list) or not said:
        raise ValueError('is "country", or a list of the codes of departments, each in quotes')
    return said


class ScenarioText(Text):
    """``scenarios/<name>.yaml``; units as in :class:`isoloir.domain.scenario.ScenarioSpec`.

    ``scope``: ``country``, or the codes of the departments that the national figures are of.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    target: ContestKey
    source: NonEmpty
    dated: Day
    grouping: Name
    scope: Annotated[tuple[AreaCode, ...], BeforeValidator(_codes)] = ()
    turnout: Turnout | None = None
    shares: dict[Name, Share] = {}
    turnout_sd: Spread = 0.0
    shares_sd: Spread = 0.0
    blank_null_rate: Annotated[float, Field(ge=0, lt=1)] | None = None
    offer_file: FileName | None = None
    areas: tuple[AreaText, ...] = ()

    @model_validator(mode="after")
    def _says_something_that_sums(self) -> ScenarioText:
        if self.turnout is None and not self.shares:
            raise ValueError("states neither turnout nor shares")
        _sum_to_one(self.shares)
        return self

    @model_validator(mode="after")
    def _areas_stand_beside_the_nation(self) -> ScenarioText:
        _refuse_twice("scope", list(self.scope))
        _refuse_twice("areas", [" ".join(one.place) for one in self.areas])
        # Else the areas would be set against figures of an earlier contest, which nobody stated.
        if self.turnout is None and any(one.turnout is not None for one in self.areas):
            raise ValueError("areas: state turnout, and the nation's is not stated: state it too")
        if not self.shares and any(one.shares for one in self.areas):
            raise ValueError("areas: state shares, and the nation's are not stated: state them too")
        return self


class OfferRow(Text):
    """One label that stands in an area: the country, ``department:34`` or ``constituency:3401``."""

    label: LabelCode
    area: Annotated[str, Field(pattern=AREA)] = "country"


class HeirsText(Text):
    """Who inherits the votes of an earlier ``label``, for this target only: a stated assumption.

    ``contests``: the earlier rounds that it is said of. ``heirs``: labels of this offer, or blocs, with
    weights that sum to 1. What no entry speaks of stays with the bloc that the grouping puts it in.
    """

    assumption: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    contests: tuple[ContestKey, ...] = Field(min_length=1)
    label: NonEmpty
    heirs: dict[NonEmpty, Annotated[float, Field(gt=0, le=1)]] = Field(min_length=1)
    source: NonEmpty

    @model_validator(mode="after")
    def _weights_sum(self) -> HeirsText:
        total = sum(self.heirs.values())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"heirs: weights sum to {total:.6f}, not to 1")
        return self


class OfferText(Text):
    """``offers/<name>.yaml``: who stands in ``target``, and where.

    ``table``: a CSV file beside it with further rows (label,area_level,area), for many constituencies.
    """

    target: ContestKey
    about: NonEmpty
    rows: tuple[OfferRow, ...] = ()
    table: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.csv$")] | None = None
    heirs_of: tuple[HeirsText, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> OfferText:
        if not self.rows and self.table is None:
            raise ValueError("names nobody: give rows or a table")
        _refuse_twice("rows", [f"{row.label} in {row.area}" for row in self.rows])
        # Not shown: what is no code may be a person's name.
        said = [(one.label, key) for one in self.heirs_of for key in one.contests]
        if len(set(said)) < len(said):
            raise ValueError("heirs_of: speaks twice of one label of one contest")
        return self


def _sum_to_one(shares: dict[str, float]) -> None:
    total = sum(shares.values())
    if shares and abs(total - 1) > 1e-6:
        raise ValueError(f"shares: sum to {total:.6f}, not to 1")


def _refuse_twice(where: str, said: list[str]) -> None:
    twice = sorted({one for one in said if said.count(one) > 1})
    if twice:
        raise ValueError(f"{where}: stand twice: {', '.join(twice[:5])}")
