"""Which version of a loader read a document, and whether there is a newer one now.

Every loader counts its own versions, so that a better reader of one format has the documents
of that format read again and no others. It imports a loader only to ask for its number.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from functools import cache

import graft
from graft.types import fingerprint

__all__ = ["is_outdated", "loader_number", "loader_version", "version_of_rows"]

# What reads databases is no loader of files.
_ELSEWHERE = {"database": "graft.databases.parts"}


@cache
def loader_version(loader: str) -> str:
    """Return the version of a loader: its own `LOADER_VERSION`, else that of Graft."""
    try:
        module = importlib.import_module(_ELSEWHERE.get(loader, f"graft.loaders.{loader}"))
    except ImportError:
        return f"graft {graft.__version__}"
    own = getattr(module, "LOADER_VERSION", 0)
    return f"{loader} {own}" if own else f"graft {graft.__version__}"


def is_outdated(loader: str, version: str) -> bool:
    """Tell whether a loader is newer than the version of it that read a document."""
    return loader_number(loader_version(loader)) > loader_number(version)


def version_of_rows(rows: Iterable[tuple[str, str, str, str]]) -> str:
    """Name documents by id, hash of the content, splitter and version of the loader."""
    return fingerprint(sorted(row if loader_number(row[3]) > 1 else row[:3] for row in rows))


def loader_number(version: str) -> int:
    """Return the number of a loader; before loaders were counted all were at their first.

    >>> loader_number("epub 3"), loader_number("graft 0.1.0"), loader_number("")
    (3, 1, 1)
    """
    number = version.rpartition(" ")[2]
    return int(number) if number.isdecimal() else 1
