"""The texts that an answer is held against: what the gold documents say, what was shown.

A record holds ids alone, so whoever scores it hands the texts over. Measures of grounding are
not applicable where a text is missing, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from graft.types import Question, Record, Score

__all__ = ["NO_SOURCES", "Grounded", "Sources"]


@dataclass(frozen=True, slots=True)
class Sources:
    """Texts by where they come from.

    `documents` maps a document's id to the texts of its passages, `shown` holds the texts of
    the passages in the prompt in the order of their numbers; `asks_citations` says that the
    prompt asks for citations, so that an answer without one falls short.
    """

    documents: Mapping[str, Sequence[str]] = field(default_factory=dict)
    shown: tuple[str, ...] = ()
    asks_citations: bool = False

    def gold(self, question: Question) -> tuple[str, ...]:
        """Return the passages of a question's gold documents, none where they are not known."""
        return tuple(
            text for name in question.doc_ids for text in self.documents.get(name, ()) if text
        )


NO_SOURCES = Sources()


class Grounded(Protocol):
    """A metric that holds an answer against texts; without them it does not apply."""

    name: str
    direction: Literal["higher", "lower"]

    def score(self, record: Record, question: Question, sources: Sources = NO_SOURCES) -> Score:
        """Score a record; not applicable where a text is missing."""
        ...
