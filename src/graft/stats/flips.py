"""Sign flips of whole clusters: the p-value of a paired difference that assumes least.

If two arms are equally good, each cluster's difference could as well have had the other sign.
All p-values are two-sided mid-p (half of the observed outcome's own probability), which for
one question a cluster is exactly McNemar's mid-p. `paired` is the user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graft.stats.design import TINY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["sign_flip_p", "whole_flip_p"]

EXACT_FLIPS = 15  # 2**15 sign patterns are enumerated in a few milliseconds
FLIPS = 10_000  # p is then known to 0.002 (standard error) at p = 0.05
LARGEST_SUM = 100_000  # of whole numbers; their distribution has as many points


def sign_flip_p(totals: Floats, seed: int) -> float:
    """Return the two-sided mid-p of the sum of cluster totals when whole clusters change sign.

    Exact for whole numbers (binary scores) and for up to 15 clusters that differ at all; else
    Monte Carlo, the observed signs counted as one more draw.
    """
    import numpy as np

    moving = totals[np.abs(totals) > TINY]
    observed = abs(float(moving.sum()))
    if observed <= TINY:
        return 1.0
    whole = np.rint(moving)
    if np.abs(moving - whole).max() <= TINY and np.abs(whole).sum() <= LARGEST_SUM:
        return float(whole_flip_p(whole)[round(observed)])
    if len(moving) <= EXACT_FLIPS:
        patterns = np.arange(2 ** len(moving))[:, None] >> np.arange(len(moving)) & 1
        sums = np.abs((1.0 - 2.0 * patterns) @ moving)
        above, level = sums > observed + TINY, np.abs(sums - observed) <= TINY
        return float(above.mean() + level.mean() / 2)
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(FLIPS, len(moving)))
    sums = np.abs(signs @ moving)
    above, level = sums > observed + TINY, np.abs(sums - observed) <= TINY
    return float((above.sum() + (1 + level.sum()) / 2) / (1 + FLIPS))


def whole_flip_p(totals: Floats) -> Floats:
    """Return the mid-p of every absolute sum 0, 1, 2, … that sign flips of whole totals give.

    The distribution is built up one cluster after another, without any drawing.

    >>> import numpy as np
    >>> round(float(whole_flip_p(np.ones(10))[8]), 4)
    0.0117
    """
    import numpy as np

    sizes = np.abs(totals).astype(np.int64)
    sizes = sizes[sizes > 0]
    chances = np.zeros(int(sizes.sum()) + 1)  # at j: that the totals counted up make j
    chances[0], top = 1.0, 0
    for size in sizes:
        raised = chances / 2
        raised[size : top + size + 1] += chances[: top + 1] / 2
        chances, top = raised, top + int(size)
    absolute = np.bincount(np.abs(2 * np.arange(top + 1) - top), chances, top + 1)
    found: Floats = np.cumsum(absolute[::-1])[::-1] - absolute / 2
    found[0] = 1.0
    return np.minimum(found, 1.0)
