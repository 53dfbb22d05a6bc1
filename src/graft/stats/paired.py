"""Paired differences between two arms, their p-values and several of them at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from graft.stats.design import (
    ALPHA,
    TINY,
    Design,
    layout_of,
    normal_quantile,
    standard_error_of,
    student_quantile,
)
from graft.stats.resampling import bca_bounds, sign_flip_p

__all__ = [
    "Difference",
    "holm",
    "mcnemar_mid_p",
    "mean_difference",
    "paired_difference",
    "simultaneous_alpha",
]

FEW_CLUSTERS = 40  # measuring.md 3.2: below it the t approximation gives way to sign flips


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired mean difference a - b, its two-sided p and what a power analysis needs.

    `disagreement` is the share of questions on which the two differ (for graded or weighted
    scores n times the sum of squared weighted differences, which is the same thing for plain
    binary ones); `design_effect` is the clustered variance over the unclustered, at least 1.
    """

    estimate: float
    standard_error: float
    low: float
    high: float
    p: float
    n: int
    clusters: int
    won: int
    lost: int
    tied: int
    disagreement: float
    design_effect: float


def paired_difference(
    a: Sequence[float], b: Sequence[float], design: Design, alpha: float = ALPHA, seed: int = 7
) -> Difference:
    """Return the mean of a - b over the same questions; see `mean_difference`."""
    return mean_difference(
        [left - right for left, right in zip(a, b, strict=True)], design, alpha, seed
    )


def mean_difference(
    differences: Sequence[float], design: Design, alpha: float = ALPHA, seed: int = 7
) -> Difference:
    """Return the mean of per-question differences with interval and two-sided p.

    Differences of binary scores, one question a cluster, one stratum: Tango's score interval
    and exact McNemar (mid-p). Otherwise the cluster-robust t interval with C - 1 degrees of
    freedom (BCa for graded scores from 40 clusters on), p from t, or from sign flips of whole
    clusters below 40 clusters, for graded scores, and where the standard error is zero.
    """
    import numpy as np
    from scipy.stats import t

    values, at = np.asarray(differences, dtype=float), layout_of(design)
    estimate, error, n = float(at.weight @ values), standard_error_of(values, at), len(values)
    won, lost = int(np.sum(values > TINY)), int(np.sum(values < -TINY))
    graded = not np.isin(values, (-1.0, 0.0, 1.0)).all()
    many = at.clusters >= FEW_CLUSTERS
    if not graded and at.clusters == n and at.strata == 1:
        low, high = _tango(won, lost, n, alpha)
        p = mcnemar_mid_p(won, lost)
    else:
        if math.isinf(error):
            low, high = -1.0, 1.0
        elif graded and many and error > TINY:
            low, high = bca_bounds(values, at, alpha, seed)
        else:
            half = student_quantile(1 - alpha / 2, at.clusters - 1) * error
            low, high = estimate - half, estimate + half
        if graded or not many or error <= TINY:
            totals = np.bincount(at.cluster, at.weight * values, at.clusters)
            p = sign_flip_p(totals.astype(np.float64), seed)
        else:
            p = float(2 * t.sf(abs(estimate) / error, at.clusters - 1))
    alone = standard_error_of(values, layout_of(Design(tuple(map(str, range(n))), design.strata)))
    effect = (error / alone) ** 2 if TINY < alone < math.inf and error < math.inf else 1.0
    return Difference(
        estimate=estimate,
        standard_error=error,
        low=low,
        high=high,
        p=p,
        n=n,
        clusters=at.clusters,
        won=won,
        lost=lost,
        tied=n - won - lost,
        disagreement=float(n * np.sum((at.weight * values) ** 2)),
        design_effect=max(1.0, effect),
    )


def mcnemar_mid_p(won: int, lost: int) -> float:
    """Return McNemar's exact two-sided mid-p from the discordant counts (Fagerland 2013).

    >>> round(mcnemar_mid_p(9, 1), 4)
    0.0117
    """
    from scipy.stats import binom

    total = won + lost
    if total == 0:
        return 1.0
    fewer = min(won, lost)
    return min(1.0, float(2 * binom.cdf(fewer, total, 0.5) - binom.pmf(fewer, total, 0.5)))


def _tango(won: int, lost: int, n: int, alpha: float) -> tuple[float, float]:
    """Return Tango's (1998) score interval of (won - lost) / n."""
    from scipy.optimize import brentq

    z, estimate = normal_quantile(1 - alpha / 2), (won - lost) / n

    def score(delta: float) -> float:
        linear = -won - lost + (2 * n - won + lost) * delta
        root = math.sqrt(max(0.0, linear**2 + 8 * n * lost * delta * (1 - delta)))
        share = (root - linear) / (4 * n)
        variance = n * (2 * share + delta * (1 - delta))
        gap = won - lost - n * delta
        if variance > 0:
            return gap / math.sqrt(variance)
        return math.copysign(math.inf, gap) if gap else 0.0

    edge = 1 - 1e-9
    low = -1.0 if estimate <= -1 else brentq(lambda d: min(score(d), 1e6) - z, -edge, estimate)
    high = 1.0 if estimate >= 1 else brentq(lambda d: max(score(d), -1e6) + z, estimate, edge)
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return Holm's adjusted p-values, in the order given.

    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return tuple(adjusted)


def simultaneous_alpha(contrasts: int, alpha: float = ALPHA) -> float:
    """Return the level at which `contrasts` intervals hold together (Bonferroni)."""
    return alpha / max(1, contrasts)
