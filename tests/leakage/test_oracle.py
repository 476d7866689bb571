"""A second opinion on the features: plain SQL over the published files of the demo, station by station.

Nothing here goes through the reader, the ledger or the panel; the blocs of labels and the calendar are taken
from the configuration. SQL joins stations by their codes, so the other side does not follow them either: who
became whom has tests of its own.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pytest

from isoloir.configs.load import TerritoryConfig, load_territory
from isoloir.domain.election import Calendar
from isoloir.domain.forecast import FeatureMatrix
from isoloir.domain.ledger import CommuneRecord
from isoloir.features.catalogue import CATALOGUE, CONTEXTUAL
from isoloir.features.kriging import Kernel
from isoloir.features.layered import COMMUNE_KERNEL, DEPARTMENT_KERNEL, STATION_KERNEL
from isoloir.features.matrix import build, is_per_bloc
from isoloir.features.prior import SHARES_KERNEL, TURNOUT_KERNEL
from isoloir.pipelines.core import read_ledger
from isoloir.pipelines.demo import write_demo
from isoloir.pipelines.home import Home
from isoloir.pipelines.ingest import ingest

TARGETS = ("2014_euro_t1", "2022_pres_t1", "2022_pres_t2", "2024_legi_t1", "2024_legi_t2")
"""First and second rounds: all blocs stand, or two, or others in each constituency; one offer unpublished."""

PUBLISHED = """
CREATE TABLE polled AS
SELECT id_election AS contest, id_brut_miom AS station, code_commune AS commune,
       code_departement AS department, inscrits AS registered, votants AS voters, exprimes AS valid
FROM read_parquet($general);

CREATE TABLE listed AS
SELECT c.id_election AS contest, c.id_brut_miom AS station, c.voix AS votes,
       CASE calendar.labels WHEN 'panel' THEN CAST(c.no_panneau AS VARCHAR) ELSE c.nuance END AS label
FROM read_parquet($candidates) c JOIN calendar ON calendar.contest = c.id_election;

-- Whatever may stand for a figure that is kept secret, or lacks, is none.
CREATE TABLE census AS
SELECT commune_code AS commune, CAST(describes AS DATE) AS describes, CAST(known_on AS DATE) AS known_on,
       figure, TRY_CAST(said AS DOUBLE) AS value, coalesce(said = 's', false) AS secret
FROM (UNPIVOT (FROM read_csv($census, all_varchar = true, header = true))
      ON COLUMNS(* EXCLUDE (commune_code, describes, known_on)) INTO NAME figure VALUE said);

-- Contests of which the other side knows communes only.
CREATE TABLE coarse AS
SELECT contest, commune, sum(registered) AS registered, sum(voters) AS voters
FROM polled WHERE list_contains($coarse, contest) GROUP BY ALL;
"""

DERIVED = """
CREATE TABLE target AS SELECT * FROM calendar WHERE contest = getvariable('target');

-- What was public before the day of the target, numbered in order.
CREATE TABLE past AS
SELECT c.*, row_number() OVER (ORDER BY c.held_on, c.contest) AS n
FROM calendar c, target
WHERE c.known_on < target.held_on
  AND c.contest IN (SELECT contest FROM polled) AND c.contest NOT IN (SELECT contest FROM coarse);

CREATE TABLE coarse_past AS
SELECT c.*, 1000 + row_number() OVER (ORDER BY c.held_on, c.contest) AS n
FROM calendar c, target
WHERE c.known_on < target.held_on AND c.contest IN (SELECT contest FROM coarse);

-- The notice of poll: no more of the target than its roll and its offer.
CREATE TABLE roll AS
SELECT station, commune, department, registered FROM polled WHERE contest = getvariable('target');

CREATE TABLE tally AS
SELECT contest, station, bloc, sum(votes)::DOUBLE AS votes
FROM listed JOIN label USING (contest, label) GROUP BY ALL;

CREATE TABLE offer AS
SELECT roll.station, bloc.bloc FROM roll, bloc, target
WHERE NOT target.offer_published
   OR EXISTS (FROM tally t
              WHERE t.contest = target.contest AND t.station = roll.station AND t.bloc = bloc.bloc);

-- One row per station and bloc that stood there, where shares can be told.
CREATE TABLE counted AS
SELECT contest, station, commune, department, bloc, votes, valid
FROM past JOIN polled USING (contest) JOIN tally USING (contest, station)
WHERE valid > 0;

CREATE TABLE nation AS
SELECT contest, sum(voters) / sum(registered) AS turnout
FROM past JOIN polled USING (contest) GROUP BY contest;

CREATE TABLE nation_share AS
SELECT contest, bloc, sum(votes) / sum(valid) AS share FROM counted GROUP BY contest, bloc;

-- Ten pseudo-electors at the national figure.
CREATE TABLE ever AS FROM past UNION ALL FROM coarse_past;
CREATE MACRO logit(p) AS ln(p / (1 - p));
CREATE MACRO turnout_gap(voters, registered, nation) AS
    logit((voters + 10 * nation) / (registered + 10)) - logit(nation);
CREATE MACRO share_gap(votes, valid, nation) AS ln((votes + 10 * nation) / (valid + 10) / nation);

CREATE TABLE area AS
SELECT contest, level, code, sum(voters) AS voters, sum(registered) AS registered,
       turnout_gap(sum(voters), sum(registered), any_value(turnout)) AS gap
FROM (SELECT contest, voters, registered, 'commune' AS level, commune AS code FROM polled
      UNION ALL SELECT contest, voters, registered, 'department', department FROM polled)
JOIN nation USING (contest)
GROUP BY contest, level, code HAVING sum(registered) > 0;

CREATE TABLE area_share AS
SELECT contest, level, code, bloc, sum(votes) AS votes, sum(valid) AS valid,
       share_gap(sum(votes), sum(valid), any_value(share)) AS gap
FROM (SELECT contest, bloc, votes, valid, 'commune' AS level, commune AS code FROM counted
      UNION ALL SELECT contest, bloc, votes, valid, 'department', department FROM counted)
JOIN nation_share USING (contest, bloc)
GROUP BY contest, level, code, bloc;

-- The upper layers of the roll's places at all contests: departments, and what sets communes apart in them.
-- Of coarse contests a department is its communes, as far as the roll has these.
CREATE TABLE ever_nation AS
SELECT contest, n, turnout FROM past JOIN nation USING (contest)
UNION ALL
SELECT contest, n, sum(voters) / sum(registered) FROM coarse_past JOIN coarse USING (contest) GROUP BY ALL;

