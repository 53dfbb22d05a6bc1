"""A look at a question set before anything is computed: plain sentences that stop nothing."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence

from graft.leakage import Leakage, leakage_of, leakage_remarks
from graft.pair_checks import pairs_gate
from graft.question_dev import dev_parts
from graft.question_power import detectable
from graft.question_set import QuestionSet, named
from graft.types import Document, Question

__all__ = ["check"]

# Under 20 clusters no recommendation is given; under 40 a clustered standard error is too
# small and the sign-flip test has to do (measuring.md, sections 5 and 7).
NO_VERDICT_CLUSTERS = 20
FEW_CLUSTERS = 40
_PARTS = {
    "wording": "further wordings of what is trained",
    "document": "on documents that no training question asks about",
    "other": "on other facts of trained documents",
}


def check(
    questions: QuestionSet, documents: Iterable[Document], leakage: Leakage | None = None
) -> list[str]:
    """Say what the set holds, what may spoil a comparison, and what it can show.

    `leakage` is the report kept with the questions; without it, it is worked out here.
    """
    items = questions.questions
    counts = Counter(item.split for item in items)
    found = leakage_of(questions) if leakage is None else leakage
    sentences = [
        f"{len(items)} questions: {counts['train']} train, {counts['dev']} dev,"
        f" {counts['test']} test."
    ]
    if not counts["train"]:
        sentences.append("There is no training question: nothing can be fine-tuned on pairs.")
    elif said := pairs_gate(counts["train"])[1]:
        sentences.append(said)
    sentences += _dev(questions)
    sentences += _answerability(questions.by_split("test"))
    bare = sum(item.answerable and not item.answers for item in items)
    if bare:
        sentences.append(f"Without a gold answer, for retrieval only: {bare}.")
    sentences += _missing_documents(items, [document.id for document in documents])
    sentences += _clusters(questions)
    sentences += leakage_remarks(questions, found)
    sentences += detectable(questions)
    return [*sentences, f"The set is fixed by its hash: {questions.hash}."]


def _dev(questions: QuestionSet) -> list[str]:
    parts = dev_parts(questions)
    shown = [f"{len(ids)} {_PARTS[name]}" for name, ids in parts.items() if ids]
    if not shown:
        return []
    sentences = [f"Of the dev questions, {', '.join(shown)}."]
    if not parts["wording"]:
        sentences.append(
            "No dev question is a further wording of what is trained: what has been learned by"
            " heart cannot be seen during training."
        )
    if not parts["document"] and any(item.doc_ids for item in questions.by_split("train")):
        sentences.append(
            "No dev question is on a document kept out of training: how later documents are read"
            " cannot be seen during training."
        )
    return sentences


def _answerability(test: Sequence[Question]) -> list[str]:
    unanswerable = sum(not item.answerable for item in test)
    if unanswerable:
        share = unanswerable / len(test)
        return [
            f"{unanswerable} of {len(test)} test questions ({100 * share:.0f} %) cannot be answered"
            " from the documents; the right answer to them is to decline."
        ]
    if test and not any(item.answers for item in test):
        return ["No test question has a gold answer: the set measures retrieval and no answers."]
    return ["Every test question can be answered: declining is not measured."] if test else []


def _clusters(questions: QuestionSet) -> list[str]:
    clusters = questions.clusters("test")
    if not questions.by_split("test") or clusters >= FEW_CLUSTERS:
        return []
    so = "no arm can be recommended" if clusters < NO_VERDICT_CLUSTERS else "intervals are wide"
    bar = NO_VERDICT_CLUSTERS if clusters < NO_VERDICT_CLUSTERS else FEW_CLUSTERS
    return [f"Groups among the test questions: {clusters}; under {bar} {so}."]


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
        f" {named(list(missing))}.{hint}"
    ]
