"""One change of a corpus: staged and embedded as it comes, live in one transaction.

The order is always the same. What is new is staged in the catalogue and written to the
working state of the index; then the index is made exactly the next version and that state
gets a name; then one transaction turns documents, versions, files left out and the name of
the state over. Killed anywhere, searches find the old version or the new one. Whoever makes
a change holds the writer's lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graft.catalog import Catalog, Entry
from graft.filling import PASSAGES_AT_ONCE, Filler
from graft.protocols import Embedder, PassageStore, Progress
from graft.staging import Goal, Staged, commit, replace_pairs, stage, staged_of
from graft.types import Passage
from graft.versions import copy_rows, prune

__all__ = ["Change"]

_DOCUMENTS_AT_ONCE = 256


class Change:
    """What is on its way into the next version."""

    def __init__(
        self, catalog: Catalog, embedder: Embedder, index: PassageStore, on_progress: Progress
    ) -> None:
        self._catalog = catalog
        self._index = index
        self._filler = Filler(catalog, embedder, index, on_progress)
        self._filler.is_quiet = True
        self._rows: list[int] = []
        self._waiting: list[Entry] = []
        self._again: list[int] = []
        self._size = 0
        if not catalog.published().token:
            # An index without a named state is served as it is: name it before it changes.
            self.finish(Goal())

    def stage(self, entry: Entry) -> None:
        """Take a document; it is stored and embedded together with some others."""
        self._waiting.append(entry)
        self._size += len(entry.passages)
        if self._size >= PASSAGES_AT_ONCE or len(self._waiting) >= _DOCUMENTS_AT_ONCE:
            self._flush()

    def staged(self, source: str, splitter: str) -> list[Staged]:
        """Return what an interrupted change has staged of a source."""
        return staged_of(self._catalog, source, splitter)

    def use(self, rows: Sequence[int]) -> None:
        """Take documents that are staged already."""
        self._again += rows

    def revive(self, rows: Sequence[int]) -> None:
        """Take copies of documents of older versions."""
        self._again += copy_rows(self._catalog, rows)

    def finish(self, goal: Goal) -> int | None:
        """Make what was taken, less what is gone, the live version; return its number.

        None where no document changed.
        """
        self._filler.is_quiet = False
        waiting = self._size + self._catalog.count_of(self._again)
        self._filler.total += waiting
        self._flush()
        rows = [*self._rows, *self._again]
        live = self._catalog.passage_ids_with(rows, goal.gone)
        self._fit(live)
        published = self._index.publish(self._catalog.published())
        number = commit(self._catalog, replace(goal, rows=rows), published)
        if number is not None:
            prune(self._catalog)
            self._index.tidy()
        self._rows, self._again = [], []
        return number

    def put_pairs(self, pairs: Sequence[Passage]) -> None:
        """Make the training pairs of the corpus exactly these."""
        self._filler.is_quiet = False
        self._filler.total += len(pairs)
        known = {passage.id for passage in self._catalog.passages("pair")}
        new = {passage.id for passage in pairs}
        self._filler.write([item for item in pairs if item.id not in self._filler.there])
        self._fit(self._catalog.passage_ids() - known | new)
        before = self._catalog.published()
        published = self._index.publish(before)
        if known != new or published != before:
            replace_pairs(self._catalog, pairs, published)

    def settle(self) -> int:
        """Make the index hold exactly the live passages; return how many were amiss."""
        live = self._catalog.passage_ids()
        amiss = len(live ^ self._filler.there)
        self.finish(Goal())
        return amiss

    def _fit(self, live: set[str]) -> None:
        """Write what the working state lacks and take away what is not to be live."""
        lost = live - self._filler.there
        self._filler.total += len(lost)
        self._filler.write(self._catalog.passages_named(sorted(lost)))
        self._filler.remove(self._filler.there - live)

    def _flush(self) -> None:
        """Store what waits, then embed it: what is stored need not be read again."""
        waiting, self._waiting, self._size = self._waiting, [], 0
        rows = stage(self._catalog, waiting) if waiting else []
        self._rows += rows
        self._filler.write(passage for entry in waiting for passage in entry.passages)
        if not self._filler.is_quiet:
            self._filler.write(self._catalog.passages_of(self._again))
