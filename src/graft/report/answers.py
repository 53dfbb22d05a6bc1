"""The answers of all arms, question by question, in the order worth reading.

It marks each answer, gathers the passages that arms were given with what supports the
reference in them, and orders questions by how much the arms disagree. It also shortens texts
when the report has to be smaller, and counts what it shortened.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from graft.report import numbers
from graft.report.highlight import supporting_spans
from graft.runs import ArmRun, Comparand
from graft.types import Question, Record

__all__ = ["AnswerView", "Limits", "QuestionView", "Reading", "find_support", "read_answers"]

Mark = Literal["right", "partly", "wrong", "declined", "failed", "unscored", "missing"]
Support = Mapping[tuple[str, str], tuple[tuple[int, int], ...]]
"""By the ids of a question and a passage: where the passage supports the reference."""
DISAGREEMENT = 0.5
"""Two arms disagree where their primary scores are this far apart: right against wrong, or
an F1 difference that a reader sees."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of each text is shown; None shows all."""

    passage_chars: int | None = None
    answer_chars: int | None = None
    questions: int | None = None


@dataclass(frozen=True, slots=True)
class AnswerView:
    """One arm's answer with its mark in words and the reason for its score.

    `missed` says that retrieval did not find a gold document, `misread` that it did and
    the answer is wrong all the same, `eager` that it should have declined.
    """

    arm: str
    control: bool
    mark: Mark
    words: str
    text: str
    reason: str
    missed: bool
    misread: bool
    eager: bool
    value: float | None


@dataclass(frozen=True, slots=True)
class PassageView:
    """A passage that arms were given; `gold` where its document is the question's.

    Its text stands once in `Reading.passages` under `anchor`, which is empty if it was not kept.
    `marks` are the stretches that support the reference, as "start-end" of its characters.
    """

    id: str
    doc_id: str
    arms: tuple[str, ...]
    gold: bool
    anchor: str
    marks: str = ""


@dataclass(frozen=True, slots=True)
class PassageText:
    """The text of a passage, shown once however many questions it was found for."""

    anchor: str
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class QuestionView:
    """A question with the answers of all arms.

    `filters` are the names under which it is found: of a filter for any arm, and of a filter
    with the arm's place for that arm.
    """

    question: Question
    text: str
    references: tuple[str, ...]
    exposure: str
    answers: tuple[AnswerView, ...]
    controls: tuple[AnswerView, ...]
    passages: tuple[PassageView, ...]
    disagree: bool
    missed: bool
    filters: tuple[str, ...]
    order: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Reading:
    """The questions in reading order, their passages, and what was left out.

    `counts` says how many of the questions pass each filter.
    """

    questions: tuple[QuestionView, ...]
    passages: tuple[PassageText, ...]
    counts: Mapping[str, int]
    total: int
    passages_shortened: int
    answers_shortened: int


def shorten(text: str, limit: int | None) -> str:
    """Return text cut at a limit, with an ellipsis.

    >>> shorten("forty litres", 5), shorten("forty", 5), shorten("forty", 0)
    ('forty…', 'forty', '…')
    """
    return text if limit is None or len(text) <= limit else f"{text[:limit].rstrip()}…"


def find_support(comparand: Comparand) -> Support:
    """Return what supports the reference in each passage that was given for a question."""
    found: dict[tuple[str, str], tuple[tuple[int, int], ...]] = {}
    questions = {item.id: item for item in comparand.questions if item.answerable}
    for run in comparand.runs:
        for record in run.records:
            question = questions.get(record.question_id)
            if question is None:
                continue
            for name in record.passages:
                if (question.id, name) not in found and name in comparand.passages:
                    spans = supporting_spans(comparand.passages[name], question.answers)
                    found[question.id, name] = spans
    return found


def read_answers(comparand: Comparand, limits: Limits, support: Support | None = None) -> Reading:
    """Return every question with all arms' answers, largest disagreement first.

    `support` spares finding it anew where the same answers are read with other limits.
    """
    support = find_support(comparand) if support is None else support
    runs = [run for run in comparand.runs if not run.manifest.not_applicable]
    by_arm = {run.manifest.arm: {item.question_id: item for item in run.records} for run in runs}
    anchors = {name: f"p{place}" for place, name in enumerate(comparand.passages, 1)}
    views = []
    for question in comparand.questions:
        found = [(run, by_arm[run.manifest.arm].get(question.id)) for run in runs]
        exposure = comparand.exposure.get(question.id, "")
        views.append(_question(question, exposure, found, anchors, support, limits))
    views.sort(key=lambda view: view.order, reverse=True)
    shown = tuple(views[: limits.questions])
    used = {item.id for view in shown for item in view.passages}
    kept = [(name, text) for name, text in comparand.passages.items() if name in used]
    answers = [
        record.answer
        for view in shown
        for records in by_arm.values()
        if (record := records.get(view.question.id)) is not None
    ]
    return Reading(
        questions=shown,
        passages=tuple(
            PassageText(anchors[name], name, shorten(text, limits.passage_chars))
            for name, text in kept
        ),
        counts=Counter(name for view in shown for name in view.filters),
        total=len(views),
        passages_shortened=_longer([text for _, text in kept], limits.passage_chars),
        answers_shortened=_longer(answers, limits.answer_chars),
    )


