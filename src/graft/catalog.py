"""The catalogue: documents, passages and skipped files of a corpus in one SQLite file.

It stores and reads values and knows neither files nor indexes. Every change is one
transaction, and every call opens the file anew, so that threads and processes may share it.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from graft.errors import BadInput, NoSpaceLeft
from graft.files import raise_unwritable
from graft.types import Document, Passage, PassageKind, Section

__all__ = ["Catalog", "Entry", "Skipped", "State"]

SCHEMA = 1
_WAIT_SECONDS = 30.0
# SQLite calls a full disk an input/output error where it makes its 32 KiB of shared memory.
_LEAST_FREE_BYTES = 65_536
_TABLES = """
CREATE TABLE documents (
    id TEXT PRIMARY KEY, source TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL,
    content_hash TEXT NOT NULL, loader TEXT NOT NULL, sections TEXT NOT NULL,
    notes TEXT NOT NULL, root TEXT NOT NULL, splitter TEXT NOT NULL, added TEXT NOT NULL
);
CREATE INDEX documents_source ON documents (source);
CREATE TABLE passages (
    id TEXT PRIMARY KEY, doc_id TEXT NOT NULL, kind TEXT NOT NULL, position INTEGER NOT NULL,
    "start" INTEGER NOT NULL, "end" INTEGER NOT NULL, text TEXT NOT NULL,
    heading_path TEXT NOT NULL, page INTEGER, pair_id TEXT NOT NULL, answer TEXT NOT NULL
);
CREATE INDEX passages_document ON passages (doc_id, kind);
CREATE TABLE skipped (
    path TEXT PRIMARY KEY, reason TEXT NOT NULL, next_step TEXT NOT NULL, root TEXT NOT NULL
);
"""
_DOCUMENT = ("id", "source", "title", "text", "content_hash", "loader", "sections", "notes")
_PASSAGE = ("id", "doc_id", "kind", "position", "start", "end", "text", "heading_path", "page")
_PAIR = ("pair_id", "answer")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is not in the corpus, why, and what to do about it."""

    path: str
    reason: str
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A document with its passages, as it goes into the catalogue.

    `root` is the folder that it was added from, `splitter` the identity of what cut it.
    """

    document: Document
    passages: tuple[Passage, ...]
    root: str
    splitter: str


class State(NamedTuple):
    """What is known of a document without its text."""

    source: str
    content_hash: str
    root: str
    splitter: str


class Catalog:
    """The SQLite file of a corpus."""

    def __init__(self, file: Path) -> None:
        """Open the file or make it.

        Raises:
            BadInput: the file is no catalogue or of a newer schema.
        """
        self._file = file
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise_unwritable(error, file)
        with self._open() as store:
            schema = store.execute("PRAGMA user_version").fetchone()[0]
            if schema == 0:
                store.execute("PRAGMA journal_mode = WAL")
                store.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {SCHEMA}; COMMIT;")
            elif schema > SCHEMA:
                raise BadInput(
                    "the catalogue was written by a newer Graft",
                    where=str(file),
                    why=f"schema {schema}, this version reads up to {SCHEMA}",
                    next_step="upgrade Graft",
                )

    def states(self) -> dict[str, State]:
        """Return the state of every document by its id."""
        with self._open() as store:
            rows = store.execute("SELECT id, source, content_hash, root, splitter FROM documents")
            return {row[0]: State(*row[1:]) for row in rows}

    def documents(self) -> list[Document]:
        """Return all documents, by id."""
        return self._documents("ORDER BY id")

    def document(self, doc_id: str) -> Document | None:
        """Return one document, None where there is none of this id."""
        return next(iter(self._documents("WHERE id = ?", doc_id)), None)

    def passages(self, kind: PassageKind) -> list[Passage]:
        """Return the passages of a kind, in the order of document and position."""
        columns = ", ".join(f'"{name}"' for name in (*_PASSAGE, *_PAIR))
        order = "ORDER BY doc_id, position, id"
        with self._open() as store:
            rows = store.execute(f"SELECT {columns} FROM passages WHERE kind = ? {order}", (kind,))
            return [_passage(dict(row)) for row in rows]

    def passage_ids(self, doc_ids: Sequence[str] | None = None) -> set[str]:
        """Return the ids of all passages, or of the document passages of some documents."""
        with self._open() as store:
            if doc_ids is None:
                return {row[0] for row in store.execute("SELECT id FROM passages")}
            query = "SELECT id FROM passages WHERE kind = 'document' AND doc_id = ?"
            return {row[0] for name in doc_ids for row in store.execute(query, (name,))}

    def count(self, kind: PassageKind) -> int:
        """Return the number of passages of a kind."""
        with self._open() as store:
            found = store.execute("SELECT COUNT(*) FROM passages WHERE kind = ?", (kind,))
            return int(found.fetchone()[0])

    def replace(self, entries: Sequence[Entry]) -> None:
        """Put documents with their passages in the place of what has their ids."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._open() as store, store:
            for entry in entries:
                _delete(store, entry.document.id)
                values = [_stored(getattr(entry.document, name)) for name in _DOCUMENT]
                marks = ", ".join("?" * (len(values) + 3))
                store.execute(
                    f"INSERT INTO documents VALUES ({marks})",
                    (*values, entry.root, entry.splitter, now),
                )
                _insert_passages(store, entry.passages)

    def remove(self, doc_ids: Sequence[str]) -> None:
        """Delete documents with their passages."""
        with self._open() as store, store:
            for name in doc_ids:
                _delete(store, name)

    def replace_pairs(self, pairs: Sequence[Passage]) -> None:
        """Put these training pairs in the place of all that are there."""
        with self._open() as store, store:
            store.execute("DELETE FROM passages WHERE kind = 'pair'")
            _insert_passages(store, pairs)

    def skipped(self) -> list[Skipped]:
        """Return the skipped files, by path."""
        with self._open() as store:
            rows = store.execute("SELECT path, reason, next_step FROM skipped ORDER BY path")
            return [Skipped(*row) for row in rows]

    def replace_skipped(self, root: str, skipped: Sequence[Skipped]) -> None:
        """Put these in the place of what was skipped under a root."""
        with self._open() as store, store:
            store.execute("DELETE FROM skipped WHERE root = ? OR path = ?", (root, root))
            store.executemany(
                "INSERT OR REPLACE INTO skipped VALUES (?, ?, ?, ?)",
                [(item.path, item.reason, item.next_step, root) for item in skipped],
            )

    def _documents(self, condition: str, *values: str) -> list[Document]:
        query = f"SELECT {', '.join(_DOCUMENT)} FROM documents {condition}"
        with self._open() as store:
            return [_document(dict(row)) for row in store.execute(query, values)]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        store = None
        try:
            store = sqlite3.connect(self._file, timeout=_WAIT_SECONDS)
            store.row_factory = sqlite3.Row
            yield store
        except sqlite3.DatabaseError as error:
            self._raise_known(error)
            raise
        finally:
            if store is not None:
                store.close()

    def _raise_known(self, error: sqlite3.DatabaseError) -> None:
        if "disk is full" in str(error) or self._lacks_space(error):
            raise NoSpaceLeft(
                "no space left on the disk",
                where=str(self._file),
                why=str(error),
                next_step="free some space and run the same command again; it continues",
            ) from error
        if "readonly" in str(error) or "unable to open" in str(error):
            raise BadInput(
                "the workspace cannot be written",
                where=str(self._file),
                why=str(error),
                next_step="give yourself write access to it, or copy the workspace",
            ) from error
        locked = "locked" in str(error)
        raise BadInput(
            "another process holds the catalogue" if locked else "the catalogue cannot be used",
            where=str(self._file),
            why=str(error),
            next_step="wait until it has finished and run the command again"
            if locked
            else f"remove {shlex.quote(str(self._file))} and run graft add again;"
            " documents are read anew",
        ) from error

    def _lacks_space(self, error: sqlite3.DatabaseError) -> bool:
        free = shutil.disk_usage(self._file.parent).free
        return "disk I/O error" in str(error) and free < _LEAST_FREE_BYTES


