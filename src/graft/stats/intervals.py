"""The interval of one arm's mean score, binary or graded, plain or in strata."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graft.stats.design import (
    ALPHA,
    TINY,
    Design,
    Layout,
    layout_of,
    normal_quantile,
    residual_totals,
    standard_error_of,
    student_quantile,
)
from graft.stats.resampling import bca_bounds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Interval", "mean_interval", "wilson"]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its interval; `n` questions in `clusters` clusters."""

    estimate: float
    low: float
    high: float
    n: int
    clusters: int


def wilson(successes: float, n: float, alpha: float = ALPHA) -> Interval:
    """Return Wilson's score interval of a share; `n` may be an effective, fractional number.

    >>> round(wilson(81, 263).low, 3)
    0.255
    """
    z, share = normal_quantile(1 - alpha / 2), successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if share <= 0 else max(0.0, centre - half)
    high = 1.0 if share >= 1 else min(1.0, centre + half)
    return Interval(share, low, high, round(n), round(n))


def mean_interval(
    values: Sequence[float], design: Design, alpha: float = ALPHA, seed: int = 7
) -> Interval:
    """Return the interval of one arm's mean score, which lies in [0, 1].

    Binary scores: Wilson, with a design effect where a cluster holds several questions.
    Graded scores: BCa bootstrap over clusters. Several strata: their intervals are put
    together with MOVER (Zou and Donner 2008), with the correlation of the strata's estimates
    across clusters, so that a stratum answered wholly right keeps its own uncertainty.
    """
    import numpy as np

    scores, at = np.asarray(values, dtype=float), layout_of(design)
    if at.strata == 1:
        return _plain_interval(scores, at, alpha, seed)
    parts, totals = [], []
    for stratum in range(at.strata):
        inside = at.stratum == stratum
        clusters = tuple(np.array(design.clusters)[inside])
        parts.append(_plain_interval(scores[inside], layout_of(Design(clusters)), alpha, seed))
        totals.append(residual_totals(np.where(inside, scores, 0.0), at))
    norms = np.array([math.sqrt(float(item @ item)) or 1.0 for item in totals])
    correlation = np.array([[x @ y for y in totals] for x in totals]) / np.outer(norms, norms)
    np.fill_diagonal(correlation, 1.0)
    estimate = float(np.mean([part.estimate for part in parts]))
    below = np.array([part.estimate - part.low for part in parts]) / at.strata
    above = np.array([part.high - part.estimate for part in parts]) / at.strata
    low = estimate - math.sqrt(max(0.0, float(below @ correlation @ below)))
    high = estimate + math.sqrt(max(0.0, float(above @ correlation @ above)))
    return Interval(estimate, max(0.0, low), min(1.0, high), len(scores), at.clusters)


def _plain_interval(scores: Floats, at: Layout, alpha: float, seed: int) -> Interval:
    """Return the interval of an unweighted mean score."""
    import numpy as np

    mean, n, error = float(scores.mean()), len(scores), standard_error_of(scores, at)
    binary = bool(np.isin(scores, (0.0, 1.0)).all())
    if not binary and at.clusters > 1 and error > TINY:
        low, high = bca_bounds(scores, at, alpha, seed)
        return Interval(mean, max(0.0, low), min(1.0, high), n, at.clusters)
    size = float(n)
    if at.clusters < n:
        spread = mean * (1 - mean)
        # without spread the design effect cannot be seen: a cluster then counts as one question
        size = spread / error**2 if error > TINY and spread > TINY else at.clusters
        size = max(1.0, min(float(n), size))
        if at.clusters > 1:
            share = 1 - alpha / 2
            size *= (normal_quantile(share) / student_quantile(share, at.clusters - 1)) ** 2
    bounds = wilson(mean * size, size, alpha)
    return Interval(mean, bounds.low, bounds.high, n, at.clusters)
