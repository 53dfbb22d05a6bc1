"""Retrieval on its own, over three documents whose order for a query can be seen by eye."""

from __future__ import annotations

import math

import pytest

from graft.config import RetrievalConfig
from graft.embed.fake import FakeEmbedder
from graft.index.memory import MemoryIndex
from graft.retrieval_curve import measure_retrieval
from graft.retrieve import Found, Retriever
from graft.types import Hit, Passage, Question


def passage(name, doc_id, text, position=0, **more):
    return Passage(name, doc_id, text, position, **more)


class Fixed:
    """Finds the same passages whatever is asked; keeps the calls."""

    def __init__(self, *passages):
        self.passages = passages
        self.calls = []

    def find_many(self, queries, passages, pairs):
        self.calls.append((len(queries), passages, pairs))
        hits = [Hit(item, 1.0) for item in self.passages[:passages]]
        return [Found(hits, {}) for _ in queries]


def question(name, doc_ids=("a.md",), answers=("blue",), **more):
    values = {"split": "test", "group": name} | more
    return Question(name, f"{name}?", answers, doc_ids=doc_ids, **values)


FOUND = Fixed(
    passage("1", "b.md", "the valve is blue"),
    passage("2", "a.md", "the pump runs", 0),
    passage("3", "a.md", "the pump is blue", 1),
    passage("4", "c.md", "the kiln"),
)


def test_ranks_count_passages_and_the_answer_must_stand_in_a_gold_document():
    curve = measure_retrieval([question("q1")], FOUND, (1, 2, 3, 4), passages=3)
    assert (curve.ranks, curve.answer_ranks) == ({"q1": 2}, {"q1": 3})
    assert [point.hit.estimate for point in curve.points] == [0, 1, 1, 1]
    assert [point.answer.estimate for point in curve.points] == [0, 0, 1, 1]


def test_recall_mrr_and_ndcg_are_the_formulas_over_documents():
    curve = measure_retrieval([question("q1", ("a.md", "c.md", "d.md"))], FOUND, (1, 2, 4))
    assert [point.k for point in curve.points] == [1, 2, 3, 4]
    assert [point.recall.estimate for point in curve.points] == pytest.approx(
        [0, 1 / 3, 1 / 3, 2 / 3]
    )
    assert curve.mrr.estimate == 0.5
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert curve.ndcg.estimate == pytest.approx((1 / math.log2(3) + 1 / 2) / ideal)


def test_only_answerable_test_questions_with_gold_documents_count():
    asked = [
        question("q1"),
        question("train", split="train"),
        question("no gold", ()),
        question("lost", (), (), answerable=False),
    ]
    curve = measure_retrieval(asked, FOUND)
    assert (curve.n, curve.left_out) == (1, 1)


def test_long_answers_and_labels_are_not_looked_for_in_passages():
    asked = [question("q1", kind="long"), question("q2", kind="label")]
    curve = measure_retrieval(asked, FOUND, passages=3)
    assert curve.answer_ranks == {}
    assert all(point.answer is None for point in curve.points)
    assert "a passage of a gold document is there" in curve.advice.text


def test_the_intervals_are_clustered_by_group():
    apart = [question(f"q{n}", ("a.md",) if n % 2 else ("z.md",)) for n in range(40)]
    together = [question(f"q{n}", item.doc_ids, group=f"g{n % 2}") for n, item in enumerate(apart)]
    narrow, wide = (measure_retrieval(part, FOUND).points[-1].hit for part in (apart, together))
    assert narrow.estimate == wide.estimate == 0.5
    assert wide.high - wide.low > narrow.high - narrow.low
    assert (narrow.clusters, wide.clusters) == (40, 2)


def test_slices_by_exposure_and_tag():
    asked = [question("q1", tags=("price",)), question("q2", ("z.md",))]
    curve = measure_retrieval(asked, FOUND, exposure={"q1": "fact", "q2": "unseen"})
    rates = {part.name: (part.n, part.hits[3].estimate) for part in curve.slices}
    assert rates == {"exposure:fact": (1, 1.0), "exposure:unseen": (1, 0.0), "tag:price": (1, 1.0)}


