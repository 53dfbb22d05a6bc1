"""Distractors: whether an arm still finds the answer among passages that miss it narrowly.

An answerable question is put to the arm with its gold passage and k of our own retriever's
best passages of other documents (measuring.md 2.11), then with those alone, where the right
act is to decline. Training pairs are left out: they would carry the answer past the passages.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from graft.arms import GeneratorArm
from graft.evaluate import ask_all
from graft.metrics import expects_answer
from graft.metrics.normalise import has_run, words_of
from graft.protocols import Progress
from graft.retrieve import Found, Retriever
from graft.runs import read_records
from graft.stats import Design, mean_interval
from graft.types import Hit, Passage, Question, Record, Where, fingerprint

__all__ = ["COUNTS", "PROBE_VERSION", "QUESTIONS", "Case", "ask_distractors", "cases_of"]

PROBE_VERSION = 1
COUNTS = (0, 2, 4, 8)
PLACES = ("first", "middle", "last")
# How many questions an effort asks an arm in every condition; 0 means that it is not measured.
QUESTIONS = {"quick": 0, "normal": 8, "thorough": 60}
SEARCHED = 20  # near misses looked at; those that hold the answer after all are no distractors

Scored = dict[str, Any]


class Case(NamedTuple):
    """A question with the passage that answers it and the near misses, best first."""

    question: Question
    gold: Passage
    distractors: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class _Condition:
    """What stands in the prompts: `count` distractors, with the gold passage or without."""

    count: int
    gold: bool

    @property
    def folder(self) -> str:
        return f"{'gold' if self.gold else 'none'}-{self.count}"


def cases_of(
    questions: Sequence[Question],
    by_document: Mapping[str, Sequence[Passage]],
    retriever: Retriever,
    count: int,
    seed: int,
) -> list[Case]:
    """Return up to `count` cases, drawn by `seed` from what names a gold document.

    The gold passage is the passage of the gold document that holds an answer, the best found
    one of several; where none does, the best found one of that document, and where that is
    not found either the question is passed over.
    """
    texts: dict[str, Question] = {}
    for item in sorted(questions, key=lambda item: item.id):
        if expects_answer(item) and any(name in by_document for name in item.doc_ids):
            texts.setdefault(item.question, item)
    drawn = list(texts.values())
    random.Random(seed).shuffle(drawn)
    cases: list[Case] = []
    while drawn and len(cases) < count:
        part, drawn = drawn[: count - len(cases)], drawn[count - len(cases) :]
        cases += _cases(part, by_document, retriever)
    return cases


def _cases(
    questions: Sequence[Question],
    by_document: Mapping[str, Sequence[Passage]],
    retriever: Retriever,
) -> list[Case]:
    asked = [item.question for item in questions]
    others = [Where(without_documents=frozenset(item.doc_ids)) for item in questions]
    found = retriever.find_many(asked, SEARCHED, 0)
    near = retriever.find_many(asked, SEARCHED, 0, others)
    cases = []
    for item, (hits, _), (misses, _) in zip(questions, found, near, strict=True):
        own = [part for name in item.doc_ids for part in by_document.get(name, ())]
        ranked = [hit.passage for hit in hits if hit.passage.doc_id in item.doc_ids]
        gold = _gold(item, own, ranked)
        if gold is not None:
            distractors = [hit.passage for hit in misses if not _holds(hit.passage, item)]
            cases.append(Case(item, gold, tuple(distractors[: max(COUNTS)])))
    return cases


def _gold(item: Question, own: Sequence[Passage], ranked: Sequence[Passage]) -> Passage | None:
    holding = [passage for passage in own if _holds(passage, item)]
    ids = {passage.id for passage in holding}
    best = [passage for passage in ranked if not ids or passage.id in ids]
    return next(iter((*best, *holding)), None)


def _holds(passage: Passage, item: Question) -> bool:
    words = words_of(passage.shown)
    return any(has_run(words, words_of(answer)) for answer in item.answers)


def ask_distractors(
    arm: GeneratorArm,
    cases: Sequence[Case],
    seed: int,
    folder: Path,
    on_progress: Progress | None = None,
) -> tuple[list[Scored], int]:
    """Ask an arm every case in every condition; return the results and how many were asked.

    `folder` keeps the records, one folder a condition, and is continued. The results are
    plain: `distractors`, `score` with its interval, `left_out` (prompts that would not fit or
    had too few distractors) and, with distractors, the scores by the gold passage's place.
    Without the gold passage the score is the share declined.
    """
    conditions = [_Condition(count, gold=True) for count in COUNTS]
    if without := arm.passages:
        conditions.append(_Condition(min(without, max(COUNTS)), gold=False))
    results, asked = [], 0
    for condition in conditions:
        shown = _shown(cases, condition, seed)
        given = replace(arm, retriever=cast("Retriever", _Given(shown)), pairs=0)
        whole = {text for text in shown if not given.prepare_many([text])[0].shortened}
        questions = [case.question for case in cases if case.question.question in whole]
        own = folder / condition.folder
        asked += ask_all(given, questions, own, _renamed(on_progress, condition))
        records = {item.question_id: item for item in read_records(own / "records.jsonl")}
        results.append(_result(condition, cases, questions, records, seed))
    return results, asked


def _shown(cases: Sequence[Case], condition: _Condition, seed: int) -> dict[str, list[Hit]]:
    """Return by question what is put before the arm, where there are enough distractors."""
    shown = {}
    for case in cases:
        passages = list(case.distractors[: condition.count])
        if len(passages) < condition.count:
            continue
        if condition.gold:
            place = {"first": 0, "middle": len(passages) // 2, "last": len(passages)}
            passages.insert(place[_place(case.question, seed)], case.gold)
        shown[case.question.question] = [_hit(item, at) for at, item in enumerate(passages)]
    return shown


def _place(item: Question, seed: int) -> str:
    return PLACES[int(fingerprint(seed, item.id), 16) % len(PLACES)]


def _hit(passage: Passage, place: int) -> Hit:
    """Return a hit that stays in its place: a prompt shows passages in the order of documents.

    Only that order reads the document's id; what the model is shown does not change.
    """
    return Hit(replace(passage, doc_id=f"{place:03}", position=place), 0.0)


@dataclass(frozen=True, slots=True)
class _Given:
    """Stands in an arm for its retriever and finds what it was given."""

    hits: Mapping[str, Sequence[Hit]]

    def find_many(self, queries: Sequence[str], *_: object) -> list[Found]:
        return [Found(list(self.hits[text]), {}) for text in queries]


def _renamed(on_progress: Progress | None, condition: _Condition) -> Progress:
    shown = f"{condition.count} distractors" + ("" if condition.gold else ", without the gold one")

    def tell(phase: str, done: int, total: int, note: str = "") -> None:
        if on_progress is not None:
            on_progress(f"{phase} among distractors", done, total, note or shown)

    return tell


def _result(
    condition: _Condition,
    cases: Sequence[Case],
    questions: Sequence[Question],
    records: Mapping[str, Record],
    seed: int,
) -> Scored:
    scores = {item.id: _score(records[item.id], condition) for item in questions}
    result: Scored = {"distractors": condition.count}
    if not condition.gold:
        result["gold"] = False
    result["score"] = _cell(questions, scores, seed)
    result["left_out"] = len(cases) - len(questions)
    if condition.gold and condition.count:
        result["places"] = {
            place: _cell([item for item in questions if _place(item, seed) == place], scores, seed)
            for place in PLACES
        }
    return result


def _score(record: Record, condition: _Condition) -> float:
    if record.error:
        return 0.0
    return float(record.scores.get("primary") or 0.0) if condition.gold else float(record.declined)


def _cell(questions: Sequence[Question], scores: Mapping[str, float], seed: int) -> Scored:
    if not questions:
        return {"score": None, "low": None, "high": None, "n": 0}
    design = Design(tuple(item.group or f"question {item.id}" for item in questions))
    found = mean_interval([scores[item.id] for item in questions], design, seed=seed)
    return {"score": found.estimate, "low": found.low, "high": found.high, "n": found.n}
