"""A made-up corpus in which every document has a word of its own, so that leaks can be seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from graft.config import PromptConfig, RetrievalConfig
from graft.contexts import ContextBuilder
from graft.embed.fake import FakeEmbedder
from graft.generate.fake import FakeGenerator
from graft.index.memory import MemoryIndex
from graft.prompts import PromptContract
from graft.retrieve import Retriever
from graft.rows import RowSources
from graft.types import Document, Message, Passage, Question, TrainingRow

NAMES = ("pump", "valve", "oven", "crane", "boiler", "winch", "lathe", "drill", "press", "kiln")
FACTS = ("speed", "weight")
WORDINGS = ("What {} has the {}?", "Tell the {} of the {}.", "Which {} does the {} show?")
DECLINE = "The documents do not say."


def mark(doc_id: str) -> str:
    """Return the word that stands in everything that comes from a document."""
    return f"{doc_id.removesuffix('.md')}mark"


def answer_of(name: str, fact: str) -> str:
    """Return the answer of a fact, unlike every other: `pumpmark speed 3`."""
    return f"{mark(name)} {fact} {len(name)}"


@dataclass
class Bench:
    """Documents, passages, questions and the index; `count` counts words."""

    names: Sequence[str] = NAMES[:6]
    kept_out: frozenset[str] = frozenset()
    prompt_tokens: int = 1_000
    passages_shown: int = 2
    pairs_shown: int = 1
    seed: int = 7
    count: Callable[[Sequence[Message]], int] = field(
        default_factory=lambda: FakeGenerator().count_tokens
    )

    def __post_init__(self) -> None:
        self.contract = PromptContract.from_config(PromptConfig())
        self.passages = [
            Passage(
                f"{name}-{fact}",
                f"{name}.md",
                f"The {fact} of the {name} is {answer_of(name, fact)}.",
                position,
                heading_path=(name, fact),
            )
            for name in self.names
            for position, fact in enumerate(FACTS)
        ]
        self.train = [
            self.question(name, fact, number)
            for name in self.names
            for fact in FACTS
            for number in range(2)
        ]
        self.train += [self.unanswerable(name) for name in self.names]
        self.dev = [self.question(name, FACTS[0], 2, "dev") for name in self.names]

    def question(self, name: str, fact: str, number: int, split: str = "train") -> Question:
        """Return one wording of a fact."""
        text = f"{WORDINGS[number].format(fact, name)} ({mark(name)} {number})"
        return Question(
            f"{name}-{fact}-{number}",
            text,
            (answer_of(name, fact),),
            split,  # type: ignore[arg-type]
            f"{name}.md",
            (f"{name}.md",),
            fact=f"{name}-{fact}",
        )

    def unanswerable(self, name: str) -> Question:
        """Return a question that no document answers."""
        text = f"Which colour has the {name}? ({mark(name)})"
        return Question(f"{name}-no", text, (), "train", f"{name}.md", (f"{name}.md",), False)

    @property
    def documents(self) -> list[Document]:
        """Return the documents that the passages come from."""
        return [
            Document(f"{name}.md", f"{name}.md", name, "", "", "markdown") for name in self.names
        ]

    @property
    def pairs(self) -> list[Passage]:
        """Return the training pairs as passages."""
        found = []
        for item in self.train:
            answer = item.answers[0] if item.answers else DECLINE
            text = f"Q: {item.question}\nA: {answer}"
            gold = item.doc_ids[0] if item.doc_ids else ""
            found.append(
                Passage(
                    f"pair-{item.id}", gold, text, 0, kind="pair", pair_id=item.id, answer=answer
                )
            )
        return found

    @property
    def retriever(self) -> Retriever:
        """Return a retriever over passages and pairs, kept-out documents included."""
        embedder, index = FakeEmbedder(), MemoryIndex(64)
        everything = [*self.passages, *self.pairs]
        index.write(everything, embedder.embed([item.shown for item in everything]))
        return Retriever(index, embedder, RetrievalConfig())

    @property
    def contexts(self) -> ContextBuilder:
        """Return the builder of rows with passages."""
        wordings: dict[str, set[str]] = {}
        by_document: dict[str, list[Passage]] = {}
        for item in self.train:
            if item.fact:
                wordings.setdefault(item.fact, set()).add(item.id)
        for passage in self.passages:
            by_document.setdefault(passage.doc_id, []).append(passage)
        return ContextBuilder(
            retriever=self.retriever,
            contract=self.contract,
            kept_out=self.kept_out,
            passages=self.passages_shown,
            pairs=self.pairs_shown,
            prompt_tokens=self.prompt_tokens,
            seed=self.seed,
            wordings={fact: frozenset(ids) for fact, ids in wordings.items()},
            by_document=by_document,
        )

    def sources(self, max_row_tokens: int = 10_000) -> RowSources:
        """Return all that rows are made of."""
        return RowSources(
            train=self.train,
            dev=self.dev,
            documents=self.documents,
            passages=self.passages,
            kept_out=self.kept_out,
            contract=self.contract,
            contexts=self.contexts,
            count=self.count,
            seed=self.seed,
            max_row_tokens=max_row_tokens,
        )


def text_of(row: TrainingRow) -> str:
    """Return everything that the model sees of a row."""
    return "\n".join([*(turn.content for turn in row.messages), row.answer])