def _delete(store: sqlite3.Connection, doc_id: str) -> None:
    store.execute("DELETE FROM documents WHERE id = ?", (doc_id,))
    store.execute("DELETE FROM passages WHERE kind = 'document' AND doc_id = ?", (doc_id,))


def _insert_passages(store: sqlite3.Connection, passages: Sequence[Passage]) -> None:
    names = (*_PASSAGE, *_PAIR)
    columns = ", ".join(f'"{name}"' for name in names)
    store.executemany(
        f"INSERT INTO passages ({columns}) VALUES ({', '.join('?' * len(names))})",
        [[_stored(getattr(passage, name)) for name in names] for passage in passages],
    )


def _stored(value: object) -> object:
    """Return a value as SQLite keeps it: tuples as JSON, sections as lists of their fields."""
    if not isinstance(value, tuple):
        return value
    plain = [dataclasses.astuple(item) if isinstance(item, Section) else item for item in value]
    return json.dumps(plain, ensure_ascii=False)


def _document(row: Mapping[str, Any]) -> Document:
    sections = tuple(
        Section(tuple(path), start, end, page)
        for path, start, end, page in json.loads(row["sections"])
    )
    return Document(**{**row, "sections": sections, "notes": tuple(json.loads(row["notes"]))})


def _passage(row: Mapping[str, Any]) -> Passage:
    return Passage(**{**row, "heading_path": tuple(json.loads(row["heading_path"]))})
