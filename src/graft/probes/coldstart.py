"""Cold start and peak memory: a process of its own serves an arm and answers its first question.

Cold means a fresh process: the files of the model may still be in the system's file cache,
as they are when a server is started again. The parent takes the time from the start of the
process to the line that says the first question is answered. The peak is the child's own
resident memory: what the system counts for an ended child (`os.wait4`) starts, on Linux, from
the size of the process that started it, which may hold three models.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from graft.errors import GenerationFailed

__all__ = ["EFFORTS", "QUESTIONS", "ColdStart", "measure_cold_start", "peak_memory_bytes"]

EFFORTS = ("normal", "thorough")
QUESTIONS = 3
LONGEST_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Seconds from process start to the first answer, of which to load the arm; peak bytes.

    `peak_memory_bytes` is None where the system does not say.
    """

    cold_seconds: float
    load_seconds: float
    peak_memory_bytes: int | None


def measure_cold_start(
    command: Sequence[str], task: Mapping[str, Any], *, longest_seconds: float = LONGEST_SECONDS
) -> ColdStart:
    """Run a command that reads `task` as JSON on stdin and serves; see `graft.serve_once`.

    It must write one line of JSON when the first question is answered and one at its end,
    the last with `load_seconds` and `peak_memory_bytes`.

    Raises:
        GenerationFailed: the process failed, said something else or took too long.
    """
    with tempfile.TemporaryFile() as talk:
        started = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - the caller's own command
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=talk
        )
        killer = threading.Timer(longest_seconds, process.kill)
        killer.start()
        try:
            if process.stdin is None or process.stdout is None:
                raise AssertionError("both were asked for")
            with contextlib.suppress(BrokenPipeError), process.stdin as sink:
                sink.write(json.dumps(task).encode())
            first = process.stdout.readline()
            cold_seconds = time.monotonic() - started
            rest = process.stdout.read().splitlines()
            code, most = _wait(process)
        finally:
            killer.cancel()
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        late = time.monotonic() - started >= longest_seconds
        if code != 0 or not first or not rest:
            raise _failed(command, f"over {longest_seconds:g} s" if late else _last_line(talk))
    try:
        said = json.loads(rest[-1])
        own = said["peak_memory_bytes"]
        return ColdStart(cold_seconds, float(said["load_seconds"]), most if own is None else own)
    except (ValueError, TypeError, KeyError) as error:
        raise _failed(command, f"{type(error).__name__}: {error}") from error


def peak_memory_bytes() -> int | None:
    """Return the peak resident memory of this process, None where the system does not say.

    On Linux from `VmHWM`, which begins anew when a program starts; `ru_maxrss` does not.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, int | None]:
    """Wait for a child; return its exit code and, on macOS, its peak resident bytes."""
    if sys.platform != "darwin":
        return process.wait(), None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss


def _failed(command: Sequence[str], why: str) -> GenerationFailed:
    return GenerationFailed(
        "an arm could not be served by a process of its own",
        where=" ".join(command),
        why=why,
        next_step="graft doctor",
    )


def _last_line(talk: IO[bytes]) -> str:
    talk.seek(0)
    lines = talk.read().decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
