"""A corpus with a reader, read in this process and interrupted at any step that is counted."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from graft.corpus import Corpus
from graft.embed.fake import FakeEmbedder
from graft.errors import UnreadableDocument
from graft.index.lancedb import LanceIndex
from graft.index.memory import MemoryIndex
from graft.loaders import loader_of
from graft.loaders.opening import holding
from graft.parsing import Parsed
from graft.splitters.semantic import SemanticSplitter
from graft.types import Where

INDEXES = {"memory": MemoryIndex, "lancedb": LanceIndex}


class Killed(BaseException):
    """The process ends here."""


class Steps:
    """Counts the steps that change what is on the disk, and ends the process at one."""

    def __init__(self):
        self.seen = []
        self.last = None

    def take(self, what):
        self.seen.append(what)
        if self.last is not None and len(self.seen) == self.last:
            raise Killed(what)

    def around(self, real, what):
        def call(*values, **named):
            self.take(f"before {what}")
            result = real(*values, **named)
            self.take(f"after {what}")
            return result

        return call


class Reading:
    """Stands in for the child process: what matters here is what becomes of documents."""

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def parse(self, files):
        for file in files:
            try:
                with holding(file.path) as data:
                    loader = loader_of(file.path, data).loader
                    yield Parsed(file, tuple(loader.load(file.path, file.name)))
            except UnreadableDocument as error:
                yield Parsed(file, error=error)


class Embedder(FakeEmbedder):
    """Keeps what it embedded."""

    def __init__(self):
        super().__init__()
        self.texts = []

    def embed(self, texts, kind="passage"):
        if kind == "passage":
            self.texts += texts
        return super().embed(texts, kind)


class Place:
    """A workspace in a folder: `docs`, a corpus and an index of a kind."""

    def __init__(self, folder, kind="memory", clock=None):
        self.folder = Path(folder)
        self.kind = kind
        self.docs = self.folder / "docs"
        self.docs.mkdir(parents=True, exist_ok=True)
        self.state = self.folder / ".graft"
        self.now = 1_000_000.0
        self.corpus = Corpus(self.state, clock or (lambda: self.now))
        self.embedder = Embedder()
        self.index = self.opened()
        self.written = []

    def opened(self):
        """Return the index as another process opens it."""
        place = self.state / "index"
        identity = FakeEmbedder.identity
        if self.kind == "memory":
            return MemoryIndex(64, identity, place, serves=self.corpus)
        return LanceIndex(place, 64, identity, serves=self.corpus)

    def copied(self, to):
        """Return the same workspace at another place."""
        return Place(shutil.copytree(self.folder, to), self.kind)

    def write(self, name, text):
        path = self.docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def add(self, *paths, **more):
        return self.corpus.add(
            paths or (self.docs,), SemanticSplitter(64), self.embedder, self.index, **more
        )

    def searched(self):
        """Return what a new reader can find, with every word of the texts."""
        index = self.opened()
        passages = index.all_passages()
        words = " ".join(sorted({word for item in passages for word in item.text.split()}))
        vector = FakeEmbedder().embed([words or "x"])[0]
        found = index.search(words, vector, 1000, Where())
        assert {hit.passage for hit in found["dense"]} == set(passages)
        return sorted(passages, key=lambda item: item.id)

    def live(self):
        """Return what the catalogue has."""
        both = [*self.corpus.passages(), *self.corpus.passages("pair")]
        return sorted(both, key=lambda item: item.id)

    def sound(self):
        """Check that catalogue, index and reader agree."""
        assert self.searched() == self.live()
        assert self.corpus.verify(self.opened(), 64) == []
        return True

    def rows(self, table):
        """Return the number of rows of a table."""
        with sqlite3.connect(self.state / "catalog.sqlite") as store:
            count = store.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
        store.close()
        return count


class CountedStore(sqlite3.Connection):
    """A connection whose commits are steps."""

    steps: Steps

    def __exit__(self, *failure):
        if failure[0] is None and self.in_transaction:
            try:
                self.steps.take("before commit")
            except Killed:
                self.rollback()
                raise
            result = super().__exit__(*failure)
            self.steps.take("after commit")
            return result
        return super().__exit__(*failure)


def counted(monkeypatch, place, steps):
    """Count every write of a workspace."""
    connect = sqlite3.connect
    store = type("Store", (CountedStore,), {"steps": steps})
    monkeypatch.setattr(
        sqlite3, "connect", lambda file, **named: connect(file, **named, factory=store)
    )
    for name in ("write", "remove", "publish", "tidy"):
        real = getattr(place.index, name)
        if name == "write":
            real = _noting(real, place.written)
        monkeypatch.setattr(place.index, name, steps.around(real, name))


def _noting(real, written):
    def write(passages, vectors):
        real(passages, vectors)
        written.extend(passage.shown for passage in passages)

    return write
