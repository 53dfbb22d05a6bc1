"""Jupyter notebooks: the cells in order, Markdown as text and code as code.

Outputs are left out and counted: they are made from the cells, and hold pictures and tables
without end. Nothing is run.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graft.errors import UnreadableDocument
from graft.loaders.json import BrokenJson, JsonReader
from graft.loaders.pieces import left_out, markdown_page
from graft.loaders.text import decode, read_bytes, title_from_name
from graft.types import Document

__all__ = ["NotebookLoader"]

LOADER_VERSION = 2
_FENCE = "```"
_LEVELS = ("1", "2", "3", "4", "5", "6")


class NotebookLoader:
    """Reads Jupyter notebooks; no cell is run."""

    extensions: tuple[str, ...] = (".ipynb",)

    def load(self, source: Path, doc_id: str) -> Iterator[Document]:
        """Yield the one document of the file.

        Raises:
            UnreadableDocument: the file is no notebook, or none of its cells has text.
        """
        data = read_bytes(source)
        reader = JsonReader()
        book = _book(reader, decode(data, source).text, source)
        counted: Counter[str] = Counter()
        language = _language(book)
        cells = [text for cell in _cells(book) if (text := _cell(cell, language, counted))]
        # The characters of a cell were escaped in the file and are looked at only now.
        shown = "\n\n".join(cells).encode("utf-8", errors="replace")
        if not shown.strip():
            raise UnreadableDocument(
                "the notebook has no text",
                where=str(source),
                why="; ".join(left_out(counted)) or "none of its cells has any",
                next_step="leave it out, or fill it and add it again",
            )
        text, notes = decode(shown, source)
        page = markdown_page(text)
        headings = (item.heading_path[0] for item in page.piece.sections if item.heading_path)
        yield Document(
            id=doc_id,
            source=str(source),
            title=next(headings, "") or title_from_name(source),
            text=page.piece.text,
            content_hash=hashlib.sha256(data).hexdigest(),
            loader="notebook",
            sections=page.piece.sections,
            notes=(*notes, *left_out(counted + page.dropped), *reader.notes()),
        )


def _book(reader: JsonReader, text: str, source: Path) -> dict[str, Any]:
    try:
        book = reader.parse(text)
    except BrokenJson as error:
        where = f"{source}, line {error.line}, column {error.column}"
        raise _no_notebook(where, error.why) from error
    if not isinstance(book, dict) or not isinstance(
        book.get("cells", book.get("worksheets")), list
    ):
        raise _no_notebook(str(source), "it has no cells")
    return book


def _no_notebook(where: str, why: str) -> UnreadableDocument:
    return UnreadableDocument(
        "the file is no readable notebook",
        where=where,
        why=why,
        next_step="open it in its program, save it anew and add it again",
    )


def _cells(book: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the cells; older notebooks have them in sheets."""
    holders = [book, *(item for item in book.get("worksheets") or () if isinstance(item, dict))]
    for holder in holders:
        cells = holder.get("cells")
        for cell in cells if isinstance(cells, list) else ():
            if isinstance(cell, dict):
                yield cell


def _language(book: dict[str, Any]) -> str:
    """Return the language of the code cells as a word, or nothing."""
    found: Any = book.get("metadata")
    for key in ("language_info", "name"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) and found.isalnum() else ""


def _cell(cell: dict[str, Any], language: str, counted: Counter[str]) -> str:
    kind = cell.get("cell_type")
    outputs = cell.get("outputs")
    counted["output"] += len(outputs) if isinstance(outputs, list) else 0
    source = cell.get("source", cell.get("input"))
    lines = source if isinstance(source, list) else [source]
    text = "".join(line for line in lines if isinstance(line, str)).strip("\n")
    if not text.strip():
        return ""
    if kind == "code":
        fence = _FENCE + "`" * (_FENCE in text and 3)
        return f"{fence}{language}\n{text}\n{fence}"
    if kind == "heading":
        level = cell.get("level")  # a number is given as it is written
        depth = int(level) if level in _LEVELS else 1
        return f"{'#' * depth} {text}"
    return text