CREATE TABLE place AS SELECT DISTINCT commune, department FROM roll;
CREATE TABLE counts AS
SELECT contest, level, code, registered, voters FROM area
UNION ALL SELECT contest, 'commune', commune, registered, voters FROM coarse
UNION ALL SELECT contest, 'department', department, sum(registered), sum(voters)
          FROM coarse JOIN place USING (commune) GROUP BY ALL;
CREATE TABLE layer AS
SELECT contest, level, code, registered, turnout_gap(voters, registered, turnout) AS gap
FROM counts JOIN ever_nation USING (contest) WHERE registered > 0;

CREATE TABLE department_gap AS
SELECT contest, code AS department, registered, gap FROM layer WHERE level = 'department';
CREATE TABLE commune_gap AS
SELECT contest, commune, c.registered, c.gap - d.gap AS gap
FROM place JOIN layer c ON c.level = 'commune' AND c.code = commune
JOIN department_gap d USING (department, contest);

-- Every station of the roll at every past contest: the same code, and whether the electors agree to a fifth.
CREATE TABLE link AS
SELECT roll.station, roll.commune, roll.department, past.contest, past.kind, past.n,
       p.station IS NOT NULL AS linked,
       p.station IS NOT NULL
           AND p.registered > 0
           AND 5 * abs(p.registered - roll.registered) <= greatest(p.registered, roll.registered) AS agrees,
       p.registered, p.voters
FROM roll CROSS JOIN past LEFT JOIN polled p ON p.contest = past.contest AND p.station = roll.station;

CREATE TABLE turnout AS
SELECT link.station, link.contest, link.kind, link.n,
       CASE WHEN link.registered > 0
            THEN turnout_gap(link.voters, link.registered, nation.turnout) END AS own,
       CASE WHEN agrees AND own IS NOT NULL THEN 'own' WHEN c.gap IS NOT NULL THEN 'commune'
            WHEN d.gap IS NOT NULL THEN 'department' ELSE 'nation' END AS source,
       coalesce(own, c.gap, d.gap, 0) AS plain,
       coalesce(CASE WHEN agrees THEN own END, c.gap, d.gap, 0) AS witnessed
FROM link JOIN nation USING (contest)
LEFT JOIN area c ON c.contest = link.contest AND c.level = 'commune' AND c.code = link.commune
LEFT JOIN area d ON d.contest = link.contest AND d.level = 'department' AND d.code = link.department;

CREATE TABLE shares AS
SELECT link.station, bloc.bloc, link.contest, link.kind, link.n,
       share_gap(h.votes, h.valid, nation_share.share) AS own,
       coalesce(own, c.gap, d.gap) AS plain,
       coalesce(CASE WHEN agrees THEN own END, c.gap, d.gap) AS witnessed
FROM link CROSS JOIN bloc
LEFT JOIN nation_share ON nation_share.contest = link.contest AND nation_share.bloc = bloc.bloc
LEFT JOIN counted h ON h.contest = link.contest AND h.station = link.station AND h.bloc = bloc.bloc
LEFT JOIN area_share c
    ON c.contest = link.contest AND c.level = 'commune' AND c.code = link.commune
    AND c.bloc = bloc.bloc
LEFT JOIN area_share d
    ON d.contest = link.contest AND d.level = 'department' AND d.code = link.department
    AND d.bloc = bloc.bloc;

-- What sets stations apart in their communes, where both are known.
CREATE TABLE station_gap AS
SELECT turnout.station, contest, link.registered, own - c.gap AS gap
FROM turnout JOIN link USING (station, contest) JOIN area c USING (contest)
WHERE source = 'own' AND c.level = 'commune' AND c.code = link.commune;

-- The newest public figure of each commune, and whether it is another's secret that there is none.
CREATE TABLE figure AS
SELECT station, figure, arg_max(value, (known_on, describes)) FILTER (value IS NOT NULL) AS value,
       bool_or(secret) AS secret
FROM roll JOIN (SELECT census.* FROM census, target WHERE census.known_on < target.held_on) USING (commune)
GROUP BY station, figure;

-- Logs of incomes, each vintage moved by its mean gap to the one that tells of most electors.
CREATE TABLE income AS
SELECT station, registered, describes, census.known_on, ln(value) AS value
FROM roll JOIN census USING (commune), target
WHERE figure = 'median_income' AND value > 0 AND census.known_on < target.held_on;
CREATE TABLE widest AS
SELECT arg_max(describes, (electors, known_on)) AS describes
FROM (SELECT describes, known_on, sum(registered) AS electors FROM income GROUP BY ALL);
CREATE TABLE moved_income AS
SELECT station, registered, known_on, value - gap AS value
FROM income JOIN (
    SELECT a.describes, sum((a.value - b.value) * a.registered) / sum(a.registered) AS gap
    FROM income a JOIN income b USING (station) WHERE b.describes IN (FROM widest)
    GROUP BY a.describes) USING (describes);

CREATE MACRO last_n() AS (SELECT max(n) FROM past);
CREATE MACRO target_kind() AS (SELECT kind FROM target);
CREATE MACRO first_round() AS (
    SELECT p.contest FROM past p, target t
    WHERE p.kind = t.kind AND p.round = 1 AND t.round > 1 AND t.held_on - p.held_on BETWEEN 1 AND 120);
-- The last contest in which all who stand now stood somewhere; the last of all if there is none.
CREATE MACRO complete_n() AS coalesce((
    SELECT max(n) FROM (
        SELECT n FROM past JOIN nation_share USING (contest)
        WHERE bloc IN (SELECT bloc FROM offer)
        GROUP BY n HAVING count(*) = (SELECT count(DISTINCT bloc) FROM offer))), last_n());
