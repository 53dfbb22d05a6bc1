"""An embedder without a model: hashed bag of words, for tests and trials without weights.

Texts that share words are near, and the same text gives the same vector on every machine.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from graft.spaces import Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FakeEmbedder"]


class FakeEmbedder:
    """Counts words in hashed buckets; `calls` keeps the number of texts of each call.

    >>> FakeEmbedder().embed(["one two"]).shape
    (1, 64)
    """

    space = Space("fake", "hashed-words-1", pooling="sum", dimension=64)
    identity = str(space)
    dimension = space.dimension

    def __init__(self) -> None:
        self.calls: list[int] = []

    def embed(
        self, texts: Sequence[str], kind: Literal["passage", "query"] = "passage"
    ) -> NDArray[np.float32]:
        """Return one unit-length row a text; a text without words has only its first bucket."""
        import numpy as np

        self.calls.append(len(texts))
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()):
                row[zlib.crc32(word.encode()) % self.dimension] += 1
            if not row.any():
                row[0] = 1
            row /= np.linalg.norm(row)
        return rows
