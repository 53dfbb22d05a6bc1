"""Every stored measure of an arm as a mean with its interval, and what a record counts as.

The means are over answerable questions, each weighing the same; a question to which a measure
does not apply is not in its `n`. `ScoreCell` is the form of every score in a comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from graft.decide.sheet import ArmSheet, Sheet, score_of
from graft.stats import ALPHA, Design, Interval, mean_interval

__all__ = ["MEASURES", "RIGHT", "Outcome", "ScoreCell", "cell_of", "mean_cell", "measures_of",
           "outcome_of"]  # fmt: skip

MEASURES = (
    "contains",
    "exact",
    "f1",
    "key_fact_recall",
    "support",
    "citation_precision",
    "citation_recall",
    "citation_validity",
    "retrieval_hit",
    "retrieval_recall",
    "mrr",
    "ndcg",
)

# A graded score (token F1 of a long answer) counts as right from here on, where answers are
# counted: half of the words of answer and gold together are then shared.
RIGHT = 0.5

Outcome = Literal["right", "wrong", "declined", "failed"]


@dataclass(frozen=True, slots=True)
class ScoreCell:
    """A mean score with its 95 % interval over `n` questions; no questions, no score."""

    score: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0


def cell_of(interval: Interval | None) -> ScoreCell:
    """Return an interval as a cell, an empty one for None."""
    if interval is None:
        return ScoreCell()
    return ScoreCell(interval.estimate, interval.low, interval.high, interval.n)


def mean_cell(
    sheet: Sheet, scores: Mapping[str, float], ids: Sequence[str], seed: int
) -> ScoreCell:
    """Return the mean over those questions that have a score, each weighing the same."""
    scored = [name for name in ids if name in scores]
    if not scored:
        return ScoreCell()
    design = Design(sheet.design(scored).clusters)
    return cell_of(mean_interval([scores[name] for name in scored], design, ALPHA, seed))


def measures_of(sheet: Sheet, arm: ArmSheet, seed: int) -> dict[str, ScoreCell]:
    """Return the mean of each measure; `n` is 0 where it applies to no question of the arm."""
    ids = sheet.ids(answerable=True)
    cells = {}
    for measure in MEASURES:
        scores = {
            name: score
            for name in ids
            if name in arm.records and (score := score_of(arm.records[name], measure)) is not None
        }
        cells[measure] = mean_cell(sheet, scores, ids, seed)
    return cells


def outcome_of(arm: ArmSheet, name: str) -> Outcome | None:
    """Return what became of a question; None where it has no record or no score.

    An answer to a question that has none is wrong, whatever it says.
    """
    record = arm.records.get(name)
    if record is None:
        return None
    if record.error:
        return "failed"
    if record.declined:
        return "declined"
    if name not in arm.primary:
        return None
    return "right" if arm.primary[name] >= RIGHT else "wrong"