"""

AT_MEAN_WHERE_MISSING = """
SELECT station, bloc, coalesce(any_value(plain) FILTER (n = {at}), avg(plain), 0) AS value
FROM shares GROUP BY station, bloc
"""
OF_REFERENCE = "(SELECT n FROM past WHERE contest = getvariable('reference'))"

RULES = {
    "turnout_mean_deviation": "SELECT station, avg(plain) AS value FROM turnout GROUP BY station",
    "turnout_same_kind": (
        "SELECT station, plain AS value FROM turnout WHERE contest = getvariable('reference')"
    ),
    "turnout_last_round": "SELECT station, plain AS value FROM turnout WHERE n = last_n()",
    "turnout_department_mean": """
        SELECT station, logit(voters / d.registered) - logit(turnout) AS value
        FROM area d JOIN nation USING (contest) JOIN roll ON roll.department = d.code
        WHERE d.level = 'department' AND contest = getvariable('reference')""",
    "share_mean_deviation": """
        SELECT station, bloc, coalesce(avg(plain), 0) AS value FROM shares GROUP BY station, bloc""",
    "share_same_kind": AT_MEAN_WHERE_MISSING.format(at=OF_REFERENCE),
    "share_last_round": AT_MEAN_WHERE_MISSING.format(at="complete_n()"),
}

TURNOUT = {
    "turnout_first_round": ("SELECT station, witnessed AS value FROM turnout WHERE contest = first_round()"),
    "turnout_lag1": "SELECT station, witnessed AS value FROM turnout WHERE n = last_n()",
    "turnout_lag2": "SELECT station, witnessed AS value FROM turnout WHERE n = last_n() - 1",
    "turnout_kind_mean": """
        SELECT station, avg(witnessed) AS value FROM turnout WHERE kind = target_kind() GROUP BY station""",
    "turnout_other_mean": """
        SELECT station, avg(witnessed) AS value FROM turnout WHERE kind <> target_kind() GROUP BY station""",
    "turnout_spread": "SELECT station, stddev_pop(witnessed) AS value FROM turnout GROUP BY station",
    "turnout_commune": """
        SELECT station, avg(gap) AS value FROM roll JOIN area ON level = 'commune' AND code = commune
        GROUP BY station""",
    "turnout_department": """
        SELECT station, avg(gap) AS value FROM roll JOIN area ON level = 'department' AND code = department
        GROUP BY station""",
}

SWING = {
    "share_first_round": (
        "SELECT station, bloc, witnessed AS value FROM shares WHERE contest = first_round()"
    ),
    "share_lag1": "SELECT station, bloc, witnessed AS value FROM shares WHERE n = last_n()",
    "share_kind_mean": """
        SELECT station, bloc, avg(witnessed) AS value FROM shares WHERE kind = target_kind()
        GROUP BY station, bloc""",
    "share_spread": (
        "SELECT station, bloc, stddev_pop(witnessed) AS value FROM shares GROUP BY station, bloc"
    ),
    "share_commune": """
        SELECT station, bloc, avg(gap) AS value
        FROM roll JOIN area_share ON level = 'commune' AND code = commune GROUP BY station, bloc""",
    "share_department": """
        SELECT station, bloc, avg(gap) AS value
        FROM roll JOIN area_share ON level = 'department' AND code = department GROUP BY station, bloc""",
    "swing_last": """
        SELECT station, bloc, a.witnessed - b.witnessed AS value
        FROM shares a JOIN shares b USING (station, bloc)
        WHERE a.n = last_n() AND b.contest = getvariable('reference')""",
    # A station's own counts where they can be told, even if the bloc did not stand there; else its commune's.
    "reference_share": """
        SELECT link.station, offer.bloc,
               CASE WHEN agrees AND p.valid >= 30 THEN own.votes / own.valid
                    WHEN c.valid >= 30 THEN c.votes / c.valid END AS value
        FROM link JOIN offer USING (station)
        LEFT JOIN polled p ON p.contest = link.contest AND p.station = link.station
        LEFT JOIN counted own
            ON own.contest = link.contest AND own.station = link.station AND own.bloc = offer.bloc
        LEFT JOIN area_share c
            ON c.contest = link.contest AND c.level = 'commune' AND c.code = link.commune
            AND c.bloc = offer.bloc
        WHERE link.contest = getvariable('reference')""",
}

TERRITORY = {
    "registered_log": "SELECT station, ln(greatest(1, registered)) AS value FROM roll",
    "registered_growth": """
        SELECT station, ln(greatest(1, roll.registered)) - ln(arg_max(link.registered, n)) AS value
        FROM roll JOIN link USING (station) WHERE link.registered > 0 GROUP BY station, roll.registered""",
    "commune_registered_log": """
        SELECT station, ln(greatest(1, sum(registered) OVER (PARTITION BY commune))) AS value FROM roll""",
    "commune_stations": "SELECT station, count(*) OVER (PARTITION BY commune) AS value FROM roll",
    "reference_own": """
        SELECT link.station, CAST(agrees AND coalesce(p.valid, 0) >= 30 AS INT) AS value
        FROM link LEFT JOIN polled p ON p.contest = link.contest AND p.station = link.station
        WHERE link.contest = getvariable('reference')""",
    "history_depth": """
        SELECT station, count(*) FILTER (agrees) / (SELECT count(*) FROM past) AS value
        FROM link GROUP BY station""",
    "history_source": """
        SELECT station,
               CASE WHEN bool_or(agrees) THEN 0
                    WHEN any_value(commune) IN (SELECT code FROM area WHERE level = 'commune') THEN 2
                    WHEN any_value(department) IN (SELECT code FROM area WHERE level = 'department') THEN 3
                    ELSE 4 END AS value
        FROM link GROUP BY station""",
}

# Stations are not followed here: the smaller of the two ways is that by code.
SIZE = {
    "reference_registered": """
        SELECT station, registered AS value FROM link
        WHERE contest = getvariable('reference') AND registered > 0""",
    "reference_valid": """
        SELECT link.station, p.valid AS value
        FROM link JOIN polled p ON p.contest = link.contest AND p.station = link.station
        WHERE link.contest = getvariable('reference') AND p.registered > 0""",
}

# Lowest and mean are of the station where it is known at all, else of its commune.
ABSTENTION = {
    "abstention_structural": """
        SELECT roll.station, coalesce(own.value, around.value) AS value
        FROM roll
        LEFT JOIN (SELECT station, min(1 - voters / registered) AS value
                   FROM link WHERE agrees AND kind = target_kind() GROUP BY station) own USING (station)
        LEFT JOIN (SELECT code, min(1 - voters / registered) AS value FROM area JOIN past USING (contest)
                   WHERE level = 'commune' AND kind = target_kind() GROUP BY code) around
            ON around.code = roll.commune""",
    "volatility_share": """
        WITH alike AS (
            SELECT past.contest, row_number() OVER (ORDER BY n) AS step
            FROM past, target WHERE past.kind = target.kind AND past.round = target.round),
        told AS (
            SELECT 'own' AS level, station AS code, contest, bloc, votes
            FROM counted JOIN (SELECT station, contest FROM link WHERE agrees) USING (station, contest)
            UNION ALL SELECT level, code, contest, bloc, votes FROM area_share WHERE level = 'commune'),
        there AS (SELECT level, code, step, sum(votes) AS votes FROM told JOIN alike USING (contest)
                  GROUP BY ALL HAVING sum(votes) > 0),
        share AS (
            SELECT level, code, step, bloc.bloc, coalesce(told.votes, 0) / there.votes AS share
            FROM there CROSS JOIN bloc JOIN alike USING (step)
            LEFT JOIN told USING (level, code, contest, bloc)),
        moved AS (
            SELECT a.level, a.code, a.step, sum(abs(a.share - b.share)) / 2 AS moved
            FROM share a JOIN share b
                ON (a.level, a.code, a.bloc, a.step) = (b.level, b.code, b.bloc, b.step + 1)
            GROUP BY ALL),
        mean AS (SELECT level, code, avg(moved) AS value FROM moved GROUP BY ALL)
        SELECT roll.station, coalesce(own.value, around.value) AS value
        FROM roll
        LEFT JOIN mean own ON own.level = 'own' AND own.code = roll.station
        LEFT JOIN mean around ON around.level = 'commune' AND around.code = roll.commune""",
}

OFFER = {
    "standing": """
        SELECT roll.station, bloc.bloc, (offer.bloc IS NOT NULL)::INT AS value
        FROM roll CROSS JOIN bloc
        LEFT JOIN offer ON offer.station = roll.station AND offer.bloc = bloc.bloc""",
    "blocs_standing": "SELECT station, count(*) AS value FROM offer GROUP BY station",
    "strength_missing": """
        WITH cast_then AS (
            SELECT bloc, sum(votes) AS votes FROM counted
            WHERE contest = getvariable('reference') GROUP BY bloc)
        SELECT station, coalesce(sum(votes) FILTER (
                   (station, bloc) NOT IN (SELECT (station, bloc) FROM offer)), 0) / sum(votes) AS value
        FROM roll CROSS JOIN cast_then GROUP BY station""",
}

CONTEST = {
    "later_round": "SELECT station, (round > 1)::INT AS value FROM roll, target",
    "years_since_reference": """
        SELECT station, (target.held_on - p.held_on) / 365.25 AS value
        FROM roll, target, past p WHERE p.contest = getvariable('reference')""",
    "reference_turnout": """
        SELECT station, turnout AS value FROM roll, nation WHERE contest = getvariable('reference')""",
}

# Contests in which all who stand now, and ever stood, stood somewhere: older ones tell less, kin more.
TELLING = """
(SELECT contest, weight, row_number() OVER (ORDER BY weight DESC, n DESC) AS place
 FROM (SELECT p.contest, p.n,
              exp((p.held_on - t.held_on) / 365.25 / 3)
              * CASE WHEN p.contest = first_round() THEN 4
                     WHEN p.kind = t.kind AND p.round = t.round THEN 2 ELSE 1 END AS weight
       FROM past p, target t
       WHERE (p.round = 1 OR t.round > 1)
         AND EXISTS (FROM nation_share s WHERE s.contest = p.contest)
         AND NOT EXISTS (
             FROM nation_share s JOIN offer USING (bloc)
             WHERE s.bloc NOT IN (SELECT x.bloc FROM nation_share x WHERE x.contest = p.contest))))
