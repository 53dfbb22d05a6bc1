"""What of the test split stands in training: removed word for word, or merely similar.

A test question that stands in training word for word was taken out of training at import;
where that is more than 2 % of the test split, no arm may be recommended. A similar question
with the same answer is never removed, since a new wording of a fact is one: it is counted,
named with its nearest training question, and scores are given with and without it. Likeness
is counted in letters, so that no model is needed. It knows no arm and no run.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from graft.files import write_atomically
from graft.question_set import QuestionSet, named, normalised
from graft.types import Question

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Positions = NDArray[np.int64]

__all__ = [
    "Leakage",
    "Similar",
    "leakage_blockers",
    "leakage_of",
    "leakage_remarks",
    "load_leakage",
    "store_leakage",
]

SCHEMA = 1
MOST_REMOVED = 0.02  # of the test questions; more and the set is not what it was made to be
SIMILAR = 0.6  # of the letter triples of both questions are shared
_TRIPLE = 3


class Similar(NamedTuple):
    """A test question, its nearest training question with the same answer, their likeness."""

    test_id: str
    train_id: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Leakage:
    """Ids of the training questions taken out, similar questions, and contradictions.

    `conflicts` are (test id, training id) of the same question with other answers; the
    training question was taken out as well.
    """

    removed: tuple[str, ...] = ()
    similar: tuple[Similar, ...] = ()
    conflicts: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the form that a comparison keeps: ids, and beside them who is near whom."""
        return {
            "removed": list(self.removed),
            "similar": [item.test_id for item in self.similar],
            "nearest": [list(item) for item in self.similar],
            "conflicts": [list(pair) for pair in self.conflicts],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Leakage:
        """Read `to_json` back."""
        return cls(
            tuple(data["removed"]),
            tuple(Similar(*item) for item in data["nearest"]),
            tuple((test, train) for test, train in data["conflicts"]),
        )


def leakage_of(questions: QuestionSet) -> Leakage:
    """Compare every test question with every training question."""
    conflicts = tuple(
        (twin.test_id, twin.train_id) for twin in questions.twins if twin.answers_differ
    )
    similar = _similar(questions.by_split("test"), questions.by_split("train"))
    return Leakage(questions.removed_from_train, similar, conflicts)


def leakage_blockers(questions: QuestionSet) -> tuple[str, ...]:
    """Return `leakage:SHARE` where too much of the test split had to leave training."""
    share = _removed_share(questions)
    return (f"leakage:{share:.3f}",) if share > MOST_REMOVED else ()


def leakage_remarks(questions: QuestionSet, leakage: Leakage) -> list[str]:
    """Say in plain sentences what was removed and what is similar."""
    remarks = []
    if leakage.removed:
        remarks.append(
            "Taken out of training at import because they stand in the test split:"
            f" {len(leakage.removed)}."
        )
    if leakage_blockers(questions):
        remarks.append(
            f"Of the test questions {100 * _removed_share(questions):.1f} % stood in training too;"
            f" above {100 * MOST_REMOVED:.0f} % no arm is recommended. Take them out of one split"
            " in your own file and import it again."
        )
    if leakage.conflicts:
        pairs = [f"{test} and {train}" for test, train in leakage.conflicts]
        remarks.append(
            f"Same question in test and train with different answers, {len(pairs)}: {named(pairs)}."
        )
    if leakage.similar:
        test = len(questions.by_split("test"))
        nearest = sorted(leakage.similar, key=lambda item: -item.similarity)
        pairs = [f"{item.test_id} and {item.train_id} ({item.similarity:.2f})" for item in nearest]
        remarks.append(
            f"Test questions much like a training question with the same answer, {len(pairs)} of"
            f" {test} ({100 * len(pairs) / test:.1f} %): {named(pairs)}. They stay; scores are"
            " given with and without them."
        )
    return remarks


def store_leakage(folder: Path, questions: QuestionSet) -> Leakage:
    """Work the report out and keep it beside the questions, under their hash."""
    found = leakage_of(questions)
    data = {"schema": SCHEMA, "questions": questions.hash, **found.to_json()}
    write_atomically(_file(folder, questions), json.dumps(data, ensure_ascii=False, indent=1))
    return found


def load_leakage(folder: Path, questions: QuestionSet) -> Leakage:
    """Return the report of these questions; worked out anew where none of them is kept."""
    try:
        data = json.loads(_file(folder, questions).read_text(encoding="utf-8"))
        if data["schema"] == SCHEMA and data["questions"] == questions.hash:
            return Leakage.from_json(data)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # it holds nothing that the questions themselves do not say
    return store_leakage(folder, questions)


def _file(folder: Path, questions: QuestionSet) -> Path:
    """Name the report after its questions, so that it can be written before they are."""
    return folder / f"leakage-{questions.hash}.json"


def _removed_share(questions: QuestionSet) -> float:
    """Return the share of test questions that a removed training question repeats."""
    test = len(questions.by_split("test"))
    known = len({twin.test_id for twin in questions.twins}) or len(questions.removed_from_train)
    return known / test if test else 0.0


def _similar(test: Sequence[Question], train: Sequence[Question]) -> tuple[Similar, ...]:
    """Find for each test question the training question most like it that has its answer.

    Likeness is the share of common letter triples (Jaccard). An inverted index counts the
    common triples of one test question with all training questions at once.
    """
    import numpy as np

    if not test or not train:
        return ()
    places, sizes = _inverted([_triples(item.question) for item in train])
    answers = [_answers(item) for item in train]
    found = []
    for item in test:
        own = _triples(item.question)
        lists = [places[triple] for triple in own if triple in places]
        if not lists:
            continue
        common = np.bincount(np.concatenate(lists), minlength=len(train))
        likeness = common / (sizes + len(own) - common)
        near = np.flatnonzero(likeness >= SIMILAR)
        wanted = _answers(item)
        for place in near[np.argsort(-likeness[near], kind="stable")]:
            if wanted & answers[place]:
                similarity = round(float(likeness[place]), 4)
                found.append(Similar(item.id, train[place].id, similarity))
                break
    return tuple(found)


def _inverted(triples: Sequence[frozenset[str]]) -> tuple[dict[str, Positions], Positions]:
    """Return for each triple the questions that have it, and each question's number of them."""
    import numpy as np

    places: dict[str, list[int]] = defaultdict(list)
    for number, own in enumerate(triples):
        for triple in own:
            places[triple].append(number)
    sizes = np.array([len(own) for own in triples], dtype=np.int64)
    return {triple: np.array(found, dtype=np.int64) for triple, found in places.items()}, sizes


def _triples(question: str) -> frozenset[str]:
    """Return the letter triples of a question; a space stands at both ends.

    >>> sorted(_triples("Is it?"))
    [' is', ' it', 'is ', 'it ', 's i']
    """
    text = f" {normalised(question)} "
    return frozenset(text[at : at + _TRIPLE] for at in range(len(text) - _TRIPLE + 1))


def _answers(item: Question) -> frozenset[str]:
    """Return what counts as the same answer; without one, its documents or that there is none."""
    if item.answers:
        return frozenset(normalised(answer) or answer.strip() for answer in item.answers)
    return frozenset(f"\n{name}" for name in item.doc_ids if item.answerable) or frozenset("\n")
