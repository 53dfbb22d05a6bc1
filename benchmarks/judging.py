"""What `benchmarks.statistics` counts in one cell: each function simulates and judges.

Batches go through the arithmetic of `graft.stats` on cluster totals; `CHECKED` replicates of
every cell go question by question through the public functions and must give the same.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from benchmarks.clustered import (
    SHARES,
    Cell,
    answer_patterns,
    batches,
    expand,
    outcomes,
    sizes_of,
)
from graft.stats import (
    ALPHA,
    Design,
    best_set,
    design_effect,
    detectable_difference,
    exact_power,
    mean_difference,
    mean_interval,
    paired_difference,
    power_of,
)
from graft.stats.discordance import difference_limit, score_at
from graft.stats.flips import whole_flip_p
from graft.stats.intervals import mean_bounds
from graft.stats.resampling import Sums, draws, left_out_means, may_be_best, resampled_means
from graft.stats.spread import Totals, jackknife_variance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CHECKED = 5
TOGETHER = 0.5  # correlation of two arms' answers to one question
SWAPS = 4  # further data sets from one: two equal arms change places in half of the clusters
ARMS = 4
BOOTSTRAP_SEED = 7
SCREEN = 1.5
GRADES = (0.0, 0.25, 0.5, 0.75, 1.0)
GRADED_AT, GRADED_PART = 100, 20
MIDDLE = 0.3  # of the graded scores lie between wrong and right, or 0.6 of the rarer end
DISAGREEMENT = (0.2, 0.3)
AIMED = 0.80
FORMULA_FROM = 100  # questions; below it, and below 20 that disagree, p takes few values
RARE = 20
NEAR = 1e-9


class Differs(AssertionError):
    """The batch and the public function disagree: the simulation would be of something else."""


def coverage(cell: Cell, replicates: int, seed: int) -> dict[str, Any]:
    """Count how often the interval of a binary mean holds the true share."""
    import numpy as np

    values, chances = np.array([0.0, 1.0]), np.array([1 - cell.share, cell.share])
    return _covered(cell, replicates, seed, values, chances)


def graded_coverage(cell: Cell, replicates: int, seed: int) -> dict[str, Any]:
    """Count how often the interval of a graded mean holds the true one."""
    import numpy as np

    return _covered(cell, replicates, seed, np.array(GRADES), _grade_chances(cell.share))


def _grade_chances(share: float) -> Floats:
    """Return the chance of each grade, so that the mean is the share."""
    import numpy as np

    middle = min(MIDDLE, 1.2 * min(share, 1 - share))
    return np.array([1 - share - middle / 2, *[middle / 3] * 3, share - middle / 2])


def _covered(
    cell: Cell, replicates: int, seed: int, values: Floats, chances: Floats
) -> dict[str, Any]:
    import numpy as np

    rng, sizes = cell.random(seed, f"coverage {len(values)}"), sizes_of(cell)
    truth, held, width, below, checked = float(values @ chances), 0, 0.0, 0, CHECKED
    for count in batches(replicates, cell, len(values)):
        counts = outcomes(rng, count, cell, chances)
        totals = Totals(sizes, counts @ values, counts @ values**2)
        binary = np.isin(counts @ (values * (1 - values)), 0.0).all(axis=1)
        low, high = mean_bounds(totals, ALPHA, binary=True)
        if len(values) > 2:
            graded = mean_bounds(totals, ALPHA, binary=False)
            low, high = np.where(binary, low, graded[0]), np.where(binary, high, graded[1])
        low, high = np.maximum(low, 0.0), np.minimum(high, 1.0)
        for row in range(min(checked, count)):
            clusters, scores = expand(counts[row], values)
            found = mean_interval(list(scores), Design(clusters))
            _same(cell, (found.low, found.high), (float(low[row]), float(high[row])))
        checked = 0
        held += int(((low <= truth) & (truth <= high)).sum())
        below += int((high < truth).sum())
        width += float((high - low).sum())
    return {
        "covered": held / replicates,
        "too_low": below / replicates,
        "width": width / replicates,
    }


def graded_pairs(cell: Cell, replicates: int, seed: int) -> dict[str, Any]:
    """Count false alarms and intervals without 0 of two equally good graded arms.

    Only at 100 questions and for a part of the replicates: each is worked out by the public
    function, with its own bootstrap and its own drawn sign flips.
    """
    import numpy as np

    if cell.n != GRADED_AT or cell.clusters == cell.n:
        return {"alarm": None, "outside": None}
    alone = _grade_chances(cell.share)
    both = (1 - TOGETHER) * np.outer(alone, alone) + TOGETHER * np.diag(alone)
    values = np.subtract.outer(np.array(GRADES), np.array(GRADES)).ravel()
    rng, alarm, outside = cell.random(seed, "graded pairs"), 0, 0
    runs = max(1, replicates // GRADED_PART)
    for counts in outcomes(rng, runs, cell, both.ravel()):
        clusters, differences = expand(counts, values)
        found = mean_difference(list(differences), Design(clusters))
        alarm += found.p <= ALPHA
        outside += not found.low <= 0 <= found.high
    return {"alarm": alarm / runs, "outside": outside / runs, "runs": runs}


def _pairs(
    rng: np.random.Generator, count: int, cell: Cell, share: float, difference: float
) -> tuple[Floats, Floats]:
    """Return wins and losses by replicate and cluster, `share` of questions disagreeing."""
    import numpy as np

    won, lost = (share + difference) / 2, (share - difference) / 2
    counts = outcomes(rng, count, cell, np.array([won, lost, 1 - share]))
    return counts[..., 0], counts[..., 1]


def _flip_p(differences: Floats) -> Iterator[Floats]:
    """Yield for each replicate the p of every absolute sum; equal ones are worked out once."""
    import numpy as np

    @functools.lru_cache(maxsize=50_000)
    def worked_out(key: bytes) -> Floats:
        magnitudes = np.frombuffer(key, dtype=np.int16).astype(float)
        return whole_flip_p(magnitudes[magnitudes > 0])

    for row in np.sort(np.abs(differences), axis=1).astype(np.int16):
        yield worked_out(row[row > 0].tobytes())


def alarms(cell: Cell, replicates: int, seed: int) -> dict[str, Any]:
    """Count how often two equally good arms are said to differ (p at most 5 %).

    From each replicate further equally likely ones are made, in which the arms have changed
    places in half of the clusters: more data sets for the price of one. `outside` counts
    intervals without 0.
    """
    import numpy as np

    rng, sizes = cell.random(seed, "alarms"), sizes_of(cell)
    share = 2 * cell.share * (1 - cell.share) * (1 - TOGETHER)
    signs = np.vstack([np.ones(cell.clusters), rng.choice((-1.0, 1.0), (SWAPS, cell.clusters))])
    alarm, outside, checked = np.zeros(1 + SWAPS), 0, CHECKED
    for count in batches(replicates, cell, 3):
        won, lost = _pairs(rng, count, cell, share, 0.0)
        sums = np.abs((won - lost) @ signs.T).astype(int)
        p = np.array([table[row] for table, row in zip(_flip_p(won - lost), sums, strict=True)])
        for row in range(min(checked, count)):
            _same(cell, (_public_p(won[row], lost[row], sizes),), (float(p[row, 0]),))
        checked = 0
        alarm += (p <= ALPHA).sum(axis=0)
        limit = difference_limit(Totals(sizes, won - lost, won + lost), ALPHA)
        score = score_at(0.0, won.sum(axis=1), lost.sum(axis=1), float(cell.n))
        outside += int((np.abs(score) > limit).sum())
    return {
        "alarm": float(alarm.mean()) / replicates,
        "alarm_plain": float(alarm[0]) / replicates,
        "outside": outside / replicates,
    }


def _public_p(won: Floats, lost: Floats, sizes: Floats) -> float:
    """Return p as a user gets it, from the answers of two arms to every question."""
    import numpy as np

    counts = np.stack([won, lost, sizes - won - lost], axis=1)
    clusters, answers = expand(counts, np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    return paired_difference(list(answers[:, 0]), list(answers[:, 1]), Design(clusters)).p


def winners(cell: Cell, replicates: int, seed: int) -> dict[str, Any]:
    """Count how often a single one of equally good arms may be the best (four arms, and two).

    Only where the leader is `SCREEN` standard errors ahead of the second is the whole rule
    worked out, for its limit is always higher.
    """
    import numpy as np

    rng, sizes = cell.random(seed, "winners"), sizes_of(cell)
    patterns, chances = answer_patterns(ARMS, cell.share, TOGETHER)
    taken = draws(cell.clusters, BOOTSTRAP_SEED)
    single, of_two, out, looked, checked = 0, 0, 0, 0, CHECKED
    for count in batches(replicates, cell, len(chances)):
        counts = outcomes(rng, count, cell, chances)
        sums = np.swapaxes(counts @ patterns, 1, 2)
        ordered = np.take_along_axis(sums, np.argsort(-sums.sum(2), axis=1)[..., None], axis=1)
        ahead = _ahead(ordered[:, 0] - ordered[:, 1], sizes, cell.n)
        ahead_of_two = _ahead(sums[:, 0] - sums[:, 1], sizes, cell.n)
        for row in range(count):
            check = row < checked
            if check or ahead[row] > SCREEN:
                kept = _kept(sums[row], sizes, taken)
                single += sum(kept) == 1
                if check:
                    _check_best(cell, counts[row], patterns, kept)
            if check or ahead_of_two[row] > SCREEN:
                of_two += sum(_kept(sums[row, :2], sizes, taken)) == 1
        # the first arm is as good as any: how often is it ruled out, on a tenth of the rows
        for row in range(0, count, 10):
            looked, out = looked + 1, out + (not _kept(sums[row], sizes, taken)[0])
        checked = 0
    return {
        "single": single / replicates,
        "single_of_two": of_two / replicates,
        "best_out": out / looked,
    }


def _ahead(lead: Floats, sizes: Floats, n: int) -> Floats:
    """Return leads in standard errors, 0 where nothing differs."""
    import numpy as np

    variance = jackknife_variance(sizes, lead)
    found: Floats = np.abs(lead.sum(axis=1)) / n / np.sqrt(np.where(variance > 0, variance, np.inf))
    return np.where((variance > 0) | (lead.sum(axis=1) == 0), found, np.inf)


def _kept(sums: Floats, sizes: Floats, taken: Floats) -> list[bool]:
    totals = Sums(sums[None], sizes[None])
    means = sums.sum(axis=1) / sizes.sum()
    return may_be_best(means, resampled_means(totals, taken), left_out_means(totals), ALPHA)


def _check_best(cell: Cell, counts: Floats, patterns: Floats, kept: list[bool]) -> None:
    clusters, answers = expand(counts, patterns)
    scores = {str(arm): list(answers[:, arm]) for arm in range(ARMS)}
    found = best_set(scores, Design(clusters), ALPHA, BOOTSTRAP_SEED)
    members = tuple(str(arm) for arm, stays in enumerate(kept) if stays)
    if found.members != members:
        raise Differs(f"{cell.name}: best set {found.members} and {members}")


def power(cell: Cell, replicates: int, seed: int) -> dict[str, Any]:
    """Return how far the share of differences found is from the power worked out beforehand.

    True differences are those that the formula promises to find in 80 %. With one question a
    cluster `gap` is the distance to the formula where at least 20 of at least 100 questions
    disagree, `gap_exact` elsewhere that to enumeration. With clusters `short` is by how much
    less is found than the formula with Student's quantiles promises, `short_plain` than the
    plain one does. An arm's share of right answers plays no part: only one share runs.
    """
    gaps: dict[str, list[float]] = {"gap": [], "gap_exact": [], "short": [], "short_plain": []}
    shown, sizes = {}, sizes_of(cell)
    effect = design_effect(float((sizes**2).sum()) / cell.n, cell.correlation)
    for share in DISAGREEMENT if cell.share == SHARES[1] and cell.even else ():
        difference = detectable_difference(cell.n, share, ALPHA, AIMED, effect)
        telling = cell.n >= FORMULA_FROM and cell.n * share / effect >= RARE
        if difference is None or not (telling or cell.clusters == cell.n):
            continue
        found = _found(cell, replicates, seed, share, difference)
        plain = power_of(cell.n, difference, share, ALPHA, effect)
        if cell.clusters < cell.n:
            expected = power_of(cell.n, difference, share, ALPHA, effect, cell.clusters)
            gaps["short"].append(max(0.0, expected - found))
            gaps["short_plain"].append(max(0.0, plain - found))
        elif telling:
            expected = plain
            gaps["gap"].append(abs(found - expected))
        else:
            expected = exact_power(cell.n, difference, share)
            gaps["gap_exact"].append(abs(found - expected))
        shown[str(share)] = {"difference": difference, "found": found, "expected": expected}
    return {**{name: max(values, default=None) for name, values in gaps.items()}, "shown": shown}


def _found(cell: Cell, replicates: int, seed: int, share: float, difference: float) -> float:
    """Return the share of replicates in which a true difference has p of at most 5 %."""
    import numpy as np

    rng, found = cell.random(seed, f"power {share}"), 0
    for count in batches(replicates, cell, 3):
        won, lost = _pairs(rng, count, cell, share, difference)
        sums = np.abs((won - lost).sum(axis=1)).astype(int)
        p = [table[at] for table, at in zip(_flip_p(won - lost), sums, strict=True)]
        found += int((np.array(p) <= ALPHA).sum())
    return found / replicates


def _same(cell: Cell, public: tuple[float, ...], batch: tuple[float, ...]) -> None:
    if not all(math.isclose(a, b, abs_tol=NEAR) for a, b in zip(public, batch, strict=True)):
        raise Differs(f"{cell.name}: {public} and {batch}")
