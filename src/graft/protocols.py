"""The seams: whatever fits one of these can be plugged in, as one file in its family folder.

The file name is the registered name (`generate/openvino.py` is generator `openvino`).
Each protocol has a contract test in `graft.testing` that an implementation subclasses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from graft.types import (
    Answer,
    Delta,
    Document,
    GenerateOptions,
    Hit,
    Message,
    Passage,
    Question,
    Record,
    Score,
    Where,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

__all__ = [
    "Embedder",
    "Generator",
    "Guard",
    "Index",
    "Loader",
    "Metric",
    "PassageStore",
    "Progress",
    "Published",
    "Reranker",
    "Served",
    "Splitter",
]


class Progress(Protocol):
    """Told how far a phase is: `progress("embed", 120, 1007, "passages")`."""

    def __call__(self, phase: str, done: int, total: int, note: str = "") -> None: ...


class Loader(Protocol):
    """Reads one file into documents; raises `UnreadableDocument`, never returns nothing."""

    extensions: tuple[str, ...]

    def load(self, source: Path, doc_id: str) -> Iterator[Document]: ...


class Splitter(Protocol):
    """Cuts a document into passages in reading order."""

    def split(self, document: Document) -> Iterator[Passage]: ...


class Embedder(Protocol):
    """Turns texts into unit-length float32 vectors of shape (n, `dimension`).

    `identity` names the space, best as the text of a `graft.spaces.Space`, so that errors can
    say which part differs; vectors of two are never mixed.
    """

    identity: str
    dimension: int

    def embed(
        self, texts: Sequence[str], kind: Literal["passage", "query"] = "passage"
    ) -> Vectors: ...


class Index(Protocol):
    """Finds passages. `search` returns the hits of each channel ("dense", "text") apart.

    Fusion stands above this seam so that every store behaves alike. `where` names the
    document ids and pair ids that must not be returned.
    """

    def write(self, passages: Sequence[Passage], vectors: Vectors) -> None: ...

    def search(
        self, text: str, vector: Vectors, k: int, where: Where
    ) -> Mapping[str, Sequence[Hit]]: ...

    def drop(self, doc_ids: Sequence[str]) -> int: ...

    def count(self) -> int: ...


class Published(NamedTuple):
    """A state of an index: its name there, and size and check sum of its files by path."""

    token: str
    files: Mapping[str, tuple[int, ...]]


class Served(Protocol):
    """Says which state of an index is to be searched; asked before every search.

    An empty name is whatever the index holds. `index_name` is the folder of the index that is
    served: another one of the same workspace has been replaced.
    """

    def index_name(self) -> str: ...

    def published_token(self) -> str: ...

    def published(self) -> Published: ...


class PassageStore(Index, Protocol):
    """An index that a corpus can keep in step.

    Writing goes to its working state; `publish` gives that state a name, under which it can
    be searched unchanged while later ones are written. Searches take the state that it is
    told to serve. `ids` sees what any process wrote last, `fetch` returns passages of the
    working state with their vectors, `publish` is handed the state published before, `tidy`
    clears away states that nobody needs.
    """

    def ids(self) -> frozenset[str]: ...

    def fetch(self, passage_ids: Sequence[str]) -> Mapping[str, tuple[Passage, Vectors]]: ...

    def remove(self, passage_ids: Sequence[str]) -> int: ...

    def publish(self, before: Published) -> Published: ...

    def tidy(self) -> None: ...


class Reranker(Protocol):
    """Reorders hits for a query."""

    def rank(self, query: str, hits: Sequence[Hit]) -> Sequence[Hit]: ...


class Generator(Protocol):
    """Turns messages into text. `identity` names weights and engine."""

    identity: str
    context_tokens: int

    def count_tokens(self, messages: Sequence[Message]) -> int: ...

    def stream(self, messages: Sequence[Message], options: GenerateOptions) -> Iterator[Delta]: ...

    def generate_many(
        self, prompts: Sequence[Sequence[Message]], options: GenerateOptions
    ) -> Sequence[Answer]: ...

    def close(self) -> None: ...


class Metric(Protocol):
    """Scores one record against its question; `direction` is "higher" or "lower"."""

    name: str
    direction: Literal["higher", "lower"]

    def score(self, record: Record, question: Question) -> Score: ...


class Guard(Protocol):
    """Looks for trouble in documents, passages and answers; an empty list is a clean bill."""

    def on_document(self, document: Document) -> Sequence[str]: ...

    def on_passages(self, question: str, hits: Sequence[Hit]) -> Sequence[str]: ...

    def on_answer(self, answer: str) -> Sequence[str]: ...
