"""Risk and coverage: what would go wrong if an arm answered only where it is most sure.

Confidence orders the answers of one arm and is never compared between arms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from graft.decide.sheet import ArmSheet

__all__ = ["MOST_POINTS", "RiskCoverage", "risk_coverage"]

MOST_POINTS = 50


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """Points (coverage, risk) from the surest answer on, and the area under them.

    Coverage is the share of all questions asked that are answered at some demand on
    confidence, risk 1 minus the mean primary score of these. A declined question is never
    covered, so the curve ends where the arm declines. Down to a coverage of 0 the first risk
    is taken to hold. `n` counts the answers with a confidence.
    """

    points: list[list[float]]
    area: float
    n: int


def risk_coverage(arm: ArmSheet) -> RiskCoverage | None:
    """Return the curve of an arm, None where its answers have no confidence."""
    asked = [name for name, record in arm.records.items() if not record.error]
    answers = []
    for name in asked:
        record = arm.records[name]
        sure = record.confidence
        if not record.declined and name in arm.primary and sure is not None and math.isfinite(sure):
            answers.append((sure, arm.primary[name]))
    if not answers:
        return None
    curve = _curve(sorted(answers, reverse=True), len(asked))
    area = 0.0
    before, risk_before = 0.0, curve[0][1]
    for coverage, risk in curve:
        area += (coverage - before) * (risk + risk_before) / 2
        before, risk_before = coverage, risk
    return RiskCoverage(_thinned(curve), area, len(answers))


def _curve(answers: Sequence[tuple[float, float]], asked: int) -> list[list[float]]:
    """Return a point for each demand that can be made; equally sure answers come together."""
    points, lost = [], 0.0
    for count, (sure, score) in enumerate(answers, 1):
        lost += 1 - score
        if count == len(answers) or answers[count][0] < sure:
            points.append([count / asked, lost / count])
    return points


def _thinned(points: list[list[float]]) -> list[list[float]]:
    """Return at most `MOST_POINTS` of the points, evenly, the first and the last among them."""
    if len(points) <= MOST_POINTS:
        return points
    step = (len(points) - 1) / (MOST_POINTS - 1)
    return [points[round(number * step)] for number in range(MOST_POINTS)]
