"""The arm: one way to answer a question. Measured, reported and served as the same object.

An arm is a generator, with or without an index, and one prompt contract. The controls answer
without a model: the best passage word for word, the answer of the most similar training
question, or always the decline sentence.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from graft.prompts import PromptContract
from graft.protocols import Generator
from graft.retrieve import Retriever
from graft.types import Answer, Delta, GenerateOptions, Hit, Message, Where

__all__ = [
    "ARMS",
    "CONTROLS",
    "Arm",
    "ArmAnswer",
    "DeclineArm",
    "GeneratorArm",
    "PassageArm",
    "Prepared",
    "RETRIEVING",
    "TUNED",
]

ARMS = ("base", "finetuned", "rag", "hybrid")
CONTROLS = ("bolt-on", "top-passage", "nearest-pair", "decline")
TUNED = {"finetuned": "finetuned", "hybrid": "hybrid", "bolt-on": "finetuned"}
RETRIEVING = ("rag", "hybrid", "bolt-on", "top-passage", "nearest-pair")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prompt ready to be generated from; `shortened` counts passages that did not fit."""

    messages: tuple[Message, ...]
    hits: tuple[Hit, ...] = ()
    shortened: int = 0
    stage_seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ArmAnswer:
    """An answer with everything that led to it; stages are empty where a batch shared them."""

    text: str
    declined: bool
    hits: tuple[Hit, ...] = ()
    shortened: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reason: str = "stop"
    stage_seconds: dict[str, float] = field(default_factory=dict)
    confidence: float | None = None


class Arm(Protocol):
    """What the evaluator measures and the server serves."""

    name: str
    control: bool

    def prepare_many(self, questions: Sequence[str]) -> list[Prepared]:
        """Build the prompts of questions."""
        ...

    def finish_many(self, prepared: Sequence[Prepared]) -> list[ArmAnswer]:
        """Answer prepared prompts."""
        ...

    def answer(self, question: str) -> ArmAnswer:
        """Answer one question, with the time of each stage."""
        ...

    def stream(self, question: str) -> Iterator[Delta | ArmAnswer]:
        """Yield pieces of an answer as they come, then the whole `ArmAnswer`."""
        ...


@dataclass(slots=True)
class GeneratorArm:
    """An arm with a model: `base` and `finetuned` without a retriever, the others with one."""

    name: str
    generator: Generator
    contract: PromptContract
    options: GenerateOptions
    retriever: Retriever | None = None
    passages: int = 0
    pairs: int = 0
    prompt_tokens: int = 1024
    with_examples: bool = False
    control: bool = False

    def prepare_many(self, questions: Sequence[str]) -> list[Prepared]:
        """Build prompts; retrieval runs in one batch."""
        if self.retriever is None:
            return [Prepared(tuple(self._messages(text, ()))) for text in questions]
        found = self.retriever.find_many(questions, self.passages, self.pairs, Where())
        return [
            self._fit(text, hits, stages)
            for text, (hits, stages) in zip(questions, found, strict=True)
        ]

    def finish_many(self, prepared: Sequence[Prepared]) -> list[ArmAnswer]:
        """Generate for prepared prompts as one batch."""
        answers = self.generator.generate_many([item.messages for item in prepared], self.options)
        return [
            self._answer(item, answer, {}) for item, answer in zip(prepared, answers, strict=True)
        ]

    def answer(self, question: str) -> ArmAnswer:
        """Answer one question, timing every stage."""
        *_, last = self.stream(question)
        if not isinstance(last, ArmAnswer):
            raise AssertionError("a stream ends with the whole answer")
        return last

    def stream(self, question: str) -> Iterator[Delta | ArmAnswer]:
        """Yield pieces as they come, then the whole answer with its stages in seconds."""
        started = time.monotonic()
        prepared = self.prepare_many([question])[0]
        stages = dict(prepared.stage_seconds)
        ready = time.monotonic()
        stages["prompt_seconds"] = max(0.0, ready - started - sum(stages.values()))
        text, first, last = "", 0.0, Delta("")
        for delta in self.generator.stream(prepared.messages, self.options):
            if delta.text and not first:
                first = time.monotonic()
                stages["first_token_seconds"] = first - ready
            text += delta.text
            last = delta
            if delta.text:
                yield delta
        ended = time.monotonic()
        stages["decode_seconds"] = ended - (first or ready)
        stages["total_seconds"] = ended - started
        answer = Answer(
            text.strip(),
            last.prompt_tokens,
            last.completion_tokens,
            finish_reason=last.finish_reason or "stop",
        )
        yield self._answer(prepared, answer, stages)

    def _messages(self, question: str, hits: Sequence[Hit]) -> list[Message]:
        return self.contract.messages(
            question, [hit.passage for hit in hits], with_examples=self.with_examples
        )

    def _fit(self, question: str, hits: Sequence[Hit], stages: dict[str, float]) -> Prepared:
        """Drop passages from the end until the prompt fits; what is dropped is counted.

        The limit is for what the question adds: examples are the same for every question.
        """
        kept = list(hits)
        limit = self.generator.context_tokens - self.options.max_new_tokens
        extra = 0
        if self.with_examples:
            plain = self.generator.count_tokens(self.contract.messages(question))
            extra = self.generator.count_tokens(self._messages(question, ())) - plain
        limit = min(limit, self.prompt_tokens + extra)
        messages = self._messages(question, kept)
        while kept and self.generator.count_tokens(messages) > limit:
            kept.pop()
            messages = self._messages(question, kept)
        return Prepared(tuple(messages), tuple(kept), len(hits) - len(kept), stages)

    def _answer(self, prepared: Prepared, answer: Answer, stages: dict[str, float]) -> ArmAnswer:
        return ArmAnswer(
            answer.text,
            self.contract.is_decline(answer.text),
            prepared.hits,
            prepared.shortened,
            answer.prompt_tokens,
            answer.completion_tokens,
            answer.finish_reason,
            stages,
            answer.confidence,
        )


