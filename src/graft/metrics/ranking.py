"""What the measures of retrieval share: gold documents with grades, found documents by rank.

The unit is the document, as a question names documents: the first passage of a document
gives it its rank, the further ones do not count again.
"""

from __future__ import annotations

from collections.abc import Mapping

from graft.metrics.decline import expects_answer
from graft.types import Question, Record, Score

__all__ = ["found_documents", "gold_grades", "not_ranked"]


def not_ranked(record: Record, question: Question) -> Score | None:
    """Return the score where retrieval does not apply, None where it does.

    Passages that were found and did not fit (`shortened`) are retrieval that missed.
    """
    if not expects_answer(question) or not question.doc_ids:
        return Score(None, "no gold document")
    if not record.passages and not record.shortened:
        return Score(None, "nothing retrieved")
    return None


def gold_grades(question: Question) -> Mapping[str, int]:
    """Return how well each gold document fits, 1 where the question gives no grades."""
    grades = question.grades or (1,) * len(question.doc_ids)
    return dict(zip(question.doc_ids, grades, strict=False))


def found_documents(record: Record) -> tuple[str, ...]:
    """Return the documents of the passages in the prompt, best first, each once.

    A passage of no document (a training pair may have none) keeps its place as an empty id.
    """
    seen: set[str] = set()
    found = []
    for name in record.passage_doc_ids:
        if not name or name not in seen:
            found.append(name)
        seen.add(name)
    return tuple(found)
