"""Clusters, strata and weights: how a mean over questions and its error are formed.

Everything else in this package builds on it. It knows no arm and draws nothing at random.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.int64]


__all__ = ["Design"]

ALPHA = 0.05
TINY = 1e-12  # sums of the same numbers in another order differ by less


@dataclass(frozen=True, slots=True)
class Design:
    """The cluster of each question and, where given, its stratum.

    Every stratum weighs the same however many questions it holds: with S strata a question
    of stratum s weighs 1 / (S n_s), so a mean is the mean of the strata's means.
    """

    clusters: tuple[str, ...]
    strata: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """A design as integer codes, with each question's weight (they sum to 1)."""

    cluster: Codes
    stratum: Codes
    weight: Floats
    clusters: int
    strata: int


def layout_of(design: Design) -> Layout:
    import numpy as np

    names, cluster = np.unique(np.array(design.clusters), return_inverse=True)
    labels = design.strata or ("",) * len(design.clusters)
    strata, stratum = np.unique(np.array(labels), return_inverse=True)
    counts = np.bincount(stratum)
    weight = 1.0 / (len(strata) * counts[stratum])
    return Layout(cluster, stratum, weight, len(names), len(strata))


def stratum_of(at: Layout, stratum: int) -> tuple[NDArray[np.bool_], Layout]:
    """Return which questions a stratum holds, and the layout of these alone."""
    import numpy as np

    inside = at.stratum == stratum
    names, cluster = np.unique(at.cluster[inside], return_inverse=True)
    n = len(cluster)
    zeros = np.zeros(n, dtype=np.int64)
    return inside, Layout(cluster, zeros, np.full(n, 1 / n), len(names), 1)


def cluster_sums(values: Floats, at: Layout) -> Floats:
    """Return each cluster's sum of values, weights aside."""
    import numpy as np

    return np.bincount(at.cluster, values, at.clusters).astype(np.float64)


def residual_totals(values: Floats, at: Layout) -> Floats:
    """Return each cluster's weighted sum of residuals from the mean of the stratum."""
    import numpy as np

    means = np.bincount(at.stratum, values) / np.bincount(at.stratum)
    return cluster_sums(at.weight * (values - means[at.stratum]), at)


def standard_error_of(values: Floats, at: Layout) -> float:
    """Return the cluster-robust standard error, infinite where there is one cluster.

    sqrt(sum over clusters of (sum of weighted residuals)^2 * C / (C - 1)), which for equal
    weights 1/n is the formula of measuring.md 3.2.
    """
    if at.clusters < 2:
        return math.inf
    totals = residual_totals(values, at)
    return math.sqrt(float(totals @ totals) * at.clusters / (at.clusters - 1))


@lru_cache(maxsize=256)  # a verdict asks for the same few again and again
def normal_quantile(share: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(share))


@lru_cache(maxsize=256)
def student_quantile(share: float, freedom: float) -> float:
    from scipy.stats import t

    return float(t.ppf(share, freedom))
