"""The verdict taken apart: flips, limits, slices, and the scores without leaked questions.

Each function reads one part of the comparison and returns a grid or nothing where that part
was not measured. An older comparison lacks the parts; then nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graft.report import numbers
from graft.report.grid import FEW, Entry, Grid, Head, Line, Tone, score_entry

__all__ = [
    "Flip",
    "Flips",
    "constraints_grid",
    "flips_of",
    "leakage_grid",
    "limit_words",
    "slices_grid",
    "target_words",
]

LIMITS = {
    "max_p50_ms": "p50 time",
    "max_p95_ms": "p95 time",
    "max_memory_mb": "memory",
    "max_storage_mb": "storage",
    "max_build_minutes": "build time",
    "min_decline_recall": "declined rightly",
    "min_support": "supported answers",
    "forgetting_margin": "forgetting",
}
SLICES = {"exposure": "exposure", "kind": "kind of answer", "documents": "references", "tag": "tag"}
"""What the first part of a slice's name stands for, in the order of the table."""
LONGEST = 400
"""Characters of an answer among the flips; the answers themselves stand whole further down."""
STATES: Mapping[str, Tone] = {"passes": "passes", "fails": "fails"}


@dataclass(frozen=True, slots=True)
class Flip:
    """A question on which two arms part, with both answers and the reference."""

    question: str
    answer: str
    other_answer: str
    gold: str


@dataclass(frozen=True, slots=True)
class Flips:
    """Where `arm` is right and `other` wrong, and the other way round."""

    arm: str
    other: str
    right: tuple[Flip, ...]
    wrong: tuple[Flip, ...]


def flips_of(comparison: Mapping[str, Any]) -> Flips | None:
    """Return the questions that the leading arm wins and loses; None where there are none."""
    data = (comparison.get("verdict") or {}).get("flips") or {}
    right, wrong = (_flips(data.get(key)) for key in ("right", "wrong"))
    if not right and not wrong:
        return None
    return Flips(numbers.plain(data["arm"]), numbers.plain(data["other"]), right, wrong)


def _flips(items: Sequence[Mapping[str, Any]] | None) -> tuple[Flip, ...]:
    keys = ("question", "answer", "other_answer", "gold")
    return tuple(Flip(*(_cut(str(item.get(key) or "")) for key in keys)) for item in items or ())


def _cut(text: str) -> str:
    text = text.strip()
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()}…"


def target_words(comparison: Mapping[str, Any]) -> str:
    """Return which arms are shown to reach the target; empty where none is set.

    >>> target_words({"verdict": {"target": 0.8, "reaches_target": []}})
    'Target 80 %: none is shown to reach it'
    """
    verdict = comparison.get("verdict") or {}
    if not verdict.get("target"):
        return ""
    names = [numbers.plain(name) for name in verdict.get("reaches_target") or ()]
    reached = f"reached by {', '.join(names)}" if names else "none is shown to reach it"
    return f"Target {numbers.percent(verdict['target'])}: {reached}"


def constraints_grid(comparison: Mapping[str, Any]) -> Grid | None:
    """Return the limits, one column each, and whether each arm keeps them."""
    items = list((comparison.get("verdict") or {}).get("constraints") or ())
    names = list(dict.fromkeys(item["name"] for item in items))
    arms = list(dict.fromkeys(item["arm"] for item in items))
    by_place = {(item["arm"], item["name"]): item for item in items}
    if not items:
        return None
    limits = {item["name"]: item["limit"] for item in items}
    heads = tuple(Head(limit_words(name, limits[name]), text=True, key=name) for name in names)
    lines = tuple(
        Line(arm, tuple(_constraint(by_place.get((arm, name))) for name in names)) for arm in arms
    )
    lead = (
        "A limit is kept where the one-sided 95 % bound keeps it. Not shown: the value keeps the "
        "limit and its bound does not, or it was not measured."
    )
    return Grid("Limits", lead, "arm", heads, lines)


def limit_words(name: str, limit: float) -> str:
    """Return a limit as "p50 time ≤ 1.0 s".

    >>> limit_words("max_p50_ms", 1000), limit_words("min_support", 0.9)
    ('p50 time ≤ 1.0 s', 'supported answers ≥ 90 %')
    """
    sign = "≥" if name.startswith("min_") else "≤"
    words = LIMITS.get(name, name.replace("_", " "))
    return f"{words} {sign} {limit_value(name, limit)}"


