"""The corpus: documents and passages at one version, kept in step with an index.

The catalogue is the truth and the index follows it. New passages are written before the old
ones go, the catalogue changes in one transaction between the two, and `settle` mends
whatever an interruption left: so every `add` completes the one before.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from graft.catalog import Catalog, Entry, Skipped
from graft.errors import BadInput
from graft.loaders import known_extensions
from graft.protocols import Embedder, Index, Progress, Splitter
from graft.reading import Reader, Reading
from graft.sources import RowSource, scan
from graft.types import Document, Passage, PassageKind, Question, fingerprint

__all__ = ["AddReport", "Corpus", "PassageStore", "Skipped", "silent"]

CATALOG = "catalog.sqlite"
_EMBED_AT_ONCE = 64
# Embedded and stored together: an interruption loses at most this much work (some seconds).
_PASSAGES_AT_ONCE = 256


class PassageStore(Index, Protocol):
    """An index that a corpus can keep in step: it lists, removes by id and refreshes."""

    def ids(self) -> frozenset[str]:
        """Return the ids of all passages."""

    def remove(self, passage_ids: Sequence[str]) -> int:
        """Remove passages by id; return how many were there."""

    def refresh(self) -> None:
        """Bring everything derived up to date."""


@dataclass(frozen=True, slots=True)
class AddReport:
    """What an `add` did, as document ids; `passages` counts those of all documents now."""

    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    passages: int = 0


def silent(phase: str, done: int, total: int, note: str = "") -> None:
    """Take progress and show nothing."""


class Corpus:
    """The documents of a workspace; `folder` is its `.graft`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._catalog = Catalog(folder / CATALOG)

    @property
    def version(self) -> str:
        """Name the documents and how they are cut: ids, hashes and splitter settings."""
        states = sorted(self._catalog.states().items())
        return fingerprint([(name, item.content_hash, item.splitter) for name, item in states])

    def documents(self) -> list[Document]:
        """Return all documents, by id."""
        return self._catalog.documents()

    def document(self, doc_id: str) -> Document:
        """Return one document.

        Raises:
            BadInput: there is none of this id; the nearest id is named.
        """
        found = self._catalog.document(doc_id)
        if found is None:
            near = difflib.get_close_matches(doc_id, self._catalog.states(), n=1)
            raise BadInput(
                "there is no such document",
                where=doc_id,
                why=f"did you mean {near[0]}?" if near else "no document has this id",
                next_step="graft status",
            )
        return found

    def passages(self, kind: PassageKind = "document") -> list[Passage]:
        """Return the passages of the documents, or the training pairs."""
        return self._catalog.passages(kind)

    def skipped(self) -> list[Skipped]:
        """Return the files that the last `add` of their folder left out."""
        return self._catalog.skipped()

    def add(
        self,
        paths: Sequence[Path],
        splitter: Splitter,
        embedder: Embedder,
        index: PassageStore,
        on_progress: Progress = silent,
        databases: Sequence[RowSource] = (),
    ) -> AddReport:
        """Bring the documents under `paths` and of `databases` into the corpus and the index.

        A document whose bytes and splitter are unchanged is left alone; one whose file is
        gone from a folder given again is removed. Run it again after an interruption and it
        does what is missing.

        Raises:
            BadInput: nothing readable was found (nothing is changed), or two files claim one id.
        """
        scans = scan(paths, self.folder)
        before = self._catalog.states()
        reader = Reader(self.folder.parent, before, splitter)
        reading = reader.read(scans, on_progress)
        for database in databases:
            reader.read_rows(database, reading, on_progress)
        if not reading.entries and not reading.unchanged:
            raise _nothing_readable([*paths, *(item.roots[0] for item in databases)], reading)
        self.settle(embedder, index, on_progress)
        total = sum(len(entry.passages) for entry in reading.entries)
        self._store(reading.entries, _Writer(embedder, index, on_progress, total))
        removed = [name for name in reading.gone if name in self._catalog.states()]
        self.remove(removed, index)
        for root, skipped in reading.skipped.items():
            self._catalog.replace_skipped(root, skipped)
        index.refresh()
        ids = [entry.document.id for entry in reading.entries]
        return AddReport(
            added=tuple(name for name in ids if name not in before),
            updated=tuple(name for name in ids if name in before),
            unchanged=tuple(reading.unchanged),
            removed=tuple(removed),
            skipped=tuple(item for items in reading.skipped.values() for item in items),
            passages=self._catalog.count("document"),
        )

    def remove(self, doc_ids: Sequence[str], index: PassageStore) -> int:
        """Remove documents with their passages; return how many there were."""
        known = self._catalog.states()
        found = [name for name in dict.fromkeys(doc_ids) if name in known]
        passages = self._catalog.passage_ids(found)
        self._catalog.remove(found)
        index.remove(sorted(passages))
        return len(found)

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
        known = {passage.id for passage in self._catalog.passages("pair")}
        if known != {passage.id for passage in pairs}:
            self._catalog.replace_pairs(pairs)
        self.settle(embedder, index, on_progress)
        index.refresh()
        return len(pairs)

    def settle(
        self, embedder: Embedder, index: PassageStore, on_progress: Progress = silent
    ) -> int:
        """Make the index hold exactly the catalogue's passages; return how many were amiss.

        A passage's id says what is embedded, so equal ids are equal rows.
        """
        live = self._catalog.passage_ids()
        there = index.ids()
        if live == there:
            return 0
        lost = live - there
        both = (*self._catalog.passages("document"), *self._catalog.passages("pair"))
        writer = _Writer(embedder, index, on_progress, len(lost))
        writer.write([item for item in both if item.id in lost])
        return len(lost) + index.remove(sorted(there - live))

    def _store(self, entries: Sequence[Entry], writer: _Writer) -> None:
        """Embed and store entries batch by batch: index, then catalogue, then the old rows."""
        for batch in _batches(entries):
            passages = [passage for entry in batch for passage in entry.passages]
            old = self._catalog.passage_ids([entry.document.id for entry in batch])
            writer.write(passages)
            self._catalog.replace(batch)
            writer.index.remove(sorted(old - {passage.id for passage in passages}))


class _Writer:
    """Embeds passages as shown and writes them to an index, telling how far it is."""

    def __init__(
        self, embedder: Embedder, index: PassageStore, on_progress: Progress, total: int
    ) -> None:
        self.index = index
        self._embedder = embedder
        self._tell = on_progress
        self._total = total
        self._done = 0

    def write(self, passages: Sequence[Passage]) -> None:
        """Embed and write, at most `_PASSAGES_AT_ONCE` between two writes."""
        import numpy as np

        for start in range(0, len(passages), _PASSAGES_AT_ONCE):
            block = passages[start : start + _PASSAGES_AT_ONCE]
            vectors = []
            for at in range(0, len(block), _EMBED_AT_ONCE):
                shown = [passage.shown for passage in block[at : at + _EMBED_AT_ONCE]]
                vectors.append(self._embedder.embed(shown, "passage"))
                self._done += len(shown)
                self._tell("embed", self._done, self._total, "passages")
            self.index.write(block, np.concatenate(vectors))


def _batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        batch.append(entry)
        size += len(entry.passages)
        if size >= _PASSAGES_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


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
