"""Questions from files: read whole or not at all, completed by fixed rules, checked.

What is derived (split, group, kind) follows the rules that stand with each function. The set
itself, its storing and its `dev` split are in `question_set.py` and offered here too. It
knows no arm and no index.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from graft.errors import BadInput, QuestionFileError
from graft.question_lines import FIELDS, Draft, Problem, drafts, file_error, read_lines
from graft.question_set import QuestionSet, ensure_dev, load_questions, store_questions
from graft.types import AnswerKind, Document, Question, Split, fingerprint

__all__ = [
    "ImportReport",
    "QuestionSet",
    "check",
    "ensure_dev",
    "load_questions",
    "normalised",
    "read_questions",
    "store_questions",
]

SHORT_WORDS = 8
MOST_LABELS = 200
LABEL_REPEATS = 5
TEST_SHARE = 0.3
# Under 20 clusters no recommendation is given; under 40 a clustered standard error is too
# small and the sign-flip test has to do (measuring.md, sections 5 and 7).
NO_VERDICT_CLUSTERS = 20
FEW_CLUSTERS = 40
_NAMED = 5  # ids spelled out in a sentence; lists in the report are whole
_RANK = {"train": 0, "dev": 1, "test": 2}


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import took; `problems` are plain sentences that stop nothing.

    `filtered` counts the test lines that `where` left out, `duplicates` names the ids dropped
    because the same question with the same answers stood before them.
    """

    questions: QuestionSet
    problems: tuple[str, ...] = ()
    filtered: int = 0
    duplicates: tuple[str, ...] = ()
    removed_from_train: tuple[str, ...] = ()


def normalised(question: str) -> str:
    """Return a question for comparison: words only, no case.

    >>> normalised("Which  pump? ")
    'which pump'
    """
    plain = unicodedata.normalize("NFKC", question).casefold()
    return " ".join("".join(one if one.isalnum() else " " for one in plain).split())


