"""Token F1: how far the bags of words of answer and gold overlap (SQuAD's measure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from graft.metrics.decline import unanswered
from graft.metrics.normalise import words_of
from graft.types import Question, Record, Score

__all__ = ["F1", "overlap_f1"]

SHOWN = 40  # characters of the gold answer in a reason


def overlap_f1(words: Sequence[str], gold: Sequence[str]) -> float:
    """Return 2PR / (P + R) over bags of words; 1 if both are empty, 0 if one is.

    >>> overlap_f1(("blue", "dot"), ("dot",))
    0.6666666666666666
    """
    if not words or not gold:
        return float(not words and not gold)
    shared = sum((Counter(words) & Counter(gold)).values())
    return 2 * shared / (len(words) + len(gold))


class F1:
    """The best token F1 over the gold answers."""

    name = "f1"
    direction: Literal["higher", "lower"] = "higher"

    def score(self, record: Record, question: Question) -> Score:
        """Score the overlap; a declined or failed answer scores 0."""
        if (without := unanswered(record, question)) is not None:
            return without
        words = words_of(record.answer)
        scored = [(overlap_f1(words, words_of(gold)), gold) for gold in question.answers]
        best, gold = max(scored, key=lambda pair: pair[0])
        shown = gold if len(gold) <= SHOWN else gold[:SHOWN] + "…"
        return Score(best, f"token F1 {best:.2f} with {shown!r}")
