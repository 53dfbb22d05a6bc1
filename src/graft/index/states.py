"""States of an index under a name: which files belong to one, and whether they are whole.

What backends on disk share. Files of a state are written once and never changed, so a sum
counted when it was published tells for ever whether one is damaged.
"""

from __future__ import annotations

import errno
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from graft.errors import BadInput, FingerprintMismatch
from graft.files import raise_no_space
from graft.protocols import Served

__all__ = [
    "NOTHING",
    "check_files",
    "check_served",
    "raise_refused",
    "sums_of",
    "system_errors",
    "unknown_state",
]

# What is served before anything was ever published.
NOTHING = "nothing"
_SUFFIXES = (".lance", ".manifest", ".arrow", ".bin")
_BLOCK = 1 << 20
# What the system said stands at the end of what Lance says.
_SYSTEM_ERROR = re.compile(r"\(os error ([0-9]+)\)")
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG, errno.EIO)


def sums_of(folder: Path, known: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Return size and check sum of the files of an index; those `known` are not read again."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in _SUFFIXES and path.is_file():
            name = path.relative_to(folder).as_posix()
            size = path.stat().st_size
            before = known.get(name)
            found[name] = before if before and before[0] == size else (size, _sum(path))
    return found


def check_files(folder: Path, files: Mapping[str, tuple[int, ...]], good: set[str]) -> set[str]:
    """Check the files that are there against their sums, but for those known to be `good`.

    A file that is gone belonged to an older state, or its absence is noticed when it is read.

    Raises:
        BadInput: a file is not what was written.
    """
    for name, (size, expected) in files.items():
        path = folder / name
        if name in good or not path.exists():
            continue
        if path.stat().st_size != size or _sum(path) != expected:
            raise BadInput(
                "the index is damaged",
                where=str(path),
                why="the file is not what was written",
                next_step=f"remove {folder.parent} and run graft add again; it is built anew",
            )
    return set(files)


def check_served(folder: Path, serves: Served | None) -> None:
    """Refuse an index that was replaced while this process had it open.

    Raises:
        FingerprintMismatch: another one is served, made with another embedder.
    """
    if serves and serves.index_name() != folder.name:
        raise FingerprintMismatch(
            "the index was replaced by one of another embedder",
            where=str(folder),
            why=f"graft reindex made {serves.index_name()} while this process was running",
            next_step="run the same command again; it opens the new index",
        )


def raise_refused(error: Exception, folder: Path) -> None:
    """Raise for a failure of the disk or of a right, not of the index; else return.

    Raises:
        NoSpaceLeft: the disk or the quota is full.
        BadInput: the system does not let the files be written or read.
    """
    said = str(error).split("\n", 1)[0]
    found = _SYSTEM_ERROR.search(str(error))
    number = int(found[1]) if found else getattr(error, "errno", None)
    if "No space left" in said:
        number = errno.ENOSPC
    if number is None:
        return
    raise_no_space(OSError(number, said), folder)
    if number in _REFUSED:
        raise BadInput(
            "the index cannot be written or read",
            where=str(folder),
            why=f"{os.strerror(number)}: {said[:300]}",
            next_step="give yourself access to it, look at the disk, and run the command again;"
            " what was served stands as it was",
        ) from error


@contextmanager
def system_errors(folder: Path) -> Iterator[None]:
    """Turn what Lance says of the disk or of a right into an error of ours.

    Raises:
        NoSpaceLeft: the disk or the quota is full.
        BadInput: the system does not let the files be written or read.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise_refused(error, folder)
        raise


def unknown_state(folder: Path, why: str = "") -> BadInput:
    """Return the error for a state that is not in the index, or cannot be read."""
    return BadInput(
        "the index is not the one that the catalogue names",
        where=str(folder),
        why=why.split("\n", 1)[0][:300] or "it was made for another workspace or made anew",
        next_step=f"run graft add again; if it stays, remove {folder} before: it is built anew",
    )


def _sum(path: Path) -> int:
    total = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            total = zlib.crc32(block, total)
    return total
