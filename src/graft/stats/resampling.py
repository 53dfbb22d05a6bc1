"""Whole clusters drawn again: the bootstrap of a mean and the set of the best arms.

Every function takes its seed, so the same runs give the same numbers. It works on sums by
stratum and cluster; nothing here knows a question.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from graft.stats.design import (
    ALPHA,
    TINY,
    Design,
    Layout,
    layout_of,
    normal_quantile,
    student_quantile,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["BestSet", "Sums", "best_set", "draws", "may_be_best"]

RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class BestSet:
    """The arms not ruled out as best.

    `means` are the arms' means over the same questions, `p_best` the share of resamples in
    which each led.
    """

    members: tuple[str, ...] = ()
    means: Mapping[str, float] = field(default_factory=dict)
    p_best: Mapping[str, float] = field(default_factory=dict)


class Sums(NamedTuple):
    """Scores added up: `sums` (stratum, arm, cluster), `sizes` (stratum, cluster)."""

    sums: Floats
    sizes: Floats


def sums_of(scores: Floats, at: Layout) -> Sums:
    """Return the sums of scores (arm, question) by stratum and cluster."""
    import numpy as np

    where = at.stratum * at.clusters + at.cluster
    cells = at.strata * at.clusters
    sizes = np.bincount(where, minlength=cells).astype(np.float64)
    sums = np.array([np.bincount(where, row, cells) for row in scores])
    shaped = sums.reshape(len(scores), at.strata, at.clusters).swapaxes(0, 1)
    return Sums(shaped, sizes.reshape(at.strata, at.clusters))


def resampled_means(totals: Sums, counts: Floats) -> Floats:
    """Return the means (arm, draw) when cluster c is taken `counts[draw, c]` times.

    A draw that leaves a stratum empty gives NaN.
    """
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        parts = (totals.sums @ counts.T) / (totals.sizes @ counts.T)[:, None, :]
    found: Floats = parts.mean(axis=0)
    return found


def draws(clusters: int, seed: int) -> Floats:
    """Return how often each cluster is taken in each resample, (draw, cluster)."""
    import numpy as np

    shares = np.full(clusters, 1 / clusters)
    return np.random.default_rng(seed).multinomial(clusters, shares, RESAMPLES).astype(float)


def left_out_means(totals: Sums) -> Floats:
    """Return the means (arm, cluster) with one cluster left out.

    A cluster that alone makes up a stratum cannot be left out: it has no column.
    """
    import numpy as np

    sums, sizes = totals
    sums, sizes = sums.sum(-1, keepdims=True) - sums, sizes.sum(-1, keepdims=True) - sizes
    with np.errstate(invalid="ignore", divide="ignore"):
        means: Floats = (sums / sizes[:, None, :]).mean(axis=0)
    return means[:, np.isfinite(means).all(axis=0)]


def bca_bounds(
    values: Floats, at: Layout, alpha: float, seed: int, *, error: float = 0.0, tail: float = 0.0
) -> tuple[float, float]:
    """Return the BCa interval of a mean, clusters resampled (Efron 1987).

    With few or unequal clusters the plain one is too narrow: its spread lacks what leaving
    clusters out shows, and its quantiles are normal. So where the standard error and Student's
    quantile are given, both are put in (Hesterberg 2015, expanded percentiles).
    """
    import numpy as np
    from scipy.stats import norm

    estimate, totals = float(at.weight @ values), sums_of(values[None, :], at)
    means = resampled_means(totals, draws(at.clusters, seed))[0]
    means = means[np.isfinite(means)]
    reach = max(tail, normal_quantile(1 - alpha / 2))
    reach *= max(1.0, error / max(float(means.std()), TINY)) if error else 1.0
    below = np.mean(means < estimate - TINY) + np.mean(np.abs(means - estimate) <= TINY) / 2
    bias = normal_quantile(min(max(float(below), 1 / len(means)), 1 - 1 / len(means)))
    left_out = left_out_means(totals)[0]
    pull = left_out.mean() - left_out
    spread = float(np.sum(pull**2)) ** 1.5
    speed = float(np.sum(pull**3)) / (6 * spread) if spread > 0 else 0.0
    ends = bias + np.array([-reach, reach])
    scale = 1 - speed * ends  # at 0 and below the correction has no end: the extreme resample
    moved = np.where(scale > TINY, ends / np.maximum(scale, TINY), np.sign(ends) * np.inf)
    low, high = np.quantile(means, norm.cdf(bias + moved))
    return float(low), float(high)


def best_set(
    scores: Mapping[str, Sequence[float]], design: Design, alpha: float = ALPHA, seed: int = 7
) -> BestSet:
    """Return the arms not ruled out as best, from one joint bootstrap over clusters.

    See `may_be_best`. A tie for the lead in a resample is shared out equally.
    """
    import numpy as np

    names, at = tuple(scores), layout_of(design)
    rows = np.array([scores[name] for name in names], dtype=float)
    means, totals = rows @ at.weight, sums_of(rows, at)
    drawn = resampled_means(totals, draws(at.clusters, seed))
    drawn = drawn[:, np.isfinite(drawn).all(axis=0)]
    leading = drawn >= drawn.max(axis=0) - TINY
    p_best = (leading / leading.sum(axis=0)).mean(axis=1)
    kept = may_be_best(means, drawn, left_out_means(totals), alpha)
    return BestSet(
        tuple(name for name, stays in zip(names, kept, strict=True) if stays),
        dict(zip(names, map(float, means), strict=True)),
        dict(zip(names, map(float, p_best), strict=True)),
    )


def may_be_best(means: Floats, drawn: Floats, left_out: Floats, alpha: float) -> list[bool]:
    """Return for each arm whether it may be the best.

    Multiple comparisons with the best (Hsu 1996): arm i is ruled out when for some j the lead
    (mean_j - mean_i) / se_ij is above the 1 - level quantile of the largest centred lead over
    i. The level is alpha (k - 1) / k for k arms: the truly best arm is then ruled out with
    probability at most alpha, and of k equally good arms a single one is left with at most
    alpha too (k - 1 of them would have to be ruled out at once; with two arms it is the
    two-sided test). One cluster rules nothing out.

    The bootstrap gives the quantile. Its spread lacks sqrt(C / (C - 1)) and what large
    clusters draw towards themselves, which the left-out clusters show; and it is normal where
    t with C - 1 degrees of freedom would hold.
    """
    import numpy as np

    arms, clusters = left_out.shape
    if clusters < 2 or arms < 2:
        return [True] * arms
    level = alpha * (arms - 1) / arms
    tail = student_quantile(1 - level, clusters - 1) / normal_quantile(1 - level)
    moved = left_out - means[:, None]
    kept = []
    for index in range(arms):
        leads = means - means[index]
        centred = drawn - drawn[index] - leads[:, None]
        spread = centred.std(axis=1)
        moving = spread > TINY
        limit = 0.0
        if moving.any():
            limit = float(np.quantile((centred[moving].T / spread[moving]).max(1), 1 - level))
        jackknife = np.sqrt((clusters - 1) / clusters * ((moved - moved[index]) ** 2).sum(axis=1))
        error = np.maximum(jackknife, spread * math.sqrt(clusters / (clusters - 1)))
        reach = max(0.0, limit * tail) * error
        kept.append(not np.where(moving, leads > reach, leads > TINY).any())
    return kept
