"""Which documents a removal means, and what is remembered so that they do not come back."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path

from graft.catalog import State
from graft.errors import BadInput
from graft.failures import Skipped

__all__ = ["chosen_documents", "removed_files"]


def chosen_documents(
    items: Sequence[Path | str], states: Mapping[str, State], base: Path
) -> list[str]:
    """Return the ids that the items mean: an id, a pattern of ids, or the path of file or folder.

    Raises:
        BadInput: an item means no document.
    """
    chosen: set[str] = set()
    for item in items:
        found = _meant(str(item), states, base)
        if not found:
            near = difflib.get_close_matches(str(item), states, n=1)
            raise BadInput(
                "there is no such document",
                where=str(item),
                why=f"did you mean {near[0]}?" if near else "no document has this id or path",
                next_step="graft status",
            )
        chosen |= found
    return sorted(chosen)


def removed_files(
    ids: Sequence[str],
    states: Mapping[str, State],
    base: Path,
    before: Mapping[str, Sequence[Skipped]],
) -> dict[str, list[Skipped]]:
    """Return the records of files left out, with those of which no document stays."""
    leaving = set(ids)
    staying = {state.source for name, state in states.items() if name not in leaving}
    found: dict[str, list[Skipped]] = {}
    for name in ids:
        state = states[name]
        if state.source in staying or "://" in state.source:
            continue
        path = str(base.resolve() / state.source)
        items = found.setdefault(state.root, [])
        if path not in {item.path for item in items}:
            items.append(
                Skipped(path, "removed on demand", "add it by its own path", state="removed")
            )
    for root, items in found.items():
        new = {item.path for item in items}
        items += [item for item in before.get(root, ()) if item.path not in new]
        items.sort(key=lambda item: item.path)
    return found


def _meant(item: str, states: Mapping[str, State], base: Path) -> set[str]:
    if item in states:
        return {item}
    found = {name for name in states if fnmatch.fnmatchcase(name, item)}
    paths = {(base / item).resolve(), Path(item).resolve()}
    for name, state in states.items():
        if "://" in state.source:
            if state.source == item:
                found.add(name)
            continue
        source = (base / state.source).resolve()
        if any(source.is_relative_to(path) for path in paths):
            found.add(name)
    return found
