"""The `dev` split, carved from training questions where a set names none.

It has two parts, because two things are looked at during training. Further wordings of
trained facts show whether a fact was learned; questions on whole documents without any
training question (which training then leaves out) show whether passages of later documents
are read. `rows.py` tells them apart by the same rule as `dev_parts` here.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from graft.question_set import QuestionSet, normalised
from graft.types import Question

__all__ = ["DevPart", "dev_parts", "ensure_dev"]

DevPart = Literal["wording", "document", "other"]
DEV_SHARE = 0.12
MOST_DEV = 100
DOCUMENT_SHARE = 1 / 3  # of `dev`; the rest are wordings of trained facts
MOST_DOCUMENT_SHARE = 2 / 3  # whole documents may overshoot up to this
FEWEST_DOCUMENTS = 5  # with fewer, one document less costs more than it shows
FACT_WORDINGS = 3
GROUP_EXCESS = 1.5  # whole groups may overshoot the share by this factor, never `MOST_DEV`


def ensure_dev(questions: QuestionSet, seed: int) -> QuestionSet:
    """Carve a dev split from train where there is none: about 12 %, at most 100 questions.

    About a third are all the questions of whole documents. Then facts with three or more
    training wordings give one wording each, since a fact unknown to training says nothing
    about it; what is missing then comes from whole groups of other questions. A single group,
    or groups all too large, give single questions. Equal wordings go together.
    """
    train = questions.by_split("train")
    if questions.by_split("dev") or len(train) < 2:
        return questions
    target = min(MOST_DEV, max(1, round(DEV_SHARE * len(train))))
    chosen = random.Random(seed)
    moved = _whole_documents(questions, target, chosen)
    left = [item for item in train if item.id not in moved]
    wordings, rest = _fact_wordings(left, max(0, target - len(moved)), chosen)
    moved |= wordings
    if len(moved) < target:
        moved |= _whole_groups(rest, target - len(moved), MOST_DEV - len(moved), chosen)
    if not moved:
        moved = {item.id for item in chosen.sample(train, target)}
    same = {normalised(item.question) for item in train if item.id in moved}
    split = [
        replace(item, split="dev")
        if item.split == "train" and normalised(item.question) in same
        else item
        for item in questions.questions
    ]
    return replace(questions, questions=tuple(split))


def dev_parts(questions: QuestionSet) -> Mapping[DevPart, tuple[str, ...]]:
    """Return the ids of the dev questions by what they can show.

    `document`: a gold document that no training question asks about, which training leaves
    out. `wording`: a fact, or else an answer of the same document, that is trained. `other`:
    neither, so that only passages can help.
    """
    train = questions.by_split("train")
    documents = {name for item in train for name in item.doc_ids}
    facts = {item.fact for item in train if item.fact}
    learned = {pair for item in train for pair in _learned(item)}
    parts: dict[DevPart, list[str]] = {"wording": [], "document": [], "other": []}
    for item in questions.by_split("dev"):
        if any(name not in documents for name in item.doc_ids):
            parts["document"].append(item.id)
        elif item.fact in facts or learned.intersection(_learned(item)):
            parts["wording"].append(item.id)
        else:
            parts["other"].append(item.id)
    return {name: tuple(ids) for name, ids in parts.items()}


def _learned(item: Question) -> set[tuple[str, str]]:
    return {
        (document, normalised(answer))
        for answer in item.answers
        for document in item.doc_ids or ("",)
    }


def _whole_documents(questions: QuestionSet, target: int, chosen: random.Random) -> set[str]:
    """Choose all training questions of whole documents, untested documents first."""
    documents: dict[str, list[str]] = {}
    for item in questions.by_split("train"):
        for name in item.doc_ids:
            documents.setdefault(name, []).append(item.id)
    if len(documents) < FEWEST_DOCUMENTS:
        return set()
    tested = {name for item in questions.by_split("test") for name in item.doc_ids}
    order = sorted(documents)
    chosen.shuffle(order)
    order.sort(key=lambda name: name in tested)
    share, most = round(target * DOCUMENT_SHARE), round(target * MOST_DOCUMENT_SHARE)
    return _whole(documents, order, share, most)


def _fact_wordings(
    train: Sequence[Question], target: int, chosen: random.Random
) -> tuple[set[str], list[Question]]:
    """Choose one wording of facts with enough of them; return also the questions of no such."""
    facts: dict[str, list[Question]] = {}
    for item in train:
        if item.fact:
            facts.setdefault(item.fact, []).append(item)
    rich = {name: found for name, found in facts.items() if len(found) >= FACT_WORDINGS}
    names = chosen.sample(sorted(rich), min(target, len(rich)))
    moved = {chosen.choice(rich[name]).id for name in names}
    return moved, [item for item in train if item.fact not in rich]


def _whole_groups(
    rest: Sequence[Question], target: int, most: int, chosen: random.Random
) -> set[str]:
    """Choose whole groups up to about `target` questions; one group at least stays in train."""
    groups: dict[str, list[str]] = {}
    for item in rest:
        groups.setdefault(item.group, []).append(item.id)
    order = sorted(groups)
    chosen.shuffle(order)
    return _whole(groups, order[1:], target, min(most, round(target * GROUP_EXCESS)))


def _whole(
    members: Mapping[str, Collection[str]], order: Sequence[str], target: int, most: int
) -> set[str]:
    """Take whole sets of ids in an order until `target`, never more than `most` ids."""
    taken: set[str] = set()
    for name in order:
        if len(taken) >= target:
            break
        if len(taken.union(members[name])) <= most:
            taken.update(members[name])
    return taken
