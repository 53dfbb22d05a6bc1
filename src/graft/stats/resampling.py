"""Whole clusters drawn again or turned round: bootstrap, sign flips, the set of the best.

Every function takes its seed, so the same runs give the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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

__all__ = ["BestSet", "best_set"]

EXACT_FLIPS = 15  # 2**15 sign patterns are enumerated in a few milliseconds
FLIPS = 10_000  # p is then known to 0.002 (standard error) at p = 0.05
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


def resampled_means(scores: Floats, at: Layout, counts: Floats) -> Floats:
    """Return the means when cluster c is taken `counts[draw, c]` times; scores (k, n) or (n).

    A draw that leaves a stratum empty gives NaN.
    """
    import numpy as np

    rows = np.atleast_2d(scores)
    total = np.zeros((len(counts), len(rows)))
    for stratum in range(at.strata):
        inside = at.stratum == stratum
        cluster = at.cluster[inside]
        sums = np.array([np.bincount(cluster, row[inside], at.clusters) for row in rows])
        sizes = counts @ np.bincount(cluster, minlength=at.clusters).astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            total += (counts @ sums.T) / sizes[:, None]
    return total / at.strata


def _draws(at: Layout, seed: int) -> Floats:
    import numpy as np

    shares = np.full(at.clusters, 1 / at.clusters)
    return np.random.default_rng(seed).multinomial(at.clusters, shares, RESAMPLES).astype(float)


def bca_bounds(values: Floats, at: Layout, alpha: float, seed: int) -> tuple[float, float]:
    """Return the BCa interval of a mean, clusters resampled (Efron 1987)."""
    import numpy as np
    from scipy.stats import norm

    estimate = float(at.weight @ values)
    means = resampled_means(values, at, _draws(at, seed))[:, 0]
    means = means[np.isfinite(means)]
    below = np.mean(means < estimate - TINY) + np.mean(np.abs(means - estimate) <= TINY) / 2
    bias = normal_quantile(min(max(float(below), 1 / len(means)), 1 - 1 / len(means)))
    left_out = resampled_means(values, at, 1.0 - np.eye(at.clusters))[:, 0]
    left_out = left_out[np.isfinite(left_out)]
    pull = left_out.mean() - left_out
    spread = float(np.sum(pull**2)) ** 1.5
    speed = float(np.sum(pull**3)) / (6 * spread) if spread > 0 else 0.0
    ends = bias + np.array([normal_quantile(alpha / 2), normal_quantile(1 - alpha / 2)])
    low, high = np.quantile(means, norm.cdf(bias + ends / (1 - speed * ends)))
    return float(low), float(high)


def sign_flip_p(totals: Floats, seed: int) -> float:
    """Return the two-sided p of the sum of cluster totals when whole clusters change sign.

    Exact where 2^C is small (clusters without a difference do not count), else Monte Carlo
    with (1 + hits) / (1 + draws).
    """
    import numpy as np

    moving = totals[np.abs(totals) > TINY]
    observed = abs(float(moving.sum())) - TINY
    if len(moving) == 0:
        return 1.0
    if len(moving) <= EXACT_FLIPS:
        patterns = np.arange(2 ** len(moving))[:, None] >> np.arange(len(moving)) & 1
        return float(np.mean(np.abs((1.0 - 2.0 * patterns) @ moving) >= observed))
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(FLIPS, len(moving)))
    return float((1 + np.sum(np.abs(signs @ moving) >= observed)) / (1 + FLIPS))


def _few_clusters_widening(clusters: int, alpha: float) -> float:
    """Return by how much the bootstrap's limit is too narrow with few clusters.

    Its spread lacks sqrt(C / (C - 1)), and it is normal where t with C - 1 degrees of freedom
    would hold: 1.03 for 45 clusters, 1.08 for 20.
    """
    if clusters < 2:
        return 1.0
    share = 1 - alpha
    tail = student_quantile(share, clusters - 1) / normal_quantile(share)
    return tail * math.sqrt(clusters / (clusters - 1))


def best_set(
    scores: Mapping[str, Sequence[float]], design: Design, alpha: float = ALPHA, seed: int = 7
) -> BestSet:
    """Return the arms not ruled out as best, from one joint bootstrap over clusters.

    Multiple comparisons with the best (Hsu 1996): arm i is ruled out when for some j the lead
    (mean_j - mean_i) / se_ij is above the 1 - alpha quantile of the largest centred lead over
    i. So the truly best arm is ruled out with probability at most alpha. A tie for the lead
    in a resample is shared out equally. One cluster rules nothing out.
    """
    import numpy as np

    names, at = tuple(scores), layout_of(design)
    rows = np.array([scores[name] for name in names], dtype=float)
    means = rows @ at.weight
    drawn = resampled_means(rows, at, _draws(at, seed))
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    leading = drawn >= drawn.max(axis=1, keepdims=True) - TINY
    p_best = (leading / leading.sum(axis=1, keepdims=True)).mean(axis=0)
    widening = _few_clusters_widening(at.clusters, alpha)
    members = []
    for index, name in enumerate(names):
        leads = means - means[index]
        centred = drawn - drawn[:, [index]] - leads
        spread = centred.std(axis=0)
        moving = spread > TINY
        limit = 0.0
        if moving.any():
            limit = float(np.quantile((centred[:, moving] / spread[moving]).max(1), 1 - alpha))
        reach = max(0.0, limit * widening) * spread
        behind = np.where(moving, leads > reach, leads > TINY)
        if at.clusters < 2 or not behind.any():
            members.append(name)
    return BestSet(
        tuple(members),
        dict(zip(names, map(float, means), strict=True)),
        dict(zip(names, map(float, p_best), strict=True)),
    )
