"""A territory without labels: whose contests it takes, what it may say, and models where there is no bloc."""

from __future__ import annotations

import dataclasses
import runpy
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from worlds import CONTESTS, SETTINGS, TARGET, lessons, notice_of, random_ledger, scenario

from isoloir.configs.load import config_digest, load_territory
from isoloir.configs.sources import CommunesSource
from isoloir.domain.bloc import TURNOUT_ONLY, unspoken
from isoloir.domain.election import AsOf, Contest
from isoloir.domain.errors import ConfigError, UsageError
from isoloir.domain.forecast import Forecast, Scenario
from isoloir.domain.ledger import Ledger
from isoloir.features.kriging import covariance
from isoloir.features.layered import COMMUNE_KERNEL
from isoloir.features.matrix import build
from isoloir.models.backtest import fitted, forecast_all, judged, level_carried, level_given
from isoloir.models.crowned import calibration_before, crowned, errors_before, held_by_each
from isoloir.models.protocol import TrainingSet
from isoloir.models.reconcile import meet_shares
from isoloir.models.registry import candidates
from isoloir.models.scorecard import score, score_areas, score_floor, turnout_error_pp
from isoloir.pipelines.bench import Request, check_request

FILES = {
    "territory.yaml": "name: Mine\nelections_of: fr\n",
    "sources.yaml": (
        "publisher: communes\nlicence: none\nattribution: nobody\nresults: {file: turnout.csv}\n"
    ),
}
LATER = AsOf(date(2030, 1, 1))
CALENDAR = "contests:\n  2020_muni_t1: {held_on: 2020-03-15, labels: nuance}\n"
BLOCS = (
    "grouping: research\nversion: 1\nabout: two blocs\nblocs: {left: one side, right: the other}\n"
    "rules:\n  - {bloc: left, labels: [DVG]}\n"
)


def overlaid(folder: Path, key: str = "mine", **changed: str) -> Path:
    """An overlay with the territory ``key``; ``changed`` replaces files, ``__`` for / and no suffix."""
    files = FILES | {f"{name.replace('__', '/')}.yaml": text for name, text in changed.items()}
    for name, text in files.items():
        path = folder / "territories" / key / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def complaint(overlay: Path, key: str = "mine") -> str:
    with pytest.raises(ConfigError) as caught:
        load_territory(key, overlay)
    return str(caught.value)


def test_the_communes_of_france_vote_on_the_days_of_france_and_have_no_blocs() -> None:
    france, communes = load_territory("fr"), load_territory("fr_communes")
    assert communes.turnout_only and not france.turnout_only
    assert {c.territory for c in communes.calendar} == {"fr_communes"}
    for ours, theirs in zip(communes.calendar, france.calendar, strict=True):
        assert ours == dataclasses.replace(theirs, territory="fr_communes")
    assert communes.groupings == {"turnout": TURNOUT_ONLY} and communes.grouping() is TURNOUT_ONLY
    assert len(unspoken(communes.grouping(), communes.calendar)) == len(communes.calendar.contests)
    assert isinstance(communes.source, CommunesSource)


def test_a_calendar_that_is_shared_is_that_of_the_other_territory_as_it_is_laid_over(tmp_path: Path) -> None:
    overlay = overlaid(tmp_path)
    before = load_territory("mine", overlay)
    assert before.calendar["2022_legi_t1"].held_on == date(2022, 6, 12)
    fr = tmp_path / "territories" / "fr" / "elections.yaml"
    fr.parent.mkdir(parents=True)
    fr.write_text(CALENDAR, encoding="utf-8")
    after = load_territory("mine", overlay)
    assert [c.key for c in after.calendar] == ["2020_muni_t1"]
    assert config_digest(after) != config_digest(before)


