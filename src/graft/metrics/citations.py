"""What the measures of citations share: which answers they apply to, and what was cited."""

from __future__ import annotations

from collections.abc import Iterable

from graft.metrics.claims import Claim, claims_of
from graft.metrics.entailment import entails
from graft.metrics.sources import Sources
from graft.types import Record, Score

__all__ = ["carries", "cited_claims", "texts_of"]


def cited_claims(record: Record, sources: Sources) -> tuple[Claim, ...] | Score:
    """Return the claims of an answer, or the score where citations do not apply.

    They do not without passages in the prompt, without an answer, and where an answer that
    was not asked to cite does not; one that was asked and does not scores 0.
    """
    if record.error or record.declined:
        return Score(None, "failed" if record.error else "declined")
    if not sources.shown:
        return Score(None, "no passages in the prompt")
    claims = claims_of(record.answer)
    if not claims:
        return Score(None, "the answer claims nothing")
    if not any(claim.citations for claim in claims):
        return Score(0.0 if sources.asks_citations else None, "cites nothing")
    return claims


def texts_of(numbers: Iterable[int], sources: Sources) -> list[str]:
    """Return the texts of the passages with these numbers; a number of none has no text."""
    return [sources.shown[item - 1] for item in numbers if 1 <= item <= len(sources.shown)]


def carries(texts: Iterable[str], claim: Claim) -> bool:
    """Tell whether texts, taken together, entail a claim."""
    return entails("\n\n".join(texts), claim.text)
