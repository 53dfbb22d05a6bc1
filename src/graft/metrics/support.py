"""Support: how much of an answer stands in the question's gold documents.

Corpus faithfulness of measuring.md 2.2. It needs no retrieved passage, so arms with and
without retrieval compare; a declined answer claims nothing and is its own category.
"""

from __future__ import annotations

from typing import Literal

from graft.metrics.claims import claims_of
from graft.metrics.decline import expects_answer
from graft.metrics.entailment import entails
from graft.metrics.sources import NO_SOURCES, Sources
from graft.types import Question, Record, Score

__all__ = ["Support"]


class Support:
    """The share of an answer's claims that some passage of a gold document entails."""

    name = "support"
    direction: Literal["higher", "lower"] = "higher"

    def score(self, record: Record, question: Question, sources: Sources = NO_SOURCES) -> Score:
        """Score the claims; one passage must carry a claim alone."""
        if not expects_answer(question):
            return Score(None, "the question has no answer")
        if record.error or record.declined:
            return Score(None, "failed" if record.error else "declined")
        gold = sources.gold(question)
        if not gold:
            return Score(None, "no text of a gold document")
        claims = claims_of(record.answer)
        if not claims:
            return Score(None, "the answer claims nothing")
        held = sum(any(entails(text, claim.text) for text in gold) for claim in claims)
        return Score(held / len(claims), f"{held} of {len(claims)} claims supported")
