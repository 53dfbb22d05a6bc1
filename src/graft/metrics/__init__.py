"""Scores for one record against its question: one metric a file, named after the file.

A value of None means "not applicable" and is never counted as 0. `evaluate` stores what
`score_record` returns; `decide` and `report` read it.
"""

from __future__ import annotations

from collections.abc import Mapping

from graft.metrics.contains import Contains
from graft.metrics.decline import Decline, expects_answer
from graft.metrics.exact import Exact
from graft.metrics.f1 import F1
from graft.metrics.label import Label
from graft.metrics.primary import Primary, kind_of
from graft.metrics.retrieval_hit import RetrievalHit
from graft.metrics.retrieval_recall import RetrievalRecall
from graft.protocols import Metric
from graft.types import Question, Record

__all__ = ["METRICS", "expects_answer", "explain", "kind_of", "score_record"]

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Primary(),
        Exact(),
        Contains(),
        F1(),
        Label(),
        Decline(),
        RetrievalHit(),
        RetrievalRecall(),
    )
}

# stored name -> metric
_STORED = {
    "primary": "primary",
    "exact": "exact",
    "contains": "contains",
    "f1": "f1",
    "declined_rightly": "decline",
    "retrieval_hit": "retrieval_hit",
    "retrieval_recall": "retrieval_recall",
}


def score_record(record: Record, question: Question) -> Mapping[str, float | None]:
    """Return every stored score of a record; None where a measure does not apply."""
    return {name: METRICS[metric].score(record, question).value for name, metric in _STORED.items()}


def explain(record: Record, question: Question) -> str:
    """Return in a few words why the primary score is what it is."""
    return METRICS["primary"].score(record, question).reason
