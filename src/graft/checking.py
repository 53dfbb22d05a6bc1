"""`train --check`: an adapter asked about what has changed since it was trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graft.arms import Arm
from graft.metrics.normalise import words_of
from graft.protocols import Progress
from graft.staleness import Advice, Change, Staleness

__all__ = ["KINDS", "CheckReport", "ask_changes", "kind_of_answer"]

KINDS = ("new", "old", "other", "declined")


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What an adapter says of changed facts: counts by kind of answer, the advice, the answers.

    `shares` sum to 1 where anything was asked: new answer, old answer, other, declined.
    """

    adapter: str
    stale: Staleness
    asked: int
    counts: Mapping[str, int]
    advice: Advice
    answers: Sequence[Mapping[str, Any]] = field(default_factory=tuple)

    @property
    def shares(self) -> dict[str, float]:
        """Return the share of each kind of answer."""
        return {kind: self.counts[kind] / self.asked if self.asked else 0.0 for kind in KINDS}


def kind_of_answer(answer: str, change: Change, *, declined: bool) -> str:
    """Tell which state of the fact an answer gives: "new", "old", "other" or "declined".

    An answer gives a state when it has the words of one of its answers in a row. One that has
    both gives neither: a value beside the one it replaced helps nobody. Declining is right, and
    counts as the new answer, where nothing answers the question any more.
    """
    if declined:
        return "declined" if change.new else "new"
    new = any(_holds(answer, text) for text in change.new)
    old = any(_holds(answer, text) for text in change.old)
    if new == old:
        return "other"
    return "new" if new else "old"


def _holds(answer: str, text: str) -> bool:
    words, wanted = list(words_of(answer)), list(words_of(text))
    size = len(wanted)
    return bool(size) and any(
        words[start : start + size] == wanted for start in range(len(words) - size + 1)
    )


def ask_changes(
    arm: Arm,
    changes: Sequence[Change],
    declined: Callable[[str], bool],
    on_progress: Progress | None = None,
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Ask an arm every changed question; return counts by kind and each answer."""
    counts = dict.fromkeys(KINDS, 0)
    answers = []
    for number, change in enumerate(changes, 1):
        answer = arm.answer(change.question).text
        kind = kind_of_answer(answer, change, declined=declined(answer))
        counts[kind] += 1
        answers.append(
            {
                "question": change.question,
                "old": list(change.old),
                "new": list(change.new),
                "answer": answer,
                "kind": kind,
            }
        )
        if on_progress is not None:
            on_progress("check", number, len(changes))
    return counts, answers
