"""Reciprocal rank: how far up the first gold document stands; its mean is MRR."""

from __future__ import annotations

from typing import Literal

from graft.metrics.ranking import found_documents, not_ranked
from graft.types import Question, Record, Score

__all__ = ["Mrr"]


class Mrr:
    """1 / rank of the first gold document in the prompt, 0 where there is none."""

    name = "mrr"
    direction: Literal["higher", "lower"] = "higher"

    def score(self, record: Record, question: Question) -> Score:
        """Score the order of documents; not applicable without retrieval or gold documents."""
        if (without := not_ranked(record, question)) is not None:
            return without
        for rank, name in enumerate(found_documents(record), 1):
            if name in question.doc_ids:
                return Score(1 / rank, f"the first gold document is number {rank}")
        return Score(0.0, "no gold document found")
