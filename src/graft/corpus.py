"""The corpus: documents and passages at one version, kept in step with an index.

The catalogue is the truth and the index follows it. Every change is staged, written to the
index and then made live in one transaction (`changes`), by one writer at a time; readers take
no lock and see one version whole.
"""

from __future__ import annotations

import difflib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from graft.catalog import Catalog, Skipped, State
from graft.changes import Change
from graft.errors import BadInput
from graft.loader_versions import is_outdated, version_of_rows
from graft.loaders import known_extensions
from graft.locking import WriterLock
from graft.protocols import Embedder, PassageStore, Progress, Published, Splitter
from graft.provenance import Provenance, provenance_of
from graft.reading import Past, Reader, Reading
from graft.reindexing import Reindexed, reindex
from graft.removing import chosen_documents, removed_files
from graft.sources import RowSource, scan
from graft.staging import Goal
from graft.types import Document, Passage, PassageKind, Question, fingerprint
from graft.verifying import Problem, verify
from graft.versions import (
    Diff,
    Version,
    diff,
    list_versions,
    plan_rollback,
    set_tag,
    version_number,
)

__all__ = ["AddReport", "Corpus", "PassageStore", "Skipped", "silent"]

CATALOG = "catalog.sqlite"


@dataclass(frozen=True, slots=True)
class AddReport:
    """What an `add` did, as document ids; `passages` counts those of all documents now.

    `renamed` pairs the id before with the id now; those are in no other list, nor are those
    in `reread`, whose files are as they were but whose loader is newer. `version` is the
    number of the live version, 0 where there is none.
    """

    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    passages: int = 0
    renamed: tuple[tuple[str, str], ...] = ()
    version: int = 0
    reread: tuple[str, ...] = ()


def silent(phase: str, done: int, total: int, note: str = "") -> None:
    """Take progress and show nothing."""


