"""What the page says in words beside its tables: the verdict's facts, and how to reproduce it.

It reads the comparison and the manifests of the runs and returns names with values as text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graft import __version__
from graft.arms import ARMS, CONTROLS
from graft.report import numbers
from graft.report.breakdown import target_words
from graft.report.table import ArmRow, corrected_p, is_clear
from graft.runs import Comparand

__all__ = [
    "DESCRIPTIONS",
    "Fact",
    "contrast_row",
    "flat_settings",
    "origin",
    "reproduce_facts",
    "split_sentence",
    "state_of",
    "verdict_facts",
]

DESCRIPTIONS = {
    "base": "the plain model with a few examples",
    "finetuned": "adapter trained on documents and pairs",
    "rag": "the plain model with passages",
    "hybrid": "adapter and passages, trained together",
    "bolt-on": "finetuned, passages added afterwards",
    "top-passage": "no model, the best passage as it stands",
    "nearest-pair": "no model, the most similar question’s answer",
    "decline": "always declines",
    "whole-text": "the plain model with the whole corpus",
}
COUNTS = {
    "won": "won",
    "lost": "lost",
    "tied": "tied",
    "n": "questions",
    "clusters": "groups",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and its value in the verdict or the reproduce part."""

    name: str
    value: str
    note: str = ""


def state_of(verdict: Mapping[str, Any]) -> str:
    """Return the state of the verdict in two or three words."""
    if verdict.get("blocked_by"):
        return "Blocked"
    if verdict.get("clear"):
        return "Clear"
    return "No clear winner" if verdict.get("recommended") else "No recommendation"


def origin(comparison: Mapping[str, Any]) -> list[str]:
    """Return the base model and the day."""
    model, created = comparison.get("base_model") or "", comparison.get("created") or ""
    return [numbers.plain(model), numbers.day(created)]


def split_sentence(sentence: str) -> tuple[str, str, str]:
    """Return the verdict's first clause, its other clauses, and what it was measured with.

    >>> split_sentence("Use rag: 60 %, 9 more than base; just. Measured with m on 2026-01-31.")
    ('Use rag: 60 %, 9 more than base', 'just', 'Measured with m on 2026-01-31.')
    """
    text, found, stamp = sentence.rpartition(" Measured with ")
    text, stamp = (text, f"Measured with {stamp}") if found else (sentence, "")
    first, _, rest = text.partition("; ")
    return (first, rest.removesuffix("."), stamp) if rest else (text, "", stamp)


def verdict_facts(comparison: Mapping[str, Any], rows: Sequence[ArmRow]) -> list[Fact]:
    """Return the numbers that belong to the verdict's sentence."""
    verdict = comparison.get("verdict") or {}
    facts = []
    for row in rows:
        if not row.recommended:
            continue
        headline = row.scores["headline"]
        note = f"{headline.interval}, n {headline.n:,}" if headline.interval else ""
        facts.append(Fact("Recommended", row.name, DESCRIPTIONS.get(row.name, "")))
        facts.append(Fact("Headline", headline.value, note))
        facts.append(Fact("Time of one answer", row.p50, "p50"))
        price = row.data.get("price_per_1000")
        if price is not None:
            facts.append(Fact("Price", numbers.price(price), "1,000 questions"))
    name, _, reached = target_words(comparison).partition(": ")
    if name:
        facts.append(Fact("Target", name.removeprefix("Target "), reached))
    return facts + _doubts(verdict)


def _doubts(verdict: Mapping[str, Any]) -> list[Fact]:
    """Return what the questions could not tell apart, and how many more would."""
    facts = []
    tied = [name for name in verdict.get("tie_set") or () if name != verdict.get("recommended")]
    if tied and not verdict.get("clear"):
        facts.append(Fact("Not told apart from", numbers.plain(", ".join(tied))))
    smallest = verdict.get("detectable_difference")
    if smallest is not None:
        size = numbers.points(smallest, plus=False)
        facts.append(Fact("Smallest visible difference", f"{size} points", "with these questions"))
    if verdict.get("questions_needed"):
        facts.append(Fact("Questions needed", f"{verdict['questions_needed']:,}", "to settle it"))
    return facts


def contrast_row(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return one row of the table of differences."""
    return {
        "a": item["a"],
        "b": item["b"],
        "counts": [
            (title, numbers.DASH if item.get(key) is None else f"{item[key]:,}")
            for key, title in COUNTS.items()
        ],
        "exploratory": bool(item.get("exploratory")),
        "difference": numbers.points(item.get("difference")),
        "span": numbers.points_interval(item.get("low"), item.get("high")),
        "p": numbers.p_value(corrected_p(item)).removeprefix("p "),
        "reading": "clear" if is_clear(item) else "not clear",
    }


def reproduce_facts(comparison: Mapping[str, Any], comparand: Comparand) -> list[Fact]:
    """Return what it takes to get these numbers again."""
    manifests = [run.manifest for run in comparand.runs]

    def every(name: str) -> str:
        values = dict.fromkeys(str(getattr(item, name)) for item in manifests)
        return ", ".join(value for value in values if value) or numbers.DASH

    facts = [
        Fact("Command", _command(comparand, every("effort"))),
        Fact("Graft", __version__),
        Fact("Date", str(comparison.get("created") or comparand.created)),
        Fact("Base model", str(comparison.get("base_model") or comparand.base_model)),
        Fact("Weights", every("weights")),
        Fact("Generator", every("generator")),
        Fact("Prompt contract", every("contract")),
        Fact("Question hash", every("questions")),
        Fact("Corpus version", every("corpus")),
        Fact("Seed of the runs", every("seed")),
        Fact("Seed of the statistics", str(comparand.seed)),
    ]
    for key, name in (("commit", "Commit"), ("machine", "Machine")):
        if isinstance(comparand.settings.get(key), str):
            facts.append(Fact(name, comparand.settings[key]))
    return facts


def _command(comparand: Comparand, effort: str) -> str:
    """Return the command line that measures the same again."""
    arms = [run.manifest.arm for run in comparand.runs]
    parts = ["graft compare", f"--effort {effort}"]
    if arms and not set(arms) >= {*ARMS, *CONTROLS}:
        parts.append(f"--arms {','.join(arms)}")
    limit = comparand.settings.get("limit")
    return " ".join([*parts, f"--limit {limit}"] if limit else parts)


def flat_settings(settings: Mapping[str, Any], prefix: str = "") -> list[Fact]:
    """Return nested settings as dotted names in their order."""
    facts = []
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            facts += flat_settings(value, f"{name}.")
        else:
            shown = value if isinstance(value, str) else json.dumps(value, default=str)
            facts.append(Fact(name, shown))
    return facts