"""
REFERENCES = {
    **{
        f"past{place}_share": f"""
            SELECT station, bloc, exp(witnessed) * share AS value
            FROM shares JOIN nation_share USING (contest, bloc) JOIN {TELLING} USING (contest)
            WHERE place = {place}"""
        for place in (1, 2, 3)
    },
    **{
        f"past{place}_weight": f"""
            SELECT station, coalesce((SELECT weight FROM {TELLING} WHERE place = {place}), 0) AS value
            FROM roll"""
        for place in (1, 2, 3)
    },
}

# The weights of contests: see _weights.
TURNOUT_PRIOR = (
    "SELECT station, sum(witnessed * weight) AS value FROM turnout JOIN weight USING (contest) GROUP BY ALL"
)
SHARE_PRIOR = """
SELECT station, bloc, coalesce(sum(coalesce(witnessed, 0) * weight), 0) AS value
FROM shares LEFT JOIN share_weight USING (contest, bloc) GROUP BY station, bloc
"""


def _averaged(keys: str, *parts: str) -> str:
    """The mean of several features."""
    union = " UNION ALL ".join(f"SELECT {keys}, value FROM ({part})" for part in parts)
    return f"SELECT {keys}, avg(value) AS value FROM ({union}) GROUP BY {keys}"


def _by_round(first: str, later: str) -> str:
    """One query where the first round of the ballot is not known, another where it is."""
    return (
        f"SELECT * FROM ({first}) WHERE first_round() IS NULL "
        f"UNION ALL SELECT * FROM ({later}) WHERE first_round() IS NOT NULL"
    )


TURNOUT_POOL = _by_round(
    _averaged("station", TURNOUT_PRIOR, RULES["turnout_mean_deviation"], RULES["turnout_same_kind"]),
    _averaged("station", TURNOUT_PRIOR, RULES["turnout_last_round"]),
)
SHARE_POOL = _by_round(
    _averaged("station, bloc", SHARE_PRIOR, RULES["share_mean_deviation"], RULES["share_same_kind"]),
    _averaged("station, bloc", SHARE_PRIOR, RULES["share_last_round"]),
)
PRIOR = {
    "turnout_prior": TURNOUT_PRIOR,
    "share_prior": SHARE_PRIOR,
    "turnout_pool": TURNOUT_POOL,
    "share_pool": SHARE_POOL,
    "turnout_anchor": _by_round(TURNOUT_POOL, TURNOUT_PRIOR),
    "share_anchor": _by_round(SHARE_POOL, SHARE_PRIOR),
}

# The weights of the contests in which a department, a commune or a station is known: see _patterns.
KRIGED = """
(SELECT {key}, sum(gap * weight) AS mean, any_value(unexplained) AS unexplained
 FROM {key}_gap JOIN {key}_weight USING ({key}, contest) GROUP BY {key})
