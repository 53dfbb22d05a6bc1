"""What a model has seen of a question's answer: computed from training rows, never declared.

`fact`: an answer of the question is the learned part of some row of its gold document.
`document`: text of its gold document stands in some row. `unseen`: neither. A question
without gold documents counts by its answer alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from graft.questions import normalised
from graft.types import Exposure, Question, TrainingRow

__all__ = ["Seen", "exposures", "seen_in", "trained_on_test"]


@dataclass(frozen=True, slots=True)
class Seen:
    """The traces that training rows leave: learned (document, answer) pairs and documents."""

    learned: frozenset[tuple[str, str]]
    documents: frozenset[str]

    def __or__(self, other: Seen) -> Seen:
        """Return what either has seen."""
        return Seen(self.learned | other.learned, self.documents | other.documents)


def seen_in(rows: Iterable[TrainingRow]) -> Seen:
    """Collect the traces of rows."""
    learned, documents = set(), set()
    for row in rows:
        documents |= {*row.doc_ids, *row.gold_doc_ids}
        if row.kind in ("closed", "context", "cloze"):
            learned |= {(doc_id, _plain(row.answer)) for doc_id in row.gold_doc_ids or ("",)}
    return Seen(frozenset(learned), frozenset(documents))


def exposures(questions: Sequence[Question], seen: Seen) -> Mapping[str, Exposure]:
    """Return the exposure of each question by id."""
    answers = {answer for _, answer in seen.learned}
    found: dict[str, Exposure] = {}
    for item in questions:
        gold = [_plain(answer) for answer in item.answers]
        if not item.answerable:
            found[item.id] = "unanswerable"
        elif item.doc_ids:
            fact = any((doc, answer) in seen.learned for doc in item.doc_ids for answer in gold)
            known = any(doc in seen.documents for doc in item.doc_ids)
            found[item.id] = "fact" if fact else "document" if known else "unseen"
        else:
            found[item.id] = "fact" if any(answer in answers for answer in gold) else "unseen"
    return found


def trained_on_test(trained: Collection[str], questions: Iterable[Question]) -> tuple[str, ...]:
    """Return the test questions that a trained row asks, by id or word for word.

    `trained` are the ids in the receipts of the adapters, `questions` the whole set: the text
    of a trained question is looked up there, so that a copy under another id is found too.
    """
    items = list(questions)
    learned = {normalised(item.question) for item in items if item.id in trained}
    return tuple(
        item.id
        for item in items
        if item.split == "test" and (item.id in trained or normalised(item.question) in learned)
    )


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).strip(" .")
