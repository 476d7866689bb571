"""The layered prior: departments, communes in them, stations in these, by hand and against slow loops."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import timedelta
from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit
from worlds import (
    COARSE,
    CONTESTS,
    DAY,
    LAST,
    TARGET,
    commune_record,
    full_ledger,
    notice_of,
    random_ledger,
    record,
    reference_of,
    stations,
)

from isoloir.domain.election import AsOf, Contest
from isoloir.domain.ledger import CommuneRecord, Ledger, Notice, Past
from isoloir.features.history import NONE
from isoloir.features.kriging import (
    CLASSES,
    Kernel,
    covariance,
    kriged,
    size_class,
    weights,
)
from isoloir.features.layered import (
    COMMUNE_KERNEL,
    DEPARTMENT_KERNEL,
    STATION_KERNEL,
    first_round_commune,
    first_round_department,
    first_round_station,
    layers_of,
    orphaned_share,
    turnout_layered,
    turnout_variance,
)
from isoloir.features.view import View, look

SEED = st.integers(0, 2**32 - 1)
NAMES = ("left", "right")
FIRST = CONTESTS[2]
"""The first round of the target's ballot."""


@dataclasses.dataclass(frozen=True)
class Seen:
    """A deviation at a contest, of so many electors, where the nation's turnout was ``nation``."""

    contest: Contest
    deviation: float
    registered: int
    nation: float


def deviation(voters: float, registered: float, nation: float) -> float:
    return float(logit((voters + 10 * nation) / (registered + 10)) - logit(nation))


def between(kernel: Kernel, a: Contest, b: Contest) -> float:
    """The covariance as the docstring has it, term by term."""
    years = abs((a.held_on - b.held_on).days) / 365.25
    near = abs((a.held_on - b.held_on).days) <= 120
    total = kernel.common + kernel.slow * exp(-years / 20) + kernel.fast * exp(-years / 4)
    if a.kind == b.kind:
        total += kernel.kind + kernel.kind_slow * exp(-years / 8)
        total += kernel.round if a.round == b.round else 0
        total += kernel.ballot if near else 0
    return total + (kernel.season if near else 0)


def class_of(registered: int) -> int:
    """Doublings of 50 electors, by counting them."""
    doublings = 0
    while doublings < 8 and registered >= 50 * 2 ** (doublings + 1):
        doublings += 1
    return doublings


def slow_kriged(kernel: Kernel, target: Contest, seen: Sequence[Seen]) -> tuple[float, float]:
    """Mean and variance given what is seen; 0 and the prior's variance of nothing."""
    whole = between(kernel, target, target) + kernel.nugget
    if not seen:
        return 0.0, whole
    size = 50 * 2 ** (class_of(max(s.registered for s in seen)) + 0.5)
    inside = np.array([[between(kernel, a.contest, b.contest) for b in seen] for a in seen])
    for i, one in enumerate(seen):
        inside[i, i] += kernel.nugget + 1 / (size * min(max(one.nation * (1 - one.nation), 0.05), 0.25))
    towards = np.array([between(kernel, one.contest, target) for one in seen])
    weight = np.linalg.inv(inside) @ towards
    return float(weight @ [one.deviation for one in seen]), float(whole - towards @ weight)


def view_of(ledger: Ledger, contest: Contest = TARGET, notice: Notice | None = None) -> View:
    return look(ledger.as_of(contest.eve), notice or notice_of(ledger, contest), reference_of(contest))


# --- kriging, by hand ---

PLAIN = Kernel(common=0.3, kind=0.2, ballot=0.1, fast=0.0, nugget=0.4)
"""Nothing of it fades, so that one can reckon with it."""
PAST = CONTESTS[0]
"""Of the target's kind and of a first round, 2000 days before."""


