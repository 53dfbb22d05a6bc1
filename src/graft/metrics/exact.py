"""Exact match after normalisation (SQuAD's measure, numbers read first)."""

from __future__ import annotations

from typing import Literal

from graft.metrics.decline import unanswered
from graft.metrics.normalise import words_of
from graft.types import Question, Record, Score

__all__ = ["Exact", "gold_stated"]


class Exact:
    """1 where the answer's words are those of a gold answer; not applicable without one."""

    name = "exact"
    direction: Literal["higher", "lower"] = "higher"

    def score(self, record: Record, question: Question) -> Score:
        """Score form and content together; a declined or failed answer scores 0."""
        if (without := unanswered(record, question)) is not None:
            return without
        if (gold := gold_stated(record.answer, question)) is not None:
            return Score(1.0, f"matches {gold!r}")
        return Score(0.0, f"does not match {question.answers[0]!r}")


def gold_stated(answer: str, question: Question) -> str | None:
    """Return the gold answer whose words an answer has and no others, if there is one."""
    words = words_of(answer)
    return next((gold for gold in question.answers if words and words == words_of(gold)), None)
