"""Opening the file that is to be read: once, never through a link, and nothing but a file.

What tells the format, what is read and what is hashed are the same bytes: whoever looks at a
file first holds it open with `holding`, and `read_bytes` of every loader then gives what was
held. It knows no format.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from graft.errors import UnreadableDocument

__all__ = ["MAX_FILE_BYTES", "holding", "open_regular", "read_bytes"]

MAX_FILE_BYTES = 100_000_000
# Without O_NONBLOCK opening a named pipe waits for a writer; Windows lacks all but O_BINARY.
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_LINK_ERRORS = (errno.ELOOP, errno.EMLINK)
_TRIES = 2


class _Held(NamedTuple):
    source: Path
    data: bytes


_HELD: ContextVar[_Held | None] = ContextVar("held", default=None)


@contextmanager
def holding(source: Path) -> Iterator[bytes]:
    """Read a file and let `read_bytes` give these bytes, and no later ones, until the end.

    Raises:
        UnreadableDocument: as `read_bytes`.
    """
    data = read_bytes(source)
    token = _HELD.set(_Held(source, data))
    try:
        yield data
    finally:
        _HELD.reset(token)


def read_bytes(source: Path) -> bytes:
    """Return a file's bytes; one that changes meanwhile is read once more.

    Raises:
        UnreadableDocument: the file cannot be opened, is none, is too large, or keeps changing.
    """
    held = _HELD.get()
    if held is not None and held.source == source:
        return held.data
    for _ in range(_TRIES):
        with open_regular(source) as file:
            before = os.fstat(file.fileno())
            try:
                data = file.read(MAX_FILE_BYTES + 1)
            except OSError as error:
                raise _unopened(source, error) from error
            after = os.fstat(file.fileno())
        if _stamp(before) == _stamp(after) and len(data) == after.st_size:
            return data
    raise UnreadableDocument(
        "the file changes while it is read",
        where=str(source),
        why=f"it was written to during {_TRIES} readings",
        next_step="wait until it is complete and add it again",
    )


def open_regular(source: Path) -> BufferedReader:
    """Open a file for reading; the checks are made on what was opened, not on its name.

    Raises:
        UnreadableDocument: the file cannot be opened, is none, or is too large.
    """
    try:
        # Opening a device can already do something, such as winding a tape back.
        named = os.lstat(source)
        if not stat.S_ISREG(named.st_mode) and not stat.S_ISLNK(named.st_mode):
            raise _no_file(source, named)
        descriptor = os.open(source, _FLAGS)
    except (OSError, ValueError) as error:
        raise _unopened(source, error) from error
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_FILE_BYTES:
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISREG(status.st_mode):
        raise UnreadableDocument(
            f"the file is larger than {MAX_FILE_BYTES // 1_000_000} MB",
            where=str(source),
            why=f"it has {status.st_size:,} bytes",
            next_step="split it and add the parts",
        )
    raise _no_file(source, status)


def _no_file(source: Path, status: os.stat_result) -> UnreadableDocument:
    return UnreadableDocument(
        "the path is not a regular file",
        where=str(source),
        why="it is a folder" if stat.S_ISDIR(status.st_mode) else "it is a pipe or a device",
        next_step="leave it out",
    )


def _stamp(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _unopened(source: Path, error: OSError | ValueError) -> UnreadableDocument:
    number = error.errno if isinstance(error, OSError) else None
    if number in _LINK_ERRORS and source.is_symlink():
        return UnreadableDocument(
            "the file is a link",
            where=str(source),
            why="links are not followed, since they can point outside the folder",
            next_step="add the file that it points to",
        )
    reason = error.strerror if isinstance(error, OSError) else None
    return UnreadableDocument(
        "the file cannot be opened",
        where=str(source),
        why=reason or str(error),
        next_step="check its permissions and add it again",
    )
