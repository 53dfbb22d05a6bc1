"""One writer at a time: the lock of a workspace, which readers never take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graft.errors import BadInput
from graft.files import raise_unwritable
from graft.protocols import Progress

__all__ = ["LOCK", "WriterLock"]

LOCK = "writer.lock"
_WAIT_SECONDS = 10.0


class WriterLock:
    """The lock file of a folder; whoever holds it may hold it again."""

    def __init__(self, folder: Path, wait_seconds: float = _WAIT_SECONDS) -> None:
        from filelock import FileLock

        self._file = folder / LOCK
        self._wait = wait_seconds
        self._lock = FileLock(self._file)

    @contextmanager
    def held(self, on_progress: Progress) -> Iterator[None]:
        """Hold the lock; where another process has it, wait a short time and say so.

        Raises:
            BadInput: the other process did not finish in that time, or the file cannot be made.
        """
        from filelock import Timeout

        try:
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                wait = f"another process writes to this workspace, waiting up to {self._wait:g} s"
                on_progress("wait", 0, 0, wait)
                self._lock.acquire(timeout=self._wait)
        except Timeout as error:
            raise BadInput(
                "another process is writing to this workspace",
                where=str(self._file),
                why=f"it did not finish within {self._wait:g} s",
                next_step="wait until it has finished and run the same command again",
            ) from error
        except OSError as error:
            raise_unwritable(error, self._file)
        try:
            yield
        finally:
            self._lock.release()
