"""How many questions or runs it takes, and what a given number can show."""

from __future__ import annotations

import math
from collections.abc import Sequence

from graft.stats.design import ALPHA, TINY, normal_quantile

__all__ = [
    "design_effect",
    "detectable_difference",
    "exact_power",
    "minimum_n",
    "power_of",
    "quantile",
    "sample_size",
]

POWER = 0.80


def design_effect(per_cluster: float, correlation: float) -> float:
    """Return 1 + (m - 1) ICC for m questions a cluster.

    >>> design_effect(5, 0.3)
    2.2
    """
    return 1 + (per_cluster - 1) * correlation


def sample_size(
    difference: float,
    disagreement: float,
    alpha: float = ALPHA,
    power: float = POWER,
    effect: float = 1.0,
) -> int | None:
    """Return the questions needed to see a paired difference (measuring.md 3.3).

    n = (z_{alpha/2} sqrt(pi) + z_power sqrt(pi - delta^2))^2 / delta^2, times the design
    effect. None where the difference is zero or larger than the share of disagreement.

    >>> sample_size(0.10, 0.2)
    155
    """
    delta = abs(difference)
    if delta <= TINY or delta > disagreement + TINY:
        return None
    spread = math.sqrt(max(0.0, disagreement - delta**2))
    root = (
        normal_quantile(1 - alpha / 2) * math.sqrt(disagreement) + normal_quantile(power) * spread
    )
    return math.ceil(effect * (root / delta) ** 2)


def detectable_difference(
    n: int,
    disagreement: float,
    alpha: float = ALPHA,
    power: float = POWER,
    effect: float = 1.0,
) -> float | None:
    """Return the smallest difference that `n` questions show; None where none can be shown.

    The inverse of `sample_size`: with m = n / effect and z the two quantiles,
    delta sqrt(m) = z_{alpha/2} sqrt(pi) + z_power sqrt(pi - delta^2) solved for delta.
    """
    if n < 1 or disagreement <= 0:
        return None
    size, upper, lower = n / effect, normal_quantile(1 - alpha / 2), normal_quantile(power)
    inner = disagreement * (size + lower**2 - upper**2)
    if inner < 0:
        return None
    delta = (upper * math.sqrt(size * disagreement) + lower * math.sqrt(inner)) / (size + lower**2)
    return delta if delta <= disagreement else None


def power_of(
    n: int,
    difference: float,
    disagreement: float,
    alpha: float = ALPHA,
    effect: float = 1.0,
    clusters: int | None = None,
) -> float:
    """Return the probability that `n` questions show a difference: `sample_size` turned round.

    With few clusters the two quantiles are Student's with C - 1 degrees of freedom: at 20
    clusters a power of 80 % falls to 76 %.

    >>> round(power_of(155, 0.10, 0.2), 2)
    0.8
    """
    from scipy.stats import norm, t

    delta = abs(difference)
    spread = math.sqrt(max(TINY, disagreement - delta**2))
    share = 1 - alpha / 2
    limit = norm.ppf(share) if clusters is None else t.ppf(share, clusters - 1)
    reach = (delta * math.sqrt(n / effect) - limit * math.sqrt(disagreement)) / spread
    return float(norm.cdf(reach) if clusters is None else t.cdf(reach, clusters - 1))


def exact_power(n: int, difference: float, disagreement: float, alpha: float = ALPHA) -> float:
    """Return the probability that McNemar's mid-p is at most alpha, by enumeration.

    For one question a cluster. Where fewer than about twenty questions disagree, the formula
    is several points off, because p then takes few values.
    """
    import numpy as np
    from scipy.stats import binom

    share, found = (disagreement + difference) / (2 * disagreement), 0.0
    for total in range(n + 1):
        chance = float(binom.pmf(total, n, disagreement))
        if chance < TINY:
            continue
        won = np.arange(total + 1)
        fewer = np.minimum(won, total - won)
        p = 2 * binom.cdf(fewer, total, 0.5) - binom.pmf(fewer, total, 0.5)
        found += chance * float(binom.pmf(won, total, share)[p <= alpha].sum())
    return found


def minimum_n(share: float, confidence: float = 0.95) -> int:
    """Return the runs needed for an upper bound of a quantile (p95: 59, p90: 29, p99: 299).

    The largest of n values is above the quantile with probability 1 - share^n.
    """
    return math.ceil(math.log(1 - confidence) / math.log(share))


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the order statistic ceil(share * n), or None with fewer than `minimum_n` values."""
    if len(values) < minimum_n(share):
        return None
    return sorted(values)[math.ceil(share * len(values) - TINY) - 1]
