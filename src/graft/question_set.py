"""The question set as a value: frozen by hash, stored as JSONL, with a dev split.

How a set comes from files stands in `questions.py`; this module only holds, stores and
splits it. Who reads the questions of a workspace starts here.
"""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from graft.errors import BadInput, FingerprintMismatch
from graft.files import write_atomically
from graft.runs import question_from_json
from graft.types import Question, Split, fingerprint

__all__ = ["QuestionSet", "ensure_dev", "load_questions", "store_questions"]

SCHEMA = 1
FILE = "questions.jsonl"
DEV_SHARE = 0.12
MOST_DEV = 100
FACT_WORDINGS = 3
GROUP_EXCESS = 1.5  # whole groups may overshoot the share by this factor, never `MOST_DEV`


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Questions in the order of the file.

    `removed_from_train` names the training questions that were taken out at import because
    they stand word for word in the test split; the share decides whether a verdict may be
    given.
    """

    questions: tuple[Question, ...]
    removed_from_train: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """Name the questions with all their fields; the order does not matter."""
        return fingerprint(
            sorted((dataclasses.asdict(item) for item in self.questions), key=lambda one: one["id"])
        )

    def by_split(self, split: Split) -> tuple[Question, ...]:
        """Return the questions of a split."""
        return tuple(item for item in self.questions if item.split == split)

    def clusters(self, split: Split = "test") -> int:
        """Return the number of statistical clusters of a split."""
        return len({item.group for item in self.by_split(split)})


def ensure_dev(questions: QuestionSet, seed: int) -> QuestionSet:
    """Carve a dev split from train where there is none: about 12 %, at most 100 questions.

    Facts with three or more training wordings give one wording each, since a fact unknown to
    training says nothing about it; what is missing then comes from whole groups of other
    questions. A single group, or groups all too large, give single questions.
    """
    train = questions.by_split("train")
    if questions.by_split("dev") or len(train) < 2:
        return questions
    target = min(MOST_DEV, max(1, round(DEV_SHARE * len(train))))
    chosen = random.Random(seed)
    moved, rest = _fact_wordings(train, target, chosen)
    if len(moved) < target:
        moved |= _whole_groups(rest, target - len(moved), MOST_DEV - len(moved), chosen)
    if not moved:
        moved = {item.id for item in chosen.sample(train, target)}
    split = [replace(one, split="dev") if one.id in moved else one for one in questions.questions]
    return replace(questions, questions=tuple(split))


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
    moved: set[str] = set()
    for name in order[1:]:
        if len(moved) >= target:
            break
        if len(moved) + len(groups[name]) <= min(most, round(target * GROUP_EXCESS)):
            moved.update(groups[name])
    return moved


def store_questions(folder: Path, questions: QuestionSet) -> Path:
    """Write the set to the folder as JSONL, a head line first; return the file.

    Raises:
        NoSpaceLeft: the disk is full; the set before stands unchanged.
    """
    head = {
        "schema": SCHEMA,
        "hash": questions.hash,
        "removed_from_train": questions.removed_from_train,
    }
    lines = [head, *(dataclasses.asdict(item) for item in questions.questions)]
    path = folder / FILE
    write_atomically(path, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines))
    return path


def load_questions(folder: Path) -> QuestionSet:
    """Read the stored set back.

    Raises:
        BadInput: there is none, it is broken, or of a newer schema.
        FingerprintMismatch: the file was changed after the import.
    """
    path = folder / FILE
    if not path.exists():
        raise BadInput(
            "there are no questions yet",
            where=str(path),
            why="no question file has been imported",
            next_step="graft questions import FILE",
        )
    try:
        head, *rest = [json.loads(x) for x in path.read_text("utf-8").split("\n") if x]
        if head["schema"] > SCHEMA:
            raise BadInput(
                "the questions were stored by a newer Graft",
                where=str(path),
                why=f"schema {head['schema']}, this version reads up to {SCHEMA}",
                next_step="upgrade Graft",
            )
        questions = tuple(question_from_json(item) for item in rest)
        found = QuestionSet(questions, tuple(head["removed_from_train"]))
        stored = head["hash"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(
            "the stored questions cannot be read",
            where=str(path),
            why=str(error),
            next_step="graft questions import FILE",
        ) from error
    if found.hash != stored:
        raise FingerprintMismatch(
            "the stored questions were changed after their import",
            where=str(path),
            why=f"they were {stored}, now they are {found.hash}",
            next_step="change your own file and run graft questions import FILE again",
        )
    return found
