"""Rows of the LanceDB table: their columns, and passages read back from them."""

from __future__ import annotations

from typing import Any

from graft.types import Passage

__all__ = ["COLUMNS", "passages_of", "quoted"]

COLUMNS = (
    *("id", "doc_id", "position", "start", "end", "heading_path", "page", "kind"),
    *("pair_id", "answer", "shown"),
)


def passages_of(rows: Any) -> list[Passage]:  # noqa: ANN401 - a table of an untyped library
    """Read passages back; the text is what follows the heading path in `shown`."""
    passages = []
    for item in rows.select(list(COLUMNS)).to_pylist():
        path = tuple(item["heading_path"] or ())
        shown = item.pop("shown")
        item["heading_path"] = path
        passages.append(Passage(text=shown[len(" > ".join(path)) + 1 :] if path else shown, **item))
    return passages


def quoted(value: str) -> str:
    """Return a SQL string.

    >>> quoted("O'Hara")
    "'O''Hara'"
    """
    return "'" + value.replace("'", "''") + "'"
