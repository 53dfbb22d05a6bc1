from __future__ import annotations

import json
from dataclasses import replace

import pytest

from graft.arms import DeclineArm, GeneratorArm, PassageArm
from graft.config import PromptConfig, RetrievalConfig
from graft.embed.fake import FakeEmbedder
from graft.errors import GenerationFailed, NoSpaceLeft
from graft.evaluate import BATCH, WARM_UP, ask_all, gold_sources, time_arms
from graft.generate.fake import FakeGenerator
from graft.index.memory import MemoryIndex
from graft.metrics import METRICS
from graft.prompts import PromptContract
from graft.retrieve import Retriever
from graft.runs import read_records
from graft.types import GenerateOptions, Passage, Question, Score

CONTRACT = PromptContract.from_config(PromptConfig())
OPTIONS = GenerateOptions(max_new_tokens=8)


def question(number, *answers):
    name = f"q{number:02}"
    return Question(name, f"What is {name}?", answers or (f"answer {name}",), "test", name)


QUESTIONS = [question(number) for number in range(40)]
ANSWERS = {item.question: item.answers[0] for item in QUESTIONS}


class Faulty(FakeGenerator):
    """Fails where the prompt holds a word of `faults`; `errors` are raised once each."""

    def __init__(self, faults=(), errors=()):
        super().__init__(ANSWERS)
        self.faults = set(faults)
        self.errors = list(errors)
        self.asked = []

    def stream(self, messages, options):
        text = messages[-1].content
        found = [name for name in self.faults if name in text]
        if found:
            raise RuntimeError(f"{found[0]} is too much\nand more")
        self.asked.append(text)
        yield from super().stream(messages, options)

    def generate_many(self, prompts, options):
        if self.errors:
            error = self.errors.pop(0)
            if error is not None:
                raise error
        return super().generate_many(prompts, options)


def arm_of(generator, name="base", **more):
    return GeneratorArm(name, generator, CONTRACT, OPTIONS, **more)


def records(folder, name="records.jsonl"):
    return {item.question_id: item for item in read_records(folder / name)}


