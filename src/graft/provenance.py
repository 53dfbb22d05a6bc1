"""Where a document comes from: its file, its time, what read it, and its text in numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from graft.catalog import Catalog

__all__ = ["Provenance", "provenance_of", "text_statistics"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """The origin of one document at one version.

    `modified` (seconds since 1970) and `bytes` are those of the file when it was read, None
    where there is no file. `statistics` has characters, words, lines and the share of letters.
    `since` is the version that brought it.
    """

    doc_id: str
    source: str
    root: str
    added: str
    modified: float | None
    bytes: int | None
    content_hash: str
    loader: str
    loader_version: str
    splitter: str
    statistics: Mapping[str, float]
    notes: tuple[str, ...]
    passages: int
    since: int


def provenance_of(catalog: Catalog, doc_id: str, at: int | None = None) -> Provenance:
    """Return the origin of a document that is live, or was at a version."""
    number = catalog.newest() if at is None else at
    with catalog.opened() as store:
        row = store.execute(
            "SELECT documents.id AS doc_id, source, root, added, modified, bytes, content_hash,"
            " loader, loader_version, splitter, statistics, notes, born AS since,"
            ' COUNT(passages."row") AS passages FROM documents'
            ' LEFT JOIN passages ON passages.document = documents."row"'
            " WHERE documents.id = ? AND born <= ? AND (died IS NULL OR died > ?)"
            ' GROUP BY documents."row"',
            (doc_id, number, number),
        ).fetchone()
    plain = dict(row)
    plain["statistics"] = json.loads(plain["statistics"])
    plain["notes"] = tuple(json.loads(plain["notes"]))
    return Provenance(**plain)


def text_statistics(text: str) -> dict[str, float]:
    """Return the size of a text and the share of letters among what is no space.

    >>> text_statistics("Runs 9")
    {'characters': 6, 'words': 2, 'lines': 1, 'letters': 0.8}
    """
    words = text.split()
    signs = sum(map(len, words))
    letters = sum(map(str.isalpha, text))
    return {
        "characters": len(text),
        "words": len(words),
        "lines": len(text.splitlines()),
        "letters": round(letters / signs, 4) if signs else 0.0,
    }
