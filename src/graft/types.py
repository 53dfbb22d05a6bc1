"""The values that cross every stage: frozen, plain, standard library only.

The words are those of the design page: a `Document` is split into `Passage`s, a `Question`
is asked of an arm, a `Record` says what came of it. Nothing here reads a file or a clock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "AnswerKind",
    "Answer",
    "Delta",
    "Document",
    "Exposure",
    "GenerateOptions",
    "Hit",
    "Message",
    "Passage",
    "PassageKind",
    "Question",
    "Record",
    "Score",
    "Section",
    "Split",
    "TrainingRow",
    "Where",
    "fingerprint",
]

Split = Literal["train", "dev", "test"]
AnswerKind = Literal["label", "short", "long"]
Exposure = Literal["fact", "document", "unseen", "unanswerable"]
PassageKind = Literal["document", "pair"]


def fingerprint(*parts: object) -> str:
    """Return 16 hex digits of SHA-256 over the parts as canonical JSON.

    >>> fingerprint("a", 1) == fingerprint("a", 1)
    True
    """
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Section:
    """A run of a document's text under one heading path.

    `start` and `end` are character positions in `Document.text`; `page` counts from 1 and is
    None where the format has no pages.
    """

    heading_path: tuple[str, ...]
    start: int
    end: int
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """One file, page or row set, as text.

    `id` is the source path relative to the folder it was added from (`products/p40.md`), the
    same that a question names in `doc_ids`. `sections` cover `text` in order.
    """

    id: str
    source: str
    title: str
    text: str
    content_hash: str
    loader: str
    sections: tuple[Section, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that can be retrieved; `kind="pair"` is a training pair.

    `id` hashes source, position and text. `text` is what stands in the document at
    `start:end`; `shown` adds the heading path and is what is embedded, indexed and read by
    the model. For a pair `doc_id` is the pair's gold document (or empty), `pair_id` the id of
    its question and `answer` its answer.
    """

    id: str
    doc_id: str
    text: str
    position: int
    start: int = 0
    end: int = 0
    heading_path: tuple[str, ...] = ()
    page: int | None = None
    kind: PassageKind = "document"
    pair_id: str = ""
    answer: str = ""

    @property
    def shown(self) -> str:
        """Heading path and text, as embedded, indexed and put before the model."""
        path = " > ".join(self.heading_path)
        return f"{path}\n{self.text}" if path else self.text


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its gold answers; no answers and `answerable=False` means: decline.

    `group` is the statistical cluster, `fact` links wordings of one fact, `tags` are slices,
    `key_facts` are short statements that a good long answer makes. `grades` says how well each
    of `doc_ids` fits (1 and up); empty where all fit alike.
    """

    id: str
    question: str
    answers: tuple[str, ...]
    split: Split
    group: str
    doc_ids: tuple[str, ...] = ()
    answerable: bool = True
    kind: AnswerKind = "short"
    fact: str = ""
    tags: tuple[str, ...] = ()
    key_facts: tuple[str, ...] = ()
    grades: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One chat turn."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One prompt and the answer to learn; only the answer is learned.

    `kind` is "closed" (question alone), "context" (passages with the gold one), "no_gold"
    (passages without it, answer: the decline sentence), "cloze" or "section" (running text of
    a document). `gold_doc_ids` are the documents that the answer comes from, `doc_ids` all
    whose text stands in the row.
    """

    id: str
    kind: str
    messages: tuple[Message, ...]
    answer: str
    question_id: str = ""
    gold_doc_ids: tuple[str, ...] = ()
    doc_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """Decoding: greedy where `temperature` is 0; `max_new_tokens` counts the model's tokens."""

    max_new_tokens: int = 32
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """A streamed piece of an answer; the last one carries the counts and the finish reason."""

    text: str
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a generator returned for one prompt; times in seconds, None where not measured.

    `confidence` is the mean log-probability of the answer's tokens, None where the engine
    gives none.
    """

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_token_seconds: float | None = None
    total_seconds: float | None = None
    finish_reason: str = "stop"
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A retrieved passage; `score` is the fused score, `ranks` the rank in each channel."""

    passage: Passage
    score: float
    ranks: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Where:
    """What a search may return; it can only narrow, never widen."""

    without_documents: frozenset[str] = frozenset()
    without_pairs: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset({"document", "pair"})


@dataclass(frozen=True, slots=True)
class Score:
    """One metric's value for one record; `value` None means "not applicable", never 0."""

    value: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """What one arm did on one question: one line of `records.jsonl`.

    `passages` are the ids of the passages in the prompt, best first, `shown` the same ids in
    the order of their numbers there, so that a citation [2] is `shown[1]`; `shortened` counts
    the passages that did not fit; `stage_seconds` has the stages of the latency pass (empty in
    the quality pass, where questions run in batches); `error` is empty or the reason;
    `confidence` is the generator's, and orders answers of one arm only.
    """

    arm: str
    question_id: str
    answer: str
    declined: bool
    passages: tuple[str, ...] = ()
    passage_doc_ids: tuple[str, ...] = ()
    shortened: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float | None] = field(default_factory=dict)
    reason: str = ""
    error: str = ""
    finish_reason: str = ""
    confidence: float | None = None
    shown: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the plain dict that is written as one line of JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Record:
        """Read a line back; unknown fields of a newer version are ignored."""
        known = {name: data[name] for name in cls.__slots__ if name in data}
        for name in ("passages", "passage_doc_ids", "shown"):
            known[name] = tuple(known.get(name, ()))
        return cls(**known)
