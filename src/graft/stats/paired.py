"""Paired differences between two arms, their p-values and several of them at once."""

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
    cluster_sums,
    layout_of,
    standard_error_of,
    stratum_of,
    student_quantile,
)
from graft.stats.discordance import difference_limit, tango_bounds
from graft.stats.flips import sign_flip_p
from graft.stats.intervals import combined_bounds
from graft.stats.resampling import bca_bounds
from graft.stats.spread import spread_of, totals_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "Difference",
    "holm",
    "mcnemar_mid_p",
    "mean_difference",
    "paired_difference",
    "simultaneous_alpha",
]

FEW_CLUSTERS = 40  # measuring.md 3.2: below it the bootstrap draws from too little


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

    p is the mid-p of sign flips of whole clusters, which with one question a cluster is
    McNemar's. See `difference_bounds` for the interval.
    """
    import numpy as np

    values, at = np.asarray(differences, dtype=float), layout_of(design)
    estimate = float(values.mean() if at.strata == 1 else at.weight @ values)
    error, n = standard_error_of(values, at), len(values)
    won, lost = int(np.sum(values > TINY)), int(np.sum(values < -TINY))
    low, high = difference_bounds(values, at, alpha, seed)
    if at.clusters < 2:
        p = 1.0
    elif _is_binary(values) and at.clusters == n and at.strata == 1:
        p = mcnemar_mid_p(won, lost)
    else:
        weighted = values if at.strata == 1 else at.weight * values
        p = sign_flip_p(cluster_sums(weighted, at), seed)
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


def difference_bounds(values: Floats, at: Layout, alpha: float, seed: int) -> tuple[float, float]:
    """Return the interval of the mean of per-question differences.

    Differences of binary scores: Tango's score interval, its limit widened by the design
    effect. Graded ones: BCa over clusters from 40 clusters on, else Student's t. Several
    strata: their intervals put together (`combined_bounds`).
    """
    parts = []
    for stratum in range(at.strata):
        inside, own = stratum_of(at, stratum)
        parts.append(_stratum_bounds(values[inside], own, alpha, seed))
    return parts[0] if at.strata == 1 else combined_bounds(parts, values, at)


def _stratum_bounds(values: Floats, at: Layout, alpha: float, seed: int) -> tuple[float, float]:
    import numpy as np

    if at.clusters < 2:
        widest = max(1.0, float(np.abs(values).max()))
        return -widest, widest
    totals = totals_of(values, at)
    if _is_binary(values):
        won, lost = int(np.sum(values > 0)), int(np.sum(values < 0))
        return tango_bounds(won, lost, len(values), float(difference_limit(totals, alpha)))
    spread = spread_of(totals)
    error, tail = math.sqrt(spread.variance), student_quantile(1 - alpha / 2, float(spread.freedom))
    if at.clusters >= FEW_CLUSTERS and error > TINY:
        return bca_bounds(values, at, alpha, seed, error=error, tail=tail)
    return float(spread.mean) - tail * error, float(spread.mean) + tail * error


def _is_binary(values: Floats) -> bool:
    """Tell whether these are differences of scores that are 0 or 1."""
    import numpy as np

    return bool(np.isin(values, (-1.0, 0.0, 1.0)).all())


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
