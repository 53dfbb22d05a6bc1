"""Why the scores are what they are: failures, attribution, declining, forgetting, distractors.

Each function reads what the comparison says of every arm and returns a grid, or None where
nothing of the kind was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graft.report import numbers
from graft.report.breakdown import STATES
from graft.report.grid import Entry, Grid, Head, Line, percent_entry, score_entry
from graft.report.table import ordered_arms

__all__ = [
    "Failure",
    "attribution_grid",
    "declining_grid",
    "distractors_grid",
    "failures_of",
    "forgetting_grid",
    "measures_grid",
]

FAILURES = {
    "not_retrieved": "not retrieved",
    "misread": "retrieved, answered wrongly",
    "over_refusal": "declined though answerable",
    "should_have_declined": "should have declined",
    "form": "right in another form",
    "failed": "failed",
    "few_items": "too few questions",
}
MEASURES = {
    "exact": "exact",
    "contains": "contains",
    "f1": "F1",
    "key_fact_recall": "key facts",
    "support": "supported",
    "citation_precision": "citation precision",
    "citation_recall": "citation recall",
    "retrieval_hit": "retrieval hit",
    "retrieval_recall": "retrieval recall",
    "mrr": "MRR",
    "ndcg": "nDCG",
}
OUTCOMES = ("right", "wrong", "declined")


@dataclass(frozen=True, slots=True)
class Failure:
    """A kind of failure of an arm: how many questions, what it means, the command to try."""

    arm: str
    kind: str
    n: int
    share: str
    text: str
    command: str


def failures_of(comparison: Mapping[str, Any]) -> list[Failure]:
    """Return the failures in the order of the comparison."""
    return [
        Failure(
            numbers.plain(item.get("arm") or ""),
            FAILURES.get(str(item.get("kind")), numbers.plain(item.get("kind")).replace("_", " ")),
            int(item.get("n") or 0),
            numbers.percent(item["share"]) if item.get("share") is not None else "",
            numbers.plain(item.get("text") or ""),
            numbers.plain(item.get("command") or ""),
        )
        for item in comparison.get("failures") or ()
    ]


def _arms(comparison: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    return [arm for arm in ordered_arms(comparison) if arm.get(key)]


def attribution_grid(comparison: Mapping[str, Any]) -> Grid | None:
    """Return found against right, which tells failures of retrieval from those of reading."""
    arms = _arms(comparison, "attribution")
    if not arms:
        return None
    found = [Head(f"found, {word}") for word in OUTCOMES]
    missed = [Head(f"missed, {word}") for word in OUTCOMES]
    lines = []
    for arm in arms:
        data = arm["attribution"]
        keys = [f"{where}_{word}" for where in ("retrieved", "missed") for word in OUTCOMES]
        total = sum(int(data.get(key) or 0) for key in keys)
        cells = tuple(_counted(data.get(key), total) for key in keys)
        lines.append(Line(arm["name"], cells, f"n {total:,}"))
    lead = (
        "Answerable questions that name their documents: was a gold document among the "
        "passages, and what became of it? Wrong though found is a matter of reading, missed one "
        "of retrieval."
    )
    return Grid("Found and read", lead, "arm", (*found, *missed), tuple(lines))


def _counted(count: int | None, total: int) -> Entry:
    if count is None:
        return Entry()
    return Entry(f"{count:,}", numbers.percent(count / total) if total else "", "", float(count))


def declining_grid(comparison: Mapping[str, Any]) -> Grid | None:
    """Return answering and declining as counts and rates."""
    arms = _arms(comparison, "abstention")
    if not arms:
        return None
    counts = {
        "answered_right": "answered rightly",
        "answered_wrong": "answered wrongly",
        "declined_answerable": "declined an answer it had",
        "declined_unanswerable": "declined rightly",
        "answered_unanswerable": "should have declined",
    }
    rates = {
        "over_refusal": Head("over-refusal", "lower"),
        "precision": Head("precision of declining", "higher"),
        "recall": Head("recall of declining", "higher"),
        "selective_accuracy": Head("right where answered", "higher"),
    }
    lines = []
    for arm in arms:
        data = arm["abstention"]
        cells = [
            Entry() if data.get(key) is None else Entry(f"{data[key]:,}", "", "", float(data[key]))
            for key in counts
        ]
        cells += [percent_entry(data.get(key)) for key in rates]
        lines.append(Line(arm["name"], tuple(cells)))
    heads = (*(Head(title) for title in counts.values()), *rates.values())
    lead = "How many questions of each outcome, and the rates made of them."
    return Grid("Answering and declining", lead, "arm", heads, tuple(lines))


def forgetting_grid(comparison: Mapping[str, Any]) -> Grid | None:
    """Return what the tuned arms lost of what the plain model knew."""
    arms = _arms(comparison, "forgetting")
    if not arms:
        return None
    heads = (
        Head("before", "higher"),
        Head("after", "higher"),
        Head("change"),
        Head("at worst"),
        Head("may lose"),
        Head("reading", text=True),
        Head("loss before", "lower"),
        Head("loss after", "lower"),
    )
    lines = []
    for arm in arms:
        data = arm["forgetting"]
        state = str(data.get("state") or "not shown")
        margin = data.get("margin")
        cells = (
            percent_entry(data.get("base")),
            percent_entry(data.get("tuned")),
            _points(data.get("difference")),
            _points(data.get("bound")),
            Entry() if margin is None else Entry(numbers.points(margin, plus=False)),
            Entry(state, "", STATES.get(state, "open")),
            _loss(data.get("loss_base")),
            _loss(data.get("loss_tuned")),
        )
        lines.append(Line(arm["name"], cells, f"n {int(data.get('n') or 0):,}"))
    lead = (
        "General questions that have nothing to do with the documents, before and after the "
        "training. At worst: the one-sided 95 % bound, in points. Loss: nats a token on general "
        "text."
    )
    return Grid("Forgetting", lead, "arm", heads, tuple(lines))


def _points(value: float | None) -> Entry:
    return Entry() if value is None else Entry(numbers.points(value), "", "", value)


def _loss(value: float | None) -> Entry:
    return Entry() if value is None else Entry(f"{value:.2f}", "", "", value)


def distractors_grid(comparison: Mapping[str, Any]) -> Grid | None:
    """Return the score with the reference passage among more and more others."""
    arms = _arms(comparison, "distractors")
    if not arms:
        return None
    steps = list(
        dict.fromkeys(
            (int(item.get("distractors") or 0), item.get("gold", True) is not False)
            for arm in arms
            for item in arm["distractors"]
        )
    )
    steps.sort(key=lambda step: (not step[1], step[0]))
    heads = [Head(_condition(count, gold), "higher") for count, gold in steps]
    lines = []
    for arm in arms:
        found = {
            (int(item.get("distractors") or 0), item.get("gold", True) is not False): item
            for item in arm["distractors"]
        }
        cells = tuple(score_entry((found.get(step) or {}).get("score")) for step in steps)
        lines.append(Line(arm["name"], cells))
    lead = (
        "Right answers where the reference passage stands among other passages. Without it: the "
        "share declined, which is right there."
    )
    return Grid("Distractors", lead, "arm", tuple(heads), tuple(lines))


def _condition(count: int, gold: bool) -> str:
    if not gold:
        return f"without it, {count:,} others"
    return "alone" if not count else f"among {count:,} others"


def measures_grid(comparison: Mapping[str, Any]) -> Grid | None:
    """Return every further measure over the answerable questions."""
    by_name = {arm["name"]: arm.get("measures") or {} for arm in ordered_arms(comparison)}
    known = list(by_name)
    keys = [
        key
        for key in dict.fromkeys((*MEASURES, *(key for name in known for key in by_name[name])))
        if any((by_name[name].get(key) or {}).get("n") for name in known)
    ]
    known = [name for name in known if any((by_name[name].get(key) or {}).get("n") for key in keys)]
    if not keys:
        return None
    heads = tuple(Head(MEASURES.get(key, key.replace("_", " ")), "higher") for key in keys)
    lines = tuple(
        Line(name, tuple(score_entry(by_name[name].get(key)) for key in keys)) for name in known
    )
    lead = "Means over the answerable questions to which a measure applies."
    return Grid("Every measure", lead, "arm", heads, lines)
