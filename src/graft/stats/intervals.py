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
    stratum_of,
    student_quantile,
)
from graft.stats.spread import Totals, limit_of, spread_of, totals_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Interval", "combined_bounds", "mean_bounds", "mean_interval", "wilson"]


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
    import numpy as np

    share = successes / n
    low, high = wilson_bounds(np.asarray(share), n, np.asarray(normal_quantile(1 - alpha / 2)))
    return Interval(share, float(low), float(high), round(n), round(n))


def wilson_bounds(share: Floats, n: float, limit: Floats) -> tuple[Floats, Floats]:
    """Return the shares p with |share - p| = limit sqrt(p (1 - p) / n) (Wilson 1927)."""
    import numpy as np

    extra = limit**2 / n
    centre = (share + extra / 2) / (1 + extra)
    half = limit / (1 + extra) * np.sqrt(share * (1 - share) / n + extra / (4 * n))
    low = np.where(share <= 0, 0.0, np.maximum(0.0, centre - half))
    high = np.where(share >= 1, 1.0, np.minimum(1.0, centre + half))
    return low, high


def mean_interval(
    values: Sequence[float], design: Design, alpha: float = ALPHA, seed: int = 7
) -> Interval:
    """Return the interval of one arm's mean score, which lies in [0, 1].

    See `mean_bounds` for one stratum, `combined_bounds` for several. Nothing is drawn: `seed`
    is taken so that all estimates of a verdict are called alike.
    """
    import numpy as np

    scores, at = np.asarray(values, dtype=float), layout_of(design)
    parts = []
    for stratum in range(at.strata):
        inside, own = stratum_of(at, stratum)
        binary = bool(np.isin(scores[inside], (0.0, 1.0)).all())
        parts.append(mean_bounds(totals_of(scores[inside], own), alpha, binary=binary))
    bounds = [(float(low), float(high)) for low, high in parts]
    low, high = bounds[0] if at.strata == 1 else combined_bounds(bounds, scores, at)
    estimate = float(scores.mean() if at.strata == 1 else at.weight @ scores)
    return Interval(estimate, max(0.0, low), min(1.0, high), len(scores), at.clusters)


def mean_bounds(totals: Totals, alpha: float, *, binary: bool) -> tuple[Floats, Floats]:
    """Return the interval of the mean of values in [0, 1]: Wilson's with a clustered limit.

    The variance of the mean is taken to grow with p (1 - p), as it does for shares exactly and
    for graded scores nearly, so the interval stays in [0, 1] and is wider towards 1/2. A cluster
    counts as one question at least, and as just one where there is no spread to see.
    """
    import numpy as np

    n, clusters = float(totals.sizes.sum()), len(totals.sizes)
    spread = spread_of(totals)
    if clusters < 2 or (binary and clusters == n):
        plain = np.asarray(math.sqrt(spread.held) * normal_quantile(1 - alpha / 2))
        return wilson_bounds(spread.mean, n, plain)
    variable = spread.mean * (1 - spread.mean)
    seen = (spread.single > TINY) & (spread.variance > TINY**2) & (variable > TINY)
    effect = np.where(seen, spread.variance * n / np.where(seen, variable, 1.0), spread.held)
    limit = limit_of(effect, spread.freedom, alpha, binary=binary)
    most = student_quantile(1 - alpha / 2, clusters - 1) * math.sqrt(spread.held)
    return wilson_bounds(spread.mean, n, np.minimum(limit, most))


def combined_bounds(
    bounds: Sequence[tuple[float, float]], values: Floats, at: Layout
) -> tuple[float, float]:
    """Return the interval of a mean of strata's means from the strata's own intervals.

    MOVER (Zou and Donner 2008), with the correlation of the strata's estimates across clusters:
    a stratum answered wholly right keeps its own uncertainty.
    """
    import numpy as np

    means = np.bincount(at.stratum, values) / np.bincount(at.stratum)
    totals = [
        residual_totals(np.where(at.stratum == stratum, values, 0.0), at)
        for stratum in range(at.strata)
    ]
    norms = np.array([math.sqrt(float(item @ item)) or 1.0 for item in totals])
    correlation = np.array([[x @ y for y in totals] for x in totals]) / np.outer(norms, norms)
    np.fill_diagonal(correlation, 1.0)
    estimate = float(means.mean())
    below = (means - np.array([low for low, _ in bounds])) / at.strata
    above = (np.array([high for _, high in bounds]) - means) / at.strata
    low = estimate - math.sqrt(max(0.0, float(below @ correlation @ below)))
    high = estimate + math.sqrt(max(0.0, float(above @ correlation @ above)))
    return low, high
