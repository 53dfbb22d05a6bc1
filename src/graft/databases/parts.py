"""Rows as documents of a bounded size, cut so that a changed row changes one document.

A document begins at a row whose key hashes to a border, and is named after that row's key:
rows put in or taken out elsewhere move no border. It knows no database.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from graft.types import Document, Section

__all__ = ["RowText", "documents_of"]

LOADER_VERSION = 1

# About 40 rows a document: a changed row costs at most the passages of these.
_ROWS_A_BORDER = 40
_MOST_ROWS = 200
_MOST_CHARACTERS = 50_000
_NAME_LENGTH = 60
_UNSAFE = re.compile(r"[^\w.,:@+-]+")


class RowText(NamedTuple):
    """A row as a section: what identifies it, what names it, its lines, bytes left out."""

    key: str
    heading: str
    lines: Sequence[str]
    binary: int = 0


def documents_of(rows: Iterable[RowText], name: str, title: str, source: str) -> Iterator[Document]:
    """Yield the documents of a table in the order of its rows; `name` is `database/table`."""
    part: list[RowText] = []
    size = 0
    taken: set[str] = set()
    for row in rows:
        length = len(row.heading) + sum(map(len, row.lines))
        is_border = zlib.crc32(row.key.encode()) % _ROWS_A_BORDER == 0
        is_full = len(part) >= _MOST_ROWS or size + length > _MOST_CHARACTERS
        if part and (is_border or is_full):
            yield _document(part, f"{name}#{_part_name(part[0].key, taken)}", title, source)
            part, size = [], 0
        part.append(row)
        size += length
    if part:
        yield _document(part, f"{name}#{_part_name(part[0].key, taken)}", title, source)


def _part_name(key: str, taken: set[str]) -> str:
    """Return a key as the end of an id: short, plain, and not taken by another part."""
    plain = _UNSAFE.sub("_", key)[:_NAME_LENGTH]
    if plain != key:
        plain = f"{plain}-{zlib.crc32(key.encode()):08x}"
    found, number = plain, 1
    while found in taken:
        number += 1
        found = f"{plain}-{number}"
    taken.add(found)
    return found


def _document(rows: Sequence[RowText], doc_id: str, title: str, source: str) -> Document:
    parts: list[str] = []
    sections: list[Section] = []
    position = 0
    for row in rows:
        text = "\n".join((row.heading, *row.lines)) + "\n\n"
        parts.append(text)
        sections.append(Section((row.heading,), position, position + len(text)))
        position += len(text)
    body = "".join(parts)
    binary = sum(row.binary for row in rows)
    replaced = body.count("\ufffd")
    notes = [f"{binary} binary value{'s' * (binary > 1)} left out"] * bool(binary)
    notes += [f"{replaced} characters could not be decoded"] * bool(replaced)
    return Document(
        id=doc_id,
        source=source,
        title=title,
        text=body,
        content_hash=hashlib.sha256(body.encode()).hexdigest(),
        loader="database",
        sections=tuple(sections),
        notes=tuple(notes),
    )
