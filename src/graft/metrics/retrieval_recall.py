"""Retrieval recall: the share of the gold documents that reached the prompt."""

from __future__ import annotations

from typing import Literal

from graft.metrics.ranking import not_ranked
from graft.types import Question, Record, Score

__all__ = ["RetrievalRecall"]


class RetrievalRecall:
    """The share of a question's gold documents among the passages in the prompt."""

    name = "retrieval_recall"
    direction: Literal["higher", "lower"] = "higher"

    def score(self, record: Record, question: Question) -> Score:
        """Score the passages; not applicable without retrieval or without gold documents."""
        if (without := not_ranked(record, question)) is not None:
            return without
        gold = set(question.doc_ids)
        found = gold & set(record.passage_doc_ids)
        return Score(len(found) / len(gold), f"{len(found)} of {len(gold)} found")
