"""Experiments as people write them, what is drawn from a grid, and how what was tried is compared."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoloir.configs.experiment import (
    DEFAULT,
    Grid,
    Search,
    as_it_stands,
    experiment_names,
    load_experiment,
    load_experiments,
)
from isoloir.configs.load import load_models
from isoloir.configs.report import copy_out
from isoloir.domain.election import AsOf, Contest
from isoloir.domain.errors import ConfigError, MissingInputError, UsageError
from isoloir.models.backtest import Fold
from isoloir.models.saved import Mark
from isoloir.models.selection import Judgement
from isoloir.pipelines.experiments import entered, model_yaml
from isoloir.pipelines.leaderboard import check_any, leaderboard, shown
from isoloir.pipelines.search import draw, mean_regret
from isoloir.pipelines.tracking_runs import Tracked, logged_before, runs_of
from isoloir.pipelines.training_card import regret_of


def laid(overlay: Path, name: str, text: str) -> Path:
    """An overlay with one experiment."""
    (overlay / "experiments").mkdir(parents=True, exist_ok=True)
    (overlay / "experiments" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return overlay


def complaint(overlay: Path, text: str) -> str:
    """What the loader says of an experiment called mine."""
    with pytest.raises(ConfigError) as told:
        load_experiment("mine", laid(overlay, "mine", f"name: mine\nabout: a try\n{text}"))
    return str(told.value)


def test_the_shipped_experiments_are_sound_and_called_as_their_files() -> None:
    assert [one.name for one in load_experiments()] == experiment_names()
    assert set(experiment_names()) >= {"default", "larger-trees", "search-trees"}


def test_the_default_changes_nothing_and_any_other_shipped_one_something() -> None:
    digests = {one.name: one.digest for one in load_experiments()}
    assert digests[DEFAULT] == as_it_stands().digest
    assert len(set(digests.values())) == len(digests)


def test_a_default_that_changes_something_is_refused(tmp_path: Path) -> None:
    overlay = laid(tmp_path, DEFAULT, "name: default\nabout: sly\nturnout: {rows_per_contest: 500}\n")
    with pytest.raises(ConfigError, match="the default changes nothing"):
        load_experiment(DEFAULT, overlay)


def test_experiments_are_copied_out_and_laid_over_like_any_other_file(tmp_path: Path) -> None:
    assert tmp_path / "experiments" / "search-trees.yaml" in copy_out(tmp_path)
    laid(tmp_path, "mine", "name: mine\nabout: a try\n")
    assert set(experiment_names(tmp_path)) == {"mine", *experiment_names()}


def test_an_unknown_experiment_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean larger-trees"):
        load_experiment("larger-tree")
    with pytest.raises(UsageError, match="no experiment"):
        load_experiment("../release")


def test_only_what_is_named_differs(tmp_path: Path) -> None:
    text = "name: mine\nabout: a try\nturnout: {lightgbm: {num_leaves: 63}, shrink_grid: [0.0, 0.3]}\n"
    made, stands = load_experiment("mine", laid(tmp_path, "mine", text)).models, load_models()
    assert made.swing == stands.swing
    assert made.turnout.lightgbm == stands.turnout.lightgbm.model_copy(update={"num_leaves": 63})
    assert made.turnout == stands.turnout.model_copy(
        update={"lightgbm": made.turnout.lightgbm, "shrink_grid": (0.0, 0.3)}
    )


def test_the_digest_is_of_what_is_set_whatever_it_is_called(tmp_path: Path) -> None:
    laid(tmp_path, "one", "name: one\nabout: a try\ncandidates: [pooled]\n")
    laid(tmp_path, "two", "name: two\nabout: another\ncandidates: [pooled]\n")
    laid(tmp_path, "three", "name: three\nabout: a try\ncandidates: [prior]\n")
    one, two, three = (load_experiment(name, tmp_path).digest for name in ("one", "two", "three"))
    assert one == two != three


def test_the_models_own_file_changes_the_digest(tmp_path: Path) -> None:
    before = as_it_stands().digest
    models = copy_out(tmp_path) and tmp_path / "models" / "turnout.yaml"
    text = models.read_text(encoding="utf-8").replace("num_leaves: 7", "num_leaves: 8")
    models.write_text(text, encoding="utf-8")
    assert as_it_stands(tmp_path).digest != before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("trees: 5", "trees: is not a known key"),
        ("turnout: {leaves: 5}", "turnout.leaves: is not a known key"),
        ("turnout: {lightgbm: {num_leafs: 5}}", "turnout.lightgbm.num_leafs: is not a known key"),
        ("swing: {lightgbm: {num_leaves: 1}}", "swing.lightgbm.num_leaves: "),
        ("swing: {lightgbm: {deterministic: false}}", "swing.lightgbm.deterministic: "),
        ("swing: {lightgbm: 5}", "swing.lightgbm: "),
        ("turnout: {shrink_grid: [0.5]}", "turnout: shrink_grid: must ascend from 0"),
        ("turnout: {name: other}", "turnout.name: is no setting"),
        ("candidates: []", "candidates: "),
        ("candidates: [prior, prior]", "candidates: one stands twice"),
        ("without: [weather]", "without.0: "),
        ("search: {trials: 21, seed: 1, turnout: {num_leaves: [3, 7]}}", "search.trials: "),
        ("search: {trials: 2, seed: 1}", "search: names no parameter"),
        ("search: {trials: 2, seed: 1, turnout: {num_leaves: [7]}}", "search.turnout.num_leaves: "),
        ("search: {trials: 2, seed: 1, turnout: {num_leaves: [7, 7]}}", "num_leaves: values must ascend"),
        ("search: {trials: 2, seed: 1, turnout: {num_leaves: [1, 7]}}", "search.turnout.num_leaves.0."),
        ("search: {trials: 2, seed: 1, swing: {seed: [1, 2]}}", "search.swing.seed"),
    ],
)
def test_a_wrong_field_is_told_with_its_file(tmp_path: Path, text: str, told: str) -> None:
    said = complaint(tmp_path, text)
    assert f"mine.yaml: {told}" in said or (told in said and "mine.yaml: search: " in said)
    assert "1 problem in" in said


def test_a_search_that_is_not_coarse_is_refused(tmp_path: Path) -> None:
    six = "[{}]".format(", ".join(str(n) for n in range(10, 16)))
    four = ", ".join(f"{p}: {six}" for p in ("num_leaves", "n_estimators", "min_child_samples", "max_bin"))
    assert "more than 500 settings" in complaint(
        tmp_path, f"search: {{trials: 5, seed: 1, turnout: {{{four}}}}}"
    )


def test_all_problems_of_an_experiment_are_told_at_once(tmp_path: Path) -> None:
    said = complaint(tmp_path, "turnout: {leaves: 5}\nswing: {about: x, lightgbm: {num_leaves: 1}}\n")
    assert said.startswith("3 problems")


def test_a_name_that_is_not_the_file_s_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine\.yaml: name: must be mine"):
        load_experiment("mine", laid(tmp_path, "mine", "name: other\nabout: a try\n"))


def test_the_settings_logged_may_be_pasted_into_the_models_folder(tmp_path: Path) -> None:
    models = load_experiment("larger-trees").models
    (tmp_path / "models").mkdir()
    for name, text in model_yaml(models).items():
        (tmp_path / "models" / name).write_text(text, encoding="utf-8")
    assert load_models(tmp_path) == models != load_models()


GRID = Grid((("learning_rate", (0.05, 0.1)), ("num_leaves", (4, 7, 15))))


def drawn(seed: int, trials: int, regret: float = 0.0) -> list[tuple[float, ...]]:
    said: list[tuple[float, ...]] = []

    def judge(parameters: object) -> float:
        said.append(tuple(parameters[name] for name, _ in GRID.values))
        return regret * len(said)

    draw(GRID, Search(trials, seed, GRID, Grid()), judge)
    return said


@given(seed=st.integers(0, 2**32 - 1), trials=st.integers(1, 20))
def test_a_draw_is_of_the_grid_without_repeats_and_as_long_as_asked(seed: int, trials: int) -> None:
    said = drawn(seed, trials)
    assert len(said) == len(set(said)) == min(trials, 6) == min(trials, GRID.settings)
    assert all(rate in (0.05, 0.1) and leaves in (4, 7, 15) for rate, leaves in said)


def test_a_draw_depends_on_the_seed_and_on_no_result() -> None:
    assert drawn(1, 5) == drawn(1, 5, regret=1.0) == drawn(1, 5, regret=-1.0)
    assert len({tuple(drawn(seed, 5)) for seed in range(10)}) > 5


def test_mean_regret_is_of_the_targets_that_both_know() -> None:
    judged_by = {"a": {"x": 2.0, "y": 4.0}, "b": {"x": 5.0, "y": 4.0}, "c": {"x": 1.0}, "d": {}}
    # 3/2 − 1 and 4.4/4 − 1: at c nothing was made, d has nobody to compare with.
    assert mean_regret({"a": 3.0, "b": 4.4, "d": 9.0}, judged_by) == pytest.approx((0.5 + 0.1) / 2)
    # Better than every candidate as it stands.
    assert mean_regret({"a": 1.0}, judged_by) == pytest.approx(-0.5)
    assert np.isnan(mean_regret({}, judged_by))


def test_regret_of_a_record_is_of_errors_over_the_least() -> None:
    record = (Mark("a", 3.0, 2.0, None), Mark("b", 4.0, 4.0, 0.9))
    assert regret_of(record) == pytest.approx(0.25)
    assert np.isnan(regret_of(()))


def test_only_the_candidates_of_an_experiment_are_judged_and_all_forecasts_stay() -> None:
    contest = Contest("xx", "2020_pres_t1", "pres", 1, date(2020, 3, 15))
    errors = {"prior": 2.0, "pooled": 1.0, "persistence": 3.0}
    fold = Fold(AsOf(contest.held_on), None, None, {"pooled": None}, Judgement(contest, errors, errors))
    one = entered(fold, ("prior", "persistence"))
    assert one.judgement.turnout == one.judgement.shares == {"prior": 2.0, "persistence": 3.0}
    assert one.given == fold.given
    assert entered(fold, ()) is fold


NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def tracked(
    experiment: str | None, errors: dict[str, float], *, target: str = "2027_pres_t1", hours: int = 0
) -> Tracked:
    """A run of the metrics ``<earlier target>.<model>`` in ``errors``, twice as much in votes."""
    metrics = {}
    for name, error in errors.items():
        contest, model = name.split(".")
        metrics |= {
            f"{contest}.turnout_mae_pp.{model}": error,
            f"{contest}.votes_misallocated.{model}": 2 * error,
            f"{contest}.turnout_coverage90.{model}": 0.9,
        }
    tags = {
        "target": target,
        "as_of": f"{target[:4]}-04-11",
        "grouping": "research@1:0123",
        "champion": "x+y",
    }
    if experiment is not None:
        tags["experiment"] = experiment
    return Tracked(f"{experiment}-{target}-{hours}", NOON + timedelta(hours=hours), tags, metrics)


def test_the_leaderboard_has_the_least_regret_first_beside_all_candidates_of_all() -> None:
    table = leaderboard(
        [
            tracked("worse", {"a.champion": 3.0, "a.prior": 3.0, "b.champion": 4.0, "a.noise_floor": 0.1}),
            tracked("better", {"a.champion": 2.5, "a.boosted": 2.0, "b.champion": 4.0, "b.prior": 3.2}),
            # A run from before there were experiments.
            tracked(None, {"a.champion": 2.5, "b.champion": 5.0}),
        ]
    )
    assert table["experiment"].tolist() == ["better", "worse", "default"]
    # Least: 2 at a, 3.2 at b, whoever had it; the noise floor is no candidate.
    assert table["turnout_regret"].tolist() == pytest.approx([0.25, (0.5 + 0.25) / 2, (0.25 + 0.5625) / 2])
    assert table["votes_regret"].tolist() == pytest.approx(table["turnout_regret"].tolist())
    assert table["turnout_mae_pp"].tolist() == pytest.approx([3.25, 3.5, 3.75])
    assert table["votes_misallocated"].tolist() == pytest.approx([6.5, 7.0, 7.5])
    assert set(table["grouping"]) == {"research@1"}


def test_the_latest_training_of_an_experiment_counts_at_the_targets_that_all_have() -> None:
    table = leaderboard(
        [
            tracked("one", {"a.champion": 1.0}, hours=1),
            tracked("one", {"a.champion": 2.0, "b.champion": 2.0}, hours=2),
            tracked("two", {"a.champion": 4.0, "c.champion": 9.0}),
        ]
    )
    assert table["run_id"].tolist() == ["one-2027_pres_t1-2", "two-2027_pres_t1-0"]
    assert table["earlier_targets"].tolist() == [1, 1]
    assert table["turnout_regret"].tolist() == pytest.approx([0.0, 1.0])


def test_targets_stand_apart_and_may_be_asked_for_alone() -> None:
    runs = [
        tracked("one", {"a.champion": 2.0}),
        tracked("one", {"a.champion": 1.0}, target="2022_pres_t1"),
    ]
    assert leaderboard(runs)["target"].tolist() == ["2022_pres_t1", "2027_pres_t1"]
    assert leaderboard(runs)["turnout_regret"].tolist() == [0.0, 0.0]
    assert leaderboard(runs, "2022_pres_t1")["run_id"].tolist() == ["one-2022_pres_t1-0"]
    with pytest.raises(MissingInputError, match="for 2030_pres_t1 was tracked"):
        check_any(leaderboard(runs, "2030_pres_t1"), "xx", "2030_pres_t1")


def test_trainings_without_an_earlier_target_in_common_are_shown_without_figures() -> None:
    table = leaderboard([tracked("one", {"a.champion": 1.0}), tracked("two", {"b.champion": 1.0})])
    assert table["earlier_targets"].tolist() == [0, 0]
    assert table["turnout_regret"].isna().all()
    assert "means over 0 earlier target(s)" in shown(table)


def test_looking_makes_no_store(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no training of demo was tracked"):
        runs_of(tmp_path / "home", "demo")
    assert logged_before(tmp_path / "home", "demo", "0") is None
    assert not (tmp_path / "home").exists()


def test_a_search_without_optuna_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from isoloir.pipelines import search

    monkeypatch.setattr(search, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"isoloir\[search\]"):
        search.check_searchable(load_experiment("search-trees"))
    search.check_searchable(replace(load_experiment("search-trees"), search=None))


def test_help_of_the_command_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom isoloir.pipelines.cli import main\n"
        "sys.argv = ['isoloir', 'experiments', '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print(sorted({'prefect', 'mlflow', 'pandas', 'lightgbm', 'optuna'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "[]"), done.stderr
