"""The process that opens documents: `python -P -B -m graft.parse_worker`, started by `parsing`.

The first line on standard input holds the limits, every further one names a file; each is
answered by one line of JSON, in order. Parsers run on bytes that strangers wrote, so this
process may write no file, read none but that and Python's own, start no program and open no
connection, and it ends with its limits.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
import os
import signal
import sys
import threading
import time
import zoneinfo
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from graft.errors import UnreadableDocument
from graft.loaders import loader_of
from graft.loaders.opening import holding
from graft.types import Document

__all__ = ["OUT_OF_MEMORY", "answer_request", "main"]

OUT_OF_MEMORY = 77  # the exit code; no code of Python or of a shell
_MAX_OPEN_FILES = 256
_WATCH_SECONDS = 0.2
_FORBIDDEN = (
    "socket.",
    "subprocess.",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "os.chown",
    "os.kill",
    "pty.",
    "pickle.",
    "webbrowser.",
)
_PROCESSOR = ("/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main() -> None:
    """Answer requests until standard input ends."""
    # Ctrl-C reaches every process of the terminal; the parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lines = sys.stdin.buffer
    limits = json.loads(lines.readline())
    with os.fdopen(os.dup(1), "wb") as out:
        _answer(out, {"ready": True})
        # What a library prints must not stand between the answers, nor fill a pipe.
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
        guard = _Guard()
        _confine(limits["memory_bytes"], guard)
        for line in lines:
            request = json.loads(line)
            guard.file = request["path"]
            _limit_processor(request["processor_seconds"])
            try:
                _answer(out, answer_request(request, limits["output_bytes"], limits["ocr"]))
            except MemoryError:
                # Little can be trusted to work in a process without memory: a fresh one goes on.
                os._exit(OUT_OF_MEMORY)


def answer_request(request: Mapping[str, Any], output_bytes: int, ocr: bool) -> dict[str, Any]:
    """Read one file; the answer has its `documents`, or the four parts of an `error`."""
    path = Path(request["path"])
    try:
        documents = _read(path, request["name"], output_bytes, ocr)
    except UnreadableDocument as error:
        return {"error": [error.what, error.where, error.why, error.next_step]}
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - one file's failure is a record, the next goes on
        why = f"{type(error).__name__}: {error}".rstrip(": ")
        return {
            "error": [
                "the file cannot be read",
                str(path),
                f"its loader failed with {why}",
                "open it in its program, save it anew and add it again",
            ]
        }
    return {"documents": [_plain(item) for item in documents]}


def _read(path: Path, name: str, output_bytes: int, ocr: bool) -> list[Document]:
    documents = []
    size = 0
    with holding(path) as data:
        loader, note = loader_of(path, data, ocr=ocr)
        for document in loader.load(path, name):
            size += len(document.text.encode(errors="replace"))
            if size > output_bytes:
                raise UnreadableDocument(
                    f"the file has more than {output_bytes // 1_000_000} MB of text",
                    where=str(path),
                    why="a text so large is no document that people read",
                    next_step="split it and add the parts",
                )
            documents.append(_with_note(document, note))
        _check_hashes(documents, data, path)
    return documents


def _plain(document: Document) -> dict[str, Any]:
    """Return a document as JSON; sections are lists, since there can be very many."""
    return {
        "id": document.id,
        "source": document.source,
        "title": document.title,
        "text": document.text,
        "content_hash": document.content_hash,
        "loader": document.loader,
        "notes": document.notes,
        "sections": [
            (item.heading_path, item.start, item.end, item.page) for item in document.sections
        ],
    }


def _with_note(document: Document, note: str) -> Document:
    return replace(document, notes=(note, *document.notes)) if note else document


def _check_hashes(documents: list[Document], data: bytes, path: Path) -> None:
    """Refuse what was made of other bytes than those that were opened."""
    digest = hashlib.sha256(data).hexdigest()
    if any(item.content_hash != digest for item in documents):
        raise UnreadableDocument(
            "the file was not read as it was opened",
            where=str(path),
            why="its loader read other bytes than those that were looked at",
            next_step="wait until nothing writes to it and add it again",
        )


def _answer(out: BinaryIO, answer: Mapping[str, Any]) -> None:
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    out.write(text.encode("utf-8", errors="surrogatepass") + b"\n")
    out.flush()


class _Guard:
    """Refuses what no document may cause, as an audit hook, which cannot be taken away again.

    What may be read is `file`, what lies where Python looks for modules and their data, and
    the tables of the system that libraries read when they are imported: kinds of files, time
    zones, the processor.
    """

    def __init__(self) -> None:
        self.file = ""
        places = (*sys.path, sys.prefix, sys.base_prefix, str(Path(__file__).parent))
        tables = (*mimetypes.knownfiles, *map(os.fsdecode, zoneinfo.TZPATH), *_PROCESSOR)
        self._own = tuple(
            {os.path.join(os.path.abspath(place), "") for place in (*places, *tables) if place}
        )

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Raise where an event is a forbidden one."""
        is_forbidden = event.startswith(_FORBIDDEN)
        if event == "open" and not isinstance(arguments[0], int):
            is_forbidden = not self._may_open(os.fsdecode(arguments[0]), arguments[2])
        if is_forbidden:
            raise PermissionError(f"reading a document may not do this: {event}")

    def _may_open(self, path: str, flags: object) -> bool:
        if path == os.devnull:
            return True
        if isinstance(flags, int) and flags & _WRITING:
            return False
        # A place can be a file as well, an archive of modules.
        return path == self.file or os.path.join(os.path.abspath(path), "").startswith(self._own)


def _confine(memory_bytes: int, guard: _Guard) -> None:
    """Take away what reading needs not: memory, files, programs, network."""
    sys.addaudithook(guard)
    if sys.platform == "win32":
        return
    import resource

    _set_limit(resource.RLIMIT_CORE, 0)
    _set_limit(resource.RLIMIT_FSIZE, 0)
    _set_limit(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)
    if sys.platform == "darwin":
        # The address space cannot be limited there.
        threading.Thread(target=_watch_memory, args=(memory_bytes,), daemon=True).start()
    else:
        _set_limit(resource.RLIMIT_AS, memory_bytes)


def _set_limit(kind: int, value: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def _limit_processor(seconds: int) -> None:
    """Let the system end this process when the file has used this much processor time."""
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    until = int(time.process_time()) + seconds + 1
    if hard == resource.RLIM_INFINITY or until < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (until, hard))


def _watch_memory(memory_bytes: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    while resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < memory_bytes:
        time.sleep(_WATCH_SECONDS)
    os._exit(OUT_OF_MEMORY)


if __name__ == "__main__":
    main()