def read_questions(
    path: Path | Sequence[Path], where: Mapping[str, str] | None = None
) -> ImportReport:
    """Read one or several JSONL or CSV files as one set.

    `where` keeps of the *test* split only the lines whose fields equal the given values
    (`core=true`); lines of train and dev are all kept. A file that names no split at all is
    split by whole groups, 30 % of the questions to the test.

    Raises:
        QuestionFileError: any line is bad; every one is named and nothing is taken.
        BadInput: fewer than two test questions are left.
    """
    paths = [path] if isinstance(path, Path) else list(path)
    shown = ", ".join(str(item) for item in paths)
    found: list[Draft] = []
    for item in paths:
        lines, problems = read_lines(item)
        read = drafts(lines, problems)
        problems += _clashes(read, found)
        if problems:
            raise file_error(item, sorted(problems))
        found += read
    notes = _unused(found, where or {})
    found = _with_splits(found, shown)
    kept = _filtered(found, where or {}, shown)
    questions, duplicates = _without_duplicates(_as_questions(kept))
    notes += _conflicts(questions)
    questions, removed, more = _without_overlap(questions)
    notes += more
    if duplicates:
        notes.append(f"Repeated questions dropped, {len(duplicates)}: {_some(duplicates)}.")
    if removed:
        notes.append(
            f"Taken out of training because they stand word for word in the test split,"
            f" {len(removed)}: {_some(removed)}."
        )
    _check_test(questions, shown)
    return ImportReport(
        QuestionSet(tuple(questions), tuple(removed)),
        tuple(notes),
        len(found) - len(kept),
        tuple(duplicates),
        tuple(removed),
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _clashes(read: Sequence[Draft], before: Sequence[Draft]) -> list[Problem]:
    """Find ids that stand for two different questions; an exact repetition is no clash."""
    first = {item.id: item for item in before}
    problems = []
    for item in read:
        known = first.setdefault(item.id, item)
        if (known.question, known.answers, known.split) != (
            item.question,
            item.answers,
            item.split,
        ):
            problems.append(Problem(item.number, f"id {item.id} stands for another question too"))
    return problems


def _unused(found: Sequence[Draft], where: Mapping[str, str]) -> list[str]:
    names = sorted({name for item in found for name in item.data} - FIELDS - set(where))
    return [f"Fields that Graft does not use: {', '.join(names)}."] if names else []


def _with_splits(found: Sequence[Draft], shown: str) -> list[Draft]:
    """Derive group (document, else fact, else the question) and, if none is named, the split."""
    grouped = [
        replace(item, group=item.group or next(iter(item.doc_ids), "") or item.fact or item.id)
        for item in found
    ]
    without = [item.number for item in grouped if not item.split]
    if not without:
        return grouped
    if len(without) < len(grouped):
        raise QuestionFileError(
            f"{len(without)} questions have no split, others have one",
            where=shown,
            why="lines " + _some([str(number) for number in without]),
            next_step="give every line a split (train, dev or test), or none at all",
        )
    sizes = Counter(item.group for item in grouped)
    test: set[str] = set()
    taken = 0
    for group in sorted(sizes, key=fingerprint):
        if taken >= TEST_SHARE * len(grouped):
            break
        test.add(group)
        taken += sizes[group]
    return [replace(item, split="test" if item.group in test else "train") for item in grouped]


def _filtered(found: Sequence[Draft], where: Mapping[str, str], shown: str) -> list[Draft]:
    for name in where:
        if not any(name in item.data for item in found):
            known = {key for item in found for key in item.data}
            near = difflib.get_close_matches(name, known, n=1)
            raise BadInput(
                "no line has the field to filter by",
                where=f"--where {name}={where[name]}",
                why=f"did you mean {near[0]}?" if near else f"{shown} has {', '.join(known)}",
                next_step="name a field of the file",
            )
    return [item for item in found if item.split != "test" or _matches(item, where)]


def _matches(item: Draft, where: Mapping[str, str]) -> bool:
    def values(name: str) -> list[str]:
        value = item.data.get(name)
        found = value if isinstance(value, list) else [value]
        return [str(one).strip().casefold() for one in found if one is not None]

    return all(wanted.strip().casefold() in values(name) for name, wanted in where.items())


def _as_questions(found: Sequence[Draft]) -> list[Question]:
    """Derive the kind where the file gives none.

    `label` where the training answers of questions without documents repeat a small set (at
    most 200 answers, each 5 times on average) and the answer is one of it; `short` where an
    accepted answer has up to 8 words; else `long`. An unanswerable question is of the kind
    that most others are.
    """
    labels = _labels(found)
    kinds = {id(item): item.kind or _kind(item, labels) for item in found}
    counted = Counter(kinds[id(item)] for item in found if item.answers)
    common = counted.most_common(1)[0][0] if counted else "short"
    return [
        Question(
            id=item.id,
            question=item.question,
            answers=item.answers,
            split=cast(Split, item.split),
            group=item.group,
            doc_ids=item.doc_ids,
            answerable=item.answerable,
            kind=cast(AnswerKind, kinds[id(item)] or common),
            fact=item.fact,
            tags=item.tags,
        )
        for item in found
    ]


def _labels(found: Sequence[Draft]) -> frozenset[str]:
    loose = [item for item in found if item.split == "train" and item.answers and not item.doc_ids]
    labels = {item.answers[0] for item in loose}
    is_small = 1 < len(labels) <= MOST_LABELS and len(loose) >= LABEL_REPEATS * len(labels)
    return frozenset(labels) if is_small else frozenset()


def _kind(item: Draft, labels: frozenset[str]) -> str:
    if not item.answers:
        return ""
    if not item.doc_ids and item.answers[0] in labels:
        return "label"
    return "short" if min(len(text.split()) for text in item.answers) <= SHORT_WORDS else "long"


def _without_duplicates(questions: Sequence[Question]) -> tuple[list[Question], list[str]]:
    """Drop what says the same again: question, answers and documents in one split."""
    seen: set[tuple[str, str, tuple[str, ...], tuple[str, ...]]] = set()
    kept, dropped = [], []
    for item in questions:
        key = (item.split, normalised(item.question), item.answers, item.doc_ids)
        (dropped.append(item.id) if key in seen else kept.append(item))
        seen.add(key)
    return kept, dropped


def _conflicts(questions: Sequence[Question]) -> list[str]:
    """Name questions that stand in one split with different answers."""
    first: dict[tuple[str, str], Question] = {}
    pairs = []
    for item in questions:
        known = first.setdefault((item.split, normalised(item.question)), item)
        if known.answers != item.answers and not set(known.answers) & set(item.answers):
            pairs.append(f"{known.id} and {item.id}")
    if not pairs:
        return []
    return [f"Same question, different answers in one split, {len(pairs)}: {_some(pairs)}."]


def _without_overlap(
    questions: Sequence[Question],
) -> tuple[list[Question], list[str], list[str]]:
    """Leave a question that stands in two splits in the later one: test, then dev, then train."""
    highest: dict[str, str] = {}
    for item in questions:
        name = normalised(item.question)
        if _RANK[item.split] >= _RANK[highest.get(name, "train")]:
            highest[name] = item.split
    kept, from_train, others = [], [], []
    for item in questions:
        top = highest[normalised(item.question)]
        if top == item.split:
            kept.append(item)
        elif item.split == "train" and top == "test":
            from_train.append(item.id)
        else:
            others.append(item.id)
    notes = (
        [f"Standing in dev and in another split, kept once, {len(others)}: {_some(others)}."]
        if others
        else []
    )
    return kept, from_train, notes


def _check_test(questions: Sequence[Question], shown: str) -> None:
    count = sum(item.split == "test" for item in questions)
    if count < 2:
        raise BadInput(
            "one test question alone can tell no arms apart" if count else "no test question",
            where=shown,
            why=f"{len(questions)} questions, {count} of them in the test split",
            next_step='give more lines "split": "test" and import the file again',
        )


def check(questions: QuestionSet, documents: Iterable[Document]) -> list[str]:
    """Say in plain sentences what the set holds and what may spoil a comparison."""
    items = questions.questions
    known = [document.id for document in documents]
    counts = Counter(item.split for item in items)
    test = questions.by_split("test")
    sentences = [
        f"{len(items)} questions: {counts['train']} train, {counts['dev']} dev,"
        f" {counts['test']} test."
    ]
    if not counts["train"]:
        sentences.append("There is no training question: nothing can be fine-tuned on pairs.")
    unanswerable = sum(not item.answerable for item in test)
    if unanswerable:
        share = unanswerable / len(test)
        sentences.append(
            f"{unanswerable} of {len(test)} test questions ({share:.0%}) cannot be answered from"
            " the documents; the right answer to them is to decline."
        )
    elif test:
        sentences.append("Every test question can be answered: declining is not measured.")
    bare = sum(item.answerable and not item.answers for item in items)
    if bare:
        sentences.append(f"Without a gold answer, for retrieval only: {bare}.")
    sentences += _missing_documents(items, known)
    clusters = questions.clusters("test")
    if test and clusters < FEW_CLUSTERS:
        so = "no arm can be recommended" if clusters < NO_VERDICT_CLUSTERS else "intervals are wide"
        bar = NO_VERDICT_CLUSTERS if clusters < NO_VERDICT_CLUSTERS else FEW_CLUSTERS
        sentences.append(f"Groups among the test questions: {clusters}; under {bar} {so}.")
    if questions.removed_from_train:
        sentences.append(
            "Taken out of training at import because they stand in the test split:"
            f" {len(questions.removed_from_train)}."
        )
    return sentences


def _missing_documents(items: Sequence[Question], known: Sequence[str]) -> list[str]:
    there = set(known)
    missing = Counter(name for item in items for name in item.doc_ids if name not in there)
    if not missing:
        return []
    asked = sum(any(name in missing for name in item.doc_ids) for item in items)
    first = next(iter(missing))
    near = difflib.get_close_matches(first, known, n=1)
    hint = f" The nearest to {first} is {near[0]}." if near else ""
    return [
        f"Gold documents that the corpus does not have, {len(missing)} in {asked} questions:"
        f" {_some(list(missing))}.{hint}"
    ]
