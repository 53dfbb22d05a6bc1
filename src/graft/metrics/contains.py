"""Containment: a gold answer stands somewhere in the answer, however long that is.

Beside exact match it tells form from knowledge: an answer that contains the gold but does
not match it knows the fact and says more.
"""

from __future__ import annotations

from typing import Literal

from graft.metrics.decline import unanswered
from graft.metrics.normalise import has_run, words_of
from graft.types import Question, Record, Score

__all__ = ["Contains"]


class Contains:
    """1 where the words of a gold answer stand in the answer without a gap."""

    name = "contains"
    direction: Literal["higher", "lower"] = "higher"

    def score(self, record: Record, question: Question) -> Score:
        """Score content alone; a declined or failed answer scores 0."""
        if (without := unanswered(record, question)) is not None:
            return without
        words = words_of(record.answer)
        for gold in question.answers:
            if has_run(words, words_of(gold)):
                return Score(1.0, f"contains {gold!r}")
        return Score(0.0, f"does not contain {question.answers[0]!r}")
