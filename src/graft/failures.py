"""What becomes of a file that is not in the corpus: left out by rule, failed, or given up.

A failed file is tried again when it changed, when its next attempt is due, or on demand; in
between its record is kept, so that nothing is read in vain and nothing is forgotten. Times
are given by the caller; nothing here reads a clock or a file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["ATTEMPTS", "Skipped", "SkippedState", "failed", "is_due"]

SkippedState = Literal["left_out", "failed", "dead", "removed"]
ATTEMPTS = 5
# Seconds before the second, third, fourth and fifth attempt: 1, 5, 30 and 120 minutes.
_WAITS = (60.0, 300.0, 1_800.0, 7_200.0)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is not in the corpus, why, and what to do about it.

    `state` is "left_out" (a rule), "failed" (tried `attempts` times, and again at
    `next_attempt`), "dead" (given up until it changes) or "removed" (on demand). `keeps` are
    the documents of which the version before stays live. Times are seconds since 1970, and
    `signature` tells whether the file is still the one that failed.
    """

    path: str
    reason: str
    next_step: str = ""
    state: SkippedState = "left_out"
    attempts: int = 0
    last_attempt: float | None = None
    next_attempt: float | None = None
    signature: str = ""
    keeps: tuple[str, ...] = ()


def failed(item: Skipped, before: Skipped | None, signature: str, now: float) -> Skipped:
    """Return the record of a failed attempt; a file that changed starts to count anew."""
    is_same = before is not None and before.signature == signature
    attempts = (before.attempts if before is not None and is_same else 0) + 1
    is_dead = attempts >= ATTEMPTS
    return replace(
        item,
        state="dead" if is_dead else "failed",
        attempts=attempts,
        last_attempt=now,
        next_attempt=None if is_dead else now + _WAITS[attempts - 1],
        signature=signature,
    )


def is_due(item: Skipped, signature: str, now: float) -> bool:
    """Tell whether a file that failed is tried again now.

    A clock that was set back counts as due: it cannot tell how long ago the attempt was.

    >>> is_due(Skipped("a.pdf", "broken", state="dead", signature="1"), "1", 9.0)
    False
    """
    if item.signature != signature:
        return True
    if item.state == "dead" or item.next_attempt is None:
        return False
    went_back = item.last_attempt is not None and now < item.last_attempt
    return went_back or now >= item.next_attempt
