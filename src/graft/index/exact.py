"""Passages and their vectors in memory: exact search, filters and stable order.

What both backends share, so that they rank and filter alike. It keeps nothing on disk. Rows
stand in one fixed order (kind, document, position, id), which settles every tie.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graft.errors import FingerprintMismatch
from graft.types import Hit, Passage, Where

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ExactTable", "check_shape", "is_allowed", "stable_key"]

# Equal vectors at different rows differ in their last bits after a matrix product; rounding
# makes their scores equal again, so that the fixed order decides.
_DECIMALS = 6


def stable_key(passage: Passage) -> tuple[str, str, int, str]:
    """Return the key that orders passages of equal score."""
    return passage.kind, passage.doc_id, passage.position, passage.id


def is_allowed(passage: Passage, where: Where) -> bool:
    """Tell whether a search may return a passage.

    A pair falls with its gold document: a document kept out must not speak through its pairs.
    """
    if passage.kind not in where.kinds or passage.doc_id in where.without_documents:
        return False
    return not (passage.pair_id and passage.pair_id in where.without_pairs)


class ExactTable:
    """A fixed set of passages with one unit-length vector each."""

    def __init__(self, passages: Sequence[Passage], vectors: NDArray[np.float32]) -> None:
        import numpy as np

        order = sorted(range(len(passages)), key=lambda row: stable_key(passages[row]))
        self.passages = [passages[row] for row in order]
        self.vectors = np.ascontiguousarray(vectors[order], dtype=np.float32)
        self.row_of = {passage.id: row for row, passage in enumerate(self.passages)}
        self._documents: dict[str, list[int]] = {}
        self._pairs: dict[str, list[int]] = {}
        for row, passage in enumerate(self.passages):
            self._documents.setdefault(passage.doc_id, []).append(row)
            if passage.pair_id:
                self._pairs.setdefault(passage.pair_id, []).append(row)
        kinds = np.array([passage.kind for passage in self.passages], dtype="U8")
        self._of_kind = {str(kind): kinds == kind for kind in np.unique(kinds)}

    @property
    def kinds(self) -> frozenset[str]:
        """Return the kinds of passages that there are."""
        return frozenset(self._of_kind)

    def allowed(self, where: Where) -> NDArray[np.bool_]:
        """Return a mask of the rows that a search may return."""
        import numpy as np

        mask = np.zeros(len(self.passages), dtype=bool)
        for kind in where.kinds & self.kinds:
            mask |= self._of_kind[kind]
        for ids, rows in (
            (where.without_documents, self._documents),
            (where.without_pairs, self._pairs),
        ):
            for name in ids:
                mask[rows.get(name, [])] = False
        return mask

    def nearest(self, vector: NDArray[np.float32], k: int, where: Where) -> list[Hit]:
        """Return the `k` passages of the highest cosine among those allowed."""
        import numpy as np

        scores = self.vectors @ np.asarray(vector, dtype=np.float32).reshape(-1)
        return self.ranked(scores, self.allowed(where), k, "dense")

    def ranked(
        self,
        scores: NDArray[np.float32],
        mask: NDArray[np.bool_],
        k: int,
        channel: str,
    ) -> list[Hit]:
        """Return the `k` rows of the highest score within a mask, ties in the fixed order."""
        import numpy as np

        rows = np.flatnonzero(mask)
        if k < 1 or not len(rows):
            return []
        rounded = np.round(scores[rows], _DECIMALS)
        if k < len(rows):
            bar = np.partition(rounded, len(rows) - k)[len(rows) - k]
            kept = rounded >= bar
            rows, rounded = rows[kept], rounded[kept]
        best = np.argsort(-rounded, kind="stable")[:k]
        return [
            Hit(self.passages[rows[at]], float(rounded[at]), {channel: rank})
            for rank, at in enumerate(best, 1)
        ]


def check_shape(passages: Sequence[Passage], vectors: NDArray[np.float32], dimension: int) -> None:
    """Refuse vectors that are not one row of the index's dimension a passage.

    Raises:
        FingerprintMismatch: number or dimension differ.
    """
    expected = (len(passages), dimension)
    if vectors.shape != expected:
        raise FingerprintMismatch(
            "vectors and passages do not belong together",
            where=f"{len(passages)} passages",
            why=f"the vectors have shape {vectors.shape}, expected {expected}",
            next_step="embed exactly these passages with the embedder of the index",
        )
