"""Questions from files: read whole or not at all, completed by fixed rules, checked.

What is derived (split, group, kind) follows the rules that stand with each function. The set
itself and its storing are in `question_set.py`, its `dev` split in `question_dev.py`, what can
be said about it in `question_check.py`, `question_power.py` and `leakage.py`; the functions
that others call are offered here too. It knows no arm and no index.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from graft.beir import read_beir
from graft.errors import BadInput, QuestionFileError
from graft.leakage import (
    Leakage,
    leakage_blockers,
    leakage_of,
    leakage_remarks,
    load_leakage,
    store_leakage,
)
from graft.pair_checks import PairReport, checked_pairs, pairs_gate
from graft.question_check import check
from graft.question_dev import dev_parts, ensure_dev
from graft.question_export import export_questions, form_of
from graft.question_lines import FIELDS, Draft, Problem, drafts, file_error, read_lines
from graft.question_overlap import conflicts, without_duplicates, without_overlap
from graft.question_power import detectable, power_line
from graft.question_set import (
    QuestionSet,
    changes,
    load_questions,
    named,
    normalised,
    store_questions,
)
from graft.types import AnswerKind, Question, Split, fingerprint

__all__ = [
    "ImportReport",
    "QuestionSet",
    "Leakage",
    "check",
    "detectable",
    "dev_parts",
    "ensure_dev",
    "export_questions",
    "form_of",
    "leakage_blockers",
    "leakage_of",
    "load_leakage",
    "load_questions",
    "normalised",
    "pairs_gate",
    "power_line",
    "read_questions",
    "store_leakage",
    "store_questions",
    "take_questions",
]

SHORT_WORDS = 8
MOST_LABELS = 200
LABEL_REPEATS = 5
TEST_SHARE = 0.3
FOLDER = "folder"  # names the folder of the first document where no field is called so


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
    pairs: PairReport = PairReport()


def take_questions(
    folder: Path,
    path: Path,
    where: Mapping[str, str] | None = None,
    *,
    group_from: str = "",
    seed: int = 7,
    compared: bool = False,
) -> ImportReport:
    """Read a question file and store the set, its `dev` split and its leakage report.

    `compared` says that a comparison stands on the set that is there: the report then says
    whether it still does.
    """
    try:
        before = load_questions(folder)
    except BadInput:
        before = None  # there is none, or it cannot be used, which is why one is imported
    report = read_questions(path, where, group_from)
    whole = ensure_dev(report.questions, seed)
    leakage = store_leakage(folder, whole)  # named after the set, which is what counts: first
    store_questions(folder, whole)
    notes = leakage_remarks(whole, replace(leakage, removed=(), conflicts=()))
    if compared and before is not None and (changed := changes(before, whole)):
        notes.append(
            f"The set was {before.hash} and is now {whole.hash} ({changed}). What was compared"
            " before answered other questions; graft compare asks them anew."
        )
    return replace(report, questions=whole, problems=(*report.problems, *notes))


def read_questions(
    path: Path | Sequence[Path], where: Mapping[str, str] | None = None, group_from: str = ""
) -> ImportReport:
    """Read one or several JSONL or CSV files or BEIR folders as one set.

    `where` keeps of the *test* split only the lines whose fields equal the given values
    (`core=true`); lines of train and dev are all kept. A file that names no split at all is
    split by whole groups, 30 % of the questions to the test. `group_from` names the field
    that holds the statistical cluster, or `folder`: the folder of the first document.

    Raises:
        QuestionFileError: any line is bad; every one is named and nothing is taken.
        BadInput: fewer than two test questions are left, or no line has a field named.
    """
    paths = [path] if isinstance(path, Path) else list(path)
    shown = ", ".join(str(item) for item in paths)
    found: list[Draft] = []
    notes: list[str] = []
    forms: Counter[str] = Counter()
    for item in paths:
        if item.is_dir():
            lines, problems, more = read_beir(item)
            notes += more
        else:
            lines, problems = read_lines(item)
        read = drafts(lines, problems, forms)
        problems += _clashes(read, found)
        if problems:
            raise file_error(item, sorted(problems))
        found += read
    notes += _unused(found, {*(where or {}), group_from})
    found, ungrouped = _with_groups(found, group_from, shown)
    notes += ungrouped
    notes += [
        f"Left out of chats: {_counted(count, name)}." for name, count in forms.items() if count
    ]
    found, pairs = checked_pairs(_with_splits(found, shown))
    kept = _filtered(found, where or {}, shown)
    questions, duplicates = without_duplicates(_as_questions(kept))
    notes += [*pairs.sentences(), *conflicts(questions)]
    questions, twins, more = without_overlap(questions)
    removed = [twin.train_id for twin in twins]
    notes += more
    if duplicates:
        notes.append(f"Repeated questions dropped, {len(duplicates)}: {named(duplicates)}.")
    if removed:
        notes.append(
            f"Taken out of training because they stand word for word in the test split,"
            f" {len(removed)}: {named(removed)}."
        )
    _check_test(questions, shown)
    return ImportReport(
        QuestionSet(tuple(questions), tuple(removed), tuple(twins)),
        tuple(notes),
        len(found) - len(kept),
        tuple(duplicates),
        tuple(removed),
        pairs,
    )


def _counted(count: int, name: str) -> str:
    return f"{count:,} {name}{'s' * (count != 1)}"


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


def _unused(found: Sequence[Draft], named: set[str]) -> list[str]:
    names = sorted({name for item in found for name in item.data} - FIELDS - named)
    return [f"Fields that Graft does not use: {', '.join(names)}."] if names else []


def _with_groups(
    found: Sequence[Draft], group_from: str, shown: str
) -> tuple[list[Draft], list[str]]:
    """Take the group from the field named; else as given, the document, fact or question."""
    if group_from and group_from != FOLDER:
        _need_field(group_from, found, f"--group-from {group_from}", shown)
    chosen = [_group_in(item, group_from) if group_from else item.group for item in found]
    grouped = [
        replace(
            item,
            group=group or item.group or next(iter(item.doc_ids), "") or item.fact or item.id,
        )
        for item, group in zip(found, chosen, strict=True)
    ]
    without = [item.id for item, group in zip(found, chosen, strict=True) if not group]
    if not group_from or not without:
        return grouped, []
    return grouped, [
        f"Without a value of {group_from}, grouped by their group, document, fact or question,"
        f" {len(without)}: {named(without)}."
    ]


def _group_in(item: Draft, name: str) -> str:
    """Return the group that a field names: its value, the first of a list."""
    if name not in item.data and name == FOLDER:
        return next(iter(item.doc_ids), "").rpartition("/")[0]
    if name == "doc_ids":
        return next(iter(item.doc_ids), "")
    value = item.data.get(name)
    first = next(iter(value), None) if isinstance(value, list) else value
    return "" if first is None or isinstance(first, dict | list) else str(first).strip()


def _with_splits(grouped: Sequence[Draft], shown: str) -> list[Draft]:
    """Set whole groups aside for the test where no line names a split."""
    without = [item.number for item in grouped if not item.split]
    if not without:
        return list(grouped)
    if len(without) < len(grouped):
        raise QuestionFileError(
            f"{len(without)} questions have no split, others have one",
            where=shown,
            why="lines " + named([str(number) for number in without]),
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
        _need_field(name, found, f"--where {name}={where[name]}", shown)
    return [item for item in found if item.split != "test" or _matches(item, where)]


def _need_field(name: str, found: Sequence[Draft], where: str, shown: str) -> None:
    """Refuse a field that no line has.

    Raises:
        BadInput: with the nearest name, else all names.
    """
    known = sorted({key for item in found for key in item.data})
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1)
    raise BadInput(
        f"no line has the field {name}",
        where=where,
        why=f"did you mean {near[0]}?" if near else f"{shown} has {', '.join(known)}",
        next_step=f"graft questions import FILE {where.replace(name, near[0], 1)}"
        if near
        else "name a field of the file",
    )


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
            key_facts=item.key_facts,
            grades=item.grades,
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


def _check_test(questions: Sequence[Question], shown: str) -> None:
    count = sum(item.split == "test" for item in questions)
    if count < 2:
        raise BadInput(
            "one test question alone can tell no arms apart" if count else "no test question",
            where=shown,
            why=f"{len(questions)} questions, {count} of them in the test split",
            next_step='give more lines "split": "test" and import the file again',
        )
