"""Citation validity: how many of the numbers that an answer cites are those of passages."""

from __future__ import annotations

from typing import Literal

from graft.metrics.citations import cited_claims, texts_of
from graft.metrics.sources import NO_SOURCES, Sources
from graft.types import Question, Record, Score

__all__ = ["CitationValidity"]


class CitationValidity:
    """The share of citations whose number some passage in the prompt has."""

    name = "citation_validity"
    direction: Literal["higher", "lower"] = "higher"

    def score(self, record: Record, question: Question, sources: Sources = NO_SOURCES) -> Score:
        """Score the numbers; not applicable to an answer that cites nothing."""
        claims = cited_claims(record, sources)
        if isinstance(claims, Score):
            return Score(None, claims.reason)
        total = sum(len(claim.citations) for claim in claims)
        valid = sum(len(texts_of(claim.citations, sources)) for claim in claims)
        return Score(valid / total, f"{valid} of {total} citations name a passage")