def test_one_contest_is_divided_by_its_variance_and_its_counting_noise() -> None:
    """75 electors: class 0, taken for 50 √2; at half turnout the noise is 4 over that."""
    registered, nation = np.array([[75]]), np.array([0.5])
    made = kriged(PLAIN, (PAST,), TARGET, np.array([[0.8]]), registered, nation)
    noise = 4 / (50 * 2**0.5)
    weight = (0.3 + 0.2) / (0.3 + 0.2 + 0.1 + 0.4 + noise)
    assert made.mean == pytest.approx([0.8 * weight], abs=1e-15)
    # Of the target's own 0.6 and nugget 0.4, what the covariance 0.5 explains is gone.
    assert made.variance == pytest.approx([1.0 - 0.5 * weight], abs=1e-15)


def test_two_contests_share_what_they_say() -> None:
    """Another kind (covariance 0.3 with both) and the same one (0.5): Cramer's rule."""
    other = CONTESTS[1]
    registered, nation = np.array([[1000, 1000]]), np.array([0.5, 0.8])
    made = kriged(PLAIN, (PAST, other), TARGET, np.array([[0.8, -0.4]]), registered, nation)
    size = 50 * 2 ** (4 + 0.5)
    a, b = 1.0 + 4 / size, 1.0 + 1 / (0.16 * size)
    between_them = 0.3
    det = a * b - between_them**2
    of_same, of_other = (0.5 * b - 0.3 * between_them) / det, (0.3 * a - 0.5 * between_them) / det
    assert made.mean == pytest.approx([0.8 * of_same - 0.4 * of_other], abs=1e-15)
    assert made.variance == pytest.approx([1.0 - 0.5 * of_same - 0.3 * of_other], abs=1e-15)


def test_every_component_is_where_the_docstring_has_it() -> None:
    """Each alone, between the target and three contests: what is 0 and what is 1, or has faded."""
    second = dataclasses.replace(CONTESTS[2], key="other", kind="pres")
    past = (PAST, FIRST, second)
    gone = 2000 / 365.25, 7 / 365.25, 7 / 365.25
    for component, expected in {
        "common": (1, 1, 1),
        "slow": [exp(-g / 20) for g in gone],
        "fast": [exp(-g / 4) for g in gone],
        "kind": (1, 1, 0),
        "kind_slow": [exp(-gone[0] / 8), exp(-gone[1] / 8), 0],
        "round": (0, 0, 0),
        "ballot": (0, 1, 0),
        "season": (0, 1, 1),
    }.items():
        none = Kernel(common=0, kind=0, ballot=0, fast=0, nugget=1)
        kernel = dataclasses.replace(none, **{component: 1.0})
        assert covariance(kernel, past, (TARGET,))[:, 0] == pytest.approx(expected, abs=1e-15), component
    alike = Kernel(common=0, kind=0, ballot=0, fast=0, nugget=1, round=1.0)
    assert covariance(alike, past, (PAST,))[:, 0].tolist() == [1, 1, 0]


def test_a_season_is_of_120_days_and_no_more() -> None:
    kernel = Kernel(common=0, kind=0, ballot=1.0, fast=0, nugget=1, season=1.0)
    days = (0, 119, 120, 121)
    away = tuple(dataclasses.replace(TARGET, key=str(d), held_on=DAY - timedelta(days=d)) for d in days)
    assert covariance(kernel, away, (TARGET,))[:, 0].tolist() == [2, 2, 2, 0]


def test_size_classes_double_from_50_electors() -> None:
    sizes = [0, 1, 50, 99, 100, 199, 200, 399, 6400, 12799, 12800, 10**7]
    assert size_class(np.array(sizes)).tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 7, 7, 8, 8]
    assert size_class(np.array(sizes)).tolist() == [class_of(s) for s in sizes] and CLASSES == 9


