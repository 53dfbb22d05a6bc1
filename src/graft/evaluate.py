"""Asking an arm a question set: one append-only record a question, stop and continue.

Quality runs in batches, ordered so that prompts with the same passages follow each other and
the prefix cache of an engine can be used. Latency is a pass of its own: one question at a time,
arms interleaved at random. A failing question is a record with its error, never a hole.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from graft.arms import Arm, ArmAnswer, Prepared
from graft.errors import GraftError, NoSpaceLeft
from graft.metrics import NO_SOURCES, Sources, gold_stated, judge
from graft.prompts import reading_order
from graft.protocols import Progress
from graft.runs import answered, append_lines
from graft.types import Passage, Question, Record

__all__ = ["ask_all", "gold_sources", "time_arms"]

BATCH = 16
WARM_UP = 2


def gold_sources(questions: Iterable[Question], passages: Iterable[Passage]) -> Sources:
    """Return what the gold documents of questions say, for measures of grounding.

    `passages` are those of the corpus; training pairs are no text of a document.
    """
    gold = {name for item in questions for name in item.doc_ids}
    texts: dict[str, list[str]] = defaultdict(list)
    for passage in passages:
        if passage.kind == "document" and passage.doc_id in gold:
            texts[passage.doc_id].append(passage.shown)
    return Sources(documents={name: tuple(found) for name, found in texts.items()})


def ask_all(
    arm: Arm,
    questions: Sequence[Question],
    folder: Path,
    on_progress: Progress | None = None,
    sources: Sources = NO_SOURCES,
) -> int:
    """Ask what has no answer yet, append the records, return how many were asked.

    `sources` holds the texts of the gold documents; without them support is not applicable.
    """
    path = folder / "records.jsonl"
    have = answered(path)
    missing = [item for item in questions if item.id not in have]
    done = len(questions) - len(missing)
    phase = f"ask {arm.name}"
    for start in range(0, len(missing), BATCH * 16):
        slab = missing[start : start + BATCH * 16]
        prepared, failed = _prepare(arm, slab)
        if failed:
            append_lines(path, failed)
            done += len(failed)
        pairs = sorted(prepared, key=lambda pair: [turn.content for turn in pair[1].messages])
        for first in range(0, len(pairs), BATCH):
            part = pairs[first : first + BATCH]
            append_lines(path, _records(arm, part, sources))
            done += len(part)
            if on_progress is not None:
                on_progress(phase, done, len(questions))
    return len(missing)


def _prepare(
    arm: Arm, slab: Sequence[Question]
) -> tuple[list[tuple[Question, Prepared]], list[Record]]:
    """Build the prompts of a slab and the records of those questions that have none.

    Raises:
        Exception: no prompt at all could be built, so the fault is not in one question.
    """
    try:
        prepared = arm.prepare_many([item.question for item in slab])
        return list(zip(slab, prepared, strict=True)), []
    except Exception:  # noqa: BLE001 - one of the three borders: becomes a record
        pairs, failed = [], []
        for item in slab:
            try:
                pairs.append((item, arm.prepare_many([item.question])[0]))
            except Exception as error:  # noqa: BLE001
                failed.append(_failed(arm, item, error))
        if not pairs:
            raise
        return pairs, failed


def _records(arm: Arm, part: Sequence[tuple[Question, Prepared]], sources: Sources) -> list[Record]:
    """Answer a batch; if it fails, every question of it alone, so that one cannot sink the rest."""
    try:
        answers = arm.finish_many([prepared for _, prepared in part])
        return [
            _record(arm, item, answer, sources)
            for (item, _), answer in zip(part, answers, strict=True)
        ]
    except NoSpaceLeft:
        raise
    except Exception as error:  # noqa: BLE001 - one of the three borders: becomes a record
        if len(part) > 1:
            return [record for single in part for record in _records(arm, [single], sources)]
        return [_failed(arm, part[0][0], error)]


def time_arms(
    arms: Sequence[tuple[Arm, Path]],
    questions: Sequence[Question],
    count: int,
    seed: int,
    on_progress: Progress | None = None,
) -> None:
    """Time `count` questions an arm at concurrency 1, arms interleaved, after a warm-up.

    Runs before the quality pass, so that no prompt is in an engine's cache already. What has
    been timed before is not timed again.
    """
    order = list(questions)
    random.Random(seed).shuffle(order)
    warm, timed = order[:WARM_UP], order[WARM_UP : WARM_UP + count] or order[:count]
    work = []
    for arm, folder in arms:
        have = answered(folder / "latency.jsonl")
        work += [(arm, folder, item) for item in timed if item.id not in have]
    for arm in {id(arm): arm for arm, _, _ in work}.values():
        for item in warm:
            _time_one(arm, item)
    random.Random(seed + 1).shuffle(work)
    for number, (arm, folder, item) in enumerate(work, 1):
        append_lines(folder / "latency.jsonl", [_time_one(arm, item)])
        if on_progress is not None:
            on_progress("time", number, len(work), arm.name)


def _time_one(arm: Arm, item: Question) -> Record:
    try:
        return _record(arm, item, arm.answer(item.question))
    except NoSpaceLeft:
        raise
    except Exception as error:  # noqa: BLE001 - one of the three borders: becomes a record
        return _failed(arm, item, error)


def _record(arm: Arm, item: Question, answer: ArmAnswer, sources: Sources = NO_SOURCES) -> Record:
    numbered = reading_order([hit.passage for hit in answer.hits])
    record = Record(
        arm=arm.name,
        question_id=item.id,
        answer=answer.text,
        # a gold answer may read like declining: "not specified", "No information"
        declined=answer.declined and gold_stated(answer.text, item) is None,
        passages=tuple(hit.passage.id for hit in answer.hits),
        passage_doc_ids=tuple(hit.passage.doc_id for hit in answer.hits),
        shortened=answer.shortened,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        stage_seconds=answer.stage_seconds,
        finish_reason=answer.finish_reason,
        confidence=answer.confidence,
        shown=tuple(passage.id for passage in numbered),
    )
    return _scored(
        record, item, replace(sources, shown=tuple(passage.shown for passage in numbered))
    )


def _failed(arm: Arm, item: Question, error: Exception) -> Record:
    lines = str(error).splitlines() or [type(error).__name__]
    text = error.why or error.what if isinstance(error, GraftError) else lines[0]
    return _scored(
        Record(arm.name, item.id, "", False, error=f"{type(error).__name__}: {text}"), item
    )


def _scored(record: Record, item: Question, sources: Sources = NO_SOURCES) -> Record:
    found = judge(record, item, sources)
    return replace(record, scores=dict(found.scores), reason=found.reason)
