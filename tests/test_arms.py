from __future__ import annotations

import pytest

from graft.arms import ArmAnswer, DeclineArm, GeneratorArm, PassageArm
from graft.config import PromptConfig, RetrievalConfig
from graft.embed.fake import FakeEmbedder
from graft.generate.fake import FakeGenerator
from graft.index.memory import MemoryIndex
from graft.prompts import PromptContract
from graft.retrieve import Retriever
from graft.types import GenerateOptions, Message, Passage, Question

DECLINE = "The documents do not say."
OPTIONS = GenerateOptions(max_new_tokens=8)
EXAMPLE = Question("e1", "What is an example?", ("this",), "train", "g")
PASSAGES = [
    Passage("p1", "a.md", "the pump runs dry for ninety", 0),
    Passage("p2", "a.md", "the pump is painted blue", 1),
    Passage("p3", "b.md", "visitors wear a badge", 0),
    Passage("t1", "a.md", "Q: pump dry?\nA: 90 s", 0, kind="pair", pair_id="q1", answer="90 s"),
    Passage("t2", "", f"Q: oven?\nA: {DECLINE}", 0, kind="pair", pair_id="q2", answer=DECLINE),
]


@pytest.fixture
def contract():
    return PromptContract.from_config(PromptConfig(), [EXAMPLE])


def retriever_of(passages):
    embedder, index = FakeEmbedder(), MemoryIndex(64)
    if passages:
        index.write(passages, embedder.embed([item.shown for item in passages]))
    return Retriever(index, embedder, RetrievalConfig())


@pytest.fixture
def retriever():
    return retriever_of(PASSAGES)


@pytest.fixture
def rag(contract, retriever):
    return GeneratorArm("rag", FakeGenerator(), contract, OPTIONS, retriever, passages=2, pairs=1)


def ids(hits):
    return [hit.passage.id for hit in hits]


class TestGeneratorArm:
    def test_without_a_retriever_the_question_stands_alone(self, contract):
        arm = GeneratorArm("finetuned", FakeGenerator({"pump": "90 s"}), contract, OPTIONS)
        [prepared] = arm.prepare_many(["How long may the pump run?"])
        assert prepared.messages == tuple(contract.messages("How long may the pump run?"))
        [answer] = arm.finish_many([prepared])
        assert (answer.text, answer.declined, answer.hits) == ("90 s", False, ())

    def test_examples_stand_in_the_prompt_where_they_are_wanted(self, contract):
        arm = GeneratorArm("base", FakeGenerator(), contract, OPTIONS, with_examples=True)
        [prepared] = arm.prepare_many(["What?"])
        assert [turn.role for turn in prepared.messages] == [
            "system", "user", "assistant", "user",
        ]  # fmt: skip

    def test_with_a_retriever_passages_and_pairs_stand_in_the_prompt(self, rag):
        [prepared] = rag.prepare_many(["pump dry"])
        assert ids(prepared.hits) == ["p1", "p2", "t1"]
        assert prepared.shortened == 0
        text = prepared.messages[-1].content
        assert all(item.text in text for item in (PASSAGES[0], PASSAGES[1], PASSAGES[3]))
        assert "badge" not in text

    def test_the_answer_says_what_it_was_made_from(self, rag):
        [answer] = rag.finish_many(rag.prepare_many(["pump dry"]))
        assert answer.text == "ninety"
        assert ids(answer.hits) == ["p1", "p2", "t1"]
        assert answer.prompt_tokens == rag.generator.count_tokens(rag.generator.history[0])
        assert (answer.completion_tokens, answer.finish_reason) == (1, "stop")

    def test_many_questions_are_embedded_in_one_batch(self, rag):
        rag.retriever.embedder.calls.clear()
        assert len(rag.prepare_many(["pump", "badge", "oven"])) == 3
        assert rag.retriever.embedder.calls == [3]

    def test_passages_that_do_not_fit_are_left_out_from_the_end_and_counted(self, rag):
        counted = {}
        for limit in (1_000, 45, 38, 30, 5):
            rag.prompt_tokens = limit
            [prepared] = rag.prepare_many(["pump dry"])
            assert len(prepared.hits) + prepared.shortened == 3
            assert ids(prepared.hits) == ["p1", "p2", "t1"][: len(prepared.hits)]
            tokens = rag.generator.count_tokens(prepared.messages)
            assert tokens <= limit or not prepared.hits
            counted[limit] = prepared.shortened
        assert list(counted.values()) == sorted(counted.values())
        assert (counted[1_000], counted[5]) == (0, 3)
        assert {1, 2} & set(counted.values())

    def test_what_was_left_out_is_told_with_the_answer(self, rag):
        rag.prompt_tokens = 5
        [answer] = rag.finish_many(rag.prepare_many(["pump dry"]))
        assert (answer.shortened, answer.hits, answer.text) == (3, (), DECLINE)
        assert rag.answer("pump dry").shortened == 3

    def test_examples_do_not_take_the_place_of_passages(self, rag):
        rag.prompt_tokens = 1_000
        [plain] = rag.prepare_many(["pump dry"])
        rag.prompt_tokens = rag.generator.count_tokens(plain.messages)
        rag.with_examples = True
        [prepared] = rag.prepare_many(["pump dry"])
        assert prepared.shortened == 0

    def test_the_window_of_the_model_is_never_left(self, rag):
        rag.generator.context_tokens = 40
        [prepared] = rag.prepare_many(["pump dry"])
        assert prepared.shortened > 0
        assert rag.generator.count_tokens(prepared.messages) <= 40 - OPTIONS.max_new_tokens

    def test_a_declined_answer_is_recognised(self, contract):
        arm = GeneratorArm("base", FakeGenerator(), contract, OPTIONS)
        assert arm.answer("What?").declined
        taught = GeneratorArm("base", FakeGenerator({"What": "blue"}), contract, OPTIONS)
        assert not taught.answer("What?").declined

    @pytest.mark.parametrize(("tokens", "reason"), [(2, "length"), (3, "stop"), (8, "stop")])
    def test_the_reason_for_the_end_is_kept(self, contract, tokens, reason):
        generator = FakeGenerator({"What": "one two three"})
        arm = GeneratorArm("base", generator, contract, GenerateOptions(max_new_tokens=tokens))
        assert arm.finish_many(arm.prepare_many(["What?"]))[0].finish_reason == reason
        assert arm.answer("What?").finish_reason == reason

    def test_a_stream_ends_with_the_whole_answer(self, rag):
        rag.generator.taught["pump"] = "for ninety seconds"
        *pieces, whole = rag.stream("pump dry")
        assert [piece.text for piece in pieces] == ["for", " ninety", " seconds"]
        assert isinstance(whole, ArmAnswer)
        assert whole.text == "for ninety seconds"
        assert ids(whole.hits) == ["p1", "p2", "t1"]
        assert (whole.completion_tokens, whole.finish_reason) == (3, "stop")

    def test_asked_one_by_one_or_many_the_answer_is_the_same(self, rag):
        many = rag.finish_many(rag.prepare_many(["pump dry", "badge"]))
        for question, answer in zip(["pump dry", "badge"], many, strict=True):
            alone = rag.answer(question)
            assert (alone.text, ids(alone.hits)) == (answer.text, ids(answer.hits))

    def test_every_stage_of_one_answer_is_timed(self, rag):
        stages = rag.answer("pump dry").stage_seconds
        assert set(stages) == {
            "embed_seconds",
            "search_seconds",
            "prompt_seconds",
            "first_token_seconds",
            "decode_seconds",
            "total_seconds",
        }
        assert all(seconds >= 0 for seconds in stages.values())
        parts = sum(seconds for name, seconds in stages.items() if name != "total_seconds")
        assert parts == pytest.approx(stages["total_seconds"], abs=0.01)

    def test_a_batch_shares_its_time_and_tells_no_stages(self, rag):
        assert rag.finish_many(rag.prepare_many(["pump dry"]))[0].stage_seconds == {}

    def test_an_empty_answer_is_a_declined_one(self, contract):
        arm = GeneratorArm("base", FakeGenerator({"What": ""}), contract, OPTIONS)
        answer = arm.answer("What?")
        assert (answer.text, answer.declined) == ("", True)
        assert "first_token_seconds" not in answer.stage_seconds


