"""The versions of a corpus: which there are, what differs between two, and which are kept.

Versions are ordered by their number, never by a clock. The newest twenty and every tagged
one are kept; the documents of no kept version are deleted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from graft.catalog import Catalog, State
from graft.catalog_schema import DOCUMENT, PASSAGE
from graft.errors import BadInput, UsageError
from graft.loader_versions import loader_number
from graft.staging import drop_staged

__all__ = [
    "KEPT_VERSIONS",
    "Diff",
    "Version",
    "copy_rows",
    "diff",
    "list_versions",
    "plan_rollback",
    "prune",
    "set_tag",
    "version_number",
]

KEPT_VERSIONS = 20


@dataclass(frozen=True, slots=True)
class Version:
    """One state of the documents; `created` is for people, the order is that of `number`."""

    number: int
    fingerprint: str
    created: str
    reason: str
    tag: str = ""
    documents: int = 0
    passages: int = 0


@dataclass(frozen=True, slots=True)
class Diff:
    """What differs between two versions, as document ids; passages as numbers.

    `renamed` pairs an id with the one that the same content has now.
    """

    before: int
    after: int
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    passages_added: int = 0
    passages_removed: int = 0


def list_versions(catalog: Catalog) -> list[Version]:
    """Return the versions that are kept, oldest first."""
    with catalog.opened() as store:
        rows = store.execute(
            'SELECT number, fingerprint, created, reason, tag, COUNT(lived."row"),'
            " TOTAL(lived.size) FROM versions LEFT JOIN"
            ' (SELECT documents."row", born, died, COUNT(passages."row") AS size FROM documents'
            ' LEFT JOIN passages ON passages.document = documents."row"'
            ' WHERE born IS NOT NULL GROUP BY documents."row") AS lived'
            " ON lived.born <= number AND (lived.died IS NULL OR lived.died > number)"
            " GROUP BY number ORDER BY number"
        )
        return [
            Version(row[0], row[1], row[2], row[3], row[4] or "", row[5], int(row[6]))
            for row in rows
        ]


def version_number(catalog: Catalog, name: int | str) -> int:
    """Return the number of a version, given as number or tag.

    Raises:
        UsageError: no version that is kept has it.
    """
    with catalog.opened() as store:
        rows = store.execute("SELECT number, tag FROM versions ORDER BY number").fetchall()
    for number, tag in rows:
        if name in (number, str(number)) or (tag and name == tag):
            return int(number)
    known = ", ".join(str(row["number"]) for row in rows[-5:])
    raise UsageError(
        f"there is no version {name}",
        where=str(catalog.file),
        why=f"the newest are {known}" if known else "nothing has been added yet",
        next_step="graft versions",
    )


def set_tag(catalog: Catalog, tag: str, number: int) -> None:
    """Give a version a name, under which it is kept for good; the name leaves any other.

    Raises:
        UsageError: the name is empty or reads as a number.
        BadInput: the version is not there.
    """
    if not tag.strip() or tag.strip().isdecimal():
        raise UsageError(
            f"a version cannot be called {tag!r}",
            why="a name has letters, so that it is not taken for a number",
            next_step=f"graft tag v{number}",
        )
    with catalog.opened() as store, store:
        store.execute("UPDATE versions SET tag = NULL WHERE tag = ?", (tag,))
        done = store.execute("UPDATE versions SET tag = ? WHERE number = ?", (tag, number))
        if not done.rowcount:
            raise BadInput(f"there is no version {number}", where=str(catalog.file))


def diff(catalog: Catalog, before: int, after: int) -> Diff:
    """Return what differs between two versions."""
    old, new = catalog.states(before), catalog.states(after)
    added = [name for name in new if name not in old]
    removed = [name for name in old if name not in new]
    places: dict[tuple[str, str], list[str]] = {}
    for name in sorted(removed):
        places.setdefault((old[name].content_hash, name.partition("#")[2]), []).append(name)
    renamed = []
    for name in sorted(added):
        same = places.get((new[name].content_hash, name.partition("#")[2]))
        if same:
            renamed.append((same.pop(0), name))
    gone, come = {one for one, _ in renamed}, {other for _, other in renamed}
    passages = [
        {passage.id for passage in catalog.passages("document", number)}
        for number in (before, after)
    ]
    return Diff(
        before,
        after,
        tuple(sorted(set(added) - come)),
        tuple(sorted(set(removed) - gone)),
        tuple(
            sorted(
                name for name in new if name in old and _content(old[name]) != _content(new[name])
            )
        ),
        tuple(renamed),
        len(passages[1] - passages[0]),
        len(passages[0] - passages[1]),
    )


def _content(state: State) -> tuple[str, str, int]:
    return state.content_hash, state.splitter, loader_number(state.loader_version)


def plan_rollback(catalog: Catalog, number: int) -> tuple[list[int], list[str]]:
    """Return the rows of a version that are not live, and the ids that are live but not in it."""
    lived = "born <= ? AND (died IS NULL OR died > ?)"
    with catalog.opened() as store:
        rows = store.execute(
            f'SELECT "row" FROM documents WHERE {lived} AND died IS NOT NULL', (number, number)
        )
        dead = [int(row[0]) for row in rows]
    gone = set(catalog.states()) - set(catalog.states(number))
    return dead, sorted(gone)


def copy_rows(catalog: Catalog, rows: Sequence[int]) -> list[int]:
    """Stage copies of document rows with their passages; return the new rows."""
    columns = (
        *DOCUMENT,
        *("root", "splitter", "added", "loader_version", "modified", "bytes", "statistics"),
        '"check"',
    )
    names = ", ".join(columns)
    pieces = ", ".join(f'"{name}"' for name in (*PASSAGE, "pair_id", "answer", "shown_hash"))
    made = []
    with catalog.opened() as store, store:
        for row in rows:
            # What an interrupted rollback copied would otherwise stand there twice.
            drop_staged(store, 'id = (SELECT id FROM documents WHERE "row" = ?)', row)
            query = f'INSERT INTO documents ({names}) SELECT {names} FROM documents WHERE "row" = ?'
            made.append(int(store.execute(query, (row,)).lastrowid or 0))
            store.execute(
                f"INSERT INTO passages (document, {pieces})"
                f" SELECT ?, {pieces} FROM passages WHERE document = ?",
                (made[-1], row),
            )
    return made


def prune(catalog: Catalog, kept: int = KEPT_VERSIONS) -> int:
    """Delete versions that are neither new nor tagged, and what only they had; return how many."""
    old = (
        "SELECT number FROM versions WHERE tag IS NULL AND number NOT IN"
        f" (SELECT number FROM versions ORDER BY number DESC LIMIT {int(kept)})"
    )
    with catalog.opened() as store:
        if store.execute(old).fetchone() is None:
            return 0
        with store:
            gone = store.execute(f"DELETE FROM versions WHERE number IN ({old})").rowcount
            _delete_unkept(store)
            return gone


def _delete_unkept(store: sqlite3.Connection) -> None:
    unkept = (
        'SELECT "row" FROM documents WHERE died IS NOT NULL AND NOT EXISTS (SELECT 1 FROM'
        " versions WHERE number >= documents.born AND number < documents.died)"
    )
    store.execute(f"DELETE FROM passages WHERE document IN ({unkept})")
    store.execute(f'DELETE FROM documents WHERE "row" IN ({unkept})')
