"""Succession: which station became which between two rolls, with what weight, by which method, how surely.

Registered electors are the witness, never area: a code found again proves nothing by itself. Inside a commune
stations mostly keep their order when they are renumbered, so its two lists are aligned (alignment.py) under
three readings of what happened: the codes were kept; they were given anew; the stations were drawn anew and
nothing is left of them. A pair's confidence is its probability over all three.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .alignment import MOVES, OTHERS, PAIRING, Lists, align
from .pairs import ALIGNED, DOUBTFUL, EXACT, MERGED, SPLIT, WHOLE, Floats, Ints, Pairs, Roll, joined
from .rolls import Side, TwoRolls, compared, left, sides
from .station import Text, positions

SURE = 0.5
"""Probability from which a pair is taken for what happened, so that it has no rival."""

FAINT = 0.03
"""The same for a code found again, where nothing else is surer: its past still tells something."""

READINGS = (0.95, 0.02, 0.03)
"""How likely each reading is before the registered electors are looked at: kept, given anew, drawn anew."""

RECODED = 0.01
"""How often a station has another code though the codes of its commune were kept."""

CLEAN = 4.0
"""Scales of drift within which all stations of a commune are taken for what their codes say."""

PASSES = 3
"""Blocks of stations that changed places are found one after the other, in so many passes at most."""

AGREE = 0.25
"""Largest relative gap of a commune's registered electors at which it is taken for the same commune."""

OFFSHOOT = 0.05
"""How often a new station without a partner was split off one station alone."""

CELLS = 200_000
"""Size of a batch of lists."""


def step(old: Roll, new: Roll, became: tuple[Text, Text] | None = None) -> Pairs:
    """The pairs between two rolls; a station of either that is in none has no known partner.

    ``became``: codes of communes that are others since, and which. Each new station is in the pairs of one
    move at most, and so is each old one, codes found again below :data:`SURE` apart.
    """
    if not len(old.registered) or not len(new.registered):
        none = np.zeros(0, np.intp)
        return Pairs(none, none, np.zeros(0), np.zeros(0, np.int8), np.zeros(0))
    found = positions(new.stations.station_id, old.stations.station_id)
    case = compared(old, new, found, became)
    clean = _clean(case, found)
    parts = [_pairs(case, found[clean], clean, EXACT)]
    parts.append(_whole(case, found, *sides(case, parts)))
    for turn in range(PASSES):
        before, after = sides(case, parts)
        fewest = 1 if turn == 0 else 2
        several = np.flatnonzero((before.count > fewest) & (after.count > fewest))
        more = [_aligned(case, b, before, after, kept=turn == 0) for b in _batches(several, before, after)]
        if not any(len(p.old) for p in more):
            break
        parts += more
    parts.append(_faint(case, found, parts))
    return _with_offshoots(case, joined(parts))


def _pairs(case: TwoRolls, old: Ints, new: Ints, method: int) -> Pairs:
    """Pairs of whole stations by one method, as sure as their registered electors make them."""
    odds = np.clip(case.odds(old, new) + np.log(1 / OTHERS - 1), -50, 50)
    return Pairs(old, new, np.ones(len(old)), np.full(len(old), method, np.int8), 1 / (1 + np.exp(-odds)))


def _clean(case: TwoRolls, found: Ints) -> Ints:
    """New stations of communes whose stations all have their code and as many electors as before."""
    count = len(case.growth)
    off = np.abs(case.new_log - case.old_log[found] - case.growth[case.new_commune])
    wrong = (found < 0) | (off > CLEAN * case.drift.scale)
    bad = np.bincount(case.new_commune, weights=wrong, minlength=count) > 0
    before = np.bincount(case.old_commune[case.old_commune >= 0], minlength=count)
    bad |= before != np.bincount(case.new_commune, minlength=count)
    return np.flatnonzero(~bad[case.new_commune])


