"""An index for another embedder: built beside the one that is served, which it then replaces.

Vectors of two embedders are never in one index. The new one stands in a folder named after
its embedder, so that an interrupted run finds what it has embedded; one transaction of the
catalogue names the new folder and its state; only then the old folder goes. Killed anywhere,
searches find the old index or the new one. Whoever calls this holds the writer's lock.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from graft.catalog import Catalog
from graft.catalog_schema import NOTHING_PUBLISHED
from graft.errors import FingerprintMismatch
from graft.filling import Filler
from graft.protocols import Embedder, PassageStore, Progress, Published
from graft.staging import switch_index
from graft.types import fingerprint

__all__ = ["Reindexed", "reindex"]

_FOLDERS = re.compile(r"index(-[0-9a-f]{12})?")
_LEAVING = "leaving-"


@dataclass(frozen=True, slots=True)
class Reindexed:
    """What a `reindex` did; `is_new` is False where the index was of this embedder already.

    `why` says in which parts the embedders differ, or what the old index lacked. `kept` counts
    the passages that an interrupted run had embedded, `left` names folders that nobody needs
    and that could not be removed.
    """

    is_new: bool
    passages: int = 0
    kept: int = 0
    left: tuple[str, ...] = ()
    why: str = ""


def reindex(
    catalog: Catalog,
    folder: Path,
    embedder: Embedder,
    opened: Callable[[Path], PassageStore],
    on_progress: Progress,
) -> Reindexed:
    """Make the index in `folder` one of this embedder; `opened` opens one for it at a place.

    Raises:
        NoSpaceLeft: the disk is full; the old index is served as before.
    """
    live = catalog.passage_ids()
    served = folder / catalog.index_name()
    why = _reason(catalog, served, opened, live)
    if not why:
        return Reindexed(False, len(live), left=_clear(folder, served.name))
    name = f"index-{fingerprint(embedder.identity, embedder.dimension)[:12]}"
    index = opened(folder / name)
    filler = Filler(catalog, embedder, index, on_progress)
    kept = len(live & filler.there)
    filler.total = len(live)
    filler.write(catalog.passages_named(sorted(live)))
    filler.remove(filler.there - live)
    switch_index(catalog, name, index.publish(Published("", {})))
    left = _clear(folder, name)
    index.tidy()
    return Reindexed(True, len(live), kept, left, why)


def _reason(
    catalog: Catalog, served: Path, opened: Callable[[Path], PassageStore], live: set[str]
) -> str:
    """Say why a new index is needed; empty where this one is of the embedder and lacks nothing."""
    if not served.exists():
        is_empty = catalog.published_token() == NOTHING_PUBLISHED
        return "" if is_empty else "there was no index"
    try:
        lacking = len(live - opened(served).ids())
    except FingerprintMismatch as error:
        return error.why
    return f"{lacking} passages were not in the index" if lacking else ""


def _clear(folder: Path, name: str) -> tuple[str, ...]:
    """Remove every index but the one of this name; return the folders that would not go.

    A folder gets another name first, so that none that is half removed is built upon.
    """
    left = []
    for path in sorted(folder.iterdir()):
        if path.name == name:
            continue
        leaving = path
        if _FOLDERS.fullmatch(path.name):
            leaving = folder / f"{_LEAVING}{path.name}"
            shutil.rmtree(leaving, ignore_errors=True)
            try:
                os.replace(path, leaving)
            except OSError:
                left.append(str(path))
                continue
        elif not path.name.startswith(f"{_LEAVING}index"):
            continue
        shutil.rmtree(leaving, ignore_errors=True)
        if leaving.exists():
            left.append(str(leaving))
    return tuple(left)
