"""The columns of training.parquet: what a model is refitted on, each declared once."""

from __future__ import annotations

from isoloir.domain.tables import Column, Table
from isoloir.features.catalogue import CATALOGUE, CONTEXTUAL
from isoloir.features.matrix import THEMES

NAME = "training.parquet"

STEP = 2.0**-12
"""Features are whole multiples of it: half of it, in logits, is at most 0.003 pp of turnout.

A power of 2, so that a multiple is the same number in 32 bits as in 64, and is packed well.
"""

FINE = 2.0**-16
"""The same of labels and of census figures."""


def training_table(blocs: tuple[str, ...]) -> Table:
    """training.parquet: one row per published unit of each contest to learn from, and of the target."""
    columns = (*_ids(), *_labels(blocs), *_levels(blocs), *_features(blocs))
    return Table(NAME, "unit × contest", columns)


def feature_names(blocs: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the columns that hold features, in order."""
    return tuple(c.name for c in _features(blocs))


def _ids() -> tuple[Column, ...]:
    return (
        _text("territory", "territory key"),
        _text("contest", "contest that the row is of"),
        _text("fold", "the rolling-origin fold: the contest's number in order of day, and its key"),
        _text("cut", "ISO day before which all that the features rest on was public"),
        _text(
            "results_known_on",
            "ISO day on which the contest's results are public: learn from rows before a cut",
        ),
        _text("unit_id", "the unit in this contest's own partition: the id of the station that names it"),
        Column("n_members", "count", "count", "stations in the unit", low=1),
        _text("department_code", "larger area, of the station that names the unit"),
        _text("commune_code", "smaller area; null if the unit lies in several", nullable=True),
        _text("constituency_code", "constituency; null if unknown or several", nullable=True),
        Column("registered", "count", "count", "electors on the roll: the weight of turnout", low=0),
        Column(
            "weight_shares",
            "number",
            "count",
            "the weight of shares: valid votes, 0 where shares are not known; of the target, at the level",
            low=0,
        ),
        Column("label_available", "flag", "flag", "whether the row has labels: not of the target"),
    )


def _labels(blocs: tuple[str, ...]) -> tuple[Column, ...]:
    return (
        _share("label_turnout", "voters / registered; null of the target, and where nobody is registered"),
        *(
            _share(f"label_share_{b}", f"votes for {b} / valid votes; null of the target, and where unknown")
            for b in blocs
        ),
    )


def _levels(blocs: tuple[str, ...]) -> tuple[Column, ...]:
    """National figures: the same in every row of a contest."""
    said = "over the contest's rows, which is the level given; of the target the scenario's"
    return (
        _text("reference_contest", "contest that swings are counted from"),
        _share("level_turnout", f"voters / registered {said}"),
        _share("level_valid_rate", f"valid votes / voters {said}"),
        *(_share(f"level_share_{b}", f"votes for {b} / valid votes {said}") for b in blocs),
        *(
            _share(f"reference_level_share_{b}", f"the nation's share of {b} at the reference contest")
            for b in blocs
        ),
    )


def _features(blocs: tuple[str, ...]) -> tuple[Column, ...]:
    """The whole catalogue: columns follow from the blocs alone, not from what a model happens to use."""
    themes = [theme.__name__.rsplit(".", 1)[-1] for theme in THEMES]
    # Features are entered in whatever order their modules are imported first.
    in_order = sorted(CATALOGUE.values(), key=lambda f: themes.index(f.theme))
    of_results = (c for f in in_order for c in f.columns(blocs))
    secret = "; null too where its publisher keeps it secret for a member, and of several members their mean"
    of_context = (c for f in CONTEXTUAL.values() for c in f.columns(blocs))
    return (
        *(Column(c.name, "number", c.unit, c.text, True, c.low, c.high) for c in of_results),
        *(Column(c.name, "number", c.unit, c.text + secret, True, c.low, c.high) for c in of_context),
    )


def _text(name: str, text: str, *, nullable: bool = False) -> Column:
    return Column(name, "text", "code", text, nullable)


def _share(name: str, text: str) -> Column:
    return Column(name, "number", "share", text, True, 0.0, 1.0)
