"""What went wrong, by kind, each with one command that goes to its root.

Every question that an arm did not get right is of exactly one kind. Only arms that could be
recommended are looked at: a control fails by design.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from graft.decide.attribution import was_found
from graft.decide.measures import outcome_of
from graft.decide.sheet import ArmSheet, Sheet, score_of
from graft.metrics import expects_answer
from graft.runs import Comparand
from graft.types import Question

__all__ = ["FEW_WORDINGS", "WORDINGS", "Failure", "failures_of", "training_wordings"]

FEW_WORDINGS = 3  # measuring.md 6.1, S4: from three wordings on a fact is worth testing
WORDINGS = "training_wordings"  # in the settings of a comparand, by test question

KINDS = (
    "not_retrieved",
    "few_items",
    "misread",
    "form",
    "over_refusal",
    "should_have_declined",
    "wrong",
    "failed",
)

_TEXTS = {
    "not_retrieved": "No passage of a gold document reached the prompt, and the answer is "
    "not right: the search limits this arm.",
    "few_items": "The fact was trained and is answered wrongly; training asked for it in fewer "
    f"than {FEW_WORDINGS} wordings.",
    "misread": "A passage of a gold document stood in the prompt and was not used rightly: "
    "reading limits this arm.",
    "form": "The reference answer stands in the answer, but its form does not count: too much "
    "around it, or not the label alone.",
    "over_refusal": "The question can be answered, and the arm declined.",
    "should_have_declined": "The documents do not say, and the arm answered all the same.",
    "failed": "No answer came: ",
}
_FROM_MEMORY = "The answer is wrong; this arm reads no documents when it answers."
_NO_DOCUMENT = (
    "The answer is wrong; the question names no document, so the search cannot be judged."
)

_SIZE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s?([MB])(?![a-z])", re.IGNORECASE)
_LARGER = (
    (1.7e9, "HuggingFaceTB/SmolLM2-1.7B-Instruct"),
    (7.6e9, "Qwen/Qwen2.5-7B-Instruct"),
    (14.8e9, "Qwen/Qwen2.5-14B-Instruct"),
)
_NEXT_EFFORT = {"quick": "normal", "normal": "thorough"}
READ_ANSWERS = "graft report"


@dataclass(frozen=True, slots=True)
class Failure:
    """The `n` questions of an arm that failed in one way; `share` is of all that it was asked."""

    arm: str
    kind: str
    n: int
    share: float
    text: str
    command: str


def training_wordings(test: Iterable[Question], train: Iterable[Question]) -> dict[str, int]:
    """Return in how many wordings training asks for the fact of each test question.

    Questions belong to one fact where they say so, else where they share a gold document and
    an answer.
    """
    counts: Counter[tuple[str, ...]] = Counter()
    for item in train:
        counts.update(_facts(item))
    return {item.id: max((counts[key] for key in _facts(item)), default=0) for item in test}


def _facts(item: Question) -> set[tuple[str, ...]]:
    if item.fact:
        return {("fact", item.fact)}
    answers = {" ".join(answer.lower().split()).strip(" .") for answer in item.answers}
    return {(name, answer) for name in item.doc_ids or ("",) for answer in answers}


def failures_of(comparand: Comparand, sheet: Sheet) -> list[Failure]:
    """Return every kind of failure that occurred, arm by arm, the most frequent first."""
    found = []
    for arm in sheet.candidates:
        kinds: dict[str, list[str]] = {}
        for name, item in sheet.questions.items():
            if kind := _kind(comparand, arm, item):
                kinds.setdefault(kind, []).append(name)
        for kind in sorted(kinds, key=lambda kind: (-len(kinds[kind]), KINDS.index(kind))):
            names = kinds[kind]
            share = len(names) / len(arm.records)
            text = _text(kind, arm, names)
            command = _command(kind, comparand, sheet, arm)
            found.append(Failure(arm.name, kind, len(names), share, text, command))
    return found


def _kind(comparand: Comparand, arm: ArmSheet, item: Question) -> str:
    """Return how a question failed, empty where it did not or where it has no score."""
    outcome = outcome_of(arm, item.id)
    if outcome is None or outcome == "failed":
        return "failed" if outcome else ""
    if not expects_answer(item):
        return "" if outcome == "declined" else "should_have_declined"
    if outcome == "right":
        return ""
    found = was_found(arm, item.id)
    if outcome == "declined":
        return "not_retrieved" if found is False else "over_refusal"
    if score_of(arm.records[item.id], "contains") == 1:
        return "form"
    if found is False:
        return "not_retrieved"
    if arm.manifest.adapter and _has_few_wordings(comparand, item):
        return "few_items"
    return "misread" if found else "wrong"


def _has_few_wordings(comparand: Comparand, item: Question) -> bool:
    known: Mapping[str, int] = comparand.settings.get(WORDINGS, {})
    learned = comparand.exposure.get(item.id) == "fact"
    return learned and item.id in known and known[item.id] < FEW_WORDINGS


def _text(kind: str, arm: ArmSheet, names: Sequence[str]) -> str:
    if kind == "failed":
        [(reason, _)] = Counter(arm.records[name].error for name in names).most_common(1)
        return f"{_TEXTS[kind]}{reason}"
    if kind == "wrong":
        return _NO_DOCUMENT if arm.manifest.uses_index else _FROM_MEMORY
    return _TEXTS[kind]


def _command(kind: str, comparand: Comparand, sheet: Sheet, arm: ArmSheet) -> str:
    """Return the command for a kind of failure; reading the answers where no other helps."""
    tuned = [item.name for item in sheet.candidates if item.manifest.adapter]
    if kind == "not_retrieved":
        return "graft compare --retrieval"
    if kind == "few_items":
        return "graft questions export questions.jsonl"
    if kind == "failed":
        return "graft doctor"
    if kind == "should_have_declined" or (kind == "wrong" and arm.manifest.uses_index):
        return "graft questions check"
    if kind == "wrong":
        reads = any(item.manifest.uses_index for item in sheet.candidates)
        return READ_ANSWERS if reads else "graft compare --arms base,rag"
    if arm.is_reference:
        return READ_ANSWERS
    if kind == "misread" or (kind == "over_refusal" and not arm.manifest.adapter):
        return _larger_base(comparand.base_model)
    if not tuned:
        return "graft compare --arms base,finetuned,rag,hybrid"
    effort = _NEXT_EFFORT.get(arm.manifest.effort)
    return f"graft compare --effort {effort}" if effort else READ_ANSWERS


def _larger_base(base_model: str) -> str:
    """Return how to try a base of at least twice the size, by the size in the base's name.

    >>> _larger_base("SmolLM2-135M-Instruct")
    'graft init larger --base-model HuggingFaceTB/SmolLM2-1.7B-Instruct'
    """
    sizes = [float(n) * (1e9 if unit in "bB" else 1e6) for n, unit in _SIZE.findall(base_model)]
    size = max(sizes, default=0.0)
    for larger, name in _LARGER:
        if larger >= 2 * size:
            return f"graft init larger --base-model {name}"
    return READ_ANSWERS
