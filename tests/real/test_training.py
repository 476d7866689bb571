"""The training set of France: refitted by the docs' examples, small enough, made in time."""

from __future__ import annotations

from pathlib import Path

import pytest
from refits import SECOND_ROUNDS, SHARES, TURNOUT, put, ran

from isoloir.configs.load import load_territory
from isoloir.domain.election import AsOf
from isoloir.pipelines.bench import Request, open_bench
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import Ingested
from isoloir.pipelines.release.columns import tables_of
from isoloir.pipelines.release.parquet import write_table
from isoloir.pipelines.release.training import training_set
from isoloir.pipelines.release.training_columns import NAME
from isoloir.pipelines.release.training_scores import mean_of, told
from isoloir.pipelines.score import score
from isoloir.pipelines.train import log, plan_training, train
from isoloir.pipelines.units import made_units

MEGABYTES = 160
"""Of the file, at most."""


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.parametrize("target", ["2022_legi_t1", "2022_legi_t2", "2027_pres_t1"])
def test_the_docs_refit_the_champion_of_france(
    target: str, france: Ingested, home: Home, repository: Path, tmp_path: Path
) -> None:
    bench = open_bench(home, load_territory("fr"), None, None)
    contest = bench.config.calendar[target]
    asked = Request(contest, AsOf(contest.held_on), None, bench.blocs.grouping)
    plan = plan_training(bench, asked)
    log(bench, plan, train(bench, plan, print))
    scored = score(bench, plan, print)
    units = made_units(bench, scored.matrix)
    made = training_set(bench, plan, scored, units, lambda m: made_units(bench, m), print)
    print(*told(made.scores), sep="\n")
    table = next(t for t in tables_of(bench.blocs.blocs) if t.name == NAME)
    write_table(made.rows, table, tmp_path / NAME, {})
    assert (tmp_path / NAME).stat().st_size < MEGABYTES * 1e6
    # What merging costs is little, and the other way round where noise is summed away.
    mean = mean_of(made.scores)
    assert mean.turnout_mae_pp is not None and mean.station_turnout_mae_pp is not None
    assert abs(mean.turnout_mae_pp - mean.station_turnout_mae_pp) < 0.05
    put(tmp_path, made.rows, made.said())
    # A champion of another form, as trees, has no example: then this fails, and the docs lack one.
    examples = {"raked": TURNOUT, "transition": SECOND_ROUNDS}[made.turnout.form], SHARES
    assert made.shares.form in ("raked", "transport", "transported")
    for number in examples:
        run = ran(repository, number, tmp_path)
        assert run.returncode == 0, run.stdout + run.stderr
        assert run.stdout.count("stated") > 0
