"""Retrieval hit: whether a passage of a gold document reached the prompt."""

from __future__ import annotations

from typing import Literal

from graft.metrics.ranking import not_ranked
from graft.types import Question, Record, Score

__all__ = ["RetrievalHit"]


class RetrievalHit:
    """1 where at least one gold document is among the passages in the prompt."""

    name = "retrieval_hit"
    direction: Literal["higher", "lower"] = "higher"

    def score(self, record: Record, question: Question) -> Score:
        """Score the passages; not applicable without retrieval or without gold documents."""
        if (without := not_ranked(record, question)) is not None:
            return without
        found = set(record.passage_doc_ids) & set(question.doc_ids)
        return Score(float(bool(found)), f"{len(found)} of {len(set(question.doc_ids))} found")
