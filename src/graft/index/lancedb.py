"""The index on disk: one LanceDB table with narrow rows, vectors and a full text index.

Vectors are searched exactly in memory up to `exact_limit` passages (8 ms at 50,000 of 384
dimensions) and with HNSW above. Words are searched by Lance's own inverted index, which is
brought up to date before the first search after a write. Where it is told which state to
serve, searches go to that version of the table and no later one, whatever is being written;
otherwise a reader in another process sees what was written within a few seconds.
"""

from __future__ import annotations

import datetime
import json
import re
import shutil
import threading
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.errors import BadInput
from graft.index.exact import ExactTable, check_shape, is_allowed, stable_key
from graft.index.identity import check_identity, note_identity
from graft.index.lance_rows import (
    COLUMNS,
    KnownIds,
    Lookup,
    matrix_of,
    passages_of,
    quoted,
    rows_of,
    schema_of,
)
from graft.index.lance_store import bring_up_to_date, connected
from graft.index.states import (
    NOTHING,
    check_files,
    check_served,
    raise_refused,
    sums_of,
    system_errors,
    unknown_state,
)
from graft.protocols import Published, Served
from graft.types import Hit, Passage, Where

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LanceIndex"]

SCHEMA = 1
NEEDS = "0.1.0"  # the first version of Graft that reads it
TABLE = "passages"
EXACT_LIMIT = 50_000
# A reader goes over to a newer state with its next search, so it needs an older one for seconds.
_KEPT_VERSIONS = datetime.timedelta(minutes=5)
_NOTHING_KEPT = datetime.timedelta(0)
_MOST_VERSIONS = 24
_IDS_AT_ONCE = 500
# Asked for more than these, the whole table is held until the state is published.
_FEW_IDS = 50
_MOST_QUERY_WORDS = 64
# Hits are read in excess, so that filters and ties at the edge still leave `k` in order.
_EXCESS = 50
_DECIMALS = 5


