"""What is left out to see what it is worth: that, and nothing else; and the table of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from worlds import LONG_AGO, bits

from isoloir.configs.load import load_territory
from isoloir.domain.errors import UsageError
from isoloir.domain.facts import Belonging, Movements
from isoloir.domain.forecast import FeatureMatrix
from isoloir.domain.ledger import CommuneRecord, Ledger, Notice
from isoloir.features.catalogue import CATALOGUE, CONTEXTUAL
from isoloir.features.matrix import build
from isoloir.features.view import View, look
from isoloir.models.crowned import CHAMPION, crowned
from isoloir.models.registry import candidates
from isoloir.models.scorecard import turnout_error_pp, votes_misallocated
from isoloir.pipelines.ablation import NOTHING, Ablation, ablate, shown
from isoloir.pipelines.bench import SOURCES, Bench, left_without, open_bench
from isoloir.pipelines.demo import write_demo
from isoloir.pipelines.folds import FOREVER, folds_of, learned, plan_lessons
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import ingest
from isoloir.pipelines.matrices import Hidden

KEPT = ("2010_regi_t1", "2012_pres_t1", "2012_legi_t1", "2015_regi_t1", "2017_pres_t1", "2017_legi_t1")
COARSE = "2009_euro_t1"
TARGETS = ("2017_pres_t1", "2017_legi_t1")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A few contests of the demo, of the first the communes only; and all sorts of context."""
    country, home = tmp_path_factory.mktemp("country"), Home(tmp_path_factory.mktemp("ablation") / "home")
    write_demo(country, n_stations=300)
    config = load_territory("demo")
    ingest(home, config, country, lambda _: None)
    whole = open_bench(home, config, None, None)
    records = tuple(r for r in whole.ledger.records if r.contest.key in KEPT)
    coarse = by_commune(whole.ledger)
    codes = records[-1].stations.station_id
    context = dataclasses.replace(
        whole.ledger.context,
        belongings=(Belonging("cells", "cell", LONG_AGO, codes, codes, np.ones(len(codes))),),
        movements=(
            Movements(
                "m", LONG_AGO, np.array(["2011-01-01"], "datetime64[D]"), np.array(["x"]), np.array(["y"])
            ),
        ),
    )
    ledger = dataclasses.replace(whole.ledger, records=records, communes=(coarse,), context=context)
    sha256 = whole.sha256 | {f"communes/{COARSE}": "c", "context/cells": "b", "context/m": "m"}
    return dataclasses.replace(whole, ledger=ledger, sha256=sha256)


def by_commune(ledger: Ledger) -> CommuneRecord:
    """The communes of the first contest, and no longer its stations."""
    one = next(r for r in ledger.records if r.contest.key == COARSE)
    communes, first, row = np.unique(one.stations.commune_code, return_index=True, return_inverse=True)
    return CommuneRecord(
        one.contest,
        one.known_on,
        communes,
        one.stations.department_code[first],
        np.bincount(row, weights=one.registered).astype(np.int32),
        np.bincount(row, weights=one.voters).astype(np.int32),
    )


def notice_of(one: Bench) -> Notice:
    found = one.ledger.notice(one.config.calendar[TARGETS[0]])
    assert found is not None
    return found


def view_of(one: Bench) -> View:
    notice = notice_of(one)
    return look(one.ledger.as_of(notice.contest.eve), notice, None)


def matrix_of(one: Bench) -> FeatureMatrix:
    notice = notice_of(one)
    return build(one.ledger.as_of(notice.contest.eve), notice, None)


def fields_that_differ(one: object, other: object) -> set[str]:
    assert dataclasses.is_dataclass(one) and not isinstance(one, type)
    names = [f.name for f in dataclasses.fields(one)]
    return {n for n in names if bits(getattr(one, n)) != bits(getattr(other, n))}


# What is left out.


@pytest.mark.parametrize(
    ("name", "field"),
    [("succession", "follow"), ("communes", "communes"), ("census", "context"), ("offer", "offers")],
)
def test_of_the_ledger_one_field_is_changed(bench: Bench, name: str, field: str) -> None:
    one = left_without(bench, [name])
    assert fields_that_differ(bench.ledger, one.ledger) == {field}
    assert {
        f.name for f in dataclasses.fields(bench) if getattr(one, f.name) is not getattr(bench, f.name)
    } == {
        "ledger",
        "without",
    }
    assert one.without == (name,) and bench.without == (), "the bench itself is as it was"


def test_without_the_census_its_figures_are_gone_and_where_stations_lie_is_not(bench: Bench) -> None:
    before, after = bench.ledger.context, left_without(bench, ["census"]).ledger.context
    assert before.facts and after.facts == ()
    assert after.belongings == before.belongings and after.movements == before.movements


def test_all_names_are_covered_and_nothing_left_out_is_the_bench_as_it_is(bench: Bench) -> None:
    assert SOURCES == ("succession", "communes", "census", "offer")
    none = left_without(bench, [])
    assert fields_that_differ(none.ledger, bench.ledger) == set()
    assert (none.grouping, none.label, none.without) == (bench.grouping, bench.label, ())