@dataclass(slots=True)
class PassageArm:
    """A control without a model: the best passage or pair, or the nearest pair's answer."""

    name: str
    retriever: Retriever
    contract: PromptContract
    pairs_only: bool = False
    control: bool = True

    def prepare_many(self, questions: Sequence[str]) -> list[Prepared]:
        """Retrieve."""
        kinds = frozenset({"pair"}) if self.pairs_only else frozenset({"document", "pair"})
        counts = (0, 1) if self.pairs_only else (1, 1)
        found = self.retriever.find_many(questions, *counts, Where(kinds=kinds))
        return [Prepared((), tuple(_best(hits)), 0, stages) for hits, stages in found]

    def finish_many(self, prepared: Sequence[Prepared]) -> list[ArmAnswer]:
        """Return what was found, word for word."""
        return [self._answer(item) for item in prepared]

    def answer(self, question: str) -> ArmAnswer:
        """Answer one question."""
        started = time.monotonic()
        prepared = self.prepare_many([question])[0]
        stages = prepared.stage_seconds | {"total_seconds": time.monotonic() - started}
        return replace(self._answer(prepared), stage_seconds=stages)

    def stream(self, question: str) -> Iterator[Delta | ArmAnswer]:
        """Yield the answer in one piece, then the whole."""
        whole = self.answer(question)
        yield Delta(whole.text)
        yield whole

    def _answer(self, prepared: Prepared) -> ArmAnswer:
        if not prepared.hits:
            return ArmAnswer(self.contract.decline, True)
        passage = prepared.hits[0].passage
        text = passage.answer if passage.kind == "pair" else passage.text
        return ArmAnswer(text, self.contract.is_decline(text), prepared.hits)


def _best(hits: Sequence[Hit]) -> list[Hit]:
    return sorted(hits, key=lambda hit: -hit.score)[:1]


@dataclass(slots=True)
class DeclineArm:
    """The control that always declines: the mute model's score."""

    contract: PromptContract
    name: str = "decline"
    control: bool = True

    def prepare_many(self, questions: Sequence[str]) -> list[Prepared]:
        """Return empty prompts."""
        return [Prepared(()) for _ in questions]

    def finish_many(self, prepared: Sequence[Prepared]) -> list[ArmAnswer]:
        """Decline."""
        return [ArmAnswer(self.contract.decline, True) for _ in prepared]

    def answer(self, question: str) -> ArmAnswer:
        """Decline one question."""
        return ArmAnswer(self.contract.decline, True, stage_seconds={"total_seconds": 0.0})

    def stream(self, question: str) -> Iterator[Delta | ArmAnswer]:
        """Yield the decline sentence."""
        yield Delta(self.contract.decline)
        yield self.answer(question)
