"""nDCG@10: how well the order of the found documents follows how well they fit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from graft.metrics.ranking import found_documents, gold_grades, not_ranked
from graft.types import Question, Record, Score

__all__ = ["CUTOFF", "Ndcg"]

CUTOFF = 10


class Ndcg:
    """DCG / ideal DCG of the first ten documents; DCG = sum of (2^grade - 1) / log2(rank + 1).

    The ideal is all gold documents, best first, whether found or not (measuring.md 2.4).
    """

    name = "ndcg"
    direction: Literal["higher", "lower"] = "higher"

    def score(self, record: Record, question: Question) -> Score:
        """Score the order of documents; not applicable without retrieval or gold documents."""
        if (without := not_ranked(record, question)) is not None:
            return without
        grades = gold_grades(question)
        ideal = _gain(sorted(grades.values(), reverse=True))
        if ideal <= 0:
            return Score(None, "no gold document has a grade above 0")
        value = _gain(grades.get(name, 0) for name in found_documents(record)) / ideal
        return Score(min(1.0, value), f"nDCG@{CUTOFF} {value:.2f}")


def _gain(grades: Iterable[int]) -> float:
    ranked = list(grades)[:CUTOFF]
    return math.fsum((2**grade - 1) / math.log2(rank + 1) for rank, grade in enumerate(ranked, 1))
