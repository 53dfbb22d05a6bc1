"""Reading files and databases into documents and passages, before anything of a corpus is changed.

It decides what is new, changed, unchanged or gone, and which id a document has. It writes
nothing: the corpus stores what was read, or drops it all.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote

from graft.catalog import Entry, Skipped, State
from graft.errors import BadInput, UnreadableDocument
from graft.loaders.opening import open_regular
from graft.parsing import Parsed, Parsing
from graft.protocols import Progress, Splitter
from graft.sources import Candidate, RowSource, Scan
from graft.types import Document, fingerprint

__all__ = ["Reader", "Reading", "splitter_identity"]


@dataclass(slots=True)
class Reading:
    """What reading came to: entries to store, ids left as they are, ids whose file is gone.

    `skipped` has the files left out under each root.
    """

    entries: list[Entry] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    skipped: dict[str, list[Skipped]] = field(default_factory=dict)


def splitter_identity(splitter: Splitter) -> str:
    """Name a splitter and its settings; one that does not say is named by its class."""
    return str(getattr(splitter, "identity", "")) or fingerprint(type(splitter).__qualname__)


class Reader:
    """Reads candidates for one corpus; `before` is what it holds, `base` its workspace.

    With `ocr` pictures of text are read, which takes seconds a page.
    """

    def __init__(
        self, base: Path, before: Mapping[str, State], splitter: Splitter, *, ocr: bool = False
    ) -> None:
        self._base = base.resolve()
        self._before = before
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
        fresh = {entry.document.id for entry in reading.entries}
        reading.gone = [name for name in dict.fromkeys(reading.gone) if name not in fresh]
        return reading

    def read_rows(self, source: RowSource, reading: Reading, on_progress: Progress) -> None:
        """Read a database; its documents whose text is as it was are left alone.

        Raises:
            BadInput: it cannot be read, or an id is another source's.
        """
        root = source.roots[0]
        made: set[str] = set()
        for document in source.documents(on_progress):
            self._claim(document, root, source.roots)
            made.add(document.id)
            if self._before.get(document.id) == State(
                root, document.content_hash, root, self._identity
            ):
                reading.unchanged.append(document.id)
            else:
                passages = tuple(self._splitter.split(document))
                reading.entries.append(
                    Entry(replace(document, source=root), passages, root, self._identity)
                )
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
            known = self._names.get(self.source(file.path), [])
            try:
                is_unchanged = bool(known) and self._is_unchanged(known, file.path)
            except UnreadableDocument as error:
                self._skip(file, error, reading)
                tell(file)
                continue
            if is_unchanged:
                reading.unchanged += known
                tell(file)
            else:
                yield file

    def _take(self, parsed: Parsed, reading: Reading) -> None:
        """Cut the documents of a file into passages, or note why there are none."""
        file = parsed.file
        if parsed.error is not None:
            self._skip(file, parsed.error, reading)
            return
        source = self.source(file.path)
        known = self._names.get(source, [])
        name = self._known_name(file, known) if known else self._free_id(file, source)
        made = set()
        for item in parsed.documents:
            document = replace(item, id=name + item.id.removeprefix(file.name), source=source)
            self._claim(document, source)
            passages = tuple(self._splitter.split(document))
            root = self.source(file.root)
            reading.entries.append(Entry(document, passages, root, self._identity))
            made.add(document.id)
        reading.gone += [name for name in known if name not in made]

    def _skip(self, file: Candidate, error: UnreadableDocument, reading: Reading) -> None:
        why = f"{error.what}: {error.why}" if error.why else error.what
        skipped = reading.skipped[self.source(file.root)]
        skipped.append(Skipped(str(file.path), why, error.next_step))

    def _is_unchanged(self, names: Sequence[str], path: Path) -> bool:
        states = [self._before[name] for name in names if name in self._before]
        if not states or any(state.splitter != self._identity for state in states):
            return False
        with open_regular(path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
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
        return (self._base / path).exists()


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
