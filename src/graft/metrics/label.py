"""Labels: the answer is the label and nothing else."""

from __future__ import annotations

import re
from typing import Literal

from graft.metrics.decline import unanswered
from graft.types import Question, Record, Score

__all__ = ["Label", "label_form"]


def label_form(text: str) -> str:
    """Return a label without case, quotes around it, a last full stop and kinds of space.

    Signs stay, so C, C++ and C#, or +1 and -1, are different labels.

    >>> label_form(' "Refund_not showing-up." ')
    'refund not showing up'
    """
    bare = text.strip().strip("\"'`“”‘’").strip().removesuffix(".")
    return re.sub(r"(?<=\w)[\s_-]+(?=\w)|_+", " ", bare.casefold()).strip()


class Label:
    """1 where the answer is a gold label."""

    name = "label"
    direction: Literal["higher", "lower"] = "higher"

    def score(self, record: Record, question: Question) -> Score:
        """Score the label; a declined or failed answer scores 0."""
        if (without := unanswered(record, question)) is not None:
            return without
        form = label_form(record.answer)
        for gold in question.answers:
            if form and form == label_form(gold):
                return Score(1.0, f"is the label {gold!r}")
        return Score(0.0, f"is not the label {question.answers[0]!r}")
