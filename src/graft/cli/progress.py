"""How far a long command is: a bar on a terminal, a line now and then anywhere else.

It is handed to the workspace as a `graft.protocols.Progress` and writes to stderr only. It
does not know which phases there are.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Column
from rich.text import Text

from graft.cli.first_sign import is_animated, is_coloured
from graft.cli.texts import duration, on_one_line

if TYPE_CHECKING:
    from graft.protocols import Progress

__all__ = ["BarProgress", "LineProgress", "terminal_progress"]

LINE_SECONDS = 30.0


@contextmanager
def terminal_progress(quiet: bool) -> Iterator[Progress]:
    """Give the progress that fits stderr; it is closed at the end, also after Ctrl-C."""
    if quiet:
        yield _say_nothing
    elif is_animated(sys.stderr):
        with BarProgress() as bars:
            yield bars
    else:
        yield LineProgress(_write_line)


def _say_nothing(phase: str, done: int, total: int, note: str = "") -> None:
    """Show nothing."""


def _write_line(line: str) -> None:
    print(on_one_line(line), file=sys.stderr, flush=True)  # noqa: T201 - this is the terminal


class LineProgress:
    """One plain line when a phase starts, every 30 seconds and when it ends."""

    def __init__(
        self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take where lines go and the clock."""
        self._write = write
        self._clock = clock
        self._phase = ""
        self._ended = False
        self._first = 0
        self._started = self._written = 0.0

    def __call__(self, phase: str, done: int, total: int, note: str = "") -> None:
        """Note how far a phase is and write a line where one is due."""
        now = self._clock()
        begins = phase != self._phase or (self._ended and done < total)
        if begins:
            self._phase, self._first, self._ended = phase, done, False
            self._started = now
        ends = 0 < total <= done and not self._ended
        if begins or ends or now - self._written >= LINE_SECONDS:
            self._written = now
            self._ended = self._ended or ends
            self._write(self._line(done, total, note, now))

    def _line(self, done: int, total: int, note: str, now: float) -> str:
        """Return a line such as `train 120/300, 41 s left, loss 0.42`."""
        parts = [
            f"{self._phase} {done}/{total}" if total else f"{self._phase} {done or ''}".strip()
        ]
        passed, made = now - self._started, done - self._first
        if self._ended:
            parts.append(f"took {duration(passed)}")
        elif made > 0 and total:
            parts.append(f"{duration(passed / made * (total - done))} left")
        return ", ".join([*parts, note] if note else parts)


class RateColumn(ProgressColumn):
    """Steps a second, or seconds a step where one takes longer."""

    def render(self, task: Task) -> Text:
        """Return the rate; nothing while it is not known."""
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each")


class BarProgress:
    """One bar a phase with count, rate, time left and the note."""

    def __init__(self) -> None:
        """Build the bars; nothing is drawn before the first call."""
        console = Console(stderr=True, no_color=not is_coloured(sys.stderr), highlight=False)
        columns: list[ProgressColumn] = [
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            RateColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}", markup=False, table_column=Column(no_wrap=True)),
        ]
        self._bars: Bars = Bars(*columns, console=console, refresh_per_second=5)
        self._task: TaskID | None = None
        self._phase = ""

    def __enter__(self) -> BarProgress:
        """Start drawing."""
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bars as they are."""
        self._bars.stop()

    def __call__(self, phase: str, done: int, total: int, note: str = "") -> None:
        """Move the bar of a phase; a new phase gets a new bar."""
        known = total or None
        if self._task is None or phase != self._phase:
            self._phase = phase
            self._task = self._bars.add_task(on_one_line(phase), total=known, note="")
        self._bars.update(self._task, completed=done, total=known, note=on_one_line(note))
