"""Files become documents in a process of its own, which may fail without taking this one along.

One long-lived child reads one file after another; paths are sent ahead and documents come
back in order, as JSON. A file that takes too long, needs too much or kills its reader is an
`UnreadableDocument`, and a fresh child goes on with the next. The child's side is
`parse_worker`; which files there are and what becomes of the documents is `reading`'s affair.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from graft.errors import MissingPrerequisite, UnreadableDocument
from graft.sources import Candidate
from graft.types import Document, Section

__all__ = ["Limits", "Parsed", "Parsing"]

_WORKER = "graft.parse_worker"
_OUT_OF_MEMORY = 77  # as `parse_worker` has it, which is never imported here
_AHEAD = 16
_START_SECONDS = 60.0
_END_SECONDS = 5.0
# JSON escapes line ends and quotes, and sections stand beside the text.
_LINE_FACTOR = 4
_ERROR_TAIL = 2_000
# What a pipe of any system takes while nobody reads it: writing must never wait for the child.
_PIPE_BYTES = 4_096
# The child gets no other variable: keys and tokens have no place where strangers' bytes run.
_PYTHON_VARIABLES = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "OMP_NUM_THREADS")
_SYSTEM_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE")
_FOLDER_VARIABLES = ("HOME", "USERPROFILE", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP")
_VARIABLES = (*_PYTHON_VARIABLES, *_SYSTEM_VARIABLES, *_FOLDER_VARIABLES)


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
            size = path.stat().st_size
        except OSError:
            size = 0
        return self.seconds + self.seconds_per_megabyte * size / 1_000_000


class Parsed(NamedTuple):
    """What reading a file came to: its documents, or why there are none."""

    file: Candidate
    documents: tuple[Document, ...] = ()
    error: UnreadableDocument | None = None


class _Died(NamedTuple):
    """A child that is no more: it ended with `code`, or was ended after `seconds`."""

    code: int = 0
    seconds: float = 0.0
    said_too_much: bool = False


class Parsing:
    """Reads files in a child process; a context manager, which ends the child.

    `worker` is the module that the child runs.

    >>> with Parsing() as parsing:
    ...     [parsed.error for parsed in parsing.parse([])]
    []
    """

    def __init__(
        self, limits: Limits | None = None, *, ocr: bool = False, worker: str = _WORKER
    ) -> None:
        self._limits = limits or (Limits.for_ocr() if ocr else Limits())
        self._ocr = ocr
        self._worker = worker
        self._child: _Child | None = None
        self._answered = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the child, whatever it is at."""
        self._end()

    def parse(self, files: Iterable[Candidate]) -> Iterator[Parsed]:
        """Yield what reading each file came to, in order; `files` is drawn from ahead of it.

        A document has the file's `name` as its id, or as the beginning of it.

        Raises:
            MissingPrerequisite: the child does not start.
        """
        drawn = iter(files)
        waiting: deque[Candidate] = deque()
        while True:
            while len(waiting) < _AHEAD and (file := next(drawn, None)) is not None:
                waiting.append(file)
                self._send(file)
            if not waiting:
                return
            file = waiting[0]
            answer = self._receive(file)
            if isinstance(answer, Parsed):
                waiting.popleft()
                yield answer
                continue
            # What earlier files left behind may be the reason: a fresh child proves it.
            is_proven = self._answered == 0 or answer.seconds > 0 or answer.said_too_much
            self._end()
            if is_proven:
                waiting.popleft()
            for item in waiting:
                self._send(item)
            if is_proven:
                yield Parsed(file, error=_why(file.path, answer, self._limits))

    def _send(self, file: Candidate) -> None:
        if self._child is None:
            self._child = _Child(self._limits, self._ocr, self._worker)
            self._answered = 0
        seconds = self._limits.seconds_for(file.path)
        threads = (os.cpu_count() or 1) if self._ocr else 1
        self._child.send(
            {
                "path": str(file.path),
                "name": file.name,
                "processor_seconds": int(seconds * threads) + 1,
            }
        )

    def _receive(self, file: Candidate) -> Parsed | _Died:
        assert self._child is not None
        line = self._child.receive(self._limits.seconds_for(file.path))
        if isinstance(line, _Died):
            return line
        try:
            parsed = _parsed(file, json.loads(line.decode("utf-8", errors="surrogatepass")))
        except (ValueError, KeyError, TypeError, AttributeError):
            return _Died()
        self._answered += 1
        return parsed

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


class _Sent(NamedTuple):
    at: float
    size: int


