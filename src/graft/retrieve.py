"""Finding passages for a question: embed, search each channel, fuse by rank.

Fusion stands above the index so that every store behaves alike. It knows no arm and no
prompt: who asks says how many passages and pairs are wanted and what must not be returned.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from graft.config import RetrievalConfig
from graft.errors import UsageError
from graft.protocols import Embedder, Index
from graft.types import Hit, Passage, Where

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Found", "Retriever", "fuse"]


class Found(NamedTuple):
    """The passages for a question, documents before pairs, and what each stage took."""

    hits: list[Hit]
    stage_seconds: dict[str, float]


def fuse(channels: Mapping[str, Iterable[Hit]], rrf_k: int) -> list[Hit]:
    """Fuse channels by reciprocal rank: the sum of 1 / (rrf_k + rank), best first.

    Cormack, Clarke and Buettcher 2009, "Reciprocal Rank Fusion outperforms Condorcet and
    individual Rank Learning Methods". Passages of equal score stand in the order of document,
    position and id, whatever order the channels come in.
    """
    passages: dict[str, Passage] = {}
    ranks: dict[str, dict[str, int]] = {}
    for channel in sorted(channels):
        for rank, hit in enumerate(channels[channel], 1):
            passages.setdefault(hit.passage.id, hit.passage)
            ranks.setdefault(hit.passage.id, {})[channel] = rank
    fused = [
        Hit(passages[name], sum(1 / (rrf_k + rank) for rank in found.values()), found)
        for name, found in ranks.items()
    ]
    return sorted(fused, key=_order)


def _order(hit: Hit) -> tuple[float, str, int, str]:
    return -round(hit.score, 12), hit.passage.doc_id, hit.passage.position, hit.passage.id


class Retriever:
    """One index searched with one embedder."""

    def __init__(self, index: Index, embedder: Embedder, config: RetrievalConfig) -> None:
        self.index = index
        self.embedder = embedder
        self.config = config

    def search(self, query: str, where: Where | None = None) -> list[Hit]:
        """Return every candidate for a query, fused, documents and pairs together."""
        vector = self.embedder.embed([query], "query")[0]
        return self._fused(query, vector, self.config.candidates, where or Where())

    def find(self, query: str, passages: int, pairs: int, where: Where | None = None) -> Found:
        """Return the best `passages` of documents, then up to `pairs` training pairs."""
        return self.find_many([query], passages, pairs, where)[0]

    def find_many(
        self,
        queries: Sequence[str],
        passages: int,
        pairs: int,
        where: Where | Sequence[Where] | None = None,
    ) -> list[Found]:
        """Answer several queries, embedded in one batch; `where` is one for all or one each.

        `embed_seconds` is the batch's time shared evenly.
        """
        wheres = self._wheres(where, len(queries))
        if not queries:
            return []
        started = time.perf_counter()
        vectors = self.embedder.embed(list(queries), "query")
        embed_seconds = (time.perf_counter() - started) / len(queries)
        found = []
        for query, vector, allowed in zip(queries, vectors, wheres, strict=True):
            started = time.perf_counter()
            hits = self._best(query, vector, "document", passages, allowed)
            hits += self._best(query, vector, "pair", pairs, allowed)
            stages = {
                "embed_seconds": embed_seconds,
                "search_seconds": time.perf_counter() - started,
            }
            found.append(Found(hits, stages))
        return found

    def _wheres(self, where: Where | Sequence[Where] | None, count: int) -> list[Where]:
        if where is None or isinstance(where, Where):
            return [where or Where()] * count
        if len(where) != count:
            raise UsageError(
                "filters and queries differ in number",
                where="Retriever.find_many",
                why=f"{len(where)} filters for {count} queries",
                next_step="pass one filter for all queries or one for each",
            )
        return list(where)

    def _best(
        self, query: str, vector: NDArray[np.float32], kind: str, count: int, where: Where
    ) -> list[Hit]:
        """Search one kind alone, so that pairs never crowd out documents."""
        if count < 1 or kind not in where.kinds:
            return []
        narrowed = replace(where, kinds=frozenset({kind}))
        candidates = max(count, self.config.candidates)
        return self._fused(query, vector, candidates, narrowed)[:count]

    def _fused(
        self, query: str, vector: NDArray[np.float32], candidates: int, where: Where
    ) -> list[Hit]:
        channels = self.index.search(query, vector, candidates, where)
        return fuse(channels, self.config.rrf_k)
