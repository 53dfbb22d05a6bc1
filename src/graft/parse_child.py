"""One child process that reads files: its pipes, its limits of time, and its end.

What goes over the pipes are lines; what is in them is `parsing`'s affair. Whatever the child
does or fails to do, nobody waits for it without a limit.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from graft.errors import MissingPrerequisite

__all__ = ["LINE_FACTOR", "Child", "Died", "Limits"]

# JSON escapes line ends and quotes, and sections stand beside the text.
LINE_FACTOR = 4
_START_SECONDS = 60.0
_END_SECONDS = 5.0
_ERROR_TAIL = 2_000
# Answers that nobody has taken yet are held up to this size; then the child waits.
_HELD_BYTES = 64_000_000
# The child gets no other variable: keys and tokens have no place where strangers' bytes run.
_PYTHON_VARIABLES = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "OMP_NUM_THREADS")
_SYSTEM_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE")
_FOLDER_VARIABLES = ("HOME", "USERPROFILE", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP")
_VARIABLES = (*_PYTHON_VARIABLES, *_SYSTEM_VARIABLES, *_FOLDER_VARIABLES)
# Threads of a library reserve memory for each core, which counts against the limit.
_SET_VARIABLES = {"OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may take; a large file is given more time, `seconds_per_megabyte`.

    On two cores the slowest real file of each format took under a second a megabyte.
    """

    memory_bytes: int = 2_000_000_000
    seconds: float = 120.0
    seconds_per_megabyte: float = 2.0
    output_bytes: int = 100_000_000

    @classmethod
    def for_ocr(cls) -> Limits:
        """Return the limits where pictures of text are read: seconds and megabytes a page."""
        return cls(memory_bytes=6_000_000_000, seconds=1_800.0, seconds_per_megabyte=60.0)

    def seconds_for(self, path: Path) -> float:
        """Return the time that reading a file may take."""
        try:
            size = os.lstat(path).st_size
        except (OSError, ValueError):
            size = 0
        return self.seconds + self.seconds_per_megabyte * size / 1_000_000


class Died(NamedTuple):
    """A child that is no more: it ended with `code`, or was ended after `seconds`."""

    code: int = 0
    seconds: float = 0.0
    said_too_much: bool = False


