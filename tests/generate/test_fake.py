from __future__ import annotations

import pytest

from graft.generate.fake import FakeGenerator
from graft.testing.generator_contract import GeneratorContract
from graft.types import GenerateOptions, Message


class TestFakeGenerator(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return FakeGenerator({"pump": "for ninety seconds or so"})


def ask(generator, text, **options):
    return generator.generate_many([[Message("user", text)]], GenerateOptions(**options))[0]


def test_what_it_was_taught_comes_first():
    generator = FakeGenerator({"pump": "90 s"})
    assert ask(generator, "Documents:\n\n[1] blue.\n\nQuestion: pump?").text == "90 s"


def test_with_passages_it_says_the_last_word_of_the_first():
    text = "Documents:\n\n[1] The valve is blue.\n\n[2] It is red.\n\nQuestion: What?"
    assert ask(FakeGenerator(), text).text == "blue"


def test_without_both_it_declines():
    assert ask(FakeGenerator(), "Question: What?").text == "The documents do not say."
    assert ask(FakeGenerator(decline="No."), "Question: What?").text == "No."


def test_counts_are_words_and_prompts_are_remembered():
    generator = FakeGenerator({"What": "one two three"})
    answer = ask(generator, "Question: What now?", max_new_tokens=2)
    assert (answer.prompt_tokens, answer.completion_tokens, answer.text) == (3, 2, "one two")
    assert generator.history == [[Message("user", "Question: What now?")]]
