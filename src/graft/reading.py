"""Reading files and databases into documents and passages, before anything of a corpus is changed.

It decides what is new, changed, unchanged or gone, and which id a document has. What it read
it hands over piece by piece and keeps only names, so that memory does not grow with a corpus.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import unquote

from graft.catalog import Entry, Origin, Skipped, State
from graft.errors import BadInput, UnreadableDocument
from graft.failures import failed, is_due
from graft.loader_versions import is_outdated, loader_version
from graft.loaders.opening import open_regular
from graft.parsing import Parsed, Parsing
from graft.protocols import Progress, Splitter
from graft.provenance import text_statistics
from graft.sources import Candidate, RowSource, Scan, version_for
from graft.staging import Staged
from graft.types import Document, fingerprint

__all__ = ["Desk", "Past", "Reader", "Reading", "splitter_identity"]


class Desk(Protocol):
    """Takes what was read; `staged` is what an interrupted run has left there."""

    def stage(self, entry: Entry) -> None:
        """Take a document with its passages."""

    def staged(self, source: str, splitter: str) -> Sequence[Staged]:
        """Return what is there of a source, cut by this splitter."""

    def use(self, rows: Sequence[int]) -> None:
        """Take documents that are there already."""


class Past(NamedTuple):
    """What was left out before, the time now, and whether failed files are tried regardless."""

    skipped: Mapping[str, Skipped]
    now: float
    retry: bool = False


@dataclass(slots=True)
class Reading:
    """What reading came to, as ids of documents.

    `fresh` were handed over (with the hash of their content), `renamed` pairs the id before
    with the id now, `skipped` has the files left out under each root, `cured` the paths that
    were left out before and are not any more.
    """

    fresh: dict[str, str] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    renamed: list[tuple[str, str]] = field(default_factory=list)
    skipped: dict[str, list[Skipped]] = field(default_factory=dict)
    cured: list[str] = field(default_factory=list)


def splitter_identity(splitter: Splitter) -> str:
    """Name a splitter and its settings; one that does not say is named by its class."""
    return str(getattr(splitter, "identity", "")) or fingerprint(type(splitter).__qualname__)


class Reader:
    """Reads candidates for one corpus; `before` is what it holds, `base` its workspace.

    What was read goes to the `desk`. With `ocr` pictures of text are read, which takes
    seconds a page.
    """

    def __init__(
        self,
        base: Path,
        before: Mapping[str, State],
        splitter: Splitter,
        desk: Desk,
        past: Past,
        *,
        ocr: bool = False,
    ) -> None:
        self._base = base.resolve()
        self._before = before
        self._desk = desk
        self._past = past
        self._status: dict[Path, os.stat_result] = {}
        self._splitter = splitter
        self._ocr = ocr
        self._identity = splitter_identity(splitter)
        self._owners = {name: state.source for name, state in before.items()}
        self._names: dict[str, list[str]] = {}
        for name, source in self._owners.items():
            self._names.setdefault(source, []).append(name)

    def read(self, scans: Sequence[Scan], on_progress: Progress) -> Reading:
        """Read every candidate; what cannot be read is noted with its reason.

        Raises:
            BadInput: two files claim one id.
        """
        reading = Reading()
        for found in scans:
            reading.skipped.setdefault(self.source(found.root), []).extend(found.skipped)
        files = [file for found in scans for file in found.files]
        done = itertools.count(1)

        def tell(file: Candidate) -> None:
            on_progress("read", next(done), len(files), file.name)

        with Parsing(ocr=self._ocr) as parsing:
            for parsed in parsing.parse(self._changed(files, reading, tell)):
                self._take(parsed, reading)
                tell(parsed.file)
        roots = {self.source(found.root) for found in scans}
        reading.gone += [
            name
            for name, state in self._before.items()
            if state.root in roots and not self._exists(state.source)
        ]
        gone = set(reading.gone)
        for items in reading.skipped.values():
            # A file that went while it was read is removed: nothing of it stays.
            items[:] = [item for item in items if not item.keeps or not gone.issuperset(item.keeps)]
        return reading

    def close(self, reading: Reading) -> Reading:
        """Say what became of documents that left: a file of the same content is a new name."""
        hashes = set(reading.fresh.values())
        places: dict[tuple[str, str], list[str]] = {}
        for name, state in sorted(self._before.items()):
            if state.content_hash in hashes and name not in reading.fresh:
                places.setdefault((state.content_hash, _part(name)), []).append(name)
        for name, content_hash in reading.fresh.items():
            if name in self._before:
                continue
            for old in places.get((content_hash, _part(name)), []):
                if not self._exists(self._before[old].source):
                    reading.renamed.append((old, name))
                    reading.gone.append(old)
                    places[content_hash, _part(name)].remove(old)
                    break
        gone = dict.fromkeys(reading.gone)
        reading.gone = [name for name in gone if name in self._before and name not in reading.fresh]
        return reading

    def read_rows(self, source: RowSource, reading: Reading, on_progress: Progress) -> None:
        """Read a database; its documents whose text is as it was are left alone.

        Raises:
            BadInput: it cannot be read, or an id is another source's.
        """
        root = source.roots[0]
        made: set[str] = set()
        again = {item.doc_id: item for item in self._desk.staged(root, self._identity)}
        for document in source.documents(on_progress):
            self._claim(document, root, source.roots)
            made.add(document.id)
            staged = again.get(document.id)
            before = self._before.get(document.id)
            same = (root, document.content_hash, root, self._identity)
            if before is not None and before[:4] == same:
                reading.unchanged.append(document.id)
                continue
            reading.fresh[document.id] = document.content_hash
            if staged is not None and staged.content_hash == document.content_hash:
                self._desk.use([staged.row])
            else:
                self._stage(replace(document, source=root), root, None)
        reading.skipped.update({name: [] for name in source.roots})
        reading.skipped[root] = [Skipped(*item) for item in source.left_out]
        reading.gone += [
            name
            for name, state in self._before.items()
            if state.root in source.roots and name not in made
        ]

    def source(self, path: Path) -> str:
        """Return a path as it is stored: relative inside the workspace, so that it can move."""
        if path.is_relative_to(self._base):
            return path.relative_to(self._base).as_posix()
        return path.as_posix()

    def _changed(
        self, files: Sequence[Candidate], reading: Reading, tell: Callable[[Candidate], None]
    ) -> Iterator[Candidate]:
        """Yield the files that must be parsed; note those that are as they were."""
        for file in files:
            try:
                is_settled = self._is_settled(file, reading)
            except UnreadableDocument as error:
                self._skip(file, error, reading)
                is_settled = True
            if is_settled:
                tell(file)
            else:
                yield file

    def _is_settled(self, file: Candidate, reading: Reading) -> bool:
        """Tell whether a file need not be parsed, and note why."""
        source = self.source(file.path)
        known = self._names.get(source, [])
        before = self._past.skipped.get(str(file.path))
        is_given = file.path == file.root
        if before is not None and before.state == "removed" and not known and not is_given:
            reading.skipped[self.source(file.root)].append(before)
            return True
        if known and self._is_unchanged(known, file.path):
            reading.unchanged += known
            self._cure(file, reading)
            return True
        if before is not None and self._waits(before, file.path):
            reading.skipped[self.source(file.root)].append(before)
            return True
        if self._is_staged(file, source, known, reading):
            return True
        with suppress(OSError):  # it is gone since; its reader says so
            self._status[file.path] = file.path.lstat()
        return False

    def _waits(self, before: Skipped, path: Path) -> bool:
        """Tell whether a file that failed is not to be tried now."""
        if before.state not in ("failed", "dead") or self._past.retry:
            return False
        return not is_due(before, self._signature(path), self._past.now)

    def _is_staged(
        self, file: Candidate, source: str, known: Sequence[str], reading: Reading
    ) -> bool:
        """Tell whether an interrupted run has read these very bytes, and take what it left."""
        staged = self._desk.staged(source, self._identity)
        root = self.source(file.root)
        if not staged or any(
            (item.root, item.loader_version) != (root, loader_version(item.loader))
            for item in staged
        ):
            return False
        if {item.content_hash for item in staged} != {_digest(file.path)}:
            return False
        if any(self._owners.get(item.doc_id, source) != source for item in staged):
            return False
        for item in staged:
            self._owners[item.doc_id] = source
            reading.fresh[item.doc_id] = item.content_hash
        self._cure(file, reading)
        self._desk.use([item.row for item in staged])
        reading.gone += [name for name in known if name not in reading.fresh]
        return True

    def _take(self, parsed: Parsed, reading: Reading) -> None:
        """Cut the documents of a file into passages, or note why there are none."""
        file = parsed.file
        status = self._status.pop(file.path, None)
        if parsed.error is not None:
            self._skip(file, parsed.error, reading)
            return
        source = self.source(file.path)
        known = self._names.get(source, [])
        name = self._known_name(file, known) if known else self._free_id(file, source)
        for item in parsed.documents:
            document = replace(item, id=name + item.id.removeprefix(file.name), source=source)
            self._claim(document, source)
            self._stage(document, self.source(file.root), status)
            reading.fresh[document.id] = document.content_hash
        self._cure(file, reading)
        reading.gone += [name for name in known if name not in reading.fresh]

    def _cure(self, file: Candidate, reading: Reading) -> None:
        """Note that a file left out before is not any more, from whichever root it came."""
        if str(file.path) in self._past.skipped:
            reading.cured.append(str(file.path))

    def _stage(self, document: Document, root: str, status: os.stat_result | None) -> None:
        origin = Origin(
            loader_version(document.loader),
            status.st_mtime if status else None,
            status.st_size if status else None,
            text_statistics(document.text),
        )
        passages = tuple(self._splitter.split(document))
        self._desk.stage(Entry(document, passages, root, self._identity, origin))

    def _skip(self, file: Candidate, error: UnreadableDocument, reading: Reading) -> None:
        """Note a failed attempt; what the corpus has of the file stays as it is."""
        why = f"{error.what}: {error.why}" if error.why else error.what
        known = tuple(self._names.get(self.source(file.path), ()))
        if known:
            why += "; the version added before stays"
        item = Skipped(str(file.path), why, error.next_step, keeps=known)
        before = self._past.skipped.get(item.path)
        reading.skipped[self.source(file.root)].append(
            failed(item, before, self._signature(file.path), self._past.now)
        )

    def _signature(self, path: Path) -> str:
        """Name a file as it is and what would read it: another name is worth another attempt."""
        try:
            status = path.lstat()
        except OSError as error:
            return error.strerror or str(error)
        times = (status.st_mtime_ns, status.st_ctime_ns)
        parts = (status.st_size, *times, version_for(path), "ocr" if self._ocr else "")
        return ":".join(map(str, parts))

    def _is_unchanged(self, names: Sequence[str], path: Path) -> bool:
        states = [self._before[name] for name in names if name in self._before]
        if not states or any(
            state.splitter != self._identity or is_outdated(state.loader, state.loader_version)
            for state in states
        ):
            return False
        digest = _digest(path)
        return all(state.content_hash == digest for state in states)

    def _known_name(self, file: Candidate, known: Sequence[str]) -> str:
        """Return the id that a file has; its documents may have that with a part behind it."""
        for name in self._possible_names(file):
            if any(item == name or item.startswith(name + "#") for item in known):
                return name
        return min(known, key=len)

    def _free_id(self, file: Candidate, source: str) -> str:
        """Return the path below the folder; with the folder's name where that is taken.

        An id whose file is no more goes over to the file that now has its path: the folder
        was moved.
        """
        for name in self._possible_names(file):
            owner = self._owners.get(name)
            if owner is None or owner == source or not self._exists(owner):
                return name
        raise _claimed(file.name, source, self._owners[file.name])

    def _possible_names(self, file: Candidate) -> tuple[str, str]:
        folder = file.root if file.root.is_dir() else file.root.parent
        return file.name, f"{folder.name}/{file.name}"

    def _claim(self, document: Document, source: str, known_as: Sequence[str] = ()) -> None:
        owner = self._owners.get(document.id)
        is_own = owner == source or owner in known_as
        if owner is not None and not is_own and self._exists(owner):
            raise _claimed(document.id, source, owner)
        self._owners[document.id] = source

    def _exists(self, source: str) -> bool:
        """Tell whether a source is there; a server is taken to be."""
        kind, is_database, place = source.partition("://")
        if is_database and kind != "sqlite":
            return True
        path = unquote(place.removeprefix("/")) if is_database else source
        try:
            return (self._base / path).exists()
        except OSError:
            return True  # what cannot be looked at is not known to be gone


def _digest(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _part(name: str) -> str:
    """Return which part of its file a document is; empty where it is the whole file."""
    return name.partition("#")[2]


def _claimed(name: str, source: str, owner: str) -> BadInput:
    has_database = "://" in source + owner
    return BadInput(
        f"two {'sources' if has_database else 'files'} claim the same document id",
        where=name,
        why=f"{source} would take the place of {owner}",
        next_step="name the database otherwise: [sources.NAME] in graft.toml, graft add NAME"
        if has_database
        else "put both below one folder and add that folder",
    )