def test_the_class_is_of_the_largest_roll_and_a_big_place_is_believed_more() -> None:
    registered = np.array([[60, 0], [60, 5000], [60, 60]])
    past, far = (PAST, CONTESTS[1]), np.full((3, 2), 0.5)
    made = kriged(PLAIN, past, TARGET, far, registered, np.array([0.5, 0.5]))
    for row, size in enumerate((60, 5000, 60)):
        known = [Seen(c, 0.5, size, 0.5) for c, n in zip(past, registered[row], strict=True) if n]
        assert (made.mean[row], made.variance[row]) == pytest.approx(slow_kriged(PLAIN, TARGET, known))
    assert made.mean[1] > made.mean[2] and made.variance[1] < made.variance[2]


def test_the_noise_of_a_nation_near_0_or_1_is_bounded() -> None:
    at = {p: kriged(PLAIN, (PAST,), TARGET, np.array([[1.0]]), np.array([[75]]), np.array([p])).mean[0]
          for p in (0.0, 0.001, 0.999, 1.0)}  # fmt: skip
    assert list(at.values()) == pytest.approx([0.5 / (1.0 + 20 / (50 * 2**0.5))] * 4)


@given(seed=SEED, contests=st.integers(1, 12), places=st.integers(0, 30))
def test_patterns_and_classes_do_not_mix_rows(seed: int, contests: int, places: int) -> None:
    """More than eight contests take a second byte of a packed pattern; NaN where unknown is no deviation."""
    rng = np.random.default_rng(seed)
    past = tuple(
        dataclasses.replace(CONTESTS[i % 3], key=str(i), held_on=DAY - timedelta(days=90 * (i + 1)))
        for i in range(contests)
    )
    shape = (places, contests)
    registered = np.where(rng.random(shape) < 0.4, 0, rng.integers(1, 20000, shape))
    far = np.where(registered > 0, rng.normal(0, 1, shape), np.nan)
    nation = rng.uniform(0.01, 0.99, contests)
    made = kriged(STATION_KERNEL, past, TARGET, far, registered, nation)
    for row in range(places):
        known = [
            Seen(past[c], far[row, c], int(registered[row, c]), float(nation[c]))
            for c in range(contests)
            if registered[row, c] > 0
        ]
        mean, variance = slow_kriged(STATION_KERNEL, TARGET, known)
        assert made.mean[row] == pytest.approx(mean, abs=1e-10)
        assert made.variance[row] == pytest.approx(variance, abs=1e-10)
        assert (
            0 < made.variance[row] < between(STATION_KERNEL, TARGET, TARGET) + STATION_KERNEL.nugget + 1e-12
        )


def test_counts_taken_for_exact_have_the_nugget_alone() -> None:
    assert weights(PLAIN, (PAST,), TARGET) == pytest.approx([0.5 / 1.0])
    assert weights(PLAIN, (), TARGET).shape == (0,)


# --- the three layers against slow loops ---


def slow_layers(past: Past, view: View, s: int) -> list[tuple[float, float]]:
    """Mean and variance of each layer at one station, from records; who it was is asked of the panel."""
    stations_now, target = view.notice.stations, view.notice.contest
    commune, department = str(stations_now.commune_code[s]), str(stations_now.department_code[s])
    of_department: list[Seen] = []
    of_commune: list[Seen] = []
    of_station: list[Seen] = []
    traced = view.panel.followed

    def add(contest: Contest, nation: float, counts: list[tuple[int, int]]) -> float | None:
        """Put beside the department what the commune did, given (registered, voters) of both."""
        far = [deviation(v, n, nation) for n, v in counts]
        if counts[0][0] > 0:
            of_department.append(Seen(contest, far[0], counts[0][0], nation))
        if counts[1][0] > 0:
            of_commune.append(Seen(contest, far[1] - far[0], counts[1][0], nation))
            return far[1]
        return None

    for c, one in enumerate(past.records):
        nation = float(one.voters.sum() / one.registered.sum())
        counts = []
        for codes, code in ((one.stations.department_code, department), (one.stations.commune_code, commune)):
            rows = [i for i, other in enumerate(codes) if other == code]
            counts.append((int(one.registered[rows].sum()), int(one.voters[rows].sum())))
        around = add(one.contest, nation, counts)
        own = int(traced.registered[s, c])
        if around is not None and own > 0:
            apart = deviation(float(traced.voters[s, c]), own, nation) - around
            of_station.append(Seen(one.contest, apart, own, nation))
    # A department's communes are those that the notice has: of the others nobody knows where they went.
    today = set(stations_now.commune_code.tolist())
    for coarse in past.communes:
        nation = float(coarse.voters.sum() / coarse.registered.sum())
        rows = [
            (code, int(n), int(v))
            for code, n, v in zip(coarse.commune_code, coarse.registered, coarse.voters, strict=True)
        ]
        of_it = [row for row in rows if row[0] in today and row[0].split("-")[0] == department]
        own_rows = [row for row in rows if row[0] == commune]
        add(
            coarse.contest,
            nation,
            [(sum(r[1] for r in found), sum(r[2] for r in found)) for found in (of_it, own_rows)],
        )
    layers = ((DEPARTMENT_KERNEL, of_department), (COMMUNE_KERNEL, of_commune), (STATION_KERNEL, of_station))
    return [slow_kriged(kernel, target, seen) for kernel, seen in layers]


