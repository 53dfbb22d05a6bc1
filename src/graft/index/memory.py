"""An index in memory: exact cosine and a small BM25, for tests and tiny corpora.

With a folder it is read from and written to one file there; without one nothing is kept. It
holds everything in memory and scores every passage, so it is not for large corpora.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import unicodedata
import uuid
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from graft.errors import BadInput
from graft.files import raise_unwritable
from graft.index.exact import ExactTable, check_shape
from graft.index.identity import check_identity
from graft.index.states import NOTHING, check_served, unknown_state
from graft.protocols import Published, Served
from graft.types import Hit, Passage, Where

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MemoryIndex"]

SCHEMA = 2
NEEDS = "0.1.0"  # the first version of Graft that reads it
_KEPT_STATES = 3
# Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework", the usual constants.
_K1 = 1.2
_B = 0.75

_Rows: TypeAlias = "dict[str, tuple[Passage, NDArray[np.float32]]]"


class MemoryIndex:
    """Passages, vectors and word counts of a small corpus."""

    def __init__(
        self,
        dimension: int,
        identity: str = "",
        folder: Path | None = None,
        *,
        serves: Served | None = None,
    ) -> None:
        """Start empty, or with what the folder holds; `serves` says which state is searched.

        Raises:
            FingerprintMismatch: the folder was written for another embedder.
        """
        self._dimension = dimension
        self._identity = identity
        self._file = folder / "memory.npz" if folder else None
        self._rows: _Rows = {}
        self._states: dict[str, _Rows] = {}
        self._serves = serves
        self._state = ""
        self._table: ExactTable | None = None
        self._words: list[Counter[str]] = []
        if self._file and self._file.exists():
            self._load(self._file)

    def write(self, passages: Sequence[Passage], vectors: NDArray[np.float32]) -> None:
        """Add passages with their vectors; an id that is there is replaced."""
        check_shape(passages, vectors, self._dimension)
        self._rows = dict(self._rows)
        for passage, vector in zip(passages, vectors, strict=True):
            self._rows[passage.id] = (passage, vector)
        self._changed()

    def search(
        self, text: str, vector: NDArray[np.float32], k: int, where: Where
    ) -> Mapping[str, Sequence[Hit]]:
        """Return the best `k` allowed passages of each channel."""
        table = self._ready()
        return {"dense": table.nearest(vector, k, where), "text": self._by_words(text, k, where)}

    def drop(self, doc_ids: Sequence[str]) -> int:
        """Remove the document passages of documents; return how many went."""
        gone = set(doc_ids)
        return self.remove(
            [
                passage.id
                for passage, _ in self._rows.values()
                if passage.kind == "document" and passage.doc_id in gone
            ]
        )

    def remove(self, passage_ids: Sequence[str]) -> int:
        """Remove passages by id; return how many were there."""
        found = [name for name in dict.fromkeys(passage_ids) if name in self._rows]
        if found:
            gone = set(found)
            self._rows = {name: row for name, row in self._rows.items() if name not in gone}
            self._changed()
        return len(found)

    def fetch(
        self, passage_ids: Sequence[str]
    ) -> Mapping[str, tuple[Passage, NDArray[np.float32]]]:
        """Return passages with their vectors, those that are there."""
        return {name: self._rows[name] for name in passage_ids if name in self._rows}

    def publish(self, before: Published) -> Published:
        """Name what is held now; the file has its own check sums, so there are none beside."""
        newest = next(reversed(self._states), "")
        if not newest or self._states[newest] is not self._rows:
            newest = uuid.uuid4().hex[:16]
            self._states[newest] = self._rows
            if self._file:
                self._save(self._file)
        return Published(newest, {})

    def tidy(self) -> None:
        """Forget all states but the newest; whoever serves an older one has it until then."""
        for name in list(self._states)[:-_KEPT_STATES]:
            del self._states[name]

    def count(self) -> int:
        """Return the number of passages."""
        return len(self._rows)

    def ids(self) -> frozenset[str]:
        """Return the ids of all passages.

        Raises:
            FingerprintMismatch: an index of another embedder is served instead of this one.
        """
        self._check_served()
        return frozenset(self._rows)

    def all_passages(self) -> list[Passage]:
        """Return all passages in their fixed order."""
        return list(self._ready().passages)

    def refresh(self) -> None:
        """Put the passages into their order now; a search would do it otherwise."""
        self._ready()

    def _served(self) -> _Rows:
        """Return the rows that are searched: those of the state to serve."""
        state = self._serves.published_token() if self._serves else ""
        if state in ("", NOTHING):
            self._go_to(state)
            return {} if state else self._rows
        if state != self._state:
            self._check_served()
        self._go_to(state)
        if state not in self._states and self._file and self._file.exists():
            self._load(self._file)
        if state not in self._states:
            raise unknown_state(self._file or Path("memory"))
        return self._states[state]

    def _go_to(self, state: str) -> None:
        if state != self._state:
            self._table = None
        self._state = state

    def _check_served(self) -> None:
        if self._file:
            check_served(self._file.parent, self._serves)

    def _ready(self) -> ExactTable:
        import numpy as np

        rows = self._served()
        if self._table is None:
            vectors = [vector for _, vector in rows.values()]
            matrix = np.array(vectors, dtype=np.float32).reshape(-1, self._dimension)
            self._table = ExactTable([passage for passage, _ in rows.values()], matrix)
            self._words = [Counter(_terms(item.shown)) for item in self._table.passages]
        return self._table

    def _by_words(self, text: str, k: int, where: Where) -> list[Hit]:
        """Rank by BM25; a passage without any of the words is not a hit."""
        import numpy as np

        table = self._ready()
        lengths = np.array([words.total() for words in self._words], dtype=np.float64)
        scores = np.zeros(len(lengths))
        mean = max(1.0, float(lengths.mean())) if len(lengths) else 1.0
        for term in dict.fromkeys(_terms(text)):
            counts = np.array([words[term] for words in self._words], dtype=np.float64)
            holding = int((counts > 0).sum())
            weight = math.log(1 + (len(lengths) - holding + 0.5) / (holding + 0.5))
            scores += weight * counts * (_K1 + 1) / (counts + _K1 * (1 - _B + _B * lengths / mean))
        mask = table.allowed(where) & (scores > 0)
        return table.ranked(scores.astype(np.float32), mask, k, "text")

    def _changed(self) -> None:
        self._table = None
        if self._file:
            self._save(self._file)

    def _save(self, file: Path) -> None:
        """Write every row once, and for each state which rows it has."""
        import numpy as np

        unique: dict[int, tuple[Passage, NDArray[np.float32]]] = {}
        states = {"": self._rows, **self._states}
        for held in states.values():
            unique.update((id(row), row) for row in held.values())
        place = {name: number for number, name in enumerate(unique)}
        head = {"schema": SCHEMA, "needs": NEEDS}
        head |= {"identity": self._identity, "dimension": self._dimension}
        passages = [dataclasses.asdict(passage) for passage, _ in unique.values()]
        numbers = {name: [place[id(row)] for row in held.values()] for name, held in states.items()}
        text = json.dumps({**head, "passages": passages, "states": numbers}, ensure_ascii=False)
        vectors = np.array([vector for _, vector in unique.values()], dtype=np.float32)
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}.{os.getpid()}.part")
        try:
            with draft.open("wb") as stream:
                np.savez(
                    stream,
                    passages=np.frombuffer(text.encode(), dtype=np.uint8),
                    vectors=vectors.reshape(-1, self._dimension),
                )
            os.replace(draft, file)
        except OSError as error:
            raise_unwritable(error, file)
        finally:
            draft.unlink(missing_ok=True)

    def _load(self, file: Path) -> None:
        import numpy as np

        try:
            with np.load(file, allow_pickle=False) as stored:
                data: dict[str, Any] = json.loads(stored["passages"].tobytes())
                vectors = stored["vectors"]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise BadInput(
                "the index cannot be read",
                where=str(file),
                why=str(error),
                next_step=f"remove {file} and run graft add again; it is built anew",
            ) from error
        check_identity(data, self._identity, self._dimension, SCHEMA, file)
        rows = [
            (Passage(**{**item, "heading_path": tuple(item["heading_path"])}), vector)
            for item, vector in zip(data["passages"], vectors, strict=True)
        ]
        states = data.get("states", {"": range(len(rows))})
        held = {name: {rows[at][0].id: rows[at] for at in of} for name, of in states.items()}
        self._rows = held.pop("")
        self._states = held
        newest = next(reversed(held), "")
        if newest and _same(held[newest], self._rows):
            self._states[newest] = self._rows


def _same(one: _Rows, other: _Rows) -> bool:
    return one.keys() == other.keys() and all(one[name] is other[name] for name in one)


def _terms(text: str) -> list[str]:
    """Return words without case and accents, as the full text index of Lance has them.

    >>> _terms("Größe: naïve_2!")
    ['grosse', 'naive', '2']
    """
    plain = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return re.findall(r"[^\W_]+", bare)