def _whole(case: TwoRolls, found: Ints, before: Side, after: Side) -> Pairs:
    """All of a commune that has one station at one of the two ends, where its electors agree.

    Unless a code of it was found again with just its electors: then that is the station, and the rest is not.
    """
    count, n_old, n_new = len(case.growth), before.count, after.count
    old_commune, new_commune = case.old_commune[before.rows], case.new_commune[after.rows]
    old = np.bincount(old_commune, weights=case.old.registered[before.rows], minlength=count)
    new = np.bincount(new_commune, weights=case.new.registered[after.rows], minlength=count)
    gap = np.abs(old - new) / np.maximum(1, np.maximum(old, new))
    single = (np.minimum(n_old, n_new) == 1) & (n_old != n_new)
    itself = _itself(case, found, after.rows[single[new_commune]])
    one = (gap <= AGREE) & ~np.isin(np.arange(count), case.new_commune[itself])
    to_one = np.flatnonzero(((n_new == 1) & (one | ((n_old == 1) & (gap < 1))))[old_commune])
    from_one = np.flatnonzero(((n_old == 1) & (n_new > 1) & one)[new_commune])
    commune = np.concatenate((old_commune[to_one], new_commune[from_one]))
    olds = np.concatenate((before.rows[to_one], before.rows[before.first[new_commune[from_one]]]))
    news = np.concatenate((after.rows[after.first[old_commune[to_one]]], after.rows[from_one]))
    part = case.new.registered[after.rows[from_one]] / np.maximum(1, new[new_commune[from_one]])
    alone = (n_old[commune] == 1) & (n_new[commune] == 1) & case.same_code(olds, news)
    method = np.where(alone, EXACT, WHOLE).astype(np.int8)
    sure = np.where(gap[commune] <= AGREE, 1.0, 1 - gap[commune])
    whole = Pairs(olds, news, np.concatenate((np.ones(len(to_one)), part)), method, sure)
    kept = whole.at((whole.weight > 0) & (whole.confidence > 0))
    return joined([kept, _pairs(case, found[itself], itself, EXACT)])


def _itself(case: TwoRolls, found: Ints, new: Ints) -> Ints:
    """Those of ``new`` whose code is found again in their commune with electors who drifted as all did."""
    here = new[found[new] >= 0]
    here = here[case.old_commune[found[here]] == case.new_commune[here]]
    apart = np.abs(case.new_log[here] - case.old_log[found[here]] - case.common)
    return np.asarray(here[apart <= CLEAN * case.drift.scale], dtype=np.intp)


def _batches(communes: Ints, before: Side, after: Side) -> Iterator[Ints]:
    """Communes whose lists are of like length, few enough to be aligned at once."""
    size = np.maximum(before.count[communes], after.count[communes])
    order = np.argsort(size, kind="stable")
    communes, size = communes[order], size[order]
    start = 0
    while start < len(communes):
        alike = int(np.searchsorted(size, 1.5 * size[start] + 2, side="right"))
        most = max(1, int(CELLS / (size[alike - 1] + 1) ** 2))
        stop = min(alike, start + most)
        yield communes[start:stop]
        start = stop


def _aligned(case: TwoRolls, communes: Ints, before: Side, after: Side, *, kept: bool) -> Pairs:
    """The pairs of some communes that are surer than not; without ``kept``, codes say nothing."""
    (old, is_old), (new, is_new) = before.padded(communes), after.padded(communes)
    same = case.same_code(old[:, :, None], new[:, None, :]) & is_old[:, :, None] & is_new[:, None, :]
    lists = Lists(
        np.where(is_old, case.old_log[old], 0.0),
        np.where(is_new, case.new_log[new], 0.0),
        before.count[communes],
        after.count[communes],
        same,
        case.growth[communes],
    )
    readings = [align(lists, case.drift, recoded) for recoded in ((RECODED, None) if kept else (None,))]
    prior = READINGS if kept else READINGS[1:]
    odds = np.stack([*(r.odds for r in readings), np.zeros(len(communes))]) + np.log(prior)[:, None]
    likely = np.exp(odds - np.logaddexp.reduce(odds, axis=0))
    moves = np.sum([p[:, None, None] * r.moves for p, r in zip(likely, readings, strict=False)], axis=0)
    return joined([_of_move(case, old, new, moves[move], *MOVES[move]) for move in range(PAIRING)])


def _of_move(case: TwoRolls, old: Ints, new: Ints, likely: Floats, a: int, b: int) -> Pairs:
    """The pairs of the moves that take ``a`` old stations to ``b`` new ones and are surer than not."""
    # Two moves that are equally likely are no certainty; sums of probabilities pass 1 in the last bits.
    k, i, j = np.nonzero(likely > SURE + 1e-9)
    sure = np.minimum(likely[k, i, j], 1.0)
    olds, news = [old[k, i - 1 - x] for x in range(a)], [new[k, j - 1 - y] for y in range(b)]
    if a == b == 1:
        pairs = _pairs(case, olds[0], news[0], EXACT)
        method = np.where(case.same_code(olds[0], news[0]), EXACT, ALIGNED).astype(np.int8)
        found = Pairs(pairs.old, pairs.new, pairs.weight, method, pairs.confidence * sure)
        return found.at(found.confidence >= SURE)
    total = np.maximum(1, np.sum([case.new.registered[n] for n in news], axis=0))
    method = np.full(len(k), SPLIT if b > 1 else MERGED, np.int8)
    return joined([Pairs(o, n, case.new.registered[n] / total, method, sure) for o in olds for n in news])


