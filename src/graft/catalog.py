"""The catalogue: documents, passages and files left out of a corpus in one SQLite file.

It stores and reads values and knows neither files nor indexes. Every change is one
transaction, and every call opens the file anew, so that threads and processes may share it.
What is read here is live, or was at a version; `staging` writes, `versions` knows the past.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from graft.catalog_schema import LIVE, document_of, passage_of, prepare
from graft.errors import BadInput, NoSpaceLeft
from graft.failures import Skipped
from graft.files import raise_unwritable
from graft.protocols import Published
from graft.types import Document, Passage, PassageKind

__all__ = ["Catalog", "Entry", "Origin", "Skipped", "State", "read_skipped"]

# The folder of an index that no other has replaced.
INDEX = "index"
_WAIT_SECONDS = 30.0
# SQLite calls a full disk an input/output error where it makes its 32 KiB of shared memory.
_LEAST_FREE_BYTES = 65_536
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a document comes from: its file's time and size, its loader, its text in numbers."""

    loader_version: str = ""
    modified: float | None = None
    bytes: int | None = None
    statistics: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A document with its passages, as it goes into the catalogue.

    `root` is the folder that it was added from, `splitter` the identity of what cut it.
    """

    document: Document
    passages: tuple[Passage, ...]
    root: str
    splitter: str
    origin: Origin = Origin()


class State(NamedTuple):
    """What is known of a document without its text."""

    source: str
    content_hash: str
    root: str
    splitter: str
    loader: str = ""
    loader_version: str = ""


class Catalog:
    """The SQLite file of a corpus."""

    def __init__(self, file: Path) -> None:
        """Open the file or make it.

        Raises:
            BadInput: the file is no catalogue or of a newer schema.
        """
        self.file = file
        self._watch = threading.local()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise_unwritable(error, file)
        with self.opened() as store:
            prepare(store, str(file))

    def states(self, at: int | None = None) -> dict[str, State]:
        """Return the state of every document by its id, now or at a version."""
        query = (
            "SELECT id, source, content_hash, root, splitter, loader, loader_version"
            f" FROM documents WHERE {_at(at)}"
        )
        with self.opened() as store:
            return {row[0]: State(*row[1:]) for row in store.execute(query)}

    def documents(self, at: int | None = None) -> list[Document]:
        """Return all documents, by id."""
        return self._documents(f"{_at(at)} ORDER BY id")

    def document(self, doc_id: str, at: int | None = None) -> Document | None:
        """Return one document, None where there is none of this id."""
        return next(iter(self._documents(f"id = ? AND {_at(at)}", doc_id)), None)

    def has_documents(self) -> bool:
        """Tell whether there is any document, without reading one."""
        with self.opened() as store:
            query = f"SELECT 1 FROM documents WHERE {LIVE} LIMIT 1"
            return store.execute(query).fetchone() is not None

    def passages(self, kind: PassageKind, at: int | None = None) -> list[Passage]:
        """Return the passages of a kind, in the order of document and position."""
        return list(self.each_passage(f"{_of(kind, at)} ORDER BY doc_id, position, id"))

    def passages_named(self, ids: Sequence[str]) -> Iterator[Passage]:
        """Yield the live passages and pairs of these ids."""
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            condition = f"id IN ({_marks(some)}) AND (kind = 'pair' OR {_of('document', None)})"
            yield from self.each_passage(condition, *some)

    def passages_of(self, rows: Sequence[int]) -> Iterator[Passage]:
        """Yield the passages of document rows, row by row."""
        for number in rows:
            yield from self.each_passage("document = ? ORDER BY position", number)

    def each_passage(self, condition: str, *values: object) -> Iterator[Passage]:
        """Yield the passages that meet a condition."""
        with self.opened() as store:
            for row in store.execute(f"SELECT * FROM passages WHERE {condition}", values):
                yield passage_of(row, str(self.file))

    def passage_ids(self, doc_ids: Sequence[str] | None = None) -> set[str]:
        """Return the ids of all live passages and pairs, or of the passages of some documents."""
        with self.opened() as store:
            if doc_ids is None:
                query = f"kind = 'pair' OR {_of('document', None)}"
                found = store.execute(f"SELECT id FROM passages WHERE {query}")
                return {row[0] for row in found}
            query = f"SELECT id FROM passages WHERE {_of('document', None)} AND doc_id = ?"
            return {row[0] for name in doc_ids for row in store.execute(query, (name,))}

    def passage_ids_with(self, rows: Sequence[int], gone: Sequence[str]) -> set[str]:
        """Return what `passage_ids` is once staged rows are live and some documents gone."""
        leaving = set(gone)
        with self.opened() as store:
            coming = set()
            for row in rows:
                found = store.execute("SELECT id, doc_id FROM passages WHERE document = ?", (row,))
                coming |= {item[0] for item in found}
                query = 'SELECT id FROM documents WHERE "row" = ?'
                leaving.update(item[0] for item in store.execute(query, (row,)))
            query = f"kind = 'pair' OR {_of('document', None)}"
            staying = store.execute(f"SELECT id, doc_id, kind FROM passages WHERE {query}")
            return coming | {
                row[0] for row in staying if row["kind"] == "pair" or row["doc_id"] not in leaving
            }

    def count_of(self, rows: Sequence[int]) -> int:
        """Return the number of passages of document rows."""
        with self.opened() as store:
            query = "SELECT COUNT(*) FROM passages WHERE document = ?"
            return sum(int(store.execute(query, (row,)).fetchone()[0]) for row in rows)

    def count(self, kind: PassageKind, at: int | None = None) -> int:
        """Return the number of passages of a kind."""
        with self.opened() as store:
            found = store.execute(f"SELECT COUNT(*) FROM passages WHERE {_of(kind, at)}")
            return int(found.fetchone()[0])

    def twins(self, hashes: Sequence[str]) -> dict[str, list[str]]:
        """Return the ids of passages of any version that are shown as these are, by hash."""
        found: dict[str, list[str]] = {}
        query = f"SELECT shown_hash, id FROM passages WHERE shown_hash IN ({_marks(hashes)})"
        with self.opened() as store:
            for name, passage_id in store.execute(query, tuple(hashes)):
                found.setdefault(name, []).append(passage_id)
        return found

    def skipped(self) -> list[Skipped]:
        """Return the files left out, by path."""
        with self.opened() as store:
            return list(read_skipped(store).values())

    def by_root(self) -> dict[str, list[Skipped]]:
        """Return the files left out under each root."""
        found: dict[str, list[Skipped]] = {}
        with self.opened() as store:
            items = read_skipped(store)
            for path, root in store.execute("SELECT path, root FROM failures ORDER BY path"):
                found.setdefault(root, []).append(items[path])
        return found

    def newest(self) -> int:
        """Return the number of the live version, 0 where there is none."""
        with self.opened() as store:
            return int(store.execute("SELECT MAX(number) FROM versions").fetchone()[0] or 0)

    def index_name(self) -> str:
        """Return the name of the folder of the index that is served."""
        with self.opened() as store:
            row = store.execute("SELECT value FROM meta WHERE name = 'index'").fetchone()
        return str(row[0]) if row else INDEX

    def published(self) -> Published:
        """Return the state of the index that belongs to the live version."""
        with self.opened() as store:
            token, files = store.execute("SELECT token, files FROM published").fetchone()
        return Published(token, {name: tuple(item) for name, item in json.loads(files).items()})

    def published_token(self) -> str:
        """Return the name of that state alone; this is asked before every search.

        A connection of this thread stays open for it and reads only when a commit was made.
        """
        store = getattr(self._watch, "store", None)
        try:
            place = os.stat(self.file).st_ino
            if store is None or self._watch.place != place:
                store = self._connected()
                self._watch.store, self._watch.place, self._watch.seen = store, place, None
            seen = store.execute("SELECT data_version FROM pragma_data_version").fetchone()[0]
            if seen != self._watch.seen:
                self._watch.token = str(store.execute("SELECT token FROM published").fetchone()[0])
                self._watch.seen = seen
        except (OSError, sqlite3.DatabaseError):
            self._watch.store = None
            with self.opened() as fresh:
                return str(fresh.execute("SELECT token FROM published").fetchone()[0])
        return str(self._watch.token)

    def _documents(self, condition: str, *values: str) -> list[Document]:
        with self.opened() as store:
            rows = store.execute(f"SELECT * FROM documents WHERE {condition}", values)
            return [document_of(row, str(self.file)) for row in rows]

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """Open the file; what SQLite says of a failure becomes an error of ours.

        Raises:
            NoSpaceLeft: the disk is full.
            BadInput: the file is held, may not be written, or is damaged.
        """
        store = None
        try:
            store = self._connected()
            store.row_factory = sqlite3.Row
            yield store
        except sqlite3.DatabaseError as error:
            self._raise_known(error)
            raise
        finally:
            if store is not None:
                store.close()

    def _connected(self) -> sqlite3.Connection:
        """Connect; where nothing can be written no file has to be made beside the catalogue."""
        if not self._is_frozen():
            return sqlite3.connect(self.file, timeout=_WAIT_SECONDS)
        place = f"{self.file.resolve().as_uri()}?mode=ro&immutable=1"
        return sqlite3.connect(place, timeout=_WAIT_SECONDS, uri=True)

    def _is_frozen(self) -> bool:
        """Tell whether the file system is read-only and the file holds all that was written."""
        try:
            flags = os.statvfs(self.file).f_flag
            log = self.file.with_name(f"{self.file.name}-wal")
            return bool(flags & os.ST_RDONLY) and not (log.exists() and log.stat().st_size)
        except (AttributeError, OSError):  # Windows has no such call
            return False

    def _raise_known(self, error: sqlite3.DatabaseError) -> None:
        if "disk is full" in str(error) or self._lacks_space(error):
            raise NoSpaceLeft(
                "no space left on the disk",
                where=str(self.file),
                why=str(error),
                next_step="free some space and run the same command again; it continues",
            ) from error
        if "readonly" in str(error) or "unable to open" in str(error):
            raise BadInput(
                "the workspace cannot be written",
                where=str(self.file),
                why=str(error),
                next_step="give yourself write access to it, or copy the workspace",
            ) from error
        if "disk I/O error" in str(error):
            raise BadInput(
                "the disk does not read or write the catalogue",
                where=str(self.file),
                why=str(error),
                next_step="look at the disk, your quota and the limits of this process, then run"
                " the same command again; it continues",
            ) from error
        locked = "locked" in str(error)
        raise BadInput(
            "another process holds the catalogue" if locked else "the catalogue cannot be used",
            where=str(self.file),
            why=str(error),
            next_step="wait until it has finished and run the command again"
            if locked
            else f"remove {shlex.quote(str(self.file))} and run graft add again;"
            " documents are read anew",
        ) from error

    def _lacks_space(self, error: sqlite3.DatabaseError) -> bool:
        free = shutil.disk_usage(self.file.parent).free
        return "disk I/O error" in str(error) and free < _LEAST_FREE_BYTES


def _at(number: int | None) -> str:
    """Return the condition of a document row that is live, or was at a version."""
    if number is None:
        return LIVE
    return f"(born <= {int(number)} AND (died IS NULL OR died > {int(number)}))"


def _of(kind: PassageKind, at: int | None) -> str:
    if kind == "pair":
        return "kind = 'pair'"
    return f'document IN (SELECT "row" FROM documents WHERE {_at(at)})'


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def read_skipped(store: sqlite3.Connection) -> dict[str, Skipped]:
    """Return the files left out, by path."""
    rows = store.execute(
        "SELECT path, reason, next_step, state, attempts, last_attempt, next_attempt, signature,"
        " keeps FROM failures ORDER BY path"
    )
    names = [item.name for item in dataclasses.fields(Skipped)]
    found = {}
    for row in rows:
        plain = {**dict(zip(names, row, strict=True)), "keeps": tuple(json.loads(row["keeps"]))}
        found[row["path"]] = Skipped(**plain)
    return found
