"""A disk that is full at one chosen write, whoever writes: Python, SQLite or LanceDB.

Python's own writes are seen through its audit events (a file opened for writing, a folder
made, a file renamed) and `os.fsync`; SQLite and LanceDB write in native code, so the calls
that write are counted and fail as the libraries fail on a real full disk (tried on a tmpfs).
"""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

LANCE_ERROR = "lance error: LanceError(IO): No space left on device (os error 28)"
READS = ("SELECT", "PRAGMA USER_VERSION")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class FullDisk:
    """Names the writes below a folder in `seen`; the one that is `full_at` fails.

    A write is named by what it is and how often that came before: LanceDB tidies up when it
    sees fit, so that a mere number does not name the same write twice.
    """

    active: FullDisk | None = None

    def __init__(self, root: Path, full_at: tuple[str, int] | None = None) -> None:
        self.root = str(root)
        self.full_at = full_at
        self.seen: list[tuple[str, int]] = []

    def write(self, what: str, error: Callable[[], Exception]) -> None:
        """Note a write; fail if it is the one."""
        write = (what, sum(known == what for known, _ in self.seen))
        self.seen.append(write)
        if write == self.full_at:
            raise error()

    def write_file(self, what: str, path: Any) -> None:
        """Count a write of Python's below the folder; logs are not part of what is kept."""
        name = os.fspath(path) if not isinstance(path, int) else ""
        name = os.path.abspath(os.fsdecode(name)) if name else ""
        if name.startswith(self.root) and f"{os.sep}logs" not in name:
            shown = f"{what} {name.removeprefix(self.root)}"
            self.write(shown, lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name))


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    disk = FullDisk.active
    if disk is None:
        return
    if event == "open":
        path, mode, flags = arguments
        if set(mode or "") & set("wax+") or (mode is None and flags & WRITES):
            disk.write_file("open", path)
    elif event == "os.mkdir" and not os.path.exists(arguments[0]):
        disk.write_file("mkdir", arguments[0])
    elif event == "os.rename":
        disk.write_file("rename", arguments[1])


class _Store(sqlite3.Connection):
    """A connection whose writes are counted; SQLite rolls back what fails to commit."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        _count_sql(sql)
        return super().execute(sql, *values)

    def executemany(self, sql: str, values: Any) -> sqlite3.Cursor:
        _count_sql(sql)
        return super().executemany(sql, values)

    def executescript(self, script: str) -> sqlite3.Cursor:
        _count_sql(script)
        return super().executescript(script)

    def __exit__(self, *failure: Any) -> Any:
        if failure[0] is None and self.in_transaction:
            try:
                _count_sql("COMMIT")
            except sqlite3.OperationalError:
                self.rollback()
                raise
        return super().__exit__(*failure)


def _count_sql(sql: str) -> None:
    words = " ".join(sql.split()).upper()
    if FullDisk.active is not None and not words.startswith(READS):
        what = f"sqlite {words[:40]}"
        FullDisk.active.write(what, lambda: sqlite3.OperationalError("database or disk is full"))


def _counted(real: Callable[..., Any], what: str) -> Callable[..., Any]:
    def call(self: Any, *values: Any, **named: Any) -> Any:
        if FullDisk.active is not None:
            FullDisk.active.write(f"lance {what}", lambda: RuntimeError(LANCE_ERROR))
        return real(self, *values, **named)

    return call


@pytest.fixture(scope="session")
def _audited() -> None:
    """Listen to audit events: a hook cannot be taken away, so it is added once."""
    sys.addaudithook(_on_event)


@pytest.fixture(name="full_disk")
def full_disk_fixture(_audited: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Give `full_disk(root, full_at)`, a context in which that write fails."""
    from lancedb.db import LanceDBConnection
    from lancedb.merge import LanceMergeInsertBuilder
    from lancedb.table import LanceTable

    connect, fsync = sqlite3.connect, os.fsync
    monkeypatch.setattr(
        sqlite3, "connect", lambda file, **named: connect(file, **named, factory=_Store)
    )

    def counted_fsync(file: int) -> None:
        if FullDisk.active is not None:
            FullDisk.active.write("fsync", lambda: OSError(errno.ENOSPC, "No space left"))
        fsync(file)

    monkeypatch.setattr(os, "fsync", counted_fsync)
    for owner, name in (
        (LanceDBConnection, "create_table"),
        (LanceTable, "create_index"),
        (LanceTable, "delete"),
        (LanceTable, "optimize"),
        (LanceMergeInsertBuilder, "execute"),
    ):
        monkeypatch.setattr(owner, name, _counted(getattr(owner, name), name))

    @contextmanager
    def fill(root: Path, full_at: tuple[str, int] | None = None) -> Iterator[FullDisk]:
        FullDisk.active = FullDisk(root, full_at)
        try:
            yield FullDisk.active
        finally:
            FullDisk.active = None

    return fill
