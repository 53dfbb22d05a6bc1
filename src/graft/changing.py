"""What a workspace does with its documents besides `add`: versions, removal, verification.

>>> from graft import Workspace
>>> workspace = Workspace.open("demo")                      # doctest: +SKIP
>>> workspace.changes.rollback("before-the-audit")          # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.assembly import Assembly
from graft.corpus import Corpus, silent
from graft.protocols import Embedder, Progress
from graft.provenance import Provenance
from graft.reindexing import Reindexed
from graft.verifying import Problem
from graft.versions import Diff, Version

__all__ = ["Changing", "embedded_with", "open_index"]


def open_index(corpus: Corpus, embedder: Embedder) -> Any:  # noqa: ANN401 - imported late
    """Open the index of a corpus, a `graft.index.lancedb.LanceIndex`.

    Raises:
        FingerprintMismatch: it was made with another embedder.
    """
    from graft.index.lancedb import LanceIndex

    folder = corpus.folder / corpus.index_name()
    return LanceIndex(folder, embedder.dimension, embedder.identity, serves=corpus)


def embedded_with(corpus: Corpus) -> str:
    """Return the identity of the embedder of the index that is served; empty without one."""
    from graft.index.identity import stored_identity

    return stored_identity(corpus.folder / corpus.index_name())


@dataclass(frozen=True, slots=True)
class Changing:
    """The changes of one workspace; `index` gives its index, opened on first use."""

    corpus: Corpus
    assembly: Assembly
    index: Callable[[], Any]

    def versions(self) -> list[Version]:
        """Return the versions that are kept, oldest first."""
        return self.corpus.versions()

    def tag(self, name: str, version: int | str) -> None:
        """Give a version a name, under which it is kept for good."""
        self.corpus.tag(name, version)

    def diff(self, before: int | str, after: int | str) -> Diff:
        """Return what differs between two versions, given as numbers or tags."""
        return self.corpus.diff(before, after)

    def rollback(self, version: int | str, on_progress: Progress | None = None) -> Diff | None:
        """Make a new version that equals an older one; return what changed, None for nothing."""
        embedder = self.assembly.embedder
        return self.corpus.rollback(version, embedder, self.index(), on_progress or silent)

    def remove(self, items: Sequence[Path | str]) -> tuple[str, ...]:
        """Remove documents by id, pattern or path, also of a folder; return their ids."""
        return self.corpus.remove(items, self.assembly.embedder, self.index())

    def reindex(self, on_progress: Progress | None = None) -> Reindexed:
        """Embed all passages with the configured embedder where the index is of another one."""
        from graft.index.lancedb import LanceIndex

        one = self.assembly.embedder

        def opened(folder: Path) -> LanceIndex:
            return LanceIndex(folder, one.dimension, one.identity)

        return self.corpus.reindex(one, opened, on_progress or silent)

    def verify(self) -> list[Problem]:
        """Compare catalogue and index piece by piece; an empty list is a clean bill."""
        return self.corpus.verify(self.index(), self.assembly.embedder.dimension)

    def provenance(self, doc_id: str) -> Provenance:
        """Return where a document comes from."""
        return self.corpus.provenance(doc_id)