"""
OF_LAYERS = """
SELECT roll.station, {value} AS value FROM roll
""" + "".join(
    f"LEFT JOIN {KRIGED.format(key=k)} {k[0]} USING ({k})" for k in ("department", "commune", "station")
)
AT_FIRST = """
SELECT roll.station, {value} AS value
FROM roll JOIN turnout t ON t.station = roll.station AND t.contest = first_round()
LEFT JOIN area d ON d.contest = t.contest AND d.level = 'department' AND d.code = roll.department
LEFT JOIN area c ON c.contest = t.contest AND c.level = 'commune' AND c.code = roll.commune
"""
LAYERED = {
    "turnout_layered": OF_LAYERS.format(
        value="coalesce(d.mean, 0) + coalesce(c.mean, 0) + coalesce(s.mean, 0)"
    ),
    "turnout_variance": OF_LAYERS.format(
        value=" + ".join(
            f"coalesce({k[0]}.unexplained, (SELECT whole FROM {k}_whole))"
            for k in ("department", "commune", "station")
        )
    ),
    "first_round_department": AT_FIRST.format(value="coalesce(d.gap, 0)"),
    "first_round_commune": AT_FIRST.format(value="coalesce(c.gap - d.gap, 0)"),
    "first_round_station": AT_FIRST.format(value="witnessed - coalesce(c.gap, d.gap, 0)"),
    # A station's own votes, where its electors agree, and 50 that are cast as its commune's were.
    "orphaned_share": """
        WITH local AS (
            SELECT commune, bloc, sum(votes) / sum(sum(votes)) OVER (PARTITION BY commune) AS share
            FROM counted WHERE contest = first_round() GROUP BY commune, bloc),
        own AS (
            SELECT station, bloc, counted.votes, counted.valid
            FROM link JOIN counted USING (station, contest) WHERE agrees AND contest = first_round())
        SELECT roll.station,
               sum(coalesce(own.votes, 0) + 50 * coalesce(local.share, 0)) FILTER (offer.bloc IS NULL)
                   / (coalesce(max(own.valid), 0) + 50) AS value
        FROM roll CROSS JOIN bloc
        LEFT JOIN local ON local.commune = roll.commune AND local.bloc = bloc.bloc
        LEFT JOIN own ON own.station = roll.station AND own.bloc = bloc.bloc
        LEFT JOIN offer ON offer.station = roll.station AND offer.bloc = bloc.bloc
        WHERE first_round() IS NOT NULL GROUP BY roll.station""",
}

OF_FIGURE = "SELECT station, {value} AS value FROM figure WHERE figure = '{figure}'"
USED = """('owner_share', 'unemployment_share', 'poverty_share', 'median_income', 'declared_pension_share',
           'elderly_share', 'graduate_share', 'density', 'growth')"""
CENSUS = {
    "census_owner_share": OF_FIGURE.format(value="value", figure="owner_share"),
    "census_unemployment": OF_FIGURE.format(value="value", figure="unemployment_share"),
    "census_poverty": OF_FIGURE.format(value="value", figure="poverty_share"),
    "census_median_income": """
        SELECT station, value - sum(value * registered) OVER () / sum(registered) OVER () AS value
        FROM (SELECT station, any_value(registered) AS registered, arg_max(value, known_on) AS value
              FROM moved_income GROUP BY station)""",
    "census_pensions": OF_FIGURE.format(value="value", figure="declared_pension_share"),
    "census_elderly": OF_FIGURE.format(value="value", figure="elderly_share"),
    "census_graduates": OF_FIGURE.format(value="value", figure="graduate_share"),
    "census_density": OF_FIGURE.format(value="ln(1 + value)", figure="density"),
    "census_growth": OF_FIGURE.format(value="ln(1 + value)", figure="growth"),
    "census_withheld": f"""
        SELECT station, coalesce(bool_or(secret AND value IS NULL), false)::INT AS value
        FROM roll LEFT JOIN (FROM figure WHERE figure IN {USED}) USING (station) GROUP BY station""",
    "census_fallback": f"""
        SELECT station, 2 - bool_or(value IS NOT NULL)::INT AS value
        FROM roll LEFT JOIN (FROM figure WHERE figure IN {USED}) USING (station) GROUP BY station""",
}
"""At the grain of communes, which is all that the demo publishes: finer ones have tests of their own."""

ORACLE = (
    RULES
    | TURNOUT
    | SWING
    | TERRITORY
    | SIZE
    | ABSTENTION
    | OFFER
    | CONTEST
    | REFERENCES
    | PRIOR
    | LAYERED
    | CENSUS
)


@dataclass(frozen=True)
class Demo:
    """The demo as published in ``country``, as ingested into ``core``, and as configured."""

    country: Path
    core: Path
    config: TerritoryConfig


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    country, home = tmp_path_factory.mktemp("country"), tmp_path_factory.mktemp("oracle") / "home"
    write_demo(country, n_stations=300)
    config = load_territory("demo")
    return Demo(country, ingest(Home(home), config, country, lambda _: None).folder, config)


@pytest.fixture(scope="module")
def matrix_of(demo: Demo) -> Callable[[str], FeatureMatrix]:
    return functools.cache(lambda key: matrix(demo, demo.config.calendar, key))


@pytest.fixture(scope="module")
def oracle_of(demo: Demo) -> Callable[[str], duckdb.DuckDBPyConnection]:
    return functools.cache(lambda key: oracle(demo, demo.config.calendar, key))


def matrix(
    demo: Demo, calendar: Calendar, key: str, coarse: Sequence[str] = (), *, forgotten: bool = False
) -> FeatureMatrix:
    """What Isoloir makes of the demo, of ``coarse`` contests knowing the communes only, or not even these."""
    ledger = read_ledger(demo.core, calendar, demo.config.grouping("research"))
    ledger = dataclasses.replace(
        ledger,
        follow=False,
        records=tuple(r for r in ledger.records if r.contest.key not in coarse),
        communes=() if forgotten else tuple(by_commune(demo, calendar, each) for each in coarse),
    )
    notice = ledger.notice(calendar[key])
    assert notice is not None
    return build(ledger.as_of(calendar[key].eve), notice, reference(calendar, key))


def by_commune(demo: Demo, calendar: Calendar, key: str) -> CommuneRecord:
    """A contest's turnout by commune, summed from the published file."""
    rows = (
        duckdb.connect(config={"threads": 1})
        .execute(
            "SELECT code_commune, any_value(code_departement), sum(inscrits), sum(votants)"
            " FROM read_parquet($file) WHERE id_election = $key GROUP BY code_commune ORDER BY code_commune",
            {"file": str(demo.country / "general_results.parquet"), "key": key},
        )
        .fetchall()
    )
    communes, departments, registered, voters = zip(*rows, strict=True)
    return CommuneRecord(
        *(calendar[key], calendar[key].results_known_on, np.array(communes), np.array(departments)),
        *(np.array(registered, np.int32), np.array(voters, np.int32)),
    )


