"""How far a clustered mean may be off: variance, design effect, degrees of freedom, limit.

It works on cluster totals alone. All functions take one sample (one total a cluster) or a
batch of them (more axes in front of the clusters), so a simulation of thousands of samples
runs the very arithmetic that judges one. `intervals`, `paired` and `resampling` are the users.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from graft.stats.design import TINY, Layout, cluster_sums, normal_quantile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Spread", "Totals", "jackknife_variance", "limit_of", "spread_of", "totals_of"]


class Totals(NamedTuple):
    """The questions of each cluster, the sum of their values and of the values squared."""

    sizes: Floats
    sums: Floats
    squares: Floats


class Spread(NamedTuple):
    """A mean over questions and how far it may be off.

    `single` is the variance of one question's value, `variance` that of the mean, `freedom`
    the degrees of freedom of the latter; `held` is the design effect if all questions of a
    cluster had one value.
    """

    mean: Floats
    single: Floats
    variance: Floats
    freedom: Floats
    held: float


def totals_of(values: Floats, at: Layout) -> Totals:
    """Return the totals of one sample by cluster, weights and strata aside."""
    import numpy as np

    sizes = np.bincount(at.cluster, minlength=at.clusters).astype(np.float64)
    return Totals(sizes, cluster_sums(values, at), cluster_sums(values**2, at))


def jackknife_variance(sizes: Floats, sums: Floats) -> Floats:
    """Return the variance of a mean over questions, by leaving out one cluster after another.

    With clusters of one size it is the square of the standard error of measuring.md 3.2; with
    unequal ones it is larger, because a large cluster draws the mean towards itself
    (MacKinnon, Nielsen and Webb 2023, CV3). Infinite where there is one cluster.
    """
    import numpy as np

    n, clusters = sizes.sum(), len(sizes)
    mean = sums.sum(-1, keepdims=True) / n
    if clusters < 2:
        return np.full(sums.shape[:-1], np.inf)
    moved = (sums - sizes * mean) / (n - sizes)
    found: Floats = (clusters - 1) / clusters * (moved**2).sum(-1)
    return found


def spread_of(totals: Totals) -> Spread:
    """Return the mean over questions and its spread.

    The variance is the larger of two estimates: the jackknife over clusters, which assumes
    nothing but rests on few large clusters where sizes differ, and that of equally correlated
    questions within a cluster (ICC from the mean squares within). With one question a cluster
    both are the plain one.
    """
    import numpy as np

    sizes, sums, squares = totals
    n, clusters = float(sizes.sum()), len(sizes)
    mean = sums.sum(-1) / n
    single = np.maximum(squares.sum(-1) / n - mean**2, 0.0)
    held = float((sizes**2).sum()) / n
    variance = jackknife_variance(sizes, sums)
    if 1 < clusters < n:
        within = (squares - sums**2 / sizes).sum(-1) / (n - clusters)
        known = np.where(single > TINY, single, 1.0)
        correlation = np.where(single > TINY, np.clip(1 - within / known, -1 / held, 1.0), 0.0)
        variance = np.maximum(variance, (1 + (held - 1) * correlation) * single / n)
    return Spread(mean, single, variance, _freedom(sums / sizes - mean[..., None]), held)


def _freedom(residuals: Floats) -> Floats:
    """Return the degrees of freedom of a sum of squared residuals, from 1 to C - 1.

    2 S^2 / var(S), with var(S) from the sample: C - 1 for normal cluster means, fewer for
    heavy tails, where few clusters make the sum (Satterthwaite's rule).
    """
    import numpy as np

    clusters = residuals.shape[-1]
    if clusters < 2:
        return np.full(residuals.shape[:-1], 1.0)
    squares = residuals**2
    total = squares.sum(-1)
    noise = ((squares - squares.mean(-1, keepdims=True)) ** 2).sum(-1) * clusters / (clusters - 1)
    known = noise > TINY * np.maximum(total, TINY) ** 2
    freedom = np.clip(2 * total**2 / np.where(known, noise, 1.0), 1.0, clusters - 1.0)
    found: Floats = np.where(known, freedom, clusters - 1.0)
    return found


def limit_of(effect: Floats, freedom: Floats, alpha: float, *, binary: bool) -> Floats:
    """Return the two-sided limit of a score statistic that ignores clusters.

    Student's quantile times the root of the design effect. Of binary values it is at least
    the normal one: that questions of a document help each other's precision is not believed.
    """
    import numpy as np
    from scipy.stats import t

    limit: Floats = t.ppf(1 - alpha / 2, freedom) * np.sqrt(effect)
    return np.maximum(limit, normal_quantile(1 - alpha / 2)) if binary else limit