def limit_value(name: str, value: float | None) -> str:
    """Return a value in the words of its limit's unit."""
    if value is None:
        return numbers.DASH
    if name.endswith("_ms"):
        return numbers.latency(value)
    if name.endswith("_mb"):
        return numbers.storage(value * 1e6)
    if name.endswith("_minutes"):
        return numbers.build_time(value * 60)
    if name.endswith("_margin"):
        return f"{numbers.points(value, plus=False)} points"
    return numbers.percent(value)


def _constraint(item: Mapping[str, Any] | None) -> Entry:
    if item is None:
        return Entry()
    name, state = item["name"], str(item.get("state") or "not shown")
    value = limit_value(name, item.get("value"))
    bound = item.get("bound")
    note = "not measured" if item.get("value") is None else value
    if bound is not None and bound != item.get("value"):
        note += f", bound {limit_value(name, bound)}"
    return Entry(state, note, STATES.get(state, "open"))


def slices_grid(comparison: Mapping[str, Any], arms: Sequence[str]) -> Grid | None:
    """Return the headline by group of questions and arm; the best of a large group stands out."""
    items = list(comparison.get("slices") or ())
    if not items:
        return None
    shown = [name for name in arms if any(name in (item.get("scores") or {}) for item in items)]
    lines = []
    for item in sorted(items, key=_slice_order):
        kind, _, value = numbers.plain(item["name"]).partition(":")
        cells = [score_entry((item.get("scores") or {}).get(name)) for name in shown]
        note = f"{SLICES.get(kind, kind)} · n {int(item.get('n') or 0):,}"
        value = f"{value} document{'' if value == 'one' else 's'}" if kind == "documents" else value
        lines.append(Line(value or kind, tuple(_with_best(cells)), note))
    lead = (
        "The score by group of questions, with interval and n. Slanted: fewer than "
        f"{FEW} questions, too few to read. Bold: the highest score of its line."
    )
    heads = tuple(Head(name, "higher") for name in shown)
    return Grid("Groups of questions", lead, "questions", heads, tuple(lines))


def _slice_order(item: Mapping[str, Any]) -> tuple[int, str]:
    """Return the place of a slice by its kind; those of one kind stay as they come."""
    kind = str(item["name"]).partition(":")[0]
    known = list(SLICES)
    return (known.index(kind) if kind in known else len(known), kind)


def _with_best(cells: Sequence[Entry]) -> list[Entry]:
    """Mark the one highest score of a line, unless it is shared or rests on few questions."""
    scores = [cell.sort for cell in cells if cell.sort is not None]
    top = max(scores, default=None)
    if top is None or len(scores) < 2 or scores.count(top) > 1:
        return list(cells)
    return [
        Entry(cell.value, cell.note, "best", cell.sort)
        if cell.sort == top and not cell.tone
        else cell
        for cell in cells
    ]


def leakage_grid(comparison: Mapping[str, Any], arms: Sequence[str]) -> Grid | None:
    """Return the headline with and without test questions that resemble a trained one."""
    data = comparison.get("leakage") or {}
    whole, rest = data.get("with") or {}, data.get("without") or {}
    shown = [name for name in arms if name in whole or name in rest]
    if not data or not shown:
        return None
    heads = (
        Head("with them", "higher"),
        Head("without them", "higher"),
        Head("change", "", key="change"),
    )
    lines = []
    for name in shown:
        first, second = score_entry(whole.get(name)), score_entry(rest.get(name))
        change = Entry()
        if first.sort is not None and second.sort is not None:
            gap = second.sort - first.sort
            change = Entry(numbers.points(gap), "", "", gap)
        lines.append(Line(name, (first, second, change)))
    removed, similar = int(data.get("removed") or 0), int(data.get("similar") or 0)
    lead = (
        f"{_count(similar)} of the test set resemble a training question with the same answer; "
        f"{_count(removed)} identical to a test question stood in the training questions and "
        "were taken out."
    )
    return Grid("Without similar questions", lead, "arm", heads, tuple(lines))


def _count(number: int) -> str:
    return f"{number:,} question{'' if number == 1 else 's'}"
