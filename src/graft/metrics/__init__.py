"""Scores for one record against its question: one metric a file, named after the file.

A value of None means "not applicable" and is never counted as 0. `evaluate` stores what
`judge` returns; `decide` and `report` read it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from graft.metrics.citation_precision import CitationPrecision
from graft.metrics.citation_recall import CitationRecall
from graft.metrics.citation_validity import CitationValidity
from graft.metrics.contains import Contains
from graft.metrics.decline import Decline, expects_answer
from graft.metrics.exact import Exact, gold_stated
from graft.metrics.f1 import F1
from graft.metrics.key_facts import KeyFacts
from graft.metrics.label import Label
from graft.metrics.mrr import Mrr
from graft.metrics.ndcg import Ndcg
from graft.metrics.primary import Primary, kind_of
from graft.metrics.retrieval_hit import RetrievalHit
from graft.metrics.retrieval_recall import RetrievalRecall
from graft.metrics.sources import NO_SOURCES, Grounded, Sources
from graft.metrics.support import Support
from graft.protocols import Metric
from graft.types import Question, Record, Score

__all__ = [
    "GROUNDED",
    "METRICS",
    "METRICS_VERSION",
    "NO_SOURCES",
    "Judgement",
    "Sources",
    "expects_answer",
    "gold_stated",
    "judge",
    "kind_of",
    "score_record",
]

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Primary(),
        Exact(),
        Contains(),
        F1(),
        Label(),
        KeyFacts(),
        Decline(),
        RetrievalHit(),
        RetrievalRecall(),
        Mrr(),
        Ndcg(),
    )
}

# measures that also need texts
GROUNDED: Mapping[str, Grounded] = {
    metric.name: metric
    for metric in (Support(), CitationPrecision(), CitationRecall(), CitationValidity())
}

# Raised when a stored score of the same answer would change; stored runs are then scored again.
METRICS_VERSION = 1

# metric -> stored name, where they differ
_STORED = {"decline": "declined_rightly", "key_facts": "key_fact_recall"}
_NOT_STORED = {"label"}  # it is the primary score of its kind


@dataclass(frozen=True, slots=True)
class Judgement:
    """The stored scores of a record, and in a few words why the primary one is what it is.

    A metric that failed or gave no number from 0 to 1 has None, and the reason names it.
    """

    scores: Mapping[str, float | None]
    reason: str


def judge(record: Record, question: Question, sources: Sources = NO_SOURCES) -> Judgement:
    """Score a record in every way that is stored; one broken metric does not sink the others."""
    tasks: dict[str, Callable[[], Score]] = {
        name: partial(metric.score, record, question)
        for name, metric in METRICS.items()
        if name not in _NOT_STORED
    }
    for name, grounded in GROUNDED.items():
        tasks[name] = partial(grounded.score, record, question, sources)
    scores: dict[str, float | None] = {}
    reasons: list[str] = []
    for name, task in tasks.items():
        score, fault = _checked(name, task)
        scores[_STORED.get(name, name)] = score.value
        if fault or name == "primary":
            reasons.append(fault or score.reason)
    return Judgement(scores, "; ".join(reasons))


def score_record(
    record: Record, question: Question, sources: Sources = NO_SOURCES
) -> Mapping[str, float | None]:
    """Return every stored score of a record; None where a measure does not apply."""
    return judge(record, question, sources).scores


def _checked(name: str, task: Callable[[], Score]) -> tuple[Score, str]:
    """Run a metric; return its score, or None as its score and what is wrong with it."""
    try:
        score = task()
    except Exception as error:  # noqa: BLE001 - part of the border of a record
        return Score(None), f"{name} failed: {type(error).__name__}: {error}"
    value = score.value
    if value is not None and not 0 <= value <= 1:
        return Score(None), f"{name} gave {value}, which is no score from 0 to 1"
    return score, ""
