"""Questions on which two arms part: where one flipped right, and where it flipped wrong.

Three of each, the widest gaps first and then in the order of the questions, so that the same
runs show the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from graft.decide.sheet import ArmSheet, Sheet

__all__ = ["Flip", "Flips", "flips_between"]

SHOWN = 3
NOTICEABLE = 1e-9  # a smaller gap between two scores is rounding


@dataclass(frozen=True, slots=True)
class Flip:
    """One question with both answers; `gold` is its first accepted answer, empty: decline."""

    question_id: str
    question: str
    answer: str
    other_answer: str
    gold: str


@dataclass(frozen=True, slots=True)
class Flips:
    """What changes for the reader who takes `arm` and not `other`."""

    arm: str
    other: str
    right: list[Flip] = field(default_factory=list)
    wrong: list[Flip] = field(default_factory=list)


def flips_between(sheet: Sheet, arm: str, other: str) -> Flips:
    """Return where `arm` scores higher than `other`, and where lower."""
    mine, its = sheet.arms[arm], sheet.arms[other]
    gaps = [(name, mine.primary[name] - its.primary[name]) for name in sheet.common((arm, other))]
    widest = sorted(gaps, key=lambda gap: -abs(gap[1]))
    right = [name for name, gap in widest if gap > NOTICEABLE]
    wrong = [name for name, gap in widest if gap < -NOTICEABLE]
    return Flips(
        arm,
        other,
        [_flip(sheet, mine, its, name) for name in right[:SHOWN]],
        [_flip(sheet, mine, its, name) for name in wrong[:SHOWN]],
    )


def _flip(sheet: Sheet, mine: ArmSheet, its: ArmSheet, name: str) -> Flip:
    item = sheet.questions[name]
    gold = item.answers[0] if item.answerable and item.answers else ""
    return Flip(name, item.question, _answer(mine, name), _answer(its, name), gold)


def _answer(arm: ArmSheet, name: str) -> str:
    record = arm.records[name]
    return f"failed: {record.error}" if record.error else record.answer
