"""The verdict in one plain sentence that needs no knowledge of statistics.

It names the arm, the numbers with interval and count, the base model and the date, for a
verdict holds for no other (design.md, rule 9).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graft.decide.checks import reason_of
from graft.decide.sheet import simplicity
from graft.stats import Difference, Interval

__all__ = ["Findings", "sentence_of"]

DATE_LENGTH = len("2026-01-31")


@dataclass(frozen=True, slots=True)
class Findings:
    """What the sentence is made of; `order` has the candidates, the leader first.

    `lead` is the leader's difference to the second; `level` says that the whole tie set is
    practically tied; `below` are the arms not above `control`, the best control; `declining`
    says that the set has questions without an answer.
    """

    base_model: str
    created: str
    blocked_by: Sequence[str]
    clear: bool
    recommended: str
    order: Sequence[str]
    tie_set: Sequence[str]
    level: bool
    below: Sequence[str]
    control: str
    headlines: Mapping[str, Interval]
    lead: Difference | None
    margin: float
    needed: int | None
    declining: bool
    graded: bool


def sentence_of(found: Findings) -> str:
    """Return the verdict in words."""
    if found.blocked_by:
        reasons = "; ".join(reason_of(code) for code in found.blocked_by)
        return f"No recommendation: {reasons}. {_stamp(found)}"
    if not found.recommended:
        return _none(found)
    if found.clear and found.lead is not None:
        return _winner(found, found.lead)
    if len(found.order) == 1:
        arm = found.recommended
        return (
            f"Only {arm} was measured: {_achieves(found, arm)}; there is no other arm to "
            f"compare it with. {_stamp(found)}"
        )
    return _undecided(found)


def _winner(found: Findings, lead: Difference) -> str:
    arm, second = found.order[0], found.order[1]
    text = (
        f"Use {arm}: {_achieves(found, arm)}, {_points(lead.estimate)} more than {second}, "
        f"the next best ({_whole(lead.low)} to {_whole(lead.high)})"
    )
    if lead.low <= found.margin:
        text += f"; the lead may be less than the {_points(found.margin)} that matter"
    return f"{text}. {_stamp(found)}"


def _undecided(found: Findings) -> str:
    """Say that several are level, which one to take all the same, and what would settle it."""
    names = sorted(found.tie_set, key=simplicity)
    scores = _joined([_percent(found.headlines[name].estimate) for name in names])
    numbers = f"({scores}, n = {found.headlines[found.recommended].n})"
    reason = f"{found.recommended} is recommended {_why(found, names)}"
    if found.level:
        margin = _points(found.margin)
        return (
            f"{_joined(names)} are practically level, less than {margin} apart {numbers}; "
            f"{reason}. {_stamp(found)}"
        )
    if found.needed is None:
        ending = "their scores are too close to say how many more questions would settle it"
    else:
        noun = "question" if found.needed == 1 else "questions"
        ending = f"about {_rounded(found.needed)} more {noun} would settle it"
    return (
        f"No clear winner between {_joined(names)} {numbers}; {reason}; {ending}. {_stamp(found)}"
    )


def _why(found: Findings, names: Sequence[str]) -> str:
    """Return why one arm of the tie set is taken: simpler, or simpler ones are out."""
    place = names.index(found.recommended)
    out = [name for name in names[:place] if name in found.below]
    if out:
        verb = "is" if len(out) == 1 else "are"
        return f"because {_joined(out)} {verb} not above the control {found.control}"
    return f"as the {'simpler' if len(names) == 2 else 'simplest'} one"


def _none(found: Findings) -> str:
    """Say that no arm is above the best control."""
    if not found.order or not found.control:
        return f"No recommendation: no arm could be compared. {_stamp(found)}"
    best, bar = found.headlines[found.order[0]], found.headlines[found.control]
    return (
        f"No arm beats the control {found.control}: it scores {_percent(bar.estimate)}, the best "
        f"arm, {found.order[0]}, {_percent(best.estimate)} ({_span(best)}). {_stamp(found)}"
    )


def _achieves(found: Findings, arm: str) -> str:
    """Return what an arm's headline says, as the kind of questions asks for."""
    score = found.headlines[arm]
    share = _percent(score.estimate)
    if found.declining:
        return f"it scores {share} ({_span(score)}; answering and declining count equally)"
    if found.graded:
        return f"it scores {share} ({_span(score)})"
    return f"it answers {share} of the questions rightly ({_span(score)})"


def _stamp(found: Findings) -> str:
    return f"Measured with {found.base_model} on {found.created[:DATE_LENGTH]}."


def _span(score: Interval) -> str:
    return f"{_whole(score.low)} to {_whole(score.high)} %, n = {score.n}"


def _whole(value: float) -> str:
    """Return a fraction in whole hundredths, halves upward."""
    return str(math.floor(value * 100 + 0.5))


def _percent(value: float) -> str:
    return f"{_whole(value)} %"


def _points(value: float) -> str:
    count = _whole(value)
    return f"{count} point" if count == "1" else f"{count} points"


def _rounded(count: int) -> str:
    """Return a count with two figures, for it is an estimate.

    >>> _rounded(243), _rounded(12_345)
    ('240', '12,000')
    """
    places = 2 - len(str(count))
    return f"{round(count, places) if places < 0 else count:,}"


def _joined(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
