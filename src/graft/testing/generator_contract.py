"""What every generator must do. Subclass `GeneratorContract` and override its fixtures.

    class TestMine(GeneratorContract):
        @pytest.fixture
        def generator(self):
            return MyGenerator(...)

        @pytest.fixture
        def broken(self):
            return MyGenerator(...)     # one whose engine fails; left out, it is not tested

The generator must answer both `PROMPTS` with at least three tokens, greedily always the same.
"""

from __future__ import annotations

from typing import Any

import pytest

from graft.errors import GenerationFailed
from graft.protocols import Generator
from graft.types import Delta, GenerateOptions, Message

__all__ = ["PROMPTS", "GeneratorContract"]

SYSTEM = Message("system", "Answer.")
PROMPTS = (
    (SYSTEM, Message("user", "Question: How long may the pump run dry?")),
    (SYSTEM, Message("user", "Question: Why does the lamp blink?")),
)
OPTIONS = GenerateOptions(max_new_tokens=24)


def joined(deltas: list[Delta]) -> str:
    """Return the text of a stream as an answer has it."""
    return "".join(delta.text for delta in deltas).strip()


class GeneratorContract:
    """The contract; answers are compared between the two ways of asking."""

    @pytest.fixture
    def generator(self) -> Any:  # noqa: ANN401 - whatever the subclass tests
        """Return a generator that answers."""
        raise NotImplementedError("override the fixture `generator`")

    @pytest.fixture
    def broken(self) -> Any:  # noqa: ANN401
        """Return a generator whose engine fails on every prompt."""
        pytest.skip("this generator cannot fail")

    def test_it_names_itself_and_its_window(self, generator: Generator) -> None:  # noqa: D102
        assert generator.identity.split(":")[0]
        assert generator.context_tokens > 0

    def test_longer_prompts_count_more_tokens(self, generator: Generator) -> None:  # noqa: D102
        short = generator.count_tokens(PROMPTS[0])
        assert 0 < short < generator.count_tokens([*PROMPTS[0], *PROMPTS[1]])

    def test_streamed_pieces_are_the_answer(self, generator: Generator) -> None:  # noqa: D102
        answers = generator.generate_many(PROMPTS, OPTIONS)
        for prompt, answer in zip(PROMPTS, answers, strict=True):
            assert joined(list(generator.stream(prompt, OPTIONS))) == answer.text != ""

    def test_the_last_piece_alone_has_reason_and_counts(  # noqa: D102
        self, generator: Generator
    ) -> None:
        *pieces, last = generator.stream(PROMPTS[0], OPTIONS)
        assert pieces
        for delta in pieces:
            assert delta.text
            assert (delta.finish_reason, delta.prompt_tokens, delta.completion_tokens) == ("", 0, 0)
        assert last.finish_reason in ("stop", "length")

    def test_usage_is_reported_the_same_both_ways(self, generator: Generator) -> None:  # noqa: D102
        [answer] = generator.generate_many(PROMPTS[:1], OPTIONS)
        *_, last = generator.stream(PROMPTS[0], OPTIONS)
        assert 0 < answer.completion_tokens <= OPTIONS.max_new_tokens
        assert answer.prompt_tokens > 0
        assert (last.prompt_tokens, last.completion_tokens, last.finish_reason) == (
            answer.prompt_tokens,
            answer.completion_tokens,
            answer.finish_reason,
        )

    def test_the_token_limit_cuts_the_answer_and_says_so(  # noqa: D102
        self, generator: Generator
    ) -> None:
        limit = GenerateOptions(max_new_tokens=2)
        [whole] = generator.generate_many(PROMPTS[:1], OPTIONS)
        [cut] = generator.generate_many(PROMPTS[:1], limit)
        *pieces, last = generator.stream(PROMPTS[0], limit)
        assert whole.text.startswith(cut.text)
        assert joined(pieces) == cut.text
        for counted in (cut, last):
            assert (counted.completion_tokens, counted.finish_reason) == (2, "length")

    def test_greedy_answers_are_always_the_same(self, generator: Generator) -> None:  # noqa: D102
        one = [answer.text for answer in generator.generate_many(PROMPTS, OPTIONS)]
        other = [answer.text for answer in generator.generate_many(PROMPTS, OPTIONS)]
        assert one == other

    def test_a_batch_answers_in_the_order_of_its_prompts(  # noqa: D102
        self, generator: Generator
    ) -> None:
        many = [PROMPTS[0], PROMPTS[1], PROMPTS[0], [*PROMPTS[0][:1], *PROMPTS[1][1:]]]
        texts = [answer.text for answer in generator.generate_many(many, OPTIONS)]
        alone = [generator.generate_many([prompt], OPTIONS)[0].text for prompt in many]
        assert texts == alone

    def test_no_prompts_give_no_answers(self, generator: Generator) -> None:  # noqa: D102
        assert list(generator.generate_many([], OPTIONS)) == []

    def test_a_stream_given_up_early_leaves_the_generator_usable(  # noqa: D102
        self, generator: Generator
    ) -> None:
        stream = generator.stream(PROMPTS[0], OPTIONS)
        first = next(stream)
        stream.close()  # type: ignore[attr-defined]
        [answer] = generator.generate_many(PROMPTS[:1], OPTIONS)
        assert answer.text.startswith(first.text.strip())

    def test_a_stream_never_begun_can_be_closed(self, generator: Generator) -> None:  # noqa: D102
        generator.stream(PROMPTS[0], OPTIONS).close()  # type: ignore[attr-defined]

    def test_a_failing_engine_is_our_error(self, broken: Generator) -> None:  # noqa: D102
        with pytest.raises(GenerationFailed) as caught:
            broken.generate_many(PROMPTS[:1], OPTIONS)
        assert caught.value.why
        with pytest.raises(GenerationFailed) as caught:
            list(broken.stream(PROMPTS[0], OPTIONS))
        assert caught.value.why

    def test_closing_twice_is_allowed(self, generator: Generator) -> None:  # noqa: D102
        generator.close()
        generator.close()
