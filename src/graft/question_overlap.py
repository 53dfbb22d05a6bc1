"""Questions that stand twice in a set: repeated, contradicting, or in two splits."""

from __future__ import annotations

from collections.abc import Sequence

from graft.question_set import Twin, named, normalised
from graft.types import Question

__all__ = ["conflicts", "without_duplicates", "without_overlap"]

_RANK = {"train": 0, "dev": 1, "test": 2}


def without_duplicates(questions: Sequence[Question]) -> tuple[list[Question], list[str]]:
    """Drop what says the same again: question, answers and documents in one split."""
    seen: set[tuple[str, str, tuple[str, ...], tuple[str, ...]]] = set()
    kept, dropped = [], []
    for item in questions:
        key = (item.split, normalised(item.question), item.answers, item.doc_ids)
        (dropped.append(item.id) if key in seen else kept.append(item))
        seen.add(key)
    return kept, dropped


def conflicts(questions: Sequence[Question]) -> list[str]:
    """Name questions that stand in one split with different answers."""
    first: dict[tuple[str, str], Question] = {}
    pairs = []
    for item in questions:
        known = first.setdefault((item.split, normalised(item.question)), item)
        if _contradict(known, item):
            pairs.append(f"{known.id} and {item.id}")
    if not pairs:
        return []
    return [f"Same question, different answers in one split, {len(pairs)}: {named(pairs)}."]


def _contradict(one: Question, other: Question) -> bool:
    return one.answers != other.answers and not set(one.answers) & set(other.answers)


def without_overlap(
    questions: Sequence[Question],
) -> tuple[list[Question], list[Twin], list[str]]:
    """Leave a question that stands in two splits in the later one: test, then dev, then train."""
    tested = {normalised(item.question): item for item in questions if item.split == "test"}
    highest: dict[str, str] = {}
    for item in questions:
        name = normalised(item.question)
        if _RANK[item.split] >= _RANK[highest.get(name, "train")]:
            highest[name] = item.split
    kept, twins, others = [], [], []
    for item in questions:
        name = normalised(item.question)
        top = highest[name]
        if top == item.split:
            kept.append(item)
        elif item.split == "train" and top == "test":
            twins.append(Twin(item.id, tested[name].id, _contradict(item, tested[name])))
        else:
            others.append(item.id)
    notes = (
        [f"Standing in dev and in another split, kept once, {len(others)}: {named(others)}."]
        if others
        else []
    )
    if pairs := [f"{twin.test_id} and {twin.train_id}" for twin in twins if twin.answers_differ]:
        notes.append(
            f"Same question in test and train with different answers, {len(pairs)}: {named(pairs)}."
        )
    return kept, twins, notes