WRONG = {
    "a calendar of one's own and another's": (
        {"elections": CALENDAR},
        "territory.yaml: elections_of: beside",
    ),
    "nobody's calendar": (
        {"territory": "name: Mine\nelections_of: frr\n"},
        "territories/frr/elections.yaml: is missing",
    ),
    "the calendar of one who has another's": (
        {"territory": "name: Mine\nelections_of: fr_communes\n"},
        "territories/fr_communes/elections.yaml: is missing",
    ),
    "no calendar": ({"territory": "name: Mine\n"}, "territories/mine/elections.yaml: is missing"),
    "a way out of the folder": (
        {"territory": "name: Mine\nelections_of: ../fr\n"},
        "elections_of: String should match",
    ),
    "a grouping without labels": (
        {"territory": FILES["territory.yaml"] + "default_grouping: research\n"},
        "default_grouping: the publisher communes states no labels",
    ),
    "blocs without labels": ({"blocs__research": BLOCS}, "default_grouping: the publisher communes states"),
    "a further source": (
        {"sources": FILES["sources.yaml"] + "ministry: {licence: none, attribution: nobody}\n"},
        "ministry, communes: can't be added",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_can_not_go_together_is_refused(tmp_path: Path, what: str) -> None:
    changed, told = WRONG[what]
    assert told in complaint(overlaid(tmp_path, **changed))


def test_where_there_are_labels_a_grouping_must_be_named(tmp_path: Path) -> None:
    overlay = overlaid(tmp_path, "dk", territory="name: Denmark\n", sources="publisher: nobody\n")
    assert "default_grouping: Field required" in complaint(overlay, "dk")


def test_a_forecast_of_what_has_no_shares_is_refused_before_anything_is_read() -> None:
    config = load_territory("fr_communes")
    target = config.calendar["2022_legi_t1"]
    with pytest.raises(UsageError, match="has no shares") as caught:
        check_request(config, Request(target, target.eve, None, "turnout"))
    assert "isoloir backtest fr_communes --targets 2022_legi_t1" in caught.value.remedy


def without_blocs(ledger: Ledger) -> Ledger:
    """The same turnout, and neither valid votes nor a bloc."""
    records = tuple(
        dataclasses.replace(
            r,
            valid=np.zeros_like(r.valid),
            votes=r.votes[:, :0],
            standing=r.standing[:, :0],
            shares_known=np.zeros_like(r.shares_known),
        )
        for r in ledger.records
    )
    return Ledger((), records)


PLAIN = dataclasses.replace(
    SETTINGS, turnout=dataclasses.replace(SETTINGS.turnout, features=("turnout_anchor", "registered_log"))
)
"""Trees whose inputs have no shares among them."""


def forecasts(ledger: Ledger, target: Contest, national: Scenario) -> dict[str, Forecast]:
    """What every candidate that is fitted before ``target`` says of it."""
    matrix = build(ledger.as_of(target.eve), notice_of(ledger, target), None)
    training = TrainingSet(target, target.eve, lessons(ledger, target.eve))
    models = fitted(candidates(PLAIN, census=False, shares=bool(ledger.blocs)), training)
    return forecast_all(models, matrix, national)


@pytest.mark.parametrize("seed", range(3))
def test_every_model_forecasts_the_same_turnout_as_where_there_are_blocs(seed: int) -> None:
    whole = random_ledger(seed)
    with_blocs = forecasts(whole, TARGET, scenario(0.61, [0.3, 0.3, 0.4]))
    bare = forecasts(without_blocs(whole), TARGET, scenario(0.61, [], 0.0))
    assert set(with_blocs) - set(bare) == {"boosted_shares", "transported"}
    for name, forecast in bare.items():
        assert forecast.shares.shape == (len(forecast.turnout), 0)
        np.testing.assert_allclose(forecast.turnout, with_blocs[name].turnout, rtol=1e-12)


def test_past_targets_are_judged_and_calibrated_by_turnout_alone() -> None:
    ledger, folds = without_blocs(random_ledger(3)), []
    for target in CONTESTS[2:]:
        matrix = build(ledger.as_of(target.eve), notice_of(ledger, target), None)
        outcomes = ledger.outcomes(target, LATER)
        assert level_carried(matrix).shares.shape == (0,)
        given = forecasts(ledger, target, level_given(outcomes))
        folds.append(judged(target.eve, matrix, outcomes, given))
    crowns = crowned(folds)
    # Two rounds are one ballot: its first is judged when the second one is known.
    assert [c.champion.judged_at for c in crowns] == [(), ("2020_legi_t1",), ("2020_legi_t1",)]
    errors = folds[0].judgement.turnout
    assert errors[crowns[2].champion.turnout] == min(errors.values())
    learnt = calibration_before(crowns, LATER, crowns[2].champion, 0)
    assert learnt.contests == tuple(c.key for c in CONTESTS[2:]) and learnt.shares == ()
    assert np.isfinite(learnt.turnout.bounds).any()
    # A target of which one contest was known before is left out where there are others.
    matrix = dataclasses.replace(folds[0].matrix, past=("x",))
    short = [dataclasses.replace(crowns[0], fold=dataclasses.replace(folds[0], matrix=matrix))]
    without = errors_before([*short, *crowns[1:]], LATER, crowns[2].champion)
    assert [e.contest for e in without] == [c.key for c in CONTESTS[3:]]
    alone = errors_before(short, LATER, crowns[2].champion)
    assert [e.contest for e in alone] == [CONTESTS[2].key]
    held = held_by_each(crowns)
    assert held[0] is None and held[1] is not None
    assert held[1]["metric"].str.startswith("turnout_").all() and len(held[1])


def test_metrics_of_shares_are_no_rows_where_there_is_no_bloc() -> None:
    ledger = without_blocs(random_ledger(4))
    outcomes = ledger.outcomes(TARGET, LATER)
    size = len(outcomes.registered)
    forecast = Forecast(np.full(size, 0.5), np.zeros((size, 0)), np.zeros(size))
    areas = notice_of(ledger).stations.commune_code
    for table in (
        score("rule", "given", forecast, outcomes),
        score_areas("rule", "given", forecast, outcomes, areas),
        score_floor(outcomes),
    ):
        assert set(table["metric"]) == {"turnout_mae_pp"}
    expected = 100 * np.abs(outcomes.voters - outcomes.registered / 2).sum() / outcomes.registered.sum()
    assert turnout_error_pp(forecast, outcomes) == pytest.approx(expected)


def test_where_there_are_blocs_the_floor_of_both_metrics_is_told() -> None:
    ledger = random_ledger(4)
    table = score_floor(ledger.outcomes(TARGET, LATER))
    assert table["metric"].to_list() == ["turnout_mae_pp", "votes_misallocated"]
    assert set(table["model"]) == {"noise_floor"} and (table["value"] > 0).all()


def test_no_bloc_has_no_share_to_meet() -> None:
    empty = np.zeros((4, 0))
    assert meet_shares(empty, np.zeros(4), np.zeros(0), empty > 0).shape == (4, 0)


def test_the_benchmark_finds_the_covariance_that_deviations_were_drawn_from(repository: Path) -> None:
    """600 places at six contests, with the counting noise of 400 electors."""
    benchmark = runpy.run_path(str(repository / "benchmarks" / "choose_turnout.py"))
    rng, kernel = np.random.default_rng(3), COMMUNE_KERNEL
    contests = tuple(
        Contest("xx", str(year), kind, 1, date(year, 4, 1))
        for year, kind in zip(range(2008, 2020, 2), ("pres", "legi") * 3, strict=True)
    )
    inside = covariance(kernel, contests, contests) + kernel.nugget * np.eye(6)
    noise = rng.normal(0, 0.1, (600, 6))
    drawn = rng.standard_normal((600, 6)) @ np.linalg.cholesky(inside).T + noise
    places = benchmark["Places"](contests, drawn, np.full((600, 6), 400, np.int64), np.full(6, 0.5))
    found = benchmark["fitted"](places, (100, 10**9))
    made = covariance(found, contests, contests) + found.nugget * np.eye(6)
    assert made == pytest.approx(inside, rel=0.15)