def with_strangers(notice: Notice) -> Notice:
    """The notice with stations of communes and of a department that nobody knows, one without electors."""
    more = ["A-9-0", "A-gone-0", "Z-1-0", "Z-1-1"]
    codes = sorted([*notice.stations.station_id.tolist(), *more])
    known = dict(zip(notice.stations.station_id.tolist(), notice.registered.tolist(), strict=True))
    registered = [known.get(code, 0 if code == "Z-1-1" else 500) for code in codes]
    return dataclasses.replace(
        notice,
        stations=stations(codes),
        registered=np.array(registered, np.int32),
        standing=np.ones((len(codes), len(notice.blocs)), np.bool_),
    )


@given(seed=SEED, contest=st.sampled_from([TARGET, LAST]), follow=st.booleans())
def test_the_layered_prior_agrees_with_slow_loops(seed: int, contest: Contest, follow: bool) -> None:
    ledger = dataclasses.replace(full_ledger(seed), follow=follow)
    view = view_of(ledger, contest, with_strangers(notice_of(ledger, contest)))
    past = ledger.as_of(contest.eve)
    layers = [slow_layers(past, view, s) for s in range(len(view.notice.stations))]
    mean = [sum(layer[0] for layer in of) for of in layers]
    variance = [sum(layer[1] for layer in of) for of in layers]
    assert turnout_layered(view) == pytest.approx(np.array(mean), abs=1e-9)
    assert turnout_variance(view) == pytest.approx(np.array(variance), abs=1e-9)


# --- what is not known ---


@given(seed=SEED)
def test_stations_of_nowhere_get_their_department_s_past_or_the_nation(seed: int) -> None:
    ledger = random_ledger(seed)
    view = view_of(ledger, notice=with_strangers(notice_of(ledger)))
    names = view.notice.stations.station_id.tolist()
    made = dict(zip(names, turnout_layered(view).tolist(), strict=True))
    doubt = dict(zip(names, turnout_variance(view).tolist(), strict=True))
    assert made["Z-1-0"] == made["Z-1-1"] == 0
    kernels = (DEPARTMENT_KERNEL, COMMUNE_KERNEL, STATION_KERNEL)
    whole = [between(k, TARGET, TARGET) + k.nugget for k in kernels]
    assert doubt["Z-1-0"] == pytest.approx(sum(whole)) and doubt["Z-1-0"] >= max(doubt.values()) - 1e-12
    department = view.panel.departments.codes.tolist().index("A")
    totals, nation = view.panel.departments, view.panel.nation
    seen = [
        Seen(
            contest,
            deviation(int(totals.voters[department, c]), int(totals.registered[department, c]), level),
            int(totals.registered[department, c]),
            level,
        )
        for c, contest in enumerate(view.panel.contests)
        for level in [float(nation.voters[0, c] / nation.registered[0, c])]
        if totals.registered[department, c] > 0
    ]
    mean, variance = slow_kriged(DEPARTMENT_KERNEL, TARGET, seen)
    assert made["A-9-0"] == made["A-gone-0"] == pytest.approx(mean, abs=1e-9)
    assert doubt["A-9-0"] == pytest.approx(variance + whole[1] + whole[2], abs=1e-9)


