"""Citation precision: how many of the citations matter (as ALCE has it)."""

from __future__ import annotations

from typing import Literal

from graft.metrics.citations import carries, cited_claims, texts_of
from graft.metrics.claims import Claim
from graft.metrics.sources import NO_SOURCES, Sources
from graft.types import Question, Record, Score

__all__ = ["CitationPrecision"]


class CitationPrecision:
    """The share of citations that matter.

    One matters where the passages cited with it entail the claim, and either it does so alone
    or they do not without it. A number that no passage has does not matter.
    """

    name = "citation_precision"
    direction: Literal["higher", "lower"] = "higher"

    def score(self, record: Record, question: Question, sources: Sources = NO_SOURCES) -> Score:
        """Score every citation of every claim."""
        claims = cited_claims(record, sources)
        if isinstance(claims, Score):
            return claims
        total = sum(len(claim.citations) for claim in claims)
        useful = sum(_useful(claim, sources) for claim in claims)
        return Score(useful / total, f"{useful} of {total} citations matter")


def _useful(claim: Claim, sources: Sources) -> int:
    if not carries(texts_of(claim.citations, sources), claim):
        return 0
    count = 0
    for number in claim.citations:
        alone = texts_of([number], sources)
        others = texts_of([item for item in claim.citations if item != number], sources)
        count += bool(alone) and (carries(alone, claim) or not carries(others, claim))
    return count
