"""Which files of the given paths may become documents, and which are left out and why.

It looks at names, kinds and sizes and opens nothing. Links are not followed, and hidden files
and files with further names elsewhere (hard links) not read, unless a path names them itself.
What a database is to the corpus is said here too.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from graft.errors import BadInput, UnreadableDocument
from graft.failures import Skipped
from graft.loader_versions import loader_version
from graft.loaders import loader_for
from graft.loaders.opening import MAX_FILE_BYTES
from graft.protocols import Progress
from graft.types import Document

__all__ = [
    "MAX_FILE_BYTES",
    "Candidate",
    "RowSource",
    "Scan",
    "scan",
    "version_for",
]


class Candidate(NamedTuple):
    """A file to read; `name` is its path below `root`, `root` the given folder (or file)."""

    path: Path
    root: Path
    name: str


class Scan(NamedTuple):
    """What stands under a path."""

    root: Path
    files: list[Candidate]
    skipped: list[Skipped]


class RowSource(Protocol):
    """A database: it gives whole documents, and has no files."""

    @property
    def roots(self) -> tuple[str, ...]:
        """Return what it is stored as, and after that what it may have been stored as."""

    @property
    def left_out(self) -> Sequence[tuple[str, str, str]]:
        """Return what is in no document, why, and the next step; known after reading."""

    def documents(self, on_progress: Progress) -> Iterator[Document]:
        """Read the documents."""


def scan(paths: Sequence[Path], state_folder: Path) -> list[Scan]:
    """Look through paths in the order given, each file once.

    Raises:
        BadInput: a path does not exist; all such paths are named.
    """
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise BadInput(
            "there is no such file or folder",
            where=", ".join(missing),
            why="the path does not exist",
            next_step="check the spelling: ls " + (os.path.dirname(missing[0]) or "."),
        )
    seen: set[Path] = set()
    scans = []
    for path in paths:
        found = Scan(path.resolve(), [], [])
        for file in _walk(found, state_folder.resolve()):
            if file in seen:
                continue
            seen.add(file)
            _sort(file, found)
        scans.append(found)
    _leave_out_hard_links(scans)
    return scans


def version_for(path: Path) -> str:
    """Return the version of the loader that a file's name asks for."""
    try:
        module = type(loader_for(path)).__module__
    except UnreadableDocument:
        return ""
    return loader_version(module.rpartition(".")[2])


def _walk(found: Scan, state_folder: Path) -> Iterator[Path]:
    """Yield the files below a root in order of name; what is hidden is noted, not entered."""
    if not found.root.is_dir():
        yield found.root
        return

    def note(error: OSError) -> None:
        shown = _shown(Path(error.filename or found.root))
        why = error.strerror or str(error)
        found.skipped.append(Skipped(shown, f"folder: {why}", "check its permissions"))

    for folder, folders, files in os.walk(found.root, onerror=note):
        here = Path(folder)
        for name in sorted(folders):
            path = here / name
            if path == state_folder:
                folders.remove(name)
            elif name.startswith(".") or path.is_symlink():
                folders.remove(name)
                reason = "hidden folder" if name.startswith(".") else "link to a folder"
                found.skipped.append(Skipped(_shown(path), reason, "add it by its own path"))
        folders.sort()
        yield from (here / name for name in sorted(files))


def _sort(path: Path, found: Scan) -> None:
    """Put a file with the candidates or with what is left out."""
    given = path == found.root
    reason = _reason(path, given)
    if reason:
        found.skipped.append(reason)
    else:
        name = path.name if given else path.relative_to(found.root).as_posix()
        found.files.append(Candidate(path, found.root, name))


def _reason(path: Path, given: bool) -> Skipped | None:
    shown = _shown(path)
    if path.name.startswith(".") and not given:
        return Skipped(shown, "hidden file", "add it by its own path")
    try:
        path.name.encode()
        status = path.stat() if given else path.lstat()
    except UnicodeEncodeError:
        return Skipped(shown, "file name is not valid Unicode", "rename it and add it again")
    except OSError as error:
        return Skipped(shown, error.strerror or str(error), "check its permissions")
    if stat.S_ISLNK(status.st_mode):
        return Skipped(shown, "link", "add the file that it points to")
    if not stat.S_ISREG(status.st_mode):
        return Skipped(shown, "not a regular file", "leave it out")
    if status.st_size > MAX_FILE_BYTES:
        return Skipped(shown, "larger than 100 MB", "split it and add the parts")
    try:
        loader_for(path)
    except UnreadableDocument as error:
        return Skipped(shown, error.what, error.next_step)
    return None


def _leave_out_hard_links(scans: Sequence[Scan]) -> None:
    """Leave out files that have names outside of what is added: they may be anybody's."""
    names: Counter[tuple[int, int]] = Counter()
    linked: dict[Candidate, os.stat_result] = {}
    for file in (file for found in scans for file in found.files):
        try:
            status = file.path.lstat()
        except OSError:
            continue  # it is gone since; its reader says so
        if status.st_nlink > 1:
            names[status.st_dev, status.st_ino] += 1
            linked[file] = status
    step = "add it by its own path, or add a copy"
    for found in scans:
        kept = []
        for file in found.files:
            own = linked.get(file)
            others = own.st_nlink - names[own.st_dev, own.st_ino] if own else 0
            if others > 0 and file.path != file.root:
                reason = f"hard link: the file has {others} more name{'s' * (others > 1)} elsewhere"
                found.skipped.append(Skipped(_shown(file.path), reason, step))
            else:
                kept.append(file)
        found.files[:] = kept


def _shown(path: Path) -> str:
    """Return a path that can be stored and printed, whatever bytes its name has."""
    return str(path).encode("utf-8", errors="backslashreplace").decode()