def test_nobody_knows_a_station_in_an_unknown_country() -> None:
    """No commune and no department of the notice was there at the one contest that is known."""
    old = record(CONTESTS[0], ["Y-1-0"], [1000], [500], [[500, 0]])
    new = record(TARGET, ["Z-1-0"], [1000], [1], [[1, 0]])
    ledger = Ledger(NAMES, (old, new))
    view = view_of(ledger)
    assert turnout_layered(view).tolist() == [0]
    assert (view.followed.turnout_from == NONE).all()
    assert len(ledger.as_of(AsOf(TARGET.held_on)).records) == 1


def test_what_sets_two_stations_apart_is_kriged_by_itself() -> None:
    """One contest: 700 and 300 of 1000 in one commune, which voted as the department and the nation did."""
    codes = ["A-1-0", "A-1-1"]
    old = record(CONTESTS[0], codes, [1000, 1000], [700, 300], [[700, 0], [300, 0]])
    new = record(TARGET, codes, [1000, 1000], [1, 1], [[1, 0], [1, 0]])
    view = view_of(Ledger(NAMES, (old, new)))
    k = STATION_KERNEL
    years = 2000 / 365.25
    towards = k.common + k.slow * exp(-years / 20) + k.fast * exp(-years / 4)
    towards += k.kind + k.kind_slow * exp(-years / 8)
    own = k.common + k.slow + k.fast + k.kind + k.kind_slow + k.round + k.ballot + k.season + k.nugget
    weight = towards / (own + 4 / (800 * 2**0.5))
    far = deviation(700, 1000, 0.5)
    assert turnout_layered(view) == pytest.approx([weight * far, -weight * far], abs=1e-12)


def test_an_unfollowed_station_is_as_its_commune() -> None:
    """Its code was found again with other electors: nothing is known to set it apart."""
    codes = ["A-1-0", "A-1-1", "B-1-0"]
    old = record(CONTESTS[0], codes, [1000, 1000, 1000], [700, 300, 800], [[700, 0], [300, 0], [800, 0]])
    new = record(TARGET, codes, [1000, 400, 1000], [1, 1, 1], [[1, 0]] * 3)
    view = view_of(Ledger(NAMES, (old, new), follow=False))
    around = deviation(1000, 2000, 0.6)
    of_department, _ = slow_kriged(DEPARTMENT_KERNEL, TARGET, [Seen(CONTESTS[0], around, 2000, 0.6)])
    # Its commune is all of its department: nothing sets that apart.
    made = turnout_layered(view)
    assert made[1] == pytest.approx(of_department, abs=1e-12)
    assert made[0] > made[1]


# --- contests known by commune ---


def villages() -> Ledger:
    """Three communes of one station and 1000 electors in a department, and another department."""
    voted = ((700, 500, 300, 500), (400, 600, 500, 500), (650, 450, 400, 500), (1, 1, 1, 1))
    codes = ["A-0-0", "A-1-0", "A-2-0", "B-0-0"]
    return Ledger(
        NAMES,
        tuple(
            record(c, codes, [1000] * 4, turnout, [[n, 0] for n in turnout])
            for c, turnout in zip(CONTESTS, voted, strict=False)
        ),
    )


