"""Files become documents in a process of its own, which may fail without taking this one along.

One long-lived child (`parse_child`) reads one file after another; paths are sent ahead, so that
it reads while the caller uses what came, and documents come back in order, as JSON. A file that
takes too long, needs too much or kills its reader is an `UnreadableDocument`, and a fresh child
goes on with the next. The child's side is `parse_worker`; which files there are and what becomes
of the documents is `reading`'s affair.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from graft.errors import UnreadableDocument
from graft.parse_child import LINE_FACTOR, Child, Died, Limits
from graft.sources import Candidate
from graft.types import Document, Section

__all__ = ["Limits", "Parsed", "Parsing"]

_WORKER = "graft.parse_worker"
_OUT_OF_MEMORY = 77  # as `parse_worker` has it, which is never imported here
_AHEAD = 32
_HALVES = re.compile(r"[\ud800-\udfff]")


class Parsed(NamedTuple):
    """What reading a file came to: its documents, or why there are none."""

    file: Candidate
    documents: tuple[Document, ...] = ()
    error: UnreadableDocument | None = None


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
        self._child: Child | None = None
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
            self._child = Child(self._limits, self._ocr, self._worker)
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

    def _receive(self, file: Candidate) -> Parsed | Died:
        assert self._child is not None
        line = self._child.receive(self._limits.seconds_for(file.path))
        if isinstance(line, Died):
            return line
        try:
            parsed = _parsed(file, json.loads(line.decode("utf-8", errors="surrogatepass")))
        except (ValueError, KeyError, TypeError, AttributeError):
            return Died()
        self._answered += 1
        return parsed

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


def _parsed(file: Candidate, answer: Mapping[str, Any]) -> Parsed:
    if "error" in answer:
        what, where, why, next_step = map(str, answer["error"])
        error = UnreadableDocument(what, where=where, why=why, next_step=next_step)
        return Parsed(file, error=error)
    return Parsed(file, tuple(_document(item, file.name) for item in answer["documents"]))


def _document(data: Mapping[str, Any], name: str) -> Document:
    """Return the document of an answer; only what is known is taken over, each as its kind."""
    names = ("source", "title", "text", "content_hash", "loader")
    texts = {key: _whole(data[key]) for key in names}
    if data["id"] != name and not str(data["id"]).startswith(name + "#"):
        raise ValueError("the id of another file")
    sections = tuple(
        Section(tuple(map(_whole, path)), int(start), int(end), None if page is None else int(page))
        for path, start, end, page in data["sections"]
    )
    return Document(
        id=str(data["id"]), sections=sections, notes=tuple(map(_whole, data["notes"])), **texts
    )


def _whole(text: object) -> str:
    """Return a text of whole characters: with a half of one it could not be stored."""
    return _HALVES.sub("\ufffd", str(text))


def _why(path: Path, died: Died, limits: Limits) -> UnreadableDocument:
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
        megabytes = limits.output_bytes * LINE_FACTOR // 1_000_000
        what, why = f"the file came to more than {megabytes} MB of text", "reading was stopped"
    elif signal_name == "SIGKILL":
        what = "the reader died"
        why = "the system killed it, most often because memory ran out"
    else:
        end = signal_name or f"exit code {died.code}"
        what, why = "the reader died", f"its process ended with {end} while it read the file"
    return UnreadableDocument(what, where=str(path), why=why, next_step=leave)
