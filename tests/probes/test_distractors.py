"""Gold passages among near misses: what is shown, in which place, and what is left out."""

from __future__ import annotations

import pytest

from graft.arms import GeneratorArm
from graft.config import RetrievalConfig
from graft.embed.fake import FakeEmbedder
from graft.generate.fake import FakeGenerator
from graft.index.memory import MemoryIndex
from graft.probes.distractors import COUNTS, ask_distractors, cases_of
from graft.prompts import PromptContract
from graft.retrieve import Retriever
from graft.types import GenerateOptions, Passage, Question

COUNT = 12
CONTRACT = PromptContract("Answer.", "The documents do not say.", (("a?", "b"),))
PASSAGES = [
    Passage(f"p{number}", f"d{number}.md", f"the pump number{number} is tested at {number + 30}", 0)
    for number in range(COUNT)
] + [Passage("q0", "d0.md", "the pump number0 is blue", 1)]
BY_DOCUMENT = {
    name: [item for item in PASSAGES if item.doc_id == name]
    for name in {item.doc_id for item in PASSAGES}
}


def question(number, *answers, doc=None):
    text = f"at what is the pump number{number} tested"
    documents = (doc or f"d{number}.md",)
    return Question(f"e{number}", text, answers, "test", f"g{number}", documents)


QUESTIONS = [question(number, str(number + 30)) for number in range(COUNT)]


@pytest.fixture
def retriever():
    embedder, index = FakeEmbedder(), MemoryIndex(64)
    index.write(PASSAGES, embedder.embed([item.shown for item in PASSAGES]))
    return Retriever(index, embedder, RetrievalConfig())


def arm_of(retriever, **more):
    options = GenerateOptions(max_new_tokens=4)
    return GeneratorArm("rag", FakeGenerator(), CONTRACT, options, retriever, passages=2, **more)


def test_the_gold_passage_is_the_one_with_the_answer_and_no_near_miss_has_it(retriever):
    (case,) = cases_of([question(0, "30")], BY_DOCUMENT, retriever, 5, seed=1)
    assert case.gold.id == "p0"
    assert len(case.distractors) == max(COUNTS)
    assert all(item.doc_id != "d0.md" for item in case.distractors)
    (other,) = cases_of([question(3, "33", "31")], BY_DOCUMENT, retriever, 5, seed=1)
    assert "p1" not in {item.id for item in other.distractors}


def test_without_a_passage_that_has_the_answer_the_best_one_found_is_gold(retriever):
    (case,) = cases_of([question(0, "thirty bar or so")], BY_DOCUMENT, retriever, 5, seed=1)
    assert case.gold.id == "p0"


def test_only_what_can_be_answered_from_a_known_document_is_drawn_and_by_seed(retriever):
    asked = [question(1), question(2, "32", doc="gone.md"), *QUESTIONS]
    drawn = cases_of(asked, BY_DOCUMENT, retriever, 5, seed=1)
    assert len(drawn) == 5
    assert drawn == cases_of(asked[::-1], BY_DOCUMENT, retriever, 5, seed=1)
    assert len(cases_of(asked, BY_DOCUMENT, retriever, 99, seed=1)) == COUNT


def test_scores_fall_where_the_gold_passage_is_not_first(retriever, tmp_path):
    # the fake answers with the last word of the first passage and never declines
    arm = arm_of(retriever)
    cases = cases_of(QUESTIONS, BY_DOCUMENT, retriever, COUNT, seed=1)
    results, asked = ask_distractors(arm, cases, 1, tmp_path)
    assert asked == COUNT * (len(COUNTS) + 1)
    assert [item["distractors"] for item in results] == [*COUNTS, arm.passages]
    alone, two, *_, without = results
    assert (alone["score"]["score"], alone["score"]["n"], alone["left_out"]) == (1.0, COUNT, 0)
    assert two["places"]["first"]["score"] == 1.0
    assert two["places"]["middle"]["score"] == two["places"]["last"]["score"] == 0.0
    assert sum(cell["n"] for cell in two["places"].values()) == COUNT
    assert (without["gold"], without["score"]["score"]) == (False, 0.0)
    shown = [turns[-1].content for turns in arm.generator.history]
    assert all("[9]" in text and "[10]" not in text for text in shown[-2 * COUNT : -COUNT])


def test_what_does_not_fit_is_left_out_and_counted(retriever, tmp_path):
    # a passage and its number are 8 words, the rest of the prompt 11
    cases = cases_of(QUESTIONS, BY_DOCUMENT, retriever, 4, seed=1)
    arm = arm_of(retriever, prompt_tokens=40)
    results, _ = ask_distractors(arm, cases, 1, tmp_path)
    assert [item["left_out"] for item in results] == [0, 0, 4, 4, 0]
    assert results[2]["score"] == {"score": None, "low": None, "high": None, "n": 0}


def test_a_condition_goes_on_where_it_stopped(retriever, tmp_path):
    cases = cases_of(QUESTIONS, BY_DOCUMENT, retriever, 4, seed=1)
    first, _ = ask_distractors(arm_of(retriever), cases, 1, tmp_path)
    path = tmp_path / "gold-4" / "records.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:2]) + "\n" + lines[2][:20])
    again, asked = ask_distractors(arm_of(retriever), cases, 1, tmp_path)
    assert (again, asked) == (first, 2)