def test_a_contest_known_by_commune_moves_its_communes_and_their_departments() -> None:
    """A-7 is in no notice: it is of the nation's turnout, and of no department's."""
    ledger = villages()
    bare = view_of(ledger)
    known = commune_record(COARSE[0], {"A-0": (1000, 900), "A-7": (1000, 100)})
    view = view_of(dataclasses.replace(ledger, communes=(known,)))
    told, before = turnout_layered(view), turnout_layered(bare)
    # The department is as its one known commune: 900 of 1000 where the nation came to half.
    assert (told[:3] > before[:3]).all() and told[3] == before[3]
    layers = layers_of(view)
    assert [c.key for c in layers.contests] == [*(c.key for c in view.panel.contests), COARSE[0].key]
    assert layers.department_registered[:, -1].tolist() == [1000, 0]
    assert layers.departments[:, -1] == pytest.approx([deviation(900, 1000, 0.5), 0])
    assert layers.communes[:, -1] == pytest.approx([deviation(900, 1000, 0.5), 0, 0, 0])
    # The doubt of what became known is less, of others' the same.
    doubt = turnout_variance(view) - turnout_variance(bare)
    assert doubt[0] < doubt[1] < 0 and doubt[1] == pytest.approx(doubt[2]) and doubt[3] == 0
    # A contest that is not public yet moves nothing.
    late = dataclasses.replace(known, known_on=TARGET.held_on)
    unmoved = turnout_layered(view_of(dataclasses.replace(ledger, communes=(late,))))
    assert unmoved.tolist() == before.tolist()


def test_a_commune_known_by_a_coarse_contest_alone_speaks_for_its_new_stations() -> None:
    """900 of 1000 voted, where its department (with A-0: 1000 of 2000) and the nation came to half."""
    coarse = commune_record(COARSE[1], {"A-9": (1000, 900), "A-0": (1000, 100)})
    ledger = dataclasses.replace(villages(), communes=(coarse,))
    codes = ["A-0-0", "A-9-0", "A-9-1"]
    now = dataclasses.replace(
        notice_of(ledger),
        stations=stations(codes),
        registered=np.array([1000, 500, 500], np.int32),
        standing=np.ones((3, 2), np.bool_),
    )
    view = view_of(ledger, notice=now)
    expected, _ = slow_kriged(COMMUNE_KERNEL, TARGET, [Seen(COARSE[1], deviation(900, 1000, 0.5), 1000, 0.5)])
    seen = [
        Seen(c, deviation(sum(voted), 3000, nation), 3000, nation)
        for c, voted, nation in zip(
            CONTESTS, ((700, 500, 300), (400, 600, 500), (650, 450, 400)), (0.5, 0.5, 0.5), strict=False
        )
    ]
    around, _ = slow_kriged(DEPARTMENT_KERNEL, TARGET, [*seen, Seen(COARSE[1], 0.0, 2000, 0.5)])
    assert turnout_layered(view)[1:].tolist() == pytest.approx([expected + around] * 2, abs=1e-12)


def test_a_past_of_contests_by_commune_without_electors_is_none() -> None:
    empty = CommuneRecord(
        *(COARSE[0], COARSE[0].results_known_on, np.array(["A-0"]), np.array(["A"])),
        *(np.zeros(1, np.int32), np.zeros(1, np.int32)),
    )
    ledger = villages()
    bare, told = view_of(ledger), view_of(dataclasses.replace(ledger, communes=(empty,)))
    for feature in (turnout_layered, turnout_variance):
        assert feature(told) == pytest.approx(feature(bare))


# --- the first round ---


@given(seed=SEED, follow=st.booleans())
def test_the_layers_of_the_first_round_add_up_to_what_is_followed(seed: int, follow: bool) -> None:
    """Also where a commune, or its department, is not known: then what lies around it is all there is."""
    ledger = dataclasses.replace(full_ledger(seed), follow=follow)
    view = view_of(ledger, notice=with_strangers(notice_of(ledger)))
    parts = [f(view) for f in (first_round_department, first_round_commune, first_round_station)]
    at = view.first_round
    assert at == view.panel.position(FIRST)
    assert np.sum(parts, axis=0) == pytest.approx(view.followed.turnout[:, at], abs=1e-12)
    totals = view.panel
    unknown = totals.communes.registered[totals.commune_row, at] == 0
    assert unknown.any() and (parts[1][unknown] == 0).all()
    nowhere = totals.departments.registered[totals.department_row, at] == 0
    assert nowhere.any() and (np.abs(parts)[:, nowhere] < 1e-12).all()