class _Lines:
    """The lines that came from a child, in order; the one who puts waits while they are many."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._lines: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._is_closed = False
        self._is_full = False
        self._resumed = 0.0

    def put(self, line: bytes) -> None:
        """Add a line with the time of its coming; wait first where too much is held."""
        arrived = time.monotonic()
        with self._change:
            while self._size > _HELD_BYTES and not self._is_closed:
                self._is_full = True
                self._change.wait()
            self._is_full = False
            self._lines.append((arrived, line))
            self._size += len(line)
            self._change.notify_all()

    def get(self, since: float, seconds: float) -> tuple[float, bytes] | None:
        """Return the next line, or None where none came in the seconds after `since`."""
        with self._change:
            while not self._lines:
                rest = max(since, self._resumed) + seconds - time.monotonic()
                if rest <= 0:
                    return None
                self._change.wait(rest)
            arrived, line = self._lines.popleft()
            self._size -= len(line)
            if self._is_full:
                # The child may have waited all the time with its next answer in hand.
                self._resumed = time.monotonic()
            self._change.notify_all()
            return max(arrived, self._resumed), line

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._change:
            self._is_closed = True
            self._change.notify_all()


class Child:
    """The process, what was sent to it and when, and the lines that came from it.

    Threads of their own write to its pipe and read from it, so that whatever it does or fails
    to do, nobody waits for it without a limit.
    """

    def __init__(self, limits: Limits, ocr: bool, worker: str) -> None:
        self._limits = limits
        self._lines = _Lines()
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._sent: deque[float] = deque()
        self._before = time.monotonic()
        self._is_ready = False
        command = [sys.executable, "-P", "-B", "-W", "ignore", "-m", worker]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment(),
            )
        except OSError as error:
            raise _not_started(error.strerror or str(error)) from error
        self._threads = [
            threading.Thread(target=self._write, daemon=True),
            threading.Thread(target=self._drain, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        self._put(
            {
                "memory_bytes": limits.memory_bytes,
                "output_bytes": limits.output_bytes,
                "ocr": ocr,
            }
        )

    def send(self, request: Mapping[str, Any]) -> None:
        """Send a request; the child reads it when it has answered those before."""
        self._sent.append(time.monotonic())
        self._put(request)

    def receive(self, seconds: float) -> bytes | Died:
        """Return the next answer; its time runs from when it was sent or the one before came.

        Raises:
            MissingPrerequisite: the process did not even start.
        """
        if not self._is_ready:
            ready = self._next_line(self._before, _START_SECONDS)
            if isinstance(ready, Died):
                raise _not_started(self._last_words(), ready)
            self._is_ready = True
        line = self._next_line(max(self._before, self._sent[0]), seconds)
        if not isinstance(line, Died):
            self._sent.popleft()
        return line

    def end(self) -> None:
        """Kill the process where it still runs, and wait until it is gone; never for long."""
        self._process.kill()
        self._requests.put(None)
        self._lines.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        for thread in self._threads:
            thread.join(_END_SECONDS)
        # A pipe that a thread still waits at cannot be closed without waiting too.
        if not any(thread.is_alive() for thread in self._threads):
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
                with suppress(OSError):
                    if pipe is not None:
                        pipe.close()

    def _put(self, request: Mapping[str, Any]) -> None:
        self._requests.put(json.dumps(request).encode() + b"\n")

    def _next_line(self, since: float, seconds: float) -> bytes | Died:
        found = self._lines.get(since, seconds)
        if found is None:
            return Died(seconds=seconds)
        self._before, line = found
        if line.endswith(b"\n"):
            return line
        if len(line) >= self._line_bytes:
            return Died(said_too_much=True)
        try:
            return Died(self._process.wait(_END_SECONDS))
        except subprocess.TimeoutExpired:
            return Died()

    @property
    def _line_bytes(self) -> int:
        return self._limits.output_bytes * LINE_FACTOR

    def _write(self) -> None:
        """Write the requests; that nobody reads them any more is seen by the missing answer."""
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):
            while (line := self._requests.get()) is not None:
                self._process.stdin.write(line)
                self._process.stdin.flush()

    def _drain(self) -> None:
        """Put every line where it is waited for; one without an end is the last."""
        assert self._process.stdout is not None
        line = b"\n"
        while line.endswith(b"\n"):
            try:
                line = self._process.stdout.readline(self._line_bytes)
            except (OSError, ValueError):
                line = b""
            self._lines.put(line)

    def _last_words(self) -> str:
        """Return the last line that the process wrote before it could answer."""
        self._process.kill()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return "it cannot be ended"
        assert self._process.stderr is not None
        words = self._process.stderr.read()[-_ERROR_TAIL:].decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(words) if line.strip()), "it said nothing")


def _environment() -> dict[str, str]:
    known = {key: value for key, value in os.environ.items() if key in _VARIABLES}
    if folders := known.get("PYTHONPATH"):
        # A relative one held where this process began, which may have moved since.
        own = str(Path(__file__).resolve().parent.parent)
        parts = (item if os.path.isabs(item) else own for item in folders.split(os.pathsep))
        known["PYTHONPATH"] = os.pathsep.join(parts)
    return known | _SET_VARIABLES


def _not_started(why: str, died: Died | None = None) -> MissingPrerequisite:
    how = f" (exit code {died.code})" if died and died.code else ""
    return MissingPrerequisite(
        "the process that reads files did not start",
        where=sys.executable or "no Python interpreter is known",
        why=why + how,
        next_step="graft doctor",
    )