class LanceIndex:
    """Passages of one embedder in a folder."""

    def __init__(
        self,
        folder: Path,
        dimension: int,
        identity: str,
        *,
        exact_limit: int = EXACT_LIMIT,
        serves: Served | None = None,
    ) -> None:
        """Open the folder's table or make an empty one; `serves` says what is searched.

        Raises:
            FingerprintMismatch: the table's vectors are of another embedder.
            BadInput: the table is broken or of a newer schema.
        """
        self._folder = folder
        self._dimension = dimension
        self._limit = exact_limit
        self._exact: ExactTable | None = None
        self._seen_version = -1
        self._serves, self._state = serves, ""
        self._good: set[str] = set()
        self._pinned: Any = None
        self._lookup: Lookup | None = None
        self._ids = KnownIds()
        self._kept = _KEPT_VERSIONS
        self._one_at_a_time = threading.Lock()
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
        kept = [passages[row] for row in last.values()]
        rows = rows_of(kept, vectors[list(last.values())], self._dimension)
        with system_errors(self._folder):
            if self._ids.of(self._table).isdisjoint(last):
                self._table.add(rows)  # a merge joins with all rows that there are
            else:
                merge = self._table.merge_insert("id")
                merge.when_matched_update_all().when_not_matched_insert_all().execute(rows)
        self._ids.add(self._table, last)
        self._seen_version = -1
        if self._lookup is not None:
            self._lookup.forget(last)

    def search(
        self, text: str, vector: NDArray[np.float32], k: int, where: Where
    ) -> Mapping[str, Sequence[Hit]]:
        """Return the best `k` allowed passages of each channel.

        Raises:
            BadInput: the state to serve is not there, or is damaged.
        """
        with self._one_at_a_time:  # a search must not see the state change under it
            state = self._follow()
            try:
                return self._search(text, vector, k, where)
            except (OSError, RuntimeError):
                # The version may have been cleared away meanwhile: then another one is live.
                if self._follow() == state:
                    raise
                return self._search(text, vector, k, where)

    def _search(
        self, text: str, vector: NDArray[np.float32], k: int, where: Where
    ) -> Mapping[str, Sequence[Hit]]:
        if self._state == NOTHING:
            return {"dense": [], "text": []}
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
        """Return the ids of all passages, whoever wrote them last.

        Raises:
            BadInput: a file of the state that is served is damaged.
        """
        check_served(self._folder, self._serves)
        self._table.checkout_latest()
        self._lookup = None
        if self._serves:
            published = self._serves.published()
            if published.token.rpartition(":")[0] == self._name:
                self._good = check_files(self._place, published.files, self._good)
        return frozenset(self._ids.of(self._table))

    def all_passages(self) -> list[Passage]:
        """Return all passages that are searched, in a fixed order."""
        if self._follow() == NOTHING:
            return []
        if self._exact:
            return list(self._exact.passages)
        table = self._searched
        found = table.search().select(list(COLUMNS)).limit(max(1, table.count_rows())).to_arrow()
        return sorted(passages_of(found), key=stable_key)

    def fetch(
        self, passage_ids: Sequence[str]
    ) -> Mapping[str, tuple[Passage, NDArray[np.float32]]]:
        """Return passages of the working state with their vectors, those that are there."""
        found: dict[str, tuple[Passage, NDArray[np.float32]]] = {}
        if self._lookup is None and len(passage_ids) > _FEW_IDS and self.count() <= self._limit:
            self._lookup = Lookup(self._table.to_arrow(), self._dimension)
        if self._lookup is not None:
            found = self._lookup.fetch(passage_ids)
        left = [name for name in passage_ids if name not in found]
        for at in range(0, len(left), _IDS_AT_ONCE):
            some = left[at : at + _IDS_AT_ONCE]
            names = ", ".join(quoted(name) for name in some)
            search = self._table.search().where(f"id IN ({names})").limit(len(some))
            rows = search.select([*COLUMNS, "vector"]).to_arrow()
            for passage, vector in zip(
                passages_of(rows), matrix_of(rows, self._dimension), strict=True
            ):
                found[passage.id] = (passage, vector)
        return found

    def publish(self, before: Published) -> Published:
        """Name the working state, brought up to date; files of the state before are not summed.

        Raises:
            NoSpaceLeft: the disk is full; what is served stands as it was.
        """
        self._lookup = None
        with system_errors(self._folder):
            self._index_all()
            name = self._name
            self._kept = _NOTHING_KEPT if before.token == NOTHING else _KEPT_VERSIONS
            known = before.files if before.token.rpartition(":")[0] == name else {}
            return Published(f"{name}:{self._table.version}", sums_of(self._place, known))

    def tidy(self) -> None:
        """Clear away versions of the table that are minutes old, where there are many.

        On the way to the first state that was ever served no reader can hold one: all go.
        """
        age, self._kept = self._kept, _KEPT_VERSIONS
        if len(self._table.list_versions()) > _MOST_VERSIONS:
            with system_errors(self._folder):
                self._table.optimize(cleanup_older_than=age)

    @property
    def _place(self) -> Path:
        return self._folder / f"{TABLE}.lance"

    @property
    def _name(self) -> str:
        """Return what this table was called when it was made, so that no other is taken for it."""
        head = json.loads((self._table.schema.metadata or {}).get(b"graft", b"{}"))
        return str(head.get("name", ""))

    @property
    def _searched(self) -> Any:  # noqa: ANN401 - a table of an untyped library
        return self._table if self._pinned is None else self._pinned

    def _follow(self) -> str:
        """Go over to the state that is to be served now; return its name."""
        state = self._serves.published_token() if self._serves else ""
        if not state:
            self._pinned, self._state = None, ""
            self.refresh()
        elif state != self._state:
            self._pin(state)
        return state

    def _pin(self, state: str) -> None:
        """Open one version of the table beside the working one and check its files.

        Raises:
            BadInput: there is no such version, or it is damaged.
        """
        if state == NOTHING:
            self._state, self._exact = state, None
            return
        check_served(self._folder, self._serves)
        name, _, version = state.rpartition(":")
        if name != self._name or self._serves is None:
            raise unknown_state(self._folder)
        published = self._serves.published()
        try:
            table = connected(self._folder).open_table(TABLE)
            table.checkout(int(version))
            rows = table.count_rows()
            if rows <= self._limit and published.token == state:
                self._good = check_files(self._place, published.files, self._good)
            exact = self._exact_of(table) if rows <= self._limit else None
        except (OSError, RuntimeError, ValueError) as error:
            raise_refused(error, self._folder)
            raise unknown_state(self._folder, str(error)) from error
        self._pinned, self._exact, self._state = table, exact, state
        self._seen_version = -1

    def refresh(self) -> None:
        """Bring the full text index, the vector index and the memory up to the table."""
        if self._table.version == self._seen_version:
            return
        self._index_all()
        self._seen_version = self._table.version
        self._exact = self._exact_of(self._table) if self.count() <= self._limit else None

    def _index_all(self) -> None:
        bring_up_to_date(self._table, self.count() > self._limit)

    def _exact_of(self, table: Any) -> ExactTable:  # noqa: ANN401
        found = table.to_arrow()
        return ExactTable(passages_of(found), matrix_of(found, self._dimension))

    def _open(self, identity: str) -> Any:  # noqa: ANN401 - a table of an untyped library
        from lancedb.index import FTS

        try:
            store = connected(self._folder)
            place = self._place
            if any((place / part).exists() for part in ("_versions", "data", "_indices")):
                table = store.open_table(TABLE)
                stored = json.loads((table.schema.metadata or {}).get(b"graft", b"{}"))
                check_identity(stored, identity, self._dimension, SCHEMA, self._folder)
                return table
            shutil.rmtree(place, ignore_errors=True)  # half made: no version was ever written
            head = {"schema": SCHEMA, "needs": NEEDS, "name": uuid.uuid4().hex[:16]}
            head |= {"identity": identity, "dimension": self._dimension}
            table = store.create_table(TABLE, schema=schema_of(self._dimension, head))
            table.create_index("shown", config=FTS(with_position=False, language="English"))
            note_identity(self._folder, identity)
            return table
        except (OSError, RuntimeError, ValueError) as error:
            raise_refused(error, self._folder)
            raise BadInput(
                "the index cannot be opened",
                where=str(self._folder),
                why=str(error).split("\n", 1)[0],
                next_step=f"remove {self._folder} and run graft add again; it is built anew",
            ) from error

    def _delete(self, column: str, values: Sequence[str]) -> int:
        names = list(dict.fromkeys(values))
        gone = 0
        for at in range(0, len(names), _IDS_AT_ONCE):
            some = ", ".join(quoted(name) for name in names[at : at + _IDS_AT_ONCE])
            before = self.count()
            with system_errors(self._folder):
                self._table.delete(f"{column} IN ({some})")
            gone += before - self.count()
        self._lookup = None
        self._seen_version = -1
        return gone

    def _by_words(self, text: str, k: int, where: Where) -> list[Hit]:
        """Search the full text index for any of the words; nothing in them is an operator."""
        words = dict.fromkeys(word for word in text.split() if re.search(r"\w", word))
        if not words:
            return []
        from lancedb.query import MatchQuery

        query = MatchQuery(" ".join(list(words)[:_MOST_QUERY_WORDS]), "shown")
        search = self._searched.search(query, query_type="fts")
        return self._most(search, "_score", -1, k, where)

    def _by_graph(self, vector: NDArray[np.float32], k: int, where: Where) -> list[Hit]:
        import numpy as np

        plain = np.asarray(vector, dtype=np.float32).reshape(-1)
        search = self._searched.search(plain, vector_column_name="vector", query_type="vector")
        return self._most(search.distance_type("dot").refine_factor(2), "_distance", 1, k, where)

    def _most(self, search: Any, score: str, sign: int, k: int, where: Where) -> list[Hit]:  # noqa: ANN401
        """Read ever more hits until `k` of them are allowed or there are no more."""
        kinds = ", ".join(quoted(kind) for kind in sorted(where.kinds))
        if not kinds:
            return []
        columns = ["id"] if self._exact else list(COLUMNS)
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
            return passages_of(rows)
        table = self._exact
        at = (table.row_of.get(name) for name in rows.column("id").to_pylist())
        return [None if row is None else table.passages[row] for row in at]
