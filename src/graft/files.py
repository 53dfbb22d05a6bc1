"""Files that Graft keeps: written whole or not at all, and refused where they cannot be read."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from pathlib import Path
from typing import Any, NoReturn

from graft.errors import BadInput, NoSpaceLeft
from graft.formats import unsealed

__all__ = ["raise_no_space", "raise_unwritable", "read_stored", "write_atomically"]


def write_atomically(path: Path, text: str) -> None:
    """Write a whole file or leave the old one.

    Raises:
        NoSpaceLeft: the disk is full; the old file stands unchanged.
        BadInput: the file may not be written, or its folder is none.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise_unwritable(error, path)


def read_stored(path: Path, what: str, next_step: str, kind: type = dict) -> Any:  # noqa: ANN401
    """Return the JSON of a file that Graft wrote, of this kind; `what` says that it is none.

    Raises:
        BadInput: the file is torn, damaged or not there; `next_step` makes it anew.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, kind):
            raise ValueError(f"it holds no JSON {'object' if kind is dict else 'list'}")
        return unsealed(data) if isinstance(data, dict) else data
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())
        raise BadInput(what, where=str(path), why=why, next_step=next_step) from error


def raise_unwritable(error: OSError, path: Path) -> NoReturn:
    """Turn any failure to write a file or folder into an error that says what to do."""
    raise_no_space(error, path)
    folder = next((item for item in path.parents if os.path.isdir(item)), path.parent)
    raise BadInput(
        "the file cannot be written",
        where=str(path),
        why=error.strerror or str(error),
        next_step=f"name another path, or give yourself write access to {folder}",
    ) from error


def raise_no_space(error: OSError, path: Path) -> None:
    """Turn "no space left on device" into our error; return for every other one."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise NoSpaceLeft(
            "no space left on the disk",
            where=str(path),
            why=str(error),
            next_step="free some space and run the same command again; it continues",
        ) from error
