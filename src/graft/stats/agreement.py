"""How far a judge agrees with people, and what its counts are worth once that is known.

Formulas are those of measuring.md 3.4. A label is True where an answer is right. Labelled
answers may weigh differently: one that was drawn from many of its kind stands for more.
"""

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
from graft.stats.intervals import Interval

__all__ = [
    "Reliability",
    "Steered",
    "corrected_share",
    "kappa",
    "prediction_powered",
    "reliability",
    "rogan_gladen",
]


@dataclass(frozen=True, slots=True)
class Reliability:
    """A judge against people: sensitivity q1 and specificity q0, None where not measurable.

    `right` and `wrong` are the numbers of answers that people called so (m1 and m0); with
    weights they are effective numbers, (sum of weights)^2 / (sum of squared weights).
    """

    sensitivity: float | None
    specificity: float | None
    right: float
    wrong: float

    @property
    def sum(self) -> float | None:
        """Return q0 + q1: 1 is a judge that knows nothing, 2 one that never errs."""
        if self.sensitivity is None or self.specificity is None:
            return None
        return self.sensitivity + self.specificity


@dataclass(frozen=True, slots=True)
class Steered:
    """A difference by prediction-powered inference; `weight` is lambda, 0 for labels alone."""

    estimate: float
    standard_error: float
    low: float
    high: float
    weight: float
    labelled: int
    n: int


def kappa(human: Sequence[bool], judge: Sequence[bool]) -> float | None:
    """Return Cohen's kappa, None where both only ever say one same thing (or nothing).

    >>> kappa([True, True, False, False], [True, True, True, False])
    0.5
    """
    n = len(human)
    if not n:
        return None
    agreed = sum(one == other for one, other in zip(human, judge, strict=True)) / n
    ours, theirs = sum(human) / n, sum(judge) / n
    by_chance = ours * theirs + (1 - ours) * (1 - theirs)
    return None if by_chance > 1 - TINY else (agreed - by_chance) / (1 - by_chance)


def reliability(
    human: Sequence[bool], judge: Sequence[bool], weights: Sequence[float] | None = None
) -> Reliability:
    """Return how often a judge sees right as right, and wrong as wrong.

    >>> reliability([True, True, False, False], [True, False, False, False]).sensitivity
    0.5
    """
    rows = list(zip(human, judge, weights or [1.0] * len(human), strict=True))
    right = [(float(said), weight) for truth, said, weight in rows if truth]
    wrong = [(float(not said), weight) for truth, said, weight in rows if not truth]
    return Reliability(_share(right), _share(wrong), _effective(right), _effective(wrong))


def _share(rows: Sequence[tuple[float, float]]) -> float | None:
    total = sum(weight for _, weight in rows)
    return sum(value * weight for value, weight in rows) / total if total else None


def _effective(rows: Sequence[tuple[float, float]]) -> float:
    squares = sum(weight**2 for _, weight in rows)
    return sum(weight for _, weight in rows) ** 2 / squares if squares else 0.0


def rogan_gladen(share: float, n: float, judge: Reliability, alpha: float = ALPHA) -> Interval:
    """Return the true share of right answers behind a judged one (Rogan and Gladen 1978).

    theta = (p + q0 - 1) / (q0 + q1 - 1), with the delta method's variance
    [p(1-p)/n + (1-theta)^2 q0(1-q0)/m0 + theta^2 q1(1-q1)/m1] / (q0+q1-1)^2; estimate and
    bounds are cut to [0, 1]. `n` may be an effective, fractional number. A share of 0 or 1 is
    not certain: its variance is that with one success and one failure more.

    Raises:
        ValueError: the judge is no better than chance, so nothing can be inferred.
    """
    if judge.sensitivity is None or judge.specificity is None:
        raise ValueError("sensitivity and specificity must be known")
    q0, q1 = judge.specificity, judge.sensitivity
    power = q0 + q1 - 1
    if power <= TINY:
        raise ValueError("q0 + q1 must be above 1")
    theta = min(1.0, max(0.0, (share + q0 - 1) / power))
    p = share if TINY < share < 1 - TINY else (share * n + 1) / (n + 2)
    variance = p * (1 - p) / n
    variance += (1 - theta) ** 2 * q0 * (1 - q0) / judge.wrong
    variance += theta**2 * q1 * (1 - q1) / judge.right
    half = normal_quantile(1 - alpha / 2) * math.sqrt(variance) / power
    return Interval(theta, max(0.0, theta - half), min(1.0, theta + half), round(n), round(n))


def corrected_share(
    judged: Sequence[float], design: Design, judge: Reliability, alpha: float = ALPHA
) -> Interval:
    """Return `rogan_gladen` for verdicts (0 or 1) of questions in clusters.

    The number of questions is divided by the design effect of the verdicts.

    Raises:
        ValueError: as `rogan_gladen`.
    """
    import numpy as np

    values, at = np.asarray(judged, dtype=float), layout_of(design)
    share, n = float(values.mean()), float(len(values))
    size = n
    if at.clusters < n:
        error, spread = standard_error_of(values, at), share * (1 - share)
        size = spread / error**2 if TINY < error < math.inf and spread > TINY else at.clusters
        size = max(1.0, min(n, size))
    found = rogan_gladen(share, size, judge, alpha)
    return Interval(found.estimate, found.low, found.high, int(n), at.clusters)


def prediction_powered(
    judged: Sequence[float],
    human: Sequence[float | None],
    design: Design,
    weights: Sequence[float] | None = None,
    alpha: float = ALPHA,
) -> Steered:
    """Return the mean that people would give, from many judged values and few human ones.

    One entry a question; `human` is None where nobody labelled it. The estimate is
    lambda * mean(J over all) + weighted mean(H - lambda J over the labelled), with lambda =
    Cov(H, J) / Var(J), cut to [0, 1]. Written over the questions without a label that is the
    lambda of PPI++ (Angelopoulos and others 2023), Cov(H, J) / [Var(J) (1 + n / N)] for n
    labelled and N others. The error is that of both means together, summed within clusters;
    t with the labelled clusters less one degrees of freedom.

    Raises:
        ValueError: fewer than two labelled clusters.
    """
    import numpy as np

    at = layout_of(design)
    values = np.asarray(judged, dtype=float)
    known = np.array([item is not None for item in human])
    truth = np.array([0.0 if item is None else item for item in human])
    count = len(np.unique(at.cluster[known]))
    if count < 2:
        raise ValueError("at least two labelled clusters are needed")
    share = np.where(known, np.asarray(weights or np.ones(len(values)), dtype=float), 0.0)
    share /= share.sum()
    centred = values - float(share @ values)
    spread = float(share @ centred**2)
    slope = float(share @ (centred * truth)) / spread if spread > TINY else 0.0
    slope = min(1.0, max(0.0, slope))
    gap = truth - slope * values
    mean, rest = float(values.mean()), float(share @ gap)
    parts = slope * (values - mean) / len(values) + share * (gap - rest)
    totals = np.bincount(at.cluster, parts, at.clusters)
    error = math.sqrt(float(totals @ totals) * count / (count - 1))
    estimate, half = slope * mean + rest, student_quantile(1 - alpha / 2, count - 1) * error
    return Steered(
        estimate, error, estimate - half, estimate + half, slope, int(known.sum()), len(values)
    )