class Corpus:
    """The documents of a workspace; `folder` is its `.graft`, `clock` tells the time.

    With `ocr` pages that are pictures of text are read too.
    """

    def __init__(
        self, folder: Path, clock: Callable[[], float] = time.time, *, ocr: bool = False
    ) -> None:
        self._ocr = ocr
        self.folder = folder
        self._catalog = Catalog(folder / CATALOG)
        self._lock = WriterLock(folder)
        self._clock = clock

    @property
    def version(self) -> str:
        """Name the documents, how they are read and cut: ids, hashes, loaders, splitters."""
        return version_of_rows(
            (name, item.content_hash, item.splitter, item.loader_version)
            for name, item in self._catalog.states().items()
        )

    def documents(self, version: int | str | None = None) -> list[Document]:
        """Return all documents, by id, now or at a version."""
        return self._catalog.documents(self._number(version))

    def has_documents(self) -> bool:
        """Tell whether there is any document, without reading one."""
        return self._catalog.has_documents()

    def document(self, doc_id: str, version: int | str | None = None) -> Document:
        """Return one document.

        Raises:
            BadInput: there is none of this id; the nearest id is named.
        """
        found = self._catalog.document(doc_id, self._number(version))
        if found is None:
            near = difflib.get_close_matches(doc_id, self._catalog.states(), n=1)
            raise BadInput(
                "there is no such document",
                where=doc_id,
                why=f"did you mean {near[0]}?" if near else "no document has this id",
                next_step="graft status",
            )
        return found

    def passages(
        self, kind: PassageKind = "document", version: int | str | None = None
    ) -> list[Passage]:
        """Return the passages of the documents, or the training pairs."""
        return self._catalog.passages(kind, self._number(version))

    def skipped(self) -> list[Skipped]:
        """Return the files that the last `add` of their folder left out."""
        return self._catalog.skipped()

    def provenance(self, doc_id: str, version: int | str | None = None) -> Provenance:
        """Return where a document comes from.

        Raises:
            BadInput: there is none of this id; the nearest id is named.
        """
        self.document(doc_id, version)
        return provenance_of(self._catalog, doc_id, self._number(version))

    def versions(self) -> list[Version]:
        """Return the versions that are kept, oldest first."""
        return list_versions(self._catalog)

    def diff(self, before: int | str, after: int | str) -> Diff:
        """Return what differs between two versions, given as numbers or tags."""
        catalog = self._catalog
        return diff(catalog, version_number(catalog, before), version_number(catalog, after))

    def tag(self, name: str, version: int | str) -> None:
        """Give a version a name, under which it is kept for good."""
        with self._lock.held(silent):
            set_tag(self._catalog, name, version_number(self._catalog, version))

    def published_token(self) -> str:
        """Return the name of the state of the index that belongs to the live version."""
        return self._catalog.published_token()

    def index_name(self) -> str:
        """Return the name of the folder of the index that is served."""
        return self._catalog.index_name()

    def published(self) -> Published:
        """Return that state with the check sums of its files."""
        return self._catalog.published()

    def add(
        self,
        paths: Sequence[Path],
        splitter: Splitter,
        embedder: Embedder,
        index: PassageStore,
        on_progress: Progress = silent,
        databases: Sequence[RowSource] = (),
        *,
        retry: bool = False,
    ) -> AddReport:
        """Bring the documents under `paths` and of `databases` into the corpus and the index.

        A document whose bytes, loader and splitter are unchanged is left alone; one whose file is
        gone from a folder given again is removed. Run it again after an interruption and it
        does what is missing. With `retry` files that failed are tried before they are due.

        Raises:
            BadInput: nothing readable was found (nothing is changed), or two files claim one
                id, or another process is writing.
        """
        with self._lock.held(on_progress):
            before = self._catalog.states()
            change = Change(self._catalog, embedder, index, on_progress)
            past = Past({one.path: one for one in self.skipped()}, self._clock(), retry)
            reader = Reader(self.folder.parent, before, splitter, change, past, ocr=self._ocr)
            reading = reader.read(scan(paths, self.folder), on_progress)
            for database in databases:
                reader.read_rows(database, reading, on_progress)
            if not reading.fresh and not reading.unchanged:
                raise _nothing_readable([*paths, *(item.roots[0] for item in databases)], reading)
            reader.close(reading)
            del reader  # what it knows of many files need not stand beside an index being built
            change.finish(Goal((), reading.gone, reading.skipped, "add", reading.cured))
        return self._report(reading, before)

    def remove(
        self, items: Sequence[Path | str], embedder: Embedder, index: PassageStore
    ) -> tuple[str, ...]:
        """Remove documents by id, pattern or path, also of a folder; return their ids.

        A file whose documents were all removed stays out until it is added by its own path.

        Raises:
            BadInput: an item names no document (nothing is removed).
        """
        with self._lock.held(silent):
            states = self._catalog.states()
            ids = chosen_documents(items, states, self.folder.parent)
            skipped = removed_files(ids, states, self.folder.parent, self._catalog.by_root())
            change = Change(self._catalog, embedder, index, silent)
            change.finish(Goal(gone=ids, skipped=skipped, reason="remove"))
        return tuple(ids)

    def rollback(
        self,
        version: int | str,
        embedder: Embedder,
        index: PassageStore,
        on_progress: Progress = silent,
    ) -> Diff | None:
        """Make a new version that equals an older one; return what changed, None for nothing.

        Files are not touched: the next `add` takes in again what they hold.
        """
        with self._lock.held(on_progress):
            number = version_number(self._catalog, version)
            if self._catalog.states(number) == self._catalog.states():
                return None
            rows, gone = plan_rollback(self._catalog, number)
            change = Change(self._catalog, embedder, index, on_progress)
            change.revive(rows)
            made = change.finish(Goal(gone=gone, reason=f"rollback to {number}"))
        return None if made is None else diff(self._catalog, made - 1, made)

    def verify(self, index: PassageStore, dimension: int) -> list[Problem]:
        """Compare catalogue and index piece by piece; an empty list is a clean bill."""
        return verify(self._catalog, index, dimension)

    def add_pairs(
        self,
        questions: Sequence[Question],
        embedder: Embedder,
        index: PassageStore,
        *,
        decline: str = "",
        on_progress: Progress = silent,
    ) -> int:
        """Make the training pairs of the corpus exactly those of `questions`; return how many.

        Questions of `dev` and `test` are never indexed. An unanswerable training question
        becomes a pair that answers by declining where the `decline` sentence is given, and is
        left out otherwise; a question without any answer to show is left out too.
        """
        pairs = list(_pairs(questions, decline))
        with self._lock.held(on_progress):
            Change(self._catalog, embedder, index, on_progress).put_pairs(pairs)
        return len(pairs)

    def settle(
        self, embedder: Embedder, index: PassageStore, on_progress: Progress = silent
    ) -> int:
        """Make the index hold exactly the catalogue's passages; return how many were amiss.

        A passage's id says what is embedded, so equal ids are equal rows.
        """
        with self._lock.held(on_progress):
            return Change(self._catalog, embedder, index, on_progress).settle()

    def reindex(
        self,
        embedder: Embedder,
        opened: Callable[[Path], PassageStore],
        on_progress: Progress = silent,
    ) -> Reindexed:
        """Embed all passages anew where the index is of another embedder; it then replaces it.

        Raises:
            NoSpaceLeft: the disk is full; the old index is served as before.
        """
        with self._lock.held(on_progress):
            return reindex(self._catalog, self.folder, embedder, opened, on_progress)

    def _number(self, version: int | str | None) -> int | None:
        return None if version is None else version_number(self._catalog, version)

    def _report(self, reading: Reading, before: Mapping[str, State]) -> AddReport:
        left = {one for one, _ in reading.renamed}
        come = {other for _, other in reading.renamed}
        again = {name for name in reading.fresh if _is_reread(name, reading, before)}
        ids = [name for name in reading.fresh if name not in come | again]
        return AddReport(
            added=tuple(name for name in ids if name not in before),
            updated=tuple(name for name in ids if name in before),
            unchanged=tuple(reading.unchanged),
            removed=tuple(name for name in reading.gone if name not in left),
            skipped=tuple(item for items in reading.skipped.values() for item in items),
            passages=self._catalog.count("document"),
            renamed=tuple(reading.renamed),
            version=self._catalog.newest(),
            reread=tuple(name for name in reading.fresh if name in again),
        )


