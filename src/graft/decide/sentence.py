"""The verdict in one plain sentence that needs no knowledge of statistics.

It names the arm, the numbers with interval and count, the base model and the date, for a
verdict holds for no other (design.md, rule 9). What limits and target say is a clause of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graft.decide.checks import reasons_of
from graft.decide.sheet import simplicity
from graft.stats import Difference, Interval

__all__ = ["Findings", "sentence_of"]

DATE_LENGTH = len("2026-01-31")

_LIMITS = {
    "max_p50_ms": "the median time",
    "max_p95_ms": "the slowest answers",
    "max_memory_mb": "memory",
    "max_storage_mb": "storage",
    "max_build_minutes": "build time",
    "min_decline_recall": "declining",
    "min_support": "supported answers",
    "forgetting_margin": "forgetting",
}


@dataclass(frozen=True, slots=True)
class Findings:
    """What the sentence is made of; `order` has the candidates, the leader first.

    `lead` is the leader's difference to the second; `level` says that the whole tie set is
    practically tied; `below` are the arms not above `control`, the best control; `declining`
    says that the set has questions without an answer. `candidates` are the arms measured,
    `broken` the limits that arms fail (such an arm is not in `order`), `beaten` those that
    another arm beats in every respect; `reaches` are the arms shown to reach `target`.
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
    candidates: Sequence[str] = ()
    broken: Mapping[str, Sequence[str]] = field(default_factory=dict)
    beaten: Sequence[str] = ()
    target: float = 0.0
    reaches: Sequence[str] = ()


def sentence_of(found: Findings) -> str:
    """Return the verdict in words."""
    if found.blocked_by:
        text = f"No recommendation: {'; '.join(reasons_of(found.blocked_by))}"
    else:
        text = _outcome(found) + _over_the_limit(found) + _about_target(found)
    return f"{text}. {_stamp(found)}"


def _outcome(found: Findings) -> str:
    if not found.recommended:
        return _none(found)
    if len(found.order) == 1:
        return _alone(found)
    if found.clear and found.lead is not None:
        return _winner(found, found.lead)
    return _undecided(found)


def _alone(found: Findings) -> str:
    """Say what the only arm in the race achieves, and why no other is in it."""
    arm = found.recommended
    if len(found.candidates) > 1:
        able = "keeps every limit" if found.broken else "could be measured"
        return f"{arm} is the only arm that {able}: {_achieves(found, arm)}"
    return (
        f"Only {arm} was measured: {_achieves(found, arm)}; there is no other arm to compare "
        f"it with"
    )


def _winner(found: Findings, lead: Difference) -> str:
    arm, second = found.order[0], found.order[1]
    text = (
        f"Use {arm}: {_achieves(found, arm)}, {_points(lead.estimate)} more than {second}, "
        f"the next best ({_whole(lead.low)} to {_whole(lead.high)})"
    )
    if lead.low <= found.margin:
        text += f"; the lead may be less than the {_points(found.margin)} that matter"
    return text


def _undecided(found: Findings) -> str:
    """Say that several are level, which one to take all the same, and what would settle it."""
    names = sorted(found.tie_set, key=simplicity)
    scores = _joined([_percent(found.headlines[name].estimate) for name in names])
    numbers = f"({scores}, n = {found.headlines[found.recommended].n})"
    reason = f"{found.recommended} is recommended {_why(found, names)}"
    if found.level:
        margin = _points(found.margin)
        return (
            f"{_joined(names)} are practically level, less than {margin} apart {numbers}; {reason}"
        )
    if found.needed is None:
        ending = "their scores are too close to say how many more questions would settle it"
    else:
        noun = "question" if found.needed == 1 else "questions"
        ending = f"about {_rounded(found.needed)} more {noun} would settle it"
    return f"No clear winner between {_joined(names)} {numbers}; {reason}; {ending}"


def _why(found: Findings, names: Sequence[str]) -> str:
    """Return why one arm of the tie set is taken: simpler, or simpler ones are out."""
    simpler = names[: names.index(found.recommended)]
    reasons = []
    if out := [name for name in simpler if name in found.below]:
        reasons.append(f"{_joined(out)} {_be(out)} not above the control {found.control}")
    if out := [name for name in simpler if name in found.beaten and name not in found.below]:
        reasons.append(f"{_joined(out)} {_be(out)} beaten in every respect")
    if reasons:
        return f"because {' and '.join(reasons)}"
    return f"as the {'simpler' if len(names) == 2 else 'simplest'} one"


def _none(found: Findings) -> str:
    """Say that no arm is left, or that none is above the best control."""
    if not found.order and found.broken:
        arms = [f"{name} ({_limits(found, name)})" for name in found.broken]
        return f"No recommendation: every arm breaks a limit: {_joined(arms)}"
    if not found.order or not found.control:
        return "No recommendation: no arm could be compared"
    best, bar = found.headlines[found.order[0]], found.headlines[found.control]
    return (
        f"No arm beats the control {found.control}: it scores {_percent(bar.estimate)}, the best "
        f"arm, {found.order[0]}, {_percent(best.estimate)} ({_span(best)})"
    )


def _over_the_limit(found: Findings) -> str:
    """Name the arms that score more than what is left and break a limit."""
    if not found.order:
        return ""
    bar = found.headlines[found.recommended or found.order[0]].estimate
    higher = [name for name in found.broken if found.headlines[name].estimate > bar]
    return "".join(
        f"; {name} scores {_percent(found.headlines[name].estimate)} but breaks the limit on "
        f"{_limits(found, name)}"
        for name in higher
    )


def _about_target(found: Findings) -> str:
    """Tell good enough from best: which arms reach the target, if one is set."""
    if not found.target or not found.candidates:
        return ""
    share, chosen = _percent(found.target), found.recommended
    if not found.reaches:
        near = any(found.headlines[name].estimate >= found.target for name in found.candidates)
        return f"; none reaches {share}{' beyond doubt' if near else ''}"
    if chosen and chosen not in found.reaches:
        return f"; {_reached(found.reaches, share)}, {chosen} is not"
    if not chosen:
        return f"; {_reached(found.reaches, share)}"
    simpler = [name for name in found.reaches if simplicity(name) < simplicity(chosen)]
    simpler = [name for name in simpler if name not in found.broken and name not in found.below]
    if simpler:
        return f"; the simpler {_reached(simpler, share)} too, the target"
    return f"; it is shown to reach {share}, the target"


def _reached(names: Sequence[str], share: str) -> str:
    return f"{_joined(names)} {_be(names)} shown to reach {share}"


def _limits(found: Findings, name: str) -> str:
    return _joined([_LIMITS.get(limit, limit) for limit in found.broken[name]])


def _be(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


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
