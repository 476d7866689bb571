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
from worlds import (
    BLOCS,
    CONTESTS,
    LAST,
    TARGET,
    bits,
    full_ledger,
    notice_of,
    random_ledger,
    record,
    reference_of,
    stations,
)

from isoloir.domain.election import AsOf, Contest
from isoloir.domain.errors import PrivacyError
from isoloir.domain.forecast import FeatureMatrix
from isoloir.domain.ledger import Ledger, Notice
from isoloir.domain.tables import GRAINS, Column, Table
from isoloir.features.catalogue import CATALOGUE, CONTEXTUAL, Feature, context_feature, feature
from isoloir.features.matrix import CONTEXT_THEMES, THEMES, build, is_per_bloc, with_context
from isoloir.features.prior import TURNOUT_KERNEL
from isoloir.features.view import Place, View, look

EVERY = {**CATALOGUE, **CONTEXTUAL}
UNITS = {"logit", "logit²", "log", "share", "part", "flag", "count", "code", "years"}


@pytest.mark.parametrize("entry", EVERY.values(), ids=EVERY)
def test_a_feature_says_in_one_line_what_it_is(entry: Feature) -> None:
    assert entry.text.endswith(".") and "\n" not in entry.text
    assert 10 < len(entry.text) <= 110
    assert entry.text[0].isupper() or entry.text[0].isdigit()


@pytest.mark.parametrize("entry", EVERY.values(), ids=EVERY)
def test_a_feature_declares_its_unit_its_theme_and_its_range(entry: Feature) -> None:
    assert entry.unit in UNITS
    themes = CONTEXT_THEMES if entry.name in CONTEXTUAL else THEMES
    assert entry.theme in {module.__name__.rsplit(".", 1)[-1] for module in themes}
    assert entry.low is None or entry.high is None or entry.low < entry.high
    if entry.unit in ("share", "flag"):
        assert (entry.low, entry.high) == (0, 1)


def test_every_theme_with_a_feature_is_built(repository: Path) -> None:
    """A file that no one imports would drop its features without a word."""
    for mark, themes in (("\n@feature(", THEMES), ("\n@context_feature(", CONTEXT_THEMES)):
        with_features = {
            p.stem for p in (repository / "features").glob("*.py") if mark in p.read_text(encoding="utf-8")
        }
        assert with_features == {module.__name__.rsplit(".", 1)[-1] for module in themes}


def test_the_columns_of_all_features_make_one_table() -> None:
    columns = tuple(c for entry in EVERY.values() for c in entry.columns(BLOCS))
    assert len(Table("features", "station", columns).names) == len(columns)
    assert {"turnout_prior", "share_prior_left", "standing_right", "turnout_layered", "census_poverty"} <= {
        c.name for c in columns
    }
    assert all(c.dtype == "number" and c.nullable for c in columns)


def test_a_second_feature_of_one_name_is_refused() -> None:
    before, of_context = dict(CATALOGUE), dict(CONTEXTUAL)

    def registered_log(view: View) -> np.ndarray:
        """Not that one."""
        return np.zeros(len(view.notice.stations))

    def census_poverty(place: Place) -> np.ndarray:
        """Nor that one."""
        return np.zeros(len(place.notice.stations))

    for made in (registered_log, census_poverty):
        for enter in (feature, context_feature):
            with pytest.raises(ValueError, match=made.__name__):
                enter("log")(made)
    assert before == CATALOGUE and of_context == CONTEXTUAL


def test_a_feature_of_context_has_one_column_and_no_bloc() -> None:
    assert not any(entry.per_bloc for entry in CONTEXTUAL.values())
    assert not is_per_bloc("census_poverty") and is_per_bloc("standing")
    with pytest.raises(KeyError):
        is_per_bloc("standing_left")


def test_every_feature_that_a_model_names_is_in_the_catalogue(repository: Path) -> None:
    files = sorted((repository / "configs" / "models").glob("*.yaml"))
    assert files
    for path in files:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
        context = said.get("context", [])
        assert set(said["features"]) | set(context) <= set(CATALOGUE), path.name
        assert all(CATALOGUE[name].per_bloc for name in context), path.name
        assert said["census"] and set(said["census"]) <= set(CONTEXTUAL), path.name


def a_notice(contest: Contest, seed: int) -> Notice:
    """Stations with and without a past, some without electors, and any blocs standing, even none."""
    rng = np.random.default_rng(seed)
    codes = ["A-1-0", "A-1-1", "A-2-3", "A-2-new", "A-new-0", "B-1-0", "B-2-2", "Z-1-0", "Z-1-1"]
    registered = rng.integers(0, 1500, len(codes)) * (rng.random(len(codes)) < 0.9)
    standing = rng.random((len(codes), len(BLOCS))) < 0.7
    return Notice(contest, BLOCS, stations(codes), registered.astype(np.int32), standing, "file", "file")


SEED = st.integers(0, 2**32 - 1)