@pytest.mark.parametrize("names", [["weather"], ["census", "weather"], ["Census"], [""]])
def test_what_can_t_be_left_out_is_refused_with_what_can(bench: Bench, names: list[str]) -> None:
    with pytest.raises(UsageError, match="can't be left out") as refused:
        left_without(bench, names)
    assert repr(names[-1]) in str(refused.value)
    assert refused.value.remedy and all(name in refused.value.remedy for name in SOURCES)


def test_each_has_an_identity_and_a_label_of_its_own(bench: Bench) -> None:
    every = [left_without(bench, names) for names in ([], *([n] for n in SOURCES), ["census", "offer"])]
    assert len({one.grouping for one in every}) == len({one.label for one in every}) == 6
    assert [one.label for one in every[:3]] == [
        "research",
        "research-without-succession",
        "research-without-communes",
    ]
    assert every[-1].label == "research-without-census-without-offer"
    assert all(one.grouping.startswith(f"research@{bench.blocs.version}:") for one in every)


def test_the_order_in_which_names_are_given_does_not_matter(bench: Bench) -> None:
    one, other = (
        left_without(bench, names) for names in (["offer", "census"], ["census", "offer", "census"])
    )
    assert one.without == other.without == ("census", "offer")
    assert (one.grouping, one.label) == (other.grouping, other.label)
    assert fields_that_differ(one.ledger, other.ledger) == set()


def test_no_matrix_is_kept_under_the_digest_of_another(bench: Bench) -> None:
    digests = []
    for names in ([], *([n] for n in SOURCES)):
        plans = plan_lessons(left_without(bench, names), FOREVER, Hidden(False))
        assert [p.contest.key for p in plans] == list(KEPT[1:])
        digests += [p.digest for p in plans]
    assert len(set(digests)) == len(digests)


# What that changes.

THEMES_OF_RESULTS = {"turnout", "swing", "prior", "territory", "layered", "abstention", "references", "size"}
"""Themes with features of stations that are followed."""


@pytest.fixture(scope="module")
def partly(bench: Bench) -> Bench:
    """The bench, had the first bloc not stood in every other station of the first target."""
    target = next(r for r in bench.ledger.records if r.contest.key == TARGETS[0])
    standing = target.standing.copy()
    standing[::2, 0] = False
    changed = dataclasses.replace(target, standing=standing)
    records = tuple(changed if r is target else r for r in bench.ledger.records)
    return dataclasses.replace(bench, ledger=dataclasses.replace(bench.ledger, records=records))


def features_that_differ(one: Bench, other: Bench) -> set[str]:
    """The names of features, of whatever bloc."""
    a, b = matrix_of(one), matrix_of(other)
    assert a.names == b.names
    every = {c.name: f.name for f in CATALOGUE.values() for c in f.columns(one.ledger.blocs)}
    return {every.get(n, n) for n in a.names if a.column(n).tobytes() != b.column(n).tobytes()}


def test_without_succession_only_features_of_followed_stations_change(partly: Bench) -> None:
    changed = features_that_differ(partly, left_without(partly, ["succession"]))
    assert changed >= {"turnout_prior", "share_prior", "turnout_lag1", "turnout_layered", "history_depth"}
    assert {CATALOGUE[name].theme for name in changed} <= THEMES_OF_RESULTS
    assert not changed & {"turnout_commune", "turnout_department", "registered_growth", "share_commune"}


def test_without_communes_only_the_layered_prior_changes(partly: Bench) -> None:
    changed = features_that_differ(partly, left_without(partly, ["communes"]))
    assert changed == {"turnout_layered", "turnout_variance"}


def test_without_the_census_only_its_features_change(partly: Bench) -> None:
    bare = left_without(partly, ["census"])
    changed = features_that_differ(partly, bare)
    assert changed <= set(CONTEXTUAL)
    assert changed >= {"census_owner_share", "census_median_income", "census_fallback"}
    made = matrix_of(bare)
    assert (made.column("census_fallback") == 2).all() and np.isnan(made.column("census_poverty")).all()


def test_without_an_offer_all_are_taken_to_stand_and_the_past_is_as_it_was(partly: Bench) -> None:
    bare = left_without(partly, ["offer"])
    before, after = notice_of(partly), notice_of(bare)
    assert not before.standing.all() and after.standing.all()
    assert fields_that_differ(before, after) == {"standing", "offer_from"}
    assert (before.offer_from, after.offer_from) == (TARGETS[0], "not published")
    assert fields_that_differ(view_of(partly), view_of(bare)) == {"notice"}
    changed = features_that_differ(partly, bare)
    assert changed >= {"standing", "blocs_standing", "strength_missing", "reference_share"}
    # Naive rules take the last contest in which all who stand now stood.
    of_rules = {"share_last_round", "share_pool", "share_anchor"}
    assert (
        changed <= {f.name for f in CATALOGUE.values() if f.theme == "offer"} | {"reference_share"} | of_rules
    )


