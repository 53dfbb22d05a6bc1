"""Key facts: how many of the short statements that a good answer makes the answer makes."""

from __future__ import annotations

from typing import Literal

from graft.metrics.decline import unanswered
from graft.metrics.entailment import entails
from graft.types import Question, Record, Score

__all__ = ["KeyFacts"]


class KeyFacts:
    """The share of a question's key facts that the answer entails (`lexical`)."""

    name = "key_facts"
    direction: Literal["higher", "lower"] = "higher"

    def score(self, record: Record, question: Question) -> Score:
        """Score content alone, in any order; a declined or failed answer scores 0."""
        if not question.key_facts:
            return Score(None, "the question has no key facts")
        if (without := unanswered(record, question)) is not None:
            return without
        made = sum(entails(record.answer, fact) for fact in question.key_facts)
        return Score(made / len(question.key_facts), f"{made} of {len(question.key_facts)} made")
