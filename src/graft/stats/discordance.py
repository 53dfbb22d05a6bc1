"""The score interval of a paired binary difference, from the questions on which arms disagree.

Tango's (1998), with a limit that is wider where questions come in clusters. Counts may be
arrays. `paired` and `noninferiority` are the users.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graft.stats.design import TINY, normal_quantile
from graft.stats.spread import Totals, limit_of, spread_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["difference_effect", "difference_limit", "score_at", "tango_bounds"]

EDGE = 1 - 1e-9


def difference_effect(totals: Totals) -> Floats:
    """Return the design effect of a mean of differences -1, 0, 1.

    1 with one question a cluster, and where the arms never differ: rare disagreements fall
    into different clusters. Where every question differs alike a cluster counts as one.
    """
    import numpy as np

    n, clusters = float(totals.sizes.sum()), len(totals.sizes)
    spread = spread_of(totals)
    unseen = np.where(np.abs(spread.mean) > TINY, spread.held, 1.0)
    if clusters < 2 or clusters == n:
        return np.where(clusters < 2, spread.held, np.ones_like(spread.mean))
    seen = (spread.single > TINY) & (spread.variance > TINY**2)
    return np.where(seen, spread.variance * n / np.where(seen, spread.single, 1.0), unseen)


def difference_limit(totals: Totals, alpha: float) -> Floats:
    """Return the two-sided limit of `score_at` for these clusters."""
    import numpy as np

    clusters = len(totals.sizes)
    effect = difference_effect(totals)
    if clusters < 2 or clusters == totals.sizes.sum():
        return normal_quantile(1 - alpha / 2) * np.sqrt(effect)
    return limit_of(effect, np.full_like(effect, clusters - 1), alpha, binary=True)


def score_at(delta: float, won: Floats, lost: Floats, n: float) -> Floats:
    """Return the score statistic of the difference (won - lost) / n against `delta`."""
    import numpy as np

    linear = -won - lost + (2 * n - won + lost) * delta
    root = np.sqrt(np.maximum(0.0, linear**2 + 8 * n * lost * delta * (1 - delta)))
    share = (root - linear) / (4 * n)  # of losses, the likeliest at this difference
    variance = n * (2 * share + delta * (1 - delta))
    gap = won - lost - n * delta
    scored = gap / np.sqrt(np.where(variance > 0, variance, 1.0))
    sure = np.where(gap == 0, 0.0, np.copysign(np.inf, gap))
    return np.where(variance > 0, scored, sure)


def tango_bounds(won: int, lost: int, n: int, limit: float) -> tuple[float, float]:
    """Return the differences whose score is `limit` and -`limit`."""
    import numpy as np
    from scipy.optimize import brentq

    estimate, highest = (won - lost) / n, 1e6
    wins, losses = np.asarray(float(won)), np.asarray(float(lost))

    def above(delta: float) -> float:
        return min(float(score_at(delta, wins, losses, n)), highest) - limit

    def below(delta: float) -> float:
        return max(float(score_at(delta, wins, losses, n)), -highest) + limit

    low = -1.0 if estimate <= -1 or above(-EDGE) <= 0 else brentq(above, -EDGE, estimate)
    high = 1.0 if estimate >= 1 or below(EDGE) >= 0 else brentq(below, estimate, EDGE)
    return float(low), float(high)
