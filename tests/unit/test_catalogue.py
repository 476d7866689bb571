"""The catalogue of features: what it declares, whether the values keep to it, and some of them by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit
from worlds import BLOCS, CALENDAR, CONTESTS, LAST, TARGET, notice_of, random_ledger, record, stations

from isoloir.domain.election import AsOf, Contest
from isoloir.domain.errors import PrivacyError
from isoloir.domain.forecast import FeatureMatrix
from isoloir.domain.ledger import Ledger, Notice
from isoloir.domain.tables import GRAINS, Column, Table
from isoloir.features.catalogue import CATALOGUE, Feature, feature
from isoloir.features.matrix import THEMES, build
from isoloir.features.prior import TURNOUT_KERNEL
from isoloir.features.view import View, look

UNITS = {"logit", "log", "share", "flag", "count", "code", "years"}


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_a_feature_says_in_one_line_what_it_is(entry: Feature) -> None:
    assert entry.text.endswith(".") and "\n" not in entry.text
    assert 10 < len(entry.text) <= 110
    assert entry.text[0].isupper() or entry.text[0].isdigit()


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_a_feature_declares_its_unit_its_theme_and_its_range(entry: Feature) -> None:
    assert entry.unit in UNITS
    assert entry.theme in {module.__name__.rsplit(".", 1)[-1] for module in THEMES}
    assert entry.low is None or entry.high is None or entry.low < entry.high
    if entry.unit in ("share", "flag"):
        assert (entry.low, entry.high) == (0, 1)


def test_every_theme_with_a_feature_is_built(repository: Path) -> None:
    """A file that no one imports would drop its features without a word."""
    with_features = {
        p.stem for p in (repository / "features").glob("*.py") if "@feature(" in p.read_text(encoding="utf-8")
    }
    assert with_features == {module.__name__.rsplit(".", 1)[-1] for module in THEMES}


def test_the_columns_of_all_features_make_one_table() -> None:
    columns = tuple(c for entry in CATALOGUE.values() for c in entry.columns(BLOCS))
    assert len(Table("features", "station", columns).names) == len(columns)
    assert {"turnout_prior", "share_prior_left", "standing_right"} <= {c.name for c in columns}
    assert all(c.dtype == "number" and c.nullable for c in columns)


def test_a_second_feature_of_one_name_is_refused() -> None:
    before = dict(CATALOGUE)

    def registered_log(view: View) -> np.ndarray:
        """Not that one."""
        return np.zeros(len(view.notice.stations))

    with pytest.raises(ValueError, match="registered_log"):
        feature("log")(registered_log)
    assert before == CATALOGUE


def test_every_feature_that_a_model_names_is_in_the_catalogue(repository: Path) -> None:
    files = sorted((repository / "configs" / "models").glob("*.yaml"))
    assert files
    for path in files:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
        context = said.get("context", [])
        assert set(said["features"]) | set(context) <= set(CATALOGUE), path.name
        assert all(CATALOGUE[name].per_bloc for name in context), path.name


def a_notice(contest: Contest, seed: int) -> Notice:
    """Stations with and without a past, some without electors, and any blocs standing, even none."""
    rng = np.random.default_rng(seed)
    codes = ["A-1-0", "A-1-1", "A-2-3", "A-2-new", "A-new-0", "B-1-0", "B-2-2", "Z-1-0", "Z-1-1"]
    registered = rng.integers(0, 1500, len(codes)) * (rng.random(len(codes)) < 0.9)
    standing = rng.random((len(codes), len(BLOCS))) < 0.7
    return Notice(contest, BLOCS, stations(codes), registered.astype(np.int32), standing, "file", "file")


def reference_key(contest: Contest) -> str | None:
    found = CALENDAR.reference_of(contest)
    return found.key if found else None


SEED = st.integers(0, 2**32 - 1)


@given(seed=SEED, contest=st.sampled_from([TARGET, LAST]), on_file=st.booleans())
def test_every_value_lies_in_the_declared_range(seed: int, contest: Contest, on_file: bool) -> None:
    ledger = random_ledger(seed)
    notice = a_notice(contest, seed) if on_file else notice_of(ledger, contest)
    view = look(ledger.as_of(contest.eve), notice, reference_key(contest))
    for name, entry in CATALOGUE.items():
        values = entry.make(view)
        rows = (len(notice.stations),)
        assert values.shape == ((*rows, len(BLOCS)) if entry.per_bloc else rows), name
        assert not np.isinf(values).any(), name
        known = values[~np.isnan(values)]
        # A sum of shares may miss 1 in its last bit.
        assert entry.low is None or (known >= entry.low - 1e-12).all(), name
        assert entry.high is None or (known <= entry.high + 1e-12).all(), name


@given(seed=SEED)
def test_every_value_lies_in_the_declared_range_after_a_single_contest(seed: int) -> None:
    past = random_ledger(seed).as_of(AsOf(CONTESTS[1].held_on))
    matrix = build(past, a_notice(TARGET, seed), None)
    columns = [c for entry in CATALOGUE.values() for c in entry.columns(BLOCS)]
    assert matrix.names == tuple(c.name for c in columns)
    for column in columns:
        known = matrix.column(column.name)[~np.isnan(matrix.column(column.name))]
        assert column.low is None or (known >= column.low - 1e-12).all(), column.name
        assert column.high is None or (known <= column.high + 1e-12).all(), column.name


# Two stations of the commune A-1, one of B-1, two blocs. In 2014 turnout was 50 % and left had 52 %,
# in 2016 40 % and 50 %. In the first round of 2020 it was 50 %, and left had 430 of 910 where it stood:
# not in A-1-1. That went from 1500 electors to 1000 since: its code is no proof, its commune speaks.
CODES = ["A-1-0", "A-1-1", "B-1-0"]
FIRST, OTHER, ROUND_ONE = CONTESTS[:3]
LEFT = 430 / 910


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger(
        ("left", "right"),
        (
            record(FIRST, CODES, [1000, 1000, 500], [700, 300, 250], [[490, 210], [60, 240], [100, 150]]),
            record(OTHER, CODES, [1000, 1000, 500], [300, 600, 100], [[60, 240], [400, 200], [40, 60]]),
            record(
                ROUND_ONE,
                CODES,
                [1100, 1500, 500],
                [660, 640, 250],
                [[330, 330], [0, 640], [100, 150]],
                standing=[[True, True], [False, True], [True, True]],
            ),
            record(
                TARGET,
                CODES,
                [1200, 1000, 500],
                [1, 1, 1],
                [[1, 0], [0, 1], [1, 0]],
                standing=[[True, True], [False, True], [True, True]],
            ),
        ),
    )


@pytest.fixture(scope="module")
def matrix(ledger: Ledger) -> FeatureMatrix:
    return build(ledger.as_of(TARGET.eve), notice_of(ledger), FIRST.key)


def deviation(voters: int, registered: int, national: float) -> float:
    return float(logit((voters + 10 * national) / (registered + 10)) - logit(national))


def index(votes: int, valid: int, national: float) -> float:
    return float(np.log((votes + 10 * national) / (valid + 10) / national))


OF_A = [deviation(700, 1000, 0.5), deviation(300, 1000, 0.4), deviation(660, 1100, 0.5)]
BY_HAND: dict[str, Sequence[float]] = {
    # By equal codes, and where the electors agree, too: else the commune's 1300 of 2600, as the nation.
    "turnout_last_round": [deviation(660, 1100, 0.5), deviation(640, 1500, 0.5), 0],
    "turnout_first_round": [deviation(660, 1100, 0.5), 0, 0],
    # The commune A-1 voted as the nation in 2014 and 2020, and 900 of 2000 in 2016; B-1 100 of 500.
    "turnout_commune": [deviation(900, 2000, 0.4) / 3] * 2 + [deviation(100, 500, 0.4) / 3],
    "turnout_mean_deviation": [
        np.mean(OF_A),
        (deviation(300, 1000, 0.5) + deviation(600, 1000, 0.4) + deviation(640, 1500, 0.5)) / 3,
        deviation(100, 500, 0.4) / 3,
    ],
    "turnout_spread": [
        np.std(OF_A),
        np.std([deviation(300, 1000, 0.5), deviation(600, 1000, 0.4), 0]),
        abs(deviation(100, 500, 0.4)) * np.sqrt(2) / 3,
    ],
    "registered_growth": np.log([1200 / 1100, 1000 / 1500, 1]).tolist(),
    "commune_registered_log": np.log([2200, 2200, 500]).tolist(),
    "commune_stations": [2, 2, 1],
    "history_depth": [1, 2 / 3, 1],
    "history_source": [0, 0, 0],
    "blocs_standing": [2, 1, 2],
    "strength_missing": [0, 0.52, 0],
    "later_round": [1, 1, 1],
    "years_since_reference": [2000 / 365.25] * 3,
    # Its own 2014 (left does not stand in A-1-1 now).
    "reference_share_left": [0.7, np.nan, 0.4],
    "reference_share_right": [0.3, 0.8, 0.6],
    # Left did not stand in A-1-1: its commune, which is A-1-0 where left stood.
    "share_first_round_left": [index(330, 660, LEFT)] * 2 + [index(100, 250, LEFT)],
    "swing_last_left": [
        index(330, 660, LEFT) - index(490, 700, 0.52),
        index(330, 660, LEFT) - index(60, 300, 0.52),
        index(100, 250, LEFT) - index(100, 250, 0.52),
    ],
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_value_by_hand(matrix: FeatureMatrix, name: str) -> None:
    assert matrix.column(name) == pytest.approx(np.array(BY_HAND[name]), abs=1e-12, nan_ok=True)


def test_the_prior_of_one_contest_shrinks_its_deviation(ledger: Ledger) -> None:
    """Weight k(c, t) / (k(c, c) + nugget): two rounds of one kind, 2000 days apart."""
    matrix = build(ledger.as_of(AsOf(OTHER.held_on)), notice_of(ledger), FIRST.key)
    k = TURNOUT_KERNEL
    towards = k.common + k.kind + k.time * np.exp(-2000 / 365.25 / k.scale)
    weight = towards / (k.common + k.kind + k.ballot + k.time + k.nugget)
    expected = weight * np.array([deviation(700, 1000, 0.5), deviation(300, 1000, 0.5), 0])
    assert matrix.column("turnout_prior") == pytest.approx(expected, abs=1e-12)


CODE = Column("station_id", "text", "code", "The station.")


@pytest.mark.parametrize("grain", ["person", "household", "voter", "address", "Station", ""])
def test_a_table_of_persons_or_households_cannot_be_declared(grain: str) -> None:
    with pytest.raises(PrivacyError) as refused:
        Table("electors", grain, (CODE,))
    assert refused.value.where == "electors" and "station" in refused.value.remedy


@pytest.mark.parametrize("grain", GRAINS)
def test_a_table_of_stations_or_coarser_can(grain: str) -> None:
    other = Column("registered", "count", "count", "Electors on the roll.", low=0)
    assert Table("some", grain, (CODE, other)).names == ("station_id", "registered")


def test_a_table_declares_each_column_once() -> None:
    with pytest.raises(ValueError, match="declared twice"):
        Table("some", "station", (CODE, CODE))