class TestAskAll:
    def test_every_question_becomes_one_record(self, tmp_path):
        assert ask_all(arm_of(Faulty()), QUESTIONS, tmp_path) == 40
        found = read_records(tmp_path / "records.jsonl")
        assert sorted(item.question_id for item in found) == [item.id for item in QUESTIONS]
        for item in found:
            assert item.answer == f"answer {item.question_id}"
            assert (item.arm, item.declined, item.error) == ("base", False, "")
            assert (item.scores["primary"], item.finish_reason) == (1.0, "stop")
            assert item.stage_seconds == {}

    def test_a_line_is_plain_json(self, tmp_path):
        ask_all(arm_of(Faulty()), QUESTIONS[:1], tmp_path)
        [line] = (tmp_path / "records.jsonl").read_text(encoding="utf-8").splitlines()
        assert json.loads(line)["question_id"] == "q00"

    def test_a_wrong_answer_scores_0_with_its_reason(self, tmp_path):
        ask_all(arm_of(Faulty()), [question(0, "something else")], tmp_path)
        found = records(tmp_path)["q00"]
        assert found.scores["primary"] == 0.0
        assert found.reason

    def test_the_reason_for_the_end_of_an_answer_is_kept(self, tmp_path):
        arm = arm_of(Faulty())
        arm.options = GenerateOptions(max_new_tokens=1)
        ask_all(arm, QUESTIONS[:1], tmp_path)
        found = records(tmp_path)["q00"]
        assert (found.answer, found.finish_reason, found.completion_tokens) == (
            "answer", "length", 1,
        )  # fmt: skip

    def test_passages_and_those_that_did_not_fit_are_kept(self, tmp_path):
        passages = [Passage(f"p{n}", f"{n}.md", f"q00 what is it {n}", 0) for n in range(3)]
        embedder, index = FakeEmbedder(), MemoryIndex(64)
        index.write(passages, embedder.embed([item.shown for item in passages]))
        retriever = Retriever(index, embedder, RetrievalConfig())
        arm = arm_of(Faulty(), "rag", retriever=retriever, passages=3, prompt_tokens=35)
        ask_all(arm, QUESTIONS[:1], tmp_path)
        found = records(tmp_path)["q00"]
        assert len(found.passages) + found.shortened == 3
        assert 0 < found.shortened < 3
        assert found.passage_doc_ids == tuple(f"{name[1:]}.md" for name in found.passages)

    def test_a_citation_is_read_by_the_number_that_its_passage_has_in_the_prompt(self, tmp_path):
        """The best passage comes first in the record, the first document in the prompt."""
        texts = {"z.md": "what is q00 it is answer q00", "a.md": "it is green"}
        passages = [Passage(name[0], name, text, 0) for name, text in texts.items()]
        embedder, index = FakeEmbedder(), MemoryIndex(64)
        index.write(passages, embedder.embed([item.shown for item in passages]))
        retriever = Retriever(index, embedder, RetrievalConfig())
        generator = FakeGenerator({"What is q00?": "answer q00 [2]"})
        arm = arm_of(generator, "rag", retriever=retriever, passages=2)
        ask_all(arm, QUESTIONS[:1], tmp_path)
        found = records(tmp_path)["q00"]
        assert (found.passages, found.shown) == (("z", "a"), ("a", "z"))
        assert f"[2] {texts['z.md']}" in generator.history[0][-1].content
        assert (found.scores["citation_precision"], found.scores["citation_recall"]) == (1.0, 1.0)

    def test_an_answer_is_held_against_the_texts_of_its_gold_documents(self, tmp_path):
        item = question(0, "answer q00")
        asked = replace(item, doc_ids=("a.md",))
        texts = [
            Passage("1", "a.md", "It is answer q00.", 0),
            Passage("2", "b.md", "It is green.", 0),
            Passage("3", "a.md", "Q: It? A: green", 0, kind="pair"),
        ]
        sources = gold_sources([asked], texts)
        assert sources.documents == {"a.md": ("It is answer q00.",)}
        ask_all(arm_of(Faulty()), [asked], tmp_path / "with", sources=sources)
        ask_all(arm_of(Faulty()), [asked], tmp_path / "without")
        assert records(tmp_path / "with")["q00"].scores["support"] == 1.0
        assert records(tmp_path / "without")["q00"].scores["support"] is None

    def test_a_metric_that_gives_no_score_is_none_in_the_record_and_named(
        self, tmp_path, monkeypatch
    ):
        class Broken:
            def score(self, *_):
                return Score(float("nan"))

        monkeypatch.setitem(METRICS, "primary", Broken())
        ask_all(arm_of(Faulty()), QUESTIONS[:1], tmp_path)
        found = records(tmp_path)["q00"]
        assert (found.scores["primary"], found.scores["exact"]) == (None, 1.0)
        assert found.reason == "primary gave nan, which is no score from 0 to 1"

    def test_confidence_is_kept_where_the_generator_gives_it(self, tmp_path):
        class Sure(FakeGenerator):
            def generate_many(self, prompts, options):
                found = super().generate_many(prompts, options)
                return [replace(answer, confidence=-0.25) for answer in found]

        ask_all(arm_of(Sure(ANSWERS)), QUESTIONS[:1], tmp_path)
        ask_all(arm_of(Faulty()), QUESTIONS[1:2], tmp_path)
        assert [item.confidence for item in records(tmp_path).values()] == [-0.25, None]

    def test_a_failing_question_is_a_record_and_the_rest_of_its_batch_is_answered(self, tmp_path):
        generator = Faulty(faults=["q03", "q17"])
        assert ask_all(arm_of(generator), QUESTIONS, tmp_path) == 40
        found = records(tmp_path)
        assert len(found) == 40
        failed = {name for name, item in found.items() if item.error}
        assert failed == {"q03", "q17"}
        assert found["q03"].error == "RuntimeError: q03 is too much"
        assert (found["q03"].answer, found["q03"].declined) == ("", False)
        assert found["q03"].scores["primary"] == 0.0

    def test_a_failed_question_is_not_right_even_where_declining_is(self, tmp_path):
        item = Question("q00", "What is q00?", (), "test", "g", answerable=False)
        ask_all(arm_of(Faulty(faults=["q00"])), [item], tmp_path)
        assert records(tmp_path)["q00"].scores["primary"] == 0.0

    def test_a_question_that_failed_is_asked_again_and_its_last_record_counts(self, tmp_path):
        ask_all(arm_of(Faulty(faults=["q03"])), QUESTIONS, tmp_path)
        again = Faulty()
        assert ask_all(arm_of(again), QUESTIONS, tmp_path) == 1
        assert len(again.asked) == 1
        found = read_records(tmp_path / "records.jsonl")
        assert len(found) == 40 and not any(item.error for item in found)

    def test_a_gold_answer_that_reads_like_declining_is_an_answer(self, tmp_path):
        item = Question("q00", "What is q00?", ("Not specified",), "test", "g")
        arm = arm_of(FakeGenerator({item.question: "not specified."}))
        ask_all(arm, [item], tmp_path)
        found = records(tmp_path)["q00"]
        assert (found.declined, found.scores["primary"]) == (False, 1.0)

    def test_our_own_error_is_told_by_its_reason(self, tmp_path):
        error = GenerationFailed("the server did not answer", why="connection refused")
        ask_all(arm_of(Faulty(errors=[error])), QUESTIONS[:1], tmp_path)
        assert records(tmp_path)["q00"].error == "GenerationFailed: connection refused"

    def test_an_error_without_words_is_told_by_its_name(self, tmp_path):
        ask_all(arm_of(Faulty(errors=[ValueError()])), QUESTIONS[:1], tmp_path)
        assert records(tmp_path)["q00"].error.startswith("ValueError")

    def test_a_question_that_cannot_even_be_prepared_does_not_sink_the_others(self, tmp_path):
        class Refusing(Faulty):
            def count_tokens(self, messages):
                if "q01" in messages[-1].content:
                    raise GenerationFailed("no", why="the template refused q01")
                return super().count_tokens(messages)

        passage = Passage("p", "a.md", "what is it", 0)
        embedder, index = FakeEmbedder(), MemoryIndex(64)
        index.write([passage], embedder.embed([passage.shown]))
        retriever = Retriever(index, embedder, RetrievalConfig())
        arm = arm_of(Refusing(), "rag", retriever=retriever, passages=1)
        ask_all(arm, QUESTIONS[:3], tmp_path)
        found = records(tmp_path)
        assert {name for name, item in found.items() if item.error} == {"q01"}
        assert set(found) == {"q00", "q01", "q02"}

    def test_where_no_question_can_be_prepared_the_error_is_raised(self, tmp_path):
        class Refusing(DeclineArm):
            def prepare_many(self, questions):
                raise GenerationFailed("no index")

        with pytest.raises(GenerationFailed, match="no index"):
            ask_all(Refusing(CONTRACT), QUESTIONS, tmp_path)
        assert records(tmp_path) == {}

    def test_a_second_call_asks_nothing(self, tmp_path):
        ask_all(arm_of(Faulty()), QUESTIONS, tmp_path)
        generator = Faulty()
        assert ask_all(arm_of(generator), QUESTIONS, tmp_path) == 0
        assert generator.asked == []

    def test_after_an_interruption_only_what_is_missing_is_asked(self, tmp_path):
        generator = Faulty(errors=[None, None, KeyboardInterrupt()])
        with pytest.raises(KeyboardInterrupt):
            ask_all(arm_of(generator), QUESTIONS, tmp_path)
        before = set(records(tmp_path))
        assert len(before) == 2 * BATCH == 32
        again = Faulty()
        assert ask_all(arm_of(again), QUESTIONS, tmp_path) == 8
        assert len(again.asked) == 8
        assert len(read_records(tmp_path / "records.jsonl")) == 40
        assert set(records(tmp_path)) == {item.id for item in QUESTIONS}

    def test_an_interruption_within_a_question_is_no_answer(self, tmp_path):
        with pytest.raises(KeyboardInterrupt):
            ask_all(arm_of(Faulty(errors=[KeyboardInterrupt()])), QUESTIONS[:1], tmp_path)
        assert records(tmp_path) == {}

    def test_a_full_disk_ends_the_run_and_is_no_failed_question(self, tmp_path):
        generator = Faulty(errors=[NoSpaceLeft("no space left on the disk")])
        with pytest.raises(NoSpaceLeft):
            ask_all(arm_of(generator), QUESTIONS, tmp_path)
        assert records(tmp_path) == {}

    def test_after_a_crash_the_half_written_question_is_asked_again(self, tmp_path):
        ask_all(arm_of(Faulty()), QUESTIONS[:3], tmp_path)
        path = tmp_path / "records.jsonl"
        path.write_bytes(path.read_bytes()[:-40])
        generator = Faulty()
        assert ask_all(arm_of(generator), QUESTIONS[:3], tmp_path) == 1
        assert sorted(records(tmp_path)) == ["q00", "q01", "q02"]

    def test_prompts_that_begin_alike_follow_each_other(self, tmp_path):
        generator = Faulty()
        ask_all(arm_of(generator), QUESTIONS[::-1], tmp_path)
        assert generator.asked == sorted(generator.asked)

    def test_progress_counts_what_was_there_before(self, tmp_path):
        ask_all(arm_of(Faulty()), QUESTIONS[:10], tmp_path)
        told = []
        ask_all(arm_of(Faulty()), QUESTIONS, tmp_path, lambda *args: told.append(args))
        assert told == [("ask base", 26, 40), ("ask base", 40, 40)]

    def test_no_questions_are_no_records(self, tmp_path):
        assert ask_all(arm_of(Faulty()), [], tmp_path) == 0
        assert records(tmp_path) == {}

    def test_a_control_is_measured_like_an_arm(self, tmp_path):
        unanswerable = Question("no", "What?", (), "test", "g", answerable=False)
        ask_all(DeclineArm(CONTRACT), [QUESTIONS[0], unanswerable], tmp_path)
        found = records(tmp_path)
        assert (found["q00"].scores["primary"], found["no"].scores["primary"]) == (0.0, 1.0)
        assert all(item.declined for item in found.values())

    def test_nearest_pair_is_measured_without_a_model(self, tmp_path):
        pair = Passage(
            "t", "", "Q: What is q00?\nA: answer q00", 0, kind="pair", pair_id="x",
            answer="answer q00",
        )  # fmt: skip
        embedder, index = FakeEmbedder(), MemoryIndex(64)
        index.write([pair], embedder.embed([pair.shown]))
        retriever = Retriever(index, embedder, RetrievalConfig())
        arm = PassageArm("nearest-pair", retriever, CONTRACT, pairs_only=True)
        ask_all(arm, QUESTIONS[:1], tmp_path)
        found = records(tmp_path)["q00"]
        assert (found.answer, found.scores["primary"], found.passages) == (
            "answer q00", 1.0, ("t",),
        )  # fmt: skip


