"""Retrieval on its own: how many passages it takes until the answer is among them.

No generator is asked; the embedder alone runs. Ranks count passages of documents, since
passages are what a prompt holds; training pairs are left out. `cli/retrieval.py` shows it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from graft.config import effort_plan
from graft.decide.sheet import cluster_of
from graft.metrics import METRICS
from graft.metrics.normalise import has_run, words_of
from graft.protocols import Progress
from graft.retrieve import Found
from graft.stats import Design, Interval, mean_interval
from graft.types import Exposure, Question, Record

__all__ = [
    "KS",
    "Advice",
    "CurvePoint",
    "MissedQuestion",
    "RetrievalCurve",
    "RetrievalSlice",
    "measure_retrieval",
]

KS = (1, 3, 5, 10, 20)
BATCH = 64
SHOWN = 3  # passages named for a question that was missed
WORTH = 0.05  # a gain in hits that pays for longer prompts
NEGLIGIBLE = 0.01  # a loss in hits that shorter prompts may cost
FEW = 0.80  # measuring.md 2.4: below it the retriever limits every result
_PROMPT_TOKENS = effort_plan("normal", fast_device=False, passages=1).prompt_tokens
MIN_ANSWERS = 10  # below it the advice goes by documents


class Finds(Protocol):
    """What is measured; `graft.retrieve.Retriever` is one."""

    def find_many(self, queries: Sequence[str], passages: int, pairs: int) -> Sequence[Found]: ...


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The best `k` passages: share of questions with a gold document, with the answer, recall.

    `answer` is None where no question has a short answer to look for.
    """

    k: int
    hit: Interval
    recall: Interval
    answer: Interval | None


@dataclass(frozen=True, slots=True)
class RetrievalSlice:
    """The hits of a part of the questions: `exposure:unseen`, `tag:x`, by k."""

    name: str
    n: int
    hits: Mapping[int, Interval]


@dataclass(frozen=True, slots=True)
class MissedQuestion:
    """A question none of whose gold documents was found, and what was found instead."""

    question_id: str
    question: str
    gold: tuple[str, ...]
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """One plain sentence and one command to paste."""

    text: str
    command: str


@dataclass(frozen=True, slots=True)
class RetrievalCurve:
    """Retrieval over the answerable test questions that name gold documents.

    `left_out` counts answerable test questions without gold documents; `passages` is how many
    a prompt holds now. `ranks` and `answer_ranks` map question ids to the rank of the first
    passage of a gold document, and of the first such passage that contains a gold answer; None
    where there is none within the depth. Only short answers are looked for, and in gold
    documents only: "blue" stands in many passages by chance.
    """

    n: int
    clusters: int
    left_out: int
    passages: int
    depth: int
    points: tuple[CurvePoint, ...]
    mrr: Interval | None
    ndcg: Interval | None
    slices: tuple[RetrievalSlice, ...]
    missed: tuple[MissedQuestion, ...]
    ranks: Mapping[str, int | None]
    answer_ranks: Mapping[str, int | None]
    advice: Advice


@dataclass(frozen=True, slots=True)
class _Seen:
    """One question with what was found for it."""

    question: Question
    record: Record
    names: tuple[str, ...]
    rank: int | None
    answer_rank: int | None
    has_answer: bool


_Measure = Callable[[_Seen], float | None]


def measure_retrieval(
    questions: Sequence[Question],
    retriever: Finds,
    ks: Sequence[int] = KS,
    *,
    passages: int = 3,
    passage_tokens: int = 128,
    exposure: Mapping[str, Exposure] | None = None,
    on_progress: Progress | None = None,
) -> RetrievalCurve:
    """Search every answerable test question that names its gold documents; measure by k.

    Intervals are clustered by `group`. `passages` is the number in a prompt now, which the
    advice starts from, `passage_tokens` the longest passage, which bounds what it may advise;
    `exposure` adds slices by what an adapter has seen.
    """
    test = [item for item in questions if item.split == "test" and item.answerable]
    asked = [item for item in test if item.doc_ids]  # a gold answer is not needed
    depth = max((*ks, passages))
    steps = tuple(sorted({*ks, passages}))
    seen = _search(asked, retriever, depth, on_progress)
    points = tuple(_point(seen, k) for k in steps) if seen else ()
    return RetrievalCurve(
        n=len(asked),
        clusters=len({cluster_of(item) for item in asked}),
        left_out=len(test) - len(asked),
        passages=passages,
        depth=depth,
        points=points,
        mrr=_mean(seen, lambda item: _scored("mrr", item, depth)),
        ndcg=_mean(seen, lambda item: _scored("ndcg", item, depth)),
        slices=tuple(_slices(seen, steps, exposure or {})),
        missed=tuple(_missed(item) for item in seen if item.rank is None),
        ranks={item.question.id: item.rank for item in seen},
        answer_ranks={item.question.id: item.answer_rank for item in seen if item.has_answer},
        advice=_advice(points, passages, seen, passage_tokens),
    )


def _search(
    asked: Sequence[Question], retriever: Finds, depth: int, on_progress: Progress | None
) -> list[_Seen]:
    seen = []
    for start in range(0, len(asked), BATCH):
        part = asked[start : start + BATCH]
        found = retriever.find_many([item.question for item in part], depth, 0)
        seen += [_look(item, one) for item, one in zip(part, found, strict=True)]
        if on_progress is not None:
            on_progress("search", len(seen), len(asked), "questions")
    return seen


