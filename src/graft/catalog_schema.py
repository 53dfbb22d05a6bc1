"""The tables of the catalogue, how a value stands in them, and the way from an older schema.

A document row is born at one version and dies at a later one; a row that is not born yet is
staged: read and cut, but in no version. Passages hang on their row. It opens no file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from graft.errors import BadInput
from graft.formats import newer_format
from graft.types import Document, Passage, Section, fingerprint

__all__ = [
    "DOCUMENT",
    "LIVE",
    "NOTHING_PUBLISHED",
    "PASSAGE",
    "SCHEMA",
    "check_of",
    "document_of",
    "insert_passages",
    "passage_of",
    "prepare",
    "shown_hash",
    "stored",
]

SCHEMA = 2
# Every schema names the first version of Graft that reads it, so that an older one can say so.
NEEDS = "0.1.0"
NOTHING_PUBLISHED = "nothing"
LIVE = "born IS NOT NULL AND died IS NULL"
DOCUMENT = ("id", "source", "title", "text", "content_hash", "loader", "sections", "notes")
PASSAGE = ("id", "doc_id", "kind", "position", "start", "end", "text", "heading_path", "page")
_PAIR = ("pair_id", "answer")
_TABLES = (
    """CREATE TABLE documents (
    "row" INTEGER PRIMARY KEY, id TEXT NOT NULL, source TEXT NOT NULL, title TEXT NOT NULL,
    text TEXT NOT NULL, content_hash TEXT NOT NULL, loader TEXT NOT NULL,
    sections TEXT NOT NULL, notes TEXT NOT NULL, root TEXT NOT NULL, splitter TEXT NOT NULL,
    added TEXT NOT NULL, born INTEGER, died INTEGER, loader_version TEXT NOT NULL,
    modified REAL, bytes INTEGER, statistics TEXT NOT NULL, "check" INTEGER NOT NULL
)""",
    f"CREATE UNIQUE INDEX documents_live ON documents (id) WHERE {LIVE}",
    "CREATE INDEX documents_source ON documents (source)",
    "CREATE INDEX documents_life ON documents (born, died)",
    "CREATE INDEX documents_staged ON documents (id) WHERE born IS NULL",
    """CREATE TABLE passages (
    "row" INTEGER PRIMARY KEY, document INTEGER, id TEXT NOT NULL, doc_id TEXT NOT NULL,
    kind TEXT NOT NULL, position INTEGER NOT NULL, "start" INTEGER NOT NULL,
    "end" INTEGER NOT NULL, text TEXT NOT NULL, heading_path TEXT NOT NULL, page INTEGER,
    pair_id TEXT NOT NULL, answer TEXT NOT NULL, shown_hash TEXT NOT NULL
)""",
    "CREATE INDEX passages_document ON passages (document)",
    "CREATE INDEX passages_id ON passages (id)",
    "CREATE INDEX passages_shown ON passages (shown_hash)",
    """CREATE TABLE versions (
    number INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, created TEXT NOT NULL,
    reason TEXT NOT NULL, tag TEXT UNIQUE
)""",
    """CREATE TABLE failures (
    path TEXT PRIMARY KEY, root TEXT NOT NULL, reason TEXT NOT NULL, next_step TEXT NOT NULL,
    state TEXT NOT NULL, attempts INTEGER NOT NULL, last_attempt REAL, next_attempt REAL,
    signature TEXT NOT NULL, keeps TEXT NOT NULL
)""",
    """CREATE TABLE published (
    one INTEGER PRIMARY KEY CHECK (one = 1), token TEXT NOT NULL, files TEXT NOT NULL
)""",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
)


def prepare(store: sqlite3.Connection, where: str) -> None:
    """Make the tables, or bring those of an older schema up to this one, in one transaction.

    Raises:
        BadInput: the schema is newer than this version reads.
    """
    schema = _schema(store)
    if schema == SCHEMA:
        return
    if schema > SCHEMA:
        raise _newer(store, schema, where)
    if schema == 0:
        store.execute("PRAGMA journal_mode = WAL")
    with store:
        store.execute("BEGIN IMMEDIATE")
        schema = _schema(store)
        if schema == SCHEMA:
            return
        if schema == 1:
            for table in ("documents", "passages", "skipped"):
                store.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
            store.execute("DROP INDEX documents_source")
            store.execute("DROP INDEX passages_document")
        for statement in _TABLES:
            store.execute(statement)
        store.execute("INSERT INTO meta VALUES ('needs', ?)", (NEEDS,))
        # An index of schema 1 holds what its catalogue holds, under no name of its own.
        token = NOTHING_PUBLISHED if schema == 0 else ""
        store.execute("INSERT INTO published VALUES (1, ?, '{}')", (token,))
        if schema == 1:
            _take_over(store)
        store.execute(f"PRAGMA user_version = {SCHEMA}")


def _schema(store: sqlite3.Connection) -> int:
    return int(store.execute("PRAGMA user_version").fetchone()[0])


def _newer(store: sqlite3.Connection, schema: int, where: str) -> BadInput:
    needed = ""
    if store.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
        row = store.execute("SELECT value FROM meta WHERE name = 'needs'").fetchone()
        needed = str(row[0]) if row else ""
    return newer_format("the catalogue was written", where, schema, SCHEMA, needed)


def _take_over(store: sqlite3.Connection) -> None:
    """Copy the rows of schema 1; its documents become version 1."""
    store.create_function("shown_hash", 2, _shown_of_row, deterministic=True)
    store.create_function("check_of", -1, lambda *values: check_of(values), deterministic=True)
    names = ", ".join(DOCUMENT)
    store.execute(
        f"""INSERT INTO documents ({names}, root, splitter, added, born, loader_version,
        statistics, "check") SELECT {names}, root, splitter, added, 1, '', '{{}}',
        check_of({names}) FROM old_documents ORDER BY id"""
    )
    columns = ", ".join(f'"{name}"' for name in (*PASSAGE, *_PAIR))
    old = ", ".join(f'old."{name}"' for name in (*PASSAGE, *_PAIR))
    store.execute(
        f"""INSERT INTO passages (document, {columns}, shown_hash)
        SELECT CASE old.kind WHEN 'document' THEN documents."row" END, {old},
        shown_hash(old.heading_path, old.text)
        FROM old_passages AS old LEFT JOIN documents ON documents.id = old.doc_id
        ORDER BY old.doc_id, old.position, old.id"""
    )
    store.execute(
        """INSERT INTO failures SELECT path, root, reason, next_step, 'failed', 1, NULL, 0, '',
        '[]' FROM old_skipped"""
    )
    rows = store.execute("SELECT id, content_hash, splitter FROM documents ORDER BY id")
    states = [tuple(row) for row in rows]
    if states:
        store.execute(
            "INSERT INTO versions VALUES (1, ?, ?, 'taken over', NULL)",
            (fingerprint(states), datetime.now(UTC).isoformat(timespec="seconds")),
        )
    for table in ("documents", "passages", "skipped"):
        store.execute(f"DROP TABLE old_{table}")


def _shown_of_row(heading_path: str, text: str) -> str:
    return shown_hash(Passage("", "", text, 0, heading_path=tuple(json.loads(heading_path))))


def shown_hash(passage: Passage) -> str:
    """Name what is embedded of a passage: equal names are equal texts and equal vectors."""
    return hashlib.sha256(passage.shown.encode("utf-8", errors="surrogatepass")).hexdigest()[:32]


def check_of(values: Iterable[object]) -> int:
    """Return the check sum over stored values; one that changed on the disk is noticed."""
    text = json.dumps(list(values), ensure_ascii=True)
    return zlib.crc32(text.encode())


def stored(value: object) -> object:
    """Return a value as SQLite keeps it: tuples as JSON, sections as lists of their fields."""
    if not isinstance(value, tuple):
        return value
    plain = [dataclasses.astuple(item) if isinstance(item, Section) else item for item in value]
    return json.dumps(plain, ensure_ascii=False)


def document_of(row: Mapping[str, Any], where: str) -> Document:
    """Read a document back.

    Raises:
        BadInput: the row is not what was written.
    """
    if check_of(row[name] for name in DOCUMENT) != row["check"]:
        raise _damaged(str(row["id"]), where)
    sections = tuple(
        Section(tuple(path), start, end, page)
        for path, start, end, page in json.loads(row["sections"])
    )
    plain = {name: row[name] for name in DOCUMENT}
    return Document(**{**plain, "sections": sections, "notes": tuple(json.loads(row["notes"]))})


def passage_of(row: Mapping[str, Any], where: str) -> Passage:
    """Read a passage back.

    Raises:
        BadInput: its text is not what was written.
    """
    plain = {name: row[name] for name in (*PASSAGE, *_PAIR)}
    passage = Passage(**{**plain, "heading_path": tuple(json.loads(row["heading_path"]))})
    if shown_hash(passage) != row["shown_hash"]:
        raise _damaged(f"a passage of {passage.doc_id}", where)
    return passage


def insert_passages(
    store: sqlite3.Connection, passages: Sequence[Passage], document: int | None
) -> None:
    """Store passages, those of a document row or training pairs."""
    names = (*PASSAGE, *_PAIR)
    columns = ", ".join(f'"{name}"' for name in names)
    store.executemany(
        f"INSERT INTO passages (document, {columns}, shown_hash)"
        f" VALUES ({', '.join('?' * (len(names) + 2))})",
        [
            (document, *(stored(getattr(passage, name)) for name in names), shown_hash(passage))
            for passage in passages
        ],
    )


def _damaged(what: str, where: str) -> BadInput:
    return BadInput(
        "the catalogue is damaged",
        where=where,
        why=f"{what} is not what was written",
        next_step=f"put back a copy of the workspace, or remove {where} and run graft add again;"
        " documents are read anew",
    )