def test_without_succession_a_station_is_its_code_with_as_many_electors(partly: Bench) -> None:
    followed, unfollowed = view_of(partly), view_of(left_without(partly, ["succession"]))
    assert fields_that_differ(followed, unfollowed) == {"panel", "followed"}
    assert fields_that_differ(followed.panel, unfollowed.panel) == {"followed"}
    codes = unfollowed.panel.followed
    assert (codes.known == codes.exact).all() and set(np.unique(codes.confidence)) <= {0.0, 1.0}
    assert (followed.panel.followed.known & ~followed.panel.followed.exact).any()


def test_without_communes_the_panel_lacks_them_and_nothing_else(partly: Bench) -> None:
    whole, bare = view_of(partly).panel, view_of(left_without(partly, ["communes"])).panel
    assert fields_that_differ(whole, bare) == {"coarse"}
    assert [c.key for c in whole.coarse.contests] == [COARSE] and bare.coarse.contests == ()


# The table of it.


@pytest.fixture(scope="module")
def done(bench: Bench) -> Ablation:
    return ablate(bench, TARGETS, lambda _: None)


def test_every_target_and_model_is_forecast_with_each_source_left_out(bench: Bench, done: Ablation) -> None:
    names = {m.name for m in candidates(bench.settings, census=True)} | {CHAMPION}
    rows = done.errors.groupby(["left_out", "target"])["model"].agg(set)
    assert set(rows.index) == {(name, target) for name in (NOTHING, *SOURCES) for target in TARGETS}
    # One of second rounds is judged where it saw one before.
    assert all(models | {"transition"} == names for models in rows)
    assert not done.errors.duplicated(["left_out", "target", "model"]).any()


def test_the_errors_are_those_of_the_folds_without_that_source(bench: Bench, done: Ablation) -> None:
    errors = done.errors.set_index(["left_out", "target", "model"]).sort_index()
    for name in (NOTHING, *SOURCES):
        one = left_without(bench, [] if name == NOTHING else [name])
        past = learned(one, plan_lessons(one, FOREVER, Hidden(False)), FOREVER, lambda _: None)
        for crown in crowned(folds_of(one, past, lambda _: None)):
            outcomes, judgement = crown.fold.outcomes, crown.fold.judgement
            if outcomes.contest.key not in TARGETS:
                continue
            said = errors.loc[name, outcomes.contest.key]
            for model in said.index.difference([CHAMPION]):
                assert said["turnout_mae_pp"][model] == judgement.turnout[model]
                assert said["votes_misallocated"][model] == judgement.shares[model]
            assert said["turnout_mae_pp"][CHAMPION] == turnout_error_pp(crown.forecast, outcomes)
            assert said["votes_misallocated"][CHAMPION] == votes_misallocated(crown.forecast, outcomes)
            assert set(said["champion_turnout"]) == {crown.champion.turnout}
            assert set(said["champion_shares"]) == {crown.champion.shares}


def test_what_is_left_out_changes_the_errors_of_who_uses_it(done: Ablation) -> None:
    turnout = done.errors.pivot(index=["model", "target"], columns="left_out", values="turnout_mae_pp")
    for model, source in (("prior", "succession"), ("layered", "communes")):
        assert (turnout.loc[model][source] != turnout.loc[model][NOTHING]).any(), model
    for model, others in (("same_kind", SOURCES), ("prior", ("communes", "census", "offer"))):
        for source in others:
            assert (turnout.loc[model][source] == turnout.loc[model][NOTHING]).all(), (model, source)


def test_errors_by_method_add_up_to_the_whole(done: Ablation) -> None:
    parts = done.by_method
    for (target, model), of_it in parts.groupby(["target", "model"]):
        assert of_it["registered_share"].sum() == pytest.approx(1)
        for column, source in (("with_succession", NOTHING), ("without", "succession")):
            whole = done.errors.set_index(["left_out", "target", "model"])["turnout_mae_pp"]
            mean = (of_it[column] * of_it["registered_share"]).sum()
            assert mean == pytest.approx(whole[source, target, model])


def test_a_person_reads_every_target_and_every_source(done: Ablation) -> None:
    said = shown(done)
    assert all(word in said for word in (*TARGETS, NOTHING, *SOURCES, "turnout error, pp"))
    best = done.errors.set_index(["left_out", "target", "model"])["turnout_mae_pp"]
    assert f"{best[NOTHING, TARGETS[0], CHAMPION]:.3f}" in said


@pytest.mark.parametrize("targets", [["2031_pres_t1"], [KEPT[0]], [COARSE], [*TARGETS, "2026_dpmt_t1"], []])
def test_a_target_that_can_t_be_forecast_is_refused_with_those_that_can(
    bench: Bench, targets: list[str]
) -> None:
    """Unknown, without a past, known by commune only, not there; or none at all."""
    with pytest.raises(UsageError, match="can't be forecast here") as refused:
        ablate(bench, targets, lambda _: None)
    assert refused.value.remedy and all(key in refused.value.remedy for key in KEPT[1:])


def test_the_table_is_kept(bench: Bench, done: Ablation) -> None:
    kept = bench.home.path / "backtest" / bench.key / f"{bench.label}-ablation" / "ablation.parquet"
    pd.testing.assert_frame_equal(pd.read_parquet(kept), done.errors)