class TestControls:
    def test_top_passage_returns_the_best_passage_word_for_word(self, contract, retriever):
        arm = PassageArm("top-passage", retriever, contract)
        answer = arm.answer("visitors badge")
        assert (answer.text, ids(answer.hits)) == ("visitors wear a badge", ["p3"])
        assert not answer.declined

    def test_top_passage_returns_the_answer_of_a_pair_that_is_nearer(self, contract, retriever):
        arm = PassageArm("top-passage", retriever, contract)
        assert arm.answer("Q: pump dry? A: 90 s").text in ("90 s", PASSAGES[0].text)

    def test_nearest_pair_returns_the_answer_of_the_nearest_question(self, contract, retriever):
        arm = PassageArm("nearest-pair", retriever, contract, pairs_only=True)
        answer = arm.answer("visitors wear a badge, is the pump dry")
        assert (answer.text, ids(answer.hits)) == ("90 s", ["t1"])

    def test_a_pair_that_declines_declines(self, contract, retriever):
        arm = PassageArm("nearest-pair", retriever, contract, pairs_only=True)
        answer = arm.answer("oven?")
        assert (answer.text, answer.declined) == (DECLINE, True)

    def test_where_nothing_is_found_the_control_declines(self, contract):
        arm = PassageArm("top-passage", retriever_of([]), contract)
        answer = arm.answer("pump")
        assert (answer.text, answer.declined, answer.hits) == (DECLINE, True, ())

    def test_decline_always_declines(self, contract):
        arm = DeclineArm(contract)
        answers = [*arm.finish_many(arm.prepare_many(["a", "b"])), arm.answer("c")]
        assert {(answer.text, answer.declined) for answer in answers} == {(DECLINE, True)}
        assert len(answers) == 3

    @pytest.mark.parametrize("name", ["top-passage", "nearest-pair", "decline"])
    def test_a_control_needs_no_model_and_streams_like_an_arm(self, name, contract, retriever):
        arms = {
            "top-passage": PassageArm("top-passage", retriever, contract),
            "nearest-pair": PassageArm("nearest-pair", retriever, contract, pairs_only=True),
            "decline": DeclineArm(contract),
        }
        arm = arms[name]
        piece, whole = arm.stream("pump dry")
        assert arm.control
        assert arm.name == name
        assert piece.text == whole.text != ""
        assert whole.stage_seconds["total_seconds"] >= 0
        assert (whole.prompt_tokens, whole.completion_tokens) == (0, 0)


def test_the_prompt_that_is_measured_is_the_prompt_that_is_served(rag):
    rag.finish_many(rag.prepare_many(["pump dry"]))
    rag.answer("pump dry")
    list(rag.stream("pump dry"))
    batch, alone, streamed = rag.generator.history
    assert list(batch) == list(alone) == list(streamed)
    assert all(isinstance(turn, Message) for turn in batch)