def test_the_layers_of_the_first_round_by_hand() -> None:
    """A: 800 of 2000, of these A-1 600 of 1000, A-1-0 400 of 500. B, and so the nation, came to half."""
    codes = ["A-1-0", "A-1-1", "A-2-0", "B-1-0"]
    voted = [400, 200, 200, 700]
    one = record(FIRST, codes, [500, 500, 1000, 1000], voted, [[n, 0] for n in voted])
    new = record(TARGET, codes, [500, 500, 1000, 1000], [1] * 4, [[1, 0]] * 4)
    view = view_of(Ledger(NAMES, (one, new)))
    of_a, of_1, own = deviation(800, 2000, 0.5), deviation(600, 1000, 0.5), deviation(400, 500, 0.5)
    assert first_round_department(view)[0] == pytest.approx(of_a)
    assert first_round_commune(view)[0] == pytest.approx(of_1 - of_a)
    assert first_round_station(view)[0] == pytest.approx(own - of_1)
    assert first_round_station(view)[2:].tolist() == pytest.approx([0, 0])


@given(seed=SEED)
def test_first_rounds_have_no_first_round(seed: int) -> None:
    ledger = full_ledger(seed)
    for contest in (FIRST, LAST):
        view = view_of(ledger, contest)
        for f in (first_round_department, first_round_commune, first_round_station, orphaned_share):
            made = f(view)
            assert made.shape == (len(view.notice.stations),) and np.isnan(made).all()


def offer(ledger: Ledger, standing: Sequence[bool]) -> Notice:
    notice = notice_of(ledger)
    return dataclasses.replace(notice, standing=np.tile(standing, (len(notice.stations), 1)))


def test_orphaned_votes_by_hand() -> None:
    """Its own 100 of 400 went, of its commune's 300 of 1000; a new one is as its commune."""
    codes = ["A-1-0", "A-1-1"]
    one = record(FIRST, codes, [500, 700], [400, 600], [[300, 100], [400, 200]])
    new = record(TARGET, [*codes, "A-1-2", "Z-1-0"], [500, 700, 600, 10], [1] * 4, [[1, 0]] * 4)
    ledger = Ledger(NAMES, (one, new), follow=False)
    gone = orphaned_share(view_of(ledger, notice=offer(ledger, (True, False))))
    assert gone == pytest.approx([(100 + 50 * 0.3) / 450, (200 + 50 * 0.3) / 650, 0.3, 0.0])
    assert orphaned_share(view_of(ledger, notice=offer(ledger, (True, True)))).tolist() == [0] * 4
    assert orphaned_share(view_of(ledger, notice=offer(ledger, (False, False))))[:3] == pytest.approx([1] * 3)


def test_stations_whose_shares_are_not_known_do_not_thin_out_the_commune_s_orphans() -> None:
    """Of the commune 400 votes can be told, a quarter orphaned; 600 others are of unknown blocs."""
    codes = ["A-1-0", "A-1-1"]
    one = record(FIRST, codes, [500, 700], [400, 600], [[300, 100], [400, 200]], shares_known=[True, False])
    new = record(TARGET, codes, [500, 700], [1] * 2, [[1, 0]] * 2)
    ledger = Ledger(NAMES, (one, new), follow=False)
    gone = orphaned_share(view_of(ledger, notice=offer(ledger, (True, False))))
    assert gone == pytest.approx([0.25, 0.25])


@given(seed=SEED)
def test_orphaned_votes_are_a_part(seed: int) -> None:
    ledger = full_ledger(seed)
    standing = np.random.default_rng(seed).random(3) < 0.5
    gone = orphaned_share(view_of(ledger, notice=offer(ledger, standing.tolist())))
    assert (gone >= 0).all() and (gone <= 1 + 1e-12).all()