def reference(calendar: Calendar, key: str) -> str:
    found = calendar.reference_of(calendar[key])
    assert found is not None
    return found.key


def oracle(
    demo: Demo, calendar: Calendar, key: str, corrupt: str = "", coarse: Sequence[str] = ()
) -> duckdb.DuckDBPyConnection:
    """What SQL makes of the published files, ``corrupt`` done to them first."""
    said = duckdb.connect(config={"threads": 1})
    _calendar(said, demo.config, calendar)
    given: dict[str, str | list[str]] = {
        "general": str(demo.country / "general_results.parquet"),
        "candidates": str(demo.country / "candidats_results.parquet"),
        "census": str(demo.country / "census.csv"),
        "coarse": list(coarse),
    }
    for statement in duckdb.extract_statements(PUBLISHED):
        said.execute(statement, {name: given[name] for name in statement.named_parameters})
    _labels(said, demo.config, calendar)
    said.execute(corrupt or "SELECT 1")
    said.execute(f"SET VARIABLE target = '{key}'; SET VARIABLE reference = '{reference(calendar, key)}'")
    said.execute(DERIVED)
    _weights(said)
    _patterns(said, DEPARTMENT_KERNEL, "department")
    _patterns(said, COMMUNE_KERNEL, "commune")
    _patterns(said, STATION_KERNEL, "station")
    return said


def _calendar(said: duckdb.DuckDBPyConnection, config: TerritoryConfig, calendar: Calendar) -> None:
    said.execute(
        "CREATE TABLE calendar (contest VARCHAR, kind VARCHAR, round INT, held_on DATE, known_on DATE,"
        " offer_published BOOL, labels VARCHAR)"
    )
    said.executemany(
        "INSERT INTO calendar VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                c.key,
                c.kind,
                c.round,
                c.held_on,
                c.results_known_on,
                c.offer_published,
                config.label_kind[c.key],
            )
            for c in calendar
        ],
    )


def _labels(said: duckdb.DuckDBPyConnection, config: TerritoryConfig, calendar: Calendar) -> None:
    blocs = config.grouping("research")
    found = said.execute("SELECT DISTINCT contest, label FROM listed").fetchall()
    code = {(key, label): blocs.code_of(calendar[key], label) for key, label in found}
    assert all(c is not None and c >= 0 for c in code.values()), "all labels of the demo have a bloc"
    said.execute("CREATE TABLE label (contest VARCHAR, label VARCHAR, bloc VARCHAR)")
    said.executemany(
        "INSERT INTO label VALUES (?, ?, ?)", [(*pair, blocs.blocs[c]) for pair, c in code.items()]
    )
    said.execute(
        "CREATE TABLE bloc AS SELECT unnest($1) AS bloc, unnest($2) AS i",
        [list(blocs.blocs), list(range(len(blocs.blocs)))],
    )


COVARIANCE = """
SELECT $common + $slow * exp(-years / 20) + $fast * exp(-years / 4)
       + CASE WHEN kin THEN $kind + $kind_slow * exp(-years / 8) ELSE 0 END
       + CASE WHEN kin AND turn = other_turn THEN $round ELSE 0 END
       + CASE WHEN kin AND days <= 120 THEN $ballot ELSE 0 END
       + CASE WHEN days <= 120 THEN $season ELSE 0 END
       + CASE WHEN same THEN $nugget ELSE 0 END
FROM (SELECT abs(a.held_on - b.held_on) AS days, days / 365.25 AS years, a.kind = b.kind AS kin,
             a.round AS turn, b.round AS other_turn, a.contest = b.contest AS same, a.n AS n, {m} AS m
      FROM {left} a, {right} b)
ORDER BY n, m
"""


def _covariances(said: duckdb.DuckDBPyConnection, kernel: Kernel, left: str, right: str) -> np.ndarray:
    """The covariances of two tables of contests, by SQL, as one row."""
    query = COVARIANCE.format(left=left, right=right, m="0" if right == "target" else "b.n")
    return np.array(said.execute(query, dataclasses.asdict(kernel)).fetchall())[:, 0]


def _kriging(
    said: duckdb.DuckDBPyConnection, kernel: Kernel, among: list[str], electors: float = np.inf
) -> tuple[list[float], float]:
    """K⁻¹k, and what it leaves of the variance: covariances and noise by SQL, their solution by numpy.

    ``electors`` tell how noisy a contest's logit is; none where there are infinitely many.
    """
    said.execute("CREATE OR REPLACE TEMP TABLE amid AS FROM ever WHERE list_contains($1, contest)", [among])
    K = _covariances(said, kernel, "amid", "amid").reshape(len(among), len(among))
    noise = said.execute(
        "SELECT 1 / ($1 * least(greatest(turnout * (1 - turnout), 0.05), 0.25))"
        " FROM amid JOIN ever_nation USING (contest) ORDER BY amid.n",
        [electors],
    ).fetchall()
    k = _covariances(said, kernel, "amid", "target")
    weights = np.linalg.solve(K + np.diag(np.array(noise)[:, 0]), k)
    return [float(w) for w in weights], float(_whole(said, kernel) - k @ weights)


def _whole(said: duckdb.DuckDBPyConnection, kernel: Kernel) -> float:
    """The variance where nothing is known: the target's own, and its nugget."""
    return float(_covariances(said, kernel, "(SELECT 0 AS n, * FROM target)", "target")[0])