def _look(question: Question, found: Found) -> _Seen:
    passages = [hit.passage for hit in found.hits if hit.passage.kind == "document"]
    gold = set(question.doc_ids)
    ranks = [rank for rank, item in enumerate(passages, 1) if item.doc_id in gold]
    looks = question.kind == "short" and bool(question.answers)
    runs = [words_of(answer) for answer in question.answers] if looks else []
    answered = (
        rank
        for rank in ranks
        if runs and any(has_run(words_of(passages[rank - 1].shown), run) for run in runs)
    )
    record = Record(
        arm="",
        question_id=question.id,
        answer="",
        declined=False,
        passages=tuple(item.id for item in passages),
        passage_doc_ids=tuple(item.doc_id for item in passages),
        shortened=int(not passages),  # nothing found is a miss, not "does not apply"
    )
    names = tuple(" > ".join((item.doc_id, *item.heading_path)) for item in passages[:SHOWN])
    return _Seen(question, record, names, min(ranks, default=None), next(answered, None), looks)


def _scored(metric: str, item: _Seen, k: int) -> float | None:
    """Return a measure of the record as if `k` passages had been retrieved."""
    record = replace(
        item.record,
        passages=item.record.passages[:k],
        passage_doc_ids=item.record.passage_doc_ids[:k],
    )
    return METRICS[metric].score(record, item.question).value


def _mean(seen: Iterable[_Seen], measure: _Measure) -> Interval | None:
    """Return the mean of a measure over the questions that it applies to, by cluster."""
    pairs = [
        (value, cluster_of(item.question)) for item in seen if (value := measure(item)) is not None
    ]
    if not pairs:
        return None
    return mean_interval([value for value, _ in pairs], Design(tuple(name for _, name in pairs)))


def _within(rank: int | None, k: int) -> float:
    return float(rank is not None and rank <= k)


def _hits(seen: Sequence[_Seen], k: int) -> Interval:
    found = _mean(seen, lambda item: _within(item.rank, k))
    assert found is not None, "a slice holds a question"
    return found


def _point(seen: Sequence[_Seen], k: int) -> CurvePoint:
    recall = _mean(seen, lambda item: _scored("retrieval_recall", item, k))
    answer = _mean(seen, lambda item: _within(item.answer_rank, k) if item.has_answer else None)
    hit = _hits(seen, k)
    return CurvePoint(k, hit, recall or hit, answer)


def _slices(
    seen: Sequence[_Seen], ks: Sequence[int], exposure: Mapping[str, Exposure]
) -> Iterable[RetrievalSlice]:
    parts: dict[str, list[_Seen]] = defaultdict(list)
    for item in seen:
        if item.question.id in exposure:
            parts[f"exposure:{exposure[item.question.id]}"].append(item)
        for tag in item.question.tags:
            parts[f"tag:{tag}"].append(item)
    for name in sorted(parts):
        members = parts[name]
        yield RetrievalSlice(name, len(members), {k: _hits(members, k) for k in ks})


def _missed(item: _Seen) -> MissedQuestion:
    question = item.question
    return MissedQuestion(question.id, question.question, question.doc_ids, item.names)


def _advice(
    points: Sequence[CurvePoint], passages: int, seen: Sequence[_Seen], passage_tokens: int
) -> Advice:
    """Return what to do: raise the number of passages, mend retrieval, lower it, or go on.

    By passages with the answer where enough questions have a short one, else by documents.
    More passages than fit a prompt are never advised.
    """
    if not points:
        text = "no answerable test question names its documents, so nothing can be measured"
        return Advice(text, "graft questions check")
    by_answer = sum(item.has_answer for item in seen) >= MIN_ANSWERS
    what = "the passage with the answer is" if by_answer else "a passage of a gold document is"
    share = {
        point.k: point.answer.estimate if by_answer and point.answer else point.hit.estimate
        for point in points
    }
    fit = max(1, _PROMPT_TOKENS // max(1, passage_tokens))
    if passages > fit:
        text = f"passages of {passage_tokens} tokens: at most {fit} fit a prompt, not {passages}"
        return Advice(text, _set_passages(fit))
    said = {k: _percent(found) for k, found in share.items()}
    here, most = share[passages], max(share.values())
    fitting = {k: found for k, found in share.items() if k <= fit}
    best = max(fitting.values())
    enough = min(k for k in fitting if fitting[k] >= best - NEGLIGIBLE)
    if enough > passages and share[enough] - here >= WORTH:
        text = f"at k={passages} {what} there for {said[passages]}, at {enough} for {said[enough]}"
        return Advice(f"{text}: raise [retrieval] passages", _set_passages(enough))
    if most < FEW:
        text = f"even among {max(share)} passages {what} there for {_percent(most)} only"
        return Advice(
            f"{text}: retrieval limits every arm that reads; look at the questions missed",
            "graft compare --retrieval --json",
        )
    if best < FEW:
        text = f"among the {fit} passages that fit a prompt {what} there for {_percent(best)} only"
        return Advice(
            f"{text}, among {max(share)} for {_percent(most)}: look at the questions missed",
            "graft compare --retrieval --json",
        )
    less = min(k for k in share if share[k] >= here - NEGLIGIBLE)
    if less < passages:
        text = f"at k={less} {what} there for {said[less]}, at {passages} for {said[passages]}"
        return Advice(f"{text}: fewer passages give shorter prompts", _set_passages(less))
    return Advice(
        f"at k={passages} {what} there for {_percent(here)}: the number of passages fits",
        "graft compare",
    )


def _set_passages(k: int) -> str:
    return f"set passages = {k} under [retrieval] in graft.toml, then graft compare --effort normal"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
