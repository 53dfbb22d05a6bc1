"""The first sign of life: one word on the terminal while libraries are being imported.

It knows nothing of commands. It imports the standard library only, since it must be on the
screen within 100 ms; the first real output takes it away.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TextIO

__all__ = ["FirstSign", "is_animated", "is_coloured"]

SIGN = "starting"
SILENT = frozenset({"--help", "-h", "--version", "-q", "--quiet"})


def is_animated(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal on which the cursor may be moved."""
    return stream.isatty() and os.environ.get("TERM", "") != "dumb"


def is_coloured(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal whose user wants colour (no-color.org)."""
    return is_animated(stream) and not os.environ.get("NO_COLOR")


class FirstSign:
    """A word at the start of the current line; the cursor stays before it.

    What Typer prints itself (help, usage errors) overwrites it, all else calls `end` first.
    """

    def __init__(self, stream: TextIO) -> None:
        """Show nothing yet."""
        self._stream = stream
        self._visible = False

    def begin(self, arguments: Sequence[str]) -> None:
        """Show the word, unless the command answers at once or was asked to be quiet."""
        if not arguments or SILENT.intersection(arguments) or not is_animated(self._stream):
            return
        self._stream.write(f"{SIGN}\r")
        self._stream.flush()
        self._visible = True

    def end(self) -> None:
        """Take the word away, once."""
        if self._visible:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()
            self._visible = False
