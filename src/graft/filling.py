"""Passages on their way into the index: nothing is embedded whose vector is there already.

A vector belongs to what is shown, not to a place: a renamed file, a moved folder, a paragraph
put in before others and an older version take the vectors of passages that read the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from graft.catalog import Catalog
from graft.catalog_schema import shown_hash
from graft.protocols import Embedder, PassageStore, Progress
from graft.types import Passage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["PASSAGES_AT_ONCE", "Filler"]

# Embedded and stored together: an interruption loses at most this much work (some seconds).
PASSAGES_AT_ONCE = 256


class Filler:
    """Writes passages to the working state of an index, telling how far it is.

    `total` is what it will come to as far as that is known; it tells nothing while `is_quiet`.
    """

    def __init__(
        self, catalog: Catalog, embedder: Embedder, index: PassageStore, on_progress: Progress
    ) -> None:
        self.index = index
        self.there = set(index.ids())
        self.total = 0
        self.is_quiet = False
        self._catalog = catalog
        self._embedder = embedder
        self._tell = on_progress
        self._done = 0

    def write(self, passages: Iterable[Passage]) -> None:
        """Write passages, at most `PASSAGES_AT_ONCE` between two writes."""
        left = iter(passages)
        while block := list(islice(left, PASSAGES_AT_ONCE)):
            self._write(block)

    def remove(self, ids: set[str]) -> int:
        """Remove passages by id; return how many were there."""
        if not ids:
            return 0
        self.there -= ids
        return self.index.remove(sorted(ids))

    def _write(self, block: Sequence[Passage]) -> None:
        import numpy as np

        hashes = [shown_hash(passage) for passage in block]
        known = self._known(block, hashes)
        there = self.index.fetch([item.id for item in block if item.id in self.there])
        new = [
            (passage, name)
            for passage, name in zip(block, hashes, strict=True)
            if passage.id not in there or there[passage.id][0] != passage
        ]
        self._say(len(block) - len(new))
        lacking = {name: passage.shown for passage, name in new if name not in known}
        names = list(lacking)
        if names:
            vectors = self._embedder.embed([lacking[name] for name in names], "passage")
            known.update(zip(names, vectors, strict=True))
            self._say(len(names))
        if new:
            self.index.write(
                [passage for passage, _ in new],
                np.stack([known[name] for _, name in new]).astype(np.float32),
            )
            self.there.update(passage.id for passage, _ in new)
        self._say(len(new) - len(names))

    def _known(
        self, block: Sequence[Passage], hashes: Sequence[str]
    ) -> dict[str, NDArray[np.float32]]:
        """Return the vectors that the index has of what is shown, by its hash."""
        if not self.there:
            return {}
        wanted: dict[str, str] = {}
        for passage, name in zip(block, hashes, strict=True):
            if passage.id in self.there:
                wanted[passage.id] = name
        for name, ids in self._catalog.twins(sorted(set(hashes))).items():
            twin = next((item for item in ids if item in self.there), None)
            if twin is not None:
                wanted[twin] = name
        return {
            wanted[found]: vector
            for found, (passage, vector) in self.index.fetch(list(wanted)).items()
            if shown_hash(passage) == wanted[found]
        }

    def _say(self, count: int) -> None:
        self._done += count
        self.total = max(self.total, self._done)
        if count and not self.is_quiet:
            self._tell("embed", self._done, self.total, "passages")