@given(seed=SEED, contest=st.sampled_from([TARGET, LAST]), on_file=st.booleans())
def test_every_value_lies_in_the_declared_range(seed: int, contest: Contest, on_file: bool) -> None:
    ledger = full_ledger(seed)
    notice = a_notice(contest, seed) if on_file else notice_of(ledger, contest)
    past = ledger.as_of(contest.eve)
    view, place = look(past, notice, reference_of(contest)), Place(notice, past.context)
    for name, entry in EVERY.items():
        values = entry.make(place if name in CONTEXTUAL else view)
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
    columns = [c for entry in EVERY.values() for c in entry.columns(BLOCS)]
    assert matrix.names == tuple(c.name for c in columns)
    for column in columns:
        known = matrix.column(column.name)[~np.isnan(matrix.column(column.name))]
        assert column.low is None or (known >= column.low - 1e-12).all(), column.name
        assert column.high is None or (known <= column.high + 1e-12).all(), column.name


@given(seed=SEED)
def test_another_context_changes_the_features_of_context_and_no_other(seed: int) -> None:
    """And a matrix that has been given one context, then another, is as if it had that one at once."""
    ledger, other = full_ledger(seed), full_ledger(seed + 1).context
    matrix = build(ledger.as_of(TARGET.eve), notice_of(ledger), None)
    changed = with_context(matrix, other)
    assert changed.names == matrix.names and changed.notice is matrix.notice
    place = Place(matrix.notice, other)
    for name in matrix.names:
        expected = CONTEXTUAL[name].make(place) if name in CONTEXTUAL else matrix.column(name)
        assert changed.column(name).tobytes() == expected.tobytes(), name
    assert bits(with_context(changed, ledger.context)) == bits(matrix)


def test_a_matrix_of_named_features_has_no_others() -> None:
    ledger = full_ledger(1)
    wanted = (CATALOGUE["registered_log"], CATALOGUE["standing"])
    matrix = build(ledger.as_of(TARGET.eve), notice_of(ledger), None, wanted)
    assert matrix.names == ("registered_log", *(f"standing_{b}" for b in BLOCS))
    assert with_context(matrix, ledger.context).names == (*matrix.names, *CONTEXTUAL)


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
        follow=False,
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
    "reference_own": [1, 1, 1],
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
    towards = k.common + k.kind + k.fast * np.exp(-2000 / 365.25 / 4)
    weight = towards / (k.common + k.kind + k.ballot + k.fast + k.nugget)
    expected = weight * np.array([deviation(700, 1000, 0.5), deviation(300, 1000, 0.5), 0])
    assert matrix.column("turnout_prior") == pytest.approx(expected, abs=1e-12)


# The same country, whose commune A-1 gave its stations other numbers before 2020: by code they are new,
# and of 2014 and 2016 nothing else changed.
RENUMBERED = {"A-1-0": "A-1-7", "A-1-1": "A-1-8", "B-1-0": "B-1-0"}


@pytest.fixture(scope="module")
def renumbered(ledger: Ledger) -> FeatureMatrix:
    """Stations followed."""
    now = [RENUMBERED[c] for c in CODES]
    target = record(TARGET, now, [1010, 505, 500], [1] * 3, [[1, 0]] * 3)
    past = [
        record(FIRST, CODES, [1000, 500, 500], [700, 100, 200], [[490, 210], [50, 50], [100, 100]]),
        record(OTHER, CODES, [1000, 500, 500], [300, 300, 200], [[60, 240], [200, 100], [80, 120]]),
    ]
    whole = Ledger(("left", "right"), (*past, target))
    return build(whole.as_of(TARGET.eve), notice_of(whole), FIRST.key)


FOLLOWED: dict[str, Sequence[float]] = {
    # Naive rules find no station of A-1 again: they have the commune's 800 of 1500, and 600 of 1500.
    "turnout_same_kind": [deviation(800, 1500, 0.5)] * 2 + [deviation(200, 500, 0.5)],
    "turnout_last_round": [deviation(600, 1500, 0.4)] * 2 + [deviation(200, 500, 0.4)],
    "turnout_lag1": [deviation(300, 1000, 0.4), deviation(300, 500, 0.4), deviation(200, 500, 0.4)],
    "turnout_lag2": [deviation(700, 1000, 0.5), deviation(100, 500, 0.5), deviation(200, 500, 0.5)],
    "registered_growth": [np.nan, np.nan, 0],
    "history_source": [1, 1, 0],
    "history_depth": [1, 1, 1],
    "reference_own": [1, 1, 1],
    "reference_share_left": [0.7, 0.5, 0.5],
    # The nation's share of left was 640 of 1000, then 340 of 800.
    "share_lag1_left": [index(60, 300, 340 / 800), index(200, 300, 340 / 800), index(80, 200, 340 / 800)],
    "swing_last_left": [
        index(60, 300, 340 / 800) - index(490, 700, 0.64),
        index(200, 300, 340 / 800) - index(50, 100, 0.64),
        index(80, 200, 340 / 800) - index(100, 200, 0.64),
    ],
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_value_of_stations_that_were_renumbered_by_hand(renumbered: FeatureMatrix, name: str) -> None:
    assert renumbered.column(name) == pytest.approx(np.array(FOLLOWED[name]), abs=1e-12, nan_ok=True)


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
