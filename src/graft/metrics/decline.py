"""Declining is an answer: right exactly where the question has none."""

from __future__ import annotations

from typing import Literal

from graft.types import Question, Record, Score

__all__ = ["Decline", "expects_answer", "unanswered"]


def expects_answer(question: Question) -> bool:
    """Tell whether a question can be answered from the corpus; if not, declining is right."""
    return question.answerable and bool(question.answers)


class Decline:
    """1 where the record declined an unanswerable question or answered an answerable one."""

    name = "decline"
    direction: Literal["higher", "lower"] = "higher"

    def score(self, record: Record, question: Question) -> Score:
        """Score whether it was right to decline or to answer; a failed record did neither."""
        if record.error:
            return Score(0.0, f"failed: {record.error}")
        answerable = expects_answer(question)
        if record.declined:
            reason = "declined an answerable question" if answerable else "declined, as it should"
        else:
            reason = "answered" if answerable else "answered a question that has no answer"
        return Score(float(record.declined != answerable), reason)


def unanswered(record: Record, question: Question) -> Score | None:
    """Return the score of a record without an answer to compare, None where there is one.

    Not applicable where the question has no gold answer; 0 for a declined or failed answer.
    """
    if not expects_answer(question):
        return Score(None, "the question has no answer")
    if record.error or record.declined:
        return Score(0.0, "failed" if record.error else "declined")
    return None