class TestTimeArms:
    @pytest.fixture
    def arms(self, tmp_path):
        names = ("base", "rag")
        return [(arm_of(Faulty(), name), tmp_path / name) for name in names]

    def timed(self, arms):
        return {arm.name: records(folder, "latency.jsonl") for arm, folder in arms}

    def test_every_arm_is_timed_on_the_same_questions(self, arms):
        time_arms(arms, QUESTIONS, 5, 7)
        found = self.timed(arms)
        assert len(found["base"]) == 5
        assert set(found["base"]) == set(found["rag"])
        for item in found["base"].values():
            assert item.stage_seconds["total_seconds"] >= 0

    def test_warm_up_questions_are_asked_and_not_timed(self, arms):
        time_arms(arms, QUESTIONS, 5, 7)
        for arm, _ in arms:
            asked = [text.removeprefix("Question: ") for text in arm.generator.asked]
            assert len(asked) == WARM_UP + 5
            timed = {f"What is {name}?" for name in self.timed(arms)[arm.name]}
            assert not timed & set(asked[:WARM_UP])
            assert timed == set(asked[WARM_UP:])

    def test_arms_take_turns_at_random(self, arms):
        order = []
        time_arms(arms, QUESTIONS, 20, 7, lambda *args: order.append(args[3]))
        assert sorted(order) == ["base"] * 20 + ["rag"] * 20
        changes = sum(one != other for one, other in zip(order, order[1:], strict=False))
        assert changes > 10

    def test_what_was_timed_is_not_timed_again(self, arms):
        time_arms(arms, QUESTIONS, 5, 7)
        before = self.timed(arms)
        for arm, _ in arms:
            arm.generator.asked.clear()
        time_arms(arms, QUESTIONS, 5, 7)
        assert self.timed(arms) == before
        assert all(arm.generator.asked == [] for arm, _ in arms)

    def test_after_an_interruption_only_what_is_missing_is_timed(self, arms):
        def interrupt(phase, done, total, note):
            if done == 4:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            time_arms(arms, QUESTIONS, 5, 7, interrupt)
        assert sum(len(found) for found in self.timed(arms).values()) == 4
        told = []
        time_arms(arms, QUESTIONS, 5, 7, lambda *args: told.append(args))
        assert len(told) == 6
        assert [len(found) for found in self.timed(arms).values()] == [5, 5]

    def test_the_seed_alone_chooses_the_questions(self, arms, tmp_path):
        def chosen(seed, name):
            pair = (arm_of(Faulty()), tmp_path / name)
            time_arms([pair], QUESTIONS, 5, seed)
            return set(records(pair[1], "latency.jsonl"))

        assert chosen(7, "one") == chosen(7, "two")
        assert chosen(7, "one") != chosen(8, "three")

    @pytest.mark.parametrize("error", [GenerationFailed("no", why="refused"), ValueError("seven")])
    def test_a_question_that_fails_is_a_record_with_its_error(self, tmp_path, error):
        class Failing(Faulty):
            def stream(self, messages, options):
                if "q03" in messages[-1].content:
                    raise error
                yield from super().stream(messages, options)

        pair = (arm_of(Failing()), tmp_path)
        time_arms([pair], QUESTIONS, 38, 7)
        found = records(tmp_path, "latency.jsonl")
        assert len(found) == 38
        failed = {name: item.error for name, item in found.items() if item.error}
        assert failed.keys() <= {"q03"}
        assert all(text.startswith(type(error).__name__) for text in failed.values())

    def test_very_few_questions_are_timed_without_a_warm_up_of_their_own(self, arms):
        time_arms(arms, QUESTIONS[:2], 5, 7)
        assert len(self.timed(arms)["base"]) == 2

    def test_quality_and_latency_stand_in_files_of_their_own(self, arms):
        time_arms(arms, QUESTIONS, 3, 7)
        arm, folder = arms[0]
        ask_all(arm, QUESTIONS[:6], folder)
        assert len(records(folder)) == 6
        assert len(records(folder, "latency.jsonl")) == 3
