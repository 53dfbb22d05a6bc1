"""A fake generator for tests and dry runs; it is called fake wherever it appears.

It answers by rule: with passages in the prompt the last word of the first one, else what it
was taught, else the decline sentence. Counting is by words, so expected numbers can be
worked out by eye.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from graft.types import Answer, Delta, GenerateOptions, Message

__all__ = ["FakeGenerator"]


class FakeGenerator:
    """Deterministic, offline, instant; `taught` maps a part of the user turn to an answer."""

    identity = "fake"
    context_tokens = 100_000

    def __init__(
        self, taught: Mapping[str, str] | None = None, decline: str = "The documents do not say."
    ) -> None:
        """Remember what to answer; `history` keeps every prompt."""
        self.taught = dict(taught or {})
        self.decline = decline
        self.history: list[Sequence[Message]] = []

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Count words."""
        return sum(len(item.content.split()) for item in messages)

    def stream(self, messages: Sequence[Message], options: GenerateOptions) -> Iterator[Delta]:
        """Yield the answer word by word, then the counts."""
        self.history.append(messages)
        words = self._answer(messages[-1].content).split()
        kept = words[: options.max_new_tokens]
        for number, word in enumerate(kept):
            yield Delta(word if number == 0 else f" {word}")
        reason = "stop" if len(kept) == len(words) else "length"
        yield Delta("", reason, self.count_tokens(messages), len(kept))

    def generate_many(
        self, prompts: Sequence[Sequence[Message]], options: GenerateOptions
    ) -> Sequence[Answer]:
        """Answer every prompt."""
        answers = []
        for messages in prompts:
            deltas = list(self.stream(messages, options))
            text = "".join(delta.text for delta in deltas)
            last = deltas[-1]
            answers.append(
                Answer(
                    text,
                    last.prompt_tokens,
                    last.completion_tokens,
                    0.0,
                    0.0,
                    last.finish_reason,
                )
            )
        return answers

    def close(self) -> None:
        """Release nothing."""

    def _answer(self, prompt: str) -> str:
        for part, answer in self.taught.items():
            if part in prompt:
                return answer
        if prompt.startswith("Documents:"):
            return prompt.split("\n\n")[1].split()[-1].strip(".")
        return self.decline