def test_what_was_missed_is_named_with_what_was_found_instead():
    [missed] = measure_retrieval([question("q1", ("z.md",))], FOUND).missed
    assert (missed.question_id, missed.gold) == ("q1", ("z.md",))
    assert missed.found == ("b.md", "a.md", "a.md")


def test_nothing_found_is_a_miss_and_not_left_out():
    curve = measure_retrieval([question("q1")], Fixed())
    assert curve.points[-1].recall.estimate == 0.0
    assert (curve.mrr.estimate, curve.ndcg.estimate, curve.missed[0].found) == (0.0, 0.0, ())


def test_questions_are_searched_in_batches_once_and_as_deep_as_asked():
    found, told = Fixed(*FOUND.passages), []
    measure_retrieval(
        [question(f"q{n}") for n in range(70)], found, on_progress=lambda *seen: told.append(seen)
    )
    assert found.calls == [(64, 20, 0), (6, 20, 0)]
    assert told[-1] == ("search", 70, 70, "questions")


def ranked(*ranks):
    """Questions whose one gold passage, with the answer, stands at these ranks of twenty."""
    found = Fixed(*(passage(str(rank), f"d{rank}", "blue") for rank in range(1, 21)))
    return [question(f"q{n}", (f"d{rank}",)) for n, rank in enumerate(ranks)], found


@pytest.mark.parametrize(
    ("ranks", "text", "command"),
    [
        ([1] * 7 + [9] * 3, "at k=3 the passage with the answer is there for 70 %, at 10 for 100 %:"
         " raise [retrieval] passages", "set passages = 10"),
        ([1] * 5 + [30] * 5, "even among 20 passages the passage with the answer is there for 50 % "
         "only", "graft compare --retrieval --json"),
        ([1] * 10, "fewer passages give shorter prompts", "set passages = 1"),
        ([1, 2, 3] * 4, "the number of passages fits", "graft compare"),
    ],
)  # fmt: skip
def test_the_advice_is_one_sentence_with_one_command(ranks, text, command):
    advice = measure_retrieval(*ranked(*ranks), passage_tokens=100).advice
    assert text in advice.text
    assert advice.command.startswith(command)


@pytest.mark.parametrize(
    ("passages", "tokens", "text", "command"),
    [
        (3, 80, "at 10 for 100 %: raise", "set passages = 10 "),
        (3, 128, "among the 8 passages that fit a prompt", "graft compare --retrieval"),
        (3, 600, "of 600 tokens: at most 1 fit a prompt, not 3", "set passages = 1 "),
        (20, 128, "of 128 tokens: at most 8 fit a prompt", "set passages = 8 "),
    ],
)  # fmt: skip
def test_no_more_passages_are_advised_than_fit_a_prompt(passages, tokens, text, command):
    advice = measure_retrieval(
        *ranked(*[1] * 7, *[9] * 3), passages=passages, passage_tokens=tokens
    ).advice
    assert text in advice.text
    assert advice.command.startswith(command)
    if command.startswith("set"):
        assert advice.command.endswith("then graft compare --effort normal")


def test_without_gold_documents_the_advice_says_so():
    curve = measure_retrieval([question("q1", ())], FOUND)
    assert (curve.n, curve.points, curve.mrr) == (0, (), None)
    assert curve.advice.command == "graft questions check"


def test_a_real_retriever_over_an_exact_index():
    embedder = FakeEmbedder()
    passages = [
        passage("p1", "pump.md", "the pump runs dry for ninety seconds"),
        passage("p2", "badge.md", "visitors wear a grey badge"),
        passage("t1", "pump.md", "Q: badge colour?\nA: grey", kind="pair", pair_id="t1"),
    ]
    index = MemoryIndex(64, "fake")
    index.write(passages, embedder.embed([item.shown for item in passages]))
    asked = [
        Question(
            "q1", "how long may the pump run dry", ("90 seconds",), "test", "g1", ("pump.md",)
        ),
        Question("q2", "which badge do visitors wear", ("grey",), "test", "g2", ("badge.md",)),
    ]
    curve = measure_retrieval(asked, Retriever(index, embedder, RetrievalConfig()))
    assert curve.ranks == curve.answer_ranks == {"q1": 1, "q2": 1}
    assert curve.mrr.estimate == curve.ndcg.estimate == 1.0
