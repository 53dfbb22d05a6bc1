"""Writing to the catalogue: what is read is staged as it comes, then all goes live at once.

A staged document is in no version, so an interruption loses nothing and shows nothing: the
next run finds it by source, content, splitter and loader and does not read it again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from graft.catalog import Catalog, Entry, Skipped, read_skipped
from graft.catalog_schema import DOCUMENT, LIVE, check_of, insert_passages, stored
from graft.loader_versions import version_of_rows
from graft.protocols import Published
from graft.types import Passage

__all__ = [
    "Goal",
    "Staged",
    "commit",
    "drop_staged",
    "replace_pairs",
    "stage",
    "staged_of",
    "switch_index",
]


class Staged(NamedTuple):
    """A document that is staged: its row, its id and what read it."""

    row: int
    doc_id: str
    content_hash: str
    root: str
    loader: str
    loader_version: str


@dataclass(frozen=True, slots=True)
class Goal:
    """What the next version is: staged rows that go live, ids that leave, files left out.

    `skipped` has the files left out under each root, which take the place of those before,
    `cured` the paths that are left out no more, under whichever root.
    """

    rows: Sequence[int] = ()
    gone: Sequence[str] = ()
    skipped: Mapping[str, Sequence[Skipped]] = field(default_factory=dict)
    reason: str = "add"
    cured: Sequence[str] = ()


def stage(catalog: Catalog, entries: Sequence[Entry]) -> list[int]:
    """Store entries that are in no version yet; return their rows."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    rows = []
    with catalog.opened() as store, store:
        for entry in entries:
            drop_staged(store, "id = ?", entry.document.id)
            values = [stored(getattr(entry.document, name)) for name in DOCUMENT]
            origin = entry.origin
            made = store.execute(
                f"INSERT INTO documents ({', '.join(DOCUMENT)}, root, splitter, added,"
                ' loader_version, modified, bytes, statistics, "check")'
                f" VALUES ({', '.join('?' * (len(values) + 8))})",
                (
                    *values,
                    *(entry.root, entry.splitter, now, origin.loader_version),
                    *(origin.modified, origin.bytes, json.dumps(origin.statistics or {})),
                    check_of(values),
                ),
            )
            rows.append(int(made.lastrowid or 0))
            insert_passages(store, entry.passages, rows[-1])
    return rows


def staged_of(catalog: Catalog, source: str, splitter: str) -> list[Staged]:
    """Return what is staged of a source, cut by this splitter."""
    with catalog.opened() as store:
        found = store.execute(
            'SELECT "row", id, content_hash, root, loader, loader_version FROM documents'
            " WHERE born IS NULL AND source = ? AND splitter = ? ORDER BY id",
            (source, splitter),
        )
        return [Staged(*row) for row in found]


def commit(catalog: Catalog, goal: Goal, published: Published) -> int | None:
    """Make a goal the live version, in one transaction; return its number.

    None where no document changed: then there is no new version, and where nothing else
    changed either nothing is written.
    """
    is_same = not goal.rows and not goal.gone and published == catalog.published()
    with catalog.opened() as store:
        skipped = _with_roots(store, goal)
        if is_same and skipped is None and not _leftovers(store, goal):
            return None
        with store:
            store.execute("BEGIN IMMEDIATE")
            number = _turn_over(store, goal) if goal.rows or goal.gone else None
            for root in goal.skipped:
                drop_staged(store, "root = ?", root)
            if skipped is not None:
                _write_skipped(store, goal)
            _publish(store, published)
            return number


def replace_pairs(catalog: Catalog, pairs: Sequence[Passage], published: Published) -> None:
    """Put these training pairs in the place of all that are there, with the index of them."""
    with catalog.opened() as store, store:
        store.execute("DELETE FROM passages WHERE kind = 'pair'")
        insert_passages(store, pairs, None)
        _publish(store, published)


def switch_index(catalog: Catalog, name: str, published: Published) -> None:
    """Serve the index in the folder of this name from now on, in the state given."""
    with catalog.opened() as store, store:
        store.execute("INSERT OR REPLACE INTO meta VALUES ('index', ?)", (name,))
        _publish(store, published)


def _turn_over(store: sqlite3.Connection, goal: Goal) -> int:
    number = int(store.execute("SELECT MAX(number) FROM versions").fetchone()[0] or 0) + 1
    leaving = set(goal.gone)
    for row in goal.rows:
        query = 'SELECT id FROM documents WHERE "row" = ?'
        leaving.add(store.execute(query, (row,)).fetchone()[0])
    store.executemany(
        f"UPDATE documents SET died = ? WHERE {LIVE} AND id = ?",
        [(number, name) for name in sorted(leaving)],
    )
    store.executemany(
        'UPDATE documents SET born = ? WHERE "row" = ?', [(number, row) for row in goal.rows]
    )
    rows = store.execute(
        f"SELECT id, content_hash, splitter, loader_version FROM documents WHERE {LIVE}"
    )
    store.execute(
        "INSERT INTO versions VALUES (?, ?, ?, ?, NULL)",
        (
            number,
            version_of_rows(tuple(row) for row in rows),
            datetime.now(UTC).isoformat(timespec="seconds"),
            goal.reason,
        ),
    )
    return number


def _leftovers(store: sqlite3.Connection, goal: Goal) -> bool:
    """Tell whether something is staged under a root that was read to its end."""
    query = "SELECT 1 FROM documents WHERE born IS NULL AND root = ?"
    return any(store.execute(query, (root,)).fetchone() for root in goal.skipped)


def _with_roots(store: sqlite3.Connection, goal: Goal) -> dict[str, Skipped] | None:
    """Return the records to write, None where they are those that are there."""
    before = read_skipped(store)
    new = {item.path: item for items in goal.skipped.values() for item in items}
    stays = {
        path
        for root in goal.skipped
        for (path,) in store.execute(
            "SELECT path FROM failures WHERE root = ? OR path = ?", (root, root)
        )
    }
    stays.update(path for path in goal.cured if path in before)
    old = {path: before[path] for path in stays}
    return None if new == old else new


def _write_skipped(store: sqlite3.Connection, goal: Goal) -> None:
    store.executemany("DELETE FROM failures WHERE path = ?", [(path,) for path in goal.cured])
    for root, items in goal.skipped.items():
        store.execute("DELETE FROM failures WHERE root = ? OR path = ?", (root, root))
        store.executemany(
            "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(item.path, root, item.reason, item.next_step, item.state, item.attempts),
                    *(item.last_attempt, item.next_attempt, item.signature),
                    json.dumps(item.keeps),
                )
                for item in items
            ],
        )


def _publish(store: sqlite3.Connection, published: Published) -> None:
    store.execute(
        "UPDATE published SET token = ?, files = ?",
        (published.token, json.dumps(published.files)),
    )


def drop_staged(store: sqlite3.Connection, condition: str, *values: object) -> None:
    """Delete documents that are in no version, with their passages."""
    rows = f'SELECT "row" FROM documents WHERE born IS NULL AND {condition}'
    store.execute(f"DELETE FROM passages WHERE document IN ({rows})", values)
    store.execute(f"DELETE FROM documents WHERE born IS NULL AND {condition}", values)
