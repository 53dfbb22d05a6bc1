"""The index on disk: one LanceDB table with narrow rows, vectors and a full text index.

Vectors are searched exactly in memory up to `exact_limit` passages (8 ms at 50,000 of 384
dimensions) and with HNSW above. Words are searched by Lance's own inverted index, which is
brought up to date before the first search after a write. A reader in another process sees
what was written within a few seconds.
"""

from __future__ import annotations

import datetime
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.errors import BadInput, NoSpaceLeft
from graft.index.exact import ExactTable, check_identity, check_shape, is_allowed, stable_key
from graft.types import Hit, Passage, Where

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LanceIndex"]

SCHEMA = 1
TABLE = "passages"
EXACT_LIMIT = 50_000
_COLUMNS = (
    *("id", "doc_id", "position", "start", "end", "heading_path", "page", "kind"),
    *("pair_id", "answer", "shown"),
)
_SEEN_AFTER = datetime.timedelta(seconds=3)
_KEPT_VERSIONS = datetime.timedelta(hours=1)
_IDS_AT_ONCE = 500
_MOST_QUERY_WORDS = 64
# Hits are read in excess, so that filters and ties at the edge still leave `k` in order.
_EXCESS = 50
_DECIMALS = 5


class LanceIndex:
    """Passages of one embedder in a folder."""

    def __init__(
        self, folder: Path, dimension: int, identity: str, *, exact_limit: int = EXACT_LIMIT
    ) -> None:
        """Open the folder's table or make an empty one.

        Raises:
            FingerprintMismatch: the table's vectors are of another embedder.
            BadInput: the table is broken or of a newer schema.
        """
        self._folder = folder
        self._dimension = dimension
        self._limit = exact_limit
        self._exact: ExactTable | None = None
        self._seen_version = -1
        self._table = self._open(identity)

    @property
    def is_exact(self) -> bool:
        """Tell whether vectors are compared one by one; False means that HNSW is used."""
        return self.count() <= self._limit

    def write(self, passages: Sequence[Passage], vectors: NDArray[np.float32]) -> None:
        """Add passages with their vectors; an id that is there is replaced.

        Raises:
            NoSpaceLeft: the disk is full; the table stands as it was.
        """
        check_shape(passages, vectors, self._dimension)
        if not passages:
            return
        last = {passage.id: row for row, passage in enumerate(passages)}
        rows = self._rows([passages[row] for row in last.values()], vectors[list(last.values())])
        merge = self._table.merge_insert("id")
        try:
            merge.when_matched_update_all().when_not_matched_insert_all().execute(rows)
        except (OSError, RuntimeError) as error:
            self._raise_no_space(error)
            raise
        self._seen_version = -1

    def search(
        self, text: str, vector: NDArray[np.float32], k: int, where: Where
    ) -> Mapping[str, Sequence[Hit]]:
        """Return the best `k` allowed passages of each channel."""
        self.refresh()
        exact = self._exact
        if k < 1 or (exact is not None and not exact.kinds & where.kinds):
            return {"dense": [], "text": []}
        dense = exact.nearest(vector, k, where) if exact else self._by_graph(vector, k, where)
        return {"dense": dense, "text": self._by_words(text, k, where)}

    def drop(self, doc_ids: Sequence[str]) -> int:
        """Remove the document passages of documents; return how many went."""
        return self._delete("kind = 'document' AND doc_id", doc_ids)

    def remove(self, passage_ids: Sequence[str]) -> int:
        """Remove passages by id; return how many were there."""
        return self._delete("id", passage_ids)

    def count(self) -> int:
        """Return the number of passages."""
        return int(self._table.count_rows())

    def ids(self) -> frozenset[str]:
        """Return the ids of all passages."""
        found = self._table.search().select(["id"]).limit(max(1, self.count())).to_arrow()
        return frozenset(found.column("id").to_pylist())

    def all_passages(self) -> list[Passage]:
        """Return all passages in a fixed order."""
        self.refresh()
        if self._exact:
            return list(self._exact.passages)
        found = self._table.search().select(list(_COLUMNS)).limit(max(1, self.count())).to_arrow()
        return sorted(_passages(found), key=stable_key)

    def refresh(self) -> None:
        """Bring the full text index, the vector index and the memory up to the table."""
        if self._table.version == self._seen_version:
            return
        rows = self.count()
        if rows > self._limit:
            self._exact = None
            if "vector_idx" not in {item.name for item in self._table.list_indices()}:
                from lancedb.index import HnswSq

                self._table.create_index("vector", config=HnswSq(distance_type="dot"))
        stats = self._table.index_stats("shown_idx")
        if stats and stats.num_unindexed_rows:
            self._table.optimize(cleanup_older_than=_KEPT_VERSIONS)
        self._seen_version = self._table.version
        if rows <= self._limit:
            found = self._table.to_arrow()
            flat = found.column("vector").combine_chunks().flatten()
            matrix = flat.to_numpy(zero_copy_only=False).reshape(-1, self._dimension)
            self._exact = ExactTable(_passages(found), matrix)

    def _open(self, identity: str) -> Any:  # noqa: ANN401 - a table of an untyped library
        import lancedb
        from lancedb.index import FTS

        try:
            store = lancedb.connect(str(self._folder), read_consistency_interval=_SEEN_AFTER)
            place = self._folder / f"{TABLE}.lance"
            if any((place / part).exists() for part in ("_versions", "data", "_indices")):
                table = store.open_table(TABLE)
                stored = json.loads((table.schema.metadata or {}).get(b"graft", b"{}"))
                check_identity(stored, identity, self._dimension, SCHEMA, self._folder)
                return table
            shutil.rmtree(place, ignore_errors=True)  # half made: no version was ever written
            table = store.create_table(TABLE, schema=self._schema(identity))
            table.create_index("shown", config=FTS(with_position=False, language="English"))
            return table
        except (OSError, RuntimeError, ValueError) as error:
            self._raise_no_space(error)
            raise BadInput(
                "the index cannot be opened",
                where=str(self._folder),
                why=str(error).split("\n", 1)[0],
                next_step=f"remove {self._folder} and run graft add again; it is built anew",
            ) from error

    def _schema(self, identity: str = "") -> Any:  # noqa: ANN401 - a schema of an untyped library
        """Return the table's schema; `shown` holds heading path and text once for both."""
        import pyarrow as pa

        types = {
            "position": pa.int32(),
            "start": pa.int64(),
            "end": pa.int64(),
            "heading_path": pa.list_(pa.string()),
            "page": pa.int32(),
        }
        head = {"schema": SCHEMA, "identity": identity, "dimension": self._dimension}
        columns = [(name, types.get(name, pa.string())) for name in _COLUMNS]
        columns.append(("vector", pa.list_(pa.float32(), self._dimension)))
        return pa.schema(columns, metadata={"graft": json.dumps(head)})

    def _rows(self, passages: Sequence[Passage], vectors: NDArray[np.float32]) -> Any:  # noqa: ANN401
        import numpy as np
        import pyarrow as pa

        schema = self._schema()
        columns = [
            pa.array([getattr(passage, name) for passage in passages], schema.field(name).type)
            for name in _COLUMNS
        ]
        flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
        columns.append(pa.FixedSizeListArray.from_arrays(flat, self._dimension))
        return pa.Table.from_arrays(columns, schema=schema)

    def _delete(self, column: str, values: Sequence[str]) -> int:
        names = list(dict.fromkeys(values))
        gone = 0
        for at in range(0, len(names), _IDS_AT_ONCE):
            quoted = ", ".join(_quoted(name) for name in names[at : at + _IDS_AT_ONCE])
            before = self.count()
            self._table.delete(f"{column} IN ({quoted})")
            gone += before - self.count()
        self._seen_version = -1
        return gone

    def _by_words(self, text: str, k: int, where: Where) -> list[Hit]:
        """Search the full text index for any of the words; nothing in them is an operator."""
        words = dict.fromkeys(word for word in text.split() if re.search(r"\w", word))
        if not words:
            return []
        from lancedb.query import MatchQuery

        query = MatchQuery(" ".join(list(words)[:_MOST_QUERY_WORDS]), "shown")
        search = self._table.search(query, query_type="fts")
        return self._most(search, "_score", -1, k, where)

    def _by_graph(self, vector: NDArray[np.float32], k: int, where: Where) -> list[Hit]:
        import numpy as np

        plain = np.asarray(vector, dtype=np.float32).reshape(-1)
        search = self._table.search(plain, vector_column_name="vector", query_type="vector")
        return self._most(search.distance_type("dot").refine_factor(2), "_distance", 1, k, where)

    def _most(self, search: Any, score: str, sign: int, k: int, where: Where) -> list[Hit]:  # noqa: ANN401
        """Read ever more hits until `k` of them are allowed or there are no more."""
        kinds = ", ".join(_quoted(kind) for kind in sorted(where.kinds))
        if not kinds:
            return []
        columns = ["id"] if self._exact else list(_COLUMNS)
        search = search.where(f"kind IN ({kinds})", prefilter=True).select([*columns, score])
        limit = k + _EXCESS
        while True:
            found = search.limit(limit).to_arrow()
            scores = found.column(score).to_pylist()
            scored = sorted(
                (sign * round(value, _DECIMALS), stable_key(passage), passage)
                for passage, value in zip(self._found(found), scores, strict=True)
                if passage is not None and is_allowed(passage, where)
            )
            if len(scored) >= k or found.num_rows < limit:
                break
            limit *= 4
        channel = "text" if score == "_score" else "dense"
        return [
            Hit(passage, -value if score == "_score" else 1 - value, {channel: rank})
            for rank, (value, _, passage) in enumerate(scored[:k], 1)
        ]

    def _found(self, rows: Any) -> Sequence[Passage | None]:  # noqa: ANN401
        """Return the passages of rows, from memory where they are there (None: just deleted)."""
        if self._exact is None:
            return _passages(rows)
        table = self._exact
        at = (table.row_of.get(name) for name in rows.column("id").to_pylist())
        return [None if row is None else table.passages[row] for row in at]

    def _raise_no_space(self, error: Exception) -> None:
        if "No space left" in str(error) or "os error 28" in str(error):
            raise NoSpaceLeft(
                "no space left on the disk",
                where=str(self._folder),
                why=str(error).split("\n", 1)[0],
                next_step="free some space and run the same command again; it continues",
            ) from error


def _passages(rows: Any) -> list[Passage]:  # noqa: ANN401 - a table of an untyped library
    """Read passages back; the text is what follows the heading path in `shown`."""
    passages = []
    for item in rows.select(list(_COLUMNS)).to_pylist():
        path = tuple(item["heading_path"] or ())
        shown = item.pop("shown")
        item["heading_path"] = path
        passages.append(Passage(text=shown[len(" > ".join(path)) + 1 :] if path else shown, **item))
    return passages


def _quoted(value: str) -> str:
    """Return a SQL string.

    >>> _quoted("O'Hara")
    "'O''Hara'"
    """
    return "'" + value.replace("'", "''") + "'"