def _longer(texts: Sequence[str], limit: int | None) -> int:
    """Count the texts that a limit shortens."""
    return 0 if limit is None else sum(len(text) > limit for text in texts)


def _question(
    question: Question,
    exposure: str,
    found: Sequence[tuple[ArmRun, Record | None]],
    anchors: Mapping[str, str],
    support: Support,
    limits: Limits,
) -> QuestionView:
    views = [_answer(question, run, record, limits) for run, record in found]
    real = tuple(view for view in views if not view.control)
    controls = tuple(view for view in views if view.control)
    values = [view.value for view in real if view.value is not None]
    reach = max(values) - min(values) if values else 0.0
    passages = _passages(question, found, anchors)
    marked = tuple(_with_marks(item, question, support, limits.passage_chars) for item in passages)
    return QuestionView(
        question=question,
        text=shorten(question.question, limits.answer_chars),
        references=tuple(shorten(item, limits.answer_chars) for item in question.answers),
        exposure=exposure,
        answers=real,
        controls=controls,
        passages=marked,
        disagree=reach >= DISAGREEMENT,
        missed=any(view.missed for view in real),
        filters=_filters(real, reach >= DISAGREEMENT),
        order=(reach, _spread(values)),
    )


def _filters(real: Sequence[AnswerView], disagree: bool) -> tuple[str, ...]:
    """Return the filters that a question passes, for any arm and for each one by its place."""
    wrong = [place for place, view in enumerate(real) if _is_wrong(view)]
    scored = sum(view.mark not in ("missing", "unscored") for view in real)
    places = {
        "alone": wrong if len(wrong) == 1 and scored > 1 else [],
        "missed": [place for place, view in enumerate(real) if view.missed],
        "misread": [place for place, view in enumerate(real) if view.misread],
        "decline": [place for place, view in enumerate(real) if view.eager],
    }
    found = ["disagree"] if disagree else []
    for name, arms in places.items():
        found += [name] if arms else []
        found += [f"{name}-{place}" for place in arms]
    return tuple(found)


def _is_wrong(view: AnswerView) -> bool:
    return view.mark == "failed" or (view.value is not None and view.value < DISAGREEMENT)


def _spread(values: Sequence[float]) -> float:
    """Return the variance: two arms against two stand before one against three."""
    if not values:
        return 0.0
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values)


def _answer(question: Question, run: ArmRun, record: Record | None, limits: Limits) -> AnswerView:
    mark, words = _mark(question, record)
    value = record.scores.get("primary") if record and not record.error else None
    retrieved = _retrieved(question, run, record)
    return AnswerView(
        arm=run.manifest.arm,
        control=run.manifest.control,
        mark=mark,
        words=words,
        text=shorten(record.answer.strip(), limits.answer_chars) if record else "",
        reason=(record.error or record.reason) if record else "",
        missed=retrieved is False,
        misread=retrieved is True and value is not None and value < DISAGREEMENT,
        eager=not question.answerable and mark == "wrong",
        value=value,
    )


def _mark(question: Question, record: Record | None) -> tuple[Mark, str]:
    if record is None:
        return "missing", "not asked"
    if record.error:
        return "failed", "failed"
    value = record.scores.get("primary")
    if record.declined:
        return ("declined", "declined") if question.answerable else ("right", "declined rightly")
    if value is None:
        return "unscored", "not scored"
    if value >= 1:
        return "right", "right"
    if value > 0:
        return "partly", f"partly, {numbers.percent(value)}"
    return "wrong", "wrong" if question.answerable else "should decline"


def _retrieved(question: Question, run: ArmRun, record: Record | None) -> bool | None:
    """Return whether an arm was given a passage of a gold document; None where that is no matter.

    It is none for an arm without an index and for a question that names no document.
    """
    if record is None or record.error or not run.manifest.uses_index:
        return None
    gold = set(question.doc_ids)
    if not question.answerable or not gold:
        return None
    return bool(gold & set(record.passage_doc_ids))


def _passages(
    question: Question,
    found: Sequence[tuple[ArmRun, Record | None]],
    anchors: Mapping[str, str],
) -> tuple[PassageView, ...]:
    arms: dict[str, list[str]] = {}
    documents: dict[str, str] = {}
    for run, record in found:
        if record is None:
            continue
        aligned = len(record.passage_doc_ids) == len(record.passages)
        for place, passage in enumerate(record.passages):
            arms.setdefault(passage, []).append(run.manifest.arm)
            documents.setdefault(passage, record.passage_doc_ids[place] if aligned else "")
    return tuple(
        PassageView(
            id=passage,
            doc_id=documents[passage],
            arms=tuple(names),
            gold=documents[passage] in question.doc_ids,
            anchor=anchors.get(passage, ""),
        )
        for passage, names in arms.items()
    )


def _with_marks(
    view: PassageView, question: Question, support: Support, limit: int | None
) -> PassageView:
    """Return a passage with what supports the reference, as far as its text is shown."""
    spans = support.get((question.id, view.id), ())
    shown = [f"{start}-{end}" for start, end in spans if limit is None or end <= limit]
    return dataclasses.replace(view, marks=" ".join(shown))
