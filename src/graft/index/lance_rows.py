"""Rows of the LanceDB table: their columns, and passages read back from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft.types import Passage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "COLUMNS",
    "KnownIds",
    "Lookup",
    "matrix_of",
    "passages_of",
    "quoted",
    "rows_of",
    "schema_of",
]

COLUMNS = (
    *("id", "doc_id", "position", "start", "end", "heading_path", "page", "kind"),
    *("pair_id", "answer", "shown"),
)


def passages_of(rows: Any) -> list[Passage]:  # noqa: ANN401 - a table of an untyped library
    """Read passages back; the text is what follows the heading path in `shown`."""
    columns = [rows.column(name).to_pylist() for name in COLUMNS]
    passages = []
    for row in zip(*columns, strict=True):
        name, doc_id, position, start, end, headings, page, kind, pair_id, answer, shown = row
        path = tuple(headings or ())
        text = shown[len(" > ".join(path)) + 1 :] if path else shown
        # By name, one by one: a dictionary a row doubles the time.
        passages.append(
            Passage(
                id=name,
                doc_id=doc_id,
                text=text,
                position=position,
                start=start,
                end=end,
                heading_path=path,
                page=page,
                kind=kind,
                pair_id=pair_id,
                answer=answer,
            )
        )
    return passages


def quoted(value: str) -> str:
    """Return a SQL string.

    >>> quoted("O'Hara")
    "'O''Hara'"
    """
    return "'" + value.replace("'", "''") + "'"


def schema_of(dimension: int, head: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return the table's schema; `shown` holds heading path and text once for both."""
    import pyarrow as pa

    types = {
        "position": pa.int32(),
        "start": pa.int64(),
        "end": pa.int64(),
        "heading_path": pa.list_(pa.string()),
        "page": pa.int32(),
    }
    columns = [(name, types.get(name, pa.string())) for name in COLUMNS]
    columns.append(("vector", pa.list_(pa.float32(), dimension)))
    return pa.schema(columns, metadata={"graft": json.dumps(head)})


def rows_of(passages: Sequence[Passage], vectors: NDArray[np.float32], dimension: int) -> Any:  # noqa: ANN401
    """Return passages with their vectors as rows of the table."""
    import numpy as np
    import pyarrow as pa

    schema = schema_of(dimension, {})
    columns = [
        pa.array([getattr(passage, name) for passage in passages], schema.field(name).type)
        for name in COLUMNS
    ]
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    columns.append(pa.FixedSizeListArray.from_arrays(flat, dimension))
    return pa.Table.from_arrays(columns, schema=schema)


def matrix_of(rows: Any, dimension: int) -> NDArray[np.float32]:  # noqa: ANN401
    """Return the vectors of rows, one a row."""
    import numpy as np

    flat = rows.column("vector").combine_chunks().flatten()
    matrix = flat.to_numpy(zero_copy_only=False).reshape(-1, dimension)
    return np.asarray(matrix, dtype=np.float32)


class KnownIds:
    """The ids of a table, so that its one writer need not ask it which rows are new."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._version = -1

    def of(self, table: Any) -> set[str]:  # noqa: ANN401 - a table of an untyped library
        """Return all ids, read anew where the table changed in another way than by `add`."""
        if self._version != int(table.version):
            found = table.search().select(["id"]).limit(max(1, table.count_rows())).to_arrow()
            self._ids = set(found.column("id").to_pylist())
            self._version = int(table.version)
        return self._ids

    def add(self, table: Any, ids: Iterable[str]) -> None:  # noqa: ANN401
        """Note what was just written; `of` was asked before."""
        self._ids.update(ids)
        self._version = int(table.version)


class Lookup:
    """Rows held in memory, found by id: many small requests to the table cost a scan each."""

    def __init__(self, rows: Any, dimension: int) -> None:  # noqa: ANN401
        self._rows = rows
        self._dimension = dimension
        self._at = {name: at for at, name in enumerate(rows.column("id").to_pylist())}

    def fetch(self, ids: Iterable[str]) -> dict[str, tuple[Passage, NDArray[np.float32]]]:
        """Return the passages held of these ids, with their vectors."""
        places = [self._at[name] for name in ids if name in self._at]
        some = self._rows.take(places) if places else self._rows.slice(0, 0)
        vectors = matrix_of(some, self._dimension)
        found = zip(passages_of(some), vectors, strict=True)
        return {passage.id: (passage, vector) for passage, vector in found}

    def forget(self, ids: Iterable[str]) -> None:
        """Hold these no longer: they were written anew."""
        for name in ids:
            self._at.pop(name, None)