def _weights(said: duckdb.DuckDBPyConnection) -> None:
    """The prior's weights: for turnout of each contest, for shares of each in which the bloc stood."""
    said.execute("CREATE TABLE weight (contest VARCHAR, weight DOUBLE)")
    said.execute("CREATE TABLE share_weight (contest VARCHAR, bloc VARCHAR, weight DOUBLE)")
    keys = [key for (key,) in said.execute("SELECT contest FROM past ORDER BY n").fetchall()]
    weights, _ = _kriging(said, TURNOUT_KERNEL, keys)
    said.executemany("INSERT INTO weight VALUES (?, ?)", list(zip(keys, weights, strict=True)))
    stood = said.execute(
        "SELECT bloc, list(contest ORDER BY n) FROM"
        " (SELECT DISTINCT bloc, contest, n FROM shares WHERE witnessed IS NOT NULL) GROUP BY bloc"
    ).fetchall()
    for bloc, among in stood:
        rows = zip(among, [bloc] * len(among), _kriging(said, SHARES_KERNEL, among)[0], strict=True)
        said.executemany("INSERT INTO share_weight VALUES (?, ?, ?)", list(rows))


def _patterns(said: duckdb.DuckDBPyConnection, kernel: Kernel, key: str) -> None:
    """The weights of the contests at which each department, commune or station is known; what they leave.

    For a class of size, a doubling from 50 electors on, its geometric middle.
    """
    known = f"""
        (SELECT {key}, list(contest ORDER BY n) AS among,
                least(8, floor(log2(greatest(max(registered), 50) / 50)))::INT AS size
         FROM {key}_gap JOIN ever USING (contest) GROUP BY {key})"""
    said.execute(f"CREATE TABLE {key}_whole AS SELECT $1::DOUBLE AS whole", [_whole(said, kernel)])
    said.execute(
        f"CREATE TABLE {key}_pattern"
        " (among VARCHAR[], size INT, contest VARCHAR, weight DOUBLE, unexplained DOUBLE)"
    )
    for among, size in said.execute(f"SELECT DISTINCT among, size FROM {known}").fetchall():
        weights, unexplained = _kriging(said, kernel, among, 50 * 2.0 ** (size + 0.5))
        rows = [(among, size, *pair, unexplained) for pair in zip(among, weights, strict=True)]
        said.executemany(f"INSERT INTO {key}_pattern VALUES (?, ?, ?, ?, ?)", rows)
    said.execute(
        f"CREATE TABLE {key}_weight AS SELECT {key}, contest, weight, unexplained FROM {known} "
        f"JOIN {key}_pattern USING (among, size)"
    )


def answer(said: duckdb.DuckDBPyConnection, query: str, *, per_bloc: bool) -> np.ndarray:
    """What a query says of the roll's stations [S], or of each and each bloc [S × B]; NaN for nothing."""
    rows, keys = ("roll CROSS JOIN bloc", "station, bloc") if per_bloc else ("roll", "station")
    order = "station, i" if per_bloc else "station"
    found = said.execute(
        f"SELECT value::DOUBLE AS value FROM {rows} LEFT JOIN ({query}) f USING ({keys}) ORDER BY {order}"
    ).fetchnumpy()["value"]
    values = np.ma.filled(found.astype(np.float64), np.nan)
    assert len(values) == said.execute(f"SELECT count(*) FROM {rows}").fetchall()[0][0], "one value each"
    stations = said.execute("SELECT count(*) FROM roll").fetchall()[0][0]
    return values.reshape(stations, -1) if per_bloc else values


def from_sql(said: duckdb.DuckDBPyConnection, name: str) -> np.ndarray:
    return answer(said, ORACLE[name], per_bloc=is_per_bloc(name))


def from_matrix(made: FeatureMatrix, name: str) -> np.ndarray:
    return made.per_bloc(name) if is_per_bloc(name) else made.column(name)


def agree(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.allclose(one, other, rtol=0, atol=1e-9, equal_nan=True))


def test_every_feature_of_both_catalogues_has_a_second_opinion() -> None:
    """The share of a department is not defined where its bloc did not stand: it has a test of its own."""
    assert set(ORACLE) | {"share_department_mean"} == set(CATALOGUE) | set(CONTEXTUAL)
    assert "share_department_mean" not in ORACLE


@pytest.mark.parametrize("target", TARGETS)
def test_both_read_the_same_roll_and_the_same_past(
    oracle_of: Callable[[str], duckdb.DuckDBPyConnection],
    matrix_of: Callable[[str], FeatureMatrix],
    target: str,
) -> None:
    made, said = matrix_of(target), oracle_of(target)
    roll = said.execute("SELECT station, registered FROM roll ORDER BY station").fetchall()
    stations = made.notice.stations.station_id.tolist()
    assert roll == list(zip(stations, made.notice.registered.tolist(), strict=True))
    past = said.execute("SELECT contest FROM past ORDER BY n").fetchall()
    assert [key for (key,) in past] == list(made.past)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ORACLE)