class _Child:
    """The process, what was sent to it and when, and the lines that came from it."""

    def __init__(self, limits: Limits, ocr: bool, worker: str) -> None:
        self._limits = limits
        self._lines: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        self._unsent: deque[Mapping[str, Any]] = deque()
        self._sent: deque[_Sent] = deque()
        self._before = time.monotonic()
        self._is_ready = False
        command = [sys.executable, "-P", "-B", "-W", "ignore", "-m", worker]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={key: value for key, value in os.environ.items() if key in _VARIABLES},
            )
        except OSError as error:
            raise _not_started(error.strerror or str(error)) from error
        threading.Thread(target=self._drain, daemon=True).start()
        self._write(
            {
                "memory_bytes": limits.memory_bytes,
                "output_bytes": limits.output_bytes,
                "ocr": ocr,
            }
        )

    def send(self, request: Mapping[str, Any]) -> None:
        """Send a request, or keep it until the child has answered enough of those before."""
        self._unsent.append(request)
        self._send_more()

    def _send_more(self) -> None:
        while self._unsent and sum(item.size for item in self._sent) < _PIPE_BYTES // 2:
            size = self._write(self._unsent.popleft())
            self._sent.append(_Sent(time.monotonic(), size))

    def _write(self, request: Mapping[str, Any]) -> int:
        """Write a line; that nobody reads it any more is seen when the answer is awaited."""
        assert self._process.stdin is not None
        line = json.dumps(request).encode() + b"\n"
        with suppress(OSError):
            self._process.stdin.write(line)
            self._process.stdin.flush()
        return len(line)

    def receive(self, seconds: float) -> bytes | _Died:
        """Return the next answer; its time runs from when it was sent or the one before came.

        Raises:
            MissingPrerequisite: the process did not even start.
        """
        if not self._is_ready:
            ready = self._next_line(self._before + _START_SECONDS)
            if isinstance(ready, _Died):
                raise _not_started(self._last_words(), ready)
            self._is_ready = True
        line = self._next_line(max(self._before, self._sent[0].at) + seconds)
        if isinstance(line, _Died):
            return line._replace(seconds=seconds) if line.seconds else line
        self._sent.popleft()
        self._send_more()
        return line

    def end(self) -> None:
        """Kill the process where it still runs, and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def _next_line(self, deadline: float) -> bytes | _Died:
        try:
            arrived, line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return _Died(seconds=deadline)
        self._before = arrived
        if line.endswith(b"\n"):
            return line
        if len(line) >= self._line_bytes:
            return _Died(said_too_much=True)
        try:
            return _Died(self._process.wait(_END_SECONDS))
        except subprocess.TimeoutExpired:
            return _Died()

    @property
    def _line_bytes(self) -> int:
        return self._limits.output_bytes * _LINE_FACTOR

    def _drain(self) -> None:
        """Put every line on the queue with its time; one without an end is the last."""
        assert self._process.stdout is not None
        line = b"\n"
        while line.endswith(b"\n"):
            try:
                line = self._process.stdout.readline(self._line_bytes)
            except (OSError, ValueError):
                line = b""
            self._lines.put((time.monotonic(), line))

    def _last_words(self) -> str:
        """Return the last line that the process wrote before it could answer."""
        self._process.kill()
        assert self._process.stderr is not None
        words = self._process.stderr.read()[-_ERROR_TAIL:].decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(words) if line.strip()), "it said nothing")


def _parsed(file: Candidate, answer: Mapping[str, Any]) -> Parsed:
    if "error" in answer:
        what, where, why, next_step = map(str, answer["error"])
        error = UnreadableDocument(what, where=where, why=why, next_step=next_step)
        return Parsed(file, error=error)
    return Parsed(file, tuple(_document(item, file.name) for item in answer["documents"]))


def _document(data: Mapping[str, Any], name: str) -> Document:
    """Return the document of an answer; only what is known is taken over, each as its kind."""
    texts = {key: str(data[key]) for key in ("source", "title", "text", "content_hash", "loader")}
    if data["id"] != name and not str(data["id"]).startswith(name + "#"):
        raise ValueError("the id of another file")
    sections = tuple(
        Section(tuple(map(str, path)), int(start), int(end), None if page is None else int(page))
        for path, start, end, page in data["sections"]
    )
    return Document(
        id=str(data["id"]), sections=sections, notes=tuple(map(str, data["notes"])), **texts
    )


def _why(path: Path, died: _Died, limits: Limits) -> UnreadableDocument:
    """Return what a child's end says of the file that it was reading."""
    signal_name = ""
    with suppress(ValueError):
        signal_name = signal.Signals(-died.code).name if died.code < 0 else ""
    leave = "leave it out, or save it anew in its program and add it again"
    if died.seconds or signal_name == "SIGXCPU":
        seconds = died.seconds or limits.seconds_for(path)
        what, why = f"the file took longer than {seconds:.0f} s to read", "reading was stopped"
    elif died.code == _OUT_OF_MEMORY:
        what = f"the file needed more than {limits.memory_bytes / 1e9:g} GB to read"
        why = "reading was stopped"
    elif died.said_too_much:
        megabytes = limits.output_bytes * _LINE_FACTOR // 1_000_000
        what, why = f"the file came to more than {megabytes} MB of text", "reading was stopped"
    elif signal_name == "SIGKILL":
        what = "the reader died"
        why = "the system killed it, most often because memory ran out"
    else:
        end = signal_name or f"exit code {died.code}"
        what, why = "the reader died", f"its process ended with {end} while it read the file"
    return UnreadableDocument(what, where=str(path), why=why, next_step=leave)


def _not_started(why: str, died: _Died | None = None) -> MissingPrerequisite:
    how = f" (exit code {died.code})" if died and died.code else ""
    return MissingPrerequisite(
        "the process that reads files did not start",
        where=sys.executable or "no Python interpreter is known",
        why=why + how,
        next_step="graft doctor",
    )
