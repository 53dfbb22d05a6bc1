"""Whether catalogue and index are whole and hold the same: every live passage once, no other.

It reads everything and changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graft.catalog import Catalog
from graft.errors import BadInput
from graft.loader_versions import version_of_rows
from graft.protocols import PassageStore
from graft.types import Document, Passage
from graft.versions import list_versions

__all__ = ["Problem", "verify"]

_AT_ONCE = 2_000
_MEND = "graft add, with the folders of this workspace; what is amiss is mended"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is amiss, how often, where it is first seen, and what mends it."""

    what: str
    count: int
    example: str
    next_step: str


def verify(catalog: Catalog, index: PassageStore, dimension: int) -> list[Problem]:
    """Return what is amiss, an empty list for nothing."""
    damaged = _integrity(catalog)
    if damaged:
        return damaged
    problems: list[Problem] = []
    try:
        for number in (None, *_numbers(catalog)):
            problems += _spans(catalog, number)
        problems += _versions(catalog)
        problems += _compared(catalog, index, dimension)
    except BadInput as error:
        problems.append(Problem(error.what, 1, error.where, error.next_step))
    return problems


def _integrity(catalog: Catalog) -> list[Problem]:
    try:
        with catalog.opened() as store:
            found = [str(row[0]) for row in store.execute("PRAGMA integrity_check(5)")]
    except (BadInput, sqlite3.DatabaseError) as error:
        found = [getattr(error, "why", "") or str(error)]
    if found == ["ok"]:
        return []
    mend = f"put back a copy of the workspace, or remove {catalog.file} and run graft add again"
    return [Problem("the catalogue is damaged", len(found), found[0], mend)]


def _numbers(catalog: Catalog) -> list[int]:
    with catalog.opened() as store:
        return [row[0] for row in store.execute("SELECT number FROM versions ORDER BY number")]


def _versions(catalog: Catalog) -> Iterator[Problem]:
    """Find versions whose documents are not those that they were made of."""
    wrong = [
        version.number
        for version in list_versions(catalog)
        if version_of_rows(_states(catalog, version.number)) != version.fingerprint
    ]
    if wrong:
        mend = "put back a copy of the workspace, or do not roll back to these versions"
        yield Problem("versions are not what they were", len(wrong), f"version {wrong[0]}", mend)


def _states(catalog: Catalog, number: int) -> Iterator[tuple[str, str, str, str]]:
    for name, item in catalog.states(number).items():
        yield name, item.content_hash, item.splitter, item.loader_version


def _spans(catalog: Catalog, number: int | None) -> Iterator[Problem]:
    """Find passages whose text is not what stands at their place in the document."""
    documents: dict[str, Document] = {item.id: item for item in catalog.documents(number)}
    wrong = [
        passage.id
        for passage in catalog.passages("document", number)
        if passage.doc_id not in documents
        or documents[passage.doc_id].text[passage.start : passage.end] != passage.text
    ]
    if wrong:
        yield Problem(
            "passages do not stand where they say",
            len(wrong),
            f"{wrong[0]}{'' if number is None else f' of version {number}'}",
            f"remove {catalog.file} and run graft add again; documents are read anew",
        )


def _compared(catalog: Catalog, index: PassageStore, dimension: int) -> Iterator[Problem]:
    live = catalog.passage_ids()
    there = index.ids()
    place = f".graft/{catalog.index_name()}"
    rebuild = f"remove {place} and run graft add again; it is built anew"
    if missing := sorted(live - there):
        yield Problem("passages are not in the index", len(missing), missing[0], _MEND)
    if extra := sorted(there - live):
        yield Problem("the index holds what is in no document", len(extra), extra[0], _MEND)
    if index.count() != len(there):
        twice = index.count() - len(there)
        yield Problem("passages stand twice in the index", twice, "", rebuild)
    both = sorted(live & there)
    unlike: list[str] = []
    wrong: list[str] = []
    for start in range(0, len(both), _AT_ONCE):
        some = both[start : start + _AT_ONCE]
        _compare(list(catalog.passages_named(some)), index, dimension, unlike, wrong)
    if unlike:
        yield Problem("passages differ from those of the index", len(unlike), unlike[0], rebuild)
    if wrong:
        what = "vectors are not finite, of unit length and of the right dimension"
        yield Problem(what, len(wrong), wrong[0], rebuild)


def _compare(
    passages: Sequence[Passage],
    index: PassageStore,
    dimension: int,
    unlike: list[str],
    wrong: list[str],
) -> None:
    import numpy as np

    found = index.fetch([item.id for item in passages])
    for passage in passages:
        there, vector = found[passage.id]
        if there != passage:
            unlike.append(passage.id)
        length = float(np.linalg.norm(vector))
        if vector.shape != (dimension,) or not abs(length - 1) < 0.01:
            wrong.append(passage.id)
