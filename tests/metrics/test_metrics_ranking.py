"""Retrieval measures equal `ir_measures`, the reference, on random input."""

from __future__ import annotations

import math
import random

import pytest

from graft.metrics import score_record
from graft.types import Question, Record


def scores(
    found: list[str], gold: tuple[str, ...], grades: tuple[int, ...] = ()
) -> dict[str, float]:
    asked = Question("q", "What?", ("x",), "test", "g", gold, grades=grades)
    ids = tuple(f"p{rank}" for rank in range(len(found)))
    made = Record("rag", "q", "x", False, ids, tuple(found))
    return dict(score_record(made, asked))  # type: ignore[arg-type]


WORKED = [
    # documents by rank, gold, reciprocal rank, nDCG
    (["a"], ("a",), 1.0, 1.0),
    (["x", "a"], ("a",), 0.5, 1 / math.log2(3)),
    (["x", "x", "a"], ("a",), 0.5, 1 / math.log2(3)),  # a document counts once
    (["", "", "a"], ("a",), 1 / 3, 0.5),  # passages of no document keep their places
    (["x", "y"], ("a",), 0.0, 0.0),
    (["a", "x"], ("a", "b"), 1.0, 1 / (1 + 1 / math.log2(3))),
]


@pytest.mark.parametrize(("found", "gold", "reciprocal", "gain"), WORKED)
def test_worked_ranks(
    found: list[str], gold: tuple[str, ...], reciprocal: float, gain: float
) -> None:
    made = scores(found, gold)
    assert (made["mrr"], made["ndcg"]) == pytest.approx((reciprocal, gain))


def test_a_better_fit_higher_up_counts_more() -> None:
    best = scores(["a", "b"], ("a", "b"), (3, 1))["ndcg"]
    swapped = scores(["b", "a"], ("a", "b"), (3, 1))["ndcg"]
    assert best == 1.0
    assert swapped == pytest.approx((1 + 7 / math.log2(3)) / (7 + 1 / math.log2(3)))


def test_ranks_do_not_apply_without_retrieval_or_gold_documents() -> None:
    for made in (scores([], ("a",)), scores(["a"], ())):
        assert (made["mrr"], made["ndcg"], made["retrieval_hit"]) == (None, None, None)


def test_retrieval_measures_equal_the_reference_on_random_input() -> None:
    import ir_measures

    measures = {
        "ndcg": ir_measures.nDCG @ 10,
        "mrr": ir_measures.RR,
        "retrieval_recall": ir_measures.R @ 100,
        "retrieval_hit": ir_measures.Success @ 100,
    }
    rng, documents = random.Random(7), [f"d{number}" for number in range(30)]
    qrels, run, own = {}, {}, {}
    for number in range(200):
        name = f"q{number}"
        gold = rng.sample(documents, rng.randint(1, 14))
        graded = number % 2 == 0
        grades = tuple(rng.randint(1, 3) for _ in gold) if graded else ()
        found = rng.sample(documents, rng.randint(1, 25))
        own[name] = scores(found, tuple(gold), grades)
        # the reference takes the gain itself: 2^grade - 1
        gains = [2**grade - 1 for grade in grades] or [1] * len(gold)
        qrels[name] = dict(zip(gold, gains, strict=True))
        run[name] = {item: float(-rank) for rank, item in enumerate(found)}
    for measure, reference in measures.items():
        values = {item.query_id: item.value for item in reference.iter_calc(qrels, run)}
        assert len(values) == 200
        for name, expected in values.items():
            assert own[name][measure] == pytest.approx(expected), (measure, name)