def _faint(case: TwoRolls, found: Ints, parts: list[Pairs]) -> Pairs:
    """Codes found again between stations that are in no pair yet, where that is not out of the question."""
    old_left, new_left = left(case, parts)
    free = np.zeros(len(case.old_commune), np.bool_)
    free[old_left] = True
    new = new_left[(found[new_left] >= 0) & free[found[new_left]]]
    pairs = _pairs(case, found[new], new, EXACT)
    share = _agreeing_share(case, found, new)
    sure = pairs.confidence * share
    method = np.where(sure >= SURE, EXACT, DOUBTFUL).astype(np.int8)
    return Pairs(pairs.old, pairs.new, pairs.weight, method, sure).at(sure >= FAINT)


def _agreeing_share(case: TwoRolls, found: Ints, new: Ints) -> Floats:
    """Of the codes of its commune that are found again the part with as many electors, at each of ``new``."""
    rows, count = np.flatnonzero(found >= 0), len(case.growth)
    commune = case.new_commune[rows]
    agree = np.bincount(commune, weights=case.odds(found[rows], rows) > 0, minlength=count)
    share = (agree + 1) / (np.bincount(commune, minlength=count) + 1)
    return np.asarray(share[case.new_commune[new]])


def _with_offshoots(case: TwoRolls, pairs: Pairs) -> Pairs:
    """The pairs, with new stations that stand apart from the one they were split off, as where they get the
    last number of the commune.

    A pair that kept its code lost just the electors whom a station without a partner has, and no other pair
    did so nearly as well.
    """
    _, alone = left(case, [pairs])
    kept = np.flatnonzero(pairs.method == EXACT)
    if not len(alone) or not len(kept):
        return pairs
    near = case.drift.scale * CLEAN
    n, p = _crossed(case.new_commune[alone], case.new_commune[pairs.new[kept]])
    new, pair = alone[n], kept[p]
    old, heir = pairs.old[pair], pairs.new[pair]
    growth = case.growth[case.new_commune[new]]
    together = np.logaddexp(case.new_log[heir], case.new_log[new])
    shrunk = case.new_log[heir] - case.old_log[old] - growth < -near
    odds = case.drift.odds(case.old_log[old], together, growth) - np.logaddexp(0.0, case.odds(old, heir))
    score = np.where(shrunk, OFFSHOOT * np.exp(np.clip(odds, -50, 50)), 0.0)
    likely = score / (1 + np.bincount(new, weights=score, minlength=len(case.new_log))[new])
    # A station that is the offshoot of one, and has one offshoot.
    sure = np.flatnonzero(likely >= SURE)
    once = np.bincount(pair[sure], minlength=len(pairs.old))[pair[sure]] == 1
    sure = sure[once]
    return _split_off(case, pairs, pair[sure], new[sure], likely[sure])


def _crossed(some: Ints, others: Ints) -> tuple[Ints, Ints]:
    """Every pair of a position in ``some`` and one in ``others`` of the same commune."""
    order = np.argsort(others, kind="stable")
    first = np.searchsorted(others[order], some, side="left")
    count = np.searchsorted(others[order], some, side="right") - first
    rows = np.repeat(np.arange(len(some)), count)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    return rows, order[first[rows] + within]


def _split_off(case: TwoRolls, pairs: Pairs, pair: Ints, new: Ints, sure: Floats) -> Pairs:
    """The pairs, those at ``pair`` shared with the stations ``new``."""
    heir = case.new.registered[pairs.new[pair]].astype(np.float64)
    part = heir / np.maximum(1, heir + case.new.registered[new])
    weight, method, confidence = pairs.weight.copy(), pairs.method.copy(), pairs.confidence.copy()
    weight[pair], method[pair], confidence[pair] = part, SPLIT, sure
    kept = Pairs(pairs.old, pairs.new, weight, method, confidence)
    return joined([kept, Pairs(pairs.old[pair], new, 1 - part, np.full(len(new), SPLIT, np.int8), sure)])