def _is_reread(name: str, reading: Reading, before: Mapping[str, State]) -> bool:
    """Tell whether a document was read only because its loader is newer than the one before."""
    state = before.get(name)
    return (
        state is not None
        and state.content_hash == reading.fresh[name]
        and is_outdated(state.loader, state.loader_version)
    )


def _pairs(questions: Sequence[Question], decline: str) -> Iterator[Passage]:
    for question in questions:
        if question.split != "train":
            continue
        answer = question.answers[0] if question.answers else ""
        if not question.answerable:
            answer = decline
        if not answer:
            continue
        text = f"Q: {question.question.strip()}\nA: {answer.strip()}"
        doc_id = question.doc_ids[0] if question.doc_ids else ""
        yield Passage(
            id=fingerprint("pair", question.id, doc_id, text),
            doc_id=doc_id,
            text=text,
            position=0,
            end=len(text),
            kind="pair",
            pair_id=question.id,
            answer=answer,
        )


def _nothing_readable(given: Sequence[Path | str], reading: Reading) -> BadInput:
    """Return the error that says why nothing of what was given could be used."""
    skipped = [item for items in reading.skipped.values() for item in items]
    reasons = Counter(item.reason.split(":")[0] for item in skipped)
    counted = ", ".join(f"{count} × {reason}" for reason, count in reasons.most_common(5))
    return BadInput(
        "nothing readable was found",
        where=", ".join(map(str, given)),
        why=f"{len(skipped)} file{'s' * (len(skipped) > 1)} left out: {counted}"
        if skipped
        else "there are no files",
        next_step=skipped[0].next_step
        if len(skipped) == 1 and skipped[0].next_step
        else "add files of these kinds: " + " ".join(known_extensions()),
    )
