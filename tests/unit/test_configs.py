"""What people write in YAML: told back whole when right, and all at once when wrong."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from isoloir.configs.load import (
    available_territories,
    config_digest,
    load_models,
    load_offer,
    load_release,
    load_scenario,
    load_territory,
)
from isoloir.configs.report import check, copy_out
from isoloir.configs.sources import DatagouvSource, TidySource
from isoloir.domain.bloc import UNLABELLED, BlocRule, unspoken
from isoloir.domain.errors import ConfigError, SourceError, UsageError
from isoloir.domain.scenario import AreaTarget

LABELS = Path(__file__).parents[3] / "shared" / "data" / "france" / "labels_seen.csv"
DENMARK = Path(__file__).parents[3] / "shared" / "data" / "denmark" / "denmark.parquet"

TINY = {
    "territory.yaml": "name: Tiny\ndefault_grouping: research\n",
    "elections.yaml": (
        "contests:\n"
        "  2020_muni_t1: {held_on: 2020-03-15, labels: nuance}\n"
        "  2026_muni_t1: {held_on: 2026-03-15, labels: nuance}\n"
    ),
    "sources.yaml": (
        "publisher: tidy\nlicence: none\nattribution: nobody\n"
        'results: {file: r.csv, contest: "{year}_muni_t{round}", station: s, commune: c, department: d,\n'
        "          registered: r, voters: v, valid: e, label: l, votes: n}\n"
    ),
    "blocs/research.yaml": (
        "grouping: research\nversion: 1\nabout: two blocs\nblocs: {left: one side, right: the other}\n"
        "rules:\n  - {bloc: left, labels: [DVG, NO]}\n  - {bloc: right, labels: [DVD]}\n"
    ),
}
SCENARIO = (
    "name: mine\ntarget: 2026_muni_t1\nsource: a guess\ndated: 2026-01-01\ngrouping: research\nturnout: 0.6\n"
)


def tiny(overlay: Path, **changed: str) -> Path:
    """An overlay with the territory ``tiny``; ``changed`` replaces files, ``__`` for / and no suffix."""
    files = TINY | {f"{name.replace('__', '/')}.yaml": text for name, text in changed.items()}
    for name, text in files.items():
        path = overlay / "territories" / "tiny" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return overlay


def complaint(overlay: Path, key: str = "tiny") -> str:
    """What the loader says of the territory ``key``."""
    with pytest.raises(ConfigError) as caught:
        load_territory(key, overlay)
    return str(caught.value)


def test_everything_shipped_is_sound() -> None:
    report = check()
    assert report.sound, "\n".join(report.lines())
    assert {territory.key for territory in report.territories} >= {"fr", "dk"}


def test_an_unknown_territory_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean fr"):
        load_territory("frr")


def test_a_territory_name_is_no_way_out_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load_territory("../territories/fr", tmp_path)


def test_an_overlay_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        load_territory("fr", tmp_path / "nowhere")


def test_every_french_contest_is_held_on_a_sunday_in_order() -> None:
    contests = list(load_territory("fr").calendar)
    assert len(contests) == 58
    assert {c.held_on.weekday() for c in contests} == {6}
    assert [c.held_on for c in contests] == sorted(c.held_on for c in contests)


def test_every_second_round_finds_its_first() -> None:
    calendar = load_territory("fr").calendar
    second = [c for c in calendar if c.round == 2]
    firsts = {c.key: calendar.first_round_of(c) for c in second}
    assert all(first is not None and first.key == f"{key[:-1]}1" for key, first in firsts.items())


def test_days_that_nobody_sourced_are_named() -> None:
    config = load_territory("fr")
    assert {"2027_pres_t1", "2027_pres_t2"} <= set(config.unchecked)
    assert "2022_pres_t1" not in config.unchecked


def test_what_is_odd_in_the_french_data_is_declared() -> None:
    config = load_territory("fr")
    assert not config.calendar["2014_euro_t1"].offer_published
    assert config.calendar["2020_muni_t1"].multi_seat
    assert not config.calendar["2026_muni_t1"].multi_seat
    assert config.not_scored == ("75056_JUS1",)
    assert isinstance(config.source, DatagouvSource)


@pytest.mark.parametrize(
    ("contest", "panels"),
    [("2017_pres_t1", 11), ("2017_pres_t2", 2), ("2022_pres_t1", 12), ("2022_pres_t2", 2)],
)
def test_each_panel_has_a_bloc_and_no_panel_more(contest: str, panels: int) -> None:
    config = load_territory("fr")
    held = config.calendar[contest]
    codes = config.grouping().codes(held, [str(number) for number in range(1, panels + 1)])
    assert (codes >= 0).all()
    assert config.grouping().code_of(held, str(panels + 1)) is None


def test_labels_beyond_the_scope_are_refused_only_when_asked_for() -> None:
    config = load_territory("fr")
    with pytest.raises(SourceError, match="'research' does not speak of 2012_pres_t1") as caught:
        config.grouping().codes(config.calendar["2012_pres_t1"], ["1"])
    assert "research.yaml" in caught.value.remedy
    assert config.grouping().code_of(config.calendar["2007_legi_t1"], "SOC") is None


def test_research_speaks_of_the_rounds_whose_labels_were_checked() -> None:
    config = load_territory("fr")
    silent = unspoken(config.grouping(), config.calendar)
    checked = [c.key for c in config.calendar if c.held_on.year >= 2014 and c.held_on.year != 2015]
    assert set(silent) == {c.key for c in config.calendar} - set(checked)
    assert {"1999_euro_t1", "2012_pres_t2", "2015_regi_t1"} <= set(silent)


def test_official_speaks_of_the_rounds_for_which_the_ministry_published_a_grid() -> None:
    config = load_territory("fr")
    silent = set(unspoken(config.grouping("official"), config.calendar))
    spoken = {c.key for c in config.calendar} - silent
    assert spoken == {"2020_muni_t1", "2020_muni_t2", "2026_muni_t1", "2026_muni_t2"}


def test_a_grouping_without_a_scope_speaks_of_every_round() -> None:
    config = load_territory("dk")
    assert unspoken(config.grouping(), config.calendar) == ()


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ("{contests: [2019_euro_t1]}", "scope.contests: 2019_euro_t1 is no contest of elections.yaml"),
        ("{except: [2019_euro_t1]}", "scope.except: 2019_euro_t1 is no contest of elections.yaml"),
        ("{}", "scope: names neither since, contests nor except"),
        ("{until: 2020-01-01}", "scope.until: is not a known key"),
        ("{since: 2021-01-01}", "rules.2.contests: 2020_muni_t1 is beyond the scope"),
        ("{except: [2020_muni_t1]}", "rules.2.contests: 2020_muni_t1 is beyond the scope"),
    ],
)
def test_a_scope_names_rounds_that_exist_and_no_rule_goes_beyond_it(
    tmp_path: Path, scope: str, told: str
) -> None:
    blocs = TINY["blocs/research.yaml"].replace("version: 1\n", f"version: 1\nscope: {scope}\n")
    blocs += "  - {bloc: right, labels: [DVC], contests: [2020_muni_t1]}\n"
    assert told in complaint(tiny(tmp_path, blocs__research=blocs))


@pytest.mark.parametrize("name", ["DUPONT Jeanne", "DUPONT", "ROUX", "LEROY", "PETIT", "DE\n", "Åse"])
def test_a_label_that_may_be_a_name_is_not_shown_and_a_nuance_is(name: str) -> None:
    config = load_territory("fr")
    with pytest.raises(SourceError, match="2 label") as caught:
        config.grouping().codes(config.calendar["2022_legi_t1"], ["SOC", name, "ZZZ"], where="a file")
    assert name not in str(caught.value)
    assert "number 2 (not shown), ZZZ" in str(caught.value)


@pytest.mark.parametrize("label", ["LZZZ", "BC-ZZZ", "13", "PACE", "LETTRES"])
def test_a_label_is_shown_by_its_form_or_because_the_grouping_writes_it_out(label: str) -> None:
    config = load_territory("fr")
    rule = BlocRule("left", frozenset({"PACE", "LETTRES"}), contests=frozenset({"2019_euro_t1"}))
    blocs = replace(config.grouping(), rules=(*config.grouping().rules, rule))
    with pytest.raises(SourceError, match=label):
        blocs.codes(config.calendar["2022_legi_t1"], [label])


def test_the_ministry_moved_a_party_from_one_election_to_the_next() -> None:
    config = load_territory("fr")
    official = config.grouping("official")
    blocs = [official.code_of(config.calendar[f"{year}_muni_t1"], "LFI") for year in (2020, 2026)]
    assert [official.blocs[code] for code in blocs if code is not None] == ["left", "extreme_left"]
    assert official.code_of(config.calendar["2024_legi_t1"], "FI") is None


def test_an_unknown_grouping_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean research"):
        load_territory("fr").grouping("reserch")


@pytest.mark.real
@pytest.mark.skipif(not LABELS.exists(), reason="the shared folder of real data is missing")
def test_every_label_ever_seen_has_a_bloc() -> None:
    config = load_territory("fr")
    seen: dict[str, list[str]] = defaultdict(list)
    with LABELS.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            seen[row["id_election"]].append(row["label"])
            assert config.label_kind[row["id_election"]] == row["label_kind"]
    assert sum(map(len, seen.values())) == 302
    for contest, labels in seen.items():
        codes = config.grouping("research").codes(config.calendar[contest], labels)
        unlabelled = {label for label, code in zip(labels, codes, strict=True) if code == UNLABELLED}
        assert unlabelled <= {"NC", "LNC"}
        if contest[:9] in ("2020_muni", "2026_muni"):
            config.grouping("official").codes(config.calendar[contest], labels)


@pytest.mark.real
@pytest.mark.skipif(not DENMARK.exists(), reason="the shared folder of real data is missing")
def test_every_danish_contest_and_party_is_declared() -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    config = load_territory("dk")
    assert isinstance(config.source, TidySource)
    results = config.source.results
    columns = [*results.contest_columns(), results.label]
    for row in pq.read_table(DENMARK, columns=columns).group_by(columns).aggregate([]).to_pylist():
        contest = config.calendar[results.contest_key(row)]
        code = config.grouping().code_of(contest, row[results.label])
        assert code is not None
        assert (code == UNLABELLED) == (contest.kind == "ref")


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    told = complaint(
        tiny(
            tmp_path,
            territory="name: Tiny\ndefault_grouping: reserch\ncolour: red\n",
            elections="contests:\n  2020_muni_t1: {held_on: 2021-03-15, labels: nuances}\n",
            sources="publisher: nobody\n",
            blocs__other="grouping: other\nversion: 0\nabout: x\nblocs: {a: x, b: y}\n",
        )
    )
    for file, where in [
        ("territory.yaml", "colour: is not a known key"),
        ("elections.yaml", "contests.2020_muni_t1.labels"),
        ("sources.yaml", "publisher: must be one of communes, datagouv, tidy"),
        ("other.yaml", "version"),
    ]:
        assert any(file in line and where in line for line in told.splitlines()), (where, told)


def test_what_files_say_of_each_other_is_checked(tmp_path: Path) -> None:
    told = complaint(
        tiny(
            tmp_path,
            territory="name: Tiny\ndefault_grouping: reserch\n",
            elections=TINY["elections.yaml"].replace(
                "nuance}\n  2026", "nuance, reference: 2026_muni_t1}\n  2026"
            ),
            blocs__research=TINY["blocs/research.yaml"]
            + "  - {bloc: centre, labels: [DVC], contests: [2019_euro_t1]}\n"
            + "  - {bloc: right, labels: [DVG]}\n",
        )
    )
    for line in [
        "default_grouping: no file blocs/reserch.yaml",
        "contests.2020_muni_t1.reference: 2026_muni_t1 is not earlier",
        "rules.2.bloc: centre is no bloc of this grouping",
        "rules.2.contests: 2019_euro_t1 is no contest",
        "rules.3.labels: 1 of them stand in rules.0 too",
    ]:
        assert line in told


def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    told = complaint(tiny(tmp_path, territory="name: Tiny\ndefault_grouping: research\nname: Other\n"))
    assert "line 3: key 'name' stands twice" in told


def test_a_code_that_looks_like_a_boolean_stays_a_code(tmp_path: Path) -> None:
    config = load_territory("tiny", tiny(tmp_path))
    assert config.grouping().code_of(config.calendar["2020_muni_t1"], "NO") == 0


def test_a_code_with_a_leading_zero_keeps_it(tmp_path: Path) -> None:
    stations = "name: Tiny\ndefault_grouping: research\nnot_scored: [01001_0001, 010, no]\n"
    config = load_territory("tiny", tiny(tmp_path, territory=stations))
    assert config.not_scored == ("01001_0001", "010", "no")


def test_a_number_where_a_code_belongs_must_be_quoted(tmp_path: Path) -> None:
    told = complaint(tiny(tmp_path, territory="name: Tiny\ndefault_grouping: research\nnot_scored: [34]\n"))
    assert "not_scored.0" in told
    assert "quote it" in told


@pytest.mark.parametrize("day", ["20200315", "2020-3-15", "2020-02-30", "soon"])
def test_a_day_must_be_a_day(tmp_path: Path, day: str) -> None:
    contests = f"contests:\n  2020_muni_t1: {{held_on: {day}, labels: nuance}}\n"
    assert "contests.2020_muni_t1.held_on" in complaint(tiny(tmp_path, elections=contests))


def test_no_yaml_runs_code(tmp_path: Path) -> None:
    said = "name: !!python/object/apply:os.getcwd []\ndefault_grouping: research\n"
    assert "territory.yaml" in complaint(tiny(tmp_path, territory=said))


def test_an_overlay_replaces_one_file_and_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "territories" / "fr" / "territory.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("name: Mine\ndefault_grouping: official\n", encoding="utf-8")
    config = load_territory("fr", tmp_path)
    assert config.name == "Mine"
    assert config.grouping().grouping == "official"
    assert config.calendar.contests == load_territory("fr").calendar.contests
    assert config_digest(config) != config_digest(load_territory("fr"))


def test_an_overlay_may_bring_a_territory(tmp_path: Path) -> None:
    assert "tiny" in available_territories(tiny(tmp_path))
    assert load_territory("tiny", tmp_path).calendar["2026_muni_t1"].held_on == date(2026, 3, 15)


def test_the_digest_is_of_what_is_said_and_not_of_where(tmp_path: Path) -> None:
    copy_out(tmp_path)
    for path in tmp_path.rglob("*.yaml"):
        path.write_text(f"# a note\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    for key in ("fr", "dk"):
        assert config_digest(load_territory(key, tmp_path)) == config_digest(load_territory(key))
    assert config_digest(load_models(tmp_path)) == config_digest(load_models())


def test_copying_out_overwrites_nothing(tmp_path: Path) -> None:
    assert tmp_path / "release.yaml" in copy_out(tmp_path)
    (tmp_path / "territories" / "dk" / "territory.yaml").write_text("name: Mine\n", encoding="utf-8")
    (tmp_path / "release.yaml").unlink()
    with pytest.raises(UsageError, match="there already"):
        copy_out(tmp_path)
    assert not (tmp_path / "release.yaml").exists()


@pytest.mark.parametrize("name", ["example-2027-t1", "example-2027-t2"])
def test_the_example_scenarios_sum_to_one_and_say_that_they_are_no_poll(name: str) -> None:
    scenario = load_scenario(load_territory("fr"), name)
    assert sum(share for _, share in scenario.shares) == pytest.approx(1, abs=1e-9)
    assert "not a poll" in scenario.source
    assert scenario.share_of("nobody") == 0


def test_the_hypothetical_offer_has_somebody_of_every_bloc() -> None:
    config = load_territory("fr")
    offer = load_offer(config, "2027_pres_t1", "2027_pres_t1")
    codes = config.grouping().codes(config.calendar["2027_pres_t1"], offer.labels)
    assert set(codes.tolist()) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("shares: {left: 0.5, right: 0.4}\n", "shares: sum to 0.900000, not to 1"),
        ("shares: {left: 0.5, centre: 0.5}\n", "shares.centre: is no bloc of research: left, right"),
        ("scope: [34]\n", "scope.0: Input should be a valid string: quote it"),
        ("scope: []\n", 'scope: is "country", or a list of the codes of departments'),
        ("scope: mainland\n", 'scope: is "country", or a list of the codes of departments'),
        ('scope: ["34", "34"]\n', "scope: stand twice: 34"),
        ("turnout_sd: -1\n", "turnout_sd"),
        ("likes: many\n", "likes: is not a known key"),
    ],
)
def test_a_scenario_that_contradicts_itself_is_refused(tmp_path: Path, said: str, told: str) -> None:
    config = load_territory("tiny", tiny(tmp_path, scenarios__mine=SCENARIO + said))
    with pytest.raises(ConfigError) as caught:
        load_scenario(config, "mine")
    assert told in str(caught.value)
    assert "mine.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("area", "told"),
    [
        ("{turnout: 0.5}", "areas.0: name either a department or a constituency"),
        ('{department: "34", constituency: "3401", turnout: 0.5}', "areas.0: name either a department or a"),
        ("{department: 34, turnout: 0.5}", "areas.0.department: Input should be a valid string: quote it"),
        ('{department: "34 35", turnout: 0.5}', "areas.0.department"),
        ('{department: "34"}', "areas.0: states neither turnout nor shares"),
        ('{department: "34", turnout: 50}', "areas.0.turnout: Input should be less than 1"),
        ('{department: "34", shares: {left: 0.6}}', "areas.0: shares: sum to 0.600000, not to 1"),
        (
            '{department: "34", shares: {left: 0.5, up: 0.5}}',
            "areas.0.shares.up: is no bloc of research: left",
        ),
        ('{department: "34", votes: 3}', "areas.0.votes: is not a known key"),
        (
            '{department: "34", turnout: 0.5}, {department: "34", turnout: 0.6}',
            "areas: stand twice: department 34",
        ),
    ],
)
def test_an_area_of_a_scenario_that_cannot_be_is_refused(tmp_path: Path, area: str, told: str) -> None:
    said = SCENARIO + f"shares: {{left: 0.5, right: 0.5}}\nareas: [{area}]\n"
    config = load_territory("tiny", tiny(tmp_path, scenarios__mine=said))
    with pytest.raises(ConfigError) as caught:
        load_scenario(config, "mine")
    assert f"mine.yaml: {told}" in str(caught.value)


def test_areas_and_scope_are_read_as_they_are_written(tmp_path: Path) -> None:
    said = SCENARIO + (
        'scope: ["34", 2A]\nshares: {right: 0.4, left: 0.6}\nareas:\n'
        '  - {department: "34", turnout: 0.55, shares: {right: 0.3, left: 0.7}}\n'
        '  - {constituency: "3401", turnout: 0.5}\n'
    )
    scenario = load_scenario(load_territory("tiny", tiny(tmp_path, scenarios__mine=said)), "mine")
    assert scenario.scope == ("34", "2A")
    assert scenario.areas == (
        AreaTarget("department", "34", 0.55, (("left", 0.7), ("right", 0.3))),
        AreaTarget("constituency", "3401", 0.5, ()),
    )
    assert config_digest(scenario) != config_digest(replace(scenario, areas=scenario.areas[:1]))
    plain = load_territory("tiny", tiny(tmp_path, scenarios__mine=SCENARIO + "scope: country\n"))
    assert (load_scenario(plain, "mine").scope, load_scenario(plain, "mine").areas) == ((), ())


def test_shares_that_rounding_leaves_near_1_are_made_to_sum_to_it(tmp_path: Path) -> None:
    thirds = "{left: 0.3333333, right: 0.6666666}"
    said = SCENARIO + f'shares: {thirds}\nareas: [{{department: "34", shares: {thirds}}}]\n'
    scenario = load_scenario(load_territory("tiny", tiny(tmp_path, scenarios__mine=said)), "mine")
    for shares in (scenario.shares, scenario.areas[0].shares):
        assert sum(share for _, share in shares) == pytest.approx(1, abs=1e-15)


def test_an_area_is_stated_beside_the_nation_only(tmp_path: Path) -> None:
    """Else it would be set against figures of an earlier contest, which nobody stated."""
    shares = "shares: {left: 0.5, right: 0.5}\n"
    no_turnout = SCENARIO.replace("turnout: 0.6\n", shares) + 'areas: [{department: "34", turnout: 0.5}]\n'
    no_shares = SCENARIO + 'areas: [{department: "34", shares: {left: 1.0}}]\n'
    for said, told in (
        (no_turnout, "state turnout, and the nation's is not"),
        (no_shares, "state shares, and"),
    ):
        config = load_territory("tiny", tiny(tmp_path, scenarios__mine=said))
        with pytest.raises(ConfigError, match=f"areas: {told}"):
            load_scenario(config, "mine")


def test_a_bloc_has_votes_in_an_area_only_where_it_has_some_in_the_nation(tmp_path: Path) -> None:
    said = SCENARIO + 'shares: {left: 1.0}\nareas: [{department: "34", shares: {left: 0.9, right: 0.1}}]\n'
    config = load_territory("tiny", tiny(tmp_path, scenarios__mine=said))
    with pytest.raises(ConfigError, match=r"areas\.0\.shares\.right: above 0, and the nation's is 0"):
        load_scenario(config, "mine")
    # Of a part of the country the rest may differ: which is which only the roll tells.
    tiny(tmp_path, scenarios__mine=said + 'scope: ["35"]\n')
    assert load_scenario(config, "mine").areas[0].share_of("right") == 0.1


@pytest.mark.parametrize(
    ("stands", "refused"),
    [("country", False), ("department:34", False), ("constituency:3401", False), ("department:35", True)],
)
def test_a_bloc_with_votes_in_an_area_may_stand_there(tmp_path: Path, stands: str, refused: bool) -> None:
    offer = f'target: 2026_muni_t1\nabout: two\nrows: [{{label: DVG}}, {{label: DVD, area: "{stands}"}}]\n'
    said = SCENARIO + (
        "shares: {left: 0.9, right: 0.1}\noffer_file: one.yaml\n"
        'areas: [{department: "34", shares: {left: 0.7, right: 0.3}}]\n'
    )
    config = load_territory("tiny", tiny(tmp_path, scenarios__mine=said, offers__one=offer))
    if not refused:
        assert load_scenario(config, "mine").areas[0].share_of("right") == pytest.approx(0.3)
        return
    told = r"areas\.0\.shares\.right: above 0, and one.yaml has nobody of that bloc in department 34"
    with pytest.raises(ConfigError, match=told):
        load_scenario(config, "mine")


def test_a_scenario_of_an_unknown_target_is_refused(tmp_path: Path) -> None:
    config = load_territory(
        "tiny", tiny(tmp_path, scenarios__mine=SCENARIO.replace("2026_muni", "2032_muni"))
    )
    with pytest.raises(ConfigError, match="target: 2032_muni_t1 is no contest of tiny"):
        load_scenario(config, "mine")


def test_an_unknown_scenario_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean example-2027-t"):
        load_scenario(load_territory("fr"), "exemple-2027-t1")


def test_a_bloc_with_votes_must_stand(tmp_path: Path) -> None:
    offer = "target: 2026_muni_t1\nabout: one side only\nrows:\n  - {label: DVG}\n"
    said = SCENARIO + "shares: {left: 0.9, right: 0.1}\noffer_file: one.yaml\n"
    config = load_territory("tiny", tiny(tmp_path, scenarios__mine=said, offers__one=offer))
    with pytest.raises(ConfigError, match=r"shares.right: above 0, and one.yaml has nobody of that bloc"):
        load_scenario(config, "mine")


def test_a_scenario_by_path_takes_the_offer_beside_it(tmp_path: Path) -> None:
    config = load_territory("tiny", tiny(tmp_path))
    offer = "target: 2026_muni_t1\nabout: both\nrows:\n  - {label: DVG}\n  - {label: DVD}\n"
    (tmp_path / "both.yaml").write_text(offer, encoding="utf-8")
    path = tmp_path / "own.yaml"
    path.write_text(SCENARIO + "shares: {right: 0.4, left: 0.6}\noffer_file: both.yaml\n", encoding="utf-8")
    assert load_scenario(config, path).shares == (("left", 0.6), ("right", 0.4))


@pytest.mark.parametrize("label", ["Jeanne Dupont", "DUPONT", "dvg", "DVG DVD"])
def test_an_offer_takes_codes_and_never_shows_what_may_be_a_name(tmp_path: Path, label: str) -> None:
    offer = f"target: 2026_muni_t1\nabout: a name\nrows:\n  - {{label: {label}}}\n"
    config = load_territory("tiny", tiny(tmp_path, offers__one=offer))
    with pytest.raises(ConfigError) as caught:
        load_offer(config, "one", "2026_muni_t1")
    assert "rows.0.label: is no code" in str(caught.value)
    assert label not in str(caught.value)


def test_an_offer_of_another_target_or_of_an_unknown_label_is_refused(tmp_path: Path) -> None:
    offer = "target: 2026_muni_t1\nabout: unknown\nrows:\n  - {label: ZZZ}\n"
    config = load_territory("tiny", tiny(tmp_path, offers__one=offer))
    with pytest.raises(ConfigError, match="the offer of 2020_muni_t1 is wanted"):
        load_offer(config, "one", "2020_muni_t1")
    with pytest.raises(ConfigError, match="ZZZ has no bloc in grouping 'research'"):
        load_offer(config, "one", "2026_muni_t1")


def test_models_are_reproducible_by_their_settings() -> None:
    models = load_models()
    for model in (models.turnout, models.swing):
        params = model.lightgbm.params()
        assert params["deterministic"] is True
        assert params["force_col_wise"] is True
        assert {"seed", "num_threads"} <= params.keys()
        assert model.shrink_grid[0] == 0


def test_the_release_has_the_floors_of_the_policy() -> None:
    release = load_release()
    assert (release.min_registered, release.min_valid) == (50, 30)
    assert (release.schema_version, release.policy_version) == ("1.2.0", 2)


def test_the_check_tells_wrong_files_without_raising(tmp_path: Path) -> None:
    tiny(tmp_path, scenarios__mine=SCENARIO + "shares: {left: 0.5}\n")
    (tmp_path / "release.yaml").write_text("schema_version: one\n", encoding="utf-8")
    report = check(tmp_path)
    assert not report.sound
    told = "\n".join(report.lines())
    assert "shares: sum to 0.500000" in told
    assert "release.yaml: schema_version" in told