def test_sql_over_the_published_files_finds_the_same_feature(
    oracle_of: Callable[[str], duckdb.DuckDBPyConnection],
    matrix_of: Callable[[str], FeatureMatrix],
    name: str,
    target: str,
) -> None:
    expected, made = from_sql(oracle_of(target), name), from_matrix(matrix_of(target), name)
    np.testing.assert_allclose(made, expected, rtol=0, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("target", TARGETS)
def test_the_share_of_a_department_is_the_same_where_the_bloc_stood(
    oracle_of: Callable[[str], duckdb.DuckDBPyConnection],
    matrix_of: Callable[[str], FeatureMatrix],
    target: str,
) -> None:
    query = """
        SELECT station, bloc, ln(votes / valid / share) AS value
        FROM roll JOIN area_share ON level = 'department' AND code = department
        JOIN nation_share USING (contest, bloc) WHERE contest = getvariable('reference')"""
    expected = answer(oracle_of(target), query, per_bloc=True)
    stood = ~np.isnan(expected)
    made = from_matrix(matrix_of(target), "share_department_mean")
    assert stood.any()
    np.testing.assert_allclose(made[stood], expected[stood], rtol=0, atol=1e-9)


def test_the_demo_has_pasts_of_stations_of_communes_and_of_departments(
    oracle_of: Callable[[str], duckdb.DuckDBPyConnection],
) -> None:
    """Without this, a gap that is filled from the wrong place could pass all of the above."""
    filled = {
        source
        for target in TARGETS
        for (source,) in oracle_of(target).execute("SELECT DISTINCT source FROM turnout").fetchall()
    }
    assert filled >= {"own", "commune", "department"}
    query = "SELECT count(*) FROM link WHERE linked AND NOT agrees"
    assert all(oracle_of(target).execute(query).fetchall()[0][0] for target in TARGETS)


IN_ONE_DEPARTMENT = "contest = '2017_pres_t1' AND department = (SELECT min(department) FROM polled)"
CORRUPTIONS = {
    "voters": (
        f"UPDATE polled SET voters = valid WHERE {IN_ONE_DEPARTMENT}",
        {"turnout_mean_deviation", "turnout_same_kind", "turnout_department_mean", "turnout_kind_mean"}
        | {"turnout_spread", "turnout_commune", "turnout_department", "turnout_prior", "reference_turnout"}
        | {"turnout_layered", "abstention_structural"},
    ),
    "registered": (
        f"UPDATE polled SET registered = 2 * registered WHERE {IN_ONE_DEPARTMENT}",
        {
            "turnout_mean_deviation",
            "turnout_same_kind",
            "turnout_commune",
            "history_depth",
            "reference_share",
        },
    ),
    "votes": (
        "UPDATE listed SET votes = votes + 1 WHERE contest = '2017_pres_t1' AND label = '1'",
        {"share_mean_deviation", "share_same_kind", "share_kind_mean", "share_spread", "share_commune"}
        | {"share_department", "share_prior", "share_pool", "share_anchor", "swing_last", "reference_share"}
        | {"volatility_share"},
    ),
    "census": (
        "UPDATE census SET value = value + 0.01 * (known_on - DATE '2000-01-01')",
        {"census_owner_share", "census_unemployment", "census_poverty", "census_median_income"},
    ),
    "secrets": (
        "UPDATE census SET value = NULL, secret = true WHERE figure = 'poverty_share'",
        {"census_poverty", "census_withheld"},
    ),
    "census of some": (
        "DELETE FROM census WHERE commune = (SELECT min(commune) FROM polled)",
        {"census_fallback"},
    ),
    "stations": (
        f"DELETE FROM polled WHERE {IN_ONE_DEPARTMENT}",
        {"turnout_same_kind", "history_depth", "share_same_kind", "reference_share"},
    ),
}
"""What is done to what was known before 2022_pres_t1, and features that SQL must then see otherwise."""


@pytest.mark.parametrize("what", CORRUPTIONS)
def test_the_oracle_contradicts_where_the_past_was_corrupted(
    demo: Demo, matrix_of: Callable[[str], FeatureMatrix], what: str
) -> None:
    """Without this, an oracle that says yes to everything would pass all of the above."""
    corrupt, touched = CORRUPTIONS[what]
    said, made = oracle(demo, demo.config.calendar, "2022_pres_t1", corrupt), matrix_of("2022_pres_t1")
    differing = {name for name in ORACLE if not agree(from_sql(said, name), from_matrix(made, name))}
    assert differing >= touched
    assert differing.isdisjoint(
        TERRITORY.keys() - {"history_depth", "reference_own"} | OFFER.keys() | {"turnout_lag1"}
    )
    of_census = what in ("census", "secrets", "census of some")
    assert differing <= CENSUS.keys() if of_census else differing.isdisjoint(CENSUS)


@pytest.mark.parametrize("coarse", [["2009_euro_t1"], ["2010_regi_t1", "2012_pres_t1", "2019_euro_t1"]])
@pytest.mark.parametrize("target", ["2022_pres_t1", "2024_legi_t2"])
def test_both_find_the_same_where_some_contests_are_known_by_commune_alone(
    demo: Demo, matrix_of: Callable[[str], FeatureMatrix], target: str, coarse: list[str]
) -> None:
    calendar = demo.config.calendar
    made, said = matrix(demo, calendar, target, coarse), oracle(demo, calendar, target, coarse=coarse)
    assert not set(coarse) & set(made.past)
    assert [n for n in ORACLE if not agree(from_sql(said, n), from_matrix(made, n))] == []
    without = matrix(demo, calendar, target, coarse, forgotten=True)
    for name in ("turnout_layered", "turnout_variance"):
        assert not agree(made.column(name), matrix_of(target).column(name))
        assert not agree(made.column(name), without.column(name))


def test_the_census_of_the_demo_has_secrets_gaps_and_several_vintages(
    oracle_of: Callable[[str], duckdb.DuckDBPyConnection],
) -> None:
    """Without this, the second opinion on the census might be one on nothing."""
    said = oracle_of("2022_pres_t1")
    vintages = "SELECT count(DISTINCT describes) FROM income"
    assert said.execute(vintages).fetchall()[0][0] == 4, "of five, one was not public yet"
    for name, values in (("census_withheld", {0, 1}), ("census_fallback", {1, 2})):
        assert set(from_sql(said, name).tolist()) == values, name
    known = ~np.isnan(from_sql(said, "census_median_income"))
    assert known.any() and not known.all()


def test_the_oracle_itself_sees_nothing_of_what_was_not_public(
    demo: Demo, oracle_of: Callable[[str], duckdb.DuckDBPyConnection]
) -> None:
    """No result of the target or later, of later contests not even their stations, and no later census."""
    corrupt = """
        UPDATE polled SET voters = 0, valid = 0 WHERE contest >= '2022';
        UPDATE listed SET votes = 7 WHERE contest >= '2022';
        DELETE FROM polled WHERE contest >= '2022_pres_t2' OR contest LIKE '2022_legi%';
        UPDATE census SET value = 0.123, secret = NOT secret WHERE known_on >= DATE '2022-04-10'"""
    blind = oracle(demo, demo.config.calendar, "2022_pres_t1", corrupt)
    seeing = oracle_of("2022_pres_t1")
    assert [n for n in ORACLE if not agree(from_sql(blind, n), from_sql(seeing, n))] == []


@pytest.mark.parametrize(("days", "seen"), [(13, True), (14, False)])
def test_results_that_become_public_on_the_very_day_are_seen_by_neither(
    demo: Demo, days: int, seen: bool
) -> None:
    """The second round is held 14 days after the first."""
    calendar = Calendar(
        demo.config.key,
        tuple(
            dataclasses.replace(c, results_after_days=days) if c.key == "2022_pres_t1" else c
            for c in demo.config.calendar
        ),
    )
    made, said = matrix(demo, calendar, "2022_pres_t2"), oracle(demo, calendar, "2022_pres_t2")
    assert ("2022_pres_t1" in made.past) == seen
    assert [n for n in ORACLE if not agree(from_sql(said, n), from_matrix(made, n))] == []
