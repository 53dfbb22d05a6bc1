from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from graft.generate.openvino import OpenVinoGenerator
from graft.types import GenerateOptions, Message


class Words:
    """A chat whose tokens are words."""

    stop_ids = (2,)

    def render(self, messages):
        return messages[-1].content

    def encode(self, text):
        return text.split()


def test_confidence_is_the_engines_sum_over_the_tokens_and_the_end_of_the_turn():
    asked = []

    def generate(prompts, config):
        asked.append(config)
        return SimpleNamespace(texts=["ninety seconds", "one two three"], scores=[-1.5, -0.6])

    generator = object.__new__(OpenVinoGenerator)
    generator._genai = SimpleNamespace(GenerationConfig=SimpleNamespace)
    generator._pipeline = SimpleNamespace(generate=generate)
    generator._chat = Words()
    generator._lock = threading.Lock()
    prompts = [[Message("user", "one")], [Message("user", "two")]]
    stopped, cut = generator.generate_many(prompts, GenerateOptions(max_new_tokens=3))
    assert (stopped.finish_reason, cut.finish_reason) == ("stop", "length")
    assert stopped.confidence == pytest.approx(-1.5 / 3)
    assert cut.confidence == pytest.approx(-0.6 / 3)
    assert asked[0].logprobs == 1
