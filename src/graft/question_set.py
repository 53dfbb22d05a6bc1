"""The question set as a value: frozen by hash, stored as JSONL.

How a set comes from files stands in `questions.py`, how its `dev` split is carved in
`question_dev.py`; this module only holds, stores and compares it. Who reads the questions of a
workspace starts here.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from graft.errors import BadInput, FingerprintMismatch
from graft.files import write_atomically
from graft.formats import check_format, sealed, unsealed
from graft.runs import question_from_json
from graft.types import Question, Split, fingerprint

__all__ = [
    "QuestionSet",
    "Twin",
    "changes",
    "load_questions",
    "named",
    "normalised",
    "plain_question",
    "store_questions",
]

SCHEMA = 1
NEEDS = "0.1.0"  # the first version of Graft that reads it
FILE = "questions.jsonl"
# Fields that sets stored by earlier versions lack. Where they are empty they are left out of
# the hash, so that a set keeps its hash, and its runs, when Graft is upgraded.
ADDED_LATER = ("key_facts", "grades")
_MINUS = re.compile(r"(?<!\w)[-\u2013](?=\d)")  # NFKC leaves the minus sign as it is
_MEANT = frozenset("#%&@*/\\\u00a7\u2030")  # punctuation to Unicode, part of a name to a reader
_QUOTES = frozenset("`\u00b4")
_NAMED = 5  # ids spelled out in a sentence; lists in the report are whole


class Twin(NamedTuple):
    """A training question taken out, and the test question that it repeats word for word."""

    train_id: str
    test_id: str
    answers_differ: bool = False


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Questions in the order of the file.

    `removed_from_train` names the training questions that were taken out at import because
    they stand word for word in the test split, `twins` says which test questions those are
    (empty in a set stored before it was kept); the share decides whether a verdict may be
    given.
    """

    questions: tuple[Question, ...]
    removed_from_train: tuple[str, ...] = ()
    twins: tuple[Twin, ...] = ()

    @property
    def hash(self) -> str:
        """Name the questions with all their fields; the order does not matter."""
        return fingerprint(
            sorted((plain_question(item) for item in self.questions), key=lambda one: one["id"])
        )

    @property
    def scored(self) -> QuestionSet:
        """Return the set without questions for retrieval alone.

        Those can be answered but no answer is given (BEIR): nothing an arm says is right or
        wrong there, and nothing can be learned from them.
        """
        kept = tuple(item for item in self.questions if item.answers or not item.answerable)
        return replace(self, questions=kept)

    def by_split(self, split: Split) -> tuple[Question, ...]:
        """Return the questions of a split."""
        return tuple(item for item in self.questions if item.split == split)

    def clusters(self, split: Split = "test") -> int:
        """Return the number of statistical clusters of a split."""
        return len({item.group for item in self.by_split(split)})


def normalised(question: str) -> str:
    """Return a question for comparison: no case, no spacing, no punctuation between words.

    Signs that are part of a name or a number stay (C++, C#, < 5, -5, 10 %), and so do the vowel
    signs of scripts that write them as marks.

    >>> normalised("Which  pump? "), normalised("Is C++ faster, or C#?")
    ('which pump', 'is c++ faster or c#')
    """
    text = _MINUS.sub("\u2212", unicodedata.normalize("NFKC", question).casefold())
    return " ".join("".join(map(_plain_sign, text)).split()) or question.strip()


def _plain_sign(sign: str) -> str:
    """Return a character as it counts: itself, a space, or nothing (an invisible joiner)."""
    kind = unicodedata.category(sign)
    if kind == "Cf":
        return ""
    between = kind[0] in "PZC" and sign not in _MEANT
    return " " if between or sign in _QUOTES else sign


def named(names: Sequence[str]) -> str:
    """Return the first of many names and how many more there are.

    >>> named(["a", "b"]), named("abcdefg")
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def plain_question(question: Question) -> dict[str, Any]:
    """Return a question as it is stored and hashed."""
    fields = {name: getattr(question, name) for name in Question.__slots__}
    return {name: value for name, value in fields.items() if value or name not in ADDED_LATER}


def changes(before: QuestionSet, after: QuestionSet) -> str:
    """Say by how many questions two sets differ; an empty string where they do not.

    >>> changes(QuestionSet(()), QuestionSet((Question("a", "A?", ("x",), "test", "g"),)))
    '1 added'
    """
    if before.hash == after.hash:
        return ""
    old = {item.id: item for item in before.questions}
    new = {item.id: item for item in after.questions}
    counts = {
        "added": len(new.keys() - old.keys()),
        "changed": sum(old[name] != new[name] for name in old.keys() & new.keys()),
        "gone": len(old.keys() - new.keys()),
    }
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def store_questions(folder: Path, questions: QuestionSet) -> Path:
    """Write the set to the folder as JSONL, a head line first; return the file.

    Raises:
        NoSpaceLeft: the disk is full; the set before stands unchanged.
    """
    head = sealed(
        {
            "schema": SCHEMA,
            "needs": NEEDS,
            "hash": questions.hash,
            "removed_from_train": questions.removed_from_train,
            "twins": questions.twins,
        }
    )
    lines = [head, *(plain_question(item) for item in questions.questions)]
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
        head = unsealed(head)
        check_format(head, SCHEMA, "the questions were stored", str(path))
        questions = tuple(question_from_json(item) for item in rest)
        found = _with_head(head, questions)
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


def _with_head(head: Mapping[str, Any], questions: tuple[Question, ...]) -> QuestionSet:
    twins = tuple(Twin(*item) for item in head.get("twins", ()))
    return QuestionSet(questions, tuple(head["removed_from_train"]), twins)
