"""Answering and declining as counts, and the rates made of them (measuring.md 2.3)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from graft.decide.measures import outcome_of
from graft.decide.sheet import ArmSheet, Sheet

__all__ = ["Abstention", "abstention_of"]


@dataclass(frozen=True, slots=True)
class Abstention:
    """What became of questions with and without an answer; failed ones are in no count.

    Declining is right on an unanswerable question: `recall` is the share of these that were
    declined, `precision` the share of all declined that were of these. `over_refusal` is the
    share of answerable questions that were declined, `selective_accuracy` that of the right
    among all that were answered. A rate over nothing is None.
    """

    answered_right: int
    answered_wrong: int
    declined_answerable: int
    declined_unanswerable: int
    answered_unanswerable: int
    recall: float | None
    precision: float | None
    over_refusal: float | None
    selective_accuracy: float | None


def abstention_of(sheet: Sheet, arm: ArmSheet) -> Abstention:
    """Count an arm's answers."""
    has_one = Counter(outcome_of(arm, name) for name in sheet.ids(answerable=True))
    has_none = Counter(outcome_of(arm, name) for name in sheet.ids(answerable=False))
    right, wrong, declined = has_one["right"], has_one["wrong"], has_one["declined"]
    rightly, answered = has_none["declined"], has_none["right"] + has_none["wrong"]
    return Abstention(
        answered_right=right,
        answered_wrong=wrong,
        declined_answerable=declined,
        declined_unanswerable=rightly,
        answered_unanswerable=answered,
        recall=_share(rightly, rightly + answered),
        precision=_share(rightly, rightly + declined),
        over_refusal=_share(declined, right + wrong + declined),
        selective_accuracy=_share(right, right + wrong + answered),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
