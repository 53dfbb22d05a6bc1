from __future__ import annotations

import threading

import pytest

from graft.errors import GenerationFailed
from graft.testing.generator_contract import OPTIONS, PROMPTS, GeneratorContract
from graft.types import GenerateOptions


@pytest.fixture(scope="module")
def make(checkpoint, chat):
    """Make a generator from the tiny checkpoint: `make(merged)`."""
    from graft.generate.transformers import TransformersGenerator

    def build(merged=None):
        return TransformersGenerator(checkpoint, chat, "tiny", merged, "cpu")

    return build


class TestTransformersGenerator(GeneratorContract):
    @pytest.fixture
    def generator(self, make):
        return make()

    @pytest.fixture
    def broken(self, make):
        made = make()

        def fail(**_):
            raise RuntimeError("out of memory")

        made._model.generate = fail
        return made


@pytest.fixture(scope="module")
def knowing(make, taught, checkpoint):
    """The generator with the adapter that knows the eight facts merged into its weights."""
    from graft.models.merge import merged_weights

    return make(merged_weights(checkpoint, taught[0]))


def test_what_was_trained_and_merged_is_answered(knowing, fact_rows):
    answers = knowing.generate_many([row.messages for row in fact_rows], OPTIONS)
    assert [answer.text for answer in answers] == [row.answer for row in fact_rows]
    assert {answer.finish_reason for answer in answers} == {"stop"}


def test_an_answer_has_neither_the_end_of_turn_nor_counts_it(knowing, fact_rows, chat):
    [answer] = knowing.generate_many([fact_rows[0].messages], OPTIONS)
    *pieces, last = knowing.stream(fact_rows[0].messages, OPTIONS)
    assert "".join(piece.text for piece in pieces) == "90 seconds"
    assert answer.completion_tokens == last.completion_tokens == len(chat.encode("90 seconds"))


def test_confidence_is_the_mean_log_probability_of_the_tokens_with_the_end(make, chat):
    import torch

    generator = make()
    answers = generator.generate_many(PROMPTS, OPTIONS)
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        asked = chat.encode(chat.render(prompt))
        [made] = generator._generate([asked], OPTIONS)
        kept = made[: answer.completion_tokens + (answer.finish_reason == "stop")]
        ids = torch.tensor([[*asked, *kept]])
        with torch.inference_mode():
            logits = generator._model(input_ids=ids).logits[0, len(asked) - 1 : -1].float()
        chosen = logits.log_softmax(-1)[range(len(kept)), kept]
        assert answer.confidence == pytest.approx(float(chosen.mean()), abs=0.02)
    sampled = generator.generate_many(PROMPTS[:1], GenerateOptions(4, temperature=1.0))
    assert sampled[0].confidence is None


def test_prompt_tokens_are_those_of_the_rendered_prompt(make, chat):
    [answer] = make().generate_many(PROMPTS[:1], OPTIONS)
    assert answer.prompt_tokens == chat.count(PROMPTS[0]) == make().count_tokens(PROMPTS[0])


def test_padding_changes_no_answer(knowing, fact_rows):
    """Forty prompts of unlike length run in three batches, sorted by length."""
    prompts = [row.messages for row in fact_rows] * 5
    answers = [item.text for item in knowing.generate_many(prompts, OPTIONS)]
    assert answers == [row.answer for row in fact_rows] * 5


def test_the_identity_names_device_format_and_weights(make):
    engine, device, number_format, weights = make().identity.split(":")
    assert (engine, device, weights) == ("transformers", "cpu", "tiny")
    assert number_format in ("float32", "bfloat16")
    assert make().context_tokens == 1024


def test_sampling_follows_its_seed(make):
    def sample(seed):
        options = GenerateOptions(max_new_tokens=12, temperature=2.0, seed=seed)
        return make().generate_many(PROMPTS[:1], options)[0].text

    assert sample(1) == sample(1)
    assert len({sample(seed) for seed in range(4)}) > 1


def test_a_stop_string_ends_the_answer(knowing, fact_rows):
    options = GenerateOptions(max_new_tokens=24, stop=("sec",))
    [answer] = knowing.generate_many([fact_rows[0].messages], options)
    assert answer.text == "90"


def test_a_stream_given_up_stops_its_thread(make):
    generator = make()
    before = set(threading.enumerate())
    stream = generator.stream(PROMPTS[0], GenerateOptions(max_new_tokens=900))
    next(stream)
    own = [thread for thread in threading.enumerate() if thread not in before]
    stream.close()
    assert not any(thread.is_alive() for thread in own)


def test_weights_of_another_model_are_refused(make):
    import numpy as np

    with pytest.raises(GenerationFailed, match="the adapter does not fit"):
        make({"model.layers.9.nothing.weight": np.zeros((2, 2), np.float32)})
