"""The primary measure: it follows the kind of answer (design.md, rule 6).

A label must be that label, a short answer must match or be contained in an answer that is
not much longer, a long one is scored by token F1. Declining is an answer (rule 7): right
where there is none, wrong where there is one. A failed record scores 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from graft.metrics.contains import Contains
from graft.metrics.decline import Decline, expects_answer
from graft.metrics.exact import Exact
from graft.metrics.f1 import F1
from graft.metrics.label import Label
from graft.metrics.normalise import has_run, words_of
from graft.types import AnswerKind, Question, Record, Score

__all__ = ["MAX_EXTRA_WORDS", "MAX_SHORT_WORDS", "Primary", "kind_of"]

MAX_SHORT_WORDS = 8  # design.md, rule 6

# An English sentence has about 15 to 20 words, articles counted. An answer that puts the gold
# into one sentence of its own stays under this bound; a passage handed over whole (60 words
# and more) or a list of guesses does not.
MAX_EXTRA_WORDS = 16

_IDENTIFIER = re.compile(r"\w+(?:_\w+)+")


def kind_of(answers: Sequence[str]) -> AnswerKind:
    """Return the kind of a question's answers where its file gives none.

    A label is one identifier joined by underscores (`refund_not_showing_up`); other labels
    cannot be told from short answers and must be declared. Short is up to 8 words; the
    shortest answer counts, for matching one is enough. No answers count as short.

    >>> kind_of(["90 seconds"]), kind_of(["lost_card"])
    ('short', 'label')
    """
    if not answers:
        return "short"
    if all(_IDENTIFIER.fullmatch(item.strip()) for item in answers):
        return "label"
    return "short" if min(len(item.split()) for item in answers) <= MAX_SHORT_WORDS else "long"


class Primary:
    """The one measure that a verdict rests on, in [0, 1]."""

    name = "primary"
    direction: Literal["higher", "lower"] = "higher"

    def score(self, record: Record, question: Question) -> Score:
        """Score a record by the kind of its question."""
        if record.error or record.declined or not expects_answer(question):
            right = Decline().score(record, question)
            return Score(right.value, right.reason)
        if question.kind == "label":
            return Label().score(record, question)
        if question.kind == "long":
            return F1().score(record, question)
        return _short(record, question)


def _short(record: Record, question: Question) -> Score:
    exact = Exact().score(record, question)
    if exact.value:
        return exact
    words = words_of(record.answer)
    golds = [(gold, words_of(gold)) for gold in question.answers]
    held = [(gold, run) for gold, run in golds if has_run(words, run)]
    for gold, run in held:
        if len(words) <= len(run) + MAX_EXTRA_WORDS:
            return Score(1.0, f"contains {gold!r}")
    if held:
        return Score(0.0, f"contains {held[0][0]!r} but is much longer ({len(words)} words)")
    return Contains().score(record, question)
