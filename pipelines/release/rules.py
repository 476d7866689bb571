"""What must hold of the tables of a release beyond types and ranges, each as a query that finds no row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isoloir.domain.tables import Table


@dataclass(frozen=True, slots=True)
class Facts:
    """What a contract says beside its tables; ``min_valid`` valid votes are ``valid_rate`` of the voters."""

    schema_version: str
    territory: str
    target: str
    held_on: str
    as_of: str
    release_id: str
    licence: str
    attribution: str
    grouping: str
    blocs: tuple[str, ...]
    valid_rate: float
    min_registered: int
    min_valid: float


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, and the plain SQL that counts the rows which break it, run where the files lie."""

    name: str
    dimension: str
    text: str
    query: str


def rules_of(table: Table, facts: Facts) -> tuple[Rule, ...]:
    """The rules of a table: that of its key first; those of others in the release are its own affair."""
    of = {
        "scores.parquet": _scores,
        "units.parquet": _units,
        "aggregates.parquet": _aggregates,
        "succession.parquet": _succession,
        "training.parquet": _training,
    }
    own = of[table.name](facts) if table.name in of else ()
    return (*_key(table), *own)


def _broken(source: str, where: str) -> str:
    return f"SELECT count(*) FROM {source} WHERE {where}"


def _key(table: Table) -> tuple[Rule, ...]:
    if not table.key:
        return ()
    named = ", ".join(table.key)
    source = f"(SELECT count(*) AS n FROM '{table.name}' GROUP BY {named})"
    return (Rule("key", "uniqueness", f"No two rows have the same {named}.", _broken(source, "n > 1")),)


def _held(blocs: Sequence[str]) -> str:
    """Where a forecast lies outside its bounds."""
    outside = [
        f"NOT ({stem}_lo{level} <= {stem}_pred AND {stem}_pred <= {stem}_hi{level})"
        for stem in ("turnout", *(f"share_{bloc}" for bloc in blocs))
        for level in ("50", "90")
    ]
    return " OR ".join(outside)


def _scores(facts: Facts) -> tuple[Rule, ...]:
    table = "'scores.parquet'"
    shares = " + ".join(f"share_{bloc}_pred" for bloc in facts.blocs)
    members = (
        f"{table} AS s LEFT JOIN (SELECT unit_id, count(*) AS n FROM 'units.parquet' GROUP BY unit_id) AS u "
        "ON s.unit_id = u.unit_id"
    )
    return (
        Rule(
            "shares_sum_to_one",
            "consistency",
            "The blocs' shares of a unit sum to 1.",
            _broken(table, f"abs({shares} - 1) > 1e-9"),
        ),
        Rule(
            "bounds_hold",
            "consistency",
            "A forecast lies within its 50% and 90% bounds.",
            _broken(table, _held(facts.blocs)),
        ),
        Rule(
            "least_registered",
            "conformity",
            f"No unit has fewer than {facts.min_registered} registered electors.",
            _broken(table, f"registered < {facts.min_registered}"),
        ),
        Rule(
            "least_valid",
            "conformity",
            f"No unit expects fewer than {facts.min_valid:g} valid votes.",
            _broken(table, f"expected_voters * {facts.valid_rate!r} < {facts.min_valid!r} - 1e-9"),
        ),
        Rule(
            "members",
            "completeness",
            "A unit has as many stations in units.parquet as n_members says.",
            _broken(members, "u.n IS NULL OR s.n_members <> u.n"),
        ),
    )


def _units(facts: Facts) -> tuple[Rule, ...]:
    table = "'units.parquet'"
    return (
        Rule(
            "unit_is_there",
            "consistency",
            "Each unit of a station is a row of scores.parquet.",
            _broken(table, "unit_id IS NOT NULL AND unit_id NOT IN (SELECT unit_id FROM 'scores.parquet')"),
        ),
        Rule(
            "withheld_has_none",
            "consistency",
            "A station is withheld where it has no unit, and nowhere else.",
            _broken(table, "(status = 'withheld') <> (unit_id IS NULL)"),
        ),
    )


def _aggregates(facts: Facts) -> tuple[Rule, ...]:
    table = "'aggregates.parquet'"
    nation = "SELECT {sum} FROM 'scores.parquet'"
    departments = (
        f"{table} AS a LEFT JOIN (SELECT department_code, sum(expected_voters) AS voters "
        "FROM 'scores.parquet' GROUP BY department_code) AS s ON a.area_id = s.department_code"
    )
    of_voters = "a.area_level = 'department' AND a.quantity = 'expected_voters'"
    shares = (
        f"(SELECT sum(value) AS total FROM {table} WHERE quantity = 'share' GROUP BY area_level, area_id)"
    )
    return (
        *(
            Rule(
                f"nation_{quantity}",
                "consistency",
                f"The nation's {quantity} is the sum of the units'.",
                _broken(
                    table,
                    f"area_level = 'nation' AND quantity = '{quantity}' "
                    f"AND abs(value - ({nation.format(sum=f'sum({quantity})')})) > 1e-6 * value",
                ),
            )
            for quantity in ("registered", "expected_voters")
        ),
        Rule(
            "department_voters",
            "consistency",
            "A department's expected_voters are the sum of its units'.",
            _broken(departments, f"{of_voters} AND NOT abs(a.value - s.voters) <= 1e-6 * a.value"),
        ),
        Rule(
            "shares_sum_to_one",
            "consistency",
            "The blocs' shares of an area sum to 1.",
            _broken(shares, "abs(total - 1) > 1e-9"),
        ),
    )


def _succession(facts: Facts) -> tuple[Rule, ...]:
    given = (
        "(SELECT sum(weight) AS given FROM 'succession.parquet' WHERE old_station_id IS NOT NULL "
        "GROUP BY from_contest, old_station_id)"
    )
    text = "No station of an earlier roll gives more than all of its electors."
    return (Rule("given_once", "consistency", text, _broken(given, "given > 1 + 1e-6")),)


def _training(facts: Facts) -> tuple[Rule, ...]:
    text = "A row without labels has none: neither turnout nor any share."
    labels = ["label_turnout", *(f"label_share_{bloc}" for bloc in facts.blocs)]
    known = " OR ".join(f"{name} IS NOT NULL" for name in labels)
    query = _broken("'training.parquet'", f"NOT label_available AND ({known})")
    return (Rule("no_label_of_the_target", "consistency", text, query),)
