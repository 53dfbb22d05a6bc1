"""Writing files so that a crash or a full disk leaves the old file or the new one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from graft.errors import NoSpaceLeft

__all__ = ["raise_no_space", "write_atomically"]


def write_atomically(path: Path, text: str) -> None:
    """Write a whole file or leave the old one.

    Raises:
        NoSpaceLeft: the disk is full; the old file stands unchanged.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise_no_space(error, path)
        raise


def raise_no_space(error: OSError, path: Path) -> None:
    """Turn "no space left on device" into our error; return for every other one."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise NoSpaceLeft(
            "no space left on the disk",
            where=str(path),
            why=str(error),
            next_step="free some space and run the same command again; it continues",
        ) from error
