"""Citation recall: how much of an answer is borne out by what it cites (as ALCE has it)."""

from __future__ import annotations

from typing import Literal

from graft.metrics.citations import carries, cited_claims, texts_of
from graft.metrics.sources import NO_SOURCES, Sources
from graft.types import Question, Record, Score

__all__ = ["CitationRecall"]


class CitationRecall:
    """The share of an answer's claims whose cited passages, taken together, entail them."""

    name = "citation_recall"
    direction: Literal["higher", "lower"] = "higher"

    def score(self, record: Record, question: Question, sources: Sources = NO_SOURCES) -> Score:
        """Score the claims; one without a citation is not borne out."""
        claims = cited_claims(record, sources)
        if isinstance(claims, Score):
            return claims
        held = sum(carries(texts_of(claim.citations, sources), claim) for claim in claims)
        return Score(held / len(claims), f"{held} of {len(claims)} claims borne out")
